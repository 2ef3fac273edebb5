//! SMTP, POP3 and IMAP server sessions, and SMTP client sessions, as values: bytes, time and answers go in, steps come out.
//!
//! No I/O, no clock, no tokio. One driver (`frontend`) runs them all: it reads from the socket only when a session says
//! [`Step::Read`], so a slow rim or a greedy client never grows a buffer; it sends what was written before it waits for anything.
//! A session never knows who answers its questions: `frontend` maps them to the store, `policy` and the spool.
//!
//! - [`step`]: the contract between a session and its driver.
//! - [`sasl`]: logins by SASL, for all three.
//! - [`security`]: what protects a connection.
//! - [`smtp`], [`pop3`], [`imap`]: the protocols; [`smtp::client`]: the other side of SMTP, which the queue runs.

pub mod imap;
mod line;
pub mod pop3;
pub mod sasl;
pub mod security;
pub mod smtp;
pub mod step;

pub use security::{PlaintextLogin, Security};
pub use step::{ChannelBinding, Session, Step, TlsFacts};
