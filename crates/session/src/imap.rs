//! IMAP server sessions: IMAP4rev1 (RFC 3501, read with RFC 9051) and extensions.
//!
//! Three layers and a registry: `framer` cuts bytes into commands and literals, `parser` reads a command's tokens, `output` writes
//! responses; `registry` knows every command, and each family of commands is one file in `commands`. `session` runs one command at a
//! time, `state` is what it knows between two of them. The rim is asked in the terms of [`ask`].
//!
//! Deviations: `\Recent` is never set and RECENT is always 0 (RFC 9051 has dropped it: it needs a write by each SELECT and means nothing
//! with several clients). Not here: TLS, passwords, storage, MIME (`message`).

pub mod ask;
mod command;
mod commands;
mod config;
mod framer;
mod output;
mod parser;
mod registry;
mod sequence_set;
mod session;
mod state;
mod utf7;

pub use ask::{Answer, Ask};
pub use config::Config;
pub use session::ImapSession;
