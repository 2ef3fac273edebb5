//! The part tree: what is known of a stored message without reading it again.
//!
//! A flat vector of parts in the order of the message. Part 0 is the message itself; the subtree of part `i` is
//! `i..subtree_end`, so that no walk needs recursion. Offsets are bytes from the start of the message. The tree is
//! stored with the message's cold facts: one version byte, then postcard. Reading it back checks everything that a
//! walk relies on, so that a damaged row is an error and never a loop.
//!
//! A part whose `kind` is `Leaf` is shown and searched as the media type recorded here: what the limits made opaque is
//! recorded as application/octet-stream, and a multipart in which no boundary was found as text/plain.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::mime::Mime;

/// The version of the scanner whose trees [`PartTree::to_bytes`] writes; another version is scanned anew.
pub const SCANNER_VERSION: u8 = 1;

/// The parts of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartTree {
    /// Parts in the order of the message; never empty.
    pub(crate) parts: Vec<Part>,
    /// Received fields of the message itself.
    pub(crate) received_count: u32,
}

/// One part: a message, a body part, or the message inside a message/rfc822 part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The part that holds this one; `None` for the message itself.
    pub parent: Option<u32>,
    /// One past the last part of this subtree.
    pub subtree_end: u32,
    /// Where the header begins.
    pub header: u64,
    /// Where the body begins, behind the empty line.
    pub body: u64,
    /// Where the body ends, before the line end that belongs to the next boundary.
    pub end: u64,
    /// Line ends in the body.
    pub lines: u64,
    /// Whether and how the body was taken apart.
    pub kind: PartKind,
    /// What the Content fields say.
    pub mime: Mime,
    /// The ENVELOPE, for a message: part 0 and the only child of a [`PartKind::Message`].
    pub envelope: Option<Box<Envelope>>,
    /// What was wrong.
    pub defects: Defects,
}

/// How a body is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartKind {
    /// The body is content, or opaque to us.
    Leaf,
    /// A multipart with at least one child.
    Multipart,
    /// An unencoded message/rfc822 or message/global with exactly one child: the message.
    Message,
}

/// What was broken or ambiguous about a part: other programs may read such a part differently.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defects(pub u16);

impl Defects {
    /// A Content field occurred twice; the first counted.
    pub const DUPLICATE_FIELD: Defects = Defects(1);
    /// A multipart without a usable boundary parameter, or whose boundary never came.
    pub const NO_BOUNDARY: Defects = Defects(1 << 1);
    /// A multipart without its closing boundary.
    pub const NOT_CLOSED: Defects = Defects(1 << 2);
    /// Opaque, or with fewer children than it has, because of a limit on depth or number of parts.
    pub const TOO_MANY_PARTS: Defects = Defects(1 << 3);
    /// A header field was cut or left out because of a limit on size.
    pub const HEADER_CUT: Defects = Defects(1 << 4);
    /// The header ended without its empty line.
    pub const HEADER_NOT_ENDED: Defects = Defects(1 << 5);

    /// Whether all of `other` are among these.
    pub fn contains(self, other: Defects) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn add(&mut self, other: Defects) {
        self.0 |= other.0;
    }
}

/// Why stored bytes are not a part tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by another scanner; scan the message again.
    #[error("part tree of scanner version {0}")]
    Version(u8),
    /// Damaged.
    #[error("damaged part tree")]
    Damaged,
}

impl PartTree {
    /// The message itself.
    pub fn root(&self) -> &Part {
        // Every tree has a root; the constant is for the type.
        static NOTHING: Part = Part::new(None, 0);
        self.parts.first().unwrap_or(&NOTHING)
    }

    /// All parts, in the order of the message.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The part at `index`.
    pub fn get(&self, index: usize) -> Option<&Part> {
        self.parts.get(index)
    }

    /// The ENVELOPE facts of the message itself.
    pub fn envelope(&self) -> &Envelope {
        static NOTHING: Envelope = Envelope::EMPTY;
        self.root().envelope.as_deref().unwrap_or(&NOTHING)
    }

    /// Bytes of the whole message.
    pub fn size_bytes(&self) -> u64 {
        self.root().end
    }

    /// Received fields of the message itself, by which a mail loop is recognised (RFC 5321 §6.3).
    pub fn received_count(&self) -> u32 {
        self.received_count
    }

    /// The children of part `index`, first to last.
    pub fn children(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.get(index).map_or(0, |part| usize::try_from(part.subtree_end).unwrap_or(usize::MAX));
        std::iter::successors(Some(index + 1), |&child| self.subtree(child).map(|range| range.end))
            .take_while(move |&child| child < end)
    }

    /// The indexes of part `index` and of everything in it.
    pub fn subtree(&self, index: usize) -> Option<Range<usize>> {
        let end = usize::try_from(self.get(index)?.subtree_end).ok()?;
        Some(index..end)
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to memory fails for no value of these types; an empty row is read back as damaged.
        postcard::to_extend(self, vec![SCANNER_VERSION]).unwrap_or_default()
    }

    /// Reads the stored form back.
    ///
    /// # Errors
    /// [`DecodeError::Version`] if another scanner wrote it, [`DecodeError::Damaged`] if it is not a tree.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (&version, rest) = bytes.split_first().ok_or(DecodeError::Damaged)?;
        if version != SCANNER_VERSION {
            return Err(DecodeError::Version(version));
        }
        let tree: PartTree = postcard::from_bytes(rest).map_err(|_| DecodeError::Damaged)?;
        if tree.is_sound() { Ok(tree) } else { Err(DecodeError::Damaged) }
    }

    /// Whether subtrees nest, offsets lie in order and inside the parent's, and kinds fit their children.
    pub(crate) fn is_sound(&self) -> bool {
        let mut open: Vec<(usize, usize)> = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            while open.pop_if(|(_, end)| *end <= index).is_some() {}
            let Some(range) = self.subtree(index) else { return false };
            let holder = open.last().copied();
            let inside = match holder {
                None => index == 0 && part.parent.is_none() && range.end == self.parts.len(),
                Some((parent, end)) => {
                    let fits = |outer: &Part| {
                        outer.body <= part.header && part.end <= outer.end && outer.kind != PartKind::Leaf
                    };
                    range.end <= end
                        && part.parent.is_some_and(|it| usize::try_from(it) == Ok(parent))
                        && self.get(parent).is_some_and(fits)
                }
            };
            let children = self.children(index).take(2).count();
            let shape = match part.kind {
                PartKind::Leaf => children == 0,
                PartKind::Multipart => children >= 1,
                PartKind::Message => children == 1,
            };
            if !inside || !shape || range.is_empty() || part.header > part.body || part.body > part.end {
                return false;
            }
            open.push((index, range.end));
        }
        !self.parts.is_empty()
    }
}

impl Part {
    pub(crate) const fn new(parent: Option<u32>, header: u64) -> Self {
        Part {
            parent,
            subtree_end: 0,
            header,
            body: header,
            end: header,
            lines: 0,
            kind: PartKind::Leaf,
            mime: Mime::EMPTY,
            envelope: None,
            defects: Defects(0),
        }
    }

    /// Type and subtype by which the part is shown and searched, as sent or as RFC 2045 §5.2 defaults.
    pub fn media_type(&self) -> (&[u8], &[u8]) {
        self.mime.content_type.as_ref().map_or((b"text", b"plain"), |it| (&it.kind, &it.subtype))
    }

    /// Whether the part is `text/*`.
    pub fn is_text(&self) -> bool {
        self.media_type().0.eq_ignore_ascii_case(b"text")
    }

    /// Bytes of the body, transfer encoding undecoded.
    pub fn body_bytes(&self) -> u64 {
        self.end.saturating_sub(self.body)
    }
}
