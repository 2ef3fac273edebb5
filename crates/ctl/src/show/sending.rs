//! How it is printed what an account may send and has sent: a line for each limit, such as 412 of 500 messages in this hour.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::super::output::{date, table};
use super::{Shown, state_word};

impl Shown for api::AccountSending {
    fn table(&self) -> String {
        let (limits, domain) = (self.limits.unwrap_or_default(), self.domain_limits.unwrap_or_default());
        let (used, together) = (self.used.unwrap_or_default(), self.domain_used.unwrap_or_default());
        let own = self.own_limits.unwrap_or_default();
        let line = |what: &str, used: Option<u64>, limit: Option<u64>, own: Option<u64>| {
            let used = used.map_or_else(|| "-".to_owned(), |used| used.to_string());
            let limit = limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
            vec![what.to_owned(), used, limit, if own.is_some() { "account" } else { "plan" }.to_owned()]
        };
        let hour = Some(used.messages_this_hour);
        let mut text = table(
            &["SENDING", "USED", "LIMIT", "SET BY"],
            &[
                line("recipients of a message", None, limits.recipients_per_message, own.recipients_per_message),
                line("messages this hour", hour, limits.messages_per_hour, own.messages_per_hour),
                line(
                    "messages in 24 hours",
                    Some(used.messages_this_day),
                    limits.messages_per_day,
                    own.messages_per_day,
                ),
                line(
                    "recipients this hour",
                    Some(used.recipients_this_hour),
                    limits.recipients_per_hour,
                    own.recipients_per_hour,
                ),
                line(
                    "recipients in 24 hours",
                    Some(used.recipients_this_day),
                    limits.recipients_per_day,
                    own.recipients_per_day,
                ),
                line(
                    "new recipients in 24 hours",
                    Some(used.new_recipients_this_day),
                    limits.new_recipients_per_day,
                    own.new_recipients_per_day,
                ),
                line("domain: messages this hour", Some(together.messages_this_hour), domain.messages_per_hour, None),
                line("domain: messages in 24 hours", Some(together.messages_this_day), domain.messages_per_day, None),
                line(
                    "domain: recipients this hour",
                    Some(together.recipients_this_hour),
                    domain.recipients_per_hour,
                    None,
                ),
                line(
                    "domain: recipients in 24 hours",
                    Some(together.recipients_this_day),
                    domain.recipients_per_day,
                    None,
                ),
            ],
        );
        text.push_str(&standing(self));
        text
    }

    fn json(&self) -> Value {
        let change = |change: &api::SendingChange| {
            json!({
                "time_ms": change.time_ms,
                "state": state_word(change.state),
                "reason": change.reason,
                "by": change.by,
            })
        };
        json!({
            "address": self.address,
            "state": state_word(self.state),
            "suspension_reason": self.suspension_reason,
            "suspended_since_ms": self.suspended_since_ms,
            "suspended_by": self.suspended_by,
            "own_limits": account(self.own_limits.as_ref()),
            "limits": account(self.limits.as_ref()),
            "domain_limits": domain(self.domain_limits.as_ref()),
            "used": counts(self.used.as_ref()),
            "domain_used": counts(self.domain_used.as_ref()),
            "refused_this_hour": self.refused_this_hour,
            "delivered_lately": self.delivered_lately,
            "bounced_lately": self.bounced_lately,
            "history": self.history.iter().map(change).collect::<Vec<_>>(),
        })
    }
}

/// What is held against an account, whether it is suspended, and what happened before.
fn standing(sending: &api::AccountSending) -> String {
    let mut lines = vec![
        String::new(),
        format!("Refused for limits this hour: {}", sending.refused_this_hour),
        format!(
            "Recipients within two hours: {} reached, {} refused for good",
            sending.delivered_lately, sending.bounced_lately
        ),
        format!("Sending: {}", state_word(sending.state)),
    ];
    lines.extend(sending.history.iter().map(|change| {
        let by = if change.by.is_empty() { "the rules" } else { &change.by };
        let word =
            if change.reason.is_empty() { "resumed".to_owned() } else { format!("suspended: {}", change.reason) };
        format!("  {} by {by}, {word}", date(change.time_ms))
    }));
    lines.push(String::new());
    lines.join("\n")
}

/// A plan's limits.
pub(super) fn limits(limits: Option<&api::SendingLimits>) -> Value {
    let limits = limits.copied().unwrap_or_default();
    json!({
        "account": account(limits.account.as_ref()),
        "domain": domain(limits.domain.as_ref()),
        "suspend_above_refusals_per_hour": limits.suspend_above_refusals_per_hour,
        "suspend_above_bounce_percent": limits.suspend_above_bounce_percent,
    })
}

fn account(limits: Option<&api::AccountSendingLimits>) -> Value {
    let limits = limits.copied().unwrap_or_default();
    json!({
        "recipients_per_message": limits.recipients_per_message,
        "messages_per_hour": limits.messages_per_hour,
        "messages_per_day": limits.messages_per_day,
        "recipients_per_hour": limits.recipients_per_hour,
        "recipients_per_day": limits.recipients_per_day,
        "new_recipients_per_day": limits.new_recipients_per_day,
    })
}

fn domain(limits: Option<&api::DomainSendingLimits>) -> Value {
    let limits = limits.copied().unwrap_or_default();
    json!({
        "messages_per_hour": limits.messages_per_hour,
        "messages_per_day": limits.messages_per_day,
        "recipients_per_hour": limits.recipients_per_hour,
        "recipients_per_day": limits.recipients_per_day,
    })
}

fn counts(counts: Option<&api::SendingCounts>) -> Value {
    let counts = counts.copied().unwrap_or_default();
    json!({
        "messages_this_hour": counts.messages_this_hour,
        "messages_this_day": counts.messages_this_day,
        "recipients_this_hour": counts.recipients_this_hour,
        "recipients_this_day": counts.recipients_this_day,
        "new_recipients_this_day": counts.new_recipients_this_day,
    })
}
