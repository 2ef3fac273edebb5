//! ENVELOPE, BODY and BODYSTRUCTURE as IMAP writes them (RFC 9051 §7.5.2 and §9, RFC 3501 alike).
//!
//! Everything comes from the part tree; the message is not read. Output obeys the formal syntax of either revision:
//! what a quoted string can't carry goes as a literal. Iterative, linear in the tree.

mod body;
mod envelope;
mod string;

pub use body::{BodyForm, write_body};
pub use envelope::write_envelope;
pub use string::{Utf8, write_nstring, write_string};
