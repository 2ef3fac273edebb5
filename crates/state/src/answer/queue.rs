//! What waits in the queue: due times, a message with its deliveries, lists and totals. Sums are in [`super::sums`], events in [`super::events`].
//!
//! A delivery's status is told by the group's clock, which rests while nothing is proposed: a lease that ran out may show as in flight
//! for as long. Lists read at most [`limits::QUEUE_ROWS_PER_ANSWER_MAX`] deliveries for each answer.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use yubin_types::{DomainId, QueueId, Refusal, ReversePath, Timestamp, limits};

use super::obstacles::Search;
use super::{ends, events, sums};
use crate::keys;
use crate::kv::View;
use crate::query::Answer;
use crate::queue::{
    Delivery, DeliveryKey, DueClass, DueItem, QueueAnswer, QueueFilter, QueueQuery, QueueTotals, QueuedMessage,
};
use crate::record::ColdRow;
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

/// Deliveries that are read at once.
const BATCH: usize = 256;

/// Answers about a domain, or about the group where `domain` is 0.
pub(super) fn answer<V: View>(view: &V, domain: DomainId, query: &QueueQuery) -> Outcome<Answer, V::Error> {
    let answer = match query {
        QueueQuery::Due { until, after, limit } if domain == DomainId(0) => {
            due(view, *until, after, page_size(*limit))?
        }
        QueueQuery::Message(id) => message(view, domain, *id)?,
        QueueQuery::Body(id) if domain != DomainId(0) => body(view, domain, *id)?,
        QueueQuery::List { filter, after, limit } => list(view, domain, filter, after.as_ref(), page_size(*limit))?,
        QueueQuery::Summary { after } => sums::summary(view, domain, after.as_ref())?,
        QueueQuery::Totals => totals(view, domain)?,
        QueueQuery::Events { filter, after, limit } => {
            events::events(view, domain, filter, after.as_ref(), page_size(*limit))?
        }
        QueueQuery::Ends { filter, start, limit } => ends::ends(view, domain, filter, start, *limit)?,
        QueueQuery::NextDue(then) if domain == DomainId(0) => next_due(view, *then)?,
        QueueQuery::Due { .. } | QueueQuery::NextDue(_) | QueueQuery::Body(_) => {
            return Err(Refusal::Unsupported.into());
        }
    };
    Ok(Answer::Queue(answer))
}

fn page_size(limit: u32) -> usize {
    (limit as usize).min(limits::PAGE_SIZE_MAX)
}

fn due<V: View>(
    view: &V,
    until: Timestamp,
    after: &BTreeMap<DueClass, DueItem>,
    limit: usize,
) -> Outcome<QueueAnswer, V::Error> {
    let mut items = Vec::new();
    for class in DueClass::DUE {
        let mut span = keys::queue_dues_until(class, until);
        if let Some(DueItem { filed, delivery, .. }) = after.get(&class) {
            span = span.after(keys::queue_due(*filed, delivery.domain, delivery.id, &delivery.destination).bytes());
        }
        let rows = view.first_rows(&span, limit)?;
        items.extend(rows.into_iter().filter_map(|(key, mark)| keys::parse_queue_due(&key, mark)));
    }
    Ok(QueueAnswer::Due(items))
}

/// Those that are held stand at the end of time: nothing waits for them.
fn next_due<V: View>(view: &V, then: Timestamp) -> Outcome<QueueAnswer, V::Error> {
    let mut next: Option<Timestamp> = None;
    for class in DueClass::DUE {
        let first = view.first_key(&keys::queue_dues_after(class, then))?;
        let due = first.map(|key| keys::parse_queue_due_time(&key));
        next = next.into_iter().chain(due).min();
    }
    Ok(QueueAnswer::NextDue(next))
}

fn message<V: View>(view: &V, domain: DomainId, id: QueueId) -> Outcome<QueueAnswer, V::Error> {
    let domains = match domain {
        DomainId(0) => {
            let used = view.first_keys(&keys::all_queue_counters(), usize::MAX)?;
            used.iter().map(|key| keys::parse_domain(key)).collect()
        }
        domain => vec![domain],
    };
    for domain in domains {
        let Some(queued) = view.row(&keys::queued(domain, id))? else { continue };
        let rows = view.first_rows(&keys::deliveries_of(domain, id), limits::SMTP_RECIPIENTS_MAX)?;
        let deliveries: Vec<_> = rows.into_iter().map(|(_, delivery)| delivery).collect();
        let mut search = Search::default();
        deliveries.iter().try_for_each(|delivery| search.look(view, domain, &queued.message, delivery))?;
        return Ok(QueueAnswer::Message { domain, message: queued.message, deliveries, obstacles: search.found });
    }
    Err(not_queued().into())
}

fn body<V: View>(view: &V, domain: DomainId, id: QueueId) -> Outcome<QueueAnswer, V::Error> {
    let queued = view.row(&keys::queued(domain, id))?.ok_or_else(not_queued)?;
    let facts = bytes::Bytes::new();
    Ok(QueueAnswer::Body(ColdRow { prefix: queued.prefix, body: queued.body, body_bytes: queued.body_bytes, facts }))
}

fn not_queued() -> Refusal {
    Refusal::NotFound { what: "queued message".to_owned() }
}

fn list<V: View>(
    view: &V,
    domain: DomainId,
    filter: &QueueFilter,
    after: Option<&DeliveryKey>,
    limit: usize,
) -> Outcome<QueueAnswer, V::Error> {
    let now = view.row(&keys::clock())?.unwrap_or_default();
    let mut deliveries = Vec::new();
    let next = walk(view, domain, after, |domain, message, delivery| {
        if filter.admits(message, &delivery, now) {
            deliveries.push((domain, message.clone(), delivery));
        }
        go_on_while(deliveries.len() < limit)
    })?;
    let mut search = Search::default();
    deliveries.iter().try_for_each(|(domain, message, delivery)| search.look(view, *domain, message, delivery))?;
    Ok(QueueAnswer::List { deliveries, obstacles: search.found, next })
}

fn totals<V: View>(view: &V, domain: DomainId) -> Outcome<QueueAnswer, V::Error> {
    let mut sum = QueueTotals::default();
    let mut add = |totals: QueueTotals| {
        sum.messages += totals.messages;
        sum.bytes = sum.bytes.saturating_add(totals.bytes);
        sum.deliveries += totals.deliveries;
    };
    match domain {
        DomainId(0) => view.each(&keys::all_queue_counters(), |_, row| {
            add(row.totals);
            go_on_while(true)
        })?,
        domain => add(view.row(&keys::queue_counters(domain))?.unwrap_or_default().totals),
    }
    Ok(QueueAnswer::Totals(sum))
}

/// Visits deliveries behind `after` until `visit` breaks or an answer's bound is reached; says where to go on, if there may be more.
fn walk<V: View>(
    view: &V,
    domain: DomainId,
    after: Option<&DeliveryKey>,
    mut visit: impl FnMut(DomainId, &QueuedMessage, Delivery) -> ControlFlow<()>,
) -> Outcome<Option<DeliveryKey>, V::Error> {
    let mut span = keys::deliveries(domain);
    if let Some(after) = after {
        span = span.after(keys::delivery(after.domain, after.id, &after.destination).bytes());
    }
    let mut read = 0;
    loop {
        let batch = view.first_rows(&span, BATCH)?;
        let (Some((first, _)), Some((last, _))) = (batch.first(), batch.last()) else { return Ok(None) };
        let messages = messages(view, first, last)?;
        span = span.after(last);
        for (key, delivery) in batch {
            let (domain, id) = (keys::parse_domain(&key), keys::parse_queued(&key));
            let Some(message) = messages.get(&(domain, id)) else { continue };
            let place = DeliveryKey { domain, id, destination: delivery.destination.clone() };
            read += 1;
            if visit(domain, message, delivery).is_break() || read == limits::QUEUE_ROWS_PER_ANSWER_MAX {
                return Ok(Some(place));
            }
        }
    }
}

/// The messages of neighbouring deliveries, from the first one's to the last one's. They stand in the same order, so one pass reads them all:
/// to look each up by itself would take ten times as long.
fn messages<V: View>(
    view: &V,
    first: &[u8],
    last: &[u8],
) -> Outcome<BTreeMap<(DomainId, QueueId), QueuedMessage>, V::Error> {
    let place = |key: &[u8]| (keys::parse_domain(key), keys::parse_queued(key));
    let mut messages = BTreeMap::new();
    view.each(&keys::queued_between(place(first), place(last)), |key, queued| {
        messages.insert(place(key), queued.message);
        ControlFlow::Continue(())
    })?;
    Ok(messages)
}

impl QueueFilter {
    fn admits(&self, message: &QueuedMessage, delivery: &Delivery, now: Timestamp) -> bool {
        let to = |wanted: &yubin_types::RecipientAddress| {
            wanted.destination == delivery.destination
                && delivery.recipients.iter().any(|recipient| recipient.local.key() == wanted.local.key())
        };
        self.destination.as_ref().is_none_or(|wanted| *wanted == delivery.destination)
            && self.status.is_none_or(|wanted| wanted == delivery.status(now))
            && self.sender.as_ref().is_none_or(|wanted| is_sender(&message.sender, wanted))
            && self.recipient.as_ref().is_none_or(to)
    }
}

/// Is it this sender, written without angle brackets?
pub(super) fn is_sender(sender: &ReversePath, wanted: &str) -> bool {
    same_text(&sender.bare(), wanted)
}

/// Are two addresses the same without regard to case?
pub(super) fn same_text(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}
