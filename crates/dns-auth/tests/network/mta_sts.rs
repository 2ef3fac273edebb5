//! MTA-STS from the TXT record to the policy, fetched from an HTTPS server of the test.

use yubin_dns_auth::AddressScope;
use yubin_dns_auth::mta_sts::{FetchConfig, FetchError, Mode, MtaSts, PolicyError, StsLookup};
use yubin_types::DomainName;

use crate::dns_server::{DnsServer, Signing, Zone};
use crate::tls_server::{Authority, Https, answer};

const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: mx.signed.test\r\nmax_age: 86400\r\n";

struct Setup {
    _dns: DnsServer,
    https: Https,
    sts: MtaSts,
}

/// A domain that announces a policy, whose host gives these answers.
async fn setup(answers: Vec<Vec<u8>>) -> Setup {
    let authority = Authority::new();
    let https = Https::start(&authority.issue("mta-sts.signed.test", 2000..2100), answers).await;
    setup_with(https, &authority, AddressScope::Any).await
}

async fn setup_with(https: Https, authority: &Authority, scope: AddressScope) -> Setup {
    let records =
        "_mta-sts IN TXT \"v=STSv1; id=1;\"\nmta-sts IN A 127.0.0.1\n_mta-sts.lost IN TXT \"v=STSv1; id=1;\"\n";
    let dns = DnsServer::start(&[Zone("signed.test.", Signing::Signed, records)]).await;
    let config = FetchConfig { roots: authority.roots(), port: https.address.port(), scope };
    let sts = MtaSts::new(dns.resolver(), config).unwrap();
    Setup { _dns: dns, https, sts }
}

fn domain(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

async fn lookup(setup: &Setup) -> StsLookup {
    setup.sts.lookup(&domain("signed.test")).await
}

#[tokio::test]
async fn a_policy_is_fetched_once_and_remembered() {
    let setup = setup(vec![answer("200 OK", "text/plain; charset=utf-8", POLICY)]).await;
    for _ in 0..3 {
        let StsLookup::Policy(policy) = lookup(&setup).await else { panic!("no policy") };
        assert_eq!(policy.mode, Mode::Enforce);
        assert!(policy.permits(&domain("mx.signed.test")));
        assert!(!policy.permits(&domain("evil.test")));
    }
    let requests = setup.https.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].to_lowercase().contains("\r\nhost: mta-sts.signed.test"), "{}", requests[0]);
}

/// Who is in the way of the DNS and of the policy host gains nothing by a restart (RFC 8461 §10.2).
#[tokio::test]
async fn a_policy_that_was_known_before_a_restart_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut setup = setup(vec![answer("200 OK", "text/plain", POLICY)]).await;
    setup.sts = setup.sts.kept_in(folder.path().to_owned()).unwrap();
    let StsLookup::Policy(before) = lookup(&setup).await else { panic!("no policy") };
    // Neither the record nor the policy is to be had.
    let blocked = DnsServer::start(&[Zone("signed.test.", Signing::Signed, "")]).await;
    let nobody = Https::start(&Authority::new().issue("mta-sts.signed.test", 2000..2100), Vec::new()).await;
    let restarted = || {
        let config =
            FetchConfig { roots: Authority::new().roots(), port: nobody.address.port(), scope: AddressScope::Any };
        MtaSts::new(blocked.resolver(), config).unwrap()
    };
    assert_eq!(restarted().lookup(&domain("signed.test")).await, StsLookup::Nothing);
    let sts = restarted().kept_in(folder.path().to_owned()).unwrap();
    assert_eq!(sts.lookup(&domain("signed.test")).await, StsLookup::Policy(before));
    assert_eq!(nobody.requests().len(), 0);
}

#[tokio::test]
async fn a_burst_of_lookups_fetches_once() {
    let setup = setup(vec![answer("200 OK", "text/plain", POLICY)]).await;
    let (a, b, c) = tokio::join!(lookup(&setup), lookup(&setup), lookup(&setup));
    assert!(matches!(a, StsLookup::Policy(_)), "{a:?}");
    assert_eq!((&a, &a), (&b, &c));
    assert_eq!(setup.https.requests().len(), 1);
}

#[tokio::test]
async fn a_domain_that_announces_nothing_has_no_policy() {
    let setup = setup(vec![answer("200 OK", "text/plain", POLICY)]).await;
    assert_eq!(setup.sts.lookup(&domain("other.signed.test")).await, StsLookup::Nothing);
    assert!(setup.https.requests().is_empty());
    let lost = setup.sts.lookup(&domain("lost.signed.test")).await;
    assert!(matches!(lost, StsLookup::Unavailable(FetchError::Host(_))), "{lost:?}");
}

#[tokio::test]
async fn a_policy_that_says_none_is_none() {
    let setup = setup(vec![answer("200 OK", "text/plain", "version: STSv1\nmode: none\nmax_age: 86400\n")]).await;
    assert_eq!(lookup(&setup).await, StsLookup::Nothing);
}

#[tokio::test]
async fn what_is_no_policy_is_not_asked_for_again_at_once() {
    let long = format!("{POLICY}{}", "x: y\r\n".repeat(20_000));
    for (reply, expected) in [
        (answer("301 Moved Permanently\r\nLocation: https://mta-sts.signed.test/", "text/plain", POLICY), "status 301"),
        (answer("404 Not Found", "text/plain", POLICY), "status 404"),
        (answer("200 OK", "text/html", POLICY), "text/plain"),
        (answer("200 OK", "text/plain", "hello"), "STSv1"),
        (answer("200 OK", "text/plain", &long), "too long"),
        (b"SSH-2.0-nothing\r\n".to_vec(), "not a policy"),
    ] {
        let setup = setup(vec![reply, answer("200 OK", "text/plain", POLICY)]).await;
        for _ in 0..2 {
            let StsLookup::Unavailable(error) = lookup(&setup).await else { panic!("{expected}: no failure") };
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(setup.https.requests().len(), 1, "{expected}");
    }
    assert_eq!(FetchError::Policy(PolicyError::Version).to_string(), PolicyError::Version.to_string());
}

#[tokio::test]
async fn a_policy_host_must_show_a_certificate_for_its_name_that_is_trusted() {
    let authority = Authority::new();
    let reply = vec![answer("200 OK", "text/plain", POLICY)];
    for identity in [
        authority.issue("signed.test", 2000..2100),
        authority.issue("mta-sts.signed.test", 2000..2001),
        Authority::new().issue("mta-sts.signed.test", 2000..2100),
    ] {
        let https = Https::start(&identity, reply.clone()).await;
        let setup = setup_with(https, &authority, AddressScope::Any).await;
        let found = lookup(&setup).await;
        assert!(matches!(found, StsLookup::Unavailable(FetchError::Tls(_))), "{found:?}");
    }
}

#[tokio::test]
async fn a_policy_host_in_a_private_network_is_not_connected_to() {
    let authority = Authority::new();
    let identity = authority.issue("mta-sts.signed.test", 2000..2100);
    let https = Https::start(&identity, vec![answer("200 OK", "text/plain", POLICY)]).await;
    let setup = setup_with(https, &authority, AddressScope::Public).await;
    assert_eq!(lookup(&setup).await, StsLookup::Unavailable(FetchError::Address));
    assert!(setup.https.requests().is_empty());
}
