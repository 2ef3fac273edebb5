//! 8-bit messages for servers that take 7 bits only: bodies encoded, their labels changed (RFC 6152 §3, RFC 2045 §6).
//!
//! Text becomes quoted-printable, everything else base64; parts that are ASCII already keep their octets. What is inside attached messages
//! is treated likewise, because message/rfc822 itself may not be encoded. Signatures over the body (DKIM, S/MIME, PGP) break: there is no
//! way around that but 8BITMIME.
//!
//! Nothing is guessed: a message with octets beyond ASCII in header fields, in a preamble or in a body that is labelled as encoded, or whose
//! structure is in doubt, is not downgraded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::header::HeaderFields;
use crate::mime::TransferEncoding;
use crate::quoted_printable;
use crate::scan::scan;
use crate::tree::{Defects, Part, PartKind};

/// Octets of base64 in a line.
const BASE64_LINE_BYTES: usize = 76;

/// The message in ASCII alone; `None` if it can't be had. Needs about twice the message's size of memory.
#[must_use]
pub fn downgrade(message: &[u8]) -> Option<Vec<u8>> {
    let tree = scan(message);
    let mut out = Vec::with_capacity(message.len() + message.len() / 2);
    let mut at = 0;
    for (index, part) in tree.parts().iter().enumerate() {
        if part.defects.contains(Defects::TOO_MANY_PARTS) || part.defects.contains(Defects::HEADER_NOT_ENDED) {
            return None;
        }
        let change = change(part, message)?;
        let (header, body, end) = (offset(part.header)?, offset(part.body)?, offset(part.end)?);
        out.extend_from_slice(message.get(at..header)?);
        at = header;
        if change != Change::None {
            write_header(&mut out, message.get(header..body)?, change, index)?;
            at = body;
        }
        if part.kind == PartKind::Leaf {
            let octets = message.get(body..end)?;
            match change {
                Change::QuotedPrintable => out.extend_from_slice(&quoted_printable::encode(octets)),
                Change::Base64 => write_base64(&mut out, octets),
                Change::None | Change::SevenBit => out.extend_from_slice(message.get(at..end)?),
            }
            at = end;
        }
    }
    out.extend_from_slice(message.get(at..)?);
    out.is_ascii().then_some(out)
}

/// What becomes of a part's label, and of its body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    SevenBit,
    QuotedPrintable,
    Base64,
}

impl Change {
    const fn label(self) -> &'static str {
        match self {
            Change::None | Change::SevenBit => "7bit",
            Change::QuotedPrintable => "quoted-printable",
            Change::Base64 => "base64",
        }
    }
}

/// `None`: this part can't be changed as it would have to be.
fn change(part: &Part, message: &[u8]) -> Option<Change> {
    let octets = message.get(offset(part.body)?..offset(part.end)?)?;
    let labelled = part.mime.encoding.is_some() && part.mime.transfer_encoding() == TransferEncoding::Identity;
    if octets.is_ascii() {
        return Some(if labelled { Change::SevenBit } else { Change::None });
    }
    match part.kind {
        PartKind::Multipart | PartKind::Message => Some(if labelled { Change::SevenBit } else { Change::None }),
        PartKind::Leaf => {
            let (kind, _) = part.media_type();
            let composite = kind.eq_ignore_ascii_case(b"message") || kind.eq_ignore_ascii_case(b"multipart");
            if part.mime.transfer_encoding() != TransferEncoding::Identity || composite {
                return None;
            }
            Some(if part.is_text() { Change::QuotedPrintable } else { Change::Base64 })
        }
    }
}

/// The header with another label; a message without MIME fields gets those that the label needs (RFC 1428).
fn write_header(out: &mut Vec<u8>, header: &[u8], change: Change, index: usize) -> Option<()> {
    let mut rest = header;
    let (mut typed, mut versioned) = (false, false);
    for field in HeaderFields::new(header) {
        typed |= field.is("Content-Type");
        versioned |= field.is("MIME-Version");
        if !field.is("Content-Transfer-Encoding") {
            out.extend_from_slice(field.raw);
        }
        rest = rest.get(field.raw.len()..)?;
    }
    if index == 0 && !versioned {
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    }
    if !typed && change == Change::QuotedPrintable {
        out.extend_from_slice(b"Content-Type: text/plain; charset=unknown-8bit\r\n");
    }
    out.extend_from_slice(format!("Content-Transfer-Encoding: {}\r\n", change.label()).as_bytes());
    // What is left is the empty line.
    out.extend_from_slice(if rest.is_empty() { b"\r\n" } else { rest });
    Some(())
}

fn write_base64(out: &mut Vec<u8>, octets: &[u8]) {
    let encoded = STANDARD.encode(octets);
    let mut lines = encoded.as_bytes().chunks(BASE64_LINE_BYTES).peekable();
    while let Some(line) = lines.next() {
        out.extend_from_slice(line);
        if lines.peek().is_some() {
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn offset(bytes: u64) -> Option<usize> {
    usize::try_from(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::downgrade;
    use crate::scan::scan;
    use crate::transfer::TransferDecoder;

    /// The decoded body of each leaf.
    fn leaves(message: &[u8]) -> Vec<Vec<u8>> {
        let tree = scan(message);
        let leaf = |part: &crate::tree::Part| part.kind == crate::tree::PartKind::Leaf;
        let decoded = |part: &crate::tree::Part| {
            let (mut out, mut decoder) = (Vec::new(), TransferDecoder::new(part.mime.transfer_encoding()));
            decoder.feed(&message[usize::try_from(part.body).unwrap()..usize::try_from(part.end).unwrap()], &mut out);
            decoder.finish(&mut out);
            out
        };
        tree.parts().iter().filter(|part| leaf(part)).map(decoded).collect()
    }

    fn check(message: &str) -> String {
        let out = downgrade(message.as_bytes()).unwrap();
        assert!(out.is_ascii());
        assert_eq!(leaves(&out), leaves(message.as_bytes()), "{message}");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts_and_attachments_come_back_as_they_were() {
        let single = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: 8bit\r\n\r\nGrüße = gut \r\n.\r\nohne Ende";
        let out = check(single);
        assert!(out.contains("Content-Transfer-Encoding: quoted-printable\r\n") && !out.contains("8bit"), "{out}");

        let bare = check("Subject: x\r\n\r\nこんにちは\r\n");
        for field in ["MIME-Version: 1.0\r\n", "charset=unknown-8bit\r\n", "quoted-printable\r\n"] {
            assert!(bare.contains(field), "{bare}");
        }

        let mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
            pre\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: application/x-y\r\nContent-Transfer-Encoding: 8bit\r\n\r\né\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nä\r\n--b--\r\n";
        let out = check(mixed);
        assert!(
            out.starts_with(
                "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n"
            ),
            "{out}"
        );
        assert!(out.contains("Content-Transfer-Encoding: base64\r\n\r\nw6k=\r\n--b\r\n"), "{out}");
        assert!(out.contains("Subject: inner\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"), "{out}");
    }

    #[test]
    fn what_is_ascii_stays_as_it_is() {
        let message = "Subject: x\r\n\r\nplain\r\n";
        assert_eq!(downgrade(message.as_bytes()).unwrap(), message.as_bytes());
    }

    #[test]
    fn what_can_not_be_said_in_ascii_is_not_guessed() {
        for message in [
            "Subject: é\r\n\r\nx\r\n",
            "Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\né\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\né\r\n--b\r\n\r\nx\r\n--b--\r\n",
        ] {
            assert_eq!(downgrade(message.as_bytes()), None, "{message}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_downgraded_means_the_same(text in "(\r\n|[ -~é=.]{1,90}){0,20}") {
            let message = format!("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}");
            let out = downgrade(message.as_bytes()).unwrap();
            prop_assert!(out.is_ascii());
            prop_assert_eq!(leaves(&out), leaves(message.as_bytes()));
        }
    }
}
