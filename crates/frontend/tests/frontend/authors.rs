//! Whom the From field of a user's message may name.

use tokio::net::TcpStream;
use yubin_frontend::{AuthorRule, AuthorsConfig};
use yubin_state::command::DomainCommand;
use yubin_state::sending::{NameHolder, SendingCommand};
use yubin_types::{LocalPart, SenderName};

use crate::attacks::DISGUISES;
use crate::submission::submitter;
use crate::world::{Client, World};

const ALICE: &str = "alice@example.jp";

async fn world(rule: AuthorRule) -> World {
    World::with_authors(AuthorsConfig { rule, exempt: Vec::new() }).await
}

/// The reply to a message with this header, from this envelope sender to the own domain.
async fn sent_from(client: &mut Client<TcpStream>, sender: &str, header: &str) -> String {
    assert!(client.smtp(&format!("MAIL FROM:<{sender}>")).await.starts_with("250"));
    assert!(client.smtp("RCPT TO:<bob@example.jp>").await.starts_with("250"));
    assert!(client.smtp("DATA").await.starts_with("354"));
    client.send(&format!("{header}Subject: x\r\n\r\nFrom: bob@example.jp\r\n.")).await;
    client.reply().await
}

async fn sent(client: &mut Client<TcpStream>, header: &str) -> String {
    sent_from(client, ALICE, header).await
}

#[tokio::test]
async fn nobody_writes_in_the_name_of_others_of_this_cluster() {
    let world = world(AuthorRule::default()).await;
    let mut client = submitter(&world, ALICE).await;
    for allowed in [
        "From: Alice <ALICE@Example.jp>\r\n",
        "From: Info <info@example.jp>\r\n",
        "From: alice@example.jp <alice@example.jp>\r\n",
        "From: \"Bob, bob@example.jp\" <alice@example.jp> (bob@example.jp)\r\n",
        "From: somebody@elsewhere.test\r\n",
        "From: =?utf-8?B?5bGx?=\r\n <alice@example.jp>,\r\n info@example.jp\r\n",
        "From: Team: alice@example.jp;\r\nSender: bob@example.jp\r\n",
        "",
    ] {
        let reply = sent(&mut client, allowed).await;
        assert!(reply.starts_with("250"), "{allowed}: {reply}");
    }
    for forged in [
        "From: Bob <bob@example.jp>\r\n",
        "from : BOB@EXAMPLE.JP.\r\n",
        "From: nobody@example.jp\r\n",
        "From: carol@example.org\r\n",
        "From: alice+x@example.jp\r\n",
        "From: alice@example.jp, bob@example.jp\r\nSender: alice@example.jp\r\n",
        "From: alice@example.jp <bob@example.jp>\r\n",
        "From: <alice@example.jp> <bob@example.jp>\r\n",
        "From: bob@example.jp\r\nSender: alice@example.jp\r\nResent-From: alice@example.jp\r\n",
        "no field\r\nFrom: bob@example.jp\r\n",
        "From: Team: bob@example.jp;\r\n",
    ] {
        let reply = sent(&mut client, forged).await;
        assert!(reply.starts_with("550 5.7.1 From <"), "{forged}: {reply}");
        assert!(reply.contains("refused: no address of alice@example.jp, who logged in"), "{reply}");
    }
    for malformed in [
        "From: alice@example.jp\r\nFrom: alice@example.jp\r\n",
        "Sender: bob@example.jp\r\n",
        "From: bob\r\n",
        "From: \"bob@example.jp\" <>\r\n",
        "From:\r\n",
        "From: alice@example.jp bob@example.jp\r\n",
        "From: bob@example(x).jp\r\n",
        "From: \x1b$B<bob@example.jp>\x1b(B <alice@example.jp>\r\n",
        "From: a1@e.test, a2@e.test, a3@e.test, a4@e.test, a5@e.test, a6@e.test, a7@e.test, a8@e.test, a9@e.test, \
         a10@e.test, a11@e.test\r\n",
    ] {
        let reply = sent(&mut client, malformed).await;
        assert!(reply.starts_with("550 5.7.1 Message refused: "), "{malformed:?}: {reply}");
    }
    for disguise in DISGUISES {
        let header = disguise.replace("a@good.test", ALICE).replace("good.test", "example.jp");
        let header = header.replace("ceo@", "bob@").replace("bank", "example").replace("BANK.TEST", "EXAMPLE.ORG");
        let header =
            header.replace(".test", ".org").replace(" . test", " . org").replace("\u{3002}test", "\u{3002}org");
        let header = header.replace("\u{ff42}\u{ff41}nk", "\u{ff45}xample");
        let reply = sent(&mut client, &format!("{header}\r\n")).await;
        // A name, a fold of another field, and a domain of somebody else's.
        let harmless = ["From: bob@sub.", "X: y", " From:"].iter().any(|start| header.starts_with(start));
        assert!(reply.starts_with("550 5.7.1 ") || harmless, "{header:?}: {reply}");
    }
    // What has no sender has an author all the same, and so has what is behind a long header.
    assert!(sent_from(&mut client, "", "From: bob@example.jp\r\n").await.starts_with("550 5.7.1"));
    assert!(sent_from(&mut client, "", "From: alice@example.jp\r\n").await.starts_with("250"));
    let long = "X-Long: abcdefghijklmnopqrstuvwxyz\r\n".repeat(4_000);
    assert!(sent(&mut client, &format!("{long}From: bob@example.jp\r\n")).await.starts_with("550 5.7.1"));
    assert!(sent(&mut client, &format!("{}From: bob@example.jp\r\n", long.repeat(3))).await.starts_with("552 5.3.4"));
}

#[tokio::test]
async fn what_an_account_may_send_as_it_may_name_as_its_author() {
    let world = world(AuthorRule::Strict).await;
    let mut client = submitter(&world, ALICE).await;
    assert!(sent(&mut client, "From: carol@example.org\r\n").await.starts_with("550 5.7.1"));
    let grant = SendingCommand::GrantSendAs {
        local: LocalPart::parse("alice").unwrap(),
        name: SenderName::parse("@example.org").unwrap(),
        domain: world.domain("example.org"),
        holder: NameHolder::Domain,
    };
    world.change("example.jp", DomainCommand::Sending(grant)).await;
    assert!(sent(&mut client, "From: carol@example.org, alice@example.jp\r\n").await.starts_with("250"));
    assert!(sent(&mut client, "From: bob@example.jp\r\n").await.starts_with("550 5.7.1"));
}

#[tokio::test]
async fn a_strict_rule_takes_the_own_addresses_alone() {
    let world = world(AuthorRule::Strict).await;
    let mut client = submitter(&world, ALICE).await;
    assert!(sent(&mut client, "From: alice@example.jp\r\n").await.starts_with("250"));
    let reply = sent(&mut client, "From: somebody@elsewhere.test\r\n").await;
    assert!(reply.starts_with("550 5.7.1 From <somebody@elsewhere.test> refused"), "{reply}");
    let reply = sent(&mut client, "").await;
    assert!(reply.starts_with("550 5.7.1 Message refused: it has no From field"), "{reply}");
}

#[tokio::test]
async fn who_says_that_it_sends_for_the_author_may_where_that_is_allowed() {
    let world = world(AuthorRule::Sender).await;
    let mut client = submitter(&world, ALICE).await;
    for (header, expected) in [
        ("From: bob@example.jp\r\nSender: info@example.jp\r\n", "250"),
        ("From: bob@example.jp\r\nResent-From: alice@example.jp\r\n", "250"),
        ("From: bob@example.jp\r\nSender: alice@example.jp\r\nResent-Sender: bob@example.jp\r\n", "550 5.7.1"),
        ("From: bob@example.jp\r\nSender: x@elsewhere.test\r\n", "550 5.7.1"),
        ("From: bob@example.jp\r\nSender: alice\r\n", "550 5.7.1"),
        ("From: bob@example.jp\r\nFrom: bob@example.jp\r\nSender: alice@example.jp\r\n", "550 5.7.1"),
        ("From: bob@example.jp\r\n", "550 5.7.1"),
    ] {
        let reply = sent(&mut client, header).await;
        assert!(reply.starts_with(expected), "{header}: {reply}");
    }
}

#[tokio::test]
async fn programs_of_lists_may_be_exempt_and_other_servers_always_are() {
    let exempt = vec![SenderName::parse("Alice@example.jp").unwrap()];
    let world = World::with_authors(AuthorsConfig { rule: AuthorRule::Strict, exempt }).await;
    let header = "From: bob@example.jp\r\n";
    let mut client = submitter(&world, ALICE).await;
    assert!(sent(&mut client, header).await.starts_with("250"));
    let mut client = submitter(&world, "bob@example.jp").await;
    assert!(sent_from(&mut client, "bob@example.jp", "From: alice@example.jp\r\n").await.starts_with("550 5.7.1"));
    let reply = world.deliver("bob@example.jp", &format!("{header}\r\nbody")).await;
    assert!(reply.starts_with("250"), "{reply}");
}
