//! The part for programs: message/delivery-status (RFC 3464 §2), or message/global-delivery-status (RFC 6533 §4).
//!
//! One block of fields for the message, then one for each recipient, parted by empty lines. Values come from peers; the header writer
//! keeps each on its own field.

use crate::date::DateTime;
use crate::header_writer::HeaderWriter;

use super::{Action, Cause, Notification, Recipient, xtext};

/// Which characters the part may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// ASCII: addresses beyond it are written as utf-8-addr-xtext, other text loses what is beyond.
    Ascii,
    /// UTF-8.
    Utf8,
}

impl Script {
    /// The part's subtype, which is also the report-type (RFC 6522 §2).
    pub(super) fn report_type(self) -> &'static str {
        match self {
            Script::Ascii => "delivery-status",
            Script::Utf8 => "global-delivery-status",
        }
    }

    fn text(self, text: &str) -> String {
        match self {
            Script::Ascii => ascii(text),
            Script::Utf8 => text.to_owned(),
        }
    }

    /// An address with its type.
    fn address(self, text: &str) -> String {
        match self {
            _ if text.is_ascii() => format!("rfc822; {text}"),
            Script::Ascii => format!("utf-8; {}", xtext::encode_utf8(text)),
            Script::Utf8 => format!("utf-8; {text}"),
        }
    }
}

/// The text, `?` for what is not ASCII.
pub(super) fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

/// ORCPT decoded: its type in lower case, and the address (RFC 3461 §4.2).
pub(super) fn original_recipient(orcpt: &[u8]) -> Option<(String, String)> {
    let semicolon = memchr::memchr(b';', orcpt)?;
    let (kind, address) = orcpt.split_at_checked(semicolon)?;
    let address = address.get(1..)?;
    let kind = std::str::from_utf8(kind).ok()?.trim().to_ascii_lowercase();
    if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return None;
    }
    let address = if kind == "utf-8" { xtext::decode_utf8(address) } else { xtext::decode(address) };
    Some((kind, address.trim().to_owned()))
}

/// A server's name, without the address in brackets behind it.
pub(super) fn host_name(host: &str) -> &str {
    match host.split_once('[') {
        Some((name, _)) if !name.is_empty() => name,
        _ => host,
    }
}

/// The whole part.
pub(super) fn fields(notification: &Notification<'_>, script: Script) -> Vec<u8> {
    let mut out = HeaderWriter::new();
    out.field("Reporting-MTA", &format!("dns; {}", ascii(notification.reporting_mta)));
    if let Some(envid) = &notification.dsn.envid {
        out.field("Original-Envelope-Id", &script.text(&xtext::decode(envid)));
    }
    out.field("X-Yubin-Queue-Id", &ascii(notification.queue_id));
    out.field("Arrival-Date", &notification.arrival.to_rfc5322());
    if let Some(release) = notification.handling.release {
        let asked = match release.held_for_seconds {
            Some(seconds) => format!("for;{seconds}"),
            None => format!("until;{}", DateTime::from(release.at).to_rfc3339()),
        };
        out.field("Future-Release-Request", &asked);
    }
    if let Some(deadline) = notification.handling.deadline {
        out.field("Deliver-By-Date", &DateTime::from(deadline.at).to_rfc5322());
    }
    let mut bytes = out.into_bytes();
    for recipient in notification.recipients {
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&recipient_fields(recipient, script));
    }
    bytes
}

fn recipient_fields(recipient: &Recipient<'_>, script: Script) -> Vec<u8> {
    let mut out = HeaderWriter::new();
    if let Some((kind, address)) = recipient.orcpt.and_then(original_recipient) {
        let value = if kind == "rfc822" || kind == "utf-8" {
            script.address(&address)
        } else {
            format!("{kind}; {}", script.text(&address))
        };
        out.field("Original-Recipient", &value);
    }
    out.field("Final-Recipient", &script.address(&recipient.address.to_string()));
    out.field("Action", name(recipient.action));
    out.field("Status", &recipient.status.to_string());
    match recipient.cause {
        Cause::Reply { host, code, enhanced, text, stage: _ } => {
            out.field("Remote-MTA", &format!("dns; {}", ascii(host_name(host))));
            let enhanced = enhanced.map(|it| format!("{it} ")).unwrap_or_default();
            out.field("Diagnostic-Code", &format!("smtp; {code:03} {enhanced}{}", script.text(text)));
        }
        Cause::Local { text, host } => {
            if let Some(host) = host {
                out.field("Remote-MTA", &format!("dns; {}", ascii(host_name(host))));
            }
            if !text.is_empty() {
                out.field("Diagnostic-Code", &format!("x-yubin; {}", script.text(text)));
            }
        }
    }
    if let Some(date) = recipient.last_attempt {
        out.field("Last-Attempt-Date", &date.to_rfc5322());
    }
    if let Action::Delayed { will_retry_until } = recipient.action {
        out.field("Will-Retry-Until", &will_retry_until.to_rfc5322());
    }
    out.into_bytes()
}

fn name(action: Action) -> &'static str {
    match action {
        Action::Failed => "failed",
        Action::Delayed { .. } => "delayed",
        Action::Delivered => "delivered",
        Action::Relayed => "relayed",
        Action::Expanded => "expanded",
    }
}
