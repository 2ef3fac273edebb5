//! What waits where, in numbers: sums by destination and status, from rows that are kept, not counted.
//!
//! That a lease ran out is no change of a row: such deliveries are found among the due times, and there are never many, because workers bound their
//! leases. By the group's clock, as in [`super::queue`].

use std::collections::BTreeMap;

use yubin_types::{DestinationName, DomainId, Timestamp, limits};

use crate::keys;
use crate::kv::View;
use crate::queue::sums::{DestinationSums, Sum};
use crate::queue::{DeliveryStatus, DueClass, QueueAnswer, SumPlace, SummaryLine};
use crate::stop::Outcome;
use crate::table::Read as _;

type Lines = BTreeMap<(DestinationName, DeliveryStatus), SummaryLine>;

pub(super) fn summary<V: View>(view: &V, domain: DomainId, after: Option<&SumPlace>) -> Outcome<QueueAnswer, V::Error> {
    let mut span = keys::queue_sums_of(domain);
    if let Some(SumPlace { domain, destination }) = after {
        span = span.after(keys::queue_sums(*domain, destination).bytes());
    }
    let rows = view.first_rows(&span, limits::QUEUE_ROWS_PER_ANSWER_MAX)?;
    let is_full = rows.len() == limits::QUEUE_ROWS_PER_ANSWER_MAX;
    let next = rows.last().filter(|_| is_full).and_then(|(key, _)| keys::parse_queue_sums(key));
    let lapsed = lapsed(view)?;
    let mut lines = Lines::new();
    for (key, sums) in rows {
        let Some(place) = keys::parse_queue_sums(&key) else { continue };
        let lapsed = lapsed.get(&place).copied().unwrap_or_default();
        add(&mut lines, &place.destination, sums, lapsed);
    }
    Ok(QueueAnswer::Summary { lines: lines.into_values().collect(), next })
}

/// What is leased to workers whose leases ran out.
fn lapsed<V: View>(view: &V) -> Outcome<BTreeMap<SumPlace, Sum>, V::Error> {
    let now = view.row(&keys::clock())?.unwrap_or_default();
    let mut lapsed: BTreeMap<SumPlace, Sum> = BTreeMap::new();
    let rows = view.first_rows(&keys::queue_dues_until(DueClass::Leased, now), usize::MAX)?;
    for item in rows.into_iter().filter_map(|(key, mark)| keys::parse_queue_due(&key, mark)) {
        let (domain, id, destination) = (item.delivery.domain, item.delivery.id, item.delivery.destination);
        let Some(delivery) = view.row(&keys::delivery(domain, id, &destination))? else { continue };
        lapsed.entry(SumPlace { domain, destination }).or_default().add(delivery.known().sum);
    }
    Ok(lapsed)
}

fn add(lines: &mut Lines, destination: &DestinationName, sums: DestinationSums, lapsed: Sum) {
    let DestinationSums { scheduled, mut leased, held, ages, waits: _ } = sums;
    leased.take(lapsed);
    let oldest = ages.oldest().unwrap_or(Timestamp(u64::MAX));
    for (status, sum) in [
        (DeliveryStatus::Scheduled, scheduled),
        (DeliveryStatus::InFlight, leased),
        (DeliveryStatus::MaybeDelivered, lapsed),
        (DeliveryStatus::Held, held),
    ] {
        if sum.deliveries == 0 {
            continue;
        }
        let line = lines.entry((destination.clone(), status)).or_insert_with(|| SummaryLine {
            destination: destination.clone(),
            status,
            deliveries: 0,
            recipients: 0,
            bytes: 0,
            oldest,
        });
        line.deliveries += sum.deliveries;
        line.recipients += sum.recipients;
        line.bytes = line.bytes.saturating_add(sum.bytes);
        line.oldest = line.oldest.min(oldest);
    }
}
