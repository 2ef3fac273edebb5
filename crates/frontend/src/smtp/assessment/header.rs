//! What the header of a message says that matters to whoever assesses it: its authors, fields that only we may write, its subject.

use std::ops::Range;

use yubin_message::{Address as Author, HeaderFields, parse_addresses};
use yubin_types::{Address, DomainName, limits};

use crate::smtp::edit::{self, Edit};
use crate::smtp::own_fields::is_scanners;

/// What a header says.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Addresses in From.
    pub(super) authors: Vec<Address>,
    /// Where fields stand that claim to be ours.
    pub(super) forged: Vec<Range<usize>>,
    /// Where the subject stands, if there is one.
    subject: Option<Range<usize>>,
}

impl Header {
    pub(super) fn read(header: &[u8]) -> Header {
        let mut read = Header::default();
        for field in HeaderFields::new(header) {
            if field.is("From") {
                read.note_authors(field.body);
            } else if field.is("Subject") {
                read.subject.get_or_insert_with(|| edit::place(header, &field));
            } else if is_scanners(field.name) {
                read.forged.push(edit::place(header, &field));
            }
        }
        read
    }

    fn note_authors(&mut self, body: &[u8]) {
        for author in parse_addresses(body) {
            let Author::Mailbox(mailbox) = author else { continue };
            let (local, domain) = (String::from_utf8_lossy(&mailbox.local), String::from_utf8_lossy(&mailbox.domain));
            if let Ok(address) = Address::parse(&format!("{local}@{domain}"))
                && self.authors.len() < limits::DMARC_AUTHORS_MAX
            {
                self.authors.push(address);
            }
        }
    }

    /// Their domains.
    pub(super) fn domains(&self) -> Vec<DomainName> {
        self.authors.iter().map(|author| author.domain.clone()).collect()
    }

    /// Puts a tag before the subject, or makes it the subject (SHIN-11).
    pub(super) fn tagged(&self, header: &[u8], tag: &str) -> Edit {
        let tag = encoded(tag);
        let Some(range) = self.subject.clone() else {
            return Edit { range: 0..0, with: format!("Subject: {tag}\r\n").into_bytes() };
        };
        let field = header.get(range.clone()).unwrap_or_default();
        let body = memchr::memchr(b':', field).and_then(|colon| field.get(colon + 1..)).unwrap_or_default();
        let body = body.strip_prefix(b" ").unwrap_or(body);
        if body.starts_with(tag.as_bytes()) {
            return Edit { range, with: field.to_vec() };
        }
        Edit { range, with: [format!("Subject: {tag} ").as_bytes(), body].concat() }
    }
}

/// Makes a message with this header plain text in UTF-8: what says otherwise goes.
pub(super) fn plain_text(header: &[u8]) -> Vec<Edit> {
    with_content(header, b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
}

/// Says of a message with this header that its content is what these fields say, and nothing else.
pub(super) fn with_content(header: &[u8], with: &[u8]) -> Vec<Edit> {
    let is_mime = |name: &[u8]| name.eq_ignore_ascii_case(b"MIME-Version") || is_of_content(name);
    let fields = HeaderFields::new(header).filter(|field| is_mime(field.name));
    let mut edits: Vec<Edit> = fields.map(|field| Edit::cut(edit::place(header, &field))).collect();
    edits.push(Edit { range: 0..0, with: [b"MIME-Version: 1.0\r\n", with].concat() });
    edits
}

/// What a header says of the content, for a part that has the same content.
pub(super) fn content_fields(header: &[u8]) -> Vec<u8> {
    HeaderFields::new(header).filter(|field| is_of_content(field.name)).flat_map(|field| field.raw).copied().collect()
}

fn is_of_content(name: &[u8]) -> bool {
    starts_with(name, "Content-")
}

fn starts_with(name: &[u8], start: &str) -> bool {
    name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

/// A text as a header may hold it: beyond ASCII as one encoded word (RFC 2047), which a tag is short enough for.
fn encoded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let octets: String = text.bytes().map(|octet| format!("={octet:02X}")).collect();
    format!("=?UTF-8?Q?{octets}?=")
}

#[cfg(test)]
mod tests {
    use super::Header;

    fn tagged(header: &str, tag: &str) -> String {
        let read = Header::read(header.as_bytes());
        let edit = read.tagged(header.as_bytes(), tag);
        let (before, after) = (&header[..edit.range.start], &header[edit.range.end..]);
        format!("{before}{}{after}", String::from_utf8(edit.with).unwrap())
    }

    /// SHIN-11.
    #[test]
    fn the_subject_of_spam_gets_a_tag() {
        let of = |header: &str| tagged(header, "[SPAM]");
        assert_eq!(
            of("To: a\r\nSubject: hi\r\n there\r\nX: y\r\n\r\n"),
            "To: a\r\nSubject: [SPAM] hi\r\n there\r\nX: y\r\n\r\n"
        );
        assert_eq!(of("subject:hi\r\n\r\n"), "Subject: [SPAM] hi\r\n\r\n");
        assert_eq!(of("Subject:\r\n =?utf-8?B?5bGx?=\r\n\r\n"), "Subject: [SPAM] \r\n =?utf-8?B?5bGx?=\r\n\r\n");
        assert_eq!(of("To: a\r\n\r\n"), "Subject: [SPAM]\r\nTo: a\r\n\r\n");
        assert_eq!(of("Subject: [SPAM] hi\r\n\r\n"), "Subject: [SPAM] hi\r\n\r\n");
        let japanese = tagged("Subject: x\r\n\r\n", "\u{3010}\u{8ff7}\u{60d1}\u{3011}");
        assert_eq!(japanese, "Subject: =?UTF-8?Q?=E3=80=90=E8=BF=B7=E6=83=91=E3=80=91?= x\r\n\r\n");
        assert_eq!(
            yubin_message::decode_header(&japanese.as_bytes()[9..]).trim_end(),
            "\u{3010}\u{8ff7}\u{60d1}\u{3011} x"
        );
    }

    #[test]
    fn fields_that_only_we_write_are_found() {
        let header = "From: A <a@x.example>, b@y.example\r\nX-SPAM-status: No\r\nX-Spam: no\r\nX-Spammer: x\r\n\
                      x-virus-Status: Clean\r\n folded\r\nX-Rspamd-Score: 1\r\nX-Spamd-Bar: x\r\n\r\n";
        let read = Header::read(header.as_bytes());
        let forged: Vec<&str> = read.forged.iter().map(|range| &header[range.clone()]).collect();
        let wanted = ["X-SPAM-status: No\r\n", "X-Spam: no\r\n", "x-virus-Status: Clean\r\n folded\r\n"];
        assert_eq!(forged[..3], wanted);
        assert_eq!(forged.len(), 5, "{forged:?}");
        assert_eq!(read.authors.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a@x.example", "b@y.example"]);
    }
}
