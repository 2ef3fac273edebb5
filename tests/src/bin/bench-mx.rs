//! `bench-mx`: signed mail from another server, verified on its way in, beside Postfix with its filters on the same machine in one run.
//!
//! Each round starts the peer and then ours, alone, loads it with every size, and stops it; rounds repeat, so that a slow
//! minute of the machine falls on both alike. Then ours is loaded over ten times more connections than it takes, from
//! one network and from many. The tables are
//! printed at the end, each measurement as it is made.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use yubin_tests::bench::mx::{self, Flood, Letters, Overload};
use yubin_tests::bench::{self, Case, Figures, Subject};
use yubin_tests::peer;

/// Measure verified mail, system by system.
#[derive(Parser)]
struct Arguments {
    /// How often everything is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load per measurement
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Systems, in this order; the first is what the others are compared with
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Peer, Kind::Yubin])]
    systems: Vec<Kind>,
    /// Sizes of messages in bytes, each at 50 connections
    #[arg(long, value_delimiter = ',', default_values_t = [4096, 51_200])]
    sizes: Vec<usize>,
    /// Folder for the systems' data; a temporary one if not given
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// A system that can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Debian's Postfix with opendkim, opendmarc and policyd-spf, in front of Dovecot
    Peer,
    /// yubin, one process
    Yubin,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.systems.contains(&Kind::Peer) {
        peer::install_with_filters()?;
    }
    mx::in_own_network()?;
    let cases = bench::cases(&arguments.sizes, arguments.seconds);
    let mut sizes: Vec<usize> = cases.iter().map(|case| case.size_bytes).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let made = bench::folder(arguments.folder.as_deref())?;
    let letters = Letters::make(made.path(), &sizes)?;
    let mut figures: Vec<Figures> = Vec::new();
    let mut overloads = Vec::new();
    for round in 1..=arguments.rounds {
        for kind in &arguments.systems {
            eprintln!("round {round} of {}", arguments.rounds);
            let folder = bench::folder(arguments.folder.as_deref())?;
            let subject = start(*kind, folder.path(), &letters)?;
            figures.extend(bench::measure_all(subject.as_ref(), &cases)?);
        }
        if let Some(case) = cases.first().filter(|_| arguments.systems.contains(&Kind::Yubin)) {
            for flood in Flood::ALL {
                let folder = bench::folder(arguments.folder.as_deref())?;
                overloads.push((*case, flood, mx::overload(folder.path(), &letters, *case, flood)?));
            }
        }
    }
    println!("{}", bench::table(&figures));
    println!("{}", table(&overloads));
    Ok(())
}

fn start<'a>(kind: Kind, folder: &Path, letters: &'a Letters) -> Result<Box<dyn Subject + 'a>> {
    Ok(match kind {
        Kind::Peer => Box::new(mx::peer(folder, letters)?),
        Kind::Yubin => Box::new(mx::yubin(folder, letters)?),
    })
}

/// A line for each round of overload.
fn table(overloads: &[(Case, Flood, Overload)]) -> String {
    let mut text = String::from(
        "| message | from | 50 connections, messages/s | 500 connections, messages/s | share | turned away | slowest 421, ms |\n\
         |---|---|---:|---:|---:|---:|---:|\n",
    );
    for (case, flood, overload) in overloads {
        text += &format!(
            "| {} bytes | {} | {:.0} | {:.0} | {:.0} % | {} | {:.0} |\n",
            case.size_bytes,
            flood.name(),
            overload.peak_per_s,
            overload.rate_per_s,
            100.0 * overload.rate_per_s / overload.peak_per_s.max(0.001),
            overload.turned_away,
            overload.turned_away_ms_max,
        );
    }
    text
}
