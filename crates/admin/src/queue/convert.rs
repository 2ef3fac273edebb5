//! Between the queue's records and the messages of the API.

use yubin_policy::remote_reply::{Reply, classify};
use yubin_proto::r#gen::admin as api;
use yubin_state::queue::{
    DelayNotice, Delivery, DeliveryState, DeliveryStatus, EventRecord, FinalOutcome, NoticeKind, QueueSource,
    QueuedMessage, RemoteReply, SummaryLine, TlsDemand, TlsUse, Way,
};
use yubin_types::{DsnReturn, Timestamp};

use super::why::Why;

pub(super) fn delivery_to(message: &QueuedMessage, delivery: &Delivery, why: Why, now: Timestamp) -> api::Delivery {
    let (held_reason, worker) = match &delivery.state {
        DeliveryState::Scheduled => (String::new(), String::new()),
        DeliveryState::InFlight { worker, .. } => (String::new(), worker.clone()),
        DeliveryState::Held { reason } => (reason.clone(), String::new()),
    };
    let handling = &delivery.handling;
    let held = matches!(delivery.state, DeliveryState::Held { .. });
    let recipient = |recipient: &yubin_state::queue::QueuedRecipient| api::QueuedRecipient {
        address: delivery.address(recipient).to_string(),
        notify: recipient.notify.to_string(),
        last_reply: recipient.last_reply.as_ref().map(reply_to),
    };
    api::Delivery {
        id: message.id.to_string(),
        destination: delivery.destination.to_string(),
        sender: message.sender.bare(),
        state: state_to(delivery.status(now)).into(),
        held_reason,
        worker,
        queue_time_ms: message.queued.millis(),
        next_attempt_time_ms: (!held).then(|| delivery.next_attempt.millis()),
        last_attempt_time_ms: delivery.last_attempt.map(Timestamp::millis),
        expire_time_ms: delivery.expires.millis(),
        attempts: delivery.attempts,
        lapsed: delivery.lapsed,
        last_reply: delivery.last_reply.as_ref().map(reply_to),
        recipients: delivery.recipients.iter().map(recipient).collect(),
        bytes: message.bytes,
        message_id: message.message_id.clone().unwrap_or_default(),
        delay_notice_sent: delivery.delay_notice == DelayNotice::Sent,
        release_time_ms: handling.release.map(|release| release.at.millis()),
        priority: i8::from(handling.priority).into(),
        deadline_time_ms: handling.deadline.map(|deadline| deadline.at.millis()),
        returns_at_deadline: handling.deadline.is_some_and(|deadline| deadline.returns()),
        wait: why.cause.into(),
        why: why.words,
        destination_reply: why.heard.as_ref().map(reply_to),
    }
}

pub(super) fn message_to(message: &QueuedMessage, deliveries: Vec<api::Delivery>) -> api::QueuedMessage {
    let ret = match message.dsn.ret {
        None => "",
        Some(DsnReturn::Full) => "FULL",
        Some(DsnReturn::Headers) => "HDRS",
    };
    let envid = message.dsn.envid.as_deref().map(|envid| String::from_utf8_lossy(envid).into_owned());
    api::QueuedMessage {
        id: message.id.to_string(),
        sender: message.sender.bare(),
        message_id: message.message_id.clone().unwrap_or_default(),
        bytes: message.bytes,
        queue_time_ms: message.queued.millis(),
        source: source_to(&message.source).to_owned(),
        envid: envid.unwrap_or_default(),
        ret: ret.to_owned(),
        trace: message.trace.to_string(),
        tls: match message.content.tls {
            TlsDemand::None => "",
            TlsDemand::Required => "required",
            TlsDemand::Waived => "waived",
        }
        .to_owned(),
        deliveries,
    }
}

pub(super) fn event_to(record: &EventRecord) -> api::Event {
    let event = &record.event;
    let outcome = match event.outcome {
        FinalOutcome::Delivered => api::Outcome::Delivered,
        FinalOutcome::Bounced => api::Outcome::Bounced,
        FinalOutcome::Expired => api::Outcome::Expired,
        FinalOutcome::Cancelled => api::Outcome::Cancelled,
    };
    api::Event {
        time_ms: record.at.millis(),
        id: event.id.to_string(),
        message_id: event.message_id.clone().unwrap_or_default(),
        sender: event.sender.bare(),
        recipient: event.recipient.to_string(),
        outcome: outcome.into(),
        reply: event.reply.as_ref().map(reply_to),
        attempts: event.attempts,
        queue_time_ms: event.queued.millis(),
        bytes: event.bytes,
        source: source_to(&event.source).to_owned(),
        trace: event.trace.to_string(),
        domain: event.tenant.to_string(),
        account: event.source.account().map(ToString::to_string).unwrap_or_default(),
    }
}

pub(super) fn outcome_from(outcome: api::Outcome) -> Option<FinalOutcome> {
    match outcome {
        api::Outcome::Unspecified => None,
        api::Outcome::Delivered => Some(FinalOutcome::Delivered),
        api::Outcome::Bounced => Some(FinalOutcome::Bounced),
        api::Outcome::Expired => Some(FinalOutcome::Expired),
        api::Outcome::Cancelled => Some(FinalOutcome::Cancelled),
    }
}

pub(super) fn sum_to(line: &SummaryLine) -> api::QueueSum {
    api::QueueSum {
        destination: line.destination.to_string(),
        state: state_to(line.status).into(),
        deliveries: line.deliveries,
        recipients: line.recipients,
        bytes: line.bytes,
        oldest_time_ms: line.oldest.millis(),
    }
}

/// A reply, and what it means if it is negative (WEBL-10, WEBL-11).
fn reply_to(reply: &RemoteReply) -> api::RemoteReply {
    let mut shown = api::RemoteReply {
        code: reply.code.into(),
        enhanced: reply.enhanced.map(|enhanced| enhanced.to_string()).unwrap_or_default(),
        text: reply.text.clone(),
        host: reply.host.clone(),
        time_ms: reply.at.millis(),
        way: reply.way.as_deref().map(way_to),
        ..Default::default()
    };
    if reply.code >= 400 {
        let facts = Reply { host: &reply.host, code: reply.code, enhanced: reply.enhanced, text: &reply.text };
        let verdict = classify(&facts);
        let advice = verdict.class.advice().operator;
        shown.reason = verdict.class.as_str().to_owned();
        shown.advice_en = advice.english.to_owned();
        shown.advice_ja = advice.japanese.to_owned();
        if let Some(list) = verdict.blocklist {
            shown.blocklist = list.name.to_owned();
            shown.blocklist_url = list.lookup_url.to_owned();
        }
    }
    shown
}

/// A connection.
pub(crate) fn way_to(way: &Way) -> api::Way {
    let (tls_version, tls_verified) = match &way.tls {
        TlsUse::Clear => (String::new(), false),
        TlsUse::Unverified(version) => (version.clone(), false),
        TlsUse::Verified(version) => (version.clone(), true),
    };
    api::Way {
        source: way.source.map(|source| source.to_string()).unwrap_or_default(),
        tls_version,
        tls_verified,
        connect_ms: way.connect_ms,
        send_ms: way.send_ms,
    }
}

fn state_to(status: DeliveryStatus) -> api::DeliveryState {
    match status {
        DeliveryStatus::Scheduled => api::DeliveryState::Scheduled,
        DeliveryStatus::InFlight => api::DeliveryState::InFlight,
        DeliveryStatus::MaybeDelivered => api::DeliveryState::MaybeDelivered,
        DeliveryStatus::Held => api::DeliveryState::Held,
    }
}

fn source_to(source: &QueueSource) -> &'static str {
    match source {
        QueueSource::Submission { .. } => "submission",
        QueueSource::Forward { .. } => "forward",
        QueueSource::Returned => "returned bounce",
        QueueSource::AutoReply { .. } => "automatic reply",
        QueueSource::Report(_) => "report",
        QueueSource::Notice(NoticeKind::Failure) => "failure notice",
        QueueSource::Notice(NoticeKind::Delay) => "delay notice",
        QueueSource::Notice(NoticeKind::Success) => "success notice",
    }
}
