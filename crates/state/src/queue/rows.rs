//! What rows of the queue hold that only this crate reads and writes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::record::{QueueTotals, QueuedMessage};
use crate::kv::BodyRef;

/// A queued message with its bytes. Written once; gone with its last delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// What others see.
    pub message: QueuedMessage,
    /// Goes before the body.
    pub prefix: Bytes,
    /// The body.
    pub body: BodyRef,
    /// Its size, bytes.
    pub body_bytes: u64,
}

/// What changes in a domain with every message that is queued or done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCounters {
    /// What is queued.
    pub totals: QueueTotals,
    /// The last event's number.
    pub events: u64,
    /// Recipients of which refusals are known: most domains have none, and a record needn't look.
    pub dead: u32,
}
