//! One delivery from its lease to its record: tried within its time, logged, settled, and its place given free.
//!
//! A delivery is cut off when the worker stops, is believed to be gone (`sharing`), or has lost the lease. What became of recipients before that is
//! recorded. If there is nothing to record and the message was handed out to its end it may have arrived: then the lease runs out, and says so;
//! otherwise it is given back.

use std::sync::Arc;
use std::time::Duration;

use yubin_proto::{MailEvent, MailEventKind};
use yubin_session::smtp::client::{Reply, Verdict};
use yubin_state::queue::{Leased, Postponed};
use yubin_types::{Timestamp, limits};

use crate::assignment::Assignment;
use crate::board::NoWay;
use crate::body::{Handed, QueuedBody};
use crate::connection::now;
use crate::connections::goodbye;
use crate::fate::Tried;
use crate::pace::Signal;
use crate::recorder::Note;
use crate::result::Terms;
use crate::terms::{profile, schedule};
use crate::ways::Way;
use crate::worker::Shared;

/// Delivers, and goes on with what may begin when that has ended.
pub(crate) async fn deliver(shared: &Arc<Shared>, first: Box<Assignment>) {
    let mut next = Some(first);
    while let Some(assignment) = next {
        if let Ended::With(signal) = deliver_one(shared, &assignment).await {
            shared.ended(&assignment.leased.key(), assignment.source, signal);
        }
        next = shared.begin();
    }
}

/// How a delivery ended.
enum Ended {
    /// It says this about its destination.
    With(Signal),
    /// It did not: it can't leave from the source that it was given.
    NotBegun,
}

/// One delivery from its lease to its record.
async fn deliver_one(shared: &Arc<Shared>, assignment: &Assignment) -> Ended {
    let (group, leased) = (assignment.group, &assignment.leased);
    let (key, began, handed) = (leased.key(), now(), Handed::default());
    let count = leased.delivery.recipients.len();
    let tried = tokio::select! {
        biased;
        tried = tokio::time::timeout(shared.engine.config.delivery_time_max, attempt(shared, assignment, &handed)) => {
            tried.unwrap_or_else(|_| {
                let reply = Reply::conclusion(451, (4, 4, 2), "the delivery took too long");
                Ok(handed.tried(count, &reply, Signal::Slower))
            })
        }
        () = cut_off(shared, assignment, &handed) => {
            if !handed.has_settled() {
                shared.leases.remove(&key);
                if !handed.is_whole() {
                    let postponed = Postponed { delivery: key, token: Some(leased.token), until: now() };
                    shared.note(group, Note::PutOff(postponed));
                }
                return Ended::With(Signal::None);
            }
            let reply = Reply::conclusion(451, (4, 3, 2), "the delivery was cut off");
            Ok(handed.tried(count, &reply, Signal::None))
        }
    };
    let mut tried = match tried {
        Ok(tried) => tried,
        Err(why) => match shared.reroute(assignment, why) {
            Way::Other => return Ended::NotBegun,
            Way::None(reply) => Tried::all(count, &reply, Signal::None),
        },
    };
    let again = shared.heed(assignment, &mut tried);
    if let Some(watch) = shared.engine.dialogues.of(leased.message.id) {
        watch.end(outcomes(leased, &tried));
    }
    let ended = now();
    let took = Duration::from_millis(ended.millis_since(began));
    shared.engine.metrics.tried(&tried, took);
    log(leased, &tried, took);
    record(shared, leased, &tried, ended);
    let config = &shared.engine.config;
    let hostname = config.hostname.as_str();
    let own = leased.terms.as_deref().and_then(schedule);
    let terms = Terms {
        schedule: own.as_ref().unwrap_or(shared.schedule()),
        profile: leased.terms.as_deref().map(|terms| profile(terms.notices)).unwrap_or_default(),
        hostname,
        began,
        ended,
        srs_key: &config.srs_key,
        again,
    };
    let original = if terms.has_news(leased, &tried) {
        let body = QueuedBody::of(&shared.engine.store, assignment, &handed);
        body.beginning(limits::NOTICE_ORIGINAL_BYTES_MAX).await.ok()
    } else {
        None
    };
    if let Some(profile) = &tried.receiver {
        shared.engine.metrics.tried_at(&profile.name);
        shared.board.lock().met(ended, &leased.delivery.destination, profile);
    }
    let settled = terms.settle(leased, &tried, original.as_ref());
    shared.note(group, Note::Settled(Box::new(settled)));
    goodbye(tried.worn).await;
    Ended::With(tried.signal)
}

/// Ends when a delivery has to: the worker does, or is believed to, or somebody else has the delivery and this message has not been handed
/// out.
async fn cut_off(shared: &Shared, assignment: &Assignment, handed: &Handed) {
    let lost = async {
        assignment.lost.cancelled().await;
        if handed.is_whole() {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = shared.abort.cancelled() => {}
        () = shared.sharing.cut() => {}
        () = lost => {}
    }
}

async fn attempt(shared: &Arc<Shared>, assignment: &Assignment, handed: &Handed) -> Result<Tried, NoWay> {
    let leased = &assignment.leased;
    let (engine, count) = (&shared.engine, leased.delivery.recipients.len());
    if let Some(tried) = out_of_time(shared, assignment) {
        return Ok(tried);
    }
    let hosted = match leased.delivery.destination.domain() {
        Some(domain) => engine.store.resolve_destination(domain).await,
        None => Ok(None),
    };
    match hosted {
        Ok(Some(hosted)) => Ok(engine.deliver_hosted(assignment, &hosted, handed).await),
        Ok(None) => Box::pin(engine.attempt(assignment, handed)).await,
        Err(error) => Ok(Tried::all(count, &Reply::conclusion(451, (4, 3, 0), &error.to_string()), Signal::None)),
    }
}

/// What comes of a delivery whose time is over, if nothing is tried any more, or not now.
fn out_of_time(shared: &Shared, assignment: &Assignment) -> Option<Tried> {
    let (now, Leased { delivery, .. }) = (now(), &assignment.leased);
    let expired = delivery.expires <= now;
    let text = if delivery.handling.deadline.is_some_and(|deadline| deadline.returns() && deadline.at <= now) {
        // RFC 2852 §4.1.1: it is not tried any more.
        "it could not be delivered within the time that its sender set"
    } else {
        if delivery.overdue() > now {
            return None;
        }
        let suspended = !expired && shared.suspensions.lock().until(&assignment.leased.key(), now).is_some();
        if !suspended && !shared.board.lock().pauses(now, &delivery.destination, assignment.source) {
            return None;
        }
        if expired {
            "the destination can't be reached, and the message's time is over"
        } else {
            "the destination can't be reached now"
        }
    };
    let reply = Reply::conclusion(451, (4, 4, 7), text);
    let mut tried = Tried::all(delivery.recipients.len(), &reply, Signal::None);
    // The last word that a server had is a better one.
    for (fate, recipient) in tried.fates.iter_mut().zip(&delivery.recipients) {
        let last = recipient.last_reply.as_ref().or(delivery.last_reply.as_ref());
        fate.reply = last.cloned().unwrap_or_else(|| fate.reply.clone());
    }
    Some(tried)
}

/// What a watcher is told of each recipient.
fn outcomes(leased: &Leased, tried: &Tried) -> Vec<String> {
    let told = leased.delivery.recipients.iter().zip(&tried.fates).map(|(recipient, fate)| {
        let verdict = match fate.verdict {
            Verdict::Delivered => "delivered",
            Verdict::Refused => "refused",
            Verdict::Deferred => "put off",
            Verdict::Unknown => "put off, and perhaps taken",
        };
        let (address, reply) = (leased.delivery.address(recipient), &fate.reply);
        let enhanced = reply.enhanced.map(|enhanced| format!("{enhanced} ")).unwrap_or_default();
        format!("{address} {verdict}: {} {enhanced}{}", reply.code, reply.text)
    });
    told.collect()
}

/// What the mail log learns: attempts that settled nothing. Final outcomes are recorded with the delivery.
fn record(shared: &Shared, leased: &Leased, tried: &Tried, at: Timestamp) {
    for (recipient, fate) in leased.delivery.recipients.iter().zip(&tried.fates) {
        if !matches!(fate.verdict, Verdict::Deferred | Verdict::Unknown) {
            continue;
        }
        let (message, reply) = (&leased.message, &fate.reply);
        let enhanced = reply.enhanced.map(|enhanced| format!("{enhanced} ")).unwrap_or_default();
        shared.engine.store.note(MailEvent {
            at,
            kind: MailEventKind::TransientFailure,
            trace: message.trace,
            host: shared.engine.config.hostname.to_string(),
            peer: reply.host.clone(),
            sender: message.sender.bare(),
            recipient: leased.delivery.address(recipient).to_string(),
            message_id: message.message_id.clone(),
            login: String::new(),
            id: Some(message.id),
            bytes: message.bytes,
            count: 1,
            text: format!("{} {enhanced}{}", reply.code, reply.text),
        });
    }
}

/// One line for each recipient.
fn log(leased: &Leased, tried: &Tried, took: Duration) {
    for (recipient, fate) in leased.delivery.recipients.iter().zip(&tried.fates) {
        tracing::info!(
            id = %leased.message.id,
            trace = %leased.message.trace,
            from = %leased.message.sender,
            to = %leased.delivery.address(recipient),
            status = ?fate.verdict,
            attempt = leased.delivery.attempts + 1,
            code = fate.reply.code,
            enhanced = fate.reply.enhanced.map(tracing::field::display),
            reply = fate.reply.text,
            relay = fate.reply.host,
            seconds = took.as_secs_f64(),
            "delivery"
        );
    }
}
