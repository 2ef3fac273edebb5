//! The leases that this worker holds: of deliveries under way, and of those that will begin when their destination has a free lane.
//!
//! A lease lasts as long as was asked for, counted from before it was asked for; so what is over here is over in the store at the
//! earliest a moment later. What has not begun by then never begins: its lease is no right to send any more. A lease is renewed when a
//! third of it has passed, and again each second until that succeeds.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use yubin_state::queue::DeliveryKey;
use yubin_types::{GroupNumber, limits};

use crate::assignment::Assignment;

/// All leases of a worker.
#[derive(Debug)]
pub(crate) struct Leases {
    duration: Duration,
    held: Mutex<BTreeMap<DeliveryKey, Held>>,
}

#[derive(Debug)]
struct Held {
    group: GroupNumber,
    token: u64,
    until: Instant,
    lost: CancellationToken,
    /// Until the delivery begins.
    waiting: Option<Box<Assignment>>,
}

impl Leases {
    /// Leases of this duration, cut to whole seconds within the store's bounds.
    pub(crate) fn new(duration: Duration) -> Leases {
        let seconds = duration.as_secs().clamp(1, limits::QUEUE_LEASE_SECONDS_MAX);
        Leases { duration: Duration::from_secs(seconds), held: Mutex::default() }
    }

    /// How long one lasts.
    pub(crate) fn seconds(&self) -> u64 {
        self.duration.as_secs()
    }

    /// A lease was granted that was asked for at `asked`.
    pub(crate) fn add(&self, assignment: Assignment, asked: Instant) {
        let (key, group, token) = (assignment.leased.key(), assignment.group, assignment.leased.token);
        let (until, lost) = (asked + self.duration, assignment.lost.clone());
        let held = Held { group, token, until, lost, waiting: Some(Box::new(assignment)) };
        self.held.lock().insert(key, held);
    }

    /// Is it this worker's, or was until its outcome is recorded?
    pub(crate) fn holds(&self, key: &DeliveryKey) -> bool {
        self.held.lock().contains_key(key)
    }

    /// The delivery begins; `None` if there is no right to it any more.
    pub(crate) fn begin(&self, key: &DeliveryKey) -> Option<Box<Assignment>> {
        let mut all = self.held.lock();
        let held = all.get_mut(key)?;
        if held.until <= Instant::now() {
            all.remove(key);
            return None;
        }
        held.waiting.take()
    }

    /// The delivery that had begun will begin anew.
    pub(crate) fn put_back(&self, assignment: Assignment) {
        let (key, token) = (assignment.leased.key(), assignment.leased.token);
        if let Some(held) = self.held.lock().get_mut(&key).filter(|held| held.token == token) {
            held.waiting = Some(Box::new(assignment));
        }
    }

    /// The outcome of this lease is recorded.
    pub(crate) fn settle(&self, key: &DeliveryKey, token: u64) {
        let mut all = self.held.lock();
        if all.get(key).is_some_and(|held| held.token == token) {
            all.remove(key);
        }
    }

    /// Holds it no more; its token.
    pub(crate) fn remove(&self, key: &DeliveryKey) -> Option<u64> {
        self.held.lock().remove(key).map(|held| held.token)
    }

    /// Those of a group that are to be renewed.
    pub(crate) fn worn(&self, group: GroupNumber) -> Vec<(DeliveryKey, u64)> {
        let worn = Instant::now() + self.duration.mul_f64(2.0 / 3.0);
        let all = self.held.lock();
        let of_group = all.iter().filter(|(_, held)| held.group == group && held.until <= worn);
        of_group.map(|(key, held)| (key.clone(), held.token)).collect()
    }

    /// These were renewed by a command that was given at `asked`; of `lost` places somebody else has the delivery, or it is gone.
    pub(crate) fn renewed(&self, items: &[(DeliveryKey, u64)], lost: &[u32], asked: Instant) {
        let mut all = self.held.lock();
        for (place, (key, token)) in (0_u32..).zip(items) {
            let Some(held) = all.get_mut(key).filter(|held| held.token == *token) else { continue };
            if lost.contains(&place) {
                held.lost.cancel();
                all.remove(key);
            } else {
                held.until = held.until.max(asked + self.duration);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use yubin_state::queue::{
        ContentFacts, DelayNotice, Delivery, DeliveryKey, DeliveryState, DestinationName, DsnEnvelope, Handling,
        Leased, QueueSource, QueuedMessage, Tenant,
    };
    use yubin_types::{DomainId, DomainName, Epoch, GroupNumber, QueueId, ReversePath, Timestamp, TraceId};

    use super::Leases;
    use crate::assignment::Assignment;

    fn leased(number: u8) -> Leased {
        let message = QueuedMessage {
            id: QueueId([number; 16]),
            sender: ReversePath::Null,
            source: QueueSource::Returned,
            message_id: None,
            bytes: 1,
            content: ContentFacts::default(),
            dsn: DsnEnvelope::default(),
            queued: Timestamp(0),
            trace: TraceId([0; 16]),
            deliveries: 1,
        };
        let delivery = Delivery {
            destination: DestinationName::parse("a.example").unwrap(),
            state: DeliveryState::Scheduled,
            next_attempt: Timestamp(0),
            attempts: 0,
            lapsed: 0,
            first_attempt: None,
            last_attempt: None,
            expires: Timestamp(1_000),
            token: u64::from(number),
            last_reply: None,
            delay_notice_due: None,
            delay_notice: DelayNotice::NotSent,
            handling: Handling::default(),
            bytes: 1,
            recipients: Vec::new(),
        };
        let tenant = Tenant { name: DomainName::parse("one.example").unwrap(), plan: "basic".to_owned() };
        Leased {
            domain: DomainId(1),
            epoch: Epoch(1),
            token: u64::from(number),
            message,
            delivery,
            terms: None,
            tenant,
            last_word: None,
        }
    }

    fn assigned(number: u8) -> Assignment {
        Assignment::new(GroupNumber(1), leased(number), None)
    }

    fn worn(leases: &Leases) -> Vec<(DeliveryKey, u64)> {
        leases.worn(GroupNumber(1))
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_ran_out_begins_nothing() {
        let leases = Leases::new(Duration::from_secs(30));
        let asked = Instant::now();
        let keys: Vec<DeliveryKey> = (1..=4).map(|number| leased(number).key()).collect();
        let third = assigned(3);
        let lost = third.lost.clone();
        [assigned(1), assigned(2), third, assigned(4)].into_iter().for_each(|one| leases.add(one, asked));
        assert!(worn(&leases).is_empty());
        assert_eq!(leases.begin(&keys[0]).unwrap().leased.token, 1);
        assert!(leases.begin(&keys[0]).is_none(), "it began already");

        tokio::time::advance(Duration::from_secs(10)).await;
        let items = worn(&leases);
        assert_eq!(items.len(), 4, "the one under way is kept, too");
        // The third is somebody else's now; the fourth was not among those that were asked for.
        assert!(leases.holds(&keys[2]) && !lost.is_cancelled());
        leases.renewed(&items[..3], &[2], Instant::now());
        assert!(!leases.holds(&keys[2]) && lost.is_cancelled(), "what is under way is cut off");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(leases.begin(&keys[1]).unwrap().leased.token, 2);
        assert!(leases.begin(&keys[2]).is_none() && leases.begin(&keys[3]).is_none());
        assert_eq!((leases.remove(&keys[0]), leases.remove(&keys[3])), (Some(1), None));
    }
}
