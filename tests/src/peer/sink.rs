//! Postfix's `smtp-sink`: takes any mail by SMTP, keeps none, and counts.

use crate::process::{self, Running};
use anyhow::{Context, Result};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Connections that may wait to be accepted.
const BACKLOG: &str = "1000";

/// A running sink.
#[derive(Debug)]
pub struct Sink {
    // Held for its end.
    _running: Running,
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
}

impl Sink {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it does not start (it needs root, to become nobody).
    pub fn start() -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, process::free_port("127.0.0.1")?));
        let mut command = Command::new("/usr/sbin/smtp-sink");
        command.args(["-u", "nobody", "-c", &address.to_string(), BACKLOG]).stdout(Stdio::piped());
        let mut running = Running::start("smtp-sink", &mut command)?;
        let output = running.take_output().context("no standard output")?;
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        std::thread::spawn(move || count(output, &counted));
        process::wait_until(Duration::from_secs(10), || process::listens(address))
            .context("smtp-sink does not listen")?;
        Ok(Self { _running: running, address, taken })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Messages taken since its start.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Follows the counters that it prints over and over: `sess=1 quit=1 mesg=1`, each behind a carriage return.
fn count(mut output: impl Read, taken: &AtomicUsize) {
    let mut buffer = [0; 4096];
    let mut rest = String::new();
    while let Ok(read @ 1..) = output.read(&mut buffer) {
        rest.push_str(&String::from_utf8_lossy(buffer.get(..read).unwrap_or_default()));
        let Some((complete, last)) = rest.rsplit_once('\r') else { continue };
        let latest = complete.rsplit_once("mesg=").and_then(|(_, number)| number.trim().parse().ok());
        if let Some(latest) = latest {
            taken.store(latest, Ordering::Relaxed);
        }
        rest = last.to_owned();
    }
}
