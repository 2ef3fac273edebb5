//! What a listener tells its IMAP sessions.

use yubin_types::UtcOffset;

use crate::sasl::{Offer, TokenLogin};
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
    /// May a token stand in place of a password?
    pub tokens: TokenLogin,
    /// Largest message that APPEND takes, bytes; plans lower it.
    pub message_bytes_max: u64,
    /// The clock by which days of SEARCH begin and end, and by which INTERNALDATE and SAVEDATE are shown.
    pub utc_offset: UtcOffset,
}

impl Config {
    /// The mechanisms on a connection that is protected so.
    pub(super) const fn offer<'a>(&self, security: &'a Security) -> Offer<'a> {
        Offer { security, tokens: self.tokens }
    }
}
