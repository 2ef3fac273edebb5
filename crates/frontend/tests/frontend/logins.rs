//! Logins, by all protocols alike.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use yubin_state::command::DomainCommand;
use yubin_state::{Answer, Query};
use yubin_types::{DomainName, LocalPart};

use crate::world::{PASSWORD, World, verifiers};

async fn login(world: &World, user: &str, password: &str) -> String {
    let mut client = world.connect("imap").await;
    client.imap(&format!("LOGIN {user} \"{password}\"")).await
}

#[tokio::test]
async fn whatever_is_wrong_is_told_alike_and_after_the_same_time() {
    let world = World::new().await;
    let mut replies = Vec::new();
    for (user, password) in [
        ("alice@example.jp", "wrong password"),
        ("nobody@example.jp", PASSWORD),
        ("alice@elsewhere.test", PASSWORD),
        ("alice", PASSWORD),
    ] {
        let started = Instant::now();
        replies.push(login(&world, user, password).await);
        assert!(started.elapsed() >= Duration::from_millis(990), "{user}: {:?}", started.elapsed());
    }
    assert!(replies[0].contains("[AUTHENTICATIONFAILED]"), "{replies:?}");
    assert!(replies.iter().all(|reply| reply == &replies[0]), "{replies:?}");
}

#[tokio::test]
async fn a_verified_password_becomes_a_fast_verifier_until_it_changes() {
    let world = World::new().await;
    let fast = async || {
        let hosted = world.store.resolve(&DomainName::parse("example.jp").unwrap()).await.unwrap().unwrap();
        let query = Query::Credentials(LocalPart::parse("alice").unwrap());
        match world.store.query(hosted.scope(), query).await.unwrap() {
            Answer::Credentials(credentials) => credentials.fast,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fast().await, None);
    assert!(login(&world, "Alice@Example.JP", PASSWORD).await.contains("a OK"));
    while fast().await.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(login(&world, "alice@example.jp", PASSWORD).await.contains("a OK"));
    assert!(login(&world, "alice@example.jp", "wrong password").await.contains("a NO"));

    let local = LocalPart::parse("alice").unwrap();
    world.change("example.jp", DomainCommand::SetPassword { local, verifiers: verifiers("another password") }).await;
    assert_eq!(fast().await, None);
    assert!(login(&world, "alice@example.jp", PASSWORD).await.contains("[AUTHENTICATIONFAILED]"));
    assert!(login(&world, "alice@example.jp", "another password").await.contains("a OK"));
}

#[tokio::test]
async fn a_suspension_is_told_only_to_who_knows_the_password() {
    let world = World::new().await;
    let local = LocalPart::parse("alice").unwrap();
    world.change("example.jp", DomainCommand::SuspendAccount { local, reason: "unpaid".into() }).await;
    let right = login(&world, "alice@example.jp", PASSWORD).await;
    assert!(right.contains("[CONTACTADMIN]"), "{right}");
    let wrong = login(&world, "alice@example.jp", "wrong password").await;
    assert!(wrong.contains("[AUTHENTICATIONFAILED]"), "{wrong}");
}

#[tokio::test]
async fn an_outage_is_no_wrong_password() {
    let world = World::new().await;
    world.node.down.store(true, Ordering::SeqCst);
    let reply = login(&world, "alice@example.jp", PASSWORD).await;
    assert!(reply.contains("[UNAVAILABLE]"), "{reply}");
    let mut pop3 = world.connect("pop3").await;
    pop3.pop3("USER alice@example.jp").await;
    let reply = pop3.pop3(&format!("PASS {PASSWORD}")).await;
    assert!(reply.starts_with("-ERR [SYS/TEMP]"), "{reply}");
}
