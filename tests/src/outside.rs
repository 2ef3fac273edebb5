//! A system whose mail to the outside goes to a receiver of ours, with hosted domains of two accounts each.

use crate::imap::Imap;
use crate::process::output;
use crate::receiver::Receiver;
use crate::system::{System, Transport, smart_host};
use anyhow::Result;
use serde_json::Value;
use std::process::Command;

/// The password of every account.
pub const PASSWORD: &str = "correct horse battery";

/// The system and what is outside of it.
#[derive(Debug)]
pub struct Outside {
    /// The system.
    pub system: System,
    /// Where all its mail to other domains goes.
    pub receiver: Receiver,
    _folder: tempfile::TempDir,
}

impl Outside {
    /// Starts both, and makes accounts u0 and u1 in each domain.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(transport: Transport, domains: &[&str]) -> Result<Outside> {
        Self::configured(transport, domains, "")
    }

    /// The same with more lines of configuration, whole tables.
    ///
    /// # Errors
    /// As [`Outside::start`].
    pub fn configured(transport: Transport, domains: &[&str], more: &str) -> Result<Outside> {
        let receiver = Receiver::start()?;
        let folder = tempfile::tempdir()?;
        let more = format!("{more}{}", smart_host(receiver.address(), &[]));
        let system = System::configured(transport, folder.path(), &more)?;
        for domain in domains {
            system.admin.populate(domain, 2, PASSWORD)?;
        }
        Ok(Outside { system, receiver, _folder: folder })
    }

    /// Sends as a user, by a real client; an error holds what it was told.
    ///
    /// # Errors
    /// When the message is refused.
    pub fn submit(&self, user: &str, to: &str) -> Result<()> {
        let port = self.system.port("submissions")?.port().to_string();
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &port, "--tls-on-connect", "--auth", "PLAIN"]);
        swaks.args(["--auth-user", user, "--auth-password", PASSWORD, "--from", user, "--to", to]);
        output(&mut swaks).map(drop)
    }

    /// Everything in a user's INBOX, message by message.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn inbox(&self, user: &str) -> Result<Vec<String>> {
        let mut imap = Imap::login(self.system.port("imaps")?, user, PASSWORD)?;
        imap.ok("SELECT INBOX")?;
        let fetched = imap.command("FETCH 1:* BODY.PEEK[]")?;
        Ok(fetched.literals().into_iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect())
    }

    /// What `yubin ctl` prints.
    ///
    /// # Errors
    /// What it says when it refuses.
    pub fn ctl(&self, line: &str) -> Result<String> {
        self.system.admin.ctl(&line.split(' ').collect::<Vec<_>>(), PASSWORD)
    }

    /// What it prints with `--json`.
    ///
    /// # Errors
    /// As [`Outside::ctl`].
    pub fn json(&self, line: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.ctl(&format!("{line} --json"))?)?)
    }
}
