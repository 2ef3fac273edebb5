//! The end of the process, and what it says of it.

use std::io::Write as _;

use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGTERM or SIGINT.
pub(crate) async fn requested() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Says on standard error what went wrong, with its causes.
pub(crate) fn complain(error: &anyhow::Error) {
    drop(writeln!(std::io::stderr().lock(), "yubin: {error:#}"));
}
