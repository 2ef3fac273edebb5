//! How a stored body begins: {format version, codec, key id}, four bytes, then the message's octets (docs/formats.md).
//!
//! Bodies are stored as they came: codec 0, key 0. The header leaves room for compression and for keys per domain without a rewrite.

use std::io;
use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};

/// Length of the header, bytes.
pub(crate) const HEADER_BYTES: u64 = 4;

const FORMAT: u8 = 1;
const CODEC_NONE: u8 = 0;
const HEADER: [u8; 4] = [FORMAT, CODEC_NONE, 0, 0];

/// The header alone, to go before a streamed body.
pub(crate) fn header() -> Bytes {
    Bytes::from_static(&HEADER)
}

/// A small body with its header.
pub(crate) fn seal(octets: &[u8]) -> Bytes {
    let mut sealed = BytesMut::with_capacity(HEADER.len() + octets.len());
    sealed.put_slice(&HEADER);
    sealed.put_slice(octets);
    sealed.freeze()
}

/// Where octets of the message are in the stored body.
pub(crate) fn stored_range(octets: Range<u64>) -> Range<u64> {
    octets.start + HEADER_BYTES..octets.end + HEADER_BYTES
}

/// Refuses a body that this version can't read.
pub(crate) fn check_header(header: &[u8]) -> io::Result<()> {
    if header == HEADER {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "a stored body of an unknown format"))
}
