//! What notices to the owner of an account have in common: their header, and how a text becomes a message.
//!
//! A notice is stored in the owner's mailbox and goes over no network, so it needs no notification machinery (RFC 3464). Vacation programs
//! don't answer it (RFC 3834 §5), and it is not forwarded.

use yubin_types::Address;

use crate::date::DateTime;
use crate::header_writer::HeaderWriter;
use crate::quoted_printable;

/// A notice in English and Japanese.
pub(crate) struct OwnerNotice<'a> {
    /// The account.
    pub(crate) to: &'a Address,
    /// What makes its Message-ID unique: letters and digits.
    pub(crate) id: &'a str,
    /// When it is written.
    pub(crate) date: DateTime,
    pub(crate) subject: &'a str,
    /// Lines ended by CRLF.
    pub(crate) text: &'a str,
}

impl OwnerNotice<'_> {
    /// Header and body, lines ended by CRLF; ASCII but for an address that isn't.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut header = HeaderWriter::new();
        header.field("Date", &self.date.to_rfc5322());
        header.field("From", &format!("Mail system <postmaster@{}>", self.to.domain));
        header.field("To", &format!("<{}>", self.to));
        header.field("Subject", self.subject);
        header.field("Message-ID", &format!("<{}@{}>", self.id, self.to.domain));
        header.field("Auto-Submitted", "auto-generated");
        header.field("MIME-Version", "1.0");
        header.field("Content-Type", "text/plain; charset=utf-8");
        header.field("Content-Language", "en, ja");
        header.field("Content-Transfer-Encoding", "quoted-printable");
        let mut bytes = header.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&quoted_printable::encode(self.text.as_bytes()));
        bytes
    }
}

/// Somebody else's words, on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
