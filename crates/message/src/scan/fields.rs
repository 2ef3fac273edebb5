//! The header field being read: kept if the structure wants it, up to a cap, and taken into its part when it ends.

use memchr::memchr;

use yubin_types::limits;

use super::ScanLimits;
use crate::mime::Seen;
use crate::tree::{Defects, Part};

/// The fields of an ENVELOPE, and References.
const MESSAGE_FIELDS: [&[u8]; 11] = [
    b"date",
    b"subject",
    b"from",
    b"sender",
    b"reply-to",
    b"to",
    b"cc",
    b"bcc",
    b"in-reply-to",
    b"message-id",
    b"references",
];

/// Reads the fields of one header after the other.
#[derive(Debug)]
pub(super) struct FieldReader {
    /// The field so far, from its name on, unfolded; empty if it is not wanted.
    field: Vec<u8>,
    field_bytes_max: usize,
    /// Bytes that header values may yet take in the tree.
    structure_room: usize,
    /// Bytes copied and parsed.
    pub(super) work: u64,
}

impl FieldReader {
    pub(super) fn new(limits: &ScanLimits) -> Self {
        FieldReader {
            field: Vec::new(),
            field_bytes_max: limits.field_bytes_max,
            structure_room: limits.structure_bytes_max,
            work: 0,
        }
    }

    /// Bytes held.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.field.capacity()
    }

    /// Takes in a header line of `part`, without its line end. Returns the name of the field that begins with it.
    pub(super) fn line<'a>(&mut self, line: &'a [u8], part: &mut Part) -> Option<&'a [u8]> {
        let line = line.get(..self.field_bytes_max).unwrap_or(line);
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        let mut name = None;
        if !folded {
            self.end(part);
            name = field_name(line);
        }
        if name.is_some_and(|name| is_wanted(name, part)) || (folded && !self.field.is_empty()) {
            let room = self.field_bytes_max.saturating_sub(self.field.len());
            if line.len() >= room {
                part.defects.add(Defects::HEADER_CUT);
            }
            let kept = line.get(..room).unwrap_or(line);
            self.work += kept.len() as u64;
            self.field.extend_from_slice(kept);
        }
        name
    }

    /// Ends the field being read, if there is one, and takes it into `part`.
    pub(super) fn end(&mut self, part: &mut Part) {
        let name = field_name(&self.field).unwrap_or_default().to_ascii_lowercase();
        let body = memchr(b':', &self.field).and_then(|colon| self.field.get(colon + 1..)).unwrap_or_default();
        if name.is_empty() {
            return;
        }
        if body.len() > self.structure_room {
            part.defects.add(Defects::HEADER_CUT);
        } else {
            let before = item_count(part);
            take(part, &name, body);
            let cost = body.len() + item_count(part).saturating_sub(before) * limits::STRUCTURE_ITEM_BYTES;
            self.structure_room = self.structure_room.saturating_sub(cost);
            self.work += body.len() as u64;
        }
        self.field.clear();
    }
}

fn take(part: &mut Part, name: &[u8], body: &[u8]) {
    if let Some(content_name) = name.strip_prefix(b"content-") {
        if part.mime.take_field(content_name, body) == Some(Seen::Again) {
            part.defects.add(Defects::DUPLICATE_FIELD);
        }
    } else if let Some(envelope) = &mut part.envelope {
        envelope.take_field(name, body);
    }
}

fn item_count(part: &Part) -> usize {
    part.mime.item_count() + part.envelope.as_ref().map_or(0, |it| it.item_count())
}

fn is_wanted(name: &[u8], part: &Part) -> bool {
    let is_content = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"));
    is_content || (part.envelope.is_some() && MESSAGE_FIELDS.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)))
}

/// The name of a header field line; `None` if the line is no field (RFC 5322 §2.2, with §4.5's space before the colon).
pub(crate) fn field_name(line: &[u8]) -> Option<&[u8]> {
    let name = line.get(..memchr(b':', line)?)?.trim_ascii_end();
    (!name.is_empty() && name.iter().all(|&byte| byte > b' ' && byte != 0x7f)).then_some(name)
}
