//! Users who send too much: told at the earliest step which limit it is, on every connection.

use tokio::net::TcpStream;
use yubin_state::Reply;
use yubin_state::command::DomainCommand;
use yubin_types::{Limit, SendingLimits};

use crate::submission::submitter;
use crate::world::{Client, World, plan};

const ALICE: &str = "alice@example.jp";

/// alice's domain under these limits.
async fn limited(change: impl FnOnce(&mut SendingLimits)) -> World {
    let world = World::new().await;
    let mut plan = plan();
    change(&mut plan.sending);
    let update = DomainCommand::Update { plan: Some(plan), quota: None, catch_all: None };
    assert_eq!(world.change("example.jp", update).await, Reply::Done);
    world
}

async fn mail(client: &mut Client<TcpStream>) -> String {
    client.smtp(&format!("MAIL FROM:<{ALICE}>")).await
}

async fn rcpt(client: &mut Client<TcpStream>, to: &str) -> String {
    client.smtp(&format!("RCPT TO:<{to}>")).await
}

async fn data(client: &mut Client<TcpStream>) -> String {
    assert!(client.smtp("DATA").await.starts_with("354"));
    client.send("From: alice@example.jp\r\nSubject: a\r\n\r\nbody\r\n.").await;
    client.reply().await
}

#[tokio::test]
async fn one_recipient_too_many_is_told_to_come_in_another_message() {
    let world = limited(|sending| {
        sending.account.recipients_per_message = Limit::AtMost(2);
        sending.account.rate.recipients_per_hour = Limit::AtMost(3);
    })
    .await;
    let mut client = submitter(&world, ALICE).await;
    mail(&mut client).await;
    assert!(rcpt(&mut client, "a@elsewhere.test").await.starts_with("250"));
    assert!(rcpt(&mut client, "bob@example.jp").await.starts_with("250"));
    assert!(rcpt(&mut client, "a@elsewhere.test").await.starts_with("250"), "named twice, it is one");
    let reply = rcpt(&mut client, "b@elsewhere.test").await;
    assert_eq!(reply.trim_end(), "452 4.5.3 Too many recipients in one message: at most 2; send the rest separately");
    assert!(data(&mut client).await.starts_with("250"));
    mail(&mut client).await;
    assert!(rcpt(&mut client, "b@elsewhere.test").await.starts_with("250"));
    let reply = rcpt(&mut client, "c@elsewhere.test").await;
    assert!(reply.starts_with("450 4.7.1 Sending limit reached: 3 recipients per hour for this account; "), "{reply}");
    assert!(data(&mut client).await.starts_with("250"), "those that were accepted get it");
}

#[tokio::test]
async fn what_one_connection_sent_counts_on_every_other() {
    let world = limited(|sending| sending.account.rate.messages_per_day = Limit::AtMost(2)).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = submitter(&world, ALICE).await;
        assert!(mail(&mut client).await.starts_with("250"), "nothing is sent yet");
        assert!(rcpt(&mut client, "a@elsewhere.test").await.starts_with("250"));
        clients.push(client);
    }
    let mut replies = Vec::new();
    for client in &mut clients {
        replies.push(data(client).await);
    }
    let full = "450 4.7.1 Sending limit reached: 2 messages per day for this account; try again at ";
    assert!(replies[0].starts_with("250") && replies[1].starts_with("250"), "{replies:?}");
    assert!(replies[2].starts_with(full), "{replies:?}");
    let reply = mail(&mut clients[0]).await;
    assert!(reply.starts_with(full), "known before the message comes: {reply}");
    let mut within = submitter(&world, "bob@example.jp").await;
    assert!(within.smtp("MAIL FROM:<bob@example.jp>").await.starts_with("250"), "another account");
}

#[tokio::test]
async fn who_goes_on_is_suspended_and_reads_on() {
    let world = limited(|sending| {
        sending.account.rate.messages_per_day = Limit::AtMost(1);
        sending.suspension.refusals_per_hour = Limit::AtMost(1);
    })
    .await;
    let mut client = submitter(&world, ALICE).await;
    mail(&mut client).await;
    rcpt(&mut client, "bob@example.jp").await;
    assert!(data(&mut client).await.starts_with("250"), "within the domain it counts as well");
    let mut last = String::new();
    for _ in 0..6 {
        last = mail(&mut client).await;
        if last.starts_with("550") {
            break;
        }
        assert!(last.starts_with("450 4.7.1"), "{last}");
    }
    assert!(last.starts_with("550 5.7.1 Sending is suspended for this account; "), "{last}");
    assert!(
        last.trim_end()
            .ends_with("2 messages in one hour were refused by the limit of 1 messages per day for this account")
    );
    // Other servers still reach it, and it still logs in.
    let mut world_outside = world.connect("mx").await;
    world_outside.smtp("EHLO friend.test").await;
    world_outside.smtp("MAIL FROM:<friend@friend.test>").await;
    assert!(rcpt(&mut world_outside, ALICE).await.starts_with("250"));
    assert!(data(&mut world_outside).await.starts_with("250"));
    let mut alice = world.imap(ALICE).await;
    assert!(alice.imap("STATUS INBOX (MESSAGES)").await.contains("(MESSAGES 1)"));
}
