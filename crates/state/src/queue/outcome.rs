//! Recording what came of leased deliveries, once: outcomes, events and the notices that tell of them, in one step.
//!
//! A result counts if its token is the delivery's; otherwise somebody else has the delivery, or it was recorded already, and nothing of
//! the result happens. Recipients that ended become events and leave; for those that stay, the result says when to try again, and an
//! operator who asked to hold or cancel meanwhile gets it now.

use std::collections::{BTreeMap, BTreeSet};

use yubin_types::{DomainId, Timestamp, limits};

use super::command::{DeliveryResult, NewQueued, QueueReply, RecipientOutcome};
use super::enqueue::invalid;
use super::journal::Journal;
use super::lease::{check_count, push};
use super::record::{AfterLease, DelayNotice, Delivery, FinalOutcome};
use super::tray::{End, Tray};
use super::way::RemoteReply;
use crate::keys;
use crate::kv::{BodyRef, Position, Txn};
use crate::opened::too_many;
use crate::reply::Reply;
use crate::rows::Phase;
use crate::stop::Outcome;
use crate::table::Read as _;
use crate::work::{Topics, Work};

/// Records results.
pub(crate) fn record<T: Txn>(
    txn: &mut T,
    (position, now): (Position, Timestamp),
    results: Vec<DeliveryResult>,
    bodies: &[BodyRef],
    topics: &mut Topics,
) -> Outcome<Reply, T::Error> {
    check(txn, now, &results, bodies)?;
    let mut by_domain: BTreeMap<DomainId, Vec<(u32, DeliveryResult)>> = BTreeMap::new();
    for (place, result) in (0u32..).zip(results) {
        by_domain.entry(result.delivery.domain).or_default().push((place, result));
    }
    let (mut stale, mut journal) = (Vec::new(), Journal::default());
    let mut taken = BTreeSet::new();
    for (id, results) in by_domain {
        let work = Work::open(txn, id, now, &[])?.filter(|work| work.domain.phase == Phase::Live);
        let Some(mut work) = work else {
            stale.extend(results.iter().map(|(place, _)| *place));
            continue;
        };
        let mut tray = Tray::open(&mut work)?;
        for (place, result) in results {
            if !settle(&mut tray, result, bodies, &mut taken)? {
                stale.push(place);
            }
        }
        journal.add(tray.close()?);
        work.finish().into_iter().for_each(|topic| push(topics, topic));
    }
    journal.write(txn, position, now);
    for (ordinal, body) in (0u16..).zip(bodies) {
        if !taken.contains(&ordinal) {
            txn.drop_body(body);
        }
    }
    stale.sort_unstable();
    Ok(Reply::Queue(QueueReply::Recorded { stale }))
}

/// Refuses what is malformed in itself.
fn check<T: Txn>(txn: &T, now: Timestamp, results: &[DeliveryResult], bodies: &[BodyRef]) -> Outcome<(), T::Error> {
    check_count(results.len())?;
    let most = limits::QUEUE_RECIPIENTS_PER_COMMAND_MAX;
    let notices = || results.iter().flat_map(|result| &result.notices);
    let recipients: usize = results.iter().map(|result| result.recipients.len()).sum();
    if recipients + notices().map(NewQueued::recipients).sum::<usize>() > most {
        return Err(too_many("recipients in one command", most as u64).into());
    }
    let (mut deliveries, mut ids, mut ordinals) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for result in results {
        let mut named = BTreeSet::new();
        if !deliveries.insert(&result.delivery) || !result.recipients.iter().all(|(index, _)| named.insert(*index)) {
            return Err(invalid("a delivery and each of its recipients stand once in a command").into());
        }
        if result.notices.len() > limits::QUEUE_NOTICES_PER_RESULT_MAX {
            return Err(too_many("notices of a result", limits::QUEUE_NOTICES_PER_RESULT_MAX as u64).into());
        }
        for notice in &result.notices {
            notice.check(now)?;
            let known = txn.row(&keys::queued(result.delivery.domain, notice.id))?;
            let body = bodies.get(usize::from(notice.body_ordinal));
            if known.is_some() || !ids.insert(notice.id) || body.is_none() || !ordinals.insert(notice.body_ordinal) {
                return Err(invalid("a notice has an id and a body of its own").into());
            }
        }
    }
    Ok(())
}

/// Records a result and queues its notices; `false` if it is stale.
fn settle<T: Txn>(
    tray: &mut Tray<'_, '_, T>,
    result: DeliveryResult,
    bodies: &[BodyRef],
    taken: &mut BTreeSet<u16>,
) -> Outcome<bool, T::Error> {
    let (now, id) = (tray.work.now, result.delivery.id);
    let Some(mut delivery) = tray.delivery(id, &result.delivery.destination)? else { return Ok(false) };
    let Some(queued) = tray.work.txn.row(&keys::queued(tray.work.id, id))? else { return Ok(false) };
    let fit = result.recipients.iter().all(|(index, _)| usize::from(*index) < delivery.recipients.len());
    if result.token == 0 || delivery.token != result.token || !fit {
        return Ok(false);
    }
    let known = delivery.known();
    if delivery.in_flight() {
        delivery.attempts = delivery.attempts.saturating_add(1);
    } else {
        // Its lease was counted as lapsed; now the outcome is known after all.
        delivery.lapsed = delivery.lapsed.saturating_sub(1);
    }
    delivery.first_attempt.get_or_insert(result.attempted);
    delivery.last_attempt = Some(result.attempted);
    if result.delay_notice == DelayNotice::Sent {
        delivery.delay_notice = DelayNotice::Sent;
    }
    let ends = part(&mut delivery, result.recipients, result.reply);
    if ends.iter().any(|end| end.outcome == FinalOutcome::Delivered) {
        tray.reached(&delivery.destination);
    }
    tray.finish(&queued.message, &delivery, ends);
    if delivery.recipients.is_empty() {
        tray.remove(&queued, known, &delivery)?;
    } else if delivery.give_back(result.next_attempt.unwrap_or(now), now) == AfterLease::Cancel {
        tray.cancel(id, known, delivery)?;
    } else {
        tray.save(id, known, &delivery);
    }
    for notice in result.notices {
        if let Some(body) = bodies.get(usize::from(notice.body_ordinal)) {
            taken.insert(notice.body_ordinal);
            tray.insert(notice, body.clone(), queued.message.trace);
        }
    }
    Ok(true)
}

/// Takes the recipients that ended out of the delivery, and notes why the others stay.
fn part(delivery: &mut Delivery, outcomes: Vec<(u16, RecipientOutcome)>, reply: Option<RemoteReply>) -> Vec<End> {
    let mut outcomes: BTreeMap<usize, RecipientOutcome> =
        outcomes.into_iter().map(|(index, outcome)| (usize::from(index), outcome)).collect();
    let (mut stay, mut ends) = (Vec::new(), Vec::new());
    for (index, mut recipient) in std::mem::take(&mut delivery.recipients).into_iter().enumerate() {
        let (outcome, reply) = match outcomes.remove(&index) {
            Some(RecipientOutcome::Delivered(reply)) => (FinalOutcome::Delivered, reply),
            Some(RecipientOutcome::Bounced(reply)) => (FinalOutcome::Bounced, reply),
            Some(RecipientOutcome::Expired(reply)) => (FinalOutcome::Expired, reply),
            Some(RecipientOutcome::Deferred(reply)) => {
                recipient.last_reply = Some(reply.bounded());
                stay.push(recipient);
                continue;
            }
            None => {
                if reply.is_some() {
                    recipient.last_reply = None;
                }
                stay.push(recipient);
                continue;
            }
        };
        ends.push(End { recipient, outcome, reply: Some(reply.bounded()) });
    }
    delivery.recipients = stay;
    if let Some(reply) = reply {
        delivery.last_reply = Some(reply.bounded());
    }
    ends
}
