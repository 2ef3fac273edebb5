//! What the clients did and what they were told.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::machine::Operation;
use crate::ids::GroupId;

/// What a client knows about one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Never answered, or answered that nobody knows.
    Unknown,
    /// Applied at this index.
    Applied(u64),
    /// Not applied, now or ever.
    Refused,
}

/// One operation of a client.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) group: GroupId,
    pub(crate) operation: Operation,
    /// BLAKE3 of each body, in order.
    pub(crate) bodies: Vec<[u8; 32]>,
    pub(crate) outcome: Outcome,
    /// Numbers of the events "sent" and "answered" in the order of all events.
    pub(crate) sent: u64,
    pub(crate) answered: Option<u64>,
}

/// Everything that clients did. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct History(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    entries: BTreeMap<u64, Entry>,
    events: u64,
}

impl History {
    /// Notes an operation before it is sent.
    pub(crate) fn send(&self, group: GroupId, operation: Operation, bodies: Vec<[u8; 32]>) {
        let mut inner = self.0.lock();
        inner.events += 1;
        let sent = inner.events;
        let entry = Entry { group, operation, bodies, outcome: Outcome::Unknown, sent, answered: None };
        inner.entries.insert(operation.id(), entry);
    }

    /// Notes the answer.
    pub(crate) fn answer(&self, operation: Operation, outcome: Outcome) {
        let mut inner = self.0.lock();
        inner.events += 1;
        let events = inner.events;
        if let Some(entry) = inner.entries.get_mut(&operation.id()) {
            entry.outcome = outcome;
            entry.answered = Some(events);
        }
    }

    /// All operations, by number.
    pub(crate) fn entries(&self) -> BTreeMap<u64, Entry> {
        self.0.lock().entries.clone()
    }

    /// How many were applied for certain.
    pub(crate) fn applied(&self) -> usize {
        self.0.lock().entries.values().filter(|entry| matches!(entry.outcome, Outcome::Applied(_))).count()
    }
}
