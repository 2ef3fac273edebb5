//! The scanner: finds the parts of a message in one pass (RFC 2046 §5.1), in bounded memory.
//!
//! Chunks of any size go in; what is kept is the line or header field being read, up to a cap, and the tree. It looks
//! at the bytes of a line only where a header field is wanted or the line begins with `--`. Work is linear in the
//! input whatever it holds, and nothing recurses: open parts are a stack of at most `depth_max`.
//!
//! Rules: the line end before a boundary belongs to the boundary. A boundary of an enclosing multipart ends all parts
//! inside it, closed or not. The innermost of equal boundaries counts. Lines end with CRLF or bare LF. A header ends
//! with an empty line, or with a boundary. A message/rfc822 with a transfer encoding is opaque (RFC 2046 §5.2.1 forbids
//! it). Nothing is refused: see [`Defects`] for what was wrong.

mod decide;
mod delivered_to;
mod fields;
mod line;
mod origin_fields;

use memchr::{memchr, memchr_iter};

use crate::mime::ContentType;
use crate::tree::{Defects, Part, PartKind, PartTree};

use decide::{Body, Room, decide, end_childless};
pub use delivered_to::DeliveredTo;
use fields::FieldReader;
pub(crate) use fields::field_name;
use line::{Line, strip_eol};
pub use origin_fields::OriginFields;
use yubin_types::limits;

/// The longest line that can be a boundary: with its dashes, and a little white space behind it.
const LINE_BYTES_KEPT: usize = limits::MIME_BOUNDARY_BYTES_MAX + 64;

/// What a scan may keep. The default is [`yubin_types::limits`].
#[derive(Debug, Clone, Copy)]
pub struct ScanLimits {
    /// Open parts, the message itself included.
    pub depth_max: usize,
    /// Parts recorded.
    pub parts_max: usize,
    /// Bytes of one header field that are read.
    pub field_bytes_max: usize,
    /// Bytes of header values that the tree may hold.
    pub structure_bytes_max: usize,
}

impl Default for ScanLimits {
    fn default() -> Self {
        ScanLimits {
            depth_max: limits::MIME_DEPTH_MAX,
            parts_max: limits::MIME_PARTS_MAX,
            field_bytes_max: limits::HEADER_FIELD_BYTES_MAX,
            structure_bytes_max: limits::STRUCTURE_BYTES_MAX,
        }
    }
}

/// Reads a whole message.
///
/// ```
/// let tree = yubin_message::scan(b"Subject: hi\r\n\r\nhello\r\n");
/// assert_eq!(tree.root().body, 15);
/// assert_eq!(tree.envelope().subject.as_deref(), Some(&b"hi"[..]));
/// ```
pub fn scan(message: &[u8]) -> PartTree {
    let mut scanner = Scanner::new(ScanLimits::default());
    scanner.feed(message);
    scanner.finish()
}

/// A scan in progress.
#[derive(Debug)]
pub struct Scanner {
    limits: ScanLimits,
    parts: Vec<Part>,
    open: Vec<Open>,
    state: State,
    received_count: u32,
    delivered_to: DeliveredTo,
    origin_fields: OriginFields,
    /// Where the line being read begins.
    line_start: u64,
    /// Bytes of that line so far, its line end included.
    line_len: u64,
    /// The beginning of that line, when it came in more than one chunk.
    line: Vec<u8>,
    /// Its last byte so far.
    line_last: u8,
    /// Bytes of the line end before it: 0, 1 or 2.
    eol_before: u64,
    /// Line ends before it.
    lines_before: u64,
    fields: FieldReader,
    work: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the header of the innermost open part.
    Header,
    /// In the body of a leaf, a preamble or an epilogue.
    Body,
}

/// A part whose end has not come.
#[derive(Debug)]
struct Open {
    index: usize,
    /// Set for a multipart until its closing boundary.
    boundary: Option<Box<[u8]>>,
    lines_at_body: u64,
}

/// Which boundary a line is.
struct Delimiter {
    level: usize,
    closing: bool,
}

impl Scanner {
    /// A scanner at the start of a message.
    pub fn new(limits: ScanLimits) -> Self {
        let mut scanner = Scanner {
            limits,
            parts: Vec::new(),
            open: Vec::new(),
            state: State::Header,
            received_count: 0,
            delivered_to: DeliveredTo::default(),
            origin_fields: OriginFields::default(),
            line_start: 0,
            line_len: 0,
            line: Vec::new(),
            line_last: 0,
            eol_before: 0,
            lines_before: 0,
            fields: FieldReader::new(&limits),
            work: 0,
        };
        scanner.open_part(None, 0);
        scanner.envelope_here();
        scanner
    }

    /// Takes in the next bytes of the message.
    pub fn feed(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            if self.state == State::Body && self.open.iter().all(|it| it.boundary.is_none()) {
                return self.feed_opaque(chunk);
            }
            let found = memchr(b'\n', chunk);
            let (piece, rest) = chunk.split_at_checked(found.map_or(chunk.len(), |at| at + 1)).unwrap_or((chunk, b""));
            chunk = rest;
            if found.is_some() && self.line_len == 0 {
                self.line_len = piece.len() as u64;
                self.on_line(strip_eol(piece));
            } else {
                self.keep(piece);
                if found.is_some() {
                    let line = std::mem::take(&mut self.line);
                    // The kept beginning may lack the line end; what matters is the line's own last bytes.
                    let content = line.strip_suffix(b"\r").filter(|_| self.line_last == b'\r').unwrap_or(&line);
                    self.on_line(Line { content, eol: if self.line_last == b'\r' { 2 } else { 1 } });
                    self.line = line;
                    self.line.clear();
                }
            }
        }
    }

    /// Ends the message.
    pub fn finish(mut self) -> PartTree {
        if self.line_len > 0 {
            let line = std::mem::take(&mut self.line);
            self.on_line(Line { content: &line, eol: 0 });
        }
        self.end_headers(self.line_start, Defects::HEADER_NOT_ENDED);
        self.close_from(0, self.line_start, self.lines_before);
        PartTree { parts: self.parts, received_count: self.received_count }
    }

    /// The Delivered-To fields of the message itself, as far as it has come.
    pub fn delivered_to(&self) -> &DeliveredTo {
        &self.delivered_to
    }

    /// Fields of the message itself by which automatic mail is known, as far as it has come.
    pub fn origin_fields(&self) -> &OriginFields {
        &self.origin_fields
    }

    /// Bytes copied and compared so far, one more per line: grows linearly with the input.
    pub fn work(&self) -> u64 {
        self.work + self.fields.work
    }

    /// Bytes of input held beside the tree.
    pub fn buffered_bytes(&self) -> usize {
        self.line.capacity() + self.fields.buffered_bytes()
    }

    /// No boundary is awaited: the rest of the message is counted and not looked at.
    fn feed_opaque(&mut self, chunk: &[u8]) {
        self.lines_before += memchr_iter(b'\n', chunk).count() as u64;
        self.line_start += self.line_len + chunk.len() as u64;
        self.line_len = 0;
        self.line.clear();
    }

    /// Adds a piece of a line to what is kept of it.
    fn keep(&mut self, piece: &[u8]) {
        let content = piece.strip_suffix(b"\n").unwrap_or(piece);
        let cap = match self.state {
            State::Header => self.limits.field_bytes_max,
            State::Body => LINE_BYTES_KEPT,
        };
        let room = cap.saturating_sub(self.line.len()).min(content.len());
        self.line.extend_from_slice(content.get(..room).unwrap_or_default());
        if let Some(&last) = content.last() {
            self.line_last = last;
        } else if self.line_len == 0 {
            self.line_last = 0;
        }
        self.line_len += piece.len() as u64;
        self.work += room as u64;
    }

    fn on_line(&mut self, line: Line<'_>) {
        self.work += 1;
        let is_short = self.line_len <= LINE_BYTES_KEPT as u64;
        let delimiter = if is_short && line.content.starts_with(b"--") { self.delimiter(line.content) } else { None };
        let line_end = self.line_start + self.line_len;
        let lines_after = self.lines_before + u64::from(line.eol > 0);
        if let Some(delimiter) = delimiter {
            self.end_headers(self.line_start, Defects::HEADER_NOT_ENDED);
            self.on_delimiter(&delimiter, line_end);
        } else if self.state == State::Header {
            if line.content.is_empty() {
                self.lines_before = lines_after;
                self.end_header(line_end, Defects::default());
            } else {
                self.on_header_line(line.content);
            }
        }
        self.lines_before = lines_after;
        self.line_start = line_end;
        self.eol_before = line.eol;
        self.line_len = 0;
        self.line_last = 0;
    }

    /// The innermost open multipart whose boundary this line is; the line is no longer than a boundary and its padding.
    fn delimiter(&mut self, content: &[u8]) -> Option<Delimiter> {
        let candidate = content.get(2..)?.trim_ascii_end();
        let closing = candidate.strip_suffix(b"--");
        for (level, open) in self.open.iter().enumerate().rev() {
            let Some(boundary) = open.boundary.as_deref() else { continue };
            self.work += 1 + if boundary.len() + 2 >= candidate.len() { candidate.len() as u64 } else { 0 };
            if candidate == boundary {
                return Some(Delimiter { level, closing: false });
            }
            if closing == Some(boundary) {
                return Some(Delimiter { level, closing: true });
            }
        }
        None
    }

    fn on_delimiter(&mut self, delimiter: &Delimiter, line_end: u64) {
        let lines = self.lines_before;
        self.close_from(delimiter.level + 1, self.line_start, lines);
        let Some(holder) = self.open.get_mut(delimiter.level) else { return };
        self.state = State::Body;
        let index = holder.index;
        if delimiter.closing {
            holder.boundary = None;
        } else if self.parts.len() < self.limits.parts_max {
            self.open_part(Some(index), line_end);
            self.state = State::Header;
        } else if let Some(part) = self.parts.get_mut(index) {
            part.defects.add(Defects::TOO_MANY_PARTS);
        }
    }

    fn open_part(&mut self, parent: Option<usize>, header: u64) {
        let parent = parent.and_then(|it| u32::try_from(it).ok());
        self.open.push(Open { index: self.parts.len(), boundary: None, lines_at_body: 0 });
        self.parts.push(Part::new(parent, header));
    }

    /// Ends the parts from `level` of the stack inwards; the boundary, or the end of all, is at `at`.
    fn close_from(&mut self, level: usize, at: u64, lines: u64) {
        let Some(outermost) = self.open.get(level).and_then(|it| self.parts.get(it.index)) else { return };
        // The line end before a boundary belongs to it, unless it ended the boundary line that began this part.
        let cut = if level == 0 { 0 } else { self.eol_before };
        let end = at.saturating_sub(cut).max(outermost.header);
        let lines = lines.saturating_sub(u64::from(cut > 0 && end < at));
        let count = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        for open in self.open.drain(level..) {
            let index = u32::try_from(open.index).unwrap_or(u32::MAX);
            let Some(part) = self.parts.get_mut(open.index) else { continue };
            part.header = part.header.min(end);
            part.body = part.body.min(end);
            part.end = end;
            part.lines = lines.saturating_sub(open.lines_at_body);
            part.subtree_end = count;
            if part.kind == PartKind::Multipart {
                if open.boundary.is_some() {
                    part.defects.add(Defects::NOT_CLOSED);
                }
                if count == index + 1 {
                    end_childless(part);
                }
            }
        }
    }

    /// Ends the header being read, and those of the messages inside it that begin where it ends.
    fn end_headers(&mut self, at: u64, defect: Defects) {
        while self.state == State::Header {
            self.end_header(at, defect);
        }
    }

    /// The header of the innermost part ends, its body begins at `at`.
    fn end_header(&mut self, at: u64, defect: Defects) {
        self.end_field();
        self.state = State::Body;
        let room = if self.parts.len() < self.limits.parts_max && self.open.len() < self.limits.depth_max {
            Room::Enough
        } else {
            Room::None
        };
        let in_digest = self.in_digest();
        let Some(open) = self.open.last_mut() else { return };
        let Some(part) = self.parts.get_mut(open.index) else { return };
        open.lines_at_body = self.lines_before;
        part.body = at;
        part.defects.add(defect);
        if in_digest && part.mime.content_type.is_none() {
            part.mime.content_type = Some(ContentType::plain("message", "rfc822"));
        }
        match decide(part, room) {
            Body::Opaque => {}
            Body::Parts(boundary) => open.boundary = Some(boundary),
            Body::Message => {
                let index = open.index;
                self.open_part(Some(index), at);
                self.envelope_here();
                self.state = State::Header;
            }
        }
    }

    /// Whether the innermost part lies directly in a multipart/digest (RFC 2046 §5.1.5).
    fn in_digest(&self) -> bool {
        let holder = self
            .open
            .len()
            .checked_sub(2)
            .and_then(|level| self.open.get(level))
            .and_then(|it| self.parts.get(it.index));
        holder.is_some_and(|it| {
            it.kind == PartKind::Multipart
                && it.mime.content_type.as_ref().is_some_and(|it| it.is("multipart", "digest"))
        })
    }

    fn envelope_here(&mut self) {
        if let Some(part) = self.parts.last_mut() {
            part.envelope = Some(Box::default());
        }
    }

    fn on_header_line(&mut self, line: &[u8]) {
        let is_first = self.parts.len() == 1;
        let Some(part) = self.parts.last_mut() else { return };
        let name = self.fields.line(line, part);
        let Some(name) = name.filter(|_| is_first) else { return };
        if name.eq_ignore_ascii_case(b"received") {
            self.received_count = self.received_count.saturating_add(1);
        } else if name.eq_ignore_ascii_case(b"delivered-to") {
            self.delivered_to.take(line);
        } else {
            self.origin_fields.take(name, line);
        }
    }

    /// Takes the field being read into the part.
    fn end_field(&mut self) {
        if let Some(part) = self.parts.last_mut() {
            self.fields.end(part);
        }
    }
}

#[cfg(test)]
mod tests;
