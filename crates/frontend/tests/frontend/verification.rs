//! Mail from other servers is verified: what is written down, what is junk, what is refused, what is put off.

use std::collections::BTreeMap;

use prometheus_client::encoding::text::encode;
use yubin_dns_auth::dkim::{KeyAlgorithm, PrivateKey, SelectedKey, Signer};
use yubin_dns_auth::verify::{DnsList, Verifier};
use yubin_frontend::{DmarcHandling, DomainRules, InboundConfig, ListRule};
use yubin_state::command::DomainCommand;
use yubin_types::{DomainName, Filtering, ReverseDnsRule, Timestamp};

use crate::dns_server::{DnsServer, Signing, Zone};
use crate::world::World;

/// The test's own address is 127.0.0.1: `good.test` sends from there, the others don't.
const GOOD: &str = "@ IN TXT \"v=spf1 ip4:127.0.0.1 -all\"\n_dmarc IN TXT \"v=DMARC1; p=reject\"\n";
const STRICT: &str = "@ IN TXT \"v=spf1 -all\"\n_dmarc IN TXT \"v=DMARC1; p=reject\"\n";
const CAREFUL: &str = "@ IN TXT \"v=spf1 -all\"\n_dmarc IN TXT \"v=DMARC1; p=quarantine\"\n";
const PLAIN: &str = "@ IN TXT \"v=spf1 -all\"\n";

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

pub(crate) fn enforced(verifier: Verifier) -> InboundConfig {
    InboundConfig {
        verifier,
        exempt: Vec::new(),
        rules: DomainRules::default(),
        domains: BTreeMap::new(),
        trusted_forwarders: Vec::new(),
        lists: Vec::new(),
        greylisting: None,
        list_rule: ListRule { refuse: 10, junk: 5 },
        hosts: vec!["mx2.yubin.test".into()],
        reports: None,
    }
}

async fn dns(signed: &str) -> DnsServer {
    DnsServer::start(&[
        Zone("good.test.", Signing::Unsigned, GOOD),
        Zone("strict.test.", Signing::Unsigned, STRICT),
        Zone("careful.test.", Signing::Unsigned, CAREFUL),
        Zone("plain.test.", Signing::Unsigned, PLAIN),
        Zone("signed.test.", Signing::Unsigned, signed),
        Zone("names.test.", Signing::Unsigned, "host IN A 127.0.0.1\n"),
        Zone("0.0.127.in-addr.arpa.", Signing::Unsigned, "1 IN PTR host.names.test.\n"),
        Zone("bl.test.", Signing::Unsigned, "1.0.0.127 IN A 127.0.0.2\n"),
        Zone("full.test.", Signing::Unsigned, "1.0.0.127 IN A 127.0.0.255\n"),
    ])
    .await
}

/// A world that asks a DNS server, which goes with it.
async fn world(change: impl FnOnce(&mut InboundConfig)) -> (World, DnsServer) {
    let dns = dns("").await;
    let mut inbound = enforced(Verifier::new(dns.resolver()).unwrap());
    change(&mut inbound);
    (World::verifying(Some(inbound)).await, dns)
}

/// The reply to a message of this author and envelope sender.
pub(crate) async fn send(world: &World, to: &str, sender: &str, message: &str) -> String {
    let mut client = world.connect("mx").await;
    client.smtp("EHLO host.names.test").await;
    assert!(client.smtp(&format!("MAIL FROM:<{sender}>")).await.starts_with("250"));
    let invited = client.smtp(&format!("RCPT TO:<{to}>")).await;
    if !invited.starts_with("250") {
        return invited;
    }
    assert!(client.smtp("DATA").await.starts_with("354"));
    client.send(&format!("{message}\r\n.")).await;
    client.reply().await
}

fn message(author: &str) -> String {
    format!("From: {author}\r\nSubject: x\r\n\r\nhello")
}

/// The only message of a mailbox, unfolded.
pub(crate) async fn stored(world: &World, user: &str, mailbox: &str) -> String {
    let mut imap = world.imap(user).await;
    imap.imap(&format!("EXAMINE {mailbox}")).await;
    imap.imap("FETCH 1 BODY.PEEK[]").await.replace("\r\n\t", " ")
}

pub(crate) async fn count(world: &World, user: &str, mailbox: &str) -> usize {
    let status = world.imap(user).await.imap(&format!("STATUS {mailbox} (MESSAGES)")).await;
    let (_, after) = status.split_once("(MESSAGES ").unwrap();
    after.split(')').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn authentic_mail_is_stored_with_what_was_found() {
    let (world, _dns) = world(|_| {}).await;
    let reply = send(&world, "alice@example.jp", "a@good.test", &message("a@good.test")).await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    let stored = stored(&world, "alice@example.jp", "INBOX").await;
    assert!(
        stored.contains("Received: from host.names.test (host.names.test [127.0.0.1]) by mx.yubin.test"),
        "{stored}"
    );
    assert!(
        stored.contains(
            "\r\nAuthentication-Results: mx.yubin.test; dmarc=pass (policy=reject) header.from=good.test; \
             spf=pass smtp.mailfrom=good.test; spf=none smtp.helo=host.names.test; \
             iprev=pass (host.names.test) policy.iprev=127.0.0.1; dkim=none\r\nReceived: from host.names.test "
        ),
        "{stored}"
    );
}

#[tokio::test]
async fn forgeries_are_refused_filed_or_taken_as_their_domain_wants() {
    let (world, _dns) = world(|_| {}).await;
    let refused = send(&world, "alice@example.jp", "a@strict.test", &message("a@strict.test")).await;
    assert!(refused.starts_with("550 5.7.1 ") && refused.contains("strict.test (DMARC"), "{refused}");
    // The envelope passes, and is not the author's.
    let refused = send(&world, "alice@example.jp", "a@good.test", &message("a@strict.test")).await;
    assert!(refused.starts_with("550 5.7.1 "), "{refused}");
    assert_eq!(
        (count(&world, "alice@example.jp", "INBOX").await, count(&world, "alice@example.jp", "Junk").await),
        (0, 0)
    );

    assert!(send(&world, "alice@example.jp", "a@x.test", &message("a@careful.test")).await.starts_with("250"));
    assert_eq!(
        (count(&world, "alice@example.jp", "INBOX").await, count(&world, "alice@example.jp", "Junk").await),
        (0, 1)
    );
    let stored = stored(&world, "alice@example.jp", "Junk").await;
    assert!(stored.contains("dmarc=fail (policy=quarantine) header.from=careful.test"), "{stored}");

    // Nobody's policy, but a clear no of SPF.
    assert!(send(&world, "bob@example.jp", "a@plain.test", &message("a@plain.test")).await.starts_with("250"));
    assert!(send(&world, "bob@example.jp", "a@names.test", &message("a@names.test")).await.starts_with("250"));
    assert_eq!((count(&world, "bob@example.jp", "INBOX").await, count(&world, "bob@example.jp", "Junk").await), (1, 1));

    let mut metrics = String::new();
    encode(&mut metrics, &world.registry).unwrap();
    for line in [
        "yubin_verified_messages_total{result=\"refused\"} 2",
        "yubin_verified_messages_total{result=\"junk\"} 2",
        "yubin_verified_messages_total{result=\"inbox\"} 1",
        "yubin_smtp_rejects_total{reason=\"dmarc\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn a_hosted_domain_may_overrule() {
    let rules = |dmarc| DomainRules { dmarc, ..DomainRules::default() };
    let (world, _dns) = world(|inbound| {
        inbound.domains.insert(name("example.jp"), rules(DmarcHandling::Junk));
        inbound.domains.insert(name("example.org"), rules(DmarcHandling::Report));
    })
    .await;
    assert!(send(&world, "alice@example.jp", "a@x.test", &message("a@strict.test")).await.starts_with("250"));
    assert_eq!(count(&world, "alice@example.jp", "Junk").await, 1);
    assert!(send(&world, "carol@example.org", "a@x.test", &message("a@strict.test")).await.starts_with("250"));
    assert_eq!(count(&world, "carol@example.org", "INBOX").await, 1);

    // What it sets itself goes before what is configured for it, with the next message.
    let enforce = Filtering { dmarc: Some(DmarcHandling::Enforce), ..Filtering::default() };
    let own = DomainCommand::SetFiltering { account: None, rules: Some(Box::new(enforce)) };
    world.change("example.org", own).await;
    let refused = send(&world, "carol@example.org", "a@x.test", &message("a@strict.test")).await;
    assert!(refused.starts_with("550 5.7.1 "), "{refused}");
}

#[tokio::test]
async fn what_nobody_can_say_is_put_off() {
    let (world, _dns) = world(|_| {}).await;
    let put_off = send(&world, "alice@example.jp", "a@broken.test", &message("a@broken.test")).await;
    assert!(put_off.starts_with("451 4.7.1 ") && put_off.contains("broken.test"), "{put_off}");
    // The author's domain has no policy, so SPF alone would tell, and can't.
    let put_off = send(&world, "alice@example.jp", "a@broken.test", &message("a@names.test")).await;
    assert!(put_off.starts_with("451 4.7.1 ") && put_off.contains("broken.test"), "{put_off}");
    // DMARC passes for the author's host: nothing depends on the rest.
    assert!(send(&world, "alice@example.jp", "a@good.test", &message("a@good.test")).await.starts_with("250"));
}

/// Attack list, item 10.
#[tokio::test]
async fn a_message_has_one_author() {
    let (world, _dns) = world(|_| {}).await;
    let two = format!("From: a@good.test\r\n{}", message("b@good.test"));
    for malformed in [two.as_str(), "Subject: x\r\n\r\nhello"] {
        let refused = send(&world, "alice@example.jp", "a@good.test", malformed).await;
        assert!(refused.starts_with("550 5.7.1 ") && refused.contains("From field"), "{refused}");
    }
    // Two authors in one field: both domains must be authentic.
    let refused = send(&world, "alice@example.jp", "a@good.test", &message("a@good.test, b@strict.test")).await;
    assert!(refused.starts_with("550 5.7.1 "), "{refused}");
    // What stands before the brackets is a name, however much it looks like an address.
    let refused = send(&world, "alice@example.jp", "a@good.test", &message("a@good.test <ceo@strict.test>")).await;
    assert!(refused.starts_with("550 5.7.1 ") && refused.contains("strict.test (DMARC"), "{refused}");
    for hidden in ["a@good.test ceo@strict.test", "<a@good.test> <ceo@strict.test>", "a@good.test (<ceo@strict.test>"] {
        let refused = send(&world, "alice@example.jp", "a@good.test", &message(hidden)).await;
        assert!(refused.starts_with("550 5.7.1 ") && refused.contains("From field"), "{hidden}: {refused}");
    }
    let long = format!("X: {}\r\n{}", "x\r\n ".repeat(90_000), message("a@good.test"));
    let refused = send(&world, "alice@example.jp", "a@good.test", &long).await;
    assert!(refused.starts_with("552 5.3.4 "), "{refused}");
}

/// Attack list, item 10: RFC 8601 §5: what a stranger says in our name is not shown to anybody.
#[tokio::test]
async fn forged_results_are_taken_out() {
    let (world, _dns) = world(|_| {}).await;
    let forged = "Authentication-Results: mx.yubin.test; spf=pass smtp.mailfrom=bank.test\r\n\
                  X-Kept: 1\r\nauthentication-results:\r\n\t(x) MX2.Yubin.test 1; dkim=pass\r\n\
                  Authentication-Results: other.test; dkim=pass\r\n";
    let body = "line\r\n".repeat(100_000);
    for (to, body) in [("alice", "short\r\n"), ("bob", body.as_str())] {
        let message = format!("{forged}From: a@good.test\r\n\r\n{body}end");
        let reply = send(&world, &format!("{to}@example.jp"), "a@good.test", &message).await;
        assert!(reply.starts_with("250"), "{reply}");
        let stored = stored(&world, &format!("{to}@example.jp"), "INBOX").await;
        let expected = format!(
            "+0000\r\nX-Kept: 1\r\nAuthentication-Results: other.test; dkim=pass\r\nFrom: a@good.test\r\n\r\n{body}end"
        );
        assert!(stored.contains(&expected), "{stored:.2000}");
        assert!(!stored.contains("bank.test") && !stored.to_lowercase().contains("mx2.yubin.test"), "{stored:.2000}");
    }
}

#[tokio::test]
async fn mail_that_we_sign_ourselves_passes_whatever_its_size() {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let records = format!(
        "@ IN TXT \"v=spf1 -all\"\n_dmarc IN TXT \"v=DMARC1; p=reject\"\ns1._domainkey IN TXT \"{}\"\n",
        key.record()
    );
    let dns = dns(&records).await;
    let world = World::verifying(Some(enforced(Verifier::new(dns.resolver()).unwrap()))).await;
    let signer = Signer::new(name("signed.test"), vec![SelectedKey { selector: name("s1"), key: key.into() }]);
    for (to, lines) in [("alice", 1), ("bob", 400_000)] {
        // A forged field before the signed ones changes nothing that is signed.
        let (header, body) = ("From: a@signed.test\r\nSubject: x\r\n\r\n", "line\r\n".repeat(lines));
        let mut signing = signer.begin(header.as_bytes()).unwrap();
        signing.body(body.as_bytes());
        let signed = String::from_utf8(signing.finish(Timestamp::from_seconds(1_700_000_000)).unwrap()).unwrap();
        let message = format!("Authentication-Results: mx.yubin.test; x=y\r\n{signed}{header}{}", body.trim_end());
        let reply = send(&world, &format!("{to}@example.jp"), "b@x.test", &message).await;
        assert!(reply.starts_with("250"), "{reply}");
        let stored = stored(&world, &format!("{to}@example.jp"), "INBOX").await;
        assert!(stored.contains("dkim=pass header.d=signed.test header.s=s1"), "{stored:.2000}");
        assert!(stored.contains("dmarc=pass (policy=reject) header.from=signed.test"), "{stored:.2000}");
        let changed = message.replacen("line", "lime", 1);
        let refused = send(&world, &format!("{to}@example.jp"), "b@x.test", &changed).await;
        assert!(refused.starts_with("550 5.7.1 "), "{refused}");
    }
}

/// SONET-09, SONET-10.
#[tokio::test]
async fn a_domain_may_demand_that_hosts_have_a_name() {
    let dns = DnsServer::start(&[
        Zone("names.test.", Signing::Unsigned, "host IN A 192.0.2.1\n"),
        Zone("0.0.127.in-addr.arpa.", Signing::Unsigned, "1 IN PTR host.names.test.\n"),
    ])
    .await;
    let mut inbound = enforced(Verifier::new(dns.resolver()).unwrap());
    let demanding = DomainRules { reverse_dns: ReverseDnsRule::Require, ..DomainRules::default() };
    inbound.domains.insert(name("example.jp"), demanding);
    let world = World::verifying(Some(inbound)).await;
    assert_eq!(
        send(&world, "alice@example.jp", "a@names.test", &message("a@names.test")).await,
        "550 5.7.1 <alice@example.jp>... Relaying denied. IP name possibly forged [127.0.0.1]\r\n"
    );
    assert!(send(&world, "carol@example.org", "a@names.test", &message("a@names.test")).await.starts_with("250"));

    let nameless = DnsServer::start(&[Zone("0.0.127.in-addr.arpa.", Signing::Unsigned, "2 IN PTR x.test.\n")]).await;
    let unsure = DnsServer::start(&[Zone("0.0.127.in-addr.arpa.", Signing::Unsigned, "1 IN PTR broken.test.\n")]).await;
    for (dns, expected) in [
        (&nameless, "550 5.7.1 <alice@example.jp>... Relaying denied. IP name lookup failed [127.0.0.1]\r\n"),
        (&unsure, "450 4.7.1 Cannot resolve PTR record for 127.0.0.1\r\n"),
    ] {
        let mut inbound = enforced(Verifier::new(dns.resolver()).unwrap());
        inbound.rules = demanding;
        let world = World::verifying(Some(inbound)).await;
        assert_eq!(send(&world, "alice@example.jp", "", &message("a@names.test")).await, expected);
        let unknown = send(&world, "nobody@example.jp", "", &message("a@names.test")).await;
        assert!(unknown.starts_with("550 5.1.1"), "who does not exist, doesn't for anybody: {unknown}");
    }
}

#[tokio::test]
async fn lists_refuse_or_make_junk_by_their_score() {
    let listing =
        |score| DnsList { zone: name("bl.test"), score, lookup: "https://bl.test/?ip".into(), answers: Vec::new() };
    let (listed, _dns) = world(|inbound| inbound.lists = vec![listing(10)]).await;
    assert_eq!(
        send(&listed, "alice@example.jp", "a@good.test", &message("a@good.test")).await,
        "550 5.7.1 Refused: 127.0.0.1 is listed by bl.test; look it up and ask for removal at https://bl.test/?ip\r\n"
    );
    let (doubtful, _dns) = world(|inbound| inbound.lists = vec![listing(5)]).await;
    assert!(send(&doubtful, "alice@example.jp", "a@good.test", &message("a@good.test")).await.starts_with("250"));
    assert_eq!(count(&doubtful, "alice@example.jp", "Junk").await, 1);
}

/// Who asks a list too often is told so in the place of what was asked: of everybody, whether the list is of good hosts or of bad ones.
#[tokio::test]
async fn a_list_that_refuses_us_lists_nobody() {
    let (world, _dns) = world(|inbound| {
        inbound.lists =
            vec![DnsList { zone: name("full.test"), score: 10, lookup: String::new(), answers: Vec::new() }];
    })
    .await;
    assert!(send(&world, "alice@example.jp", "a@good.test", &message("a@good.test")).await.starts_with("250"));
    assert_eq!(count(&world, "alice@example.jp", "INBOX").await, 1);
    let mut text = String::new();
    encode(&mut text, &world.registry).unwrap();
    assert!(text.contains("yubin_dns_list_refusals_total{list=\"full.test\"} 1\n"), "{text}");
}

#[tokio::test]
async fn exempt_networks_are_not_looked_at() {
    let (world, dns) = world(|inbound| {
        inbound.exempt = vec!["127.0.0.0/8".parse().unwrap()];
        inbound.lists = vec![DnsList { zone: name("bl.test"), score: 10, lookup: String::new(), answers: Vec::new() }];
    })
    .await;
    assert!(send(&world, "alice@example.jp", "a@strict.test", &message("a@strict.test")).await.starts_with("250"));
    let stored = stored(&world, "alice@example.jp", "INBOX").await;
    assert!(!stored.contains("Authentication-Results"), "{stored}");
    assert!(dns.asked().is_empty(), "{:?}", dns.asked());
}
