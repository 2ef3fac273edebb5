//! IMAP's section numbers (RFC 9051 §6.4.5.1) over a [`PartTree`]: which part, which bytes.
//!
//! The numbering: a multipart numbers its children from 1. A message whose body is no multipart has one part, 1, and
//! this is the body itself. A message/rfc822 part lends its number to the message inside: `2` is the whole message,
//! `2.HEADER` its header, `2.1` its first part.
//! A section that does not exist is `None`, which FETCH shows as NIL.

use std::ops::Range;

use crate::tree::{Part, PartKind, PartTree};

/// What of a section is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionText {
    /// `BODY[]` and `BODY[n]`: all of the message; the body of the part.
    All,
    /// `HEADER`: the header of a message, its empty line included. The HEADER.FIELDS forms choose from these bytes.
    Header,
    /// `TEXT`: the body of a message.
    Text,
    /// `MIME`: the header of a part, its empty line included.
    Mime,
}

impl PartTree {
    /// The part that the section numbers name, as in `BODY[1.2.3]`; no numbers name the message itself.
    pub fn section(&self, numbers: &[u32]) -> Option<&Part> {
        self.get(self.section_index(numbers)?)
    }

    /// The index of the part that the section numbers name.
    pub fn section_index(&self, numbers: &[u32]) -> Option<usize> {
        let mut index = 0;
        // Whether `index` is a message not yet numbered: the root, or the child of a message/rfc822 part.
        let mut at_message = true;
        for &number in numbers {
            let nth = usize::try_from(number).ok()?.checked_sub(1)?;
            if !at_message && self.get(index)?.kind == PartKind::Message {
                index += 1;
                at_message = true;
            }
            index = match self.get(index)?.kind {
                PartKind::Multipart => self.children(index).nth(nth)?,
                PartKind::Leaf | PartKind::Message if at_message && nth == 0 => index,
                PartKind::Leaf | PartKind::Message => return None,
            };
            at_message = false;
        }
        Some(index)
    }

    /// The bytes of the message that a section means; `None` if there is no such section.
    ///
    /// ```
    /// use yubin_message::{SectionText, scan};
    /// let tree = scan(b"Subject: hi\r\n\r\nhello\r\n");
    /// assert_eq!(tree.section_range(&[1], SectionText::All), Some(15..22));
    /// assert_eq!(tree.section_range(&[2], SectionText::All), None);
    /// ```
    pub fn section_range(&self, numbers: &[u32], text: SectionText) -> Option<Range<u64>> {
        let index = self.section_index(numbers)?;
        let part = self.get(index)?;
        match text {
            SectionText::All if numbers.is_empty() => Some(part.header..part.end),
            SectionText::All => Some(part.body..part.end),
            SectionText::Mime if numbers.is_empty() => None,
            SectionText::Mime => Some(part.header..part.body),
            SectionText::Header => self.message_at(numbers, index).map(|message| message.header..message.body),
            SectionText::Text => self.message_at(numbers, index).map(|message| message.body..message.end),
        }
    }

    /// The message whose HEADER and TEXT a section has: the root, or the one inside a message/rfc822 part.
    fn message_at(&self, numbers: &[u32], index: usize) -> Option<&Part> {
        let part = self.get(index)?;
        match part.kind {
            _ if numbers.is_empty() => Some(part),
            PartKind::Message => self.get(index + 1),
            PartKind::Leaf | PartKind::Multipart => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    /// The example of RFC 9051 §6.4.5.1, with bodies that name their section.
    const NESTED: &str = "Subject: top\n\
        Content-Type: multipart/mixed; boundary=a\n\npreamble\n\
        --a\n\n1\n\
        --a\nContent-Type: application/octet-stream\n\n2\n\
        --a\nContent-Type: message/rfc822\n\n\
        Subject: three\nContent-Type: multipart/mixed; boundary=b\n\n\
        --b\nContent-Type: text/plain\n\n3.1\n\
        --b\n\n3.2\n--b--\n\
        --a\nContent-Type: multipart/mixed; boundary=c\n\n\
        --c\nContent-Type: image/gif\n\n4.1\n\
        --c\nContent-Type: message/rfc822\n\n\
        Subject: four two\nContent-Type: multipart/mixed; boundary=d\n\n\
        --d\n\n4.2.1\n\
        --d\nContent-Type: multipart/alternative; boundary=e\n\n\
        --e\n\n4.2.2.1\n\
        --e\nContent-Type: text/richtext\n\n4.2.2.2\n--e--\n--d--\n--c--\n--a--\n";

    fn bytes(message: &str, numbers: &[u32], text: SectionText) -> Option<String> {
        let range = scan(message.as_bytes()).section_range(numbers, text)?;
        let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
        message.get(start..end).map(str::to_owned)
    }

    #[test]
    fn the_example_of_the_rfc() {
        let message = NESTED.replace('\n', "\r\n");
        for numbers in [&[1][..], &[2], &[3, 1], &[3, 2], &[4, 1], &[4, 2, 1], &[4, 2, 2, 1], &[4, 2, 2, 2]] {
            let name: Vec<String> = numbers.iter().map(u32::to_string).collect();
            assert_eq!(bytes(&message, numbers, SectionText::All), Some(name.join(".")), "{numbers:?}");
        }
        for numbers in
            [&[0][..], &[5], &[1, 1], &[2, 1], &[3, 3], &[3, 0], &[4, 2, 2, 3], &[4, 2, 2, 1, 1], &[u32::MAX]]
        {
            assert_eq!(bytes(&message, numbers, SectionText::All), None, "{numbers:?}");
        }
        assert_eq!(bytes(&message, &[], SectionText::All), Some(message.clone()));
        let header = "Subject: top\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n";
        assert_eq!(bytes(&message, &[], SectionText::Header).as_deref(), Some(header));
        assert_eq!(bytes(&message, &[], SectionText::Text).as_deref(), message.strip_prefix(header));
        assert_eq!(bytes(&message, &[], SectionText::Mime), None);
        assert_eq!(bytes(&message, &[1], SectionText::Mime).as_deref(), Some("\r\n"));
        assert_eq!(bytes(&message, &[3], SectionText::Mime).as_deref(), Some("Content-Type: message/rfc822\r\n\r\n"));
        let inner = "Subject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
        assert_eq!(bytes(&message, &[3], SectionText::Header).as_deref(), Some(inner));
        let text = "--b\r\nContent-Type: text/plain\r\n\r\n3.1\r\n--b\r\n\r\n3.2\r\n--b--";
        assert_eq!(bytes(&message, &[3], SectionText::Text).as_deref(), Some(text));
        assert_eq!(bytes(&message, &[3], SectionText::All), Some(format!("{inner}{text}")));
        assert_eq!(bytes(&message, &[1], SectionText::Header), None);
        assert_eq!(bytes(&message, &[4], SectionText::Text), None);
    }

    #[test]
    fn a_message_without_parts_has_part_one() {
        let message = "Subject: x\r\n\r\nbody";
        assert_eq!(bytes(message, &[1], SectionText::All).as_deref(), Some("body"));
        assert_eq!(bytes(message, &[1], SectionText::Mime).as_deref(), Some("Subject: x\r\n\r\n"));
        assert_eq!(bytes(message, &[1, 1], SectionText::All), None);
        assert_eq!(bytes(message, &[1], SectionText::Text), None);
    }

    #[test]
    fn a_message_that_is_a_message() {
        let message = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody";
        assert_eq!(bytes(message, &[1], SectionText::All).as_deref(), Some("Subject: in\r\n\r\nbody"));
        assert_eq!(bytes(message, &[1], SectionText::Header).as_deref(), Some("Subject: in\r\n\r\n"));
        assert_eq!(bytes(message, &[1, 1], SectionText::All).as_deref(), Some("body"));
        assert_eq!(bytes(message, &[1, 2], SectionText::All), None);
        assert_eq!(bytes(message, &[1, 1, 1], SectionText::All), None);
    }
}
