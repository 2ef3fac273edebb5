//! Without a majority nothing is certain, so nobody is told anything final: every answer says "try again".
//!
//! Two of three nodes are killed. No address is unknown, no password wrong, no mailbox gone because of it; and when the nodes
//! are back, sessions that were open go on.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::time::Duration;
use yubin_tests::cluster::Cluster;
use yubin_tests::crash::{PASSWORD, Target};
use yubin_tests::imap::Imap;
use yubin_tests::pop3::Pop3;
use yubin_tests::process::wait_until;
use yubin_tests::smtp::Smtp;

const DOMAIN: &str = "minority.example";
const USER: &str = "u0@minority.example";
const SENDER: &str = "friend@elsewhere.example";
/// How long the cluster may take to serve again once two nodes are up.
const RECOVER_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn a_minority_says_try_again_and_nothing_final() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path()).unwrap();
    cluster.admin().populate(DOMAIN, 1, PASSWORD).unwrap();
    let front_end = &cluster.front_ends[0];
    let port = |name: &str| front_end.port(name).unwrap();
    let (smtp, imaps, pop3s) = (port("smtp"), port("imaps"), port("pop3s"));
    assert!(Smtp::hello(smtp).unwrap().send(SENDER, USER, b"Subject: a\r\n\r\nb\r\n").unwrap().starts_with("250"));
    let mut open = Imap::login(imaps, USER, PASSWORD).unwrap();
    open.ok("SELECT INBOX").unwrap();

    cluster.kill(1).unwrap();
    cluster.kill(2).unwrap();
    // Each waits as long as a front end has patience, so they wait side by side.
    std::thread::scope(|scope| {
        for recipient in [USER, "nobody@minority.example", "somebody@unheard-of.example"] {
            scope.spawn(move || {
                let mut session = Smtp::hello(smtp).unwrap();
                session.expect(&format!("MAIL FROM:<{SENDER}>"), "250").unwrap();
                let mut reply = session.command(&format!("RCPT TO:<{recipient}>")).unwrap();
                // Whom the leader knows is welcome as long as it may believe that it leads; the message then is not.
                if recipient == USER && reply.starts_with("250") {
                    session.expect("DATA", "354").unwrap();
                    reply = session.command("Subject: a\r\n\r\nb\r\n.").unwrap();
                }
                assert!(reply.starts_with("451 4.3"), "{recipient}: {reply}");
            });
        }
        for password in [PASSWORD, "a wrong password"] {
            scope.spawn(move || {
                let mut session = Imap::connect(imaps).unwrap();
                let reply = session.command(&format!("LOGIN {USER} \"{password}\"")).unwrap().status;
                assert!(reply.starts_with("NO [UNAVAILABLE]"), "{reply}");
            });
            scope.spawn(move || {
                let refused = format!("{:#}", Pop3::login(pop3s, USER, password).unwrap_err());
                assert!(refused.contains("-ERR [SYS/TEMP]"), "{refused}");
            });
        }
        scope.spawn(|| {
            let reply = open.command("FETCH 1 (FLAGS BODY.PEEK[])").unwrap().status;
            assert!(reply.starts_with("NO [UNAVAILABLE]"), "{reply}");
        });
    });

    cluster.revive(1).unwrap();
    wait_until(RECOVER_WITHIN, || {
        Smtp::hello(smtp).unwrap().send(SENDER, USER, b"Subject: c\r\n\r\nd\r\n").unwrap().starts_with("250")
    })
    .unwrap();
    let fetched = open.ok("FETCH 1 (FLAGS BODY.PEEK[])").unwrap();
    assert!(fetched.literals()[0].ends_with(b"\r\n\r\nb\r\n"));
    let refused = Imap::login(imaps, USER, "a wrong password").unwrap_err().to_string();
    assert!(refused.contains("NO [AUTHENTICATIONFAILED]"), "{refused}");
}
