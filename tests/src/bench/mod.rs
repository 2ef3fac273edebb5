//! Comparing mail systems: the same load on each in turn, from SMTP to mailbox, and one table at the end.
//!
//! A measurement sends for some seconds and then waits until every acknowledged message is in a mailbox; the rate is
//! messages divided by all of that time. A system whose 250 means "in the mailbox" has nothing to wait for; one that
//! queues is not rewarded for what it put off. The load runs as a process of its own, the same program for all, on the
//! same machine. What was counted in the mailboxes must equal what was acknowledged, else the measurement is an error.

mod subjects;
mod table;

pub use subjects::Yubin;
pub use table::table;

use crate::load::Protocol;
use crate::memory::{Memory, Sampler};
use crate::process;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Longest wait for a queue to drain.
const DRAIN_WITHIN: Duration = Duration::from_secs(300);

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Bytes of each message.
    pub size_bytes: usize,
    /// Connections that send at once.
    pub connections: usize,
    /// How long to send.
    pub seconds: u64,
}

/// A running system, as a measurement sees it.
pub trait Subject {
    /// Its name in the table.
    fn name(&self) -> &'static str;
    /// Where to send.
    fn targets(&self) -> Vec<SocketAddr>;
    /// What it speaks there.
    fn protocol(&self) -> Protocol;
    /// Domain of its accounts u0, u1 and so on.
    fn domain(&self) -> &str;
    /// How many accounts it has.
    fn accounts(&self) -> usize;
    /// The processes at its top; those below count too.
    fn ids(&self) -> Vec<u32>;
    /// Messages acknowledged and not yet in a mailbox.
    fn waiting(&self) -> usize;
    /// Messages in all mailboxes.
    ///
    /// # Errors
    /// When it does not answer.
    fn stored(&self) -> Result<usize>;
}

/// What one measurement came to.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The system's name.
    pub system: &'static str,
    /// The load.
    pub case: Case,
    /// Messages per second from the first connection until the last was in a mailbox.
    pub rate_per_s: f64,
    /// Median time from MAIL to 250, in milliseconds.
    pub latency_p50_ms: f64,
    /// 99 of 100 messages took at most this, in milliseconds.
    pub latency_p99_ms: f64,
    /// The highest memory.
    pub memory: Memory,
    /// Refusals and broken connections, if there were any.
    pub trouble: Option<String>,
}

/// Loads a running system once.
///
/// # Errors
/// When the load can't be started, nothing was delivered, or messages are missing at the end.
pub fn measure(subject: &dyn Subject, case: Case) -> Result<Figures> {
    let before = subject.stored()?;
    let sampler = Sampler::start(subject.ids());
    let report = load(subject, case);
    let sent = Instant::now();
    let drained = process::wait_until(DRAIN_WITHIN, || subject.waiting() == 0);
    let waited = sent.elapsed();
    let memory = sampler.stop();
    let report = report?;
    drained.context("the queue does not drain")?;
    let acknowledged = number(&report, "/acknowledged");
    let stored = subject.stored()?.saturating_sub(before);
    if acknowledged < 1.0 {
        bail!("nothing was acknowledged: {report}");
    }
    if (stored as f64 - acknowledged).abs() > 0.5 {
        bail!("{acknowledged} messages were acknowledged and {stored} are in mailboxes");
    }
    Ok(Figures {
        system: subject.name(),
        case,
        rate_per_s: acknowledged / (number(&report, "/elapsed_s") + waited.as_secs_f64()),
        latency_p50_ms: number(&report, "/latency_ms/p50"),
        latency_p99_ms: number(&report, "/latency_ms/p99"),
        memory,
        trouble: trouble(&report),
    })
}

/// Refusals and broken connections, if there were any.
fn trouble(report: &Value) -> Option<String> {
    let found = ["refused", "broken"].iter().filter_map(|kind| report.get(*kind));
    let found: Vec<String> =
        found.filter(|map| map.as_object().is_some_and(|map| !map.is_empty())).map(Value::to_string).collect();
    (!found.is_empty()).then(|| found.join(" "))
}

/// Runs the load generator, which lies beside this program.
fn load(subject: &dyn Subject, case: Case) -> Result<Value> {
    let here = std::env::current_exe()?;
    let program = here.parent().unwrap_or(Path::new(".")).join("load");
    let mut command = Command::new(&program);
    for target in subject.targets() {
        command.arg("--target").arg(target.to_string());
    }
    if subject.protocol() == Protocol::Lmtp {
        command.arg("--lmtp");
    }
    command.args(["--domain", subject.domain(), "--accounts", &subject.accounts().to_string()]);
    command.args(["--connections", &case.connections.to_string(), "--size", &case.size_bytes.to_string()]);
    command.args(["--seconds", &case.seconds.to_string()]);
    serde_json::from_str(&process::output(&mut command)?).context("the load generator's figures")
}

fn number(report: &Value, pointer: &str) -> f64 {
    report.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0)
}

/// Accounts that every system under test has: u0 to u49.
pub const ACCOUNTS: usize = 50;
