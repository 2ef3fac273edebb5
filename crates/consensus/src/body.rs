//! Bodies: the large, immutable byte strings that commands carry, and the references to them.
//!
//! A body below [`limits::BODY_INLINE_BYTES_MAX`] travels in its log entry and is stored once, in
//! the column family `body`, in the batch that appends the entry. A larger one is a file that is
//! durable on a replica before that replica appends the entry that names it. The state machine
//! keeps only a [`BodyRef`]. The bytes are opaque here: compression, encryption and their header
//! are the caller's.
//!
//! A reference's encoding is part of stored state and never changes; new kinds get new tags.
//!
//! [`limits::BODY_INLINE_BYTES_MAX`]: crate::limits::BODY_INLINE_BYTES_MAX

use std::fmt;

use bytes::Bytes;

use crate::codec::{CodecError, Reader, Writer};

/// What a stored row keeps of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BodyRef {
    /// A body stored under its log entry's position.
    Log {
        /// The entry's index.
        index: u64,
        /// The entry's term.
        term: u64,
        /// Which of the entry's bodies, counted from 0.
        ordinal: u16,
        /// Length in bytes.
        len: u32,
    },
    /// A body stored as a file of its own.
    File {
        /// Fresh for every attempt to propose it, so never in conflict.
        id: u128,
        /// Length in bytes.
        len: u64,
        /// BLAKE3 of the bytes.
        hash: [u8; 32],
    },
}

const TAG_LOG: u8 = 1;
const TAG_FILE: u8 = 2;

impl BodyRef {
    /// The body's length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Log { len, .. } => u64::from(*len),
            Self::File { len, .. } => *len,
        }
    }

    /// Whether the body has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the stable encoding: 23 bytes for `Log`, 57 for `File`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Log { index, term, ordinal, len } => {
                out.put_u8(TAG_LOG);
                out.put_u64(*index);
                out.put_u64(*term);
                out.put_u16(*ordinal);
                out.put_u32(*len);
            }
            Self::File { id, len, hash } => {
                out.put_u8(TAG_FILE);
                out.put_u128(*id);
                out.put_u64(*len);
                out.put_raw(hash);
            }
        }
    }

    /// The stable encoding as a vector of its own.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(57);
        self.encode(&mut out);
        out
    }

    /// Reads one reference from the front of `bytes` and moves `bytes` past it.
    ///
    /// # Errors
    /// The bytes end early or start with an unknown tag.
    pub fn decode(bytes: &mut &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let body = match reader.u8()? {
            TAG_LOG => {
                Self::Log { index: reader.u64()?, term: reader.u64()?, ordinal: reader.u16()?, len: reader.u32()? }
            }
            TAG_FILE => Self::File { id: reader.u128()?, len: reader.u64()?, hash: reader.array()? },
            tag => return Err(CodecError::UnknownTag(tag)),
        };
        *bytes = reader.rest();
        Ok(body)
    }
}

/// A body as handed to a proposal.
#[derive(Debug, Clone)]
pub enum Body {
    /// Bytes that travel in the log entry; shorter than
    /// [`BODY_INLINE_BYTES_MAX`](crate::limits::BODY_INLINE_BYTES_MAX).
    Inline(Bytes),
    /// A file that is already durable on this replica and offered to its peers.
    Staged(StagedBody),
}

/// A body file that is durable on this replica and that no entry names yet.
///
/// Dropping it without proposing leaves an orphan that the sweep removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedBody {
    pub(crate) file: FileBody,
}

impl StagedBody {
    /// The body's length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.file.len
    }

    /// Whether the body has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.file.len == 0
    }

    /// BLAKE3 of the body's bytes.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.file.hash
    }
}

/// The name, length and hash of a body file: all that peers need to fetch and check it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileBody {
    pub(crate) id: u128,
    pub(crate) len: u64,
    pub(crate) hash: [u8; 32],
}

impl fmt::Debug for FileBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {:032x} ({} bytes)", self.id, self.len)
    }
}

impl From<FileBody> for BodyRef {
    fn from(file: FileBody) -> Self {
        Self::File { id: file.id, len: file.len, hash: file.hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_survives_its_encoding_and_leaves_the_rest() {
        let log = BodyRef::Log { index: 7, term: 3, ordinal: 2, len: 4096 };
        let file = BodyRef::File { id: 9 << 100, len: 5 << 33, hash: [7; 32] };
        let mut bytes = log.to_bytes();
        file.encode(&mut bytes);
        bytes.push(0xaa);
        let mut rest = bytes.as_slice();
        assert_eq!(BodyRef::decode(&mut rest), Ok(log));
        assert_eq!(BodyRef::decode(&mut rest), Ok(file));
        assert_eq!(rest, [0xaa]);
    }

    #[test]
    fn unknown_and_short_references_are_refused() {
        assert_eq!(BodyRef::decode(&mut [9u8].as_slice()), Err(CodecError::UnknownTag(9)));
        let bytes = BodyRef::Log { index: 7, term: 3, ordinal: 2, len: 4096 }.to_bytes();
        assert_eq!(bytes.len(), 23);
        assert_eq!(BodyRef::decode(&mut &bytes[..22]), Err(CodecError::Truncated));
    }
}
