//! Debian's rspamd and clamd, with rules of the test's own, in a folder and on ports of their own.
//!
//! Neither knows anything but what is written here: no signatures are fetched, no name server is asked, no module is loaded. rspamd finds
//! [`SPAM`] in a body, and the test string that every scanner knows (GTUBE); clamd finds [`VIRUS`], in archives too.

use crate::process::{self, Running};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What rspamd finds to be spam.
pub const SPAM: &str = "THIS-LINE-IS-SPAM-TO-THE-TEST";
/// What every scanner would refuse.
pub const CERTAIN_SPAM: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
/// What clamd finds to be a virus.
pub const VIRUS: &str = "THIS-LINE-IS-A-VIRUS-TO-THE-TEST";
/// The name under which it does.
pub const VIRUS_NAME: &str = "Yubin.Test.UNOFFICIAL";

/// How long a scanner may take until it listens.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// rspamd, running.
#[derive(Debug)]
pub struct Rspamd {
    /// Where it takes messages.
    pub address: SocketAddr,
    /// Where it is a milter.
    pub milter: SocketAddr,
    /// The process.
    pub running: Running,
}

/// clamd, running.
#[derive(Debug)]
pub struct Clamd {
    /// Where it takes messages.
    pub socket: PathBuf,
    /// The process.
    pub running: Running,
}

impl Rspamd {
    /// Starts it below `folder`.
    ///
    /// # Errors
    /// When it is not installed or does not listen in time.
    pub fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let address: SocketAddr = ([127, 0, 0, 1], process::free_port("127.0.0.1")?).into();
        let milter: SocketAddr = ([127, 0, 0, 1], process::free_port("127.0.0.1")?).into();
        let at = folder.display();
        // All top-level domains that there are, so that it does not prepare for ten thousand.
        std::fs::write(folder.join("tld"), "example\n")?;
        let config = format!(
            "options {{ pidfile = \"{at}/pid\"; temp_dir = \"{at}\"; hs_cache_dir = \"{at}\"; url_tld = \"{at}/tld\"; filters = \"regexp\"; \
             disable_hyperscan = true; dns {{ timeout = 1s; nameserver = [\"127.0.0.1:9\"]; }} }}\n\
             logging {{ type = \"file\"; filename = \"{at}/log\"; level = \"info\"; }}\n\
             worker \"normal\" {{ bind_socket = \"{address}\"; count = 1; }}\n\
             worker \"rspamd_proxy\" {{ bind_socket = \"{milter}\"; count = 1; milter = true; timeout = 20s; \
             upstream \"local\" {{ default = true; self_scan = true; }} }}\n\
             actions {{ reject = 15; add_header = 6; greylist = 4; }}\n\
             regexp {{ TEST_SPAM {{ re = '/{SPAM}/{{body}}'; score = 8.0; }} }}\n"
        );
        std::fs::write(folder.join("rspamd.conf"), config)?;
        let mut command = Command::new("rspamd");
        command.args(["-f", "-i", "-c"]).arg(folder.join("rspamd.conf"));
        if is_root()? {
            command.args(["-u", "root", "-g", "root"]);
        }
        let running = Running::start("rspamd", command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let listens = || process::listens(address) && process::listens(milter);
        process::wait_until(READY_WITHIN, listens).context("rspamd does not listen")?;
        Ok(Self { address, milter, running })
    }
}

impl Clamd {
    /// Starts it below `folder`, with its alerts about archives on.
    ///
    /// # Errors
    /// When it is not installed or does not listen in time.
    pub fn start(folder: &Path) -> Result<Self> {
        let database = folder.join("db");
        std::fs::create_dir_all(&database)?;
        let hex: String = VIRUS.bytes().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(database.join("test.ndb"), format!("Yubin.Test:0:*:{hex}\n"))?;
        let socket = folder.join("clamd.sock");
        let config = format!(
            "DatabaseDirectory {}\nLocalSocket {}\nLogFile {}\nForeground true\nStreamMaxLength 1M\nAlertEncrypted true\n",
            database.display(),
            socket.display(),
            folder.join("log").display()
        );
        std::fs::write(folder.join("clamd.conf"), config)?;
        let mut command = Command::new("/usr/sbin/clamd");
        command.arg(format!("--config-file={}", folder.join("clamd.conf").display()));
        let running = Running::start("clamd", command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let listens = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
        process::wait_until(READY_WITHIN, listens).context("clamd does not listen")?;
        Ok(Self { socket, running })
    }
}

fn is_root() -> Result<bool> {
    Ok(process::output(Command::new("id").arg("-u"))?.trim() == "0")
}
