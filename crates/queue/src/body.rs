//! The bytes of a queued message, at hand or read from the store piece by piece: prefix and body as one sequence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use yubin_proto::queue::scope_of;
use yubin_proto::{Scope, StoreClient};
use yubin_session::smtp::client::{Reply, Verdict};
use yubin_types::{QueueId, limits};

use crate::assignment::{Assignment, AtHand};
use crate::connection::{Message, Piece};
use crate::fate::{Fate, Tried};
use crate::pace::Signal;

/// How far a delivery has come, for whoever cuts it off. Was its message handed out to its end? Then it may have arrived, whatever is
/// heard of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handed {
    whole: Arc<AtomicBool>,
    known: Arc<Mutex<Known>>,
}

/// What is known of recipients, by their places.
#[derive(Debug, Default)]
struct Known {
    /// Those of the transaction under way.
    asked: Vec<usize>,
    /// Final outcomes of those before.
    fates: BTreeMap<usize, Fate>,
}

impl Handed {
    /// May the message that is being sent have arrived?
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    /// A transaction for these recipients begins.
    pub(crate) fn begins(&self, asked: &[usize]) {
        self.whole.store(false, Ordering::Relaxed);
        self.known.lock().asked = asked.to_vec();
    }

    /// It has ended, and this came of them.
    pub(crate) fn came(&self, fates: &[Option<Fate>]) {
        let mut known = self.known.lock();
        let asked = std::mem::take(&mut known.asked);
        let of = |index: usize| Some((index, fates.get(index)?.clone()?));
        known.fates.extend(asked.into_iter().filter_map(of).filter(|(_, fate)| fate.is_final()));
        self.whole.store(false, Ordering::Relaxed);
    }

    /// Is the end of any recipient known?
    pub(crate) fn has_settled(&self) -> bool {
        !self.known.lock().fates.is_empty()
    }

    /// What came of the delivery's recipients where it is cut off, for this reason: those that have no word yet are tried again.
    pub(crate) fn tried(&self, count: usize, why: &Reply, signal: Signal) -> Tried {
        let mut tried = Tried::all(count, why, signal);
        let known = self.known.lock();
        for &index in known.asked.iter().filter(|_| self.is_whole()) {
            if let Some(fate) = tried.fates.get_mut(index) {
                fate.verdict = Verdict::Unknown;
            }
        }
        for (&index, fate) in &known.fates {
            if let Some(place) = tried.fates.get_mut(index) {
                place.clone_from(fate);
            }
        }
        tried
    }
}

/// A queued message's bytes.
#[derive(Clone, Debug)]
pub(crate) struct QueuedBody {
    store: Arc<StoreClient>,
    scope: Scope,
    id: QueueId,
    at_hand: Option<Arc<AtHand>>,
    bytes: u64,
    offset: u64,
    handed: Handed,
}

impl QueuedBody {
    pub(crate) fn of(store: &Arc<StoreClient>, assignment: &Assignment, handed: &Handed) -> QueuedBody {
        let Assignment { group, leased, content, .. } = assignment;
        QueuedBody {
            store: Arc::clone(store),
            scope: scope_of(*group, leased),
            id: leased.message.id,
            at_hand: content.clone(),
            bytes: leased.message.bytes,
            offset: 0,
            handed: handed.clone(),
        }
    }

    /// From the beginning again.
    pub(crate) fn rewound(&self) -> QueuedBody {
        QueuedBody { offset: 0, ..self.clone() }
    }

    /// From the beginning for who only looks at it: nothing that is read so is handed out.
    pub(crate) fn apart(&self) -> QueuedBody {
        QueuedBody { offset: 0, handed: Handed::default(), ..self.clone() }
    }

    /// Its last octet is on its way.
    pub(crate) fn handed_out(&self) {
        self.handed.whole.store(true, Ordering::Relaxed);
    }

    pub(crate) const fn length(&self) -> u64 {
        self.bytes
    }

    /// Octets from `offset`, as many as are at hand or at most `BODY_CHUNK_BYTES`; why not, for the log.
    async fn read(&self, offset: u64) -> Result<Bytes, String> {
        if let Some(bytes) = self.at_hand.as_ref().map(|content| content.from(offset)).filter(|bytes| !bytes.is_empty())
        {
            return Ok(bytes);
        }
        let length = u32::try_from(limits::BODY_CHUNK_BYTES).unwrap_or(u32::MAX);
        match self.store.read_queued(self.scope, self.id, offset, length).await {
            Ok(bytes) if bytes.is_empty() => Err("the message is shorter than it should be".to_owned()),
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The beginning, at most so many octets.
    pub(crate) async fn beginning(&self, bytes_max: usize) -> Result<Bytes, String> {
        let mut beginning = BytesMut::new();
        while beginning.len() < bytes_max && (beginning.len() as u64) < self.bytes {
            beginning.extend_from_slice(&self.read(beginning.len() as u64).await?);
        }
        beginning.truncate(bytes_max);
        Ok(beginning.freeze())
    }
}

impl Message for QueuedBody {
    async fn next(&mut self) -> Option<Piece> {
        if self.offset >= self.bytes {
            self.handed_out();
            return Some(Piece::Last(Bytes::new()));
        }
        match self.read(self.offset).await {
            Ok(bytes) => {
                self.offset += bytes.len() as u64;
                if self.offset < self.bytes {
                    return Some(Piece::Middle(bytes));
                }
                self.handed_out();
                Some(Piece::Last(bytes))
            }
            Err(error) => {
                tracing::warn!(id = %self.id, error, "a queued message can't be read");
                None
            }
        }
    }
}
