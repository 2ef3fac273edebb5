//! Processes that a test or a rig started: they end when their owner does, by their ids and never by name.
//!
//! `Running` owns one child. Dropping it asks it to end (SIGTERM), waits, and then insists (SIGKILL); what it started in
//! turn is found by parent ids and ended the same way. `kill` is SIGKILL at once, for rounds that want exactly that.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long an ending process may take before it is killed.
const END_WITHIN: Duration = Duration::from_secs(10);
/// The ports that processes under test are given.
const PORTS: Range<u16> = 10_000..32_000;
/// How many ports are tried until one is free.
const PORT_DRAWS: u32 = 100;
/// Counts the ports that were told, from a place that differs between test processes.
static NEXT_PORT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::random()));
/// How often a condition is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A child process that ends with its owner.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts a process; its standard input is closed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, name: name.to_owned() })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it was called when it was started.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its standard output, if the command piped it and nobody took it yet.
    pub fn take_output(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGKILL, at once, and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("cannot kill {}", self.name))?;
        self.child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        Ok(())
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// When it does not end within the time given.
    pub fn terminate(&mut self, within: Duration) -> Result<ExitStatus> {
        signal(self.id(), "TERM");
        let mut status = None;
        wait_until(within, || {
            status = self.ended();
            status.is_some()
        })
        .with_context(|| format!("{} did not end after SIGTERM", self.name))?;
        status.with_context(|| format!("{} has no exit status", self.name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let below = descendants(&[self.id()]);
        if self.ended().is_none() && self.terminate(END_WITHIN).is_err() {
            let _ = self.kill();
        }
        end_all(&below);
    }
}

/// Asks processes to end, waits, and kills those that remain.
pub fn end_all(ids: &[u32]) {
    for id in ids {
        signal(*id, "TERM");
    }
    if wait_until(END_WITHIN, || !ids.iter().any(|id| exists(*id))).is_err() {
        for id in ids.iter().filter(|id| exists(**id)) {
            signal(*id, "KILL");
        }
    }
}

/// Sends a signal by name (TERM, KILL, STOP, CONT); a process that is gone already is no error.
pub fn signal(id: u32, name: &str) {
    let number = id.to_string();
    let quiet = Command::new("kill").args(["-s", name, &number]).stderr(Stdio::null()).status();
    drop(quiet);
}

/// Whether a process exists and is more than a zombie.
#[must_use]
pub fn exists(id: u32) -> bool {
    stat(id).is_some_and(|(_, state)| state != "Z")
}

/// The processes below these, without themselves, parents first.
#[must_use]
pub fn descendants(roots: &[u32]) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for id in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some((parent, _)) = stat(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found = Vec::new();
    let mut open = roots.to_vec();
    while let Some(id) = open.pop() {
        let below = children.remove(&id).unwrap_or_default();
        found.extend_from_slice(&below);
        open.extend(below);
    }
    found
}

/// Parent and state of a process.
fn stat(id: u32) -> Option<(u32, String)> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may itself hold spaces and parentheses.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.to_owned();
    Some((fields.next()?.parse().ok()?, state))
}

/// Looks again and again until the condition holds.
///
/// # Errors
/// When it does not hold in time.
pub fn wait_until(within: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > within {
            bail!("not within {} s", within.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// When it cannot be started or fails; the error holds what it wrote.
pub fn output(command: &mut Command) -> Result<String> {
    let line = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {line}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{line} failed ({}): {out}{err}", output.status);
    }
    Ok(out.into_owned())
}

/// What a Python program prints that is given this input.
///
/// # Errors
/// When it fails.
pub fn python(program: &str, arguments: &[&str], input: &[u8]) -> Result<String> {
    let mut python = Command::new("python3");
    python.args(["-c", program]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().context("starting python3")?;
    child.stdin.take().context("its standard input")?.write_all(input)?;
    let output = child.wait_with_output()?;
    anyhow::ensure!(output.status.success(), "python3: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// A TCP port of this address that is free now, and will be when it is asked for: it is below those that the kernel gives to
/// connections, which would take it while a process is away, and this process is told each port once.
///
/// # Errors
/// When none can be bound.
pub fn free_port(address: &str) -> Result<u16> {
    for _ in 0..PORT_DRAWS {
        let port = PORTS.start + NEXT_PORT.fetch_add(1, Ordering::Relaxed) % (PORTS.end - PORTS.start);
        if std::net::TcpListener::bind((address, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port of {address} is free")
}

/// Whether something listens there.
#[must_use]
pub fn listens(address: std::net::SocketAddr) -> bool {
    std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

/// Whether the folder lies in memory, where fsync costs nothing.
#[must_use]
pub fn in_memory(folder: &Path) -> bool {
    let kind = output(Command::new("stat").args(["-f", "-c", "%T"]).arg(folder)).unwrap_or_default();
    kind.trim() == "tmpfs"
}

/// A page over HTTP, with its header.
///
/// # Errors
/// When nobody answers.
pub fn http_get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}
