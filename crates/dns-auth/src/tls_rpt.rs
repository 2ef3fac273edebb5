//! TLS reporting (RFC 8460): counts of how sessions with other domains went, and where those domains want to hear of it.
//!
//! [`Counters`] counts in memory, by policy and by what went wrong, until [`Counters::take`] hands the counts over to whoever writes
//! the reports. Both are bounded: beyond [`limits::TLS_RPT_FAILURES_MAX`] kinds of failure of one policy only the result type is
//! told apart, beyond [`limits::TLS_RPT_POLICIES_MAX`] policies further ones are not counted. Reports are written in [`crate::reports`].

use std::collections::BTreeMap;

use parking_lot::Mutex;
use rustls::CertificateError;
use yubin_types::report::{AppliedPolicy, TlsFailure, TlsResultType, TlsSessions};
use yubin_types::{Address, DomainName, limits};

use crate::https::HttpsUrl;
use crate::mta_sts::FetchError;
use crate::resolver::{LookupError, Resolver, Validation};

/// What a handshake that failed counts as (RFC 8460 §4.3.1).
#[must_use]
pub fn result_of_handshake(error: &rustls::Error) -> TlsResultType {
    let rustls::Error::InvalidCertificate(certificate) = error else { return TlsResultType::ValidationFailure };
    match certificate {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsResultType::CertificateHostMismatch
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TlsResultType::CertificateExpired,
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsResultType::CertificateNotTrusted,
        _ => TlsResultType::ValidationFailure,
    }
}

/// What a policy that could not be fetched counts as (RFC 8460 §4.3.2.2).
#[must_use]
pub fn result_of_fetch(error: &FetchError) -> TlsResultType {
    match error {
        FetchError::Tls(_) => TlsResultType::StsWebpkiInvalid,
        FetchError::Policy(_) | FetchError::TooLong => TlsResultType::StsPolicyInvalid,
        _ => TlsResultType::StsPolicyFetchError,
    }
}

/// How the sessions under one policy went.
#[derive(Debug, Default)]
struct Counts {
    successes: u64,
    failures: BTreeMap<TlsFailure, u64>,
}

/// Counts of all policies since they were last taken.
#[derive(Debug, Default)]
pub struct Counters {
    policies: Mutex<BTreeMap<AppliedPolicy, Counts>>,
}

impl Counters {
    /// Counts a session that went as its policy asks.
    pub fn success(&self, policy: &AppliedPolicy) {
        self.count(policy, |counts| counts.successes = counts.successes.saturating_add(1));
    }

    /// Counts a session that did not.
    pub fn failure(&self, policy: &AppliedPolicy, failure: TlsFailure) {
        self.count(policy, |counts| {
            let room = counts.failures.len() < limits::TLS_RPT_FAILURES_MAX || counts.failures.contains_key(&failure);
            let key = if room {
                failure
            } else {
                TlsFailure { result: failure.result, sending_ip: None, receiving_host: None, receiving_ip: None }
            };
            let times = counts.failures.entry(key).or_default();
            *times = times.saturating_add(1);
        });
    }

    /// Hands over what was counted and begins anew.
    #[must_use]
    pub fn take(&self) -> Vec<TlsSessions> {
        let taken = std::mem::take(&mut *self.policies.lock());
        let sessions = taken.into_iter().map(|(policy, Counts { successes, failures })| TlsSessions {
            policy,
            successes,
            failures: failures.into_iter().collect(),
        });
        sessions.collect()
    }

    fn count(&self, policy: &AppliedPolicy, change: impl FnOnce(&mut Counts)) {
        let mut policies = self.policies.lock();
        if let Some(counts) = policies.get_mut(policy) {
            change(counts);
        } else if policies.len() < limits::TLS_RPT_POLICIES_MAX {
            change(policies.entry(policy.clone()).or_default());
        }
    }
}

/// Where a domain wants its reports (RFC 8460 §3, `rua`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportTarget {
    /// By mail.
    Mail(Address),
    /// By POST to this `https:` address.
    Https(HttpsUrl),
}

/// Where a domain wants its reports; empty if it wants none.
///
/// # Errors
/// [`LookupError`], when nobody can say.
pub async fn report_targets(resolver: &Resolver, domain: &DomainName) -> Result<Vec<ReportTarget>, LookupError> {
    let Ok(name) = DomainName::parse(&format!("_smtp._tls.{domain}")) else { return Ok(Vec::new()) };
    match resolver.txt(&name, Validation::Off).await {
        Ok(texts) => Ok(targets(&texts.value)),
        Err(LookupError::NoDomain(_) | LookupError::NoData(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Targets of the one TLSRPT record among these; two are as none.
pub(crate) fn targets(texts: &[String]) -> Vec<ReportTarget> {
    let mut records = texts.iter().filter(|text| text.starts_with("v=TLSRPTv1;"));
    let (Some(record), None) = (records.next(), records.next()) else { return Vec::new() };
    let mut fields = record.split(';').filter_map(|field| field.split_once('='));
    let Some((_, uris)) = fields.find(|(name, _)| name.trim() == "rua") else { return Vec::new() };
    uris.split(',').filter_map(|uri| target(uri.trim())).take(limits::TLS_RPT_TARGETS_MAX).collect()
}

pub(crate) fn target(uri: &str) -> Option<ReportTarget> {
    if let Some(address) = uri.strip_prefix("mailto:") {
        // Headers that the address may bring along are not ours to set.
        let address = address.split('?').next().unwrap_or_default();
        return Address::parse(&decode_percent(address)?).ok().map(ReportTarget::Mail);
    }
    HttpsUrl::parse(uri).map(ReportTarget::Https)
}

/// `%21` and the like (RFC 3986 §2.1); nothing if it is malformed.
fn decode_percent(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use yubin_types::report::{AppliedPolicy, TlsFailure, TlsPolicyType, TlsResultType};
    use yubin_types::{Address, DomainName, limits};

    use super::{Counters, ReportTarget, targets};
    use crate::https::HttpsUrl;

    fn policy(domain: &str) -> AppliedPolicy {
        AppliedPolicy {
            domain: DomainName::parse(domain).unwrap(),
            kind: TlsPolicyType::Sts,
            strings: vec![],
            mx_hosts: vec![],
        }
    }

    fn failure(host: &str) -> TlsFailure {
        let receiving_host = Some(DomainName::parse(host).unwrap());
        TlsFailure { result: TlsResultType::CertificateExpired, sending_ip: None, receiving_host, receiving_ip: None }
    }

    #[test]
    fn sessions_are_counted_until_they_are_taken() {
        let counters = Counters::default();
        counters.success(&policy("a.example"));
        counters.success(&policy("a.example"));
        counters.failure(&policy("a.example"), failure("mx.a.example"));
        counters.failure(&policy("b.example"), failure("mx.b.example"));
        let counts = counters.take();
        let [a, b] = &counts[..] else { panic!("{counts:?}") };
        assert_eq!((&a.policy, a.successes), (&policy("a.example"), 2));
        assert_eq!(a.failures, [(failure("mx.a.example"), 1)]);
        assert_eq!((&b.policy, b.successes), (&policy("b.example"), 0));
        assert!(counters.take().is_empty());
    }

    #[test]
    fn a_flood_of_kinds_is_counted_by_result_alone() {
        let counters = Counters::default();
        for number in 0..1_000 {
            counters.failure(&policy("a.example"), failure(&format!("mx{number}.a.example")));
        }
        let failures = &counters.take()[0].failures;
        assert!(failures.len() <= limits::TLS_RPT_FAILURES_MAX + 1);
        assert_eq!(failures.iter().map(|(_, times)| times).sum::<u64>(), 1_000);
    }

    #[test]
    fn where_reports_go() {
        let of = |text: &str| targets(&[text.to_owned()]);
        let mail = |text: &str| ReportTarget::Mail(Address::parse(text).unwrap());
        assert_eq!(of("v=TLSRPTv1;rua=mailto:reports@example.com"), [mail("reports@example.com")]);
        assert_eq!(
            of("v=TLSRPTv1; rua=mailto:a%2Cb@example.com, https://r.example/v1 ,ftp://x;"),
            [ReportTarget::Https(HttpsUrl::parse("https://r.example/v1").unwrap())],
            "a comma can't stand in an address without quotes"
        );
        assert_eq!(of("v=TLSRPTv1; rua=mailto:a%2Bb@example.com?subject=x"), [mail("a+b@example.com")]);
        for none in [
            "",
            "v=TLSRPTv1;",
            "v=TLSRPTv1; rua=",
            "v=TLSRPTv2; rua=mailto:a@b.example",
            "v=TLSRPTv1; rua=mailto:%zz@b",
        ] {
            assert_eq!(of(none), [], "{none}");
        }
        let text = "v=TLSRPTv1; rua=mailto:a@b.example".to_owned();
        assert_eq!(targets(&[text.clone(), text]), [], "two are as none");
    }
}
