//! A running mail system of one or more processes of the built binary, on free ports, with its own data.
//!
//! `Program` says how one process is started, again and again with the same ports and data: a killed process comes
//! back as itself. `System` is a single process with every role. The binary is named by the environment (`YUBIN_BIN`,
//! set by `cargo xtask`), else it lies in the target directory that this program was built into.

use crate::process::{self, Running};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// How long a process may take until it listens.
pub const READY_WITHIN: Duration = Duration::from_secs(60);

/// The binary under test.
///
/// # Errors
/// When it was not built.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("YUBIN_BIN") {
        return Ok(PathBuf::from(path));
    }
    let here = std::env::current_exe()?;
    let found = here.ancestors().skip(1).map(|folder| folder.join("yubin")).find(|path| path.is_file());
    found.context("the binary `yubin` is not built: cargo build --package yubin")
}

/// What a process bound, by the names that `--print-ports` uses.
pub type Ports = BTreeMap<String, SocketAddr>;

/// How one process is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in messages and of its files.
    pub name: String,
    folder: PathBuf,
    /// What starts the binary in place of this process itself.
    entrance: Vec<String>,
}

impl Program {
    /// A process with its configuration, data and log below `folder`, each named after it.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn new(name: &str, folder: &Path, config: &str) -> Result<Self> {
        let program = Self { name: name.to_owned(), folder: folder.to_path_buf(), entrance: Vec::new() };
        std::fs::create_dir_all(program.data())?;
        std::fs::write(program.config(), config)?;
        Ok(program)
    }

    /// The same, started by another program, which is given the binary and its arguments and becomes it.
    #[must_use]
    pub fn entered_by(self, entrance: Vec<String>) -> Self {
        Self { entrance, ..self }
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    fn config(&self) -> PathBuf {
        self.folder.join(format!("{}.toml", self.name))
    }

    /// Starts it and waits until it tells its ports.
    ///
    /// # Errors
    /// When it ends, or tells nothing in time; the error names its log.
    pub fn start(&self) -> Result<(Running, Ports)> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut line = self.entrance.iter().map(OsString::from).chain([binary()?.into_os_string()]);
        let mut command = Command::new(line.next().context("nothing to start")?);
        command
            .args(line)
            .arg("run")
            .arg("--config")
            .arg(self.config())
            .arg("--data")
            .arg(self.data())
            .arg("--print-ports");
        command.stdout(Stdio::piped()).stderr(log);
        let mut running = Running::start(&self.name, &mut command)?;
        let output = running.take_output().context("no standard output")?;
        let (sender, receiver) = std::sync::mpsc::channel();
        // Reads on after the first line, so that the process never waits for its reader.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                let _ = sender.send(line);
            }
        });
        let line = receiver.recv_timeout(READY_WITHIN);
        let line = line.with_context(|| format!("{} told no ports; see {}", self.name, self.log().display()))?;
        Ok((running, ports(&line).with_context(|| format!("{} printed: {line}", self.name))?))
    }
}

/// Reads the one line of JSON that names what was bound: for each service a port, an address, or a list of them.
fn ports(line: &str) -> Result<Ports> {
    let value: Value = serde_json::from_str(line)?;
    let object = value.as_object().context("not an object")?;
    Ok(object.iter().filter_map(|(name, value)| Some((name.clone(), address(value)?))).collect())
}

fn address(value: &Value) -> Option<SocketAddr> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(port) => format!("127.0.0.1:{port}").parse().ok(),
        Value::Array(list) => address(list.first()?),
        _ => None,
    }
}

/// A way to the administration of a running system.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
    /// The file that holds the token.
    pub token: PathBuf,
}

impl Admin {
    /// Runs `yubin ctl` and returns what it printed.
    ///
    /// # Errors
    /// When the call fails; the error holds what it said.
    pub fn ctl(&self, arguments: &[&str], input: &str) -> Result<String> {
        let output = self.ctl_output(arguments, input)?;
        if !output.status.success() {
            bail!("ctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs `yubin ctl` and returns what it printed and how it ended.
    ///
    /// # Errors
    /// When it can't be run.
    pub fn ctl_output(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut command = Command::new(binary()?);
        command.arg("ctl").args(arguments);
        command.arg("--server").arg(format!("http://{}", self.address)).arg("--token-file").arg(&self.token);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        Ok(child.wait_with_output()?)
    }

    /// Creates a domain and its accounts u0, u1 and so on, all with one password.
    ///
    /// # Errors
    /// When a call fails.
    pub fn populate(&self, domain: &str, accounts: usize, password: &str) -> Result<()> {
        self.ctl(&["domain", "create", domain], "")?;
        for index in 0..accounts {
            self.ctl(&["account", "create", &format!("u{index}@{domain}"), "--password-stdin"], password)?;
        }
        Ok(())
    }

    /// Lets a domain's accounts send as much as they can, whatever comes back.
    ///
    /// # Errors
    /// When a call fails.
    pub fn lift_sending_limits(&self, domain: &str) -> Result<()> {
        let limits = ["messages-per-hour", "messages-per-day", "recipients-per-hour", "recipients-per-day"];
        let limits = limits.iter().flat_map(|limit| [format!("--{limit}=0"), format!("--domain-{limit}=0")]);
        let more = ["new-recipients-per-day", "suspend-above-refusals-per-hour", "suspend-above-bounce-percent"];
        let limits: Vec<String> = limits.chain(more.iter().map(|limit| format!("--{limit}=0"))).collect();
        let put: Vec<&str> = ["plan", "put", "open"].into_iter().chain(limits.iter().map(String::as_str)).collect();
        self.ctl(&put, "")?;
        self.ctl(&["domain", "update", domain, "--plan", "open"], "")?;
        Ok(())
    }

    /// Messages and bytes that a domain is charged for.
    ///
    /// # Errors
    /// When the call fails or its answer lacks a figure.
    pub fn usage(&self, domain: &str) -> Result<Usage> {
        let report: Value = serde_json::from_str(&self.ctl(&["usage", domain, "--json"], "")?)?;
        let usage = report.get("usage").unwrap_or(&report);
        let figure = |name: &str| {
            let value = usage.get(name).and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
            value.with_context(|| format!("usage without {name}: {report}"))
        };
        Ok(Usage { messages: figure("messages")?, bytes: figure("bytes")? })
    }
}

/// What a domain or an account is charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Messages.
    pub messages: u64,
    /// Bytes of whole messages.
    pub bytes: u64,
}

/// How a process reaches the store that runs in it: the configuration's `store.transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By a function call, as a process alone does.
    Direct,
    /// Through gRPC, as from another process.
    Grpc,
}

impl Transport {
    const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Grpc => "grpc",
        }
    }
}

/// Makes two tests of each of these functions, which take a [`Transport`]: `direct::name` and `grpc::name`.
#[macro_export]
macro_rules! over_both_transports {
    ($($name:ident),+ $(,)?) => {
        mod direct {
            $(#[test] fn $name() { super::$name($crate::system::Transport::Direct); })+
        }
        mod grpc {
            $(#[test] fn $name() { super::$name($crate::system::Transport::Grpc); })+
        }
    };
}

/// A single process with every role.
#[derive(Debug)]
pub struct System {
    /// The process.
    pub running: Running,
    /// What it bound.
    pub ports: Ports,
    /// Its administration.
    pub admin: Admin,
    program: Program,
}

impl System {
    /// Starts one process on free ports with its data below `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::over(Transport::Direct, folder)
    }

    /// [`System::start`], with the store reached so.
    ///
    /// # Errors
    /// When it does not start.
    pub fn over(transport: Transport, folder: &Path) -> Result<Self> {
        Self::configured(transport, folder, "")
    }

    /// [`System::over`], with more lines of configuration: at first of the table `store`, then tables of their own.
    ///
    /// # Errors
    /// When it does not start.
    pub fn configured(transport: Transport, folder: &Path, more: &str) -> Result<Self> {
        Self::run(Program::new("yubin", folder, &single_config(transport, more)?)?)
    }

    /// Starts a program that has every role.
    ///
    /// # Errors
    /// When it does not start.
    pub fn run(program: Program) -> Result<Self> {
        let (running, ports) = program.start()?;
        let address = *ports.get("admin").context("no admin port")?;
        let token = program.data().join("admin-token");
        Ok(Self { running, ports, admin: Admin { address, token }, program })
    }

    /// Starts it again on the same ports and data, after it was killed or ended.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        let (running, ports) = self.program.start()?;
        self.running = running;
        self.ports = ports;
        Ok(())
    }

    /// Where a service listens.
    ///
    /// # Errors
    /// When the process did not bind it.
    pub fn port(&self, name: &str) -> Result<SocketAddr> {
        self.ports.get(name).copied().with_context(|| format!("no port {name} in {:?}", self.ports))
    }
}

impl crate::crash::Target for System {
    fn smtp(&self) -> Vec<SocketAddr> {
        self.port("smtp").into_iter().collect()
    }

    fn pop3s(&self) -> Result<SocketAddr> {
        self.port("pop3s")
    }

    fn admin(&self) -> Admin {
        self.admin.clone()
    }

    fn victims(&self) -> usize {
        1
    }

    fn leader(&self) -> Option<usize> {
        None
    }

    fn kill(&mut self, _victim: usize) -> Result<String> {
        self.running.kill()?;
        Ok(self.program.name.clone())
    }

    fn revive(&mut self, _victim: usize) -> Result<()> {
        self.start_again()
    }
}

/// The configuration of a single process on ports that are free now, and that it finds again when it is restarted.
pub(crate) fn single_config(transport: Transport, more: &str) -> Result<String> {
    let listen = listen("127.0.0.1", &SERVICES)?;
    Ok(format!("[listen]\n{listen}\n[store]\ntransport = \"{}\"\n{more}", transport.name()))
}

/// Lines of the configuration's `[listen]` that put these services on free ports of an address, and turn off the rest.
///
/// # Errors
/// When no port is free.
pub fn listen(address: &str, services: &[&str]) -> Result<String> {
    let mut text = String::new();
    for name in SERVICES {
        let line = if services.contains(&name) {
            format!("{name} = [\"{address}:{}\"]\n", process::free_port(address)?)
        } else {
            format!("{name} = []\n")
        };
        text.push_str(&line);
    }
    Ok(text)
}

/// Lines of the configuration that send mail for these destinations, or for all, to one host without TLS.
#[must_use]
pub fn smart_host(address: SocketAddr, destinations: &[&str]) -> String {
    smart_host_over("off", address, destinations)
}

/// [`smart_host`], with the connection protected so.
#[must_use]
pub fn smart_host_over(tls: &str, address: SocketAddr, destinations: &[&str]) -> String {
    format!(
        "[[queue.smart_hosts]]\nhost = \"{}\"\nport = {}\ntls = \"{tls}\"\nsender_domains = []\n\
         destinations = {destinations:?}\nuser = \"\"\npassword_file = \"\"\n",
        address.ip(),
        address.port()
    )
}

/// The services of a process with every role, as configuration and `--print-ports` name them.
pub const SERVICES: [&str; 10] =
    ["smtp", "submission", "submissions", "lmtp", "pop3", "pop3s", "imap", "imaps", "admin", "http"];
