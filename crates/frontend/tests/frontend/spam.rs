//! Mail from other servers by its score: into the inbox, into Junk, back; with what was found written before it.

use prometheus_client::encoding::text::encode;
use yubin_dns_auth::verify::Verifier;
use yubin_frontend::{ContentConfig, SenderPattern, SpamFilter, SpamHandling, SpamRules, Weights};
use yubin_types::{DomainName, SpamScore};

use crate::dns_server::{DnsServer, Signing, Zone};
use crate::verification::{count, enforced, send, stored};
use crate::world::World;

/// Little is against it: neither who sends it nor whom it is for can be told.
const CAREFUL: &str = "From: ann@a.test\r\nTo: tim@example.jp\r\nSubject: hi\r\nMessage-ID: <1@a.test>\r\n";
/// Much is.
const SPAM: &str = "From: \"service@bank.test\" <ann@a.test>\r\nFrom: b@a.test\r\nDate: Fri, 01 Jan 2100 00:00:00 +0000\r\n\
                    X-Spam-Status: No, score=-100\r\nX-SPAM-flag: NO\r\nSubject: win\r\n";

fn scoring() -> ContentConfig {
    ContentConfig { scoring: Some(Weights::default()), ..ContentConfig::default() }
}

fn domain(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

async fn world(change: impl FnOnce(&mut ContentConfig)) -> World {
    let mut content = scoring();
    change(&mut content);
    World::assessing(None, content).await
}

/// To several recipients at once.
async fn send_all(world: &World, to: &[&str], message: &str) -> String {
    let mut client = world.connect("mx").await;
    client.smtp("EHLO host.a.test").await;
    client.smtp("MAIL FROM:<ann@a.test>").await;
    for recipient in to {
        assert!(client.smtp(&format!("RCPT TO:<{recipient}>")).await.starts_with("250"));
    }
    client.smtp("DATA").await;
    client.send(&format!("{message}\r\nhello\r\n.")).await;
    client.reply().await
}

#[tokio::test]
async fn spam_goes_to_junk_and_tells_why() {
    let world = world(|_| {}).await;
    assert!(send_all(&world, &["alice@example.jp"], CAREFUL).await.starts_with("250"));
    let taken = stored(&world, "alice@example.jp", "INBOX").await;
    assert!(taken.contains("\r\nX-Spam-Status: No, score=1 required=6 tests=[date_missing=1]\r\nFrom: "), "{taken}");
    assert!(!taken.contains("X-Spam-Flag"), "{taken}");

    assert!(send_all(&world, &["alice@example.jp"], SPAM).await.starts_with("250"));
    let junk = stored(&world, "alice@example.jp", "Junk").await;
    let found = "X-Spam-Status: Yes, score=9 required=6 tests=[date_future=2, message_id_missing=1, recipients_missing=1, \
                 field_repeated=2, authors_several=1, name_is_address=2]";
    assert!(junk.contains(found) && junk.contains("\r\nX-Spam-Flag: YES\r\n"), "{junk}");
    assert_eq!(junk.matches("X-Spam-Status").count(), 1, "the forged one is gone: {junk}");
    assert!(!junk.contains("X-SPAM-flag"), "{junk}");

    let mut metrics = String::new();
    encode(&mut metrics, &world.registry).unwrap();
    for line in
        ["yubin_assessed_messages_total{result=\"clean\"} 1", "yubin_assessed_messages_total{result=\"spam\"} 1"]
    {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

/// SHIN-11, SHIN-12.
#[tokio::test]
async fn recipients_have_rules_of_their_own() {
    let world = world(|content| {
        let tagged = SpamRules { spam: SpamHandling::Inbox, subject_tag: "[SPAM]".into(), ..SpamRules::default() };
        content.domains.insert(domain("example.jp"), tagged.clone());
        let unfiltered = SpamRules { filter: SpamFilter::Off, ..tagged };
        content.addresses.insert((domain("example.jp"), "bob".into()), unfiltered);
        let refused =
            SpamRules { spam: SpamHandling::Reject, threshold: Some(SpamScore::points(1)), ..Default::default() };
        content.domains.insert(domain("example.org"), refused);
    })
    .await;
    assert!(send_all(&world, &["alice@example.jp"], SPAM).await.starts_with("250"));
    let tagged = stored(&world, "alice@example.jp", "INBOX").await;
    assert!(tagged.contains("\r\nSubject: [SPAM] win\r\n") && tagged.contains("X-Spam-Flag: YES"), "{tagged}");

    assert!(send_all(&world, &["Bob@example.jp"], SPAM).await.starts_with("250"));
    let unfiltered = stored(&world, "bob@example.jp", "INBOX").await;
    assert!(unfiltered.contains("\r\nSubject: win\r\n") && unfiltered.contains("filter=off"), "{unfiltered}");

    let refused = send_all(&world, &["carol@example.org"], CAREFUL).await;
    assert!(refused.starts_with("550 5.7.1 Message refused: it was found to be spam"), "{refused}");
    assert_eq!(count(&world, "carol@example.org", "INBOX").await, 0);
}

#[tokio::test]
async fn one_recipient_does_not_refuse_for_another() {
    let world = world(|content| {
        let refused = SpamRules { spam: SpamHandling::Reject, subject_tag: "[SPAM]".into(), ..Default::default() };
        content.addresses.insert((domain("example.jp"), "bob".into()), refused);
        content.rules.filter = SpamFilter::Off;
    })
    .await;
    assert!(send_all(&world, &["alice@example.jp", "bob@example.jp"], SPAM).await.starts_with("250"));
    let taken = stored(&world, "alice@example.jp", "INBOX").await;
    assert!(taken.contains("\r\nSubject: win\r\n"), "what all share has no tag of one: {taken}");
    assert_eq!(count(&world, "bob@example.jp", "Junk").await, 1);
    assert!(send_all(&world, &["bob@example.jp"], SPAM).await.starts_with("550 5.7.1"));
}

#[tokio::test]
async fn an_allowed_sender_is_believed_unless_it_is_forged() {
    let dns = DnsServer::start(&[
        Zone("a.test.", Signing::Unsigned, "@ IN TXT \"v=spf1 ip4:127.0.0.1 -all\"\n"),
        Zone("b.test.", Signing::Unsigned, "@ IN TXT \"v=spf1 ~all\"\n"),
        Zone("0.0.127.in-addr.arpa.", Signing::Unsigned, "2 IN PTR x.test.\n"),
    ])
    .await;
    let mut content = scoring();
    content.rules.allow = vec![SenderPattern::parse("*@*.test").unwrap(), SenderPattern::parse("ann@a.test").unwrap()];
    content.rules.deny = vec![SenderPattern::parse("eve@a.test").unwrap()];
    let world = World::assessing(Some(enforced(Verifier::new(dns.resolver()).unwrap())), content).await;
    let spam =
        |author: &str| format!("From: \"service@bank.example\" <{author}>\r\nSubject: a\r\nSubject: b\r\n\r\nhello");
    for (author, mailbox, why) in [
        ("ann@a.test", "INBOX", "sender=allowed"),
        ("eve@a.test", "Junk", "sender=denied"),
        ("ann@b.test", "Junk", "spf_softfail=1"),
    ] {
        let before = count(&world, "alice@example.jp", mailbox).await;
        assert!(send(&world, "alice@example.jp", author, &spam(author)).await.starts_with("250"));
        assert_eq!(count(&world, "alice@example.jp", mailbox).await, before + 1, "{author}");
        let mut imap = world.imap("alice@example.jp").await;
        imap.imap(&format!("EXAMINE {mailbox}")).await;
        let all = imap.imap("FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-Spam-Status)]").await.replace("\r\n\t", " ");
        assert!(all.contains(why), "{author}: {all}");
    }
}

#[tokio::test]
async fn exempt_networks_and_users_are_not_looked_at() {
    let world = world(|content| content.exempt = vec!["127.0.0.0/8".parse().unwrap()]).await;
    assert!(send_all(&world, &["alice@example.jp"], SPAM).await.starts_with("250"));
    let taken = stored(&world, "alice@example.jp", "INBOX").await;
    assert!(taken.contains("X-Spam-Status: No, score=-100"), "taken as it is: {taken}");
}
