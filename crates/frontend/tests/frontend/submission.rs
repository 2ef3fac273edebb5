//! Mail from the users of hosted domains.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpStream;
use yubin_state::command::DomainCommand;
use yubin_types::LocalPart;

use crate::world::{Client, PASSWORD, World};

fn plain(user: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{user}\0{password}"))
}

async fn submitter(world: &World, user: &str) -> Client<TcpStream> {
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
    let outside = client.smtp("RCPT TO:<someone@elsewhere.test>").await;
    assert!(outside.starts_with("550 5.7.1"), "{outside}");
    assert!(client.smtp("RCPT TO:<carol@example.org>").await.starts_with("250"));
    client.smtp("DATA").await;
    client.send("Subject: bare\r\n\r\nbody\r\n.").await;
    assert!(client.reply().await.starts_with("250 2.0.0"));
    let mut carol = world.imap("carol@example.org").await;
    carol.imap("SELECT INBOX").await;
    let fetched = carol.imap("FETCH 1 BODY.PEEK[]").await.replace("\r\n\t", " ");
    assert!(fetched.contains("with ESMTPA id ") && fetched.contains("\r\nDate: "), "{fetched}");
    assert!(fetched.contains("\r\nMessage-ID: <") && fetched.contains("@mx.yubin.test>\r\nSubject: bare"), "{fetched}");
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
