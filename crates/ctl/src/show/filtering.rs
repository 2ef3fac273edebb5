//! How it is printed what is done with mail from other servers.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::super::output::table;
use super::Shown;

impl Shown for api::FilteringRules {
    fn table(&self) -> String {
        let mut rows = Vec::new();
        for (whose, filtering) in [("account", &self.account), ("domain", &self.domain)] {
            let Some(filtering) = filtering else { continue };
            let mut row = |what: &str, value: String| rows.push(vec![whose.to_owned(), what.to_owned(), value]);
            if let Some(dmarc) = dmarc(filtering.dmarc()) {
                row("mail that fails DMARC", dmarc.to_owned());
            }
            if let Some(rule) = reverse_dns(filtering.reverse_dns()) {
                row("name of a sending host", rule.to_owned());
            }
            let Some(spam) = &filtering.spam else { continue };
            if spam.off {
                row("spam filter", "off".to_owned());
                continue;
            }
            row("spam from", if spam.score == 0 { "default".to_owned() } else { format!("{} points", spam.score) });
            row("spam", handling(spam.spam()).to_owned());
            row("certain spam", handling(spam.certain()).to_owned());
            if !spam.subject_tag.is_empty() {
                row("subject tag", spam.subject_tag.clone());
            }
            spam.allow.iter().for_each(|sender| row("allowed", sender.clone()));
            spam.deny.iter().for_each(|sender| row("denied", sender.clone()));
        }
        if let Some(rule) = reverse_dns(self.plan_reverse_dns()) {
            rows.push(["plan", "name of a sending host", rule].map(str::to_owned).to_vec());
        }
        if rows.is_empty() {
            return format!("{}: no rules of its own; as the front ends are configured\n", self.name);
        }
        table(&["RULES OF", "WHAT", "VALUE"], &rows)
    }

    fn json(&self) -> Value {
        let filtering = |filtering: &Option<api::Filtering>| {
            let filtering = filtering.as_ref()?;
            let spam = filtering.spam.as_ref().map(|spam| {
                json!({
                    "filter": if spam.off { "off" } else { "on" },
                    "score": spam.score,
                    "spam": handling(spam.spam()),
                    "certain": handling(spam.certain()),
                    "subject_tag": spam.subject_tag,
                    "allow": spam.allow,
                    "deny": spam.deny,
                })
            });
            let reverse_dns = reverse_dns(filtering.reverse_dns());
            Some(json!({ "dmarc": dmarc(filtering.dmarc()), "spam": spam, "reverse_dns": reverse_dns }))
        };
        json!({
            "name": self.name,
            "account": filtering(&self.account),
            "domain": filtering(&self.domain),
            "plan_reverse_dns": reverse_dns(self.plan_reverse_dns()),
        })
    }
}

const fn dmarc(handling: api::DmarcHandling) -> Option<&'static str> {
    match handling {
        api::DmarcHandling::Unspecified => None,
        api::DmarcHandling::Enforce => Some("enforce"),
        api::DmarcHandling::Junk => Some("junk"),
        api::DmarcHandling::Report => Some("report"),
    }
}

pub(super) const fn reverse_dns(rule: api::ReverseDnsRule) -> Option<&'static str> {
    match rule {
        api::ReverseDnsRule::Unspecified => None,
        api::ReverseDnsRule::Accept => Some("accept"),
        api::ReverseDnsRule::Require => Some("require"),
    }
}

const fn handling(handling: api::SpamHandling) -> &'static str {
    match handling {
        api::SpamHandling::Inbox => "inbox",
        api::SpamHandling::Unspecified | api::SpamHandling::Junk => "junk",
        api::SpamHandling::Reject => "reject",
    }
}
