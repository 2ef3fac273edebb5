//! What is known of mail: what happened to it, what waits, what has ended.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::events::{tls, way_json};
use super::queue::path;
use super::{Row, Shown};
use crate::output::date;

/// What `trace` found.
#[derive(Default)]
pub(crate) struct Trace {
    /// What happened.
    pub(crate) log: api::SearchMailLogResponse,
    /// What still waits.
    pub(crate) waiting: Vec<api::Delivery>,
    /// What has ended, by time.
    pub(crate) ended: Vec<api::Event>,
    /// Of an account that may send nothing: why its mail waits, or is refused.
    pub(crate) suspended: Option<api::AccountSending>,
}

impl Row for api::MailEvent {
    const HEADS: &'static [&'static str] =
        &["TIME", "WHAT", "CLIENT OR SERVER", "FROM", "TO", "ID", "LEFT FROM", "TLS", "REPLY OR PLACE"];
    const LIST: &'static str = "log";

    fn cells(&self) -> Vec<String> {
        let way = self.attempt.as_ref().and_then(|attempt| attempt.way.as_ref());
        vec![
            date(self.time_ms),
            kind(self.kind).to_owned(),
            self.peer.clone(),
            from(self),
            self.recipient.clone(),
            if self.id.is_empty() { self.trace.clone() } else { self.id.clone() },
            way.map(|way| way.source.clone()).unwrap_or_default(),
            way.map(tls).unwrap_or_default(),
            self.text.clone(),
        ]
    }

    fn object(&self) -> Value {
        json!({
            "time_ms": self.time_ms,
            "what": kind(self.kind),
            "host": self.host,
            "peer": self.peer,
            "sender": self.sender,
            "recipient": self.recipient,
            "message_id": self.message_id,
            "id": self.id,
            "bytes": self.bytes,
            "text": self.text,
            "trace": self.trace,
            "login": self.login,
            "count": self.count,
            "attempt": self.attempt.as_ref().map(|attempt| json!({
                "domain": attempt.domain,
                "number": attempt.number,
                "delay_ms": attempt.delay_ms,
                "reason": attempt.reason,
                "way": way_json(attempt.way.as_ref()),
            })),
        })
    }
}

/// The sender, and who logged in to send if that is somebody else; who wanted to log in.
fn from(event: &api::MailEvent) -> String {
    match event.login.as_str() {
        login if matches!(event.kind(), api::MailEventKind::LoginRefusal | api::MailEventKind::ConnectionRefusal) => {
            login.to_owned()
        }
        login if login.is_empty() || login.eq_ignore_ascii_case(&event.sender) => path(&event.sender),
        login => format!("{} ({login})", path(&event.sender)),
    }
}

impl Shown for Trace {
    fn table(&self) -> String {
        let happened =
            if self.log.events.is_empty() { "Nothing happened.\n".to_owned() } else { self.log.events.table() };
        let waiting = if self.waiting.is_empty() { "Nothing waits.\n".to_owned() } else { self.waiting.table() };
        let ended = if self.ended.is_empty() { "Nothing queued has ended.\n".to_owned() } else { self.ended.table() };
        let suspension = self.suspended.as_ref().map(suspension).unwrap_or_default();
        format!("{suspension}{}{happened}\n{waiting}\n{ended}", silent(&self.log.silent_nodes))
    }

    fn json(&self) -> Value {
        json!({
            "log": self.log.events.iter().map(Row::object).collect::<Vec<_>>(),
            "silent_nodes": self.log.silent_nodes,
            "waiting": self.waiting.iter().map(Row::object).collect::<Vec<_>>(),
            "ended": self.ended.iter().map(Row::object).collect::<Vec<_>>(),
            "suspension": self.suspended.as_ref().map(|sending| json!({
                "reason": sending.suspension_reason,
                "since_ms": sending.suspended_since_ms,
                "by": sending.suspended_by,
            })),
        })
    }
}

/// That something may be missing.
fn silent(nodes: &[u64]) -> String {
    match nodes {
        [] => String::new(),
        nodes => {
            let nodes: Vec<String> = nodes.iter().map(u64::to_string).collect();
            format!("Store nodes that did not answer, and whose part of the log is missing: {}\n\n", nodes.join(", "))
        }
    }
}

fn suspension(sending: &api::AccountSending) -> String {
    let since = sending.suspended_since_ms.map(date).unwrap_or_default();
    let by = if sending.suspended_by.is_empty() { "the rules" } else { &sending.suspended_by };
    format!("Sending from {} is suspended since {since} by {by}: {}\n\n", sending.address, sending.suspension_reason)
}

fn kind(kind: i32) -> &'static str {
    match api::MailEventKind::try_from(kind) {
        Ok(api::MailEventKind::Reception) => "queued",
        Ok(api::MailEventKind::Delivery) => "stored",
        Ok(api::MailEventKind::Rejection) => "refused",
        Ok(api::MailEventKind::Discard) => "discarded",
        Ok(api::MailEventKind::TransientFailure) => "put off",
        Ok(api::MailEventKind::LoginRefusal) => "login refused",
        Ok(api::MailEventKind::ConnectionRefusal) => "turned away",
        _ => "unknown",
    }
}
