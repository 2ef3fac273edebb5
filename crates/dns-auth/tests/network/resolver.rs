//! Lookups against a name server with signed, unsigned and forged zones.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use yubin_dns_auth::{
    HostSource, LookupError, MailHosts, NameServers, Resolver, ResolverConfig, Route, Security, TemporaryCause,
    TrustAnchor, Validation,
};
use yubin_types::DomainName;

use crate::dns_server::{DnsServer, Signing, Zone};

const SIGNED: Zone<'_> = Zone(
    "signed.test.",
    Signing::Signed,
    r#"
@    IN MX 20 mx2
@    IN MX 10 MX1.signed.test.
@    IN A 192.0.2.9
mx1  IN A 192.0.2.1
mx1  IN A 192.0.2.2
mx1  IN AAAA 2001:db8::1
mx2  IN A 192.0.2.3
v4   IN A 192.0.2.4
spf  IN TXT "v=spf1 ip4:192.0.2.0/24" " -all"
spf  IN TXT "other"
none IN MX 0 .
bare IN A 192.0.2.5
bad  IN MX 10 *
www  IN CNAME mx1
away IN CNAME host.plain.test.
a1   IN CNAME a2
a2   IN CNAME a1
_25._tcp.mx1 IN TLSA 3 1 1 0f0e0d0c0b0a09080706050403020100
"#,
);
const PLAIN: Zone<'_> =
    Zone("plain.test.", Signing::Unsigned, "@ IN MX 10 host\nhost IN A 192.0.2.7\nhome IN CNAME mx1.signed.test.\n");
const FORGED: Zone<'_> = Zone("forged.test.", Signing::Forged, "@ IN MX 10 host\nhost IN A 192.0.2.8\n");

fn domain(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

async fn setup() -> (DnsServer, Resolver) {
    let server = DnsServer::start(&[SIGNED, PLAIN, FORGED]).await;
    let resolver = server.resolver();
    (server, resolver)
}

fn names(hosts: MailHosts) -> Vec<String> {
    match hosts {
        MailHosts::Hosts(hosts) => hosts.iter().map(|host| host.name.to_string()).collect(),
        MailHosts::NullMx => panic!("no null MX here"),
    }
}

#[tokio::test]
async fn mail_exchangers_come_by_preference_with_what_dnssec_says() {
    let (_server, resolver) = setup().await;
    for (validation, security) in [(Validation::Off, Security::Unchecked), (Validation::On, Security::Secure)] {
        let answer = resolver.mx(&domain("signed.test"), 1, validation).await.unwrap();
        assert_eq!(answer.security, security);
        assert_eq!(names(answer.value), ["mx1.signed.test", "mx2.signed.test"]);
    }
    let answer = resolver.mx(&domain("plain.test"), 1, Validation::On).await.unwrap();
    assert_eq!(answer.security, Security::Insecure);
    assert_eq!(names(answer.value), ["host.plain.test"]);
}

#[tokio::test]
async fn a_forged_answer_is_no_answer_unless_nobody_asked() {
    let (_server, resolver) = setup().await;
    let forged = domain("forged.test");
    assert_eq!(resolver.mx(&forged, 1, Validation::On).await, Err(LookupError::Bogus));
    assert_eq!(resolver.addresses(&domain("host.forged.test"), Validation::On).await, Err(LookupError::Bogus));
    assert!(resolver.mx(&forged, 1, Validation::Off).await.is_ok());
}

#[tokio::test]
async fn absence_comes_in_two_kinds_each_with_its_proof() {
    let (_server, resolver) = setup().await;
    let cases = [
        ("nothing.signed.test", Validation::On, LookupError::NoDomain(Security::Secure)),
        ("nothing.signed.test", Validation::Off, LookupError::NoDomain(Security::Unchecked)),
        ("mx1.signed.test", Validation::On, LookupError::NoData(Security::Secure)),
        ("mx1.signed.test", Validation::Off, LookupError::NoData(Security::Unchecked)),
        ("nothing.plain.test", Validation::On, LookupError::NoDomain(Security::Insecure)),
        ("host.plain.test", Validation::On, LookupError::NoData(Security::Insecure)),
        ("nothing.forged.test", Validation::On, LookupError::Bogus),
    ];
    for (name, validation, expected) in cases {
        assert_eq!(resolver.mx(&domain(name), 1, validation).await, Err(expected), "{name}");
    }
}

#[tokio::test]
async fn a_server_that_fails_or_keeps_silent_is_temporary() {
    let (_server, resolver) = setup().await;
    let failed = resolver.mx(&domain("broken.signed.test"), 1, Validation::Off).await;
    assert_eq!(failed, Err(LookupError::Temporary(TemporaryCause::ServerFailure)));
    let silent = resolver.mx(&domain("silent.signed.test"), 1, Validation::Off).await;
    assert_eq!(silent, Err(LookupError::Temporary(TemporaryCause::Timeout)));
    let outside = resolver.mx(&domain("example.jp"), 1, Validation::Off).await;
    assert_eq!(outside, Err(LookupError::Temporary(TemporaryCause::ServerFailure)), "REFUSED");
}

#[tokio::test]
async fn a_name_server_that_is_not_there_is_temporary() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = ResolverConfig {
        nameservers: NameServers::Addresses(vec![free]),
        attempt_timeout: Duration::from_millis(100),
        retries: 0,
        ..ResolverConfig::default()
    };
    let found = Resolver::new(&config).unwrap().mx(&domain("signed.test"), 1, Validation::Off).await;
    assert!(matches!(found, Err(LookupError::Temporary(_))), "{found:?}");
}

#[tokio::test]
async fn addresses_of_both_families_and_of_one() {
    let (_server, resolver) = setup().await;
    let both = resolver.addresses(&domain("mx1.signed.test"), Validation::On).await.unwrap();
    assert_eq!((both.value.v4.len(), both.value.v6.len(), both.security), (2, 1, Security::Secure));
    let one = resolver.addresses(&domain("v4.signed.test"), Validation::On).await.unwrap();
    assert_eq!(one.value.v4, [Ipv4Addr::new(192, 0, 2, 4)]);
    assert!(one.value.v6.is_empty());
    let none = resolver.addresses(&domain("spf.signed.test"), Validation::Off).await;
    assert_eq!(none, Err(LookupError::NoData(Security::Unchecked)));
}

/// Attack list, item 14.
#[tokio::test]
async fn an_alias_is_followed_and_is_as_secure_as_its_weakest_link() {
    let (_server, resolver) = setup().await;
    for (name, address, security) in [
        ("www.signed.test", Ipv4Addr::new(192, 0, 2, 1), Security::Secure),
        ("away.signed.test", Ipv4Addr::new(192, 0, 2, 7), Security::Insecure),
        ("home.plain.test", Ipv4Addr::new(192, 0, 2, 1), Security::Insecure),
    ] {
        let answer = resolver.addresses(&domain(name), Validation::On).await.unwrap();
        assert!(answer.value.v4.contains(&address), "{name}: {answer:?}");
        assert_eq!(answer.security, security, "{name}");
    }
    let looping = resolver.addresses(&domain("a1.signed.test"), Validation::Off).await;
    assert_eq!(looping, Err(LookupError::Temporary(TemporaryCause::Aliases)));
}

#[tokio::test]
async fn strings_of_a_text_are_joined() {
    let (_server, resolver) = setup().await;
    let mut texts = resolver.txt(&domain("spf.signed.test"), Validation::On).await.unwrap().value;
    texts.sort();
    assert_eq!(texts, ["other", "v=spf1 ip4:192.0.2.0/24 -all"]);
}

#[tokio::test]
async fn the_names_of_an_address() {
    let reverse = Zone("2.0.192.test.", Signing::Unsigned, "");
    let server = DnsServer::start(&[
        reverse,
        Zone("in-addr.arpa.", Signing::Unsigned, "1.2.0.192 IN PTR mx1.signed.test.\n1.2.0.192 IN PTR *\n"),
    ])
    .await;
    let resolver = server.resolver();
    let names = resolver.ptr(IpAddr::from([192, 0, 2, 1]), Validation::Off).await.unwrap().value;
    assert_eq!(names, [domain("mx1.signed.test")]);
    let none = resolver.ptr(IpAddr::from([192, 0, 2, 2]), Validation::Off).await;
    assert!(matches!(none, Err(LookupError::NoDomain(_))), "{none:?}");
}

#[tokio::test]
async fn tlsa_records_are_always_validated() {
    let (_server, resolver) = setup().await;
    let answer = resolver.tlsa(&domain("mx1.signed.test"), 25).await.unwrap();
    assert_eq!(answer.security, Security::Secure);
    let record = &answer.value[0];
    assert_eq!((record.usage, record.selector, record.matching, record.data.len()), (3, 1, 1, 16));
    let none = resolver.tlsa(&domain("mx2.signed.test"), 25).await;
    assert_eq!(none, Err(LookupError::NoDomain(Security::Secure)));
}

/// Attack list, item 15.
#[tokio::test]
async fn where_mail_goes() {
    let (_server, resolver) = setup().await;
    let route = async |text: &str| resolver.route(&domain(text), 1, Validation::Off).await.map(|answer| answer.value);
    let Ok(Route::Hosts { hosts, source: HostSource::Mx }) = route("signed.test").await else { panic!("no MX hosts") };
    assert_eq!(hosts.len(), 2);
    let Ok(Route::Hosts { hosts, source: HostSource::Implicit }) = route("bare.signed.test").await else {
        panic!("no implicit MX")
    };
    assert_eq!(hosts[0].name, domain("bare.signed.test"));
    assert_eq!(route("none.signed.test").await, Ok(Route::NullMx));
    assert_eq!(route("bad.signed.test").await, Ok(Route::NoUsableMx));
    assert!(matches!(route("nothing.signed.test").await, Err(LookupError::NoDomain(_))));
}

#[tokio::test]
async fn what_was_answered_is_remembered_absence_too_but_no_failure() {
    let (server, resolver) = setup().await;
    for _ in 0..3 {
        resolver.tlsa(&domain("mx1.signed.test"), 25).await.unwrap();
        resolver.tlsa(&domain("mx2.signed.test"), 25).await.unwrap_err();
        resolver.txt(&domain("broken.signed.test"), Validation::Off).await.unwrap_err();
    }
    let asked = server.asked();
    let times = |question: &str| asked.iter().filter(|asked| *asked == question).count();
    assert_eq!(times("_25._tcp.mx1.signed.test. TLSA"), 1, "{asked:?}");
    assert_eq!(times("_25._tcp.mx2.signed.test. TLSA"), 1, "{asked:?}");
    assert!(times("broken.signed.test. TXT") >= 3, "{asked:?}");
}

#[tokio::test]
async fn configuration_that_can_not_work_is_refused() {
    let without = ResolverConfig { nameservers: NameServers::Addresses(vec![]), ..ResolverConfig::default() };
    assert!(Resolver::new(&without).is_err());
    let bad = ResolverConfig {
        nameservers: NameServers::Addresses(vec!["127.0.0.1:53".parse().unwrap()]),
        trust_anchor: TrustAnchor::Keys(". IN A 192.0.2.1".into()),
        ..ResolverConfig::default()
    };
    assert!(Resolver::new(&bad).is_err());
}
