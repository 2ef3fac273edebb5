//! How the records that a domain publishes are printed, and what a check of them says.
//!
//! The value of a TXT record is one text, however long: most name servers' panels cut it into strings of 255 octets themselves. The
//! column KEY says of a DKIM record whether its key signs; `keep_until_ms` in JSON says when a retiring key's record may go.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::{Row, Shown};
use crate::output::table;

impl Row for api::DnsRecord {
    const HEADS: &'static [&'static str] = &["NAME", "TYPE", "KEY", "VALUE"];
    const LIST: &'static str = "records";

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.r#type.clone(), dkim_state(self.dkim).to_owned(), self.value.clone()]
    }

    fn object(&self) -> Value {
        let mut object = json!({ "name": self.name, "type": self.r#type, "value": self.value });
        if let (Some(fields), false) = (object.as_object_mut(), self.selector.is_empty()) {
            fields.insert("selector".to_owned(), json!(self.selector));
            fields.insert("state".to_owned(), json!(dkim_state(self.dkim)));
            fields.insert("keep_until_ms".to_owned(), json!(self.keep_until_ms));
        }
        object
    }
}

impl Shown for api::DomainDns {
    fn table(&self) -> String {
        let mut text = self.records.table();
        if !self.mta_sts_policy.is_empty() {
            text.push_str("\nTo be served at https://mta-sts.DOMAIN/.well-known/mta-sts.txt:\n\n");
            text.push_str(&self.mta_sts_policy);
        }
        text
    }

    fn json(&self) -> Value {
        let mut object = self.records.json();
        if let (Some(fields), false) = (object.as_object_mut(), self.mta_sts_policy.is_empty()) {
            fields.insert("mta_sts_policy".to_owned(), json!(self.mta_sts_policy));
        }
        object
    }
}

fn dkim_state(state: i32) -> &'static str {
    match api::DkimState::try_from(state) {
        Ok(api::DkimState::Pending) => "pending",
        Ok(api::DkimState::Active) => "active",
        Ok(api::DkimState::Retiring) => "retiring",
        _ => "-",
    }
}

/// Something is missing or wrong.
const AMISS: u8 = 3;
/// Nothing is known to be, and not everything is known.
const UNKNOWN: u8 = 4;

impl Shown for api::DomainDnsCheck {
    fn table(&self) -> String {
        let row = |finding: &api::DnsFinding| {
            let value = if finding.expected.is_empty() { finding.found.join(", ") } else { finding.expected.clone() };
            let value = if value.is_empty() { "-".to_owned() } else { value };
            vec![
                verdict(finding).to_owned(),
                subject(finding).to_owned(),
                finding.name.clone(),
                finding.r#type.clone(),
                value,
            ]
        };
        let mut text =
            table(&["STATE", "FOR", "NAME", "TYPE", "VALUE"], &self.findings.iter().map(row).collect::<Vec<_>>());
        for finding in self.findings.iter().filter(|finding| !(finding.faults.is_empty() && finding.hints.is_empty())) {
            text.push_str(&format!(
                "\n{} {} ({}): {}\n",
                finding.name,
                finding.r#type,
                subject(finding),
                verdict(finding)
            ));
            if !finding.faults.is_empty() {
                text.extend(finding.found.iter().map(|found| format!("  published: {found}\n")));
            }
            text.extend(finding.faults.iter().map(|it| format!("  {}\n  -> {}\n", it.what, it.mend)));
            text.extend(finding.hints.iter().map(|it| format!("  hint: {}\n  -> {}\n", it.what, it.mend)));
        }
        text
    }

    fn json(&self) -> Value {
        let advice = |list: &[api::DnsAdvice]| -> Vec<Value> {
            list.iter().map(|it| json!({ "what": it.what, "mend": it.mend })).collect()
        };
        let object = |finding: &api::DnsFinding| {
            json!({
                "state": verdict(finding),
                "for": subject(finding),
                "name": finding.name,
                "type": finding.r#type,
                "expected": finding.expected,
                "found": finding.found,
                "faults": advice(&finding.faults),
                "hints": advice(&finding.hints),
            })
        };
        json!({ "findings": self.findings.iter().map(object).collect::<Vec<_>>() })
    }
}

/// The exit status that tells a script what was found.
pub(crate) fn status(check: &api::DomainDnsCheck) -> u8 {
    let any = |wanted: &[api::DnsVerdict]| check.findings.iter().any(|finding| wanted.contains(&finding.verdict()));
    if any(&[api::DnsVerdict::Missing, api::DnsVerdict::Wrong]) {
        AMISS
    } else if any(&[api::DnsVerdict::Unknown, api::DnsVerdict::Unspecified]) {
        UNKNOWN
    } else {
        0
    }
}

fn verdict(finding: &api::DnsFinding) -> &'static str {
    match finding.verdict() {
        api::DnsVerdict::Right => "right",
        api::DnsVerdict::Absent => "absent",
        api::DnsVerdict::Missing => "missing",
        api::DnsVerdict::Wrong => "wrong",
        api::DnsVerdict::Unknown | api::DnsVerdict::Unspecified => "unknown",
    }
}

fn subject(finding: &api::DnsFinding) -> &'static str {
    match finding.subject() {
        api::DnsSubject::Mx => "mx",
        api::DnsSubject::Spf => "spf",
        api::DnsSubject::Dkim => "dkim",
        api::DnsSubject::Dmarc => "dmarc",
        api::DnsSubject::MtaSts => "mta-sts",
        api::DnsSubject::TlsRpt => "tls-rpt",
        api::DnsSubject::Service => "service",
        api::DnsSubject::Unspecified => "-",
    }
}
