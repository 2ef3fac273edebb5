//! Mailboxes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Barrier;
use yubin_state::command::DomainCommand;
use yubin_types::{LocalPart, limits};

use crate::world::{World, verifiers};

#[tokio::test]
async fn messages_are_appended_fetched_flagged_copied_and_expunged() {
    let world = World::new().await;
    let mut bob = world.imap("bob@example.jp").await;
    let message = "Subject: draft\r\n\r\nbody\r\n";
    bob.send(&format!("a APPEND Drafts (\\Draft $Label) {{{}}}", message.len())).await;
    assert!(bob.line().await.starts_with("+ "));
    bob.send(message).await;
    let appended = bob.tagged().await;
    assert!(appended.contains("a OK [APPENDUID "), "{appended}");
    let selected = bob.imap("SELECT Drafts").await;
    assert!(selected.contains("* 1 EXISTS") && selected.contains("[UIDVALIDITY "), "{selected}");
    let fetched = bob.imap("FETCH 1 (FLAGS RFC822.SIZE ENVELOPE BODY.PEEK[])").await;
    assert!(fetched.contains("\\Draft") && fetched.contains("$Label") && fetched.contains("\"draft\""), "{fetched}");
    assert!(fetched.contains(&format!("BODY[] {{{}}}\r\n{message}", message.len())), "{fetched}");
    let copied = bob.imap("COPY 1 Archive").await;
    assert!(copied.contains("[COPYUID "), "{copied}");
    let missing = bob.imap("COPY 1 Nowhere").await;
    assert!(missing.contains("a NO [TRYCREATE]"), "{missing}");
    assert!(bob.imap("STORE 1 +FLAGS (\\Deleted)").await.contains("\\Deleted"));
    assert!(bob.imap("EXPUNGE").await.contains("* 1 EXPUNGE"));
    assert!(bob.imap("STATUS Archive (MESSAGES)").await.contains("(MESSAGES 1)"));
}

#[tokio::test]
async fn a_session_hears_of_more_changes_than_the_store_tells_at_a_time() {
    let world = World::new().await;
    let mut watcher = world.imap("bob@example.jp").await;
    let mut writer = world.imap("bob@example.jp").await;
    let message = "Subject: x\r\n\r\n";
    for _ in 0..10 {
        let appended = writer.imap(&format!("APPEND INBOX {{{}+}}\r\n{message}", message.len())).await;
        assert!(appended.contains("a OK"), "{appended}");
    }
    writer.imap("SELECT INBOX").await;
    for _ in 0..10 {
        assert!(writer.imap("COPY 1:10 Drafts").await.contains("a OK"));
    }
    writer.imap("SELECT Drafts").await;
    watcher.imap("SELECT Archive").await;
    for _ in 0..60 {
        assert!(writer.imap("COPY 1:100 Archive").await.contains("a OK"));
    }
    assert!(watcher.imap("NOOP").await.contains("* 6000 EXISTS"));
    writer.imap("SELECT Archive").await;
    assert!(writer.imap("STORE 1:6000 +FLAGS.SILENT (\\Seen)").await.contains("a OK"));
    let news = watcher.imap("NOOP").await;
    assert_eq!(news.lines().filter(|line| line.contains(" FETCH ") && line.contains("\\Seen")).count(), 6_000);
    assert!(news.contains("* 1 FETCH ") && news.contains("* 6000 FETCH "));
}

/// RFC 8474: ids stay when messages and mailboxes are moved about, and name nothing else.
#[tokio::test]
async fn messages_and_mailboxes_keep_their_ids() {
    let world = World::new().await;
    let mut bob = world.imap("bob@example.jp").await;
    let ids = |reply: &str| -> Vec<String> {
        let after = reply.split("ID (").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned());
        after.collect()
    };
    let created = ids(&bob.imap("CREATE Work").await);
    assert_eq!(created.len(), 1);
    assert!(bob.imap("APPEND Work {5+}\r\n\r\n1\r\n").await.contains("a OK"));
    assert!(bob.imap("APPEND Work {5+}\r\n\r\n1\r\n").await.contains("a OK"));
    assert_eq!(ids(&bob.imap("SELECT Work").await), created);
    let messages = ids(&bob.imap("FETCH 1:2 EMAILID").await);
    assert!(messages.len() == 2 && messages[0] != messages[1], "{messages:?}");
    assert!(bob.imap("COPY 1:2 Archive").await.contains("a OK"));
    assert!(bob.imap("RENAME Work Job").await.contains("a OK"));
    assert_eq!(ids(&bob.imap("STATUS Job (MAILBOXID)").await), created);
    assert_ne!(ids(&bob.imap("CREATE Work").await), created);
    bob.imap("SELECT Archive").await;
    assert_eq!(ids(&bob.imap("FETCH 1:2 EMAILID").await), messages);
}

#[tokio::test]
async fn mailboxes_come_and_go() {
    let world = World::new().await;
    let mut bob = world.imap("bob@example.jp").await;
    for command in ["CREATE Work/2026", "RENAME Work Job", "SUBSCRIBE Job/2026"] {
        assert!(bob.imap(command).await.contains("a OK"), "{command}");
    }
    let listed = bob.imap("LIST \"\" \"*\"").await;
    assert!(listed.contains("Job/2026") && !listed.contains("Work"), "{listed}");
    assert!(bob.imap("LSUB \"\" \"*\"").await.contains("Job/2026"));
    assert!(bob.imap("DELETE Job/2026").await.contains("a OK"));
    assert!(bob.imap("SELECT Job/2026").await.contains("a NO [NONEXISTENT]"));
    assert!(bob.imap("CREATE Job").await.contains("a NO [ALREADYEXISTS]"));
    assert!(bob.imap("CREATE Outbox (USE (\\Sent))").await.contains("a NO [USEATTR]"));
    let quota = bob.imap("GETQUOTAROOT INBOX").await;
    assert!(quota.contains("* QUOTAROOT ") && quota.contains("STORAGE"), "{quota}");
}

#[tokio::test]
async fn an_idle_session_hears_of_new_mail() {
    let world = World::new().await;
    let mut bob = world.imap("bob@example.jp").await;
    bob.imap("SELECT INBOX").await;
    bob.send("a IDLE").await;
    assert!(bob.line().await.starts_with("+ "));
    world.deliver("bob@example.jp", "Subject: new\r\n\r\nbody").await;
    assert_eq!(bob.line().await, "* 1 EXISTS\r\n");
    bob.send("DONE").await;
    assert!(bob.tagged().await.contains("a OK"));
}

/// What woke the session could not be looked at: it is not forgotten, although nothing else happens.
#[tokio::test]
async fn an_idle_session_looks_again_when_the_store_is_back() {
    let world = World::new().await;
    let mut bob = world.imap("bob@example.jp").await;
    bob.imap("SELECT INBOX").await;
    bob.send("a IDLE").await;
    assert!(bob.line().await.starts_with("+ "));
    let mut sender = world.connect("mx").await;
    sender.smtp("EHLO client.test").await;
    sender.smtp("MAIL FROM:<sender@elsewhere.test>").await;
    sender.smtp("RCPT TO:<bob@example.jp>").await;
    sender.smtp("DATA").await;
    world.node.unreadable.store(true, Ordering::SeqCst);
    sender.send("Subject: new\r\n\r\nbody\r\n.").await;
    assert!(sender.reply().await.starts_with("250"));
    // The outage: longer than the patience of a call.
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.node.unreadable.store(false, Ordering::SeqCst);
    assert_eq!(bob.line().await, "* 1 EXISTS\r\n");
}

/// Each of the headers comes only when as many as are read together are being asked for.
#[tokio::test]
async fn headers_of_many_messages_are_read_at_the_same_time() {
    const MESSAGES: usize = 2 * limits::IMAP_HEADERS_READ_TOGETHER_MAX;
    let world = World::new().await;
    for number in 1..=MESSAGES {
        world.deliver("bob@example.jp", &format!("Subject: number {number}\r\n\r\nbody")).await;
    }
    let mut bob = world.imap("bob@example.jp").await;
    bob.imap("SELECT INBOX").await;
    *world.node.pieces_together.lock() = Some(Arc::new(Barrier::new(limits::IMAP_HEADERS_READ_TOGETHER_MAX)));
    let fetched = bob.imap("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]").await;
    assert!(fetched.contains("a OK"), "{fetched}");
    let subjects: Vec<&str> = fetched.lines().filter(|line| line.starts_with("Subject: ")).collect();
    assert_eq!(subjects, (1..=MESSAGES).map(|number| format!("Subject: number {number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_changed_password_ends_an_idle_session() {
    let world = World::new().await;
    let mut bob = world.imap("bob@example.jp").await;
    let mut alice = world.imap("alice@example.jp").await;
    bob.imap("SELECT INBOX").await;
    bob.send("a IDLE").await;
    assert!(bob.line().await.starts_with("+ "));
    let local = LocalPart::parse("bob").unwrap();
    world.change("example.jp", DomainCommand::SetPassword { local, verifiers: verifiers("another password") }).await;
    let bye = bob.line().await;
    assert!(bye.starts_with("* BYE"), "{bye}");
    assert_eq!(bob.line().await, "");
    assert!(alice.imap("NOOP").await.contains("a OK"));
}
