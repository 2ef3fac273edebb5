//! The end of a process: what was accepted is finished, then goodbye.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::world::World;

#[tokio::test]
async fn a_transaction_is_finished_and_idle_sessions_are_told_to_go() {
    let world = World::new().await;
    let mut idle = world.connect("imap").await;
    let mut busy = world.connect("mx").await;
    busy.smtp("EHLO client.test").await;
    busy.smtp("MAIL FROM:<>").await;
    busy.smtp("RCPT TO:<bob@example.jp>").await;
    assert!(busy.smtp("DATA").await.starts_with("354"));
    let address = world.address("mx");
    let World { frontend, node, store, .. } = world;
    let stopping = tokio::spawn(frontend.shutdown(Duration::from_secs(30)));

    assert!(idle.line().await.starts_with("* BYE"));
    assert_eq!(idle.line().await, "");
    busy.send("Subject: last\r\n\r\nbody\r\n.").await;
    assert!(busy.reply().await.starts_with("250 2.0.0"));
    let goodbye = busy.reply().await;
    assert!(goodbye.starts_with("421"), "{goodbye}");
    stopping.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    drop((node, store));
}

#[tokio::test]
async fn who_does_not_leave_is_cut_off() {
    let world = World::new().await;
    let mut busy = world.connect("mx").await;
    busy.smtp("EHLO client.test").await;
    busy.smtp("MAIL FROM:<>").await;
    world.frontend.shutdown(Duration::from_millis(50)).await;
    assert_eq!(busy.rest().await, "");
}
