//! What a worker has the right to try: a leased delivery, and its message's bytes if they came with it.
//!
//! Bytes at hand are what a store need not be asked for. They are kept while the delivery waits for its lane, within a bound for all
//! together ([`Room`]); what finds no room is read from the store like any other message.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use yubin_proto::Content;
use yubin_state::queue::Leased;
use yubin_types::{GroupNumber, limits};

use crate::pools::SourceId;

/// Bytes of a unit of room.
const UNIT_BYTES: usize = 1_024;

/// A leased delivery.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) group: GroupNumber,
    pub(crate) leased: Leased,
    /// Where it leaves from, once it begins.
    pub(crate) source: SourceId,
    /// Its message's bytes, where they came with it.
    pub(crate) content: Option<Arc<AtHand>>,
    /// Somebody else has it, or it is gone.
    pub(crate) lost: CancellationToken,
}

impl Assignment {
    /// Of a lease that was just granted.
    pub(crate) fn new(group: GroupNumber, leased: Leased, content: Option<Arc<AtHand>>) -> Assignment {
        Assignment { group, leased, source: SourceId::SYSTEM, content, lost: CancellationToken::new() }
    }
}

/// A message's bytes: prefix and body as one sequence.
#[derive(Debug)]
pub(crate) struct AtHand {
    prefix: Bytes,
    body: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AtHand {
    /// The octets from `offset` on, as far as they lie together.
    pub(crate) fn from(&self, offset: u64) -> Bytes {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        match offset.checked_sub(self.prefix.len()) {
            None => self.prefix.slice(offset..),
            Some(offset) => self.body.slice(offset.min(self.body.len())..),
        }
    }
}

/// Memory for bytes at hand.
#[derive(Debug)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Room(Arc::new(Semaphore::new(limits::QUEUE_AT_HAND_BYTES_MAX / UNIT_BYTES)))
    }
}

impl Room {
    /// Keeps a message's bytes, if there is room.
    pub(crate) fn keep(&self, content: Content) -> Option<Arc<AtHand>> {
        let Content::Whole { prefix, body } = content else { return None };
        let units = u32::try_from((prefix.len() + body.len()).div_ceil(UNIT_BYTES)).ok()?;
        let room = Arc::clone(&self.0).try_acquire_many_owned(units).ok()?;
        Some(Arc::new(AtHand { prefix, body, _room: room }))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use yubin_proto::Content;
    use yubin_types::limits;

    use super::Room;

    #[test]
    fn bytes_at_hand_are_one_sequence_and_bounded() {
        let room = Room::default();
        let content =
            |bytes: usize| Content::Whole { prefix: Bytes::from_static(b"ab"), body: vec![b'c'; bytes].into() };
        let small = room.keep(content(3)).unwrap();
        let read: Vec<Bytes> = (0..7).map(|offset| small.from(offset)).collect();
        assert_eq!(read, ["ab", "b", "ccc", "cc", "c", "", ""].map(Bytes::from));
        assert!(room.keep(content(limits::QUEUE_AT_HAND_BYTES_MAX - 1_000)).is_none());
        drop(small);
        assert!(room.keep(content(limits::QUEUE_AT_HAND_BYTES_MAX - 1_000)).is_some());
        assert!(room.keep(Content::Stored).is_none());
    }
}
