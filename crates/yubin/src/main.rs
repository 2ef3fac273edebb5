//! `yubin`: the one binary. Roles are data; everything is wired in [`run`].

mod config;
mod demo;
mod dns;
mod frontend;
mod http;
mod metrics;
mod open_files;
mod queue;
mod run;
mod secrets;
mod shutdown;
mod telemetry;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use futures::FutureExt as _;

use crate::config::{Config, Role};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Distributed mail storage and delivery.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run this machine's part of the system: by default all of it in one process.
    Run(RunArgs),
    /// Administer a running system.
    Ctl(yubin_ctl::CtlArgs),
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Args)]
struct RunArgs {
    /// Configuration file (TOML); without one, the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where everything is kept; overrides `data_dir`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What this process does; overrides `roles`.
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
    roles: Vec<Role>,
    /// This store node's id; overrides `store.node`.
    #[arg(long, value_name = "ID")]
    node: Option<u64>,
    /// This queue worker's name; overrides `queue.worker`.
    #[arg(long, value_name = "NAME")]
    worker: Option<String>,
    /// Print the bound addresses as one line of JSON on standard output once everything is up.
    #[arg(long)]
    print_ports: bool,
    /// Make sure a demo domain with two accounts exists, and print how to use them.
    #[arg(long)]
    demo: bool,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print the configuration in force.
    Print {
        /// Configuration file; without one, the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Say whether a configuration can work.
    Check {
        /// Configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run_command(args),
        Command::Ctl(args) => yubin_ctl::main(args),
        Command::Config { command: ConfigCommand::Print { config } } => print_config(config),
        Command::Config { command: ConfigCommand::Check { config } } => check_config(&config),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            shutdown::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run_command(args: RunArgs) -> anyhow::Result<ExitCode> {
    let mut config = Config::load(args.config.as_deref())?;
    if let Some(data) = args.data {
        config.data_dir = data;
    }
    if !args.roles.is_empty() {
        config.roles = args.roles;
    }
    if let Some(node) = args.node {
        config.store.node = node;
    }
    if let Some(worker) = args.worker {
        config.queue.worker = worker;
    }
    config.check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let wishes = run::Wishes {
        ports: if args.print_ports { run::Ports::Print } else { run::Ports::Quiet },
        demo: if args.demo { run::Demo::Offer } else { run::Demo::None },
    };
    runtime.block_on(run::run(config, wishes).boxed_local())?;
    runtime.shutdown_timeout(run::LAST_WORK_TIME_MAX);
    Ok(ExitCode::SUCCESS)
}

fn print_config(path: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let config = Config::load(path.as_deref())?;
    yubin_ctl::say(&toml::to_string(&config)?);
    Ok(ExitCode::SUCCESS)
}

fn check_config(path: &std::path::Path) -> anyhow::Result<ExitCode> {
    Config::load(Some(path))?.check()?;
    yubin_ctl::say("the configuration can work\n");
    Ok(ExitCode::SUCCESS)
}
