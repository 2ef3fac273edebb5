//! A domain's part of the queue under change: the only place that adds, changes or removes its rows, so that deliveries, the index of
//! due times, counters and bodies can't disagree.
//!
//! Every delivery has one row among the group's due times, where [`Delivery::filed`] says.
//! The message's own row is written once. How many deliveries it has left is a row only while that is more than one.

use std::collections::BTreeMap;

use yubin_types::{AccountId, DestinationName, DomainId, QueueId, RecipientAddress, TraceId, limits};

use super::command::NewQueued;
use super::dead::{self, Sign};
use super::newcomer::Lease;
use super::record::{Delivery, DeliveryState, Event, FinalOutcome, QueueSource, QueuedMessage, QueuedRecipient};
use super::rows::{QueueCounters, Queued};
use super::sums::{Known, Sheet};
use super::way::RemoteReply;
use crate::forward::settings;
use crate::keys::{self, DueKind};
use crate::kv::{BodyRef, Txn};
use crate::sending::suspend;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::topic::Topic;
use crate::work::Work;

/// New events of a domain: the first one's number, and the last one's.
pub(crate) type Ended = Option<(DomainId, u64, u64)>;

/// A domain's part of the queue under change.
pub(crate) struct Tray<'w, 't, T: Txn> {
    pub(crate) work: &'w mut Work<'t, T>,
    counters: QueueCounters,
    stored: QueueCounters,
    /// Recipients of accounts' mail that ended: (reached, refused for good).
    ends: BTreeMap<AccountId, (u64, u64)>,
    /// Recipients of forwarded mail that ended.
    forwarded: Vec<ForwardEnd>,
    /// What ends of submitted mail say about their recipients.
    signs: Vec<(u64, Sign)>,
    sheet: Sheet,
}

/// What became of forwarded mail at a target.
struct ForwardEnd {
    account: AccountId,
    recipient: RecipientAddress,
    outcome: FinalOutcome,
    reply: Option<RemoteReply>,
}

/// A recipient's end, before it becomes an event.
pub(crate) struct End {
    pub(crate) recipient: QueuedRecipient,
    pub(crate) outcome: FinalOutcome,
    pub(crate) reply: Option<RemoteReply>,
}

impl<'w, 't, T: Txn> Tray<'w, 't, T> {
    pub(crate) fn open(work: &'w mut Work<'t, T>) -> Outcome<Self, T::Error> {
        let counters = work.txn.row(&keys::queue_counters(work.id))?.unwrap_or_default();
        Ok(Tray {
            work,
            counters,
            stored: counters,
            ends: BTreeMap::new(),
            forwarded: Vec::new(),
            signs: Vec::new(),
            sheet: Sheet::default(),
        })
    }

    /// Writes counters and sums, and what became of accounts' mail; what to write down of the events that there are now ([`super::journal`]).
    pub(crate) fn close(mut self) -> Outcome<Ended, T::Error> {
        let (before, last) = (self.stored.events, self.counters.events);
        let ended = (last > before).then_some((self.work.id, before + 1, last));
        std::mem::take(&mut self.sheet).write(self.work.txn)?;
        self.counters.dead = dead::note(self.work, self.counters.dead, &self.signs)?;
        if self.counters != self.stored {
            self.work.txn.set(&keys::queue_counters(self.work.id), &self.counters);
        }
        for ForwardEnd { account, recipient, outcome, reply } in self.forwarded {
            settings::count_end(self.work, account, &recipient, outcome, reply.as_ref())?;
        }
        self.ends.into_iter().try_for_each(|(account, ends)| suspend::count_ends(self.work, account, ends))?;
        Ok(ended)
    }

    /// Is there room for so many more deliveries and bytes?
    pub(crate) fn has_room(&self, deliveries: u64, bytes: u64) -> bool {
        let totals = self.counters.totals;
        totals.deliveries.saturating_add(deliveries) <= limits::QUEUED_PER_DOMAIN_MAX
            && totals.bytes.saturating_add(bytes) <= limits::QUEUED_BYTES_PER_DOMAIN_MAX
    }

    /// The delivery, if it is there.
    pub(crate) fn delivery(&self, id: QueueId, destination: &DestinationName) -> Outcome<Option<Delivery>, T::Error> {
        self.work.txn.row(&keys::delivery(self.work.id, id, destination))
    }

    /// Queues a message, which was checked before, on a body that is its.
    pub(crate) fn insert(&mut self, new: NewQueued, body: BodyRef, trace: TraceId) {
        self.add(new, body, trace, None);
        self.work.changed(Topic::Queue);
    }

    /// Queues a message whose deliveries are leased from the beginning. Nobody else has anything to do, so nobody is told.
    pub(crate) fn insert_leased(&mut self, new: NewQueued, body: BodyRef, trace: TraceId, lease: &Lease) {
        self.add(new, body, trace, Some(lease));
    }

    fn add(&mut self, mut new: NewQueued, body: BodyRef, trace: TraceId, lease: Option<&Lease>) {
        let (id, domain) = (new.id, self.work.id);
        let message = new.message(self.work.now, trace);
        let (bytes, deliveries) = (message.bytes, message.deliveries);
        for delivery in new.take_deliveries(self.work.now, self.work.domain.plan.retry.as_deref(), lease) {
            self.work.txn.set(&keys::delivery(domain, id, &delivery.destination), &delivery);
            self.work.txn.set(&keys::queue_due(delivery.filed(), domain, id, &delivery.destination), &delivery.mark());
            self.sheet.came(domain, &delivery, message.queued);
        }
        let row = Queued { message, prefix: new.prefix, body, body_bytes: new.body_bytes };
        self.work.txn.set(&keys::queued(domain, id), &row);
        if deliveries > 1 {
            self.work.txn.set(&keys::deliveries_left(domain, id), &deliveries);
        }
        self.counters.totals.messages += 1;
        self.counters.totals.bytes += bytes;
        self.counters.totals.deliveries += u64::from(deliveries);
    }

    /// Writes a delivery back; `known` is what was known of it before.
    pub(crate) fn save(&mut self, id: QueueId, known: Known, delivery: &Delivery) {
        write(self.work.txn, &mut self.sheet, (self.work.id, id), known, delivery);
        if matches!(delivery.state, DeliveryState::Scheduled) {
            // Somebody's timer may have to ring earlier.
            self.work.changed(Topic::Queue);
        }
    }

    /// A recipient at a destination was reached.
    pub(crate) fn reached(&mut self, destination: &DestinationName) {
        self.sheet.reached(self.work.id, destination);
    }

    /// Ends recipients: each becomes an event.
    pub(crate) fn finish(&mut self, message: &QueuedMessage, delivery: &Delivery, ends: Vec<End>) {
        let now = self.work.now;
        if ends.is_empty() {
            return;
        }
        if let QueueSource::Submission { account, .. } = message.source {
            let (reached, refused) = (of(&ends, FinalOutcome::Delivered), of(&ends, FinalOutcome::Bounced));
            if reached + refused > 0 {
                let (delivered, bounced) = self.ends.entry(account).or_default();
                *delivered += reached;
                *bounced += refused;
            }
        }
        for End { recipient, outcome, reply } in ends {
            let recipient = RecipientAddress { local: recipient.local, destination: delivery.destination.clone() };
            if let QueueSource::Submission { .. } = message.source
                && let Some(sign) = dead::sign(outcome, reply.as_ref())
            {
                self.signs.push((dead::recipient_hash(&recipient.local, &recipient.destination), sign));
            }
            if let QueueSource::Forward { account, .. } = message.source {
                let (recipient, reply) = (recipient.clone(), reply.clone());
                self.forwarded.push(ForwardEnd { account, recipient, outcome, reply });
            }
            let event = Event {
                id: message.id,
                message_id: message.message_id.clone(),
                sender: message.sender.clone(),
                source: message.source.clone(),
                tenant: self.work.domain.name.clone(),
                recipient,
                outcome,
                reply,
                attempts: delivery.attempts,
                queued: message.queued,
                bytes: message.bytes,
                trace: message.trace,
            };
            self.counters.events += 1;
            self.work.txn.set(&keys::event(self.work.id, now, self.counters.events), &event);
        }
        self.work.due_by(DueKind::Events, super::forget::due(now));
    }

    /// Gives all recipients of a delivery up.
    pub(crate) fn cancel(&mut self, id: QueueId, known: Known, mut delivery: Delivery) -> Outcome<(), T::Error> {
        let Some(queued) = self.work.txn.row(&keys::queued(self.work.id, id))? else { return Ok(()) };
        let last = delivery.last_reply.clone();
        let ends = std::mem::take(&mut delivery.recipients).into_iter().map(|mut recipient| {
            let reply = recipient.last_reply.take().or_else(|| last.clone());
            End { recipient, outcome: FinalOutcome::Cancelled, reply }
        });
        let ends = ends.collect();
        self.finish(&queued.message, &delivery, ends);
        self.remove(&queued, known, &delivery)
    }

    /// Removes a delivery that has no recipients any more, and the message with its last one.
    pub(crate) fn remove(&mut self, queued: &Queued, known: Known, delivery: &Delivery) -> Outcome<(), T::Error> {
        let (domain, id) = (self.work.id, queued.message.id);
        self.work.txn.unset(&keys::delivery(domain, id, &delivery.destination));
        self.work.txn.unset(&keys::queue_due(known.filed, domain, id, &delivery.destination));
        self.sheet.went(domain, &delivery.destination, known, queued.message.queued);
        let totals = &mut self.counters.totals;
        totals.deliveries = less(totals.deliveries, 1);
        let left = keys::deliveries_left(domain, id);
        match self.work.txn.row(&left)? {
            None => {
                totals.messages = less(totals.messages, 1);
                totals.bytes = less(totals.bytes, queued.message.bytes);
                self.work.txn.unset(&keys::queued(domain, id));
                self.work.release_body(&queued.body)?;
            }
            Some(0..=2) => self.work.txn.unset(&left),
            Some(count) => self.work.txn.set(&left, &(count - 1)),
        }
        Ok(())
    }
}

/// How many ended so.
fn of(ends: &[End], outcome: FinalOutcome) -> u64 {
    ends.iter().filter(|end| end.outcome == outcome).count() as u64
}

/// Writes a delivery and files it among the due times and the sums.
pub(crate) fn write<T: Txn>(
    txn: &mut T,
    sheet: &mut Sheet,
    (domain, id): (DomainId, QueueId),
    known: Known,
    delivery: &Delivery,
) {
    txn.set(&keys::delivery(domain, id, &delivery.destination), delivery);
    if delivery.filed() != known.filed {
        txn.unset(&keys::queue_due(known.filed, domain, id, &delivery.destination));
    }
    txn.set(&keys::queue_due(delivery.filed(), domain, id, &delivery.destination), &delivery.mark());
    sheet.became(domain, known, delivery);
}

/// Below zero is a broken counter: stop this replica rather than go on with a wrong number.
fn less(count: u64, by: u64) -> u64 {
    let rest = count.checked_sub(by);
    assert!(rest.is_some(), "the queue's counter {count} can't give back {by}");
    rest.unwrap_or_default()
}

/// Erases the queue of a domain that is being deleted, and lets its bodies go; what is left of the budget comes back.
pub(crate) fn erase<T: Txn>(work: &mut Work<'_, T>, budget: usize) -> Outcome<usize, T::Error> {
    let messages = work.txn.first_rows(&keys::queued_of(work.id), budget)?;
    let mut left = budget - messages.len();
    for (key, queued) in messages {
        work.txn.delete(&key);
        work.release_body(&queued.body)?;
    }
    let deliveries = work.txn.first_rows(&keys::deliveries(work.id), left)?;
    left -= deliveries.len();
    for (key, delivery) in deliveries {
        let id = keys::parse_queued(&key);
        work.txn.delete(&key);
        work.txn.unset(&keys::queue_due(delivery.filed(), work.id, id, &delivery.destination));
    }
    Ok(left)
}
