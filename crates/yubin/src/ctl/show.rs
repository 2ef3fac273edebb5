//! How each kind of answer is printed: the rows of its table, and its JSON, whose keys are stable.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

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

impl Shown for Vec<api::DomainEntry> {
    fn table(&self) -> String {
        let rows: Vec<_> = self.iter().map(|domain| vec![domain.name.clone(), domain.group.to_string()]).collect();
        table(&["DOMAIN", "GROUP"], &rows)
    }

    fn json(&self) -> Value {
        let entry =
            |domain: &api::DomainEntry| json!({ "name": domain.name, "uid": domain.uid, "group": domain.group });
        json!({ "domains": self.iter().map(entry).collect::<Vec<_>>() })
    }
}

fn account_json(account: &api::Account) -> Value {
    json!({
        "address": account.address,
        "uid": account.uid,
        "state": state_word(account.state),
        "suspension_reason": account.suspension_reason,
        "quota": quota(account.effective_quota.as_ref()),
        "usage": usage(account.usage.as_ref()),
        "over_quota": account.over_quota,
        "create_time_ms": account.create_time_ms,
    })
}

fn accounts_table(accounts: &[api::Account]) -> String {
    let row = |account: &api::Account| {
        vec![
            account.address.clone(),
            state(account.state, &account.suspension_reason),
            // SPPD-14: accounts at their limit are marked.
            format!("{}{}", used(account.usage.as_ref()), if account.over_quota { " *" } else { "" }),
            limit(account.effective_quota.as_ref()),
            messages(account.usage.as_ref()),
        ]
    };
    table(&["ACCOUNT", "STATE", "USED", "QUOTA", "MESSAGES"], &accounts.iter().map(row).collect::<Vec<_>>())
}

impl Shown for api::Account {
    fn table(&self) -> String {
        accounts_table(std::slice::from_ref(self))
    }

    fn json(&self) -> Value {
        account_json(self)
    }
}

impl Shown for Vec<api::Account> {
    fn table(&self) -> String {
        accounts_table(self)
    }

    fn json(&self) -> Value {
        json!({ "accounts": self.iter().map(account_json).collect::<Vec<_>>() })
    }
}

impl Shown for Vec<api::Alias> {
    fn table(&self) -> String {
        let row = |alias: &api::Alias| vec![alias.address.clone(), alias.targets.join(", ")];
        table(&["ALIAS", "TARGETS"], &self.iter().map(row).collect::<Vec<_>>())
    }

    fn json(&self) -> Value {
        let alias = |alias: &api::Alias| json!({ "address": alias.address, "targets": alias.targets });
        json!({ "aliases": self.iter().map(alias).collect::<Vec<_>>() })
    }
}

impl Shown for Vec<api::Plan> {
    fn table(&self) -> String {
        let row = |plan: &api::Plan| {
            vec![
                plan.name.clone(),
                limit(plan.domain_quota.as_ref()),
                limit(plan.account_quota.as_ref()),
                human(plan.message_bytes_max),
                plan.accounts_max.map_or_else(|| "unlimited".to_owned(), |most| most.to_string()),
                plan.trash_expiry_seconds.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds} s")),
                format!("{} s", plan.vault_seconds),
            ]
        };
        let heads = ["PLAN", "DOMAIN QUOTA", "ACCOUNT QUOTA", "MESSAGE", "ACCOUNTS", "TRASH EXPIRY", "VAULT"];
        table(&heads, &self.iter().map(row).collect::<Vec<_>>())
    }

    fn json(&self) -> Value {
        let plan = |plan: &api::Plan| {
            json!({
                "name": plan.name,
                "domain_quota": quota(plan.domain_quota.as_ref()),
                "account_quota": quota(plan.account_quota.as_ref()),
                "message_bytes_max": plan.message_bytes_max,
                "accounts_max": plan.accounts_max,
                "trash_expiry_seconds": plan.trash_expiry_seconds,
                "vault_seconds": plan.vault_seconds,
            })
        };
        json!({ "plans": self.iter().map(plan).collect::<Vec<_>>() })
    }
}

impl Shown for Vec<api::Mailbox> {
    fn table(&self) -> String {
        let row = |mailbox: &api::Mailbox| {
            vec![
                mailbox.name.clone(),
                mailbox.messages.to_string(),
                mailbox.unseen.to_string(),
                human(mailbox.bytes),
                mailbox.special_use.clone(),
            ]
        };
        table(&["MAILBOX", "MESSAGES", "UNSEEN", "SIZE", "USE"], &self.iter().map(row).collect::<Vec<_>>())
    }

    fn json(&self) -> Value {
        let mailbox = |mailbox: &api::Mailbox| {
            json!({
                "name": mailbox.name,
                "messages": mailbox.messages,
                "unseen": mailbox.unseen,
                "bytes": mailbox.bytes,
                "special_use": mailbox.special_use,
            })
        };
        json!({ "mailboxes": self.iter().map(mailbox).collect::<Vec<_>>() })
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

impl Shown for Vec<api::Node> {
    fn table(&self) -> String {
        let row = |node: &api::Node| {
            vec![
                node.id.to_string(),
                node.name.clone(),
                if node.reachable { "up".to_owned() } else { format!("unreachable: {}", node.error) },
                node.leads.to_string(),
                node.replicas.to_string(),
                node.peer_address.clone(),
                node.store_address.clone(),
            ]
        };
        let heads = ["NODE", "NAME", "STATE", "LEADS", "REPLICAS", "PEER ADDRESS", "STORE ADDRESS"];
        table(&heads, &self.iter().map(row).collect::<Vec<_>>())
    }

    fn json(&self) -> Value {
        let node = |node: &api::Node| {
            json!({
                "id": node.id,
                "name": node.name,
                "reachable": node.reachable,
                "error": node.error,
                "leads": node.leads,
                "replicas": node.replicas,
                "peer_address": node.peer_address,
                "store_address": node.store_address,
                "zone": node.zone,
            })
        };
        json!({ "nodes": self.iter().map(node).collect::<Vec<_>>() })
    }
}

impl Shown for Vec<api::Group> {
    fn table(&self) -> String {
        let row = |group: &api::Group| {
            let replica = |replica: &api::Replica| {
                let mark = if replica.faulted { " FAULTED" } else { "" };
                format!("{}:{}/{}{mark}", replica.node, replica.applied_index, replica.last_log_index)
            };
            vec![
                group.group.to_string(),
                group.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
                group.term.to_string(),
                group.voters.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
                group.domains.to_string(),
                group.replicas.iter().map(replica).collect::<Vec<_>>().join(" "),
            ]
        };
        let heads = ["GROUP", "LEADER", "TERM", "VOTERS", "DOMAINS", "NODE:APPLIED/LOG"];
        table(&heads, &self.iter().map(row).collect::<Vec<_>>())
    }

    fn json(&self) -> Value {
        let replica = |replica: &api::Replica| {
            json!({
                "node": replica.node,
                "applied_index": replica.applied_index,
                "last_log_index": replica.last_log_index,
                "faulted": replica.faulted,
            })
        };
        let group = |group: &api::Group| {
            json!({
                "group": group.group,
                "leader": group.leader,
                "term": group.term,
                "voters": group.voters,
                "domains": group.domains,
                "replicas": group.replicas.iter().map(replica).collect::<Vec<_>>(),
            })
        };
        json!({ "groups": self.iter().map(group).collect::<Vec<_>>() })
    }
}
