//! What a listener tells its IMAP sessions.

use crate::{PlaintextLogin, Security};

/// Settings of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Our name in the greeting; a host name.
    pub hostname: String,
    /// What protects the connection at its start.
    pub security: Security,
    /// May a password be sent without TLS? If not, LOGINDISABLED is announced (RFC 9051 §6.2.3).
    pub plaintext_login: PlaintextLogin,
    /// Largest message that APPEND takes, bytes; plans lower it.
    pub message_bytes_max: u64,
}
