//! Records what came of deliveries, and puts others off: gathered per group, one command at a time, so that a busy group gets few and
//! large ones and an idle one gets them at once.
//!
//! A command whose outcome is unknown is proposed again under the same request id, until it is known or the worker has ended: a remote server
//! has the message, and whatever became of the lease meanwhile, a late outcome is better than none. Nothing new is leased of a group that takes no commands, so what
//! waits is bounded. Of a command that is refused the halves are tried, so that one bad outcome loses no other. Nothing here blocks a delivery.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use yubin_proto::queue::QueueError;
use yubin_proto::{Body, Caller, StoreClient};
use yubin_state::queue::{DeliveryKey, DeliveryResult, DestinationName, NewQueued, Postponed, Waits};
use yubin_types::{GroupNumber, RequestId, limits};

use crate::metrics::Metrics;
use crate::result::Settled;

/// Deliveries in one command: more would make entries large, not commits fewer.
const ITEMS_MAX: usize = 200;
/// Bytes of notices in one command.
const NOTICE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Pause before a command that failed is proposed again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
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

    /// Why a delivery is put off, if its destination is the reason.
    fn why(&self, postponed: &Postponed) -> Option<Waits>;
}

impl Recorder {
    /// A recorder for a group, and the task that it needs; the task ends when all recorders are dropped and everything is recorded, or when all is
    /// `over`.
    pub(crate) fn new(
        store: Arc<StoreClient>,
        group: GroupNumber,
        metrics: Metrics,
        (heard, over): (Arc<dyn Heard>, CancellationToken),
    ) -> (Recorder, impl Future<Output = ()> + Send) {
        let (notes, received) = unbounded_channel();
        (Recorder { notes }, record(Recording { store, group, metrics, heard, over }, received))
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
    over: CancellationToken,
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
        let (settled, put_off) = next(waiting);
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
        let mut why: BTreeMap<DestinationName, Waits> = BTreeMap::new();
        for item in &items {
            let destination = &item.delivery.destination;
            if !why.contains_key(destination) {
                why.extend(self.heard.why(item).map(|waits| (destination.clone(), waits)));
            }
        }
        self.metrics.put_off(items.len());
        self.metrics.command("postpone");
        // What could not be put off is due again and comes back by itself.
        if let Err(error) = self.store.postpone(self.group, (items, why), &Caller::internal("queue")).await {
            tracing::warn!(%error, group = self.group.0, "deliveries could not be put off");
        }
    }

    async fn results(&self, settled: Vec<Settled>) {
        let leases: Vec<_> = settled.iter().map(|one| (one.result.delivery.clone(), one.result.token)).collect();
        let (count, mut stale) = (settled.len(), 0);
        let mut parts = vec![settled];
        while let Some(mut part) = parts.pop() {
            match self.until_known(&part).await {
                Some(late) => stale += late,
                None if part.len() > 1 => {
                    parts.push(part.split_off(part.len() / 2));
                    parts.push(part);
                }
                None => stale += 1,
            }
        }
        self.metrics.recorded(count - stale, stale);
        self.heard.recorded(&leases);
    }

    /// Records until the outcome is known; how many results came too late. `None`: they are refused.
    async fn until_known(&self, settled: &[Settled]) -> Option<usize> {
        let request = RequestId(rand::random());
        let caller = Caller::internal("queue");
        let (results, bodies) = command(settled);
        while !self.over.is_cancelled() {
            self.metrics.command("record");
            match self.store.record(self.group, results.clone(), (request, &caller), bodies.clone()).await {
                Ok(stale) => return Some(stale.len()),
                Err(QueueError::Refused(refusal)) => {
                    tracing::error!(%refusal, results = results.len(), "outcomes of deliveries are refused");
                    return None;
                }
                Err(QueueError::Store(error)) => {
                    tracing::warn!(%error, group = self.group.0, "outcomes of deliveries could not be recorded");
                    tokio::select! {
                        () = self.over.cancelled() => {}
                        () = tokio::time::sleep(RETRY_PAUSE) => {}
                    }
                }
            }
        }
        Some(results.len())
    }
}

/// What waits and has room in one command of each kind. Of two outcomes of a delivery, under two leases, the second one is the next command's.
fn next(waiting: &mut VecDeque<Note>) -> (Vec<Settled>, Vec<Postponed>) {
    let (mut settled, mut put_off, mut keys) = (Vec::new(), Vec::new(), BTreeSet::new());
    let (mut recipients, mut notice_bytes) = (0, 0);
    while settled.len() < ITEMS_MAX && put_off.len() < limits::QUEUE_ITEMS_PER_COMMAND_MAX {
        match waiting.pop_front() {
            None => break,
            Some(Note::PutOff(postponed)) => put_off.push(postponed),
            Some(Note::Settled(one)) => {
                recipients += one.result.recipients.len() + one.result.notices.len();
                notice_bytes += one.bodies.iter().map(Bytes::len).sum::<usize>();
                let full = recipients > limits::QUEUE_RECIPIENTS_PER_COMMAND_MAX || notice_bytes > NOTICE_BYTES_MAX;
                if full && !settled.is_empty() || !keys.insert(one.result.delivery.clone()) {
                    waiting.push_front(Note::Settled(one));
                    break;
                }
                settled.push(*one);
            }
        }
    }
    (settled, put_off)
}

/// Results, with the bodies of all their notices.
fn command(settled: &[Settled]) -> (Vec<DeliveryResult>, Vec<Body>) {
    let (mut results, mut bodies) = (Vec::with_capacity(settled.len()), Vec::new());
    for Settled { result, bodies: own } in settled {
        let mut result = result.clone();
        for (notice, body) in result.notices.iter_mut().zip(own) {
            let notice: &mut NewQueued = notice;
            notice.body_ordinal = u16::try_from(bodies.len()).unwrap_or(u16::MAX);
            bodies.push(Body::Inline(body.clone()));
        }
        results.push(result);
    }
    (results, bodies)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use yubin_state::queue::{DelayNotice, DeliveryKey, DeliveryResult, DestinationName};
    use yubin_types::{DomainId, QueueId, Timestamp};

    use super::{Note, next};
    use crate::result::Settled;

    #[test]
    fn two_outcomes_of_a_delivery_are_two_commands() {
        let settled = |number, token| {
            let destination = DestinationName::parse("a.example").unwrap();
            let result = DeliveryResult {
                delivery: DeliveryKey { domain: DomainId(1), id: QueueId([number; 16]), destination },
                token,
                attempted: Timestamp(0),
                reply: None,
                recipients: Vec::new(),
                next_attempt: None,
                delay_notice: DelayNotice::NotSent,
                notices: Vec::new(),
            };
            Note::Settled(Box::new(Settled { result, bodies: Vec::new() }))
        };
        let mut waiting = VecDeque::from([settled(1, 5), settled(2, 6), settled(1, 7), settled(3, 8)]);
        let mut tokens = || next(&mut waiting).0.iter().map(|one| one.result.token).collect::<Vec<_>>();
        assert_eq!([tokens(), tokens(), tokens()], [vec![5, 6], vec![7, 8], vec![]]);
    }
}
