//! OpenSMTPD: offers 8BITMIME, SIZE and DSN, neither PIPELINING nor CHUNKING nor SMTPUTF8.
//!
//! In Debian 12 it offers STARTTLS and fails in every handshake of TLS 1.3, for its separation of keys does not fit OpenSSL 3.

use super::{Elsewhere, OWNER, PACKAGE, SIZE_MAX_BYTES, TAKER, User, View};
use anyhow::Result;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const USERS: [User; 2] = [User { name: "opensmtpd", id: 63_002 }, User { name: "opensmtpq", id: 63_003 }];
const DOMAIN: &str = "opensmtpd.example";

/// Starts it below `folder`.
///
/// # Errors
/// When it was not unpacked or does not start.
pub fn opensmtpd(folder: &Path) -> Result<Elsewhere> {
    let package = folder.join(PACKAGE);
    super::prepare(folder)?;
    for made in ["spool/smtpd", "lib/opensmtpd/empty", "run"] {
        fs::create_dir_all(folder.join(made))?;
    }
    fs::set_permissions(folder.join("spool/smtpd"), fs::Permissions::from_mode(0o711))?;
    fs::set_permissions(folder.join("key.pem"), fs::Permissions::from_mode(0o600))?;
    let folders = [
        (folder.join("spool"), "/var/spool"),
        (folder.join("lib"), "/var/lib"),
        (folder.join("run"), "/run"),
        (package.join("usr/libexec"), "/usr/libexec"),
    ];
    let address = super::free_address()?;
    let config = folder.join("smtpd.conf");
    fs::write(&config, configuration(folder, address.port()))?;
    let (program, config) = (package.join("usr/sbin/smtpd").display().to_string(), config.display().to_string());
    View { package: "opensmtpd", users: &USERS, folders: &folders }.start(
        folder,
        DOMAIN,
        address,
        &[&program, "-d", "-f", &config],
    )
}

fn configuration(folder: &Path, port: u16) -> String {
    let (folder, owner) = (folder.display(), OWNER.0);
    format!(
        "pki {DOMAIN} cert \"{folder}/cert.pem\"\n\
         pki {DOMAIN} key \"{folder}/key.pem\"\n\
         smtp max-message-size \"{SIZE_MAX_BYTES}\"\n\
         listen on 127.0.0.1 port {port} tls pki {DOMAIN} hostname mx.{DOMAIN}\n\
         table users {{ \"{TAKER}@{DOMAIN}\" = \"{owner}\" }}\n\
         action \"files\" maildir \"{folder}/mail\" virtual <users>\n\
         match from any for domain \"{DOMAIN}\" action \"files\"\n"
    )
}
