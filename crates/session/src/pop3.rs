//! POP3 server sessions (RFC 1939, RFC 2449).
//!
//! - [`contract`]: what a session asks of the rim.

pub mod contract;

pub use contract::{Answer, Ask, Config, Entry};
