//! How ends of queued mail are printed, and the connections over which they came.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::queue::{path, reply, reply_json};
use super::{Form, Row};
use crate::output::{ago, date};

impl Row for api::Event {
    const HEADS: &'static [&'static str] =
        &["TIME", "ID", "FROM", "TO", "OUTCOME", "DELAY", "ATTEMPTS", "LEFT FROM", "TLS", "REASON", "REPLY"];
    const LIST: &'static str = "events";

    fn cells(&self) -> Vec<String> {
        let way = self.reply.as_ref().and_then(|reply| reply.way.as_ref());
        vec![
            date(self.time_ms),
            self.id.clone(),
            path(&self.sender),
            self.recipient.clone(),
            outcome(self.outcome).to_owned(),
            ago(self.queue_time_ms, self.time_ms),
            self.attempts.to_string(),
            way.map(|way| way.source.clone()).unwrap_or_default(),
            way.map(tls).unwrap_or_default(),
            self.reply.as_ref().map(|reply| reply.reason.clone()).unwrap_or_default(),
            self.reply.as_ref().map(reply).unwrap_or_default(),
        ]
    }

    fn object(&self) -> Value {
        json!({
            "time_ms": self.time_ms,
            "id": self.id,
            "message_id": self.message_id,
            "sender": self.sender,
            "recipient": self.recipient,
            "outcome": outcome(self.outcome),
            "reply": reply_json(self.reply.as_ref()),
            "attempts": self.attempts,
            "queue_time_ms": self.queue_time_ms,
            "bytes": self.bytes,
            "source": self.source,
            "trace": self.trace,
            "domain": self.domain,
            "account": self.account,
        })
    }
}

/// An event that is printed as it comes: a line, or an object with its cursor.
pub(crate) fn event_line(event: &api::Event, cursor: &str, form: Form) -> String {
    match form {
        Form::Table => event.cells().join("  ") + "\n",
        Form::Json => {
            let mut object = event.object();
            if let Some(fields) = object.as_object_mut() {
                fields.insert("cursor".to_owned(), Value::from(cursor));
            }
            format!("{object}\n")
        }
    }
}

/// What protected a connection.
pub(super) fn tls(way: &api::Way) -> String {
    match (way.tls_version.as_str(), way.tls_verified) {
        ("", _) => "none".to_owned(),
        (version, false) => version.to_owned(),
        (version, true) => format!("{version} verified"),
    }
}

pub(super) fn way_json(way: Option<&api::Way>) -> Value {
    let Some(way) = way else { return Value::Null };
    json!({
        "source": way.source,
        "tls_version": way.tls_version,
        "tls_verified": way.tls_verified,
        "connect_ms": way.connect_ms,
        "send_ms": way.send_ms,
    })
}

fn outcome(outcome: i32) -> &'static str {
    match api::Outcome::try_from(outcome) {
        Ok(api::Outcome::Delivered) => "delivered",
        Ok(api::Outcome::Bounced) => "bounced",
        Ok(api::Outcome::Expired) => "expired",
        Ok(api::Outcome::Cancelled) => "cancelled",
        _ => "unknown",
    }
}
