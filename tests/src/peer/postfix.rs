//! Postfix in a folder of its own: one SMTP listener, a queue on disk, and one place where all mail goes on to.
//!
//! Its shipped limits hold: a hundred processes, twenty deliveries at once to one destination, fsync of every queue
//! file before the 250. Services that never take part (TLS proxies, submission) are left out; chroot is off, which
//! saves copying system files and changes nothing of the work per message.

use super::DOMAIN;
use super::filters::{Filters, Resolver};
use crate::process;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where Postfix hands mail on to.
#[derive(Clone, Copy, Debug)]
pub enum NextHop<'a> {
    /// The store behind it, by LMTP over a Unix socket.
    Lmtp(&'a Path),
    /// Another server, by SMTP.
    Smtp(SocketAddr),
}

/// A running Postfix.
#[derive(Debug)]
pub struct Postfix {
    folder: PathBuf,
    smtp: SocketAddr,
    master: u32,
}

impl Postfix {
    /// Writes a configuration below `folder` and starts with it; incoming mail is verified so, or not at all.
    ///
    /// # Errors
    /// When the folder can't be written or Postfix does not start (it needs root).
    pub fn start(folder: &Path, next_hop: NextHop<'_>, filters: Option<&Filters>) -> Result<Self> {
        let (etc, queue, data) = (folder.join("etc"), folder.join("queue"), folder.join("data"));
        for made in [&etc, &queue, &data] {
            std::fs::create_dir_all(made)?;
        }
        process::output(Command::new("chown").arg("postfix:").arg(&data))?;
        let port = process::free_port("127.0.0.1")?;
        let (main, master) = filters.map(|filters| (filters.main_cf(), filters.master_cf())).unwrap_or_default();
        std::fs::write(etc.join("main.cf"), main_cf(folder, next_hop) + &main)?;
        std::fs::write(etc.join("master.cf"), master_cf(port) + &master)?;
        postfix(&etc, "start", filters.map(Filters::resolver).as_ref())?;
        let pid = queue.join("pid/master.pid");
        let smtp = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        process::wait_until(Duration::from_secs(10), || pid.exists() && process::listens(smtp))
            .context("postfix does not listen (its log goes to the system's)")?;
        let master = std::fs::read_to_string(&pid)?.trim().parse().context("postfix's master.pid")?;
        Ok(Self { folder: folder.to_path_buf(), smtp, master })
    }

    /// Where it takes mail.
    #[must_use]
    pub fn smtp(&self) -> SocketAddr {
        self.smtp
    }

    /// The process at its top.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.master
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let below = process::descendants(&[self.master]);
        let stopped = postfix(&self.folder.join("etc"), "stop", None);
        if stopped.is_err() || process::exists(self.master) {
            process::end_all(&[self.master]);
        }
        process::end_all(&below);
    }
}

fn postfix(etc: &Path, verb: &str, resolver: Option<&Resolver>) -> Result<String> {
    let program = Path::new("/usr/sbin/postfix");
    let mut command = resolver.map_or_else(|| Command::new(program), |resolver| resolver.command(program));
    // Started by hand it writes to the terminal as well; what it says is kept for the error.
    process::output(command.arg("-c").arg(etc).arg(verb))
}

fn main_cf(folder: &Path, next_hop: NextHop<'_>) -> String {
    let folder = folder.display();
    let route = match next_hop {
        NextHop::Lmtp(socket) => format!(
            "virtual_mailbox_domains = {DOMAIN}\n\
             virtual_mailbox_maps = static:all\n\
             virtual_transport = lmtp:unix:{}\n",
            socket.display()
        ),
        NextHop::Smtp(address) => {
            format!("relayhost = [{}]:{}\nsmtp_dns_support_level = disabled\n", address.ip(), address.port())
        }
    };
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {folder}/queue\n\
         data_directory = {folder}/data\n\
         command_directory = /usr/sbin\n\
         daemon_directory = /usr/lib/postfix/sbin\n\
         meta_directory = /etc/postfix\n\
         mail_owner = postfix\n\
         setgid_group = postdrop\n\
         myhostname = mx.{DOMAIN}\n\
         mydestination =\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         mynetworks = 127.0.0.0/8\n\
         smtpd_tls_security_level = none\n\
         smtp_tls_security_level = none\n\
         alias_maps =\n\
         alias_database =\n\
         local_recipient_maps =\n\
         biff = no\n\
         {route}"
    )
}

fn master_cf(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n\
         pickup unix n - n 60 1 pickup\n\
         cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\n\
         verify unix - - n - 1 verify\n\
         flush unix n - n 1000? 0 flush\n\
         proxymap unix - - n - - proxymap\n\
         proxywrite unix - - n - 1 proxymap\n\
         smtp unix - - n - - smtp\n\
         relay unix - - n - - smtp\n\
         showq unix n - n - - showq\n\
         error unix - - n - - error\n\
         retry unix - - n - - error\n\
         discard unix - - n - - discard\n\
         lmtp unix - - n - - lmtp\n\
         anvil unix - - n - 1 anvil\n\
         scache unix - - n - 1 scache\n"
    )
}
