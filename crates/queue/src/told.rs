//! What is told of an attempt: to who watches it, to the mail log, and a line for each recipient to the process's log.
//!
//! The line's names are those that operators know from other mail servers: `msgid`, `orig_to`, `relay`, `tls`, `delay` (since it was queued) and `delays`
//! (before the attempt, until the host was ready, and the transaction), all in seconds, `dsn` and `status`.

use yubin_policy::remote_reply;
use yubin_proto::mail_log::AttemptFacts;
use yubin_proto::{MailEvent, MailEventKind};
use yubin_session::smtp::client::Verdict;
use yubin_state::queue::{Leased, QueuedRecipient, RemoteReply};
use yubin_types::Timestamp;

use crate::fate::{Fate, Tried};
use crate::worker::Shared;

/// What a watcher is told of each recipient.
pub(crate) fn outcomes(leased: &Leased, tried: &Tried) -> Vec<String> {
    let told = leased.delivery.recipients.iter().zip(&tried.fates).map(|(recipient, fate)| {
        let verdict = match fate.verdict {
            Verdict::Delivered => "delivered",
            Verdict::Refused => "refused",
            Verdict::Deferred => "put off",
            Verdict::Unknown => "put off, and perhaps taken",
        };
        format!("{} {verdict}: {}", leased.delivery.address(recipient), words(&fate.reply))
    });
    told.collect()
}

/// What the mail log learns: attempts that settled nothing. Final outcomes are recorded with the delivery.
pub(crate) fn record(shared: &Shared, leased: &Leased, tried: &Tried, at: Timestamp) {
    for (recipient, fate) in leased.delivery.recipients.iter().zip(&tried.fates) {
        if !matches!(fate.verdict, Verdict::Deferred | Verdict::Unknown) {
            continue;
        }
        let (message, reply) = (&leased.message, &fate.reply);
        let facts = AttemptFacts {
            tenant: leased.tenant.name.to_string(),
            number: leased.delivery.attempts.saturating_add(1),
            delay_ms: at.millis_since(message.queued),
            reason: reason(reply).unwrap_or_default().to_owned(),
            way: reply.way.as_deref().cloned(),
        };
        shared.engine.store.note(MailEvent {
            at,
            kind: MailEventKind::TransientFailure,
            trace: message.trace,
            host: shared.engine.config.hostname.to_string(),
            peer: reply.host.clone(),
            sender: message.sender.bare(),
            recipient: leased.delivery.address(recipient).to_string(),
            message_id: message.message_id.clone(),
            login: message.source.account().map(ToString::to_string).unwrap_or_default(),
            id: Some(message.id),
            bytes: message.bytes,
            count: 1,
            text: words(reply),
            attempt: Some(Box::new(facts)),
        });
    }
}

/// One line for each recipient.
pub(crate) fn log(leased: &Leased, tried: &Tried, ended: Timestamp) {
    for (recipient, fate) in leased.delivery.recipients.iter().zip(&tried.fates) {
        line(leased, recipient, fate, ended);
    }
}

fn line(leased: &Leased, recipient: &QueuedRecipient, fate: &Fate, ended: Timestamp) {
    let (message, reply) = (&leased.message, &fate.reply);
    let (way, delay_ms) = (reply.way.as_deref(), ended.millis_since(message.queued));
    tracing::info!(
        id = %message.id,
        trace = %message.trace,
        msgid = message.message_id,
        domain = %leased.tenant.name,
        account = message.source.account().map(tracing::field::display),
        from = %message.sender,
        to = %leased.delivery.address(recipient),
        orig_to = original(recipient),
        size = message.bytes,
        relay = reply.host,
        source = way.and_then(|way| way.source).map(tracing::field::display),
        tls = way.map(|way| tracing::field::display(&way.tls)),
        delay = seconds(delay_ms),
        delays = delays(reply, delay_ms),
        attempt = leased.delivery.attempts + 1,
        dsn = reply.enhanced.map(tracing::field::display),
        status = status(fate.verdict),
        reason = reason(reply),
        code = reply.code,
        reply = reply.text,
        "delivery"
    );
}

fn status(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered => "sent",
        Verdict::Refused => "bounced",
        Verdict::Deferred => "deferred",
        Verdict::Unknown => "deferred, perhaps sent",
    }
}

/// For whom the mail was first, as the sender's server said (ORCPT, RFC 3461 §4.2).
fn original(recipient: &QueuedRecipient) -> Option<String> {
    recipient.orcpt.as_ref().map(|orcpt| String::from_utf8_lossy(orcpt).into_owned())
}

/// What a negative reply means, in a word.
fn reason(reply: &RemoteReply) -> Option<&'static str> {
    let RemoteReply { host, code, enhanced, text, .. } = reply;
    let known = remote_reply::Reply { host, code: *code, enhanced: *enhanced, text };
    (*code >= 400).then(|| remote_reply::classify(&known).class.as_str())
}

/// Before the attempt, until the host was ready, and the transaction; nothing where no host was spoken to.
fn delays(reply: &RemoteReply, delay_ms: u64) -> Option<String> {
    let way = reply.way.as_deref()?;
    let (connect_ms, send_ms) = (u64::from(way.connect_ms), u64::from(way.send_ms));
    let before_ms = delay_ms.saturating_sub(connect_ms + send_ms);
    Some([before_ms, connect_ms, send_ms].map(|ms| seconds(ms).to_string()).join("/"))
}

#[expect(clippy::cast_precision_loss, reason = "a time of days has few digits")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

fn words(reply: &RemoteReply) -> String {
    let enhanced = reply.enhanced.map(|enhanced| format!("{enhanced} ")).unwrap_or_default();
    format!("{} {enhanced}{}", reply.code, reply.text)
}
