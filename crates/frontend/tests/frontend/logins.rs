//! Logins, by all protocols alike.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yubin_frontend::GuessingRule;
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

/// Ten wrong passwords an hour from one network, which this machine's addresses are.
fn rule() -> GuessingRule {
    GuessingRule {
        trusted: Vec::new(),
        failures_per_account: 3,
        failures_per_network: 6,
        window_seconds: 3_600,
        ipv4_prefix_bits: 32,
        ipv6_prefix_bits: 64,
    }
}

#[tokio::test]
async fn who_guesses_waits_and_is_told_so_by_every_protocol() {
    let world = World::guarded(rule()).await;
    for password in ["one", "one", "two", "two", "three"] {
        let reply = login(&world, "alice@example.jp", password).await;
        assert!(reply.contains("[AUTHENTICATIONFAILED]"), "{reply}");
    }
    let words = "Too many failed logins from your network: correct the saved password on your devices and try again in 20 minutes";
    // The right password does not help, in any spelling of the name, and is not told apart.
    for (user, password) in [("alice@example.jp", PASSWORD), ("Alice@EXAMPLE.jp", "four")] {
        let started = Instant::now();
        let reply = login(&world, user, password).await;
        assert_eq!(reply.trim_end(), format!("a NO [UNAVAILABLE] {words}"));
        assert!(started.elapsed() >= Duration::from_millis(990));
    }
    let mut pop3 = world.connect("pop3").await;
    pop3.pop3("USER alice@example.jp").await;
    assert_eq!(pop3.pop3(&format!("PASS {PASSWORD}")).await.trim_end(), format!("-ERR [SYS/TEMP] {words}"));
    let mut smtp = world.connect("submission").await;
    smtp.smtp("EHLO client.test").await;
    let plain = STANDARD.encode(format!("\0alice@example.jp\0{PASSWORD}"));
    assert_eq!(smtp.smtp(&format!("AUTH PLAIN {plain}")).await.trim_end(), format!("454 4.7.0 {words}"));
    let first = STANDARD.encode("n,,n=alice@example.jp,r=abcdefgh");
    let scram = smtp.smtp(&format!("AUTH SCRAM-SHA-256 {first}")).await;
    assert_eq!(scram.trim_end(), format!("454 4.7.0 {words}"));
    // Others get in.
    assert!(login(&world, "bob@example.jp", PASSWORD).await.contains("a OK"));

    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &world.registry).unwrap();
    let throttled = metrics.lines().find(|line| line.contains("protocol=\"imap\",result=\"throttled\""));
    assert!(throttled.is_some_and(|line| line.ends_with(" 2")), "{metrics}");
}

#[tokio::test]
async fn a_guesser_beside_an_owner_locks_nobody_out() {
    let world = World::guarded(rule()).await;
    assert!(login(&world, "alice@example.jp", PASSWORD).await.contains("a OK"));
    for user in ["u1", "u2", "u3", "u4", "u5", "u6"] {
        login(&world, &format!("{user}@example.jp"), "123456").await;
    }
    assert!(login(&world, "bob@example.jp", PASSWORD).await.contains("[UNAVAILABLE]"), "the network is used up");
    assert!(login(&world, "alice@example.jp", PASSWORD).await.contains("a OK"), "but not for who is welcome there");
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
