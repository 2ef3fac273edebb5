//! The header of a message that came in, read and changed before the message is stored: what others wrote in our name is cut out, the
//! subject of spam may get a tag.
//!
//! Of a body, parts with a virus are replaced where that is configured ([`Patches`]). These are the only changes that are ever made to
//! another server's message, and signatures are checked before them. A change writes the message anew into a spool, in pieces, and scans it
//! again.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use yubin_message::HeaderField;
use yubin_policy::refusal_text;
use yubin_types::{SmtpReply, limits};

use super::spool_failed;
use crate::header::{self, HeaderError, Opened};
use crate::spool::{Spool, Spooled, Spooler};

/// A change of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// What goes.
    pub(super) range: Range<usize>,
    /// What comes in its place.
    pub(super) with: Vec<u8>,
}

impl Edit {
    /// It goes.
    pub(super) const fn cut(range: Range<usize>) -> Edit {
        Edit { range, with: Vec::new() }
    }
}

/// What stands behind the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NewBody {
    /// What stood there.
    Same,
    /// This.
    Text(String),
    /// What stood there with these changes.
    Patched(Patches),
}

/// Changes of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Patches {
    /// What comes before it.
    pub(super) before: Vec<u8>,
    /// What comes in the place of what stands so many octets behind the start of the message: in their order, and none in another.
    pub(super) inside: Vec<(Range<u64>, Vec<u8>)>,
    /// What comes behind it.
    pub(super) after: Vec<u8>,
}

impl Patches {
    /// The changed octets of a piece that stands at this place of the message; the pieces come in their order.
    fn apply(&self, at: u64, piece: &Bytes) -> Vec<Bytes> {
        let end = at + piece.len() as u64;
        let slice = |range: Range<u64>| {
            let place = |offset: u64| usize::try_from(offset.clamp(at, end) - at).unwrap_or(piece.len());
            piece.slice(place(range.start)..place(range.end.max(range.start)))
        };
        let (mut kept, mut from) = (Vec::new(), at);
        for (range, with) in self.inside.iter().filter(|(range, _)| range.start < end && range.end > at) {
            kept.push(slice(from..range.start));
            if range.start >= at {
                kept.push(Bytes::copy_from_slice(with));
            }
            from = range.end;
        }
        kept.push(slice(from..end));
        kept.retain(|piece| !piece.is_empty());
        kept
    }
}

/// Where a field stands in the header that it was read from.
pub(super) fn place(header: &[u8], field: &HeaderField<'_>) -> Range<usize> {
    let start = field.raw.as_ptr().addr() - header.as_ptr().addr();
    start..start + field.raw.len()
}

/// Reads the header of a message from another server.
pub(super) async fn open(message: &Spooled) -> Result<Opened, SmtpReply> {
    let opened = header::open(&message.body, limits::INBOUND_HEADER_BYTES_MAX).await;
    opened.map_err(|error| match error {
        HeaderError::TooLong => refusal_text::header_too_long(limits::INBOUND_HEADER_BYTES_MAX),
        HeaderError::Read(error) => spool_failed(&error),
    })
}

/// Puts edits into the order in which they stand: what is put in before a field comes before what becomes of the field.
pub(super) fn sort(edits: &mut [Edit]) {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
}

/// The message with another header and the same body or another; of two edits neither stands in the other.
pub(super) async fn edited(
    message: &Spooled,
    spooler: &Arc<Spooler>,
    header: &[u8],
    edits: &mut [Edit],
    body: NewBody,
) -> Result<Spooled, SmtpReply> {
    sort(edits);
    let mut kept = Vec::with_capacity(header.len());
    let mut at = 0;
    for Edit { range, with } in &*edits {
        kept.extend_from_slice(header.get(at..range.start).unwrap_or_default());
        kept.extend_from_slice(with);
        at = range.end;
    }
    kept.extend_from_slice(header.get(at..).unwrap_or_default());
    let Opened { begun, mut rest, .. } = open(message).await?;
    let rewritten = async {
        let mut spool = Spool::new(spooler);
        let ended = kept == b"\r\n" || kept.ends_with(b"\r\n\r\n");
        spool.push(Bytes::from(kept)).await?;
        match body {
            NewBody::Same => {
                spool.push(Bytes::from(begun)).await?;
                while let Some(piece) = rest.try_next().await? {
                    spool.push(piece).await?;
                }
            }
            NewBody::Patched(patches) => {
                spool.push(Bytes::copy_from_slice(&patches.before)).await?;
                let (mut at, mut next) = (header.len() as u64, Some(Bytes::from(begun)));
                while let Some(piece) = next {
                    for kept in patches.apply(at, &piece) {
                        spool.push(kept).await?;
                    }
                    at += piece.len() as u64;
                    next = rest.try_next().await?;
                }
                spool.push(Bytes::from(patches.after)).await?;
            }
            NewBody::Text(text) => {
                spool.push(Bytes::from_static(if ended { b"" } else { b"\r\n" })).await?;
                spool.push(Bytes::from(text)).await?;
            }
        }
        spool.finish().await
    };
    rewritten.await.map_err(|error| spool_failed(&error))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Patches;

    #[test]
    fn a_body_is_patched_however_it_comes_in_pieces() {
        let body = b"0123456789abcdef";
        let inside = vec![(12..14, b"X".to_vec()), (14..18, b"YY".to_vec()), (24..26, Vec::new())];
        let patches = Patches { inside, ..Patches::default() };
        for size in 1..=body.len() {
            let mut patched = Vec::new();
            for (index, piece) in body.chunks(size).enumerate() {
                let kept = patches.apply(10 + (index * size) as u64, &Bytes::copy_from_slice(piece));
                assert!(kept.iter().all(|piece| !piece.is_empty()));
                patched.extend(kept.concat());
            }
            assert_eq!(String::from_utf8(patched).unwrap(), "01XYY89abcd", "pieces of {size}");
        }
    }
}
