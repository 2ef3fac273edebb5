//! IDLE (RFC 2177) is woken by the replicated log: by mail, flags and expunges that came through another front end.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::net::SocketAddr;
use yubin_tests::cluster::Cluster;
use yubin_tests::crash::{PASSWORD, Target};
use yubin_tests::imap::Imap;
use yubin_tests::over_both_transports;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{Admin, System, Transport};

over_both_transports!(what_happens_in_one_session_wakes_another);

fn what_happens_in_one_session_wakes_another(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = System::over(transport, folder.path()).unwrap();
    let (smtp, imaps) = (system.port("smtp").unwrap(), system.port("imaps").unwrap());
    mail_flags_and_expunges_wake(&system.admin, imaps, smtp, imaps);
}

#[test]
fn what_happens_on_one_front_end_wakes_a_client_on_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).unwrap();
    let [first, second] = cluster.front_ends.as_slice() else { unreachable!() };
    let (smtp, imaps) = (second.port("smtp").unwrap(), second.port("imaps").unwrap());
    mail_flags_and_expunges_wake(&cluster.admin(), first.port("imaps").unwrap(), smtp, imaps);
}

/// A client idles at `waits`; mail comes in at `smtp`, and another client changes it at `imaps`.
fn mail_flags_and_expunges_wake(admin: &Admin, waits: SocketAddr, smtp: SocketAddr, imaps: SocketAddr) {
    admin.populate("idle.example", 1, PASSWORD).unwrap();
    let user = "u0@idle.example";
    let mut waiting = Imap::login(waits, user, PASSWORD).unwrap();
    waiting.ok("SELECT INBOX").unwrap();
    let tag = waiting.idle().unwrap();

    let mut smtp = Smtp::hello(smtp).unwrap();
    let reply = smtp.send("friend@elsewhere.example", user, b"Subject: wake up\r\n\r\na\r\n").unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    wait_for(&mut waiting, "* 1 EXISTS");

    let mut other = Imap::login(imaps, user, PASSWORD).unwrap();
    other.ok("SELECT INBOX").unwrap();
    other.ok("STORE 1 +FLAGS.SILENT (\\Flagged \\Deleted)").unwrap();
    wait_for(&mut waiting, "\\Flagged");
    other.ok("EXPUNGE").unwrap();
    wait_for(&mut waiting, "* 1 EXPUNGE");
    waiting.done(&tag).unwrap();
}

/// Reads what comes until a response holds this text; the connection's time limit ends a wait that is in vain.
fn wait_for(session: &mut Imap, text: &str) {
    while !String::from_utf8_lossy(&session.response().unwrap()).contains(text) {}
}
