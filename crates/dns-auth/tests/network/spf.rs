//! SPF against a DNS server: every mechanism, the limits of RFC 7208, and what nobody can answer.

use std::net::IpAddr;

use yubin_dns_auth::verify::{SpfQuestion, Verifier};
use yubin_types::{Address, AuthResult};

use crate::dns_server::{DnsServer, Signing, Zone};

const RECORDS: &str = r#"
all        IN TXT "v=spf1 +all"
minus      IN TXT "v=spf1 -all"
soft       IN TXT "v=spf1 ~all"
neutral    IN TXT "v=spf1 ?all"
end        IN TXT "v=spf1"
upper      IN TXT "V=SPF1 IP4:192.0.2.1 -ALL"
ip4        IN TXT "v=spf1 ip4:192.0.2.0/28 -all"
ip6        IN TXT "v=spf1 ip6:2001:db8::/32 -all"
a          IN TXT "v=spf1 a -all"
a          IN A 192.0.2.1
a          IN AAAA 2001:db8::1
a24        IN TXT "v=spf1 a:a.spf.test/24//64 -all"
mx         IN TXT "v=spf1 mx -all"
mx         IN MX 10 a
mx         IN MX 20 missing
exists     IN TXT "v=spf1 exists:%{ir}.list.spf.test -all"
1.2.0.192.list IN A 127.0.0.2
local      IN TXT "v=spf1 exists:%{l}.users.spf.test -all"
tim        IN A 192.0.2.9
tim.users  IN A 127.0.0.2
ptr        IN TXT "v=spf1 ptr:named.spf.test -all"
host.named IN A 192.0.2.1
liar.named IN A 192.0.2.99
p          IN TXT "v=spf1 exists:%{p}.seen.spf.test -all"
host.named.spf.test.seen IN A 127.0.0.2
include    IN TXT "v=spf1 include:ip4.spf.test ~all"
includesoft IN TXT "v=spf1 include:soft.spf.test -all"
includenone IN TXT "v=spf1 include:tim.spf.test -all"
includebad IN TXT "v=spf1 include:two.spf.test +all"
redirect   IN TXT "v=spf1 redirect=ip4.spf.test"
redirected IN TXT "v=spf1 redirect=%{l}.%{o}"
x.redirected IN TXT "v=spf1 -all"
redirectnone IN TXT "v=spf1 redirect=tim.spf.test"
ignored    IN TXT "v=spf1 redirect=two.spf.test ?all"
two        IN TXT "v=spf1 +all"
two        IN TXT "v=spf1 -all"
other      IN TXT "v=spf10 +all"
other      IN TXT "google-site-verification=x"
modifier   IN TXT "v=spf1 moo.cow-far_out=man:dog/cat ip4:192.0.2.1 -all"
typo       IN TXT "v=spf1 ipv4:192.0.2.1 -all"
cut        IN TXT "v=spf1 ip4:192" ".0.2.1 -all"
loop       IN TXT "v=spf1 include:loop.spf.test -all"
ten        IN TXT "v=spf1 a:a.spf.test a:a.spf.test a:a.spf.test a:a.spf.test a:a.spf.test include:five.spf.test"
five       IN TXT "v=spf1 a:a.spf.test a:a.spf.test a:a.spf.test a:a.spf.test -all"
eleven     IN TXT "v=spf1 include:ten.spf.test +all"
void2      IN TXT "v=spf1 a:x1.spf.test a:x2.spf.test +all"
void3      IN TXT "v=spf1 a:x1.spf.test a:x2.spf.test exists:x3.spf.test +all"
servfail   IN TXT "v=spf1 a:broken.test -all"
servincl   IN TXT "v=spf1 include:broken.test +all"
before     IN TXT "v=spf1 ip4:192.0.2.1 include:broken.test -all"
mx11       IN TXT "v=spf1 mx -all"
"#;

const REVERSE: &str = "1 IN PTR host.named.spf.test.\n1 IN PTR liar.named.spf.test.\n2 IN PTR liar.named.spf.test.\n";

async fn verifier() -> (DnsServer, Verifier) {
    let many: String =
        (0..11).map(|number| format!("mx11 IN MX {number} host{number}\nhost{number} IN A 192.0.2.200\n")).collect();
    let server = DnsServer::start(&[
        Zone("spf.test.", Signing::Unsigned, &format!("{RECORDS}{many}")),
        Zone("2.0.192.in-addr.arpa.", Signing::Unsigned, REVERSE),
    ])
    .await;
    let verifier = Verifier::new(server.resolver()).unwrap();
    (server, verifier)
}

async fn check(verifier: &Verifier, peer: &str, sender: &str) -> AuthResult {
    let sender = Address::parse(sender).unwrap();
    let peer: IpAddr = peer.parse().unwrap();
    let question = SpfQuestion { peer, helo: "[192.0.2.1]", sender: Some(&sender), host: "mx.yubin.test" };
    let checks = verifier.spf(question).await;
    assert_eq!(checks.helo, None, "an address is no name");
    checks.sender().unwrap().result
}

#[tokio::test]
async fn every_mechanism_says_what_it_means() {
    use AuthResult::{Fail, Neutral, None, Pass, PermError, SoftFail};
    let (_server, verifier) = verifier().await;
    for (peer, name, expected) in [
        ("192.0.2.1", "all", Pass),
        ("192.0.2.1", "minus", Fail),
        ("192.0.2.1", "soft", SoftFail),
        ("192.0.2.1", "neutral", Neutral),
        ("192.0.2.1", "end", Neutral),
        ("192.0.2.1", "upper", Pass),
        ("192.0.2.15", "ip4", Pass),
        ("192.0.2.16", "ip4", Fail),
        ("2001:db8::1", "ip4", Fail),
        ("2001:db8:ffff::1", "ip6", Pass),
        ("192.0.2.1", "ip6", Fail),
        ("192.0.2.1", "a", Pass),
        ("2001:db8::1", "a", Pass),
        ("192.0.2.2", "a", Fail),
        ("192.0.2.2", "a24", Pass),
        ("2001:db8::2", "a24", Pass),
        ("2001:db8:0:1::1", "a24", Fail),
        ("192.0.2.1", "mx", Pass),
        ("192.0.2.2", "mx", Fail),
        ("192.0.2.1", "exists", Pass),
        ("192.0.2.2", "exists", Fail),
        ("192.0.2.1", "ptr", Pass),
        ("192.0.2.2", "ptr", Fail),
        ("192.0.2.1", "p", Pass),
        ("192.0.2.2", "p", Fail),
        ("192.0.2.1", "include", Pass),
        ("192.0.2.99", "include", SoftFail),
        ("192.0.2.1", "includesoft", Fail),
        ("192.0.2.1", "includenone", PermError),
        ("192.0.2.1", "includebad", PermError),
        ("192.0.2.1", "redirect", Pass),
        ("192.0.2.99", "redirect", Fail),
        ("192.0.2.1", "redirected", Fail),
        ("192.0.2.1", "redirectnone", PermError),
        ("192.0.2.1", "ignored", Neutral),
        ("192.0.2.1", "two", PermError),
        ("192.0.2.1", "other", None),
        ("192.0.2.1", "nowhere", None),
        ("192.0.2.1", "modifier", Pass),
        ("192.0.2.1", "typo", PermError),
        ("192.0.2.1", "cut", Pass),
    ] {
        let result = check(&verifier, peer, &format!("x@{name}.spf.test")).await;
        assert_eq!(result, expected, "{name} from {peer}");
    }
    assert_eq!(check(&verifier, "192.0.2.1", "tim@local.spf.test").await, Pass);
    assert_eq!(check(&verifier, "192.0.2.1", "\"a b\"@local.spf.test").await, Fail);
}

/// Attack list, item 14: RFC 7208 §4.6.4: ten lookups, two of them void, ten hosts of an MX.
#[tokio::test]
async fn what_asks_too_much_is_a_permanent_error() {
    let (server, verifier) = verifier().await;
    for (name, expected) in [
        ("ten", AuthResult::Neutral),
        ("eleven", AuthResult::PermError),
        ("loop", AuthResult::PermError),
        ("void2", AuthResult::Pass),
        ("void3", AuthResult::PermError),
        ("mx11", AuthResult::PermError),
    ] {
        let before = server.asked().len();
        assert_eq!(check(&verifier, "192.0.2.250", &format!("x@{name}.spf.test")).await, expected, "{name}");
        assert!(server.asked().len() - before <= 22, "{name}: {:?}", server.asked());
    }
}

#[tokio::test]
async fn what_nobody_can_answer_is_a_temporary_error_unless_it_does_not_matter() {
    let (_server, verifier) = verifier().await;
    assert_eq!(check(&verifier, "192.0.2.1", "x@servfail.spf.test").await, AuthResult::TempError);
    assert_eq!(check(&verifier, "192.0.2.1", "x@servincl.spf.test").await, AuthResult::TempError);
    assert_eq!(check(&verifier, "192.0.2.1", "x@broken.test").await, AuthResult::TempError);
    assert_eq!(check(&verifier, "192.0.2.1", "x@before.spf.test").await, AuthResult::Pass);
    assert_eq!(check(&verifier, "192.0.2.2", "x@before.spf.test").await, AuthResult::TempError);
}

#[tokio::test]
async fn the_null_path_stands_for_the_name_in_helo() {
    let (_server, verifier) = verifier().await;
    let question = |helo| SpfQuestion { peer: "192.0.2.1".parse().unwrap(), helo, sender: None, host: "mx" };
    let checks = verifier.spf(question("ip4.spf.test")).await;
    assert_eq!(checks.mail_from, None);
    assert_eq!(checks.sender().unwrap().result, AuthResult::Pass);
    assert_eq!(checks.sender().unwrap().domain.as_str(), "ip4.spf.test");
    for none in ["localhost", "[192.0.2.1]", "a b", ""] {
        assert_eq!(verifier.spf(question(none)).await.sender(), None, "{none}");
    }
}
