//! A spooled message taken apart again: its header whole, its body in pieces.
//!
//! For who signs or verifies: the header is bounded and held, the body goes by. The header ends with its first empty line; a message
//! without one is all header.

use std::io;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use yubin_proto::{Body, BodyStream};
use yubin_types::limits;

/// A message whose header was read.
pub(crate) struct Opened {
    /// What was put before it, the header, and the empty line.
    pub(crate) header: Vec<u8>,
    /// What of the body was read with it.
    pub(crate) begun: Vec<u8>,
    /// The rest of the body.
    pub(crate) rest: BodyStream,
}

/// Why a header is not read.
#[derive(Debug)]
pub(crate) enum HeaderError {
    /// It is longer than asked for.
    TooLong,
    /// The spool can't be read.
    Spool(io::Error),
}

/// Reads the header, which begins with what goes `before` the message.
pub(crate) async fn open(before: &[u8], message: &Body, header_bytes_max: usize) -> Result<Opened, HeaderError> {
    let mut rest = pieces(message);
    let mut header = before.to_vec();
    while let Some(piece) = rest.try_next().await.map_err(HeaderError::Spool)? {
        // The empty line may be cut.
        let searched = header.len().saturating_sub(END.len() - 1).max(before.len());
        header.extend_from_slice(&piece);
        let end = end_of_header(&header, before.len(), searched);
        if end.unwrap_or(header.len()) > before.len() + header_bytes_max {
            return Err(HeaderError::TooLong);
        }
        if let Some(end) = end {
            let begun = header.split_off(end);
            return Ok(Opened { header, begun, rest });
        }
    }
    Ok(Opened { header, begun: Vec::new(), rest })
}

/// The end of a header.
const END: &[u8] = b"\r\n\r\n";

/// Where the body begins; `header` has the message from `start` on, and no end before `searched`.
fn end_of_header(header: &[u8], start: usize, searched: usize) -> Option<usize> {
    if header.get(start..)?.starts_with(b"\r\n") {
        return Some(start + 2);
    }
    memchr::memmem::find(header.get(searched..)?, END).map(|at| searched + at + END.len())
}

/// The message in pieces of at most [`limits::BODY_CHUNK_BYTES`], from its start.
pub(crate) fn pieces(message: &Body) -> BodyStream {
    match message {
        Body::Inline(bytes) => {
            let bytes = bytes.clone();
            let starts = (0..bytes.len()).step_by(limits::BODY_CHUNK_BYTES);
            let piece = move |start: usize| bytes.slice(start..bytes.len().min(start + limits::BODY_CHUNK_BYTES));
            stream::iter(starts.map(piece).collect::<Vec<Bytes>>()).map(Ok).boxed()
        }
        Body::Large(body) => body.open(),
    }
}
