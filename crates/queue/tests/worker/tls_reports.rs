//! What is counted of sessions under an MTA-STS policy that is only tested: mail goes out whatever the certificate is, and the report tells
//! what the policy would have said (RFC 8460 §4.3, RFC 8461 §5).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use yubin_dns_auth::tls::observed::Authorities;
use yubin_proto::report_facts::{FactPlace, FactsQuery, day_of};
use yubin_queue::{CountedTls, HostTls, TlsPolicy, TlsReports};
use yubin_state::queue::FinalOutcome;
use yubin_store::StoreSettings;
use yubin_types::limits;
use yubin_types::report::{AppliedPolicy, ReportKind, Seen, TlsPolicyType, TlsResultType, TlsSessions};

use crate::lab::Lab;
use crate::sink::{Sink, Tls, acceptor, certified};

/// How often is looked for facts, and for how long in all.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: usize = 600;

/// A policy that is tested, of a domain with this flaw.
fn tested(domain: &str, flaw: Option<TlsResultType>, authorities: &Authorities) -> HostTls {
    let policy = AppliedPolicy {
        domain: domain.parse().unwrap(),
        kind: TlsPolicyType::Sts,
        strings: vec!["version: STSv1".into(), "mode: testing".into()],
        mx_hosts: vec![format!("mx.{domain}")],
    };
    let counted = CountedTls { policy: Arc::new(policy), flaw, tested: Some(authorities.clone()) };
    HostTls { demand: TlsPolicy::Opportunistic, counted: Some(counted) }
}

/// What was counted of each domain, once there are so many.
async fn counted(lab: &Lab, domains: usize) -> BTreeMap<String, TlsSessions> {
    let mut found = BTreeMap::new();
    for _ in 0..LOOKS {
        let today = day_of(StoreSettings::system_clock()());
        for day in [today.saturating_sub(1), today] {
            let limit = limits::REPORT_FACTS_PER_CALL_MAX;
            let from = FactPlace::before(0);
            let query = FactsQuery { kind: ReportKind::Tls, day, from, last_hash: u64::MAX, limit };
            for fact in lab.client.report_facts(&query).await.facts {
                let Seen::Sessions(sessions) = fact.seen else { panic!("{fact:?}") };
                found.insert(fact.domain.to_string(), *sessions);
            }
        }
        if found.len() >= domains {
            return found;
        }
        tokio::time::sleep(LOOK).await;
    }
    panic!("not in time: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_tested_holds_up_nothing_and_is_reported_on() {
    let mut lab = Lab::new().await;
    let client = Arc::clone(&lab.client);
    let carrier = tokio::spawn(async move { client.carry_mail_log(std::future::pending()).await });
    let (right, believed) = certified("mx.right.example", 2100);
    let (other, of_another) = certified("mx.elsewhere.example", 2100);
    let (late, expired) = certified("mx.late.example", 2020);
    let mut roots = RootCertStore::empty();
    [believed, of_another, expired].into_iter().for_each(|certificate| roots.add(certificate).unwrap());
    let authorities = Authorities::new(Arc::new(roots)).unwrap();
    let first = Sink::start("127.0.0.2", 0, Tls::Works(right)).await;
    let port = first.address.port();
    let mut sinks = Vec::new();
    let hosts = [
        ("right", None, None),
        ("other", Some(Tls::Works(other)), Some(TlsResultType::CertificateHostMismatch)),
        ("late", Some(Tls::Works(late)), Some(TlsResultType::CertificateExpired)),
        ("stranger", Some(Tls::Works(acceptor("mx.stranger.example"))), Some(TlsResultType::CertificateNotTrusted)),
        ("stripped", Some(Tls::None), Some(TlsResultType::StarttlsNotSupported)),
        ("broken", Some(Tls::Broken), Some(TlsResultType::ValidationFailure)),
        ("unnamed", Some(Tls::Works(acceptor("mx.unnamed.example"))), Some(TlsResultType::ValidationFailure)),
    ];
    let mut expected = BTreeMap::new();
    for (place, (name, tls, result)) in hosts.into_iter().enumerate() {
        let (ip, domain) = (format!("127.0.0.{}", place + 2), format!("{name}.example"));
        let host = format!("mx.{domain}");
        lab.zone.mx(&domain, &[(&host, &ip)]);
        let flaw = result.filter(|_| name == "unnamed");
        lab.zone.policy(&host, tested(&domain, flaw, &authorities));
        if let Some(tls) = tls {
            sinks.push(Sink::start(&ip, port, tls).await);
        }
        expected.insert(domain, result);
    }
    let worker = lab.worker(port, |config| config.tls_reports = TlsReports::Count);
    let recipients: Vec<String> = expected.keys().map(|domain| format!("a@{domain}")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    lab.send(&recipients, |_| {}).await;
    let events = lab.events(recipients.len()).await;
    assert!(events.iter().all(|record| record.event.outcome == FinalOutcome::Delivered), "{events:#?}");
    assert!(sinks[0].received()[0].over_tls, "any certificate is better than none");
    worker.shutdown(Duration::from_secs(10)).await;

    let counted = counted(&lab, expected.len()).await;
    for (domain, result) in expected {
        let TlsSessions { successes, failures, .. } = &counted[&domain];
        let told: Vec<(TlsResultType, u64)> =
            failures.iter().map(|(failure, times)| (failure.result, *times)).collect();
        match result {
            None => assert_eq!((*successes, told), (1, Vec::new()), "{domain}"),
            Some(result) => assert_eq!((*successes, told), (0, vec![(result, 1)]), "{domain}"),
        }
    }
    carrier.abort();
    lab.close().await;
}
