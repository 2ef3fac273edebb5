//! `load`: the load generator as a program of its own; prints its figures as one JSON object.
//!
//! Example: `load --target 127.0.0.1:2525 --domain example.org --accounts 50 --connections 50 --size 4096 --seconds 10`
//! sends to u0@example.org … u49@example.org. The benchmark runs it as a process beside the system it measures.

#![allow(clippy::print_stdout)]

use anyhow::{Context, Result};
use clap::Parser;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use yubin_tests::load::{self, Login, Plan, Protocol, Until};

/// Send mail as a busy mail server does, and count.
#[derive(Parser)]
struct Arguments {
    /// Where to connect to; may be repeated
    #[arg(long, required = true)]
    target: Vec<SocketAddr>,
    /// Speak LMTP in place of SMTP
    #[arg(long)]
    lmtp: bool,
    /// Submit as this user, over TLS from the first byte
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// The user's password
    #[arg(long)]
    password: Option<String>,
    /// Connections kept open
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Networks that they come from in turn, each a /24 of 127.0.0.0/8; 0: one address
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=60_000))]
    networks: u32,
    /// Folder of messages to send in turn, in place of made ones
    #[arg(long)]
    letters: Option<PathBuf>,
    /// Bytes of each message
    #[arg(long, default_value_t = 4096)]
    size: usize,
    /// Domain of the recipients
    #[arg(long)]
    domain: String,
    /// Recipients u0 to u(N-1) of that domain
    #[arg(long, default_value_t = 50)]
    accounts: usize,
    /// End after so many messages
    #[arg(long, conflicts_with = "seconds")]
    messages: Option<u64>,
    /// End after so many seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let plan = Plan {
        targets: arguments.target,
        protocol: if arguments.lmtp { Protocol::Lmtp } else { Protocol::Smtp },
        login: arguments.user.zip(arguments.password).map(|(user, password)| Login { user, password }),
        connections: arguments.connections,
        networks: arguments.networks,
        size_bytes: arguments.size,
        letters: arguments.letters.as_deref().map(letters).transpose()?.unwrap_or_default(),
        recipients: (0..arguments.accounts).map(|index| format!("u{index}@{}", arguments.domain)).collect(),
        until: arguments.messages.map_or(Until::Elapsed(Duration::from_secs(arguments.seconds)), Until::Count),
        run: std::process::id(),
    };
    let outcome = load::run(&plan)?;
    println!("{}", serde_json::to_string(&outcome.json()).context("figures as JSON")?);
    Ok(())
}

/// The files of a folder, in the order of their names.
fn letters(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).with_context(|| format!("read {}", path.display()))).collect()
}
