//! What a domain has published, looked up and judged: a check from end to end.

use yubin_dns_auth::mta_sts::FetchConfig;
use yubin_dns_auth::published::Verdict::{Absent, Missing, Right, Unknown, Wrong};
use yubin_dns_auth::published::{Expected, ExpectedKey, Finding, Inspector, OptionalRecords, Subject, Verdict};
use yubin_dns_auth::{AddressScope, NameServers};
use yubin_types::DomainName;

use crate::dns_server::{DnsServer, Signing, Zone};
use crate::tls_server::{Authority, Https, answer};

const RECORDS: &str = r#"
@ IN MX 10 mx1
@ IN MX 20 mx2
@ IN MX 30 mx3
@ IN TXT "v=spf1 include:one.hosted.test " "-all"
one IN TXT "v=spf1 include:two.hosted.test -all"
two IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
mx1 IN A 192.0.2.1
mx2 IN CNAME mx1
k1._domainkey IN TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
_dmarc IN TXT "v=DMARC1; p=reject; rua=mailto:x@other.test"
_mta-sts IN TXT "v=STSv1; id=1;"
mta-sts IN A 127.0.0.1
_imaps._tcp IN SRV 0 1 993 mail.hosted.test.
"#;

const POLICY: &str = "version: STSv1\nmode: enforce\nmx: mx1.hosted.test\nmax_age: 86400\n";

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

struct World {
    dns: DnsServer,
    inspector: Inspector,
    _https: Https,
}

async fn world() -> World {
    let authority = Authority::new();
    let certificate = authority.issue("mta-sts.hosted.test", 2000..2100);
    let https = Https::start(&certificate, vec![answer("200 OK", "text/plain", POLICY)]).await;
    let dns = DnsServer::start(&[Zone("hosted.test.", Signing::Unsigned, RECORDS)]).await;
    let fetch = FetchConfig { roots: authority.roots(), port: https.address.port(), scope: AddressScope::Any };
    let inspector = Inspector::new(NameServers::Addresses(vec![dns.address]), fetch).unwrap();
    World { dns, inspector, _https: https }
}

fn expected(domain: &str) -> Expected {
    let record = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let key = |selector: &str| ExpectedKey { selector: name(selector), record: record.to_owned() };
    Expected {
        domain: name(domain),
        mx_hosts: vec![name("mx1.hosted.test"), name("mx2.hosted.test"), name("mx3.hosted.test")],
        spf: "v=spf1 ip4:192.0.2.7 ~all".to_owned(),
        keys: vec![key("k1"), key("k2")],
        optional: OptionalRecords { client_host: Some(name("mail.hosted.test")), ..Default::default() },
    }
}

fn verdicts(findings: &[Finding], subject: Subject) -> Vec<Verdict> {
    findings.iter().filter(|finding| finding.subject == subject).map(|finding| finding.verdict).collect()
}

#[tokio::test]
async fn every_kind_of_record_is_looked_up() {
    let world = world().await;
    let findings = world.inspector.check(&expected("hosted.test")).await;
    for (subject, expected) in [
        (Subject::Mx, vec![Right, Wrong, Wrong]),
        (Subject::Spf, vec![Right]),
        (Subject::Dkim, vec![Right, Missing]),
        (Subject::Dmarc, vec![Right]),
        (Subject::MtaSts, vec![Wrong]),
        (Subject::TlsRpt, vec![Absent]),
        (Subject::Service, vec![Missing, Right, Missing]),
    ] {
        assert_eq!(verdicts(&findings, subject), expected, "{findings:?}");
    }
    let said = format!("{findings:?}");
    for words in [
        "mx2.hosted.test is an alias (CNAME) of mx1.hosted.test",
        "mx3.hosted.test has no address",
        "other.test, which has not agreed",
        "mx: mx2.hosted.test, mx: mx3.hosted.test",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// Who has mended a record sees it in the next check.
#[tokio::test]
async fn answers_are_not_remembered() {
    let world = world().await;
    for _ in 0..2 {
        world.inspector.check(&expected("hosted.test")).await;
    }
    let asked = world.dns.asked();
    assert_eq!(asked.iter().filter(|question| *question == "two.hosted.test. TXT").count(), 2, "{asked:?}");
}

/// A server that fails is no sign that anything is missing.
#[tokio::test]
async fn what_fails_is_unknown() {
    let world = world().await;
    let findings = world.inspector.check(&expected("broken.hosted.test")).await;
    assert!(findings.iter().all(|finding| finding.verdict == Unknown), "{findings:?}");
}
