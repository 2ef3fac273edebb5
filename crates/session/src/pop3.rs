//! POP3 server sessions (RFC 1939).
//!
//! Offered, and nothing else: TOP, UIDL, USER, SASL (RFC 5034: SCRAM-SHA-256, tokens, PLAIN, LOGIN), STLS (RFC 2595), RESP-CODES and PIPELINING (RFC 2449),
//! AUTH-RESP-CODE (RFC 3206). Not APOP, which needs passwords in clear at the server; not LOGIN-DELAY and EXPIRE: polling is cheap and
//! nothing expires by being read.
//!
//! - [`contract`]: what a session is told, asks and is answered.
//! - [`session`]: the phases; `commands` and `send` hold what happens in them.
//! - `command`: command lines. `maildrop`: the messages of a session. `stuffing`: message text on its way out.

mod command;
mod commands;
pub mod contract;
mod maildrop;
mod send;
pub mod session;
mod stuffing;

pub use contract::{Answer, Ask, Config, Entry};
pub use session::Pop3Session;
