//! What the state machine needs of its storage: an ordered key-value view and a transaction on top of it.
//!
//! Keys are relative to the group. The real implementation is `consensus`'s on RocksDB (wired in `store`); tests use a map.

use std::ops::ControlFlow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// A stored body, as the storage names it: open-ended, opaque here, compared by content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BodyRef(pub SmallVec<[u8; 24]>);

/// Where an entry stands in its group's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Log index.
    pub index: u64,
    /// Term.
    pub term: u64,
}

/// A consistent state at one applied index.
pub trait View {
    /// The disk failed.
    type Error: std::fmt::Debug;

    /// The value of a key.
    ///
    /// # Errors
    /// The disk failed.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Self::Error>;

    /// Visits the pairs with `from <= key < to` in ascending order until `visit` breaks.
    ///
    /// # Errors
    /// The disk failed.
    #[expect(clippy::type_complexity, reason = "an alias would hide what a visitor gets")]
    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Self::Error>;
}

/// A view that sees its own writes, which become visible to others together or never.
pub trait Txn: View {
    /// Sets a key.
    fn put(&mut self, key: &[u8], value: &[u8]);
    /// Removes a key.
    fn delete(&mut self, key: &[u8]);
    /// The last reference to a body is gone: its bytes may be reclaimed once the log no longer needs them.
    fn drop_body(&mut self, body: &BodyRef);
}
