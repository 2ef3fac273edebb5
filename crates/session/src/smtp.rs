//! SMTP server sessions (RFC 5321, RFC 6409, RFC 2033): MX, submission and LMTP listeners.
//!
//! Offered, and nothing else: SIZE (RFC 1870), PIPELINING (RFC 2920), STARTTLS (RFC 3207), AUTH (RFC 4954: SCRAM-SHA-256, tokens, PLAIN, LOGIN;
//! submission only, only over TLS unless configured), ENHANCEDSTATUSCODES (RFC 2034), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531), CHUNKING
//! (RFC 3030), LIMITS (RFC 9422), DSN (RFC 3461, submission only), REQUIRETLS (RFC 8689, under TLS), FUTURERELEASE, MT-PRIORITY and DELIVERBY
//! (RFC 4865, 6710, 2852; submission only), XCLIENT (trusted peers only). Not BINARYMIME: message text has lines. Only CRLF.CRLF
//! ends DATA.
//!
//! - [`contract`]: what a session is told, asks and is answered.
//! - [`session`]: the phases; `commands`, `answers` and `receive` hold what happens in them.
//! - `command`, `path`, `content`: command lines, addresses, message data.
//! - [`client`]: the other side.
//! - `wishes`: when and how urgently a message is to be sent.
//! - `greeting`: what is said of both sides; `xclient`: whom a trusted peer speaks for.
//! - `violation`: what a peer can do wrong, and the reply that the RFC names.

mod answers;
mod blame;
pub mod client;
mod command;
mod commands;
mod content;
pub mod contract;
mod greeting;
mod path;
mod receive;
pub mod session;
mod violation;
mod wishes;
mod xclient;

pub use contract::{
    AddressEncoding, Answer, Ask, BodyType, ClientClaim, Config, ForwardPath, Listener, Mail, MessageFacts, Origin,
    Recipient, Verdict, Xclient,
};
pub use session::SmtpSession;
