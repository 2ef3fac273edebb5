//! `bench-delivery`: SMTP to mailbox, beside Postfix and Dovecot, with the same load on the same machine in one run.
//!
//! Each round starts every chosen system in turn, alone, loads it with every size, and stops it; rounds repeat, so
//! that a slow minute of the machine falls on all alike. Between systems what is dirty in memory goes to the disk. The
//! table is printed at the end, each measurement as it is made.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use yubin_tests::bench::{self, Figures, Subject, Yubin};
use yubin_tests::cluster::Cluster;
use yubin_tests::peer::{self, Dovecot, Peer};
use yubin_tests::system::System;

/// Measure delivery, system by system.
#[derive(Parser)]
struct Arguments {
    /// How often everything is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load per measurement
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Systems, in this order; the first is what the others are compared with
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Peer, Kind::Lmtp, Kind::Single, Kind::Cluster])]
    systems: Vec<Kind>,
    /// Sizes of messages in bytes, each at 50 connections
    #[arg(long, value_delimiter = ',', default_values_t = [4096, 51_200, 1_048_576])]
    sizes: Vec<usize>,
    /// Folder for the systems' data; a temporary one if not given
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// A system that can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Debian's Postfix in front of Debian's Dovecot
    Peer,
    /// Debian's Dovecot alone, by LMTP
    Lmtp,
    /// yubin, one process
    Single,
    /// yubin, three store nodes and two front ends on this machine
    Cluster,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.systems.iter().any(|kind| matches!(kind, Kind::Peer | Kind::Lmtp)) {
        peer::install()?;
    }
    let mut figures = Vec::new();
    for round in 1..=arguments.rounds {
        for kind in &arguments.systems {
            eprintln!("round {round} of {}", arguments.rounds);
            figures.extend(measure(*kind, &arguments)?);
        }
    }
    println!("{}", bench::table(&figures));
    Ok(())
}

/// Starts a system, measures every case, and stops it.
fn measure(kind: Kind, arguments: &Arguments) -> Result<Vec<Figures>> {
    let folder = bench::folder(arguments.folder.as_deref())?;
    let subject = start(kind, folder.path())?;
    bench::measure_all(subject.as_ref(), &bench::cases(&arguments.sizes, arguments.seconds))
}

fn start(kind: Kind, folder: &Path) -> Result<Box<dyn Subject>> {
    Ok(match kind {
        Kind::Peer => Box::new(Peer::start(folder)?),
        Kind::Lmtp => Box::new(Dovecot::start(folder)?),
        Kind::Single => {
            let system = System::start(folder)?;
            let ids = vec![system.running.id()];
            Box::new(Yubin::new("yubin", system, ids)?)
        }
        Kind::Cluster => {
            let cluster = Cluster::start(folder)?;
            let ids = cluster.ids();
            Box::new(Yubin::new("yubin, three nodes", cluster, ids)?)
        }
    })
}
