//! `yubin ctl`: the admin API on the command line.
//!
//! Noun, verb, name; data on standard output, as a table or with `--json` as JSON; messages on standard error. Exit status 0 for done,
//! 1 for refused or failed, 2 for a wrong command line; of `domain dns`, 3 for records that are missing or wrong and 4 for records that
//! can't be looked up. Passwords come from standard input only.

mod args;
mod auto_reply;
mod call;
pub mod connection;
mod countries;
mod events;
mod filtering;
mod forward;
mod membership;
mod output;
mod pages;
mod queue;
mod reports;
mod send_as;
mod show;
mod tokens;
mod trace;

use std::io::Write as _;
use std::process::ExitCode;

use futures::FutureExt as _;

pub use args::CtlArgs;

/// Runs one command.
///
/// # Errors
/// The server refused, or can't be reached; the text says why.
pub fn main(args: CtlArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let printed = runtime.block_on(call::call(args).boxed_local())?;
    say(&printed.text);
    Ok(ExitCode::from(printed.status))
}

/// Says something on standard output. A reader that is gone is no reason to fail.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
