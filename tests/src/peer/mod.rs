//! The peer: Debian's Postfix and Dovecot, as shipped, in folders and on ports of their own.
//!
//! Postfix takes mail by SMTP, queues it, and hands it by LMTP over a Unix socket to Dovecot, which keeps it in sdbox
//! mailboxes: the usual way to run the two. Both keep their shipped settings for fsync and for how many processes work
//! at once; what differs from a shipped configuration is only where things lie and listen, that recipients are static,
//! and that there is no TLS. Starting needs root, since Postfix gives up its rights itself. With `Filters` it verifies
//! what comes, by opendkim, opendmarc and policyd-spf.

mod dovecot;
mod filters;
mod postfix;
mod sink;

pub use dovecot::Dovecot;
pub use filters::Filters;
pub use postfix::{NextHop, Postfix};
pub use sink::Sink;

use crate::process;
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// The domain whose accounts receive.
pub const DOMAIN: &str = "bench.example";
/// The Debian packages, each with a program that tells whether it is there.
const PACKAGES: [(&str, &str); 4] = [
    ("postfix", "/usr/sbin/postfix"),
    ("dovecot-core", "/usr/sbin/dovecot"),
    ("dovecot-imapd", "/usr/lib/dovecot/imap"),
    ("dovecot-lmtpd", "/usr/lib/dovecot/lmtp"),
];

/// Postfix and Dovecot, running.
#[derive(Debug)]
pub struct Peer {
    // The order matters: Postfix ends first, then what it asks, and the store behind it.
    postfix: Postfix,
    filters: Option<Filters>,
    dovecot: Dovecot,
}

impl Peer {
    /// Starts both below `folder`.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::filtering(folder, None)
    }

    /// [`Peer::start`], with mail verified so.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn filtering(folder: &Path, filters: Option<Filters>) -> Result<Self> {
        let dovecot = Dovecot::start(&folder.join("dovecot"))?;
        let next_hop = NextHop::Lmtp(&dovecot.lmtp_socket());
        let postfix = Postfix::start(&folder.join("postfix"), next_hop, filters.as_ref())?;
        Ok(Self { postfix, filters, dovecot })
    }

    /// Where Postfix takes mail.
    #[must_use]
    pub fn smtp(&self) -> SocketAddr {
        self.postfix.smtp()
    }

    /// Where Dovecot takes mail by LMTP.
    #[must_use]
    pub fn lmtp(&self) -> SocketAddr {
        self.dovecot.lmtp()
    }

    /// The processes at the top of each.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        let filters = self.filters.as_ref().map(Filters::ids).unwrap_or_default();
        [vec![self.postfix.id(), self.dovecot.id()], filters].concat()
    }

    /// Messages in all mailboxes.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.dovecot.stored()
    }
}

/// Installs what is missing of the peer with apt-get.
///
/// # Errors
/// When something is missing and this is not root on a system with apt-get.
pub fn install() -> Result<()> {
    install_all(&PACKAGES)
}

/// [`install`], and what verifies mail.
///
/// # Errors
/// As [`install`].
pub fn install_with_filters() -> Result<()> {
    install()?;
    install_all(&filters::PACKAGES)
}

fn install_all(packages: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, program)| !Path::new(program).exists()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let user = process::output(Command::new("id").arg("-u"))?;
    if user.trim() != "0" || !Path::new("/usr/bin/apt-get").exists() {
        bail!("the peer needs these Debian packages, and root to install them: {}", missing.join(" "));
    }
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "--no-install-recommends"]).args(&missing);
    process::output(&mut apt).context("installing the peer")?;
    // Installing may start the services where an init system runs; the rig starts its own.
    for service in ["postfix", "dovecot", "opendkim", "opendmarc"] {
        let _ = Command::new("service").args([service, "stop"]).output();
    }
    Ok(())
}
