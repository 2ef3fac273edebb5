//! `bench-outbound`: mail on its way to the world, beside Postfix, into the same kind of sink on the same machine in one run.
//!
//! Each round starts Postfix and then ours, alone, loads it with every size, and stops it; rounds repeat, so that a slow
//! minute of the machine falls on both alike. The table is printed at the end, each measurement as it is made.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use yubin_tests::bench::outbound::{self, Backlog};
use yubin_tests::bench::{self, Figures, Subject};
use yubin_tests::peer;

/// Measure outgoing mail, system by system.
#[derive(Parser)]
struct Arguments {
    /// How often everything is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load per measurement
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Systems, in this order; the first is what the others are compared with
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Postfix, Kind::Yubin])]
    systems: Vec<Kind>,
    /// Sizes of messages in bytes, each at 50 connections
    #[arg(long, value_delimiter = ',', default_values_t = [4096, 51_200])]
    sizes: Vec<usize>,
    /// Messages to dead destinations that wait in ours while it is measured once more; none if 0
    #[arg(long, default_value_t = 0)]
    backlog: u64,
    /// Dead destinations that they are for
    #[arg(long, default_value_t = 1)]
    destinations: usize,
    /// Folder for the systems' data; a temporary one if not given
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// A system that can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Debian's Postfix
    Postfix,
    /// yubin, one process
    Yubin,
    /// The same with a backlog
    #[value(skip)]
    YubinBacklog,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // The sink comes with Postfix.
    peer::install()?;
    let backlog = Backlog { messages: arguments.backlog, destinations: arguments.destinations };
    let mut figures: Vec<Figures> = Vec::new();
    for round in 1..=arguments.rounds {
        let again = (backlog.messages > 0).then_some(Kind::YubinBacklog);
        for kind in arguments.systems.iter().copied().chain(again) {
            eprintln!("round {round} of {}", arguments.rounds);
            let folder = bench::folder(arguments.folder.as_deref())?;
            let subject = start(kind, folder.path(), backlog)?;
            figures.extend(bench::measure_all(subject.as_ref(), &bench::cases(&arguments.sizes, arguments.seconds))?);
        }
    }
    println!("{}", bench::table(&figures));
    Ok(())
}

fn start(kind: Kind, folder: &Path, backlog: Backlog) -> Result<Box<dyn Subject>> {
    Ok(match kind {
        Kind::Postfix => Box::new(outbound::postfix(folder)?),
        Kind::Yubin => Box::new(outbound::yubin(folder)?),
        Kind::YubinBacklog => Box::new(outbound::yubin_with_backlog(folder, backlog)?),
    })
}
