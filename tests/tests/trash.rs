//! What lies in Trash longer than the plan says is gone, by itself, and its room is free again.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::time::{Duration, Instant};
use yubin_tests::imap::Imap;
use yubin_tests::over_both_transports;
use yubin_tests::process::wait_until;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport, Usage};

over_both_transports!(trash_empties_itself_and_delivery_works_again);

const USER: &str = "u0@trash.example";
const PASSWORD: &str = "correct horse battery";
/// The plan's Trash expiry: seconds in place of days.
const EXPIRY_SECONDS: u64 = 6;
/// How long after it is due a message may stay: the store looks every second, on a busy machine later.
const LATE_BY: Duration = Duration::from_secs(30);

fn trash_empties_itself_and_delivery_works_again(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = System::over(transport, folder.path()).unwrap();
    let ctl = |arguments: &[&str], input: &str| system.admin.ctl(arguments, input).unwrap();
    ctl(&["plan", "put", "tidy", "--trash-expiry-seconds", &EXPIRY_SECONDS.to_string()], "");
    ctl(&["domain", "create", "trash.example", "--plan", "tidy"], "");
    ctl(&["account", "create", USER, "--quota", "100000", "--password-stdin"], PASSWORD);
    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    let mut deliver = |size_bytes| smtp.send("friend@elsewhere.example", USER, &message(size_bytes)).unwrap();
    assert!(deliver(60_000).starts_with("250"));
    assert!(deliver(30_000).starts_with("250"));

    let mut imap = Imap::login(system.port("imaps").unwrap(), USER, PASSWORD).unwrap();
    imap.ok("SELECT INBOX").unwrap();
    imap.ok("MOVE 1 Trash").unwrap();
    let moved = Instant::now();
    // What is in Trash is charged like any other mail.
    let refused = deliver(60_000);
    assert!(refused.starts_with("552 5.2.2"), "{refused}");

    let trash = |imap: &mut Imap| imap.ok("STATUS Trash (MESSAGES)").unwrap().text().concat();
    assert!(trash(&mut imap).contains("MESSAGES 1"));
    wait_until(Duration::from_secs(EXPIRY_SECONDS) + LATE_BY, || trash(&mut imap).contains("MESSAGES 0")).unwrap();
    // The command's answer took its time, so that the move was before `moved` by less than a second.
    assert!(moved.elapsed() > Duration::from_secs(EXPIRY_SECONDS - 1), "gone after {:?}", moved.elapsed());

    let Usage { messages, bytes } = system.admin.usage(USER).unwrap();
    assert!(messages == 1 && (30_000..32_000).contains(&bytes), "{messages} messages, {bytes} bytes");
    assert!(deliver(60_000).starts_with("250"));
    // INBOX is not Trash.
    imap.ok("NOOP").unwrap();
    assert!(imap.ok("STATUS INBOX (MESSAGES)").unwrap().text().concat().contains("MESSAGES 2"));
}

fn message(size_bytes: usize) -> Vec<u8> {
    let mut message = b"Subject: filler\r\n\r\n".to_vec();
    while message.len() + 72 <= size_bytes {
        message.extend_from_slice(b"0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
    }
    message
}
