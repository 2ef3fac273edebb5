//! From which address mail leaves, as the worker sees it: what the board decides, and what follows for the store, the log and the operator.
//!
//! A worker that has none of a pool's addresses leaves the pool's mail to the other workers, if it knows of any: given back, the delivery
//! is due at once for them, and this one passes it over for a while, or until it gets an address. An address that a receiver blocks is written into the directory as a
//! suspension, with the receiver's words: all workers heed it, and an operator can end it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use yubin_proto::Caller;
use yubin_proto::queue::QueueError;
use yubin_session::smtp::client::{Reply, Verdict};
use yubin_state::queue::{DeliveryKey, DueItem, Leased, QueueSuspension, RemoteReply, Shares, SuspensionScope};
use yubin_types::{Timestamp, limits};

use crate::assignment::Assignment;
use crate::blocks;
use crate::board::{Age, Due, Met, NoWay, Rerouted};
use crate::connection::now;
use crate::fate::Tried;
use crate::pools::{MailKind, PoolId, SourceId};
use crate::profile::Profile;
use crate::result::Again;
use crate::sources::{MISSING_SECONDS, Presence};
use crate::worker::Shared;

/// When to try again to write down that an address is set aside.
const TELL_AGAIN: Duration = Duration::from_secs(5);

/// Deliveries that are remembered to be others' to try.
const LEFT_MAX: usize = 10_000;

/// What becomes of a delivery that can't leave from the source that it was given.
#[derive(Debug)]
pub(crate) enum Way {
    /// It leaves from another one, or later.
    Other,
    /// There is none, for this reason.
    None(Reply),
}

/// What this worker leaves to others, and until when; forgotten when it gets an address that it had not.
#[derive(Debug, Default)]
pub(crate) struct Left {
    until: Mutex<BTreeMap<DeliveryKey, Timestamp>>,
    forgotten: watch::Sender<()>,
}

impl Left {
    pub(crate) fn add(&self, now: Timestamp, key: &DeliveryKey) {
        let mut all = self.until.lock();
        if all.len() >= LEFT_MAX {
            all.retain(|_, until| *until > now);
        }
        if all.len() < LEFT_MAX {
            all.insert(key.clone(), left_until(now));
        }
    }

    /// How long after a delivery became due this worker leaves it to others that may have an address for it, milliseconds.
    pub(crate) fn ms(&self, item: &DueItem, now: Timestamp) -> u64 {
        let mut all = self.until.lock();
        match all.get(&item.delivery) {
            Some(until) if *until > now => until.millis_since(item.filed.due),
            Some(_) => {
                all.remove(&item.delivery);
                0
            }
            None => 0,
        }
    }

    /// For whoever looks at what is due: changes when nothing is left to others any more.
    pub(crate) fn forgotten(&self) -> watch::Receiver<()> {
        self.forgotten.subscribe()
    }

    /// This worker has an address that it had not: all is its to look at again, at once.
    fn forget(&self) {
        self.until.lock().clear();
        self.forgotten.send_replace(());
    }
}

/// Until when this worker passes over what it leaves to others now.
pub(crate) fn left_until(now: Timestamp) -> Timestamp {
    now.plus_seconds(MISSING_SECONDS)
}

impl Shared {
    /// The pool that a delivery leaves by. Into domains of this cluster none is needed.
    pub(crate) async fn pool(&self, leased: &Leased) -> PoolId {
        let pools = &self.engine.pools;
        if !pools.are_configured() {
            return PoolId::SYSTEM;
        }
        if let Some(domain) = leased.delivery.destination.domain()
            && let Ok(Some(_)) = self.engine.store.resolve_destination(domain).await
        {
            return PoolId::SYSTEM;
        }
        self.outer_pool(leased)
    }

    /// The pool of mail that leaves the cluster.
    fn outer_pool(&self, leased: &Leased) -> PoolId {
        self.engine.pools.choose(MailKind::from(&leased.message.source), &leased.tenant)
    }

    /// The directory says what this worker may use.
    pub(crate) fn learn(&self, shares: Shares) {
        let (back, gained) = {
            let mut board = self.board.lock();
            let before = board.sources().own();
            let back = board.learn(now(), shares);
            (back, !board.sources().own().is_subset(&before))
        };
        if gained {
            self.left.forget();
        }
        self.give_back(back);
    }

    /// This machine has a source's address, or not.
    pub(crate) fn present(&self, source: SourceId, presence: Presence) {
        let address = self.engine.pools.source(source).and_then(|source| source.address);
        let Some(address) = address else { return };
        self.engine.metrics.usable(address, presence);
        let Some(back) = self.board.lock().present(now(), source, presence) else { return };
        match presence {
            Presence::Here => {
                tracing::info!(%address, "a source address is there again");
                self.left.forget();
            }
            Presence::Missing => {
                tracing::warn!(%address, "this machine does not have a source address: its mail leaves from others, or waits");
            }
        }
        self.give_back(back);
        self.wake();
    }

    /// An attempt has found out who its destination's receiver is: may it go on?
    ///
    /// # Errors
    /// The receiver is busy with other deliveries.
    pub(crate) fn joins(&self, assignment: &Assignment, receiver: &Arc<Profile>) -> Result<(), NoWay> {
        let destination = &assignment.leased.delivery.destination;
        match self.board.lock().met(now(), destination, assignment.source, receiver) {
            Met::GoesOn => Ok(()),
            Met::Waits => Err(NoWay::Busy),
        }
    }

    /// A delivery that began can't leave from its source, or not now.
    pub(crate) fn reroute(&self, assignment: &Assignment, why: NoWay) -> Way {
        if why == NoWay::Missing {
            self.present(assignment.source, Presence::Missing);
        }
        let (now, leased) = (now(), &assignment.leased);
        let pool = self.outer_pool(leased);
        let age = if leased.delivery.expires <= now { Age::Over } else { Age::Again };
        let priority = leased.delivery.handling.priority;
        let due = Due { group: assignment.group, key: leased.key(), age, priority };
        // Before it may begin again.
        self.leases.put_back(assignment.clone());
        let rerouted = self.board.lock().reroute(now, due, (pool, assignment.source), why);
        let watch = self.engine.dialogues.of(leased.message.id);
        match rerouted {
            Rerouted::Elsewhere => {
                if let Some(watch) = watch {
                    let what = match why {
                        NoWay::Busy => "it waits until other deliveries to the same servers have ended",
                        NoWay::Family(_) | NoWay::Missing => {
                            "it can't be reached from this address; another one is tried"
                        }
                    };
                    watch.note(what.to_owned());
                }
            }
            Rerouted::Back(back) => {
                self.give_back(vec![back]);
                if let Some(watch) = watch {
                    watch.end(["put off: none of the addresses that it may leave from can be used now".to_owned()]);
                }
            }
            Rerouted::Nowhere => {
                let name = self.engine.pools.name(pool);
                let why = match why {
                    NoWay::Family(family) => format!("its hosts have only {family} addresses"),
                    NoWay::Missing => "this machine has none of its addresses".to_owned(),
                    NoWay::Busy => "its servers are busy".to_owned(),
                };
                let text =
                    format!("no address of the pool {name:?} can be used for {}: {why}", leased.delivery.destination);
                return Way::None(Reply::conclusion(451, (4, 4, 4), &text));
            }
        }
        self.wake();
        Way::Other
    }

    /// Heeds what an attempt says about its source: one that is blocked is set aside, and whoever was refused for that goes on from another.
    pub(crate) fn heed(self: &Arc<Self>, assignment: &Assignment, tried: &mut Tried) -> Again {
        let (now, leased) = (now(), &assignment.leased);
        let pools = &self.engine.pools;
        let Some(address) = pools.source(assignment.source).and_then(|source| source.address) else {
            return Again::Scheduled;
        };
        self.engine.metrics.tried_from(address);
        let destination = &leased.delivery.destination;
        if tried.fates.iter().any(|fate| fate.verdict == Verdict::Delivered) {
            self.board.lock().sources().delivered(now, destination, assignment.source);
        }
        let Some(said) = blocks::block(tried).cloned() else { return Again::Scheduled };
        let (until, back, has_other) = {
            let mut board = self.board.lock();
            let (until, back) = board.set_aside(now, destination, assignment.source);
            let has_other = board.has_other(now, &leased.key(), self.outer_pool(leased), assignment.source);
            (until, back, has_other)
        };
        self.give_back(back);
        if let Some(until) = until {
            tracing::warn!(%address, %destination, reply = said.text, code = said.code, "a source address is blocked, and set aside");
            let scope = SuspensionScope::Source { destination: destination.clone(), address };
            let suspension = QueueSuspension { scope, reason: reason(&said), since: now, expires: Some(until) };
            let shared = Arc::clone(self);
            self.recording.spawn(async move { shared.write_down(suspension).await });
        }
        if !has_other {
            return Again::Scheduled;
        }
        blocks::go_on(tried);
        Again::AtOnce
    }

    async fn write_down(&self, suspension: QueueSuspension) {
        while suspension.expires.is_some_and(|expires| expires > now()) {
            let error = match self.engine.store.suspend_queue(suspension.clone(), &Caller::internal("queue")).await {
                Ok(()) => return,
                Err(error) => error,
            };
            tracing::warn!(%error, "no other worker knows that a source address is set aside");
            if matches!(error, QueueError::Refused(_)) || self.drain.is_cancelled() {
                return;
            }
            tokio::select! {
                () = self.drain.cancelled() => {}
                () = tokio::time::sleep(TELL_AGAIN) => {}
            }
        }
    }
}

/// A receiver's words, as a suspension has them.
fn reason(said: &RemoteReply) -> String {
    let enhanced = said.enhanced.map(|enhanced| format!("{enhanced} ")).unwrap_or_default();
    let mut reason = format!("{} said: {} {enhanced}{}", said.host, said.code, said.text);
    while reason.len() > limits::REASON_BYTES_MAX {
        reason.pop();
    }
    reason
}

#[cfg(test)]
mod tests {
    use yubin_state::queue::{DeliveryKey, DestinationName, DueClass, DueItem, DueMark, Filed};
    use yubin_types::{DomainId, QueueId, Timestamp};

    use super::Left;
    use crate::sources::MISSING_SECONDS;

    #[test]
    fn what_was_left_to_others_is_this_worker_s_at_once_when_it_gets_an_address() {
        let (left, now) = (Left::default(), Timestamp(10_000));
        let destination = DestinationName::parse("a.example").unwrap();
        let delivery = DeliveryKey { domain: DomainId(1), id: QueueId([1; 16]), destination };
        let filed = Filed { class: DueClass::Normal, due: now };
        let item = DueItem { filed, delivery, mark: DueMark::default() };
        left.add(now, &item.delivery);
        assert_eq!(left.ms(&item, now), MISSING_SECONDS * 1_000);
        let looks = left.forgotten();
        assert!(!looks.has_changed().unwrap());
        left.forget();
        assert_eq!((left.ms(&item, now), looks.has_changed().unwrap()), (0, true));
        left.add(now, &item.delivery);
        assert_eq!(left.ms(&item, now.plus_seconds(MISSING_SECONDS)), 0, "others had their time");
    }
}
