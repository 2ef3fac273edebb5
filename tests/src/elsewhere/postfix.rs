//! Postfix: offers PIPELINING, CHUNKING, 8BITMIME, SMTPUTF8, DSN and SIZE, and logs the commands of each connection.

use super::{Elsewhere, GONE, OWNER, PACKAGE, SIZE_MAX_BYTES, User, View};
use anyhow::Result;
use std::fs;
use std::path::Path;

const USERS: [User; 2] = [User { name: "postfix", id: 63_004 }, User { name: "postdrop", id: 63_005 }];
const DOMAIN: &str = "postfix.example";
/// What its queue manager expects below the queue's folder, and who owns that.
const QUEUES: [&str; 13] = [
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "private", "public",
    "saved", "trace",
];

/// What it says it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keywords {
    /// All that it can.
    All,
    /// All but 8BITMIME.
    SevenBits,
}

/// Starts it below `folder`.
///
/// # Errors
/// When it was not unpacked or does not start.
pub fn postfix(folder: &Path, keywords: Keywords) -> Result<Elsewhere> {
    let package = folder.join(PACKAGE);
    super::prepare(folder)?;
    let queues = QUEUES.map(|name| folder.join("queue").join(name));
    for made in ["etc", "data", "queue/pid"].map(|name| folder.join(name)).iter().chain(&queues) {
        fs::create_dir_all(made)?;
    }
    USERS[0].owns(&[&queues[..], &[folder.join("data")]].concat())?;
    let address = super::free_address()?;
    fs::write(folder.join("etc/main.cf"), main_cf(folder, &package, keywords))?;
    fs::write(folder.join("etc/master.cf"), master_cf(address.port()))?;
    let (libraries, etc) = (package.join("usr/lib/postfix"), folder.join("etc").display().to_string());
    let path = format!("LD_LIBRARY_PATH={}", libraries.display());
    let master = libraries.join("sbin/master").display().to_string();
    View { package: "postfix", users: &USERS, folders: &[] }.start(
        folder,
        DOMAIN,
        address,
        &["env", &path, &master, "-c", &etc],
    )
}

fn main_cf(folder: &Path, package: &Path, keywords: Keywords) -> String {
    let discarded = match keywords {
        Keywords::All => "",
        Keywords::SevenBits => "8bitmime",
    };
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {folder}/queue\n\
         data_directory = {folder}/data\n\
         command_directory = {package}/usr/sbin\n\
         daemon_directory = {package}/usr/lib/postfix/sbin\n\
         shlib_directory = {package}/usr/lib/postfix\n\
         meta_directory = {package}/etc/postfix\n\
         import_environment = MAIL_CONFIG LD_LIBRARY_PATH\n\
         maillog_file = {folder}/log\n\
         maillog_file_prefixes = {folder}\n\
         mail_owner = {owner}\n\
         setgid_group = {group}\n\
         myhostname = mx.{DOMAIN}\n\
         mydestination =\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         smtpd_peername_lookup = no\n\
         smtpd_tls_security_level = may\n\
         smtpd_tls_received_header = yes\n\
         smtpd_tls_chain_files = {folder}/key.pem, {folder}/cert.pem\n\
         smtpd_discard_ehlo_keywords = {discarded}\n\
         smtpd_relay_restrictions = reject_unauth_destination\n\
         smtpd_recipient_restrictions = check_recipient_access inline:{{ {{{GONE}@{DOMAIN} = 550 5.1.1 No such user here}} }}\n\
         virtual_mailbox_domains = {DOMAIN}\n\
         virtual_mailbox_base = {folder}\n\
         virtual_mailbox_maps = static:mail/\n\
         virtual_mailbox_limit = 0\n\
         virtual_uid_maps = static:{mail}\n\
         virtual_gid_maps = static:{mail}\n\
         message_size_limit = {SIZE_MAX_BYTES}\n\
         alias_maps =\n\
         local_recipient_maps =\n",
        folder = folder.display(),
        package = package.display(),
        owner = USERS[0].name,
        group = USERS[1].name,
        mail = OWNER.1,
    )
}

fn master_cf(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n\
         cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\n\
         proxymap unix - - n - - proxymap\n\
         virtual unix - n n - - virtual\n\
         anvil unix - - n - 1 anvil\n\
         postlog unix-dgram n - n - 1 postlogd\n"
    )
}
