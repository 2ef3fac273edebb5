//! A message taken apart as it goes by: its header whole, its body in pieces.
//!
//! For who signs or verifies: the header is bounded and held, the body goes by. The header ends with its first empty line; a message
//! without one is all header.

use std::io;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;

/// The pieces of a message.
pub type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// A message whose header was read.
pub struct Opened {
    /// What was put before it, the header, and the empty line.
    pub header: Vec<u8>,
    /// What of the body was read with it.
    pub begun: Vec<u8>,
    /// The rest of the body.
    pub rest: Pieces,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({} bytes of header)", self.header.len())
    }
}

/// Why a header is not read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It is longer than asked for.
    #[error("the header is too long")]
    TooLong,
    /// The message can't be read.
    #[error("reading the message: {0}")]
    Read(io::Error),
}

/// Reads the header, which begins with what goes `before` the message.
///
/// # Errors
/// [`HeaderError`].
pub async fn open(before: &[u8], mut message: Pieces, header_bytes_max: usize) -> Result<Opened, HeaderError> {
    let mut header = before.to_vec();
    while let Some(piece) = message.try_next().await.map_err(HeaderError::Read)? {
        // The empty line may be cut.
        let searched = header.len().saturating_sub(END.len() - 1).max(before.len());
        header.extend_from_slice(&piece);
        let end = end_of_header(&header, before.len(), searched);
        if end.unwrap_or(header.len()) > before.len() + header_bytes_max {
            return Err(HeaderError::TooLong);
        }
        if let Some(end) = end {
            let begun = header.split_off(end);
            return Ok(Opened { header, begun, rest: message });
        }
    }
    Ok(Opened { header, begun: Vec::new(), rest: message })
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
