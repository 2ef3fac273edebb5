//! Automatic answers as they are sent (RFC 3834 §3): the part that an account's owner writes once, and the fields that each answer takes
//! from the message it answers.
//!
//! An answer is its `From`, `Message-ID` and `Auto-Submitted`, which whoever queues it adds, then [`AnswerFields`], then
//! [`AutoReplyBody`]. The texts are UTF-8; subjects are RFC 2047 words, bodies quoted-printable, so that every server takes them.
//! Nothing of the answered message is quoted but its subject: an answer must not carry a stranger's text to a third party.

use yubin_types::{Address, DomainName, LocalPart, limits};

use crate::address::{Address as Named, parse_addresses};
use crate::date::DateTime;
use crate::encoded_word::{decode_header, encode_words};
use crate::envelope::{Envelope, message_ids};
use crate::header_writer::HeaderWriter;
use crate::quoted_printable;
use crate::scan::OriginFields;

/// Of a subject that is taken over, at most so many bytes.
const SUBJECT_BYTES_MAX: usize = 300;
/// Message ids longer than this are not named, bytes.
const MESSAGE_ID_BYTES_MAX: usize = 250;
/// Message ids that are named in References (RFC 5322 §3.6.4): the first and the last ones.
const REFERENCES_MAX: usize = 10;

/// What the owner of an account wrote.
#[derive(Clone, Copy, Debug)]
pub struct AutoReplyBody<'a> {
    /// The subject; empty: each answer has that of the message it answers.
    pub subject: &'a str,
    /// The text; lines may end as they like.
    pub text: &'a str,
}

impl AutoReplyBody<'_> {
    /// The last fields of the header, an empty line and the text: ASCII, lines ended by CRLF.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut header = HeaderWriter::new();
        if !self.subject.is_empty() {
            header.field("Subject", &encode_words(self.subject));
        }
        header.field("MIME-Version", "1.0");
        header.field("Content-Type", "text/plain; charset=utf-8");
        header.field("Content-Transfer-Encoding", "quoted-printable");
        let mut bytes = header.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        let text: String = self.text.lines().flat_map(|line| [line, "\r\n"]).collect();
        bytes.extend_from_slice(&quoted_printable::encode(text.as_bytes()));
        bytes
    }
}

/// What an answer takes from the message that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerFields {
    /// Date, To, In-Reply-To and References.
    pub fields: Vec<u8>,
    /// The Subject of an answer without one of its own (RFC 3834 §3.1.5).
    pub subject: Vec<u8>,
}

impl AnswerFields {
    /// For an answer to `sender`, written at `date`.
    #[must_use]
    pub fn new(sender: &Address, message: &Envelope, date: DateTime) -> AnswerFields {
        let mut fields = HeaderWriter::new();
        fields.field("Date", &date.to_rfc5322());
        fields.field("To", &format!("<{sender}>"));
        let id = message.message_id.as_deref().and_then(|field| message_ids(field).pop());
        if let Some(id) = id.as_deref().and_then(id_text) {
            fields.field("In-Reply-To", id);
            let before: Vec<&str> = message.references.iter().filter_map(|id| id_text(id)).collect();
            let skipped = before.len().saturating_sub(REFERENCES_MAX - 2).max(1);
            let (first, last) = (before.iter().take(1), before.iter().skip(skipped));
            let references: Vec<&str> = first.chain(last).copied().chain([id]).collect();
            fields.field("References", &references.join(" "));
        }
        let mut original = message.subject.as_deref().map(decode_header).unwrap_or_default();
        original.truncate(original.floor_char_boundary(SUBJECT_BYTES_MAX));
        let mut subject = HeaderWriter::new();
        subject.field("Subject", &encode_words(format!("Auto: {original}").trim_end()));
        AnswerFields { fields: fields.into_bytes(), subject: subject.into_bytes() }
    }
}

/// Local parts of a domain that a message names as its recipients: in To, Cc and Bcc and their Resent forms; bounded.
#[must_use]
pub fn named_recipients(message: &Envelope, origin: &OriginFields, domain: &DomainName) -> Vec<LocalPart> {
    let resent =
        origin.iter().filter(|(name, _)| name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("resent-")));
    let resent: Vec<Named> = resent.flat_map(|(_, body)| parse_addresses(body.as_bytes())).collect();
    let named = [&message.to, &message.cc, &message.bcc, &resent].into_iter().flatten();
    let mut found: Vec<LocalPart> = Vec::new();
    for address in named {
        let Named::Mailbox(mailbox) = address else { continue };
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        let (Some(local), Some(of)) = (text(&mailbox.local), text(&mailbox.domain)) else { continue };
        if !DomainName::parse(&of).is_ok_and(|of| of == *domain) {
            continue;
        }
        let Ok(local) = LocalPart::parse(&local) else { continue };
        if !found.contains(&local) {
            found.push(local);
        }
        if found.len() >= limits::AUTO_REPLY_NAMED_MAX {
            break;
        }
    }
    found
}

/// A message id that can be repeated in a header.
fn id_text(id: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(id).ok()?;
    let sound = (1..=MESSAGE_ID_BYTES_MAX).contains(&text.len());
    (sound && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, DomainName};

    use super::{AnswerFields, AutoReplyBody, named_recipients};
    use crate::{DateTime, OriginFields, ScanLimits, Scanner, decode_header, scan};

    fn answered(header: &str) -> (String, String) {
        let tree = scan(format!("{header}\r\n\r\nbody\r\n").as_bytes());
        let sender = Address::parse("bob@far.example").unwrap();
        let answer = AnswerFields::new(&sender, tree.envelope(), DateTime::utc(7_200));
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(answer.fields), text(answer.subject))
    }

    #[test]
    fn an_answer_points_at_what_it_answers() {
        let ids: Vec<String> = (0..30).map(|number| format!("<{number}@x>")).collect();
        let header = format!("Message-ID:\r\n <me@x>\r\nReferences: {}\r\nSubject: lunch", ids.join(" "));
        let (fields, subject) = answered(&header);
        assert!(fields.starts_with("Date: Thu, 1 Jan 1970 02:00:00 +0000\r\nTo: <bob@far.example>\r\n"), "{fields}");
        assert!(fields.contains("\r\nIn-Reply-To: <me@x>\r\n"), "{fields}");
        let references = fields.split("References: ").nth(1).unwrap().replace("\r\n\t", " ");
        let references: Vec<&str> = references.split_whitespace().collect();
        assert_eq!((references[0], references[1], references[9]), (references[0], "<22@x>", "<me@x>"), "{fields}");
        assert_eq!(subject, "Subject: Auto: lunch\r\n");
        assert_eq!(answered("From: x").1, "Subject: Auto:\r\n");
        for bad in ["Message-ID: none", &format!("Message-ID: <{}@x>", "y".repeat(300)), "Message-ID: <\u{e9}@x>"] {
            assert!(!answered(bad).0.contains("In-Reply-To"), "{bad}");
        }
    }

    #[test]
    fn subjects_beyond_ascii_are_encoded_words_and_nothing_can_be_injected() {
        let (_, subject) = answered("Subject: =?iso-2022-jp?B?GyRCOzNFRBsoQg==?=");
        assert!(subject.is_ascii(), "{subject}");
        assert_eq!(decode_header(subject.trim_start_matches("Subject: ").trim_end().as_bytes()), "Auto: 山田");
        let (_, subject) = answered(&format!("Subject: =?utf-8?B?eA0KQmNjOiB5?= {}", "山".repeat(900)));
        let lines: Vec<&str> = subject.trim_end().split("\r\n").collect();
        assert!(lines.iter().skip(1).all(|line| line.starts_with('\t')), "{subject}");
        assert!(lines.iter().all(|line| line.len() <= 78), "{subject}");
        let text = decode_header(subject.trim_start_matches("Subject: ").trim_end().as_bytes());
        assert!(text.starts_with("Auto: x  Bcc: y") && text.len() < 330, "{text}");
    }

    #[test]
    fn what_an_owner_wrote_is_sent_as_it_is() {
        let written = AutoReplyBody { subject: "不在のお知らせ", text: "I am away.\nまた今度\r\n" }.write();
        assert!(written.is_ascii());
        let tree = scan(&written);
        assert_eq!(tree.root().media_type(), (&b"text"[..], &b"plain"[..]));
        assert_eq!(decode_header(tree.envelope().subject.as_deref().unwrap()), "不在のお知らせ");
        let text = String::from_utf8(written).unwrap();
        assert!(text.ends_with("\r\n\r\nI am away.\r\n=E3=81=BE=E3=81=9F=E4=BB=8A=E5=BA=A6\r\n"), "{text}");
        assert!(!AutoReplyBody { subject: "", text: "x" }.write().starts_with(b"Subject"));
    }

    #[test]
    fn who_is_named_is_found() {
        let message = "To: Ann <ann@One.example>, list@two.example\r\nCc: \"a b\"@one.example, ann@one.example\r\n\
                       Resent-To: tim@one.example\r\n\r\n";
        let mut scanner = Scanner::new(ScanLimits::default());
        scanner.feed(message.as_bytes());
        let origin: OriginFields = scanner.origin_fields().clone();
        let tree = scanner.finish();
        let named = named_recipients(tree.envelope(), &origin, &DomainName::parse("one.example").unwrap());
        let named: Vec<&str> = named.iter().map(|local| local.as_str()).collect();
        assert!(named.contains(&"ann") && named.contains(&"tim"), "{named:?}");
        assert!(named.len() <= 3, "{named:?}");
    }
}
