//! What a server offers in its reply to EHLO (RFC 5321 §4.1.1.1): the extensions that this client uses, others are ignored.
//!
//! Keywords in any case; `AUTH=PLAIN`, an old spelling of some servers, is understood. A parameter that can't be read counts as absent.

use crate::sasl::Mechanism;

/// An extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Extension {
    /// RFC 2920.
    Pipelining,
    /// RFC 6152.
    EightBitMime,
    /// RFC 6531.
    SmtpUtf8,
    /// RFC 3030.
    Chunking,
    /// RFC 3461.
    Dsn,
    /// RFC 3207.
    StartTls,
    /// RFC 8689.
    RequireTls,
    /// RFC 1870.
    Size,
    /// RFC 4954.
    Auth,
    /// RFC 6710.
    MtPriority,
    /// RFC 2852.
    DeliverBy,
}

const KEYWORDS: [(&str, Extension); 11] = [
    ("PIPELINING", Extension::Pipelining),
    ("8BITMIME", Extension::EightBitMime),
    ("SMTPUTF8", Extension::SmtpUtf8),
    ("CHUNKING", Extension::Chunking),
    ("DSN", Extension::Dsn),
    ("STARTTLS", Extension::StartTls),
    ("REQUIRETLS", Extension::RequireTls),
    ("SIZE", Extension::Size),
    ("AUTH", Extension::Auth),
    ("MT-PRIORITY", Extension::MtPriority),
    ("DELIVERBY", Extension::DeliverBy),
];

/// What this client logs in with, the best first.
const SPOKEN: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// What a server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    offered: u16,
    mechanisms: u8,
    size_bytes_max: Option<u64>,
    deliver_by_seconds_min: Option<u32>,
}

impl Extensions {
    /// Is it offered?
    #[must_use]
    pub const fn has(&self, extension: Extension) -> bool {
        self.offered & bit(extension) != 0
    }

    /// The largest message that the server takes, bytes, if it says so (RFC 1870 §4: 0 says nothing).
    #[must_use]
    pub const fn size_bytes_max(&self) -> Option<u64> {
        self.size_bytes_max
    }

    /// The shortest time in which the server promises to deliver or return, seconds, if it says so (RFC 2852 §3).
    #[must_use]
    pub const fn deliver_by_seconds_min(&self) -> Option<u32> {
        self.deliver_by_seconds_min
    }

    /// A mechanism of ours that the server offers, the best first.
    #[must_use]
    pub fn mechanism(&self) -> Option<Mechanism> {
        SPOKEN.into_iter().enumerate().find(|(index, _)| self.mechanisms & (1 << index) != 0).map(|found| found.1)
    }

    /// Out of the lines of a reply to EHLO; the first is the server's name.
    pub(super) fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Extensions {
        let mut extensions = Extensions::default();
        for line in lines.skip(1) {
            extensions.add(line);
        }
        extensions
    }

    fn add(&mut self, line: &[u8]) {
        let mut words = line.split(|&byte| matches!(byte, b' ' | b'=' | b'\t')).filter(|word| !word.is_empty());
        let Some(keyword) = words.next() else { return };
        let found = KEYWORDS.into_iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(keyword));
        let Some((_, extension)) = found else { return };
        self.offered |= bit(extension);
        match extension {
            Extension::Size => {
                let size = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
                self.size_bytes_max = size.filter(|&size| size > 0);
            }
            Extension::DeliverBy => {
                // The first of a list, of which the others are not known yet.
                let seconds = words.next().and_then(|word| word.split(|&byte| byte == b',').next());
                self.deliver_by_seconds_min = seconds.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
            }
            Extension::Auth => {
                for mechanism in words.filter_map(Mechanism::parse) {
                    let index = SPOKEN.iter().position(|&ours| ours == mechanism);
                    self.mechanisms |= index.map_or(0, |index| 1 << index);
                }
            }
            _ => {}
        }
    }
}

const fn bit(extension: Extension) -> u16 {
    1 << extension as u8
}

#[cfg(test)]
mod tests {
    use super::{Extension, Extensions};
    use crate::sasl::Mechanism;

    fn parse(text: &str) -> Extensions {
        Extensions::parse(text.lines().map(str::as_bytes))
    }

    #[test]
    fn keywords_and_their_parameters_are_read() {
        let offered =
            parse("mx.example\nPIPELINING\nsize 35882577\n8BitMime\nAUTH LOGIN CRAM-MD5\nX-UNKNOWN a b\n\nCHUNKING");
        assert!(offered.has(Extension::Pipelining) && offered.has(Extension::EightBitMime));
        assert!(offered.has(Extension::Chunking) && offered.has(Extension::Auth));
        assert!(!offered.has(Extension::StartTls) && !offered.has(Extension::Dsn));
        assert_eq!(offered.size_bytes_max(), Some(35_882_577));
        assert_eq!(offered.mechanism(), Some(Mechanism::Login));
        let timed = parse("x\ndeliverby 240,later\nMT-PRIORITY STANAG4406");
        assert!(timed.has(Extension::DeliverBy) && timed.has(Extension::MtPriority));
        assert_eq!(timed.deliver_by_seconds_min(), Some(240));
        assert_eq!(parse("x\nDELIVERBY").deliver_by_seconds_min(), None);
        assert_eq!(parse("x\nAUTH=LOGIN PLAIN").mechanism(), Some(Mechanism::Plain));
    }

    #[test]
    fn the_first_line_is_a_name_and_odd_parameters_say_nothing() {
        assert_eq!(parse("STARTTLS"), Extensions::default());
        for text in ["x\nSIZE", "x\nSIZE 0", "x\nSIZE -1", "x\nSIZE x", "x\nSIZE 99999999999999999999999"] {
            assert_eq!((parse(text).has(Extension::Size), parse(text).size_bytes_max()), (true, None), "{text:?}");
        }
        assert_eq!(parse("x\nAUTH GSSAPI").mechanism(), None);
    }
}
