//! Maildrops.

use yubin_state::command::DomainCommand;
use yubin_types::LocalPart;

use crate::world::{PASSWORD, World, verifiers};

async fn open(world: &World) -> crate::world::Client<tokio::net::TcpStream> {
    let mut client = world.connect("pop3").await;
    client.pop3("USER bob@example.jp").await;
    let reply = client.pop3(&format!("PASS {PASSWORD}")).await;
    assert!(reply.starts_with("+OK"), "{reply}");
    client
}

#[tokio::test]
async fn a_maildrop_is_exclusive_and_deletion_happens_at_quit() {
    let world = World::new().await;
    for i in 0..3 {
        world.deliver("bob@example.jp", &format!("Subject: {i}\r\n\r\nbody")).await;
    }
    let mut first = open(&world).await;
    assert!(first.pop3("STAT").await.starts_with("+OK 3 "));
    let uidls = first.pop3_lines("UIDL").await;
    let mut second = world.connect("pop3").await;
    second.pop3("USER bob@example.jp").await;
    let reply = second.pop3(&format!("PASS {PASSWORD}")).await;
    assert!(reply.starts_with("-ERR [IN-USE]"), "{reply}");

    // What comes meanwhile belongs to the next session.
    world.deliver("bob@example.jp", "Subject: late\r\n\r\nbody").await;
    assert!(first.pop3("STAT").await.starts_with("+OK 3 "));
    first.pop3("DELE 1").await;
    first.pop3("DELE 3").await;
    let reply = first.pop3("QUIT").await;
    assert!(reply.starts_with("+OK"), "{reply}");
    assert_eq!(first.line().await, "");

    let mut third = open(&world).await;
    assert!(third.pop3("STAT").await.starts_with("+OK 2 "));
    let left = third.pop3_lines("UIDL").await;
    let second_uidl =
        |list: &str, number: &str| list.lines().find_map(|line| line.strip_prefix(number).map(str::to_owned)).unwrap();
    assert_eq!(second_uidl(&left, "1 "), second_uidl(&uidls, "2 "), "a UIDL is for life");
}

#[tokio::test]
async fn a_lost_connection_deletes_nothing_and_gives_the_lock_back() {
    let world = World::new().await;
    world.deliver("bob@example.jp", "Subject: 1\r\n\r\nbody").await;
    let mut first = open(&world).await;
    first.pop3("DELE 1").await;
    drop(first);
    let mut reply = String::new();
    for _ in 0..200 {
        let mut client = world.connect("pop3").await;
        client.pop3("USER bob@example.jp").await;
        reply = client.pop3(&format!("PASS {PASSWORD}")).await;
        if reply.starts_with("+OK") {
            assert!(client.pop3("STAT").await.starts_with("+OK 1 "));
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the lock was not given back: {reply}");
}

#[tokio::test]
async fn a_changed_password_ends_the_session_before_it_deletes() {
    let world = World::new().await;
    world.deliver("bob@example.jp", "Subject: 1\r\n\r\nbody").await;
    let mut client = open(&world).await;
    client.pop3("DELE 1").await;
    let local = LocalPart::parse("bob").unwrap();
    world.change("example.jp", DomainCommand::SetPassword { local, verifiers: verifiers("another password") }).await;
    let reply = client.pop3("QUIT").await;
    assert!(reply.starts_with("-ERR"), "{reply}");
    let mut again = world.connect("pop3").await;
    again.pop3("USER bob@example.jp").await;
    assert!(again.pop3("PASS another password").await.starts_with("+OK"));
    assert!(again.pop3("STAT").await.starts_with("+OK 1 "));
}
