//! Reading a raw header: its fields one by one, and the subsets that IMAP's HEADER.FIELDS asks for.
//!
//! Works on the bytes of a header as stored, without copying. Folded fields are one field (RFC 5322 §2.2.3), white
//! space before the colon is allowed (§4.5), lines that are no field are passed over. Ends at the empty line.

use memchr::memchr;
use yubin_types::limits::HEADER_FIELD_BYTES_MAX;

use crate::lex::{Cursor, is_space, trim, unfold};
use crate::scan::field_name;

/// One header field as it stands in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderField<'a> {
    /// The name, as sent.
    pub name: &'a [u8],
    /// What follows the colon: still folded, without the last line end.
    pub body: &'a [u8],
    /// The whole field with its line end.
    pub raw: &'a [u8],
}

impl HeaderField<'_> {
    /// Whether the field has that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The body unfolded and trimmed.
    pub fn unfolded(&self) -> Vec<u8> {
        unfold(self.body)
    }
}

/// The fields of a header, first to last.
///
/// ```
/// let mut fields = yubin_message::HeaderFields::new(b"A: b\r\n c\r\n\r\nbody: no\r\n");
/// let field = fields.next();
/// assert_eq!(field.map(|it| it.unfolded()), Some(b"b c".to_vec()));
/// assert!(fields.next().is_none());
/// ```
#[derive(Debug, Clone)]
pub struct HeaderFields<'a> {
    rest: &'a [u8],
}

impl<'a> HeaderFields<'a> {
    /// Reads a header, or a message from its beginning.
    pub fn new(header: &'a [u8]) -> Self {
        HeaderFields { rest: header }
    }
}

impl<'a> Iterator for HeaderFields<'a> {
    type Item = HeaderField<'a>;

    fn next(&mut self) -> Option<HeaderField<'a>> {
        while !self.rest.is_empty() && !self.rest.starts_with(b"\r\n") && !self.rest.starts_with(b"\n") {
            let (raw, rest) = self.rest.split_at_checked(field_end(self.rest))?;
            self.rest = rest;
            // A fold that follows no field belongs to the line that was none.
            let Some(name) = field_name(raw) else { continue };
            let body = memchr(b':', raw).and_then(|colon| raw.get(colon + 1..)).unwrap_or_default();
            let body = body.strip_suffix(b"\n").map_or(body, |body| body.strip_suffix(b"\r").unwrap_or(body));
            return Some(HeaderField { name, body, raw });
        }
        self.rest = b"";
        None
    }
}

/// Where the field at the start of `header` ends: behind its first line that no folded line follows.
fn field_end(header: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let Some(line) = header.get(end..).and_then(|rest| memchr(b'\n', rest)) else { return header.len() };
        end += line + 1;
        if !matches!(header.get(end), Some(b' ' | b'\t')) {
            return end;
        }
    }
}

/// Which fields of a header are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldSelection {
    /// HEADER.FIELDS: the named ones.
    Only,
    /// HEADER.FIELDS.NOT: all but the named ones.
    Except,
}

/// The chosen fields as they stand in the message, and the empty line (RFC 9051 §6.4.5.1).
pub fn select_fields(header: &[u8], selection: FieldSelection, names: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut selector = FieldSelector::new(selection, names);
    selector.feed(header, &mut out);
    selector.finish(&mut out);
    out
}

/// [`select_fields`] over a header that comes in chunks: holds the name of a field until it is decided.
#[derive(Debug, Clone)]
pub struct FieldSelector {
    selection: FieldSelection,
    names: Vec<Vec<u8>>,
    state: Copying,
    /// The line so far, while it is undecided.
    held: Vec<u8>,
    last: u8,
}

/// What becomes of the bytes that come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copying {
    /// At the start of a line; what it was before counts if the line is folded.
    LineStart(bool),
    /// In the name of a field.
    Undecided,
    /// In a line that is copied, or that is not.
    Decided(bool),
    /// Behind the empty line.
    Done,
}

impl FieldSelector {
    /// A selection at the start of a header.
    pub fn new(selection: FieldSelection, names: &[impl AsRef<[u8]>]) -> Self {
        let names = names.iter().map(|name| name.as_ref().to_vec()).collect();
        FieldSelector { selection, names, state: Copying::LineStart(false), held: Vec::new(), last: b'\n' }
    }

    /// Takes in the next bytes of the header and appends the chosen ones to `out`.
    pub fn feed(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) {
        while let Some((&first, after_first)) = chunk.split_first() {
            match self.state {
                Copying::Done => return,
                Copying::LineStart(before) if matches!(first, b' ' | b'\t') => self.state = Copying::Decided(before),
                Copying::LineStart(_) => self.state = Copying::Undecided,
                Copying::Undecided => {
                    self.held.push(first);
                    chunk = after_first;
                    self.decide(first, out);
                }
                Copying::Decided(copied) => {
                    let end = memchr(b'\n', chunk).map_or(chunk.len(), |at| at + 1);
                    let (line, rest) = chunk.split_at_checked(end).unwrap_or((chunk, b""));
                    if copied {
                        out.extend_from_slice(line);
                        self.last = line.last().copied().unwrap_or(self.last);
                    }
                    if line.ends_with(b"\n") {
                        self.state = Copying::LineStart(copied);
                    }
                    chunk = rest;
                }
            }
        }
    }

    /// Ends the header: adds the empty line.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.last != b'\n' {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// A byte has come to the undecided beginning of a line.
    fn decide(&mut self, byte: u8, out: &mut Vec<u8>) {
        let copied = match byte {
            b':' => field_name(&self.held).is_some_and(|name| {
                let named = self.names.iter().any(|it| it.eq_ignore_ascii_case(name));
                named == (self.selection == FieldSelection::Only)
            }),
            // A line that is no field; the empty one ends the header.
            b'\n' => {
                let is_empty = matches!(self.held.as_slice(), b"\n" | b"\r\n");
                self.state = if is_empty { Copying::Done } else { Copying::LineStart(false) };
                return self.held.clear();
            }
            // No name is so long.
            _ if self.held.len() > HEADER_FIELD_BYTES_MAX => false,
            _ => return,
        };
        if copied {
            out.extend_from_slice(&self.held);
            self.last = b':';
        }
        self.held.clear();
        self.state = Copying::Decided(copied);
    }
}

/// Fields named Received: how many hops the message says it has made (RFC 5321 §6.3).
pub fn count_received(header: &[u8]) -> usize {
    HeaderFields::new(header).filter(|field| field.is("Received")).count()
}

/// Whether a Delivered-To field names `address`, compared without case: the message has been here before.
pub fn was_delivered_to(header: &[u8], address: &str) -> bool {
    HeaderFields::new(header).filter(|field| field.is("Delivered-To")).any(|field| {
        let mut cursor = Cursor::new(field.body);
        cursor.skip_cfws();
        let value = trim(cursor.rest());
        let value = value.strip_prefix(b"<").and_then(|it| it.strip_suffix(b">")).unwrap_or(value);
        value.iter().all(|&byte| !is_space(byte)) && value.eq_ignore_ascii_case(address.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"From x@y Sat Nov 21 10:00:00 2026\r\n\tjunk: fold\r\nSubject : a\r\n\tb\r\nRECEIVED: one\r\nTo: x\nX-Empty:\r\nreceived: two\r\n three\r\n\r\nSubject: body\r\n";

    #[test]
    fn fields_as_they_come() {
        let fields: Vec<_> = HeaderFields::new(HEADER).map(|it| (it.name, it.body)).collect();
        let want: [(&[u8], &[u8]); 5] = [
            (b"Subject", b" a\r\n\tb"),
            (b"RECEIVED", b" one"),
            (b"To", b" x"),
            (b"X-Empty", b""),
            (b"received", b" two\r\n three"),
        ];
        assert_eq!(fields, want);
        assert_eq!(count_received(HEADER), 2);
        for header in [&b""[..], b"\r\n", b"\n", b"junk", b" fold: x\r\n"] {
            assert_eq!(HeaderFields::new(header).count(), 0, "{header:?}");
        }
        assert_eq!(HeaderFields::new(b"A: b").map(|it| it.body).collect::<Vec<_>>(), [b" b"]);
    }

    #[test]
    fn subsets_keep_their_bytes() {
        assert_eq!(
            select_fields(HEADER, FieldSelection::Only, &["to", "SUBJECT", "none"]),
            b"Subject : a\r\n\tb\r\nTo: x\n\r\n"
        );
        assert_eq!(
            select_fields(HEADER, FieldSelection::Except, &["Received", "x-empty", "to"]),
            b"Subject : a\r\n\tb\r\n\r\n"
        );
        assert_eq!(select_fields(b"A: b", FieldSelection::Only, &["a"]), b"A: b\r\n\r\n");
        assert_eq!(select_fields(b"", FieldSelection::Except, &["a"]), b"\r\n");
        assert_eq!(select_fields(b"A: b\r\n c", FieldSelection::Except, &["b"]), b"A: b\r\n c\r\n\r\n");
        for size in 1..HEADER.len() {
            let mut selector = FieldSelector::new(FieldSelection::Only, &["to", "received"]);
            let mut out = Vec::new();
            HEADER.chunks(size).for_each(|chunk| selector.feed(chunk, &mut out));
            selector.finish(&mut out);
            assert_eq!(out, b"RECEIVED: one\r\nTo: x\nreceived: two\r\n three\r\n\r\n");
        }
    }

    #[test]
    fn loops_are_seen() {
        let header = b"Delivered-To: <A@Example.JP>\r\nDelivered-To: (c) b@example.jp \r\nTo: d@example.jp\r\n\r\n";
        assert!(was_delivered_to(header, "a@example.jp"));
        assert!(was_delivered_to(header, "B@example.jp"));
        assert!(!was_delivered_to(header, "d@example.jp"));
        assert!(!was_delivered_to(header, ""));
    }
}
