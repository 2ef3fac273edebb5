//! How each kind of answer is printed: the rows of its table, and its JSON, whose keys are stable.

mod auto_reply;
mod cluster;
mod countries;
mod dns;
mod events;
mod expunged;
mod filtering;
mod forward;
mod queue;
mod reports;
mod send_as;
mod sending;
mod tokens;
mod trace;

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

pub(crate) use dns::status as dns_status;
pub(crate) use events::event_line;
pub(crate) use trace::Trace;

use super::output::{human, human_limit, table};

/// Table or JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Table,
    Json,
}

/// What can be printed.
pub(crate) trait Shown {
    /// For people.
    fn table(&self) -> String;
    /// For programs.
    fn json(&self) -> Value;

    /// In the wanted form.
    fn shown(&self, form: Form) -> String {
        match form {
            Form::Table => self.table(),
            Form::Json => super::output::json(&self.json()),
        }
    }
}

/// One line of a table and one object of a list.
pub(crate) trait Row {
    /// The heads of the table's columns.
    const HEADS: &'static [&'static str];
    /// The key of a list in JSON.
    const LIST: &'static str;

    /// A cell for each head.
    fn cells(&self) -> Vec<String>;
    /// For programs.
    fn object(&self) -> Value;
}

impl<R: Row> Shown for Vec<R> {
    fn table(&self) -> String {
        rows(self)
    }

    fn json(&self) -> Value {
        json!({ R::LIST: self.iter().map(Row::object).collect::<Vec<_>>() })
    }
}

fn rows<R: Row>(items: &[R]) -> String {
    table(R::HEADS, &items.iter().map(Row::cells).collect::<Vec<_>>())
}

fn quota(quota: Option<&api::Quota>) -> Value {
    json!({ "bytes": quota.and_then(|quota| quota.bytes), "messages": quota.and_then(|quota| quota.messages) })
}

fn usage(usage: Option<&api::Usage>) -> Value {
    json!({ "bytes": usage.map_or(0, |usage| usage.bytes), "messages": usage.map_or(0, |usage| usage.messages) })
}

fn used(usage: Option<&api::Usage>) -> String {
    human(usage.map_or(0, |usage| usage.bytes))
}

fn messages(usage: Option<&api::Usage>) -> String {
    usage.map_or(0, |usage| usage.messages).to_string()
}

fn limit(quota: Option<&api::Quota>) -> String {
    human_limit(quota.and_then(|quota| quota.bytes))
}

fn state(state: i32, reason: &str) -> String {
    match api::State::try_from(state) {
        Ok(api::State::Suspended) => format!("suspended: {reason}"),
        Ok(api::State::Active) => "active".to_owned(),
        _ => "unknown".to_owned(),
    }
}

fn state_word(state: i32) -> &'static str {
    match api::State::try_from(state) {
        Ok(api::State::Suspended) => "suspended",
        Ok(api::State::Active) => "active",
        _ => "unknown",
    }
}

impl Shown for api::Domain {
    fn table(&self) -> String {
        let row = vec![
            self.name.clone(),
            state(self.state, &self.suspension_reason),
            self.plan.clone(),
            used(self.usage.as_ref()),
            limit(self.effective_quota.as_ref()),
            self.accounts.to_string(),
            if self.catch_all.is_empty() { "-".to_owned() } else { self.catch_all.clone() },
            self.group.to_string(),
        ];
        table(&["DOMAIN", "STATE", "PLAN", "USED", "QUOTA", "ACCOUNTS", "CATCH-ALL", "GROUP"], &[row])
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "uid": self.uid,
            "state": state_word(self.state),
            "suspension_reason": self.suspension_reason,
            "plan": self.plan,
            "quota": quota(self.effective_quota.as_ref()),
            "usage": usage(self.usage.as_ref()),
            "accounts": self.accounts,
            "catch_all": self.catch_all,
            "create_time_ms": self.create_time_ms,
            "group": self.group,
        })
    }
}

impl Row for api::DomainEntry {
    const HEADS: &'static [&'static str] = &["DOMAIN", "GROUP"];
    const LIST: &'static str = "domains";

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.group.to_string()]
    }

    fn object(&self) -> Value {
        json!({ "name": self.name, "uid": self.uid, "group": self.group })
    }
}

impl Row for api::Account {
    const HEADS: &'static [&'static str] = &["ACCOUNT", "STATE", "USED", "QUOTA", "MESSAGES", "SENDING"];
    const LIST: &'static str = "accounts";

    fn cells(&self) -> Vec<String> {
        vec![
            self.address.clone(),
            state(self.state, &self.suspension_reason),
            // SPPD-14: accounts at their limit are marked.
            format!("{}{}", used(self.usage.as_ref()), if self.over_quota { " *" } else { "" }),
            limit(self.effective_quota.as_ref()),
            messages(self.usage.as_ref()),
            state(self.sending_state, &self.sending_suspension_reason),
        ]
    }

    fn object(&self) -> Value {
        json!({
            "address": self.address,
            "uid": self.uid,
            "state": state_word(self.state),
            "suspension_reason": self.suspension_reason,
            "quota": quota(self.effective_quota.as_ref()),
            "usage": usage(self.usage.as_ref()),
            "over_quota": self.over_quota,
            "create_time_ms": self.create_time_ms,
            "sending_state": state_word(self.sending_state),
            "sending_suspension_reason": self.sending_suspension_reason,
        })
    }
}

impl Shown for api::Account {
    fn table(&self) -> String {
        rows(std::slice::from_ref(self))
    }

    fn json(&self) -> Value {
        self.object()
    }
}

impl Row for api::Alias {
    const HEADS: &'static [&'static str] = &["ALIAS", "TARGETS"];
    const LIST: &'static str = "aliases";

    fn cells(&self) -> Vec<String> {
        vec![self.address.clone(), self.targets.join(", ")]
    }

    fn object(&self) -> Value {
        json!({ "address": self.address, "targets": self.targets })
    }
}

impl Row for api::Plan {
    const HEADS: &'static [&'static str] =
        &["PLAN", "DOMAIN QUOTA", "ACCOUNT QUOTA", "MESSAGE", "ACCOUNTS", "TRASH EXPIRY", "VAULT"];
    const LIST: &'static str = "plans";

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            limit(self.domain_quota.as_ref()),
            limit(self.account_quota.as_ref()),
            human(self.message_bytes_max),
            self.accounts_max.map_or_else(|| "unlimited".to_owned(), |most| most.to_string()),
            self.trash_expiry_seconds.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds} s")),
            format!("{} s", self.vault_seconds),
        ]
    }

    fn object(&self) -> Value {
        json!({
            "name": self.name,
            "domain_quota": quota(self.domain_quota.as_ref()),
            "account_quota": quota(self.account_quota.as_ref()),
            "message_bytes_max": self.message_bytes_max,
            "accounts_max": self.accounts_max,
            "trash_expiry_seconds": self.trash_expiry_seconds,
            "vault_seconds": self.vault_seconds,
            "sending": sending::limits(self.sending.as_ref()),
            "retry": self.retry.as_ref().map(retry),
            "reverse_dns": filtering::reverse_dns(self.reverse_dns()),
        })
    }
}

/// How a plan's mail is tried, for programs.
fn retry(terms: &api::RetryTerms) -> Value {
    let notices = match terms.notices() {
        api::NoticeProfile::Unspecified => "plain",
        api::NoticeProfile::Qmail => "qmail",
        api::NoticeProfile::Postfix => "postfix",
    };
    json!({
        "first_waits_seconds": terms.first_waits_seconds,
        "wait_seconds_max": terms.wait_seconds_max,
        "lifetime_seconds": terms.lifetime_seconds,
        "delay_notice_seconds": terms.delay_notice_seconds,
        "notices": notices,
    })
}

impl Row for api::Mailbox {
    const HEADS: &'static [&'static str] = &["MAILBOX", "MESSAGES", "UNSEEN", "SIZE", "USE"];
    const LIST: &'static str = "mailboxes";

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.messages.to_string(),
            self.unseen.to_string(),
            human(self.bytes),
            self.special_use.clone(),
        ]
    }

    fn object(&self) -> Value {
        json!({
            "name": self.name,
            "messages": self.messages,
            "unseen": self.unseen,
            "bytes": self.bytes,
            "special_use": self.special_use,
        })
    }
}

impl Shown for api::UsageReport {
    fn table(&self) -> String {
        let row = |report: &api::UsageReport| {
            vec![
                report.name.clone(),
                format!("{}{}", used(report.usage.as_ref()), if report.over_quota { " *" } else { "" }),
                limit(report.quota.as_ref()),
                messages(report.usage.as_ref()),
            ]
        };
        let rows: Vec<_> = std::iter::once(row(self)).chain(self.accounts.iter().map(row)).collect();
        table(&["NAME", "USED", "QUOTA", "MESSAGES"], &rows)
    }

    fn json(&self) -> Value {
        // A report holds accounts, and an account's report holds none: one level.
        let accounts = self.accounts.iter().map(report_json).collect::<Vec<_>>();
        let mut value = report_json(self);
        if let Some(object) = value.as_object_mut().filter(|_| !self.name.contains('@')) {
            object.insert("accounts".to_owned(), Value::Array(accounts));
        }
        value
    }
}

fn report_json(report: &api::UsageReport) -> Value {
    json!({
        "name": report.name,
        "usage": usage(report.usage.as_ref()),
        "quota": quota(report.quota.as_ref()),
        "over_quota": report.over_quota,
    })
}

impl Shown for api::VerifyUsageResponse {
    fn table(&self) -> String {
        let row = |name: &str, counted: Option<&api::Usage>, kept: Option<&api::Usage>| {
            vec![name.to_owned(), used(counted), messages(counted), used(kept), messages(kept)]
        };
        let mut rows = vec![row("(domain)", self.counted.as_ref(), self.kept.as_ref())];
        rows.extend(
            self.differing.iter().map(|account| row(&account.address, account.counted.as_ref(), account.kept.as_ref())),
        );
        table(&["NAME", "COUNTED", "MESSAGES", "KEPT", "MESSAGES"], &rows)
    }

    fn json(&self) -> Value {
        let difference = |account: &api::UsageDifference| {
            json!({
                "address": account.address,
                "counted": usage(account.counted.as_ref()),
                "kept": usage(account.kept.as_ref()),
            })
        };
        json!({
            "counted": usage(self.counted.as_ref()),
            "kept": usage(self.kept.as_ref()),
            "differing": self.differing.iter().map(difference).collect::<Vec<_>>(),
        })
    }
}

impl Shown for api::DeleteResponse {
    fn table(&self) -> String {
        format!("done; {} messages removed\n", self.removed)
    }

    fn json(&self) -> Value {
        json!({ "removed": self.removed })
    }
}
