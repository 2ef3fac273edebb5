//! `crash`: rounds of SIGKILL under load, on a single process and on a cluster, of disks that run full, and of mail on its way out; ends
//! with an error if anything is wrong.
//!
//! Each round prints one line: who was killed, how many messages were acknowledged, how long nothing was. A lost, doubled
//! or changed message, or usage that is not the sum, is a fault; all rounds are finished before it ends.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use yubin_tests::cluster::Cluster;
use yubin_tests::crash::{self, Target};
use yubin_tests::flaky::Script;
use yubin_tests::full_disk::{self, Filler};
use yubin_tests::queue_crash::{self, Ground, Storm};
use yubin_tests::system::System;

/// Kill under load, and compare.
#[derive(Parser)]
struct Arguments {
    /// Rounds for each system; of full disks, a tenth
    #[arg(long, default_value_t = 50)]
    rounds: u64,
    /// Seconds of load in a round
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Where the times of the kills are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What to do to which system
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Single, Kind::Cluster, Kind::FullDisk, Kind::QueueSingle, Kind::Queue])]
    systems: Vec<Kind>,
    /// Messages on their way out
    #[arg(long, default_value_t = 100_000)]
    messages: u64,
    /// Kills while they are, at most
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// Folder for data and logs, kept at the end; a temporary one if not given
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// A system, and what happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One process with every role, killed
    Single,
    /// Three store nodes, one of which is killed, and two front ends
    Cluster,
    /// One process with every role, whose disk runs full; takes root
    FullDisk,
    /// One process with every role that delivers to a server that misbehaves, killed
    QueueSingle,
    /// Three store nodes, two front ends and two workers that deliver to a server that misbehaves; all of them are killed
    Queue,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut faults = 0;
    for kind in &arguments.systems {
        faults += match kind {
            Kind::FullDisk => full_disks(&arguments)?,
            Kind::QueueSingle => queue(Ground::Single, &arguments)?,
            Kind::Queue => queue(Ground::Cluster, &arguments)?,
            kind => kills(*kind, &arguments)?,
        };
    }
    if faults > 0 {
        bail!("{faults} faults");
    }
    println!("no fault");
    Ok(())
}

/// Disks that run full, by mail and by something else in turn; returns how many faults there were.
fn full_disks(arguments: &Arguments) -> Result<usize> {
    if let Some(reason) = full_disk::impossible() {
        println!("FullDisk: not run: {reason}");
        return Ok(0);
    }
    let mut faults = 0;
    for index in 0..arguments.rounds.div_ceil(10) {
        for filler in [Filler::Mail, Filler::Stranger] {
            let temporary = tempfile::tempdir()?;
            let folder = arguments.folder.as_deref().unwrap_or(temporary.path());
            let folder = folder.join(format!("fulldisk-{filler:?}-{index}").to_lowercase());
            let round = full_disk::round(&folder, filler, arguments.seed.wrapping_add(index))?;
            println!(
                "FullDisk {}: filled by {filler:?}; acknowledged {}, there {} and {} unacknowledged; refused {:?}; ended {:?}",
                index + 1,
                round.outcome.acknowledged.len(),
                round.findings.kept,
                round.findings.unacknowledged,
                round.outcome.refused,
                round.ended,
            );
            faults += told(&round.findings.faults);
        }
    }
    Ok(faults)
}

/// Mail on its way out while everything is killed; returns how many faults there were.
fn queue(ground: Ground, arguments: &Arguments) -> Result<usize> {
    let temporary = tempfile::tempdir()?;
    let folder =
        arguments.folder.as_deref().unwrap_or(temporary.path()).join(format!("queue-{ground:?}").to_lowercase());
    let storm = Storm {
        ground,
        messages: arguments.messages,
        kills: arguments.kills,
        calm_ms_max: 4_000,
        script: Script { seed: arguments.seed, ..Script::default() },
        within: Duration::from_secs(600 + arguments.messages / 50),
    };
    let figures = queue_crash::rage(&folder, &storm)?;
    println!("Queue, {ground:?}:\n{}{}", figures.table(), figures.json());
    told(&figures.faults);
    Ok(figures.faults_in_all)
}

/// Prints faults; returns how many there are.
fn told(faults: &[String]) -> usize {
    for fault in faults.iter().take(20) {
        println!("  FAULT: {fault}");
    }
    faults.len()
}

/// All rounds of SIGKILL on one system; returns how many faults there were.
fn kills(kind: Kind, arguments: &Arguments) -> Result<usize> {
    let temporary = tempfile::tempdir()?;
    let folder = arguments.folder.as_deref().unwrap_or(temporary.path()).join(format!("{kind:?}").to_lowercase());
    std::fs::create_dir_all(&folder)?;
    let mut target: Box<dyn Target> = match kind {
        Kind::Cluster => Box::new(Cluster::start(&folder)?),
        Kind::Single | Kind::FullDisk | Kind::QueueSingle | Kind::Queue => Box::new(System::start(&folder)?),
    };
    target.admin().populate(crash::DOMAIN, crash::ACCOUNTS, crash::PASSWORD)?;
    let mut faults = 0;
    for index in 0..arguments.rounds {
        let round = crash::round(target.as_mut(), arguments.seed.wrapping_add(index), arguments.seconds)?;
        println!(
            "{kind:?} {}: killed {}; acknowledged {}, there {} and {} unacknowledged; silence {} ms; broken {:?}",
            index + 1,
            round.victim,
            round.outcome.acknowledged.len(),
            round.findings.kept,
            round.findings.unacknowledged,
            round.outcome.silence_max().as_millis(),
            round.outcome.broken,
        );
        faults += told(&round.findings.faults);
    }
    Ok(faults)
}
