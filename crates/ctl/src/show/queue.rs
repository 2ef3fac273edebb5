//! How mail on its way out is printed.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::events::way_json;
use super::{Row, Shown};
use crate::output::{ago, date, human, now_ms, table, until};

impl Row for api::Delivery {
    const HEADS: &'static [&'static str] = &[
        "ID",
        "FROM",
        "DESTINATION",
        "RECIPIENTS",
        "SIZE",
        "AGE",
        "STATE",
        "NEXT",
        "ATTEMPTS",
        "WHY IT WAITS",
        "LAST REPLY",
    ];
    const LIST: &'static str = "deliveries";

    fn cells(&self) -> Vec<String> {
        let now = now_ms();
        vec![
            self.id.clone(),
            path(&self.sender),
            self.destination.clone(),
            self.recipients.len().to_string(),
            human(self.bytes),
            ago(self.queue_time_ms, now),
            state(self),
            self.next_attempt_time_ms.map_or_else(|| "-".to_owned(), |next| until(next, now)),
            self.attempts.to_string(),
            self.why.clone(),
            self.last_reply.as_ref().map(reply).unwrap_or_default(),
        ]
    }

    fn object(&self) -> Value {
        let recipient = |recipient: &api::QueuedRecipient| {
            json!({
                "address": recipient.address,
                "notify": recipient.notify,
                "last_reply": reply_json(recipient.last_reply.as_ref()),
            })
        };
        json!({
            "id": self.id,
            "destination": self.destination,
            "sender": self.sender,
            "state": state_word(self.state),
            "held_reason": self.held_reason,
            "worker": self.worker,
            "queue_time_ms": self.queue_time_ms,
            "next_attempt_time_ms": self.next_attempt_time_ms,
            "last_attempt_time_ms": self.last_attempt_time_ms,
            "expire_time_ms": self.expire_time_ms,
            "attempts": self.attempts,
            "lapsed": self.lapsed,
            "last_reply": reply_json(self.last_reply.as_ref()),
            "recipients": self.recipients.iter().map(recipient).collect::<Vec<_>>(),
            "bytes": self.bytes,
            "message_id": self.message_id,
            "delay_notice_sent": self.delay_notice_sent,
            "release_time_ms": self.release_time_ms,
            "priority": self.priority,
            "deadline_time_ms": self.deadline_time_ms,
            "returns_at_deadline": self.returns_at_deadline,
            "wait": wait_word(self.wait),
            "why": self.why,
            "destination_reply": reply_json(self.destination_reply.as_ref()),
        })
    }
}

impl Shown for api::QueuedMessage {
    fn table(&self) -> String {
        let mut text = format!(
            "Message     {}\nFrom        {}\nMessage-ID  {}\nSize        {}\nQueued      {}\nSource      {}\nTrace       {}\n",
            self.id,
            path(&self.sender),
            self.message_id,
            human(self.bytes),
            date(self.queue_time_ms),
            self.source,
            self.trace,
        );
        if !self.tls.is_empty() {
            text.push_str(&format!("TLS         {}\n", self.tls));
        }
        let now = now_ms();
        for delivery in &self.deliveries {
            let next = delivery.next_attempt_time_ms.map_or_else(|| "-".to_owned(), |next| until(next, now));
            text.push_str(&format!(
                "\nTo {}: {}, next attempt {next}, {} attempts, given up {}\n",
                delivery.destination,
                state(delivery),
                delivery.attempts,
                date(delivery.expire_time_ms),
            ));
            if !delivery.why.is_empty() {
                text.push_str(&format!("  {}\n", delivery.why));
            }
            text.push_str(&handling(delivery));
            for recipient in &delivery.recipients {
                text.push_str(&format!("  <{}>\n", recipient.address));
                text.push_str(&explained(recipient.last_reply.as_ref(), "    "));
            }
            text.push_str(&explained(delivery.last_reply.as_ref(), "  "));
        }
        text
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "sender": self.sender,
            "message_id": self.message_id,
            "bytes": self.bytes,
            "queue_time_ms": self.queue_time_ms,
            "source": self.source,
            "envid": self.envid,
            "ret": self.ret,
            "tls": self.tls,
            "trace": self.trace,
            "deliveries": self.deliveries.iter().map(Row::object).collect::<Vec<_>>(),
        })
    }
}

impl Shown for api::SummarizeQueueResponse {
    fn table(&self) -> String {
        let now = now_ms();
        let row = |line: &api::QueueSum| {
            vec![
                line.destination.clone(),
                state_word(line.state).to_owned(),
                line.deliveries.to_string(),
                line.recipients.to_string(),
                human(line.bytes),
                ago(line.oldest_time_ms, now),
            ]
        };
        let rows: Vec<_> = self.lines.iter().map(row).collect();
        let more = if self.more > 0 { format!("and {} more lines\n", self.more) } else { String::new() };
        format!(
            "{}{more}{} messages, {}, {} deliveries\n",
            table(&["DESTINATION", "STATE", "DELIVERIES", "RECIPIENTS", "SIZE", "OLDEST"], &rows),
            self.messages,
            human(self.bytes),
            self.deliveries
        )
    }

    fn json(&self) -> Value {
        let line = |line: &api::QueueSum| {
            json!({
                "destination": line.destination,
                "state": state_word(line.state),
                "deliveries": line.deliveries,
                "recipients": line.recipients,
                "bytes": line.bytes,
                "oldest_time_ms": line.oldest_time_ms,
            })
        };
        json!({
            "messages": self.messages,
            "bytes": self.bytes,
            "deliveries": self.deliveries,
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "more": self.more,
        })
    }
}

impl Shown for api::ControlQueueResponse {
    fn table(&self) -> String {
        let mut text = format!("{} done", self.done);
        for (count, what) in [
            (self.after_attempt, "after the attempt under way"),
            (self.unchanged, "unchanged"),
            (self.gone, "ended in the meantime"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text + "\n"
    }

    fn json(&self) -> Value {
        json!({
            "done": self.done,
            "after_attempt": self.after_attempt,
            "unchanged": self.unchanged,
            "gone": self.gone,
        })
    }
}

impl Row for api::QueueSuspension {
    const HEADS: &'static [&'static str] = &["MAIL", "SINCE", "ENDS", "REASON"];
    const LIST: &'static str = "suspensions";

    fn cells(&self) -> Vec<String> {
        let what = match (self.domain.as_str(), self.source.as_str()) {
            ("", "") => format!("to {}", self.destination),
            ("", source) => format!("to {} from {source}", self.destination),
            (domain, _) => format!("from {domain}"),
        };
        let ends = self.expire_time_ms.map_or_else(|| "never".to_owned(), date);
        vec![what, date(self.since_time_ms), ends, self.reason.clone()]
    }

    fn object(&self) -> Value {
        json!({
            "destination": self.destination,
            "domain": self.domain,
            "source": self.source,
            "reason": self.reason,
            "since_time_ms": self.since_time_ms,
            "expire_time_ms": self.expire_time_ms,
        })
    }
}

pub(super) fn path(sender: &str) -> String {
    format!("<{sender}>")
}

/// What its sender wants of the time, a line each.
fn handling(delivery: &api::Delivery) -> String {
    let mut text = String::new();
    if let Some(at) = delivery.release_time_ms {
        text.push_str(&format!("  held back by its sender until {}\n", date(at)));
    }
    if delivery.priority != 0 {
        text.push_str(&format!("  priority {}\n", delivery.priority));
    }
    if let Some(at) = delivery.deadline_time_ms {
        let then = if delivery.returns_at_deadline { "returned" } else { "its sender told" };
        text.push_str(&format!("  to be delivered by {}, else {then}\n", date(at)));
    }
    text
}

fn state(delivery: &api::Delivery) -> String {
    match delivery.state() {
        api::DeliveryState::Scheduled if delivery.release_time_ms.is_some_and(|at| at > now_ms()) => {
            "held back".to_owned()
        }
        api::DeliveryState::Held => format!("held: {}", delivery.held_reason),
        _ => state_word(delivery.state).to_owned(),
    }
}

fn state_word(state: i32) -> &'static str {
    match api::DeliveryState::try_from(state) {
        Ok(api::DeliveryState::Scheduled) => "scheduled",
        Ok(api::DeliveryState::InFlight) => "in-flight",
        Ok(api::DeliveryState::MaybeDelivered) => "maybe-delivered",
        Ok(api::DeliveryState::Held) => "held",
        _ => "unknown",
    }
}

fn wait_word(cause: i32) -> &'static str {
    match api::WaitCause::try_from(cause) {
        Ok(api::WaitCause::Turn) => "turn",
        Ok(api::WaitCause::Retry) => "retry",
        Ok(api::WaitCause::Paused) => "paused",
        Ok(api::WaitCause::Crowded) => "crowded",
        Ok(api::WaitCause::NoSource) => "no-source",
        Ok(api::WaitCause::Suspended) => "suspended",
        Ok(api::WaitCause::SenderSuspended) => "sender-suspended",
        Ok(api::WaitCause::HeldBack) => "held-back",
        Ok(api::WaitCause::Held) => "held",
        Ok(api::WaitCause::Unspecified) | Err(_) => "",
    }
}

pub(super) fn reply(reply: &api::RemoteReply) -> String {
    let words = [reply.host.as_str(), &reply.code.to_string(), &reply.enhanced, &reply.text].map(str::to_owned);
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A reply, what it means, and what to do, a line each.
fn explained(last: Option<&api::RemoteReply>, indent: &str) -> String {
    let Some(last) = last else { return String::new() };
    let mut text = format!("{indent}{}\n", reply(last));
    if !last.reason.is_empty() {
        text.push_str(&format!("{indent}{}: {}\n{indent}{}\n", last.reason, last.advice_en, last.advice_ja));
    }
    if !last.blocklist.is_empty() {
        text.push_str(&format!("{indent}{}: {}\n", last.blocklist, last.blocklist_url));
    }
    text
}

pub(super) fn reply_json(reply: Option<&api::RemoteReply>) -> Value {
    let Some(reply) = reply else { return Value::Null };
    json!({
        "code": reply.code,
        "enhanced": reply.enhanced,
        "text": reply.text,
        "host": reply.host,
        "time_ms": reply.time_ms,
        "reason": reply.reason,
        "blocklist": reply.blocklist,
        "blocklist_url": reply.blocklist_url,
        "advice_en": reply.advice_en,
        "advice_ja": reply.advice_ja,
        "way": way_json(reply.way.as_ref()),
    })
}
