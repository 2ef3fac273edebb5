//! A spooled message taken apart again: its header whole, its body in pieces.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use yubin_dns_auth::header;
pub(crate) use yubin_dns_auth::header::{HeaderError, Opened};
use yubin_proto::{Body, BodyStream};
use yubin_types::limits;

/// Reads the header.
pub(crate) async fn open(message: &Body, header_bytes_max: usize) -> Result<Opened, HeaderError> {
    header::open(&[], pieces(message), header_bytes_max).await
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
