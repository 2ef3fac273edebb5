//! The queue of a group: deliveries against messages, the index of due times, counters and events.

use std::collections::{BTreeMap, BTreeSet};

use yubin_types::{DomainId, Timestamp, limits};

use super::Findings;
use crate::keys;
use crate::kv::View;
use crate::queue::sums::DestinationSums;
use crate::queue::{DeliveryKey, DeliveryState, DueItem, QueueTotals, SumPlace, forget};
use crate::rows::Counters;
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

/// Every delivery stands once among the due times, and nothing else does; deleted domains too, until their rows are gone.
pub(super) fn due_index<V: View>(view: &V, found: &mut Findings) -> Outcome<(), V::Error> {
    let mut filed = BTreeSet::new();
    view.each(&keys::deliveries(DomainId(0)), |key, delivery| {
        let (domain, id) = (keys::parse_domain(key), keys::parse_queued(key));
        let (place, mark) = (delivery.filed(), delivery.mark());
        let delivery = DeliveryKey { domain, id, destination: delivery.destination };
        filed.insert(DueItem { filed: place, delivery, mark });
        go_on_while(true)
    })?;
    let rows = view.first_rows(&keys::queue_dues(), usize::MAX)?;
    let count = rows.len();
    let indexed: BTreeSet<_> = rows.into_iter().filter_map(|(key, mark)| keys::parse_queue_due(&key, mark)).collect();
    found.equal("due times of the queue can be read", "group", &count, &indexed.len());
    found.equal("due times of the queue", "group", &indexed, &filed);
    Ok(())
}

/// A domain's messages, deliveries, counters and events.
pub(super) fn check<V: View>(
    view: &V,
    id: DomainId,
    counters: &Counters,
    found: &mut Findings,
) -> Outcome<(), V::Error> {
    let place = format!("domain {id}");
    let mut left: BTreeMap<_, u32> = BTreeMap::new();
    view.each(&keys::deliveries(id), |key, delivery| {
        *left.entry(keys::parse_queued(key)).or_default() += 1;
        let known = keys::delivery(id, keys::parse_queued(key), &delivery.destination);
        found.holds("a delivery lies under its destination", known.bytes() == key, || place.clone());
        found.holds("a delivery has recipients", !delivery.recipients.is_empty(), || place.clone());
        let fenced = delivery.token != 0 || !matches!(delivery.state, DeliveryState::InFlight { .. });
        found.holds("a lease has a token", fenced, || format!("{place}: {delivery:?}"));
        found.holds("lapsed leases are attempts", delivery.lapsed <= delivery.attempts, || place.clone());
        go_on_while(true)
    })?;
    let mut totals =
        QueueTotals { deliveries: left.values().map(|&count| u64::from(count)).sum(), ..Default::default() };
    let mut messages = BTreeSet::new();
    view.each(&keys::queued_of(id), |key, queued| {
        messages.insert(keys::parse_queued(key));
        totals.messages += 1;
        totals.bytes += queued.message.bytes;
        let whole = queued.prefix.len() as u64 + queued.body_bytes;
        found.equal("bytes of a queued message", &place, &queued.message.bytes, &whole);
        go_on_while(true)
    })?;
    found.equal("messages have deliveries", &place, &messages, &left.keys().copied().collect());
    sums(view, id, found)?;
    left.retain(|_, count| *count > 1);
    let mut kept = BTreeMap::new();
    view.each(&keys::deliveries_left_of(id), |key, count| {
        kept.insert(keys::parse_queued(key), count);
        go_on_while(true)
    })?;
    found.equal("deliveries that are left", &place, &kept, &left);
    let row = view.row(&keys::queue_counters(id))?.unwrap_or_default();
    found.equal("totals of the queue", &place, &row.totals, &totals);
    let dead = view.row(&keys::dead_recipients(id))?.unwrap_or_default().0;
    found.equal("recipients that are known not to exist", &place, &u64::from(row.dead), &(dead.len() as u64));
    let few = dead.len() <= limits::DEAD_RECIPIENTS_MAX && dead.is_sorted_by_key(|one| one.last);
    found.holds("they are few, and in order of time", few, || place.clone());
    events(view, id, counters, row.events, found)
}

/// What is kept in sums is what a count of all deliveries gives.
fn sums<V: View>(view: &V, id: DomainId, found: &mut Findings) -> Outcome<(), V::Error> {
    let place = format!("domain {id}");
    let mut counted: BTreeMap<_, (DestinationSums, Timestamp)> = BTreeMap::new();
    for (key, delivery) in view.first_rows(&keys::deliveries(id), usize::MAX)? {
        let message = view.row(&keys::queued(id, keys::parse_queued(&key)))?;
        let Some(queued) = message.map(|queued| queued.message) else { continue };
        found.equal("a delivery knows its message's size", &place, &delivery.bytes, &queued.bytes);
        let (known, place) = (delivery.known(), SumPlace { domain: id, destination: delivery.destination });
        let (sums, oldest) = counted.entry(place).or_insert_with(|| (DestinationSums::default(), queued.queued));
        sums.count(known, queued.queued);
        *oldest = queued.queued.min(*oldest);
    }
    let rows = view.first_rows(&keys::queue_sums_of(id), usize::MAX)?;
    found.equal("sums of the queue", &place, &rows.len(), &counted.len());
    for (key, kept) in rows {
        let Some((sums, oldest)) = keys::parse_queue_sums(&key).and_then(|place| counted.remove(&place)) else {
            found.holds("sums are of deliveries", false, || place.clone());
            continue;
        };
        let all = |sums: &DestinationSums| (sums.scheduled, sums.leased, sums.held, sums.ages.count());
        found.equal("sums of a destination", &place, &all(&kept), &all(&sums));
        let in_time = kept.ages.oldest().is_some_and(|told| told <= oldest);
        found.holds("the oldest is not older than it is said to be", in_time, || place.clone());
    }
    Ok(())
}

fn events<V: View>(
    view: &V,
    id: DomainId,
    counters: &Counters,
    last: u64,
    found: &mut Findings,
) -> Outcome<(), V::Error> {
    let places: Vec<_> =
        view.first_keys(&keys::events(id), usize::MAX)?.iter().map(|key| keys::parse_event(key)).collect();
    let numbered = places.is_sorted_by(|one, other| one.sequence < other.sequence)
        && places.last().is_none_or(|place| place.sequence <= last);
    found.holds("events are numbered", numbered, || format!("domain {id}"));
    let due: Option<Timestamp> = places.first().map(|first| forget::due(first.at));
    let in_time = due.is_none_or(|due| counters.due_events.is_some_and(|filed| filed <= due));
    found.holds("events are forgotten in time", in_time, || format!("domain {id}"));
    Ok(())
}
