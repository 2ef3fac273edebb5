//! What Debian's Postfix verifies incoming mail with: opendkim and opendmarc as milters, policyd-spf as a policy service.
//!
//! All are as shipped, with sockets in the file system as Debian has them, but for where these are, that mail from this machine is
//! verified like any other, and whom they ask: one name server, on port 53 of an address of this machine outside 127.0.0.0/8, where opendkim's
//! resolver asks nobody. (It could be told to by a file, which opendkim then reads anew for each connection, several at once, and dies of it.) They
//! and Postfix are started in a mount namespace of their own, where `/etc/resolv.conf` names it; that needs root.

use crate::process::{self, Running};
use anyhow::{Context, Result};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The Debian packages, each with a program that tells whether it is there.
pub(super) const PACKAGES: [(&str, &str); 4] = [
    ("opendkim", "/usr/sbin/opendkim"),
    // The rig has it make a key.
    ("opendkim-tools", "/usr/sbin/opendkim-genkey"),
    ("opendmarc", "/usr/sbin/opendmarc"),
    ("postfix-policyd-spf-python", "/usr/bin/policyd-spf"),
];

/// Nobody's network (RFC 5737), where an option wants one that is trusted.
const NOBODY: &str = "192.0.2.1/32";

/// Running milters, and how the policy service is to be started.
#[derive(Debug)]
pub struct Filters {
    // Held for their end.
    opendkim: Running,
    opendmarc: Running,
    milters: [PathBuf; 2],
    policy: PathBuf,
    resolver: Resolver,
}

/// Where names are looked up.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    file: PathBuf,
}

impl Filters {
    /// Starts the milters below `folder`; all names are looked up at `name_server`, on port 53, in the name of `hostname`.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn start(folder: &Path, name_server: Ipv4Addr, hostname: &str) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = |name: &str, text: String| -> Result<PathBuf> {
            let path = folder.join(name);
            std::fs::write(&path, text)?;
            Ok(path)
        };
        let resolver = Resolver { file: file("resolv.conf", format!("nameserver {name_server}\n"))? };
        let nobody = file("nobody", format!("{NOBODY}\n"))?;
        let policy = file("policyd-spf.conf", policy_conf(hostname))?;
        // They give up their rights before they listen.
        let sockets = folder.join("run");
        std::fs::create_dir_all(&sockets)?;
        process::output(Command::new("chown").arg("nobody").arg(&sockets))?;
        let milters = [sockets.join("opendkim"), sockets.join("opendmarc")];
        let [dkim, dmarc] = &milters;
        let dkim_conf = file("opendkim.conf", opendkim_conf(dkim, hostname, &nobody))?;
        let dmarc_conf = file("opendmarc.conf", opendmarc_conf(dmarc, hostname, &nobody))?;
        let start = |name: &str, flag: &str, conf: &Path| {
            let program = Path::new("/usr/sbin").join(name);
            Running::start(name, resolver.command(&program).arg("-f").arg(flag).arg(conf))
        };
        let opendkim = start("opendkim", "-x", &dkim_conf)?;
        let opendmarc = start("opendmarc", "-c", &dmarc_conf)?;
        process::wait_until(Duration::from_secs(10), || milters.iter().all(|socket| socket.exists()))
            .context("a milter does not listen (its log goes to the system's)")?;
        Ok(Self { opendkim, opendmarc, milters, policy, resolver })
    }

    /// The processes at their top.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        vec![self.opendkim.id(), self.opendmarc.id()]
    }

    /// Lines of Postfix's main.cf.
    pub(super) fn main_cf(&self) -> String {
        let [dkim, dmarc] = &self.milters;
        format!(
            "smtpd_milters = unix:{}, unix:{}\n\
             smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service unix:private/policyd-spf\n\
             policyd-spf_time_limit = 3600\n",
            dkim.display(),
            dmarc.display(),
        )
    }

    /// Lines of Postfix's master.cf.
    pub(super) fn master_cf(&self) -> String {
        format!("policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf {}\n", self.policy.display())
    }

    pub(super) fn resolver(&self) -> Resolver {
        self.resolver.clone()
    }
}

impl Resolver {
    /// A command that looks names up there.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c"]);
        command.arg("mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"").arg(&self.file).arg(program);
        command
    }
}

fn opendkim_conf(socket: &Path, hostname: &str, nobody: &Path) -> String {
    format!(
        "Mode v\nSocket local:{socket}\nUMask 000\nAuthservID {hostname}\nAlwaysAddARHeader yes\n\
         InternalHosts {nobody}\nExternalIgnoreList {nobody}\nUserID nobody\nSyslog yes\n",
        socket = socket.display(),
        nobody = nobody.display(),
    )
}

fn opendmarc_conf(socket: &Path, hostname: &str, nobody: &Path) -> String {
    format!(
        "Socket local:{socket}\nUMask 000\nAuthservID {hostname}\nTrustedAuthservIDs {hostname}\nRejectFailures true\n\
         IgnoreHosts {nobody}\nUserID nobody\nSyslog true\n",
        socket = socket.display(),
        nobody = nobody.display(),
    )
}

/// Its results go into a header that opendmarc reads.
fn policy_conf(hostname: &str) -> String {
    format!(
        "debugLevel = 0\nTestOnly = 1\nHELO_reject = Fail\nMail_From_reject = Fail\nPermError_reject = False\n\
         TempError_Defer = False\nskip_addresses = {NOBODY}\nHeader_Type = AR\nAuthserv_Id = {hostname}\n"
    )
}
