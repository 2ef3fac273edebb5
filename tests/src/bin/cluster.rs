//! `cluster`: three store nodes and two front ends on this machine, until Ctrl-C.
//!
//! Prints what runs where, then waits. Each process has its log in the folder. Kill any store node with `kill -9` and
//! watch; it is not started again. At the end all processes are asked to end.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use anyhow::{Context, Result};
use clap::Parser;
use std::path::PathBuf;
use yubin_tests::cluster::{Cluster, Member};

/// Start a cluster and wait for Ctrl-C.
#[derive(Parser)]
struct Arguments {
    /// Folder for data and logs, kept at the end; a temporary one, removed at the end, if not given
    #[arg(long)]
    data: Option<PathBuf>,
    /// Make this domain, with accounts u0 to u4 whose password is "correct horse battery"
    #[arg(long)]
    domain: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let temporary = tempfile::tempdir()?;
    let folder = arguments.data.unwrap_or_else(|| temporary.path().to_path_buf());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From here on Ctrl-C is ours. The members get it too, being in the same group; they end in their own time.
    let interrupted =
        runtime.block_on(async { tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()) });
    let mut interrupted = interrupted.context("waiting for Ctrl-C")?;
    let cluster = Cluster::start(&folder)?;
    for member in cluster.nodes.iter().chain(&cluster.front_ends) {
        print(member);
    }
    if let Some(domain) = &arguments.domain {
        yubin_tests::crash::Target::admin(&cluster).populate(domain, 5, yubin_tests::crash::PASSWORD)?;
        println!("accounts u0@{domain} to u4@{domain}, password: {}", yubin_tests::crash::PASSWORD);
    }
    println!("data and logs: {}\nCtrl-C ends it", folder.display());
    runtime.block_on(async { interrupted.recv().await });
    eprintln!("ending");
    drop(cluster);
    Ok(())
}

fn print(member: &Member) {
    let ports: Vec<String> = member.ports.iter().map(|(name, address)| format!("{name} {address}")).collect();
    println!("{} (process {}): {}", member.program.name, member.running.id(), ports.join(", "));
}
