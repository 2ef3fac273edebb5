//! Mail from the users of hosted domains.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpStream;
use yubin_state::command::DomainCommand;
use yubin_state::queue::{BodyKind, Delivery, QueueAnswer, QueueFilter, QueueQuery, QueuedMessage};
use yubin_state::{Answer, Query};
use yubin_types::{DomainName, DsnEnvelope, DsnReturn, LocalPart, TlsDemand};

use crate::world::{Client, PASSWORD, World};

fn plain(user: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{user}\0{password}"))
}

pub(crate) async fn submitter(world: &World, user: &str) -> Client<TcpStream> {
    let mut client = world.connect("submission").await;
    client.smtp("EHLO laptop").await;
    let reply = client.smtp(&format!("AUTH PLAIN {}", plain(user, PASSWORD))).await;
    assert!(reply.starts_with("235"), "{reply}");
    client
}

#[tokio::test]
async fn a_user_sends_as_their_own_addresses_only() {
    let world = World::new().await;
    let mut client = submitter(&world, "alice@example.jp").await;
    for (sender, expected) in [
        ("alice@example.jp", "250"),
        ("Info@example.jp", "250"),
        ("", "250"),
        ("bob@example.jp", "553 5.7.1"),
        ("alice@example.org", "553 5.7.1"),
        ("alice@elsewhere.test", "553 5.7.1"),
    ] {
        let reply = client.smtp(&format!("MAIL FROM:<{sender}>")).await;
        assert!(reply.starts_with(expected), "{sender}: {reply}");
        client.smtp("RSET").await;
    }
}

#[tokio::test]
async fn what_a_submission_lacks_is_added() {
    let world = World::new().await;
    let mut client = submitter(&world, "alice@example.jp").await;
    client.smtp("MAIL FROM:<alice@example.jp>").await;
    assert!(client.smtp("RCPT TO:<bob@example.jp>").await.starts_with("250"));
    client.smtp("DATA").await;
    client.send("Subject: bare\r\n\r\nbody\r\n.").await;
    assert!(client.reply().await.starts_with("250 2.0.0"));
    let mut bob = world.imap("bob@example.jp").await;
    bob.imap("SELECT INBOX").await;
    let fetched = bob.imap("FETCH 1 BODY.PEEK[]").await.replace("\r\n\t", " ");
    assert!(fetched.contains("with ESMTPA id ") && fetched.contains("\r\nDate: "), "{fetched}");
    assert!(fetched.contains("\r\nMessage-ID: <") && fetched.contains("@mx.yubin.test>\r\nSubject: bare"), "{fetched}");
    assert!(queued(&world).await.is_empty(), "the own domain needs no queue");
}

/// RFC 8601 §5: a user is no more believed than a stranger, and what a scanner found nobody else says.
#[tokio::test]
async fn results_in_our_name_that_a_user_brings_are_taken_out() {
    let world = World::new().await;
    let mut client = submitter(&world, "alice@example.jp").await;
    client.smtp("MAIL FROM:<alice@example.jp>").await;
    client.smtp("RCPT TO:<bob@example.jp>").await;
    client.smtp("DATA").await;
    let forged = "Authentication-Results : mx.yubin.test; dmarc=pass header.from=bank.test\r\n\
                  x-spam-status: No\r\n";
    let kept = "Authentication-Results: mx.other.test; dkim=pass\r\nFrom: alice@example.jp\r\nSubject: hi\r\n\r\nX-Spam: body\r\n";
    client.send(&format!("{forged}{kept}.")).await;
    assert!(client.reply().await.starts_with("250 2.0.0"));
    let mut bob = world.imap("bob@example.jp").await;
    bob.imap("SELECT INBOX").await;
    let fetched = bob.imap("FETCH 1 BODY.PEEK[]").await;
    assert!(fetched.contains(kept), "{fetched}");
    assert!(!fetched.contains("bank.test") && !fetched.contains("x-spam-status"), "{fetched}");
}

/// What the queue of example.jp holds.
async fn queued(world: &World) -> Vec<(QueuedMessage, Delivery)> {
    let home = world.store.resolve(&DomainName::parse("example.jp").unwrap()).await.unwrap().unwrap();
    let query = QueueQuery::List { filter: QueueFilter::default(), after: None, limit: 100 };
    match world.store.query(home.scope(), Query::Queue(query)).await.unwrap() {
        Answer::Queue(QueueAnswer::List { deliveries, next: None, .. }) => {
            deliveries.into_iter().map(|(_, message, delivery)| (message, delivery)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn mail_beyond_the_own_domain_is_queued_as_a_whole() {
    let world = World::new().await;
    let mut client = submitter(&world, "alice@example.jp").await;
    client.smtp("MAIL FROM:<alice@example.jp> RET=HDRS ENVID=QQ1").await;
    for (recipient, expected) in [
        ("<carol@example.org> NOTIFY=SUCCESS ORCPT=rfc822;carol@example.org", "250"),
        ("<nobody@example.org>", "550 5.1.1"),
        ("<nobody@example.jp>", "550 5.1.1"),
        ("<someone@elsewhere.test>", "250"),
        ("<bob@example.jp>", "250"),
        ("<other@elsewhere.test> NOTIFY=NEVER", "250"),
        ("<Someone@elsewhere.test>", "250"),
    ] {
        let reply = client.smtp(&format!("RCPT TO:{recipient}")).await;
        assert!(reply.starts_with(expected), "{recipient}: {reply}");
    }
    client.smtp("DATA").await;
    client.send("Message-ID: <1@laptop>\r\nDate: x\r\n\r\nb\u{f6}dy\r\n.").await;
    assert!(client.reply().await.starts_with("250 2.0.0"));

    let queued = queued(&world).await;
    let shown: Vec<(String, Vec<&str>)> = queued
        .iter()
        .map(|(_, delivery)| {
            let locals = delivery.recipients.iter().map(|recipient| recipient.local.as_str()).collect();
            (delivery.destination.to_string(), locals)
        })
        .collect();
    let expected = [
        ("elsewhere.test", vec!["someone", "other", "Someone"]),
        ("example.jp", vec!["bob"]),
        ("example.org", vec!["carol"]),
    ];
    assert_eq!(shown, expected.map(|(destination, locals)| (destination.to_owned(), locals)));
    let (message, last) = &queued[2];
    assert_eq!(message.sender.to_string(), "<alice@example.jp>");
    assert_eq!(message.message_id.as_deref(), Some("<1@laptop>"));
    assert_eq!(message.dsn, DsnEnvelope { envid: Some("QQ1".into()), ret: Some(DsnReturn::Headers) });
    assert_eq!(message.content.body, BodyKind::EightBit);
    assert_eq!(last.recipients[0].notify.to_string(), "SUCCESS");
    assert_eq!(last.recipients[0].orcpt.as_deref(), Some(&b"rfc822;carol@example.org"[..]));
    let mut bob = world.imap("bob@example.jp").await;
    assert!(bob.imap("STATUS INBOX (MESSAGES)").await.contains("(MESSAGES 0)"), "delivered when the queue gets to it");
}

/// RFC 8689 §3.
#[tokio::test]
async fn a_header_may_waive_what_policies_ask_of_its_way() {
    let world = World::new().await;
    let mut client = submitter(&world, "alice@example.jp").await;
    assert!(client.smtp("MAIL FROM:<alice@example.jp> REQUIRETLS").await.starts_with("555 5.5.4"), "not under TLS");
    for (field, demand) in [("TLS-Required: No", TlsDemand::Waived), ("X-TLS-Required: No", TlsDemand::None)] {
        client.smtp("MAIL FROM:<alice@example.jp>").await;
        client.smtp("RCPT TO:<someone@elsewhere.test>").await;
        client.smtp("DATA").await;
        client.send(&format!("{field}\r\n\r\nbody\r\n.")).await;
        assert!(client.reply().await.starts_with("250 2.0.0"));
        assert_eq!(queued(&world).await.last().unwrap().0.content.tls, demand, "{field}");
    }
}

#[tokio::test]
async fn who_is_to_be_told_of_success_is_told_by_the_queue() {
    let world = World::new().await;
    let mut client = submitter(&world, "alice@example.jp").await;
    client.smtp("MAIL FROM:<alice@example.jp>").await;
    assert!(client.smtp("RCPT TO:<bob@example.jp> NOTIFY=SUCCESS,FAILURE").await.starts_with("250"));
    client.smtp("DATA").await;
    client.send("Subject: a\r\n\r\nbody\r\n.").await;
    assert!(client.reply().await.starts_with("250 2.0.0"));
    assert_eq!(queued(&world).await.len(), 1);
}

#[tokio::test]
async fn a_suspended_account_submits_nothing_more() {
    let world = World::new().await;
    let mut client = submitter(&world, "alice@example.jp").await;
    assert!(client.smtp("MAIL FROM:<alice@example.jp>").await.starts_with("250"));
    client.smtp("RSET").await;
    let local = LocalPart::parse("alice").unwrap();
    world.change("example.jp", DomainCommand::SuspendAccount { local, reason: "unpaid".into() }).await;
    let reply = client.smtp("MAIL FROM:<alice@example.jp>").await;
    assert!(!reply.starts_with("250"), "{reply}");
}
