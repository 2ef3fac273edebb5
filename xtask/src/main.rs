//! `cargo xtask`: every habit of the project as one command each.
//!
//! `run` and `test` are the two commands a newcomer needs: they install what a bare Debian machine lacks, then build
//! and start the mail system or its tests. `verify` is what a change must pass and changes no file that git knows; `fix` may. The
//! rigs (`cluster`, `crash`, `bench`) live in the package `yubin-tests`; here they are built and started.
//!
//! This crate stays light on purpose (no async runtime, no RocksDB), so that it is built in seconds on a machine that
//! has only cargo. Outside the working tree and cargo's folders it changes two things: every command that builds installs missing
//! system packages, and `setup` and `test` also unpack mail servers into the user's cache.

// A command-line tool speaks on its standard output; the services' code may not.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod generate;
mod launch;
mod layers;
mod packages;
mod rigs;
mod servers;
mod shell;
mod tidy;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The habits of the project, one command each.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

/// What `cargo xtask` can do.
#[derive(Subcommand)]
enum Task {
    /// Install what the build needs, build, and start the whole mail system in one process with two demo accounts
    Run {
        /// Arguments for `yubin run` in place of `--demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Install what the tests need and run all of them, those with real mail clients included
    Test {
        /// Arguments for the test runner, such as a part of a test's name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check everything a change must pass: formatting, style, layers, generated code, licences, lints. Changes no file that git
    /// knows; installs what the build needs
    Verify,
    /// Format, apply the lints' suggestions, and generate code anew
    Fix,
    /// Check sizes, manual pages, forbidden words and links; reads only
    Tidy,
    /// Check the crate graph against the table of allowed imports; reads only
    Layers,
    /// Generate the committed code from the .proto files below proto/proto
    Gen,
    /// Start three store nodes and two front ends on this machine, until Ctrl-C
    Cluster {
        /// Options of the rig (`--help` lists them)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Kill processes under load, round after round, and compare what was acknowledged with what is there
    Crash {
        /// Options of the rig (`--help` lists them)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure, beside the servers people use today
    Bench {
        /// What to measure
        #[command(subcommand)]
        subject: Subject,
    },
    /// Install the system packages that building and testing need, unpack the mail servers that tests deliver to, and nothing else
    Setup,
}

/// What `cargo xtask bench` can measure.
#[derive(Subcommand)]
enum Subject {
    /// SMTP to mailbox: yubin and Debian's Postfix and Dovecot in turn, with the same load
    Delivery {
        /// Options of the rig (`--help` lists them)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Submission to another server: yubin and Debian's Postfix in turn, with the same load and the same sink
    Outbound {
        /// Options of the rig (`--help` lists them)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Mail from other servers, verified by SPF, DKIM and DMARC: yubin and Debian's Postfix with its filters in turn
    Mx {
        /// Options of the rig (`--help` lists them)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match perform(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Run { arguments } => launch::run(&arguments),
        Task::Test { arguments } => launch::test(&arguments),
        Task::Verify => verify::verify(),
        Task::Fix => verify::fix(),
        Task::Tidy => tidy::tidy(),
        Task::Layers => layers::layers(),
        Task::Gen => generate::write(),
        Task::Cluster { arguments } => rigs::start(rigs::Rig::Cluster, &arguments),
        Task::Crash { arguments } => rigs::start(rigs::Rig::Crash, &arguments),
        Task::Bench { subject: Subject::Delivery { arguments } } => rigs::start(rigs::Rig::BenchDelivery, &arguments),
        Task::Bench { subject: Subject::Outbound { arguments } } => rigs::start(rigs::Rig::BenchOutbound, &arguments),
        Task::Bench { subject: Subject::Mx { arguments } } => rigs::start(rigs::Rig::BenchMx, &arguments),
        Task::Setup => launch::setup(),
    }
}
