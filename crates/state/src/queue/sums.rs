//! Sums over a domain's deliveries by destination, so that what waits where is known without reading the queue.
//!
//! A row for each destination that a domain has mail for, gone with the last of it. A command gathers its changes on a [`Sheet`] and writes each row once;
//! what it began with is what [`Delivery::known`] said before. When the oldest message was queued is known roughly ([`Ages`]): to know it exactly would take
//! a row for each delivery.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use yubin_types::{DestinationName, DomainId, Timestamp, limits};

use super::due::{DueClass, Filed};
use super::record::Delivery;
use super::waits::Waits;
use crate::keys;
use crate::kv::Txn;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};

/// A domain's deliveries to a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationSums {
    /// Those that wait for an attempt.
    pub scheduled: Sum,
    /// Those that are leased, be it that the lease ran out.
    pub leased: Sum,
    /// Those that are held.
    pub held: Sum,
    /// When their messages were queued.
    pub ages: Ages,
    /// Why those wait that were put off without an attempt; gone when one is delivered.
    pub waits: Option<Box<Waits>>,
}

/// A sum over deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Deliveries.
    pub deliveries: u64,
    /// Their recipients.
    pub recipients: u64,
    /// Bytes of their messages.
    pub bytes: u64,
}

/// How many messages were queued from when on: the first of these times is never later than that of the oldest message, and earlier by a second and a quarter
/// of its age at most. New ones come at the end; of more than [`limits::QUEUE_AGES_MAX`] times, two that lie close together for their age become one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ages(Vec<(Timestamp, u64)>);

/// What index and sums know of a delivery: taken before it changes, so that both follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) filed: Filed,
    pub(crate) sum: Sum,
}

/// Changes of sums that are written together.
#[derive(Debug, Default)]
pub(crate) struct Sheet(BTreeMap<(DomainId, DestinationName), Vec<Change>>);

#[derive(Clone, Debug)]
enum Change {
    /// With when its message was queued.
    Came(Known, Timestamp),
    Became(Known, Known),
    /// With when its message was queued.
    Went(Known, Timestamp),
    /// That is why.
    Waits(Box<Waits>),
    /// A recipient was reached.
    Reached,
}

impl Delivery {
    /// What index and sums know of it.
    pub(crate) fn known(&self) -> Known {
        let recipients = self.recipients.len() as u64;
        Known { filed: self.filed(), sum: Sum { deliveries: 1, recipients, bytes: self.bytes } }
    }
}

impl Sheet {
    /// A delivery of a message that was queued then is new.
    pub(crate) fn came(&mut self, domain: DomainId, delivery: &Delivery, queued: Timestamp) {
        self.add(domain, &delivery.destination, Change::Came(delivery.known(), queued));
    }

    /// A delivery changed.
    pub(crate) fn became(&mut self, domain: DomainId, before: Known, delivery: &Delivery) {
        let after = delivery.known();
        if (before.filed.class, before.sum) != (after.filed.class, after.sum) {
            self.add(domain, &delivery.destination, Change::Became(before, after));
        }
    }

    /// A delivery of a message that was queued then is there no more.
    pub(crate) fn went(&mut self, domain: DomainId, destination: &DestinationName, before: Known, queued: Timestamp) {
        self.add(domain, destination, Change::Went(before, queued));
    }

    /// A domain's mail to a destination is put off without an attempt.
    pub(crate) fn waits(&mut self, domain: DomainId, destination: &DestinationName, why: &Waits) {
        let changes = self.0.entry((domain, destination.clone())).or_default();
        if !changes.iter().any(|change| matches!(change, Change::Waits(_))) {
            changes.push(Change::Waits(Box::new(why.clone().bounded())));
        }
    }

    /// A recipient of a domain's mail to a destination was reached.
    pub(crate) fn reached(&mut self, domain: DomainId, destination: &DestinationName) {
        self.add(domain, destination, Change::Reached);
    }

    fn add(&mut self, domain: DomainId, destination: &DestinationName, change: Change) {
        self.0.entry((domain, destination.clone())).or_default().push(change);
    }

    /// Writes each row once.
    pub(crate) fn write<T: Txn>(self, txn: &mut T) -> Outcome<(), T::Error> {
        for ((domain, destination), changes) in self.0 {
            let key = keys::queue_sums(domain, &destination);
            let mut sums = txn.row(&key)?.unwrap_or_default();
            let news = changes.into_iter().filter(|change| sums.is_news(change)).collect::<Vec<_>>();
            let is_changed = !news.is_empty();
            news.into_iter().for_each(|change| sums.apply(change));
            if sums.is_empty() {
                txn.unset(&key);
            } else if is_changed {
                txn.set(&key, &sums);
            }
        }
        Ok(())
    }
}

impl DestinationSums {
    /// Counts a delivery of a message that was queued then.
    pub(crate) fn count(&mut self, known: Known, queued: Timestamp) {
        self.apply(Change::Came(known, queued));
    }

    /// Does it change anything?
    fn is_news(&self, change: &Change) -> bool {
        match change {
            Change::Waits(why) => {
                let before = self.waits.as_deref();
                before != Some(&why.as_ref().clone().after(before))
            }
            Change::Reached => self.waits.is_some(),
            Change::Came(..) | Change::Became(..) | Change::Went(..) => true,
        }
    }

    /// Has the domain nothing for the destination any more?
    fn is_empty(&self) -> bool {
        [self.scheduled, self.leased, self.held].iter().all(|sum| sum.deliveries == 0)
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Waits(why) => self.waits = Some(Box::new(why.after(self.waits.as_deref()))),
            Change::Reached => self.waits = None,
            Change::Came(known, queued) => {
                self.of(known.filed.class).add(known.sum);
                self.ages.add(queued);
            }
            Change::Became(before, after) => {
                self.of(before.filed.class).take(before.sum);
                self.of(after.filed.class).add(after.sum);
            }
            Change::Went(known, queued) => {
                self.of(known.filed.class).take(known.sum);
                self.ages.take(queued);
            }
        }
    }

    fn of(&mut self, class: DueClass) -> &mut Sum {
        match class {
            DueClass::Leased => &mut self.leased,
            DueClass::Urgent | DueClass::Normal | DueClass::Bulk => &mut self.scheduled,
            DueClass::Held => &mut self.held,
        }
    }
}

impl Sum {
    pub(crate) fn add(&mut self, other: Sum) {
        self.deliveries += other.deliveries;
        self.recipients += other.recipients;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Below zero is a broken sum: stop this replica rather than go on with a wrong number.
    pub(crate) fn take(&mut self, other: Sum) {
        let less = |count: u64, by: u64| {
            let rest = count.checked_sub(by);
            assert!(rest.is_some(), "a sum of the queue, {count}, can't give back {by}");
            rest.unwrap_or_default()
        };
        self.deliveries = less(self.deliveries, other.deliveries);
        self.recipients = less(self.recipients, other.recipients);
        self.bytes = less(self.bytes, other.bytes);
    }
}

impl Ages {
    /// When the oldest message was queued, or somewhat before.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.0.first().map(|(from, _)| *from)
    }

    /// How many messages there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// A message is queued now. The part of a second is of no matter.
    fn add(&mut self, now: Timestamp) {
        let now = Timestamp(now.millis() - now.millis() % 1_000);
        match self.0.last_mut() {
            Some((from, count)) if *from >= now => *count += 1,
            _ => self.0.push((now, 1)),
        }
        if self.0.len() > limits::QUEUE_AGES_MAX {
            self.merge(now);
        }
    }

    /// A message that was queued then is there no more.
    fn take(&mut self, queued: Timestamp) {
        let index = self.0.partition_point(|(from, _)| *from <= queued).saturating_sub(1);
        let Some((_, count)) = self.0.get_mut(index) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.0.remove(index);
        }
    }

    /// Makes one of the two neighbours that lie closest together for their age.
    fn merge(&mut self, now: Timestamp) {
        let gaps = self.0.iter().zip(self.0.iter().skip(1)).enumerate();
        // As parts of a million, so that no fraction is needed.
        let part = |(from, next): (Timestamp, Timestamp)| {
            let gap = next.millis_since(from).saturating_mul(1_000_000);
            gap / now.millis_since(from).max(1)
        };
        let closest = gaps.min_by_key(|(_, ((from, _), (next, _)))| part((*from, *next)));
        let Some((index, _)) = closest else { return };
        let (_, joined) = self.0.remove(index + 1);
        if let Some((_, count)) = self.0.get_mut(index) {
            *count += joined;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use yubin_types::{Timestamp, limits};

    use super::Ages;

    #[test]
    fn the_oldest_is_known_to_a_part_of_its_age() {
        let (mut ages, mut queued) = (Ages::default(), VecDeque::new());
        let mut now = 1_000_000_000_u64;
        let mut random = 7_u64;
        for step in 0..200_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            now += (random >> 33) % 5_000;
            ages.add(Timestamp(now));
            queued.push_back(now);
            // Many go soon, some stay for long.
            while queued.len() > 1 && !(random >> 40).is_multiple_of(3) && queued.len() as u64 > 50 + step % 9_000 {
                ages.take(Timestamp(queued.pop_front().unwrap()));
            }
            if (random >> 50).is_multiple_of(4) && queued.len() > 2 {
                ages.take(Timestamp(queued.remove(queued.len() / 2).unwrap()));
            }
            let (told, oldest) = (ages.oldest().unwrap().millis(), queued[0]);
            assert_eq!(ages.count(), queued.len() as u64);
            assert!(ages.0.len() <= limits::QUEUE_AGES_MAX);
            assert!(told <= oldest && oldest - told <= 1_000 + (now - told) / 4, "{told} for {oldest} at {now}");
        }
        queued.iter().for_each(|at| ages.take(Timestamp(*at)));
        assert_eq!(ages, Ages::default());
    }
}
