//! Sections as ranges of the message that is shown: the prefix, then the body that the part tree describes.
//!
//! The prefix is lines of the message's own header and nothing else, so it lengthens that header and moves everything behind it. This
//! is the one place that knows.

use std::ops::Range;

use bytes::Bytes;
use yubin_message::{FieldSelection, PartTree, SectionText};

/// `BODY[section]<partial>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// Its name in the response.
    pub(super) label: Bytes,
    pub(super) numbers: Vec<u32>,
    pub(super) part: SectionPart,
    pub(super) partial: Option<Partial>,
}

/// What of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SectionPart {
    /// A range of it.
    Text(SectionText),
    /// Chosen fields of its header.
    Fields { selection: FieldSelection, names: Vec<Vec<u8>> },
}

/// `<offset.length>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partial {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl Section {
    /// One of the RFC822 items.
    pub(super) fn message(label: &'static [u8], text: SectionText) -> Section {
        let part = SectionPart::Text(text);
        Section { label: Bytes::from_static(label), numbers: Vec::new(), part, partial: None }
    }

    /// Is it the message from its first octet to its last, for which no structure is needed?
    pub(super) fn is_whole_message(&self) -> bool {
        self.numbers.is_empty() && self.part == SectionPart::Text(SectionText::All)
    }
}

impl Partial {
    /// The part of a range that is wanted; empty beyond its end.
    pub(super) fn of(self, range: Range<u64>) -> Range<u64> {
        let start = range.start.saturating_add(self.offset).min(range.end);
        start..start.saturating_add(self.length).min(range.end)
    }
}

/// The octets of a section in the message that is shown; `None` if there is no such section.
pub(super) fn shown_range(
    tree: &PartTree,
    prefix_bytes: u64,
    numbers: &[u32],
    text: SectionText,
) -> Option<Range<u64>> {
    let range = tree.section_range(numbers, text)?;
    let own_header = match text {
        SectionText::All | SectionText::Header => numbers.is_empty(),
        SectionText::Mime => tree.section_index(numbers) == Some(0),
        SectionText::Text => false,
    };
    let start = if own_header { 0 } else { range.start + prefix_bytes };
    Some(start..range.end + prefix_bytes)
}

#[cfg(test)]
mod tests {
    use yubin_message::{SectionText, scan};

    use super::{Partial, shown_range};

    /// A prefixed message has the same sections as if it had been scanned in one piece.
    #[test]
    fn sections_are_those_of_prefix_and_body_together() {
        let prefix = "Return-Path: <a@b.example>\r\nDelivered-To: c@d.example\r\n";
        let multipart = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntwo\r\n--x--\r\n";
        for body in ["Subject: hi\r\n\r\nbody", "Subject: only a header\r\n", "\r\nonly a body", multipart] {
            let (part, whole) = (scan(body.as_bytes()), scan(format!("{prefix}{body}").as_bytes()));
            for text in [SectionText::All, SectionText::Header, SectionText::Text, SectionText::Mime] {
                for numbers in [&[][..], &[1], &[2], &[2, 1], &[3]] {
                    let shifted = shown_range(&part, prefix.len() as u64, numbers, text);
                    assert_eq!(shifted, whole.section_range(numbers, text), "{body:?} {numbers:?} {text:?}");
                }
            }
        }
    }

    #[test]
    fn partials_stay_inside() {
        let partial = |offset, length| Partial { offset, length }.of(10..20);
        assert_eq!(partial(0, 5), 10..15);
        assert_eq!(partial(5, 100), 15..20);
        assert_eq!(partial(10, 1), 20..20);
        assert_eq!(partial(u64::MAX, u64::MAX), 20..20);
    }
}
