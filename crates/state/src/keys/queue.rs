//! Mail on its way out: messages, deliveries, the group's index of their due times, and events.
//!
//! Ids of messages follow the time of their making, so that a domain's queue is read and written at its end.

use std::net::IpAddr;

use yubin_types::{DestinationName, DomainId, QueueId, Timestamp};

use super::{Key, Span, Table, b4, b8, between, id_at, key, prefix, u64_at};
use crate::queue::dead::DeadRecipients;
use crate::queue::journal::Ends;
use crate::queue::rows::{QueueCounters, Queued};
use crate::queue::sums::DestinationSums;
use crate::queue::{
    Delivery, DeliveryKey, DueClass, DueItem, DueMark, Event, EventCursor, Filed, QueueSuspension, Receiver, Roster,
    SharedLimit, SumPlace, SuspensionScope,
};

/// A queued message.
#[must_use]
pub fn queued(domain: DomainId, id: QueueId) -> Key<Queued> {
    key(Table::Queued, &[&b8(domain.0), &id.0])
}

/// A domain's queued messages.
#[must_use]
pub fn queued_of(domain: DomainId) -> Span<Queued> {
    prefix(Table::Queued, &[&b8(domain.0)])
}

/// The queued messages from one to another, both among them, whatever domains they are of.
#[must_use]
pub fn queued_between(first: (DomainId, QueueId), last: (DomainId, QueueId)) -> Span<Queued> {
    let end: Span<Queued> = prefix(Table::Queued, &[&b8(last.0.0), &last.1.0]);
    Span { to: end.to, ..between(queued(first.0, first.1), queued(last.0, last.1)) }
}

/// The message in a key of [`queued_of`] or of any delivery.
#[must_use]
pub fn parse_queued(key: &[u8]) -> QueueId {
    QueueId(id_at(key, 9))
}

/// A delivery.
#[must_use]
pub fn delivery(domain: DomainId, id: QueueId, destination: &DestinationName) -> Key<Delivery> {
    key(Table::Delivery, &[&b8(domain.0), &id.0, destination.to_string().as_bytes()])
}

/// The deliveries of a message.
#[must_use]
pub fn deliveries_of(domain: DomainId, id: QueueId) -> Span<Delivery> {
    prefix(Table::Delivery, &[&b8(domain.0), &id.0])
}

/// The deliveries of a domain; of the whole group with `DomainId(0)`.
#[must_use]
pub fn deliveries(domain: DomainId) -> Span<Delivery> {
    match domain {
        DomainId(0) => prefix(Table::Delivery, &[]),
        domain => prefix(Table::Delivery, &[&b8(domain.0)]),
    }
}

/// How many deliveries of a message are left, if more than one.
#[must_use]
pub fn deliveries_left(domain: DomainId, id: QueueId) -> Key<u32> {
    key(Table::DeliveriesLeft, &[&b8(domain.0), &id.0])
}

/// All such counts of a domain.
#[must_use]
pub fn deliveries_left_of(domain: DomainId) -> Span<u32> {
    prefix(Table::DeliveriesLeft, &[&b8(domain.0)])
}

/// A delivery among the group's due times.
#[must_use]
pub fn queue_due(filed: Filed, domain: DomainId, id: QueueId, destination: &DestinationName) -> Key<DueMark> {
    let (class, due) = ([filed.class.number()], b8(filed.due.0));
    key(Table::QueueDue, &[&class, &due, &b8(domain.0), &id.0, destination.to_string().as_bytes()])
}

/// All of them, by class in the order of time.
#[must_use]
pub fn queue_dues() -> Span<DueMark> {
    prefix(Table::QueueDue, &[])
}

/// Those of a class that are due by then. Nothing behind is touched: leases that ended early have left their marks there.
#[must_use]
pub fn queue_dues_until(class: DueClass, until: Timestamp) -> Span<DueMark> {
    let class = [class.number()];
    between(key(Table::QueueDue, &[&class]), key(Table::QueueDue, &[&class, &b8(until.0.saturating_add(1))]))
}

/// Those of a class that are due after then.
#[must_use]
pub fn queue_dues_after(class: DueClass, then: Timestamp) -> Span<DueMark> {
    Span { from: queue_dues_until(class, then).to, ..prefix(Table::QueueDue, &[&[class.number()]]) }
}

/// The due time in a key of [`queue_dues`].
#[must_use]
pub fn parse_queue_due_time(key: &[u8]) -> Timestamp {
    Timestamp(u64_at(key, 2))
}

/// What a row of [`queue_dues`] says; `None` if its key isn't one.
#[must_use]
pub fn parse_queue_due(key: &[u8], mark: DueMark) -> Option<DueItem> {
    let class = DueClass::from_number(*key.get(1)?)?;
    let destination = destination_at(key, 34)?;
    let delivery = DeliveryKey { domain: DomainId(u64_at(key, 10)), id: QueueId(id_at(key, 18)), destination };
    Some(DueItem { filed: Filed { class, due: parse_queue_due_time(key) }, delivery, mark })
}

/// A domain's counters of the queue.
#[must_use]
pub fn queue_counters(domain: DomainId) -> Key<QueueCounters> {
    key(Table::QueueCounters, &[&b8(domain.0)])
}

/// Sums over a domain's deliveries to a destination.
#[must_use]
pub fn queue_sums(domain: DomainId, destination: &DestinationName) -> Key<DestinationSums> {
    key(Table::QueueSums, &[&b8(domain.0), destination.to_string().as_bytes()])
}

/// Those of a domain; of the whole group with `DomainId(0)`.
#[must_use]
pub fn queue_sums_of(domain: DomainId) -> Span<DestinationSums> {
    match domain {
        DomainId(0) => prefix(Table::QueueSums, &[]),
        domain => prefix(Table::QueueSums, &[&b8(domain.0)]),
    }
}

/// The place in a key of [`queue_sums_of`]; `None` if it isn't one.
#[must_use]
pub fn parse_queue_sums(key: &[u8]) -> Option<SumPlace> {
    Some(SumPlace { domain: DomainId(u64_at(key, 1)), destination: destination_at(key, 9)? })
}

/// Recipients that refused a domain's mail as unknown.
#[must_use]
pub fn dead_recipients(domain: DomainId) -> Key<DeadRecipients> {
    key(Table::DeadRecipients, &[&b8(domain.0)])
}

/// Those of all domains that ever queued something.
#[must_use]
pub fn all_queue_counters() -> Span<QueueCounters> {
    prefix(Table::QueueCounters, &[])
}

/// An event.
#[must_use]
pub fn event(domain: DomainId, at: Timestamp, sequence: u64) -> Key<Event> {
    key(Table::Event, &[&b8(domain.0), &b8(at.0), &b8(sequence)])
}

/// A domain's events.
#[must_use]
pub fn events(domain: DomainId) -> Span<Event> {
    prefix(Table::Event, &[&b8(domain.0)])
}

/// The place in a key of [`events`].
#[must_use]
pub fn parse_event(key: &[u8]) -> EventCursor {
    EventCursor { domain: DomainId(u64_at(key, 1)), at: Timestamp(u64_at(key, 9)), sequence: u64_at(key, 17) }
}

/// The events of the command with this log index.
#[must_use]
pub fn ends(index: u64) -> Key<Ends> {
    key(Table::Ends, &[&b8(index)])
}

/// Those of all commands.
#[must_use]
pub fn all_ends() -> Span<Ends> {
    prefix(Table::Ends, &[])
}

/// Those of this command and of later ones.
#[must_use]
pub fn ends_from(index: u64) -> Span<Ends> {
    Span { from: ends(index).bytes().to_vec(), ..all_ends() }
}

/// The log index in a key of [`all_ends`].
#[must_use]
pub fn parse_end(key: &[u8]) -> u64 {
    u64_at(key, 1)
}

/// A suspension in the directory.
#[must_use]
pub fn queue_suspension(scope: &SuspensionScope) -> Key<QueueSuspension> {
    match scope {
        SuspensionScope::Destination(name) => key(Table::QueueSuspension, &[&[1], name.to_string().as_bytes()]),
        SuspensionScope::Tenant(domain) => key(Table::QueueSuspension, &[&[2], &b8(domain.0)]),
        SuspensionScope::Source { destination, address } => {
            key(Table::QueueSuspension, &[&[3], &octets(*address), destination.to_string().as_bytes()])
        }
    }
}

/// All suspensions.
#[must_use]
pub fn queue_suspensions() -> Span<QueueSuspension> {
    prefix(Table::QueueSuspension, &[])
}

/// The workers that are there.
#[must_use]
pub fn queue_roster() -> Key<Roster> {
    key(Table::QueueRoster, &[])
}

/// A receiver that several workers send to.
#[must_use]
pub fn shared_limit(receiver: &Receiver) -> Key<SharedLimit> {
    key(Table::SharedLimit, &[receiver.to_string().as_bytes()])
}

/// All of them.
#[must_use]
pub fn shared_limits() -> Span<SharedLimit> {
    prefix(Table::SharedLimit, &[])
}

/// The receiver in a key of [`shared_limits`].
#[must_use]
pub fn parse_shared_limit(key: &[u8]) -> Option<Receiver> {
    let text = std::str::from_utf8(key.get(1..)?).ok()?;
    match text.strip_prefix('=') {
        Some(name) => Some(Receiver::Known(name.to_owned())),
        None => DestinationName::parse(text).ok().map(Receiver::Destination),
    }
}

/// What a new source address may have sent to a receiver on a day (since 1970-01-01).
#[must_use]
pub fn warm_up(day: u32, address: IpAddr, receiver: &Receiver) -> Key<u32> {
    key(Table::WarmUp, &[&b4(day), &octets(address), receiver.to_string().as_bytes()])
}

/// What was sent before a day.
#[must_use]
pub fn warm_up_before(day: u32) -> Span<u32> {
    between(key(Table::WarmUp, &[]), key(Table::WarmUp, &[&b4(day)]))
}

/// An address as IPv6.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

fn destination_at(key: &[u8], at: usize) -> Option<DestinationName> {
    let text = std::str::from_utf8(key.get(at..)?).ok()?;
    DestinationName::parse(text).ok()
}
