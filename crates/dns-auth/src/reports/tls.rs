//! A TLS report: how sessions with a domain's mail hosts went (RFC 8460 §4).
//!
//! [`Sessions`] adds up what several workers counted, at most [`limits::REPORT_POLICIES_MAX`] policies of a domain and
//! [`limits::TLS_RPT_FAILURES_MAX`] kinds of failure of each. Fields that nothing is known of are left out of the JSON.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use mail_auth::report::tlsrpt as library;
use serde_json::Value;
use yubin_types::report::{AppliedPolicy, TlsFailure, TlsPolicyType, TlsResultType, TlsSessions};
use yubin_types::{Address, DomainName, limits};

use super::{Organization, Period, gzip};

/// Sessions with one domain, added up.
#[derive(Debug, Default)]
pub struct Sessions {
    policies: BTreeMap<AppliedPolicy, Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    successes: u64,
    failures: BTreeMap<TlsFailure, u64>,
}

impl Sessions {
    /// Counts what a worker counted.
    pub fn count(&mut self, sessions: TlsSessions) {
        let TlsSessions { policy, successes, failures } = sessions;
        if self.policies.len() >= limits::REPORT_POLICIES_MAX && !self.policies.contains_key(&policy) {
            return;
        }
        let counts = self.policies.entry(policy).or_default();
        counts.successes = counts.successes.saturating_add(successes);
        for (failure, times) in failures {
            let room = counts.failures.len() < limits::TLS_RPT_FAILURES_MAX || counts.failures.contains_key(&failure);
            let bare =
                TlsFailure { result: failure.result, sending_ip: None, receiving_host: None, receiving_ip: None };
            let known = counts.failures.entry(if room { failure } else { bare }).or_default();
            *known = known.saturating_add(times);
        }
    }

    /// Sessions that went as their policy asks.
    #[must_use]
    pub fn successes(&self) -> u64 {
        self.policies.values().map(|counts| counts.successes).sum()
    }
}

/// The media type of a packed report (RFC 8460 §6.4).
pub const PACKED_TYPE: &str = "application/tlsrpt+gzip";

/// A report that is written.
#[derive(Debug)]
pub struct TlsReport {
    report: library::TlsReport,
    packed: Bytes,
    domain: DomainName,
    from: (String, Address),
}

impl TlsReport {
    /// Writes the report of an organization on a domain.
    ///
    /// # Errors
    /// Writing fails, which memory doesn't.
    pub fn new(
        organization: &Organization,
        domain: &DomainName,
        period: Period,
        id: &str,
        sessions: Sessions,
    ) -> io::Result<TlsReport> {
        let Organization { name, from, contact } = organization;
        let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        let range = (seconds(period.begin.seconds()), seconds(period.last_second()));
        let report = library::TlsReport {
            organization_name: Some(name.clone()),
            date_range: library::DateRange::from_timestamps(range.0, range.1),
            contact_info: Some(if contact.is_empty() { from.to_string() } else { contact.clone() }),
            report_id: id.to_owned(),
            policies: sessions.policies.into_iter().map(policy).collect(),
        };
        let mut json = serde_json::to_value(&report)?;
        leave_out(&mut json);
        let packed = Bytes::from(gzip(&json.to_string())?);
        Ok(TlsReport { report, packed, domain: domain.clone(), from: (name.clone(), from.clone()) })
    }

    /// As it is posted: JSON, packed (RFC 8460 §5.1).
    #[must_use]
    pub fn packed(&self) -> Bytes {
        self.packed.clone()
    }

    /// The message to these.
    ///
    /// # Errors
    /// Writing fails, which memory doesn't.
    pub fn message(&self, to: &[Address]) -> io::Result<Vec<u8>> {
        let (name, from) = &self.from;
        let to: Vec<String> = to.iter().map(ToString::to_string).collect();
        let addresses = to.iter().map(String::as_str);
        let (domain, submitter, address) = (self.domain.to_string(), from.domain.to_string(), from.to_string());
        let from = (name.as_str(), address.as_str());
        let mut message = Vec::new();
        self.report.write_rfc5322_from_bytes(&domain, &submitter, from, addresses, &self.packed, &mut message)?;
        Ok(message)
    }
}

fn policy((policy, counts): (AppliedPolicy, Counts)) -> library::Policy {
    let bounded = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let failures: u64 = counts.failures.values().fold(0, |sum, times| sum.saturating_add(*times));
    library::Policy {
        policy: library::PolicyDetails {
            policy_type: match policy.kind {
                TlsPolicyType::Tlsa => library::PolicyType::Tlsa,
                TlsPolicyType::Sts => library::PolicyType::Sts,
                TlsPolicyType::NoPolicyFound => library::PolicyType::NoPolicyFound,
            },
            policy_string: policy.strings,
            policy_domain: policy.domain.to_string(),
            mx_host: policy.mx_hosts,
        },
        summary: library::Summary { total_success: bounded(counts.successes), total_failure: bounded(failures) },
        failure_details: counts
            .failures
            .into_iter()
            .map(|(failure, times)| library::FailureDetails {
                result_type: result(failure.result),
                sending_mta_ip: failure.sending_ip,
                receiving_mx_hostname: failure.receiving_host.map(|host| host.to_string()),
                receiving_ip: failure.receiving_ip,
                failed_session_count: bounded(times),
                ..library::FailureDetails::default()
            })
            .collect(),
    }
}

const fn result(result: TlsResultType) -> library::ResultType {
    match result {
        TlsResultType::StarttlsNotSupported => library::ResultType::StartTlsNotSupported,
        TlsResultType::CertificateHostMismatch => library::ResultType::CertificateHostMismatch,
        TlsResultType::CertificateExpired => library::ResultType::CertificateExpired,
        TlsResultType::CertificateNotTrusted => library::ResultType::CertificateNotTrusted,
        TlsResultType::ValidationFailure => library::ResultType::ValidationFailure,
        TlsResultType::TlsaInvalid => library::ResultType::TlsaInvalid,
        TlsResultType::DnssecInvalid => library::ResultType::DnssecInvalid,
        TlsResultType::DaneRequired => library::ResultType::DaneRequired,
        TlsResultType::StsPolicyFetchError => library::ResultType::StsPolicyFetchError,
        TlsResultType::StsPolicyInvalid => library::ResultType::StsPolicyInvalid,
        TlsResultType::StsWebpkiInvalid => library::ResultType::StsWebpkiInvalid,
    }
}

/// Takes out what says nothing: the library writes `null` and empty lists, the format has optional fields.
fn leave_out(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
            fields.values_mut().for_each(leave_out);
        }
        Value::Array(list) => list.iter_mut().for_each(leave_out),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use mail_auth::report::tlsrpt as library;
    use yubin_types::report::{AppliedPolicy, TlsFailure, TlsPolicyType, TlsResultType, TlsSessions};
    use yubin_types::{Address, DomainName, Timestamp};

    use super::super::{Organization, Period};
    use super::{Sessions, TlsReport};

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    fn sessions(successes: u64) -> TlsSessions {
        let policy = AppliedPolicy {
            domain: name("a.example"),
            kind: TlsPolicyType::Sts,
            strings: vec!["version: STSv1".to_owned(), "mode: enforce".to_owned()],
            mx_hosts: vec!["*.a.example".to_owned()],
        };
        let expired = TlsFailure {
            result: TlsResultType::CertificateExpired,
            sending_ip: None,
            receiving_host: Some(name("mx.a.example")),
            receiving_ip: Some([192, 0, 2, 1].into()),
        };
        TlsSessions { policy, successes, failures: vec![(expired, 2)] }
    }

    #[test]
    fn what_workers_counted_is_added_up_and_read_back() {
        let mut all = Sessions::default();
        all.count(sessions(40));
        all.count(sessions(2));
        let organization = Organization {
            name: "Host".to_owned(),
            from: Address::parse("tls@host.example").unwrap(),
            contact: String::new(),
        };
        let period = Period { begin: Timestamp::from_seconds(86_400), end: Timestamp::from_seconds(2 * 86_400) };
        let to = [Address::parse("tlsrpt@a.example").unwrap()];
        let report = TlsReport::new(&organization, &name("a.example"), period, "abc", all).unwrap();
        let message = report.message(&to).unwrap();
        let read = library::TlsReport::parse_rfc5322(&message, 1 << 20).unwrap();
        assert_eq!(read.contact_info.as_deref(), Some("tls@host.example"));
        assert_eq!(read.date_range.end_datetime.to_rfc3339(), "1970-01-02T23:59:59Z");
        let [policy] = &read.policies[..] else { panic!("{read:?}") };
        assert_eq!((policy.summary.total_success, policy.summary.total_failure), (42, 4));
        let [details] = &policy.failure_details[..] else { panic!("{policy:?}") };
        assert_eq!(details.result_type, library::ResultType::CertificateExpired);
        assert_eq!((details.receiving_mx_hostname.as_deref(), details.failed_session_count), (Some("mx.a.example"), 4));
        let text = String::from_utf8(message).unwrap().replace("\r\n\t", " ").replace("\r\n ", " ");
        for field in [
            "Subject: Report Domain: a.example Submitter: host.example Report-ID: <abc>\r\n",
            "TLS-Report-Domain: a.example\r\n",
            "TLS-Report-Submitter: host.example\r\n",
            "multipart/report",
            "tlsrpt",
            "application/tlsrpt+gzip",
            "host.example!a.example!86400!172799.json.gz",
        ] {
            assert!(text.contains(field), "no {field} in {text}");
        }
        assert!(text.is_ascii());
    }
}
