//! One delivery from its lease to its record: tried within its time, logged, settled, and its place given free.
//!
//! A delivery is cut off when the worker stops, is believed to be gone (`sharing`), or has lost the lease. What became of recipients before that is
//! recorded. If there is nothing to record and the message was handed out to its end it may have arrived: then the lease runs out, and says so;
//! otherwise it is given back.

use std::sync::Arc;
use std::time::Duration;

use yubin_session::smtp::client::Reply;
use yubin_state::queue::{Leased, Postponed, RemoteReply};
use yubin_types::limits;

use crate::assignment::Assignment;
use crate::board::NoWay;
use crate::body::{Handed, QueuedBody};
use crate::connection::now;
use crate::connections::goodbye;
use crate::fate::Tried;
use crate::pace::Signal;
use crate::profile::KnownBy;
use crate::recorder::Note;
use crate::result::Terms;
use crate::terms::{profile, schedule};
use crate::told;
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
        watch.end(told::outcomes(leased, &tried));
    }
    let ended = now();
    let took = Duration::from_millis(ended.millis_since(began));
    shared.engine.metrics.tried(&tried, took);
    told::log(leased, &tried, ended);
    told::record(shared, leased, &tried, ended);
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
    learn(shared, leased, &tried);
    let settled = terms.settle(leased, &tried, original.as_ref());
    shared.note(group, Note::Settled(Box::new(settled)));
    goodbye(tried.worn).await;
    Ended::With(tried.signal)
}

/// What an attempt says of its destination beside its signal.
fn learn(shared: &Shared, leased: &Leased, tried: &Tried) {
    let destination = &leased.delivery.destination;
    if let Some(profile) = tried.receiver.as_ref().filter(|profile| profile.known_by == KnownBy::Profile) {
        shared.engine.metrics.tried_at(&profile.name);
    }
    if matches!(tried.signal, Signal::Slower | Signal::Unreachable) {
        shared.board.lock().heard(destination, tried);
    }
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
        Ok(None) => Box::pin(engine.attempt(assignment, handed, |receiver| shared.joins(assignment, receiver))).await,
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
        let suspended = shared.suspensions.lock().until(&assignment.leased.key(), now).is_some();
        if !suspended && !shared.board.lock().pauses(now, &delivery.destination, assignment.source) {
            return None;
        }
        if expired && suspended {
            "it may not be sent now, and the message's time is over"
        } else if expired {
            "the destination can't be reached, and the message's time is over"
        } else {
            "the destination can't be reached now"
        }
    };
    let reply = Reply::conclusion(451, (4, 4, 7), text);
    let mut tried = Tried::all(delivery.recipients.len(), &reply, Signal::None);
    // The last word that was heard is a better one.
    let board = shared.board.lock();
    let of_destination = [board.last_word(&delivery.destination), assignment.leased.last_word.as_deref()];
    for (fate, recipient) in tried.fates.iter_mut().zip(&delivery.recipients) {
        let own = recipient.last_reply.as_ref().or(delivery.last_reply.as_ref());
        let last = of_destination.into_iter().chain([own]).flatten().max_by_key(|reply| reply.at);
        // It came over no connection of this attempt.
        fate.reply = last.map_or_else(|| fate.reply.clone(), |last| RemoteReply { way: None, ..last.clone() });
    }
    drop(board);
    Some(tried)
}
