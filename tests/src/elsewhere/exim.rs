//! exim4: offers PIPELINING, CHUNKING, 8BITMIME, SMTPUTF8, DSN and SIZE, and logs which of them were used.

use super::{Elsewhere, GONE, PACKAGE, SIZE_MAX_BYTES, User, View};
use anyhow::Result;
use std::path::Path;

const USER: User = User { name: "Debian-exim", id: 63_001 };
const DOMAIN: &str = "exim.example";

/// Starts it below `folder`.
///
/// # Errors
/// When it was not unpacked or does not start.
pub fn exim(folder: &Path) -> Result<Elsewhere> {
    let program = folder.join(PACKAGE).join("usr/sbin/exim4");
    super::prepare(folder)?;
    std::fs::create_dir_all(folder.join("spool"))?;
    let address = super::free_address()?;
    let config = folder.join("exim.conf");
    std::fs::write(&config, configuration(folder, &program, address.port()))?;
    // It gives up its rights, and has no way to have them back to become somebody else.
    USER.owns(&["spool", "mail", "key.pem"].map(|name| folder.join(name)))?;
    let (program, config) = (program.display().to_string(), config.display().to_string());
    View { package: "exim4-daemon-light", users: &[USER], folders: &[] }.start(
        folder,
        DOMAIN,
        address,
        &[&program, "-C", &config, "-bdf"],
    )
}

fn configuration(folder: &Path, program: &Path, port: u16) -> String {
    let (folder, program) = (folder.display(), program.display());
    format!(
        "primary_hostname = mx.{DOMAIN}\n\
         exim_path = {program}\n\
         spool_directory = {folder}/spool\n\
         log_file_path = {folder}/spool/%slog\n\
         pid_file_path = {folder}/spool/pid\n\
         local_interfaces = 127.0.0.1\n\
         daemon_smtp_ports = {port}\n\
         tls_certificate = {folder}/cert.pem\n\
         tls_privatekey = {folder}/key.pem\n\
         tls_advertise_hosts = *\n\
         smtputf8_advertise_hosts = *\n\
         dsn_advertise_hosts = *\n\
         host_lookup =\n\
         keep_environment =\n\
         message_size_limit = {SIZE_MAX_BYTES}\n\
         log_selector = +pipelining +smtp_connection\n\
         acl_smtp_rcpt = recipients\n\
         acl_smtp_data = contents\n\
         begin acl\n\
         recipients:\n\
         deny\n\
         local_parts = {GONE}\n\
         message = 5.1.1 No such user here\n\
         accept\n\
         domains = {DOMAIN}\n\
         contents:\n\
         accept\n\
         begin routers\n\
         all:\n\
         driver = accept\n\
         transport = files\n\
         begin transports\n\
         files:\n\
         driver = appendfile\n\
         directory = {folder}/mail\n\
         maildir_format\n\
         envelope_to_add\n\
         user = {user}\n",
        user = USER.name,
    )
}
