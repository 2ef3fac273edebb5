//! `yubin ctl`: the admin API on the command line.
//!
//! Noun, verb, name; data on standard output, as a table or with `--json` as JSON; messages on standard error. Exit status 0 for done,
//! 1 for refused or failed, 2 for a wrong command line. Passwords come from standard input only.

mod args;
mod auto_reply;
mod call;
pub(crate) mod connection;
mod forward;
mod membership;
mod output;
mod pages;
mod queue;
mod show;

use std::process::ExitCode;

pub(crate) use args::CtlArgs;

/// Runs one command.
pub(crate) fn main(args: CtlArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let text = runtime.block_on(call::call(args))?;
    crate::shutdown::say(&text);
    Ok(ExitCode::SUCCESS)
}
