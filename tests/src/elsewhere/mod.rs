//! Debian's mail servers as receivers: exim4, OpenSMTPD and Postfix, each in a folder of its own, offering STARTTLS.
//!
//! Their packages exclude each other and would take the place of the machine's own mail server, so `cargo xtask setup` unpacks them
//! without installing. Each runs in a mount namespace that has its users, and for OpenSMTPD the folders whose names are compiled in;
//! that takes root. Each takes mail for [`TAKER`] and any other address of its domain but [`GONE`], up to [`SIZE_MAX_BYTES`],
//! and puts all of it into one Maildir. They look up no names and connect to nobody.

mod exim;
mod opensmtpd;
mod postfix;

pub use exim::exim;
pub use opensmtpd::opensmtpd;
pub use postfix::{Keywords, postfix};

use crate::process::{self, Running};
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A local part that every server takes mail for.
pub const TAKER: &str = "taker";
/// A local part that every server refuses for good.
pub const GONE: &str = "gone";
/// The largest message that every server takes, bytes.
pub const SIZE_MAX_BYTES: usize = 1_000_000;
/// Who owns the mail of servers that deliver in others' names.
const OWNER: (&str, u32) = ("nobody", 65_534);
/// How long a server may take until it listens.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub struct Elsewhere {
    running: Running,
    folder: PathBuf,
    address: SocketAddr,
    domain: &'static str,
}

impl Elsewhere {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address in its domain.
    #[must_use]
    pub fn user(&self, local: &str) -> String {
        format!("{local}@{}", self.domain)
    }

    /// Its domain.
    #[must_use]
    pub fn domain(&self) -> &'static str {
        self.domain
    }

    /// Every message that it has delivered.
    ///
    /// # Errors
    /// When one can't be read.
    pub fn mail(&self) -> Result<Vec<Vec<u8>>> {
        let entries = fs::read_dir(self.folder.join("mail/new")).into_iter().flatten().flatten();
        entries.map(|entry| Ok(fs::read(entry.path())?)).collect()
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        // The second is exim's.
        ["log", "spool/mainlog"].map(|name| fs::read_to_string(self.folder.join(name)).unwrap_or_default()).concat()
    }
}

/// Where a server sees the files of its package, below its folder: they lie where only their owner may look.
const PACKAGE: &str = "package";

/// The unpacked files of a Debian package.
fn package(name: &str) -> Result<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).context("no HOME")?;
    let folder = cache.join("yubin/servers").join(name);
    ensure!(folder.is_dir(), "{} is not there: `cargo xtask setup` unpacks it", folder.display());
    Ok(folder)
}

/// A folder that other users may look into, with a certificate, and an empty one for mail.
fn prepare(folder: &Path) -> Result<()> {
    for made in ["mail", PACKAGE] {
        fs::create_dir_all(folder.join(made))?;
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    chown(OWNER.0, &[folder.join("mail")])?;
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=mx.example", "-batch", "-keyout"]).arg(folder.join("key.pem"));
    process::output(openssl.arg("-out").arg(folder.join("cert.pem")))?;
    Ok(())
}

fn chown(owner: &str, paths: &[PathBuf]) -> Result<()> {
    process::output(Command::new("chown").arg(owner).args(paths))?;
    Ok(())
}

/// A user of its own with a group of the same name.
#[derive(Clone, Copy)]
struct User {
    name: &'static str,
    /// Its id, unless the machine knows it by another.
    id: u32,
}

impl User {
    /// Gives it files, which the machine knows by numbers.
    fn owns(&self, paths: &[PathBuf]) -> Result<()> {
        let users = fs::read_to_string("/etc/passwd")?;
        let known = users.lines().find(|line| line.split(':').next() == Some(self.name));
        let id = known.and_then(|line| line.split(':').nth(2)).map_or_else(|| self.id.to_string(), str::to_owned);
        chown(&id, paths)
    }
}

/// What a server sees in place of what there is: the machine's users and these, its package, and folders.
struct View<'a> {
    package: &'a str,
    users: &'a [User],
    /// What takes the place of what.
    folders: &'a [(PathBuf, &'static str)],
}

impl View<'_> {
    /// Starts a program that sees the world so, writing to the log in its folder, and waits until it listens.
    fn start(&self, folder: &Path, domain: &'static str, address: SocketAddr, command: &[&str]) -> Result<Elsewhere> {
        let (passwd, group) = (self.users_in(folder, "passwd")?, self.users_in(folder, "group")?);
        let mut mounts = String::from("set -e\n");
        let mut mount = |source: &Path, target: &Path| {
            // Writing to a String cannot fail.
            let _ = writeln!(mounts, "mount --bind '{}' '{}'", source.display(), target.display());
        };
        mount(&passwd, Path::new("/etc/passwd"));
        mount(&group, Path::new("/etc/group"));
        mount(&package(self.package)?, &folder.join(PACKAGE));
        self.folders.iter().for_each(|(source, target)| mount(source, Path::new(target)));
        let mut program = Command::new("unshare");
        program.args(["--mount", "--propagation", "private", "sh", "-c"]).arg(mounts + "exec \"$@\"").arg("sh");
        let log = fs::File::options().create(true).append(true).open(folder.join("log"))?;
        program.args(command).stdout(Stdio::from(log.try_clone()?)).stderr(log);
        let mut server =
            Elsewhere { running: Running::start(domain, &mut program)?, folder: folder.to_path_buf(), address, domain };
        let listening =
            process::wait_until(LISTENS_WITHIN, || process::listens(address) || server.running.ended().is_some());
        ensure!(listening.is_ok() && server.running.ended().is_none(), "{domain} does not listen: {}", server.log());
        Ok(server)
    }

    /// The machine's file with a line for each user that it lacks.
    fn users_in(&self, folder: &Path, file: &str) -> Result<PathBuf> {
        let mut text = fs::read_to_string(Path::new("/etc").join(file))?;
        for User { name, id } in self.users {
            if text.lines().any(|line| line.split(':').next() == Some(name)) {
                continue;
            }
            text.push_str(&match file {
                "passwd" => format!("{name}:x:{id}:{id}::/:/usr/sbin/nologin\n"),
                _ => format!("{name}:x:{id}:\n"),
            });
        }
        let path = folder.join(file);
        fs::write(&path, text)?;
        Ok(path)
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, process::free_port("127.0.0.1")?)))
}
