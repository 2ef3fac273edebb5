//! Mail from other servers.

use std::sync::atomic::Ordering;

use yubin_state::Reply;
use yubin_state::command::DomainCommand;
use yubin_types::{Limit, LocalPart, Quota};

use crate::world::World;

const MESSAGE: &str = "Subject: hello\r\nFrom: s@elsewhere.test\r\n\r\nbody\r\n..dotted\r\n";

#[tokio::test]
async fn a_message_is_stored_with_its_trace() {
    let world = World::new().await;
    let reply = world.deliver("info@example.jp", MESSAGE.trim_end()).await;
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let id = reply.trim_end().rsplit_once(' ').unwrap().1.to_owned();
    let mut alice = world.connect("pop3").await;
    assert!(alice.pop3("USER alice@example.jp").await.starts_with("+OK"));
    assert!(alice.pop3(&format!("PASS {}", crate::world::PASSWORD)).await.starts_with("+OK"));
    let stored = alice.pop3_lines("RETR 1").await.replace("\r\n\t", " ");
    let trace = "Return-Path: <sender@elsewhere.test>\r\nDelivered-To: info@example.jp\r\n\
                 Received: from client.test ([127.0.0.1]) by mx.yubin.test with ESMTP id ";
    assert!(stored.starts_with(trace), "{stored}");
    assert!(stored.contains(&format!("with ESMTP id {id} for <info@example.jp>; ")), "{stored}");
    assert!(stored.ends_with("\r\nSubject: hello\r\nFrom: s@elsewhere.test\r\n\r\nbody\r\n..dotted\r\n"), "{stored}");
}

#[tokio::test]
async fn recipients_are_judged_at_rcpt() {
    let world = World::new().await;
    let mut client = world.connect("mx").await;
    client.smtp("EHLO client.test").await;
    client.smtp("MAIL FROM:<>").await;
    for (recipient, expected) in [
        ("nobody@example.jp", "550 5.1.1"),
        ("someone@elsewhere.test", "550 5.7.1"),
        ("alice@example.jp", "250"),
        ("ALICE@Example.JP", "250"),
        ("carol@example.org", "452 4.5.3"),
        ("bob@example.jp", "250"),
    ] {
        let reply = client.smtp(&format!("RCPT TO:<{recipient}>")).await;
        assert!(reply.starts_with(expected), "{recipient}: {reply}");
    }
    assert!(client.smtp("DATA").await.starts_with("354"));
    client.send(&format!("{MESSAGE}.")).await;
    assert!(client.reply().await.starts_with("250 2.0.0"));
    for user in ["alice", "bob"] {
        let mut imap = world.imap(&format!("{user}@example.jp")).await;
        let status = imap.imap("STATUS INBOX (MESSAGES)").await;
        assert!(status.contains("(MESSAGES 1)"), "{user}: {status}");
        let fetched =
            imap.imap("EXAMINE INBOX").await + &imap.imap("FETCH 1 BODY.PEEK[HEADER.FIELDS (Received)]").await;
        assert!(!fetched.contains(" for <"), "several recipients are not disclosed: {fetched}");
    }
}

/// RFC 5321 §4.5.1.
#[tokio::test]
async fn every_domain_has_a_postmaster_where_one_is_configured() {
    let names = ["postmaster", "Postmaster@example.org", "postmaster@example.jp", "POSTMASTER@mx.yubin.test"];
    let world = World::new().await;
    for name in names {
        assert!(rcpt(&world, name).await.starts_with("550 5."), "{name}");
    }
    let world = World::with_postmaster("bob@example.jp").await;
    for name in names {
        let reply = world.deliver(name, MESSAGE.trim_end()).await;
        assert!(reply.starts_with("250 2.0.0 "), "{name}: {reply}");
    }
    assert!(world.imap("bob@example.jp").await.imap("STATUS INBOX (MESSAGES)").await.contains("(MESSAGES 4)"));
    // Nobody else is stood in for, and nobody relays.
    for (name, refused) in [("nobody@example.org", "550 5.1.1"), ("postmaster@elsewhere.test", "550 5.7.1")] {
        assert!(rcpt(&world, name).await.starts_with(refused), "{name}");
    }
    // Whoever has one keeps it.
    let carol = vec![LocalPart::parse("carol").unwrap()];
    let alias = DomainCommand::PutAlias { local: LocalPart::parse("postmaster").unwrap(), targets: carol };
    assert_eq!(world.change("example.org", alias).await, Reply::Done);
    assert!(world.deliver("postmaster@example.org", MESSAGE.trim_end()).await.starts_with("250 2.0.0 "));
    assert!(world.imap("carol@example.org").await.imap("STATUS INBOX (MESSAGES)").await.contains("(MESSAGES 1)"));
}

async fn rcpt(world: &World, name: &str) -> String {
    let mut client = world.connect("mx").await;
    client.smtp("EHLO client.test").await;
    client.smtp("MAIL FROM:<>").await;
    client.smtp(&format!("RCPT TO:<{name}>")).await
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let world = World::new().await;
    let mut client = world.connect("mx").await;
    client.smtp("EHLO client.test").await;
    client
        .send("MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<nobody@example.jp>\r\nRCPT TO:<bob@example.jp>\r\nDATA")
        .await;
    for expected in ["250 2.1.0", "550 5.1.1", "250 2.1.5", "354"] {
        let reply = client.reply().await;
        assert!(reply.starts_with(expected), "{expected}: {reply}");
    }
    client.send(&format!("{MESSAGE}.\r\nQUIT")).await;
    assert!(client.reply().await.starts_with("250 2.0.0"));
    assert!(client.reply().await.starts_with("221"));
    assert_eq!(client.line().await, "");
}

#[tokio::test]
async fn a_full_account_is_told_at_rcpt_and_at_the_end() {
    let world = World::new().await;
    let quota = |bytes| Some(Quota { bytes: Limit::AtMost(bytes), messages: Limit::Unlimited });
    let limit = |bytes| DomainCommand::SetAccountQuota { local: LocalPart::parse("bob").unwrap(), quota: quota(bytes) };
    world.change("example.jp", limit(10_000)).await;
    let mut client = world.connect("mx").await;
    client.smtp("EHLO client.test").await;
    client.smtp("MAIL FROM:<a@elsewhere.test> SIZE=20000").await;
    let refused = client.smtp("RCPT TO:<bob@example.jp>").await;
    assert!(refused.starts_with("552 5.2.2"), "{refused}");
    // Who declares no size learns it when the message is there, and nothing is stored.
    let refused = world.deliver("bob@example.jp", &format!("Subject: big\r\n\r\n{}", "x\r\n".repeat(5_000))).await;
    assert!(refused.starts_with("552 5.2.2"), "{refused}");
    let status = world.imap("bob@example.jp").await.imap("STATUS INBOX (MESSAGES)").await;
    assert!(status.contains("(MESSAGES 0)"), "{status}");
}

#[tokio::test]
async fn an_outage_is_temporary_at_every_step() {
    let world = World::new().await;
    let mut client = world.connect("mx").await;
    client.smtp("EHLO client.test").await;
    client.smtp("MAIL FROM:<a@elsewhere.test>").await;
    assert!(client.smtp("RCPT TO:<bob@example.jp>").await.starts_with("250"));
    world.node.down.store(true, Ordering::SeqCst);
    for recipient in ["alice@example.jp", "someone@elsewhere.test"] {
        let reply = client.smtp(&format!("RCPT TO:<{recipient}>")).await;
        assert!(reply.starts_with("451 4.3.0"), "{recipient}: {reply}");
    }
    client.smtp("DATA").await;
    client.send(&format!("{MESSAGE}.")).await;
    assert!(client.reply().await.starts_with("451 4.3.0"));
    world.node.down.store(false, Ordering::SeqCst);
    assert!(world.deliver("bob@example.jp", MESSAGE.trim_end()).await.starts_with("250"));
}

#[tokio::test]
async fn looping_mail_is_refused() {
    let world = World::new().await;
    let received = "Received: from a by b; Fri, 21 Nov 1997 15:55:06 +0000\r\n";
    let reply = world.deliver("bob@example.jp", &format!("{}\r\nbody", received.repeat(51))).await;
    assert!(reply.starts_with("554 5.4.6"), "{reply}");
    let reply = world.deliver("bob@example.jp", &format!("{}\r\nbody", received.repeat(49))).await;
    assert!(reply.starts_with("250"), "{reply}");
}

#[tokio::test]
async fn a_large_message_arrives_whole() {
    let world = World::new().await;
    let body: String = (0..60_000).map(|i| format!("line {i} of a message that is too large for memory\r\n")).collect();
    assert!(body.len() > 2 << 20);
    let reply = world.deliver("bob@example.jp", &format!("Subject: large\r\n\r\n{}", body.trim_end())).await;
    assert!(reply.starts_with("250"), "{reply}");
    let mut bob = world.connect("pop3").await;
    bob.pop3("USER bob@example.jp").await;
    bob.pop3(&format!("PASS {}", crate::world::PASSWORD)).await;
    let stored = bob.pop3_lines("RETR 1").await;
    assert!(stored.ends_with(&format!("\r\nSubject: large\r\n\r\n{body}")));
    // IMAP reads it in pieces, too.
    let mut imap = world.imap("bob@example.jp").await;
    imap.imap("SELECT INBOX").await;
    let fetched = imap.imap("FETCH 1 BODY.PEEK[TEXT]").await;
    assert!(fetched.contains(&format!("BODY[TEXT] {{{}}}\r\n{body}", body.len())), "{}", &fetched[..200]);
}

#[tokio::test]
async fn what_happens_is_counted() {
    let world = World::new().await;
    world.deliver("bob@example.jp", MESSAGE.trim_end()).await;
    let mut client = world.connect("mx").await;
    client.smtp("EHLO client.test").await;
    client.smtp("MAIL FROM:<>").await;
    client.smtp("RCPT TO:<nobody@example.jp>").await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &world.registry).unwrap();
    for line in [
        "yubin_smtp_deliveries_total{result=\"stored\"} 1",
        "yubin_smtp_rejects_total{reason=\"unknown_recipient\"} 1",
        "yubin_connections{listener=\"mx\"} 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}
