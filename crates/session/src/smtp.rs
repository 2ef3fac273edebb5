//! SMTP server sessions (RFC 5321, RFC 6409).
//!
//! - [`contract`]: what a session asks of the rim.

pub mod contract;

pub use contract::{
    AddressEncoding, Answer, Ask, BodyType, Config, Listener, Mail, MessageFacts, Origin, Recipient, Verdict,
};
