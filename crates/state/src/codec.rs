//! How commands, replies, queries and rows become bytes: one format byte, then postcard (docs/formats.md).
//!
//! The format byte is the door for change: a reader knows every older format of what it reads; a writer uses a newer one only after
//! the group's replicated format allows it, so that a rolling upgrade never meets bytes it can't read. Trailing bytes are refused.

use serde::{Serialize, de::DeserializeOwned};

/// The format that is written, and the only one that is read: 1 to 9 were those of builds before any release.
pub const FORMAT: u8 = 10;

/// The bytes are not of a known format or are damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing there.
    #[error("empty")]
    Empty,
    /// Written by a newer version, or not ours.
    #[error("unknown format {0}")]
    Format(u8),
    /// Cut or damaged.
    #[error("damaged: {0}")]
    Damaged(String),
}

/// Values that can be written.
pub trait Encode {
    /// The bytes.
    fn encode(&self) -> Vec<u8>;
}

/// Values that can be read back.
pub trait Decode: Sized {
    /// Reads a value that fills `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`]: unknown format, damaged, or trailing bytes.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;
}

impl<T: Serialize> Encode for T {
    fn encode(&self) -> Vec<u8> {
        // Serialising into a Vec fails only for types that postcard can't express; none of ours is one, and a test would show it.
        postcard::to_extend(self, vec![FORMAT]).unwrap_or_default()
    }
}

impl<T: DeserializeOwned> Decode for T {
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (&format, rest) = bytes.split_first().ok_or(DecodeError::Empty)?;
        if format != FORMAT {
            return Err(DecodeError::Format(format));
        }
        match postcard::take_from_bytes(rest) {
            Ok((value, [])) => Ok(value),
            Ok(_) => Err(DecodeError::Damaged("trailing bytes".to_owned())),
            Err(error) => Err(DecodeError::Damaged(error.to_string())),
        }
    }
}
