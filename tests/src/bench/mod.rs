//! Comparing mail systems: the same load on each in turn, from SMTP to where mail ends, and one table at the end.
//!
//! A measurement sends for some seconds and then waits until every acknowledged message has arrived: in a mailbox, or
//! at the server that outgoing mail is for. The rate is messages divided by all of that time. A system whose 250 means
//! "in the mailbox" has nothing to wait for; one that queues is not rewarded for what it put off. The load runs as a
//! process of its own, the same program for all, on the same machine. What was counted at the end must equal what was
//! acknowledged, else the measurement is an error.

pub mod mx;
pub mod outbound;
mod subjects;
mod table;

pub use subjects::Yubin;
pub use table::table;

use crate::load::{Login, Protocol};
use crate::memory::{Memory, Sampler};
use crate::process;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

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
    /// Who submits; `None`: another server sends.
    fn login(&self) -> Option<Login> {
        None
    }
    /// A folder of messages of this size to send; `None`: the load generator makes them.
    fn letters(&self, _size_bytes: usize) -> Option<PathBuf> {
        None
    }
    /// From how many networks the load comes; 0: from one address.
    fn networks(&self) -> usize {
        0
    }
    /// Messages that have arrived.
    ///
    /// # Errors
    /// When it does not answer.
    fn arrived(&self) -> Result<usize>;
}

/// What one measurement came to.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The system's name.
    pub system: &'static str,
    /// The load.
    pub case: Case,
    /// Messages per second from the first connection until the last had arrived.
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

/// Each size at 50 connections, and the smallest ordinary message at one.
#[must_use]
pub fn cases(sizes: &[usize], seconds: u64) -> Vec<Case> {
    let many = sizes.iter().map(|size| Case { size_bytes: *size, connections: 50, seconds });
    many.chain([Case { size_bytes: 4096, connections: 1, seconds }]).collect()
}

/// A folder for a system's data, below `folder` or where temporary files are.
///
/// # Errors
/// When it can't be made, or lies in memory.
pub fn folder(below: Option<&Path>) -> Result<TempDir> {
    let folder =
        below.map_or_else(tempfile::tempdir, tempfile::tempdir_in).context("a folder for the systems' data")?;
    if process::in_memory(folder.path()) {
        bail!("{} lies in memory, where fsync costs nothing: give a --folder on a disk", folder.path().display());
    }
    // Mail is written under other users' rights.
    process::output(Command::new("chmod").arg("0755").arg(folder.path()))?;
    Ok(folder)
}

/// What is sent before anything is measured. An account's first message makes its mailbox, which Dovecot doesn't do twice at once: it would put
/// off some of the messages that come together, and Postfix tries those again minutes later.
const WARM_UP: Case = Case { size_bytes: 4096, connections: 1, seconds: 2 };

/// Loads a running system with every case, each when what is dirty in memory has gone to the disk; says what came out.
///
/// # Errors
/// As [`measure`].
#[allow(clippy::print_stderr)]
pub fn measure_all(subject: &dyn Subject, cases: &[Case]) -> Result<Vec<Figures>> {
    measure(subject, WARM_UP).with_context(|| format!("{} warming up", subject.name()))?;
    let mut figures = Vec::new();
    for case in cases {
        process::output(&mut Command::new("sync"))?;
        let figure = measure(subject, *case).with_context(|| format!("{} at {case:?}", subject.name()))?;
        eprintln!(
            "{}: {} bytes × {}: {:.0}/s, p50 {:.2} ms, p99 {:.1} ms",
            figure.system,
            case.size_bytes,
            case.connections,
            figure.rate_per_s,
            figure.latency_p50_ms,
            figure.latency_p99_ms
        );
        if let Some(trouble) = &figure.trouble {
            eprintln!("{}: not all was well: {trouble}", figure.system);
        }
        figures.push(figure);
    }
    Ok(figures)
}

/// Loads a running system once.
///
/// # Errors
/// When the load can't be started, nothing was delivered, or messages are missing at the end.
fn measure(subject: &dyn Subject, case: Case) -> Result<Figures> {
    let before = subject.arrived()?;
    let sampler = Sampler::start(subject.ids());
    let report = load(subject, case);
    let sent = Instant::now();
    let acknowledged = report.as_ref().map_or(0.0, |report| number(report, "/acknowledged"));
    let arrived = || subject.arrived().map_or(0.0, |arrived| arrived.saturating_sub(before) as f64);
    let drained = process::wait_until(DRAIN_WITHIN, || arrived() >= acknowledged);
    let waited = sent.elapsed();
    let memory = sampler.stop();
    let report = report?;
    drained.with_context(|| format!("of {acknowledged} acknowledged messages {} have arrived", arrived()))?;
    if acknowledged < 1.0 {
        bail!("nothing was acknowledged: {report}");
    }
    if (arrived() - acknowledged).abs() > 0.5 {
        bail!("{acknowledged} messages were acknowledged and {} have arrived", arrived());
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
    if let Some(Login { user, password }) = subject.login() {
        command.args(["--user", &user, "--password", &password]);
    }
    if let Some(letters) = subject.letters(case.size_bytes) {
        command.arg("--letters").arg(letters);
    }
    command.args(["--domain", subject.domain(), "--accounts", &subject.accounts().to_string()]);
    command.args(["--connections", &case.connections.to_string(), "--size", &case.size_bytes.to_string()]);
    command.args(["--seconds", &case.seconds.to_string(), "--networks", &subject.networks().to_string()]);
    serde_json::from_str(&process::output(&mut command)?).context("the load generator's figures")
}

fn number(report: &Value, pointer: &str) -> f64 {
    report.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0)
}

/// Accounts that every system under test has: u0 to u49.
pub const ACCOUNTS: usize = 50;
