//! What a listener tells its IMAP sessions.

/// Settings of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name in the greeting.
    pub host: String,
    /// How TLS stands when the connection is made.
    pub tls: Tls,
    /// What is done with passwords in clear.
    pub cleartext: Cleartext,
    /// Largest message that APPEND takes, bytes; plans lower it.
    pub message_bytes_max: u64,
}

/// TLS on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// The bytes are protected already (port 993, or after STARTTLS).
    Active,
    /// STARTTLS is offered.
    Offered,
    /// There is no certificate: for tests and for listeners behind something that ends TLS.
    None,
}

/// Passwords on a connection without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleartext {
    /// LOGINDISABLED (RFC 9051 §6.2.3): never asked for, never looked at.
    Refused,
    /// Taken.
    Allowed,
}
