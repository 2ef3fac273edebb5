//! Records what came of deliveries, and puts others off: gathered per group, one command at a time, so that a busy group gets few and
//! large ones and an idle one gets them at once.
//!
//! A command whose outcome is unknown is proposed again under the same request id, until it is known or the leases are long over; what is lost
//! then comes back as a delivery whose lease ran out. Nothing here blocks a delivery.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use yubin_proto::queue::QueueError;
use yubin_proto::{Body, Caller, StoreClient};
use yubin_state::queue::{DeliveryKey, DeliveryResult, NewQueued, Postponed};
use yubin_types::{GroupNumber, RequestId, limits};

use crate::metrics::Metrics;
use crate::result::Settled;

/// Deliveries in one command: more would make entries large, not commits fewer.
const ITEMS_MAX: usize = 200;
/// Bytes of notices in one command.
const NOTICE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Pause before a command that failed is proposed again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Tries of a command; each takes as long as the client's patience.
const TRIES_MAX: u32 = 10;

/// Something to be recorded.
#[derive(Debug)]
pub(crate) enum Note {
    Settled(Box<Settled>),
    PutOff(Postponed),
}

/// Where notes of a group go. Notes in it are bounded by the deliveries under way and by the board.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    notes: UnboundedSender<Note>,
}

/// What the group's results came to, for whoever waits.
pub(crate) trait Heard: Send + Sync + 'static {
    /// These are recorded, or will never be.
    fn recorded(&self, leases: &[(DeliveryKey, u64)]);
}

impl Recorder {
    /// A recorder for a group, and the task that it needs; the task ends when all recorders are dropped and everything is recorded.
    pub(crate) fn new(
        store: Arc<StoreClient>,
        group: GroupNumber,
        metrics: Metrics,
        heard: Arc<dyn Heard>,
    ) -> (Recorder, impl Future<Output = ()> + Send) {
        let (notes, received) = unbounded_channel();
        (Recorder { notes }, record(Recording { store, group, metrics, heard }, received))
    }

    pub(crate) fn note(&self, note: Note) {
        // The task ends only after the last sender.
        let _ = self.notes.send(note);
    }
}

struct Recording {
    store: Arc<StoreClient>,
    group: GroupNumber,
    metrics: Metrics,
    heard: Arc<dyn Heard>,
}

async fn record(recording: Recording, mut received: UnboundedReceiver<Note>) {
    let mut waiting = VecDeque::new();
    while let Some(first) = received.recv().await {
        waiting.push_back(first);
        while !waiting.is_empty() {
            while let Ok(next) = received.try_recv() {
                waiting.push_back(next);
            }
            recording.commit(&mut waiting).await;
        }
    }
}

impl Recording {
    /// One command of each kind, out of what waits.
    async fn commit(&self, waiting: &mut VecDeque<Note>) {
        let (mut settled, mut put_off) = (Vec::new(), Vec::new());
        let (mut recipients, mut notice_bytes) = (0, 0);
        while settled.len() < ITEMS_MAX && put_off.len() < limits::QUEUE_ITEMS_PER_COMMAND_MAX {
            match waiting.pop_front() {
                None => break,
                Some(Note::PutOff(postponed)) => put_off.push(postponed),
                Some(Note::Settled(one)) => {
                    recipients += one.result.recipients.len() + one.result.notices.len();
                    notice_bytes += one.bodies.iter().map(Bytes::len).sum::<usize>();
                    let full = recipients > limits::QUEUE_RECIPIENTS_PER_COMMAND_MAX || notice_bytes > NOTICE_BYTES_MAX;
                    if full && !settled.is_empty() {
                        waiting.push_front(Note::Settled(one));
                        break;
                    }
                    settled.push(*one);
                }
            }
        }
        if !put_off.is_empty() {
            self.postpone(put_off).await;
        }
        if !settled.is_empty() {
            self.results(settled).await;
        }
    }

    async fn postpone(&self, items: Vec<Postponed>) {
        // The same delivery may have been put off twice: the last word counts.
        let mut seen = BTreeSet::new();
        let mut items: Vec<Postponed> =
            items.into_iter().rev().filter(|item| seen.insert(item.delivery.clone())).collect();
        items.reverse();
        self.metrics.put_off(items.len());
        self.metrics.command("postpone");
        // What could not be put off is due again and comes back by itself.
        if let Err(error) = self.store.postpone(self.group, items, &Caller::internal("queue")).await {
            tracing::warn!(%error, group = self.group.0, "deliveries could not be put off");
        }
    }

    async fn results(&self, settled: Vec<Settled>) {
        let leases: Vec<_> = settled.iter().map(|one| (one.result.delivery.clone(), one.result.token)).collect();
        let (mut results, mut bodies) = (Vec::with_capacity(settled.len()), Vec::new());
        for Settled { mut result, bodies: own } in settled {
            for (notice, body) in result.notices.iter_mut().zip(own) {
                let notice: &mut NewQueued = notice;
                notice.body_ordinal = u16::try_from(bodies.len()).unwrap_or(u16::MAX);
                bodies.push(Body::Inline(body));
            }
            results.push(result);
        }
        let stale = self.until_known(&results, &bodies).await.unwrap_or(results.len());
        self.metrics.recorded(results.len() - stale, stale);
        self.heard.recorded(&leases);
    }

    /// Records until the outcome is known; how many results came too late. `None`: nothing could be recorded.
    async fn until_known(&self, results: &[DeliveryResult], bodies: &[Body]) -> Option<usize> {
        let request = RequestId(rand::random());
        let caller = Caller::internal("queue");
        for attempt in 1..=TRIES_MAX {
            self.metrics.command("record");
            match self.store.record(self.group, results.to_vec(), (request, &caller), bodies.to_vec()).await {
                Ok(stale) => return Some(stale.len()),
                Err(QueueError::Refused(refusal)) => {
                    tracing::error!(%refusal, results = results.len(), "outcomes of deliveries are refused");
                    return None;
                }
                Err(QueueError::Store(error)) => {
                    tracing::warn!(%error, group = self.group.0, attempt, "outcomes of deliveries could not be recorded");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
        None
    }
}
