//! SMTP client sessions (RFC 5321): what delivers mail to other servers, as a value without I/O.
//!
//! A client greets, upgrades to TLS and logs in as it is configured, then carries any number of transactions, one after the other, over
//! one connection. It asks for each transaction, pulls the message piece by piece, and reports what became of every recipient. Used
//! where offered: PIPELINING (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531), CHUNKING (RFC 3030), DSN
//! (RFC 3461), REQUIRETLS (RFC 8689), MT-PRIORITY (RFC 6710), DELIVERBY (RFC 2852), STARTTLS (RFC 3207), AUTH PLAIN and
//! LOGIN (RFC 4954). Falls back to HELO.
//!
//! What it doesn't do: choosing hosts, certificates, retries, reading the message's content; it changes nothing of a message but line
//! ends that are no CRLF, so that nobody can disagree about where it ends.
//!
//! - [`contract`]: what a client is told, asks, is answered and reports.
//! - [`reply`], [`extensions`]: what servers say, bounded.
//! - [`session`]: the phases; `opening`, `envelope` and `transfer` hold what happens in them.
//! - `body`: dot-stuffing. `transcript`: the dialogue for people, without credentials and content.

mod body;
pub mod contract;
mod envelope;
pub mod extensions;
mod opening;
pub mod reply;
pub mod session;
mod transaction;
mod transcript;
mod transfer;

pub use contract::{
    Answer, Ask, ClientConfig, ConnectionState, Failure, FailureKind, Handover, Outcome, OutgoingMail,
    OutgoingRecipient, RecipientOutcome, Stage, StartTls, TimeLimits, Verdict,
};
pub use extensions::{Extension, Extensions};
pub use reply::{Reply, Speaker};
pub use session::SmtpClient;
pub use transcript::{Direction, TranscriptKeeping, TranscriptLine};
