//! What a peer is told, as data: `policy` writes it, `session` sends it.
//!
//! A reply that exists can be sent: it is one line of printable ASCII, whatever was put in (an operator's words, an address), so that
//! no text can end a line and start another command or header.

use crate::status::EnhancedStatus;

/// Longest text of a reply, octets: what fits an SMTP reply line (RFC 5321 §4.5.3.1.5) with its codes.
const TEXT_BYTES_MAX: usize = 480;

/// An SMTP reply (RFC 5321 §4.2, RFC 2034).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpReply {
    /// Three digits.
    pub code: u16,
    /// Its enhanced status; the first digit is that of the code.
    pub status: EnhancedStatus,
    text: String,
}

impl SmtpReply {
    /// A reply. `status` is (class, subject, detail). Octets that can't stand in a reply become `?`; the text is cut at its bound.
    #[must_use]
    pub fn new(code: u16, status: (u8, u16, u16), text: &str) -> SmtpReply {
        let status = EnhancedStatus::new(status.0, status.1, status.2);
        debug_assert_eq!(u16::from(status.class), code / 100, "{code} {status}");
        SmtpReply { code, status, text: printable(text) }
    }

    /// Its text, without codes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Does it say "never", so that the sender gives up?
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.code >= 500
    }
}

impl std::fmt::Display for SmtpReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.code, self.status, self.text)
    }
}

/// The text of a negative IMAP or POP3 response with its response code (RFC 9051 §7.1, RFC 2449 §8): `[CODE] text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseText {
    /// Without brackets, such as `OVERQUOTA` or `SYS/PERM`.
    pub code: Option<&'static str>,
    text: String,
}

impl ResponseText {
    /// A response text. Octets that can't stand in one become `?`; the text is cut at its bound.
    #[must_use]
    pub fn new(code: Option<&'static str>, text: &str) -> ResponseText {
        ResponseText { code, text: printable(text) }
    }

    /// Its text, without the code.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Display for ResponseText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            Some(code) => write!(f, "[{code}] {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).take(TEXT_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::{ResponseText, SmtpReply};

    #[test]
    fn a_reply_is_one_printable_line() {
        let reply = SmtpReply::new(550, (5, 1, 1), "no\r\n250 user\u{3042}");
        assert_eq!(reply.to_string(), "550 5.1.1 no??250 user?");
        assert_eq!(ResponseText::new(Some("AUTH"), "a\0b").to_string(), "[AUTH] a?b");
        assert_eq!(ResponseText::new(None, &"x".repeat(1_000)).to_string().len(), 480);
    }
}
