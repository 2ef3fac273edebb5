//! Dovecot 2.3 in a folder of its own: LMTP on a Unix socket and a port, sdbox mailboxes, fsync as shipped.
//!
//! Any address of any domain is an account. How many messages are stored is told by counting sdbox's files, one per
//! message, which appear when a message is committed.

use crate::process::{self, Running};
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running Dovecot.
#[derive(Debug)]
pub struct Dovecot {
    running: Running,
    folder: PathBuf,
    lmtp: SocketAddr,
}

impl Dovecot {
    /// Writes a configuration below `folder` and starts with it.
    ///
    /// # Errors
    /// When the folder can't be written or Dovecot does not start.
    pub fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder.join("mail"))?;
        // The mail's owner may be nobody special, but the first uid that Dovecot accepts is 500.
        process::output(Command::new("chown").arg("nobody:nogroup").arg(folder.join("mail")))?;
        let port = process::free_port("127.0.0.1")?;
        let file = folder.join("dovecot.conf");
        std::fs::write(&file, configuration(folder, port))?;
        let mut command = Command::new("/usr/sbin/dovecot");
        let running = Running::start("dovecot", command.arg("-F").arg("-c").arg(&file))?;
        let lmtp = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut dovecot = Self { running, folder: folder.to_path_buf(), lmtp };
        process::wait_until(Duration::from_secs(10), || process::listens(lmtp) || dovecot.running.ended().is_some())
            .and_then(|()| if process::listens(lmtp) { Ok(()) } else { Err(anyhow::anyhow!("it ended at once")) })
            .with_context(|| format!("dovecot does not listen; its log: {}", dovecot.log()))?;
        Ok(dovecot)
    }

    /// Where it takes mail by LMTP.
    #[must_use]
    pub fn lmtp(&self) -> SocketAddr {
        self.lmtp
    }

    /// The Unix socket where it takes mail by LMTP.
    #[must_use]
    pub fn lmtp_socket(&self) -> PathBuf {
        self.folder.join("run").join("lmtp")
    }

    /// The process at its top.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Messages in all mailboxes.
    #[must_use]
    pub fn stored(&self) -> usize {
        let accounts = std::fs::read_dir(self.folder.join("mail")).into_iter().flatten().flatten();
        let boxes = accounts.map(|account| account.path().join("sdbox/mailboxes/INBOX/dbox-Mails"));
        let files = boxes.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
        files.filter(|file| file.file_name().to_string_lossy().starts_with("u.")).count()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("dovecot.log")).unwrap_or_default()
    }
}

fn configuration(folder: &Path, lmtp_port: u16) -> String {
    let folder = folder.display();
    format!(
        "base_dir = {folder}/run\n\
         state_dir = {folder}/state\n\
         log_path = {folder}/dovecot.log\n\
         protocols = lmtp\n\
         listen = 127.0.0.1\n\
         ssl = no\n\
         mail_location = sdbox:~/sdbox\n\
         first_valid_uid = 500\n\
         auth_mechanisms = plain\n\
         passdb {{\n  driver = static\n  args = nopassword=y\n}}\n\
         userdb {{\n  driver = static\n  args = uid=nobody gid=nogroup home={folder}/mail/%n allow_all_users=yes\n}}\n\
         service lmtp {{\n  unix_listener lmtp {{\n    mode = 0666\n  }}\n\
         \x20 inet_listener lmtp {{\n    address = 127.0.0.1\n    port = {lmtp_port}\n  }}\n}}\n"
    )
}
