//! What a server said, and over which connection.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use yubin_types::{EnhancedStatus, Timestamp, limits};

/// A connection to a mail host, as it is remembered with what the host said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Our address that it came from.
    pub source: Option<IpAddr>,
    /// What protected it.
    pub tls: TlsUse,
    /// How long it took until the host was ready (TCP, TLS, greeting, login), milliseconds; 0 over one that was open already.
    pub connect_ms: u32,
    /// How long the transaction took, milliseconds.
    pub send_ms: u32,
}

/// What protects a connection. Versions are as TLS names them, such as `TLSv1.3`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsUse {
    /// Nothing.
    Clear,
    /// TLS with any certificate: safe from those who listen, not from those who stand between.
    Unverified(String),
    /// TLS with a certificate that proves the host, as DANE, MTA-STS or the operator demands.
    Verified(String),
}

impl fmt::Display for TlsUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsUse::Clear => f.write_str("none"),
            TlsUse::Unverified(version) => f.write_str(version),
            TlsUse::Verified(version) => write!(f, "{version} verified"),
        }
    }
}

/// What a remote server said, or what kept us from asking it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteReply {
    /// The SMTP code; ours, where no server spoke.
    pub code: u16,
    /// The enhanced code, if there was one.
    pub enhanced: Option<EnhancedStatus>,
    /// The text; at most [`limits::REMOTE_REPLY_BYTES_MAX`] bytes.
    pub text: String,
    /// Who said it: a host and its address; empty for ourselves. At most [`limits::DOMAIN_BYTES_MAX`] bytes.
    pub host: String,
    /// When.
    pub at: Timestamp,
    /// Over which connection; `None` where there was none, or none was greeted.
    pub way: Option<Box<Way>>,
}

impl RemoteReply {
    /// The same with text and host cut to their bounds.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        cut(&mut self.text, limits::REMOTE_REPLY_BYTES_MAX);
        cut(&mut self.host, limits::DOMAIN_BYTES_MAX);
        self
    }
}

/// Cuts a text to a number of bytes, between characters.
pub(crate) fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(text.floor_char_boundary(bytes_max));
}
