//! What QUIT deletes and what nothing else does; long listings and messages; failures in the middle.

use proptest::prelude::*;
use yubin_session::pop3::Answer;
use yubin_session::{Security, Session as _, Step};
use yubin_types::{ResponseText, Timestamp};

use crate::harness::{Waits, tls_facts};
use crate::rim::{connect, logged_in};

#[test]
fn only_quit_deletes() {
    let mut connection = logged_in(&[b"a", b"b", b"c"]);
    connection.say("DELE 1\r\nDELE 3\r\n");
    connection.session.timed_out();
    assert_eq!(connection.run(), (vec![], Waits::Closed));
    assert_eq!(connection.rim.messages.len(), 3);

    let mut connection = logged_in(&[b"a", b"b", b"c"]);
    connection.say("DELE 1\r\nDELE 3\r\n");
    connection.session.end_of_input();
    assert_eq!(connection.run(), (vec![], Waits::Closed));
    assert_eq!(connection.rim.messages.len(), 3);

    let mut connection = logged_in(&[b"a", b"b", b"c"]);
    assert!(connection.say("DELE 1\r\nDELE 3\r\nQUIT\r\n").ends_with("+OK Goodbye\r\n"));
    assert_eq!(connection.rim.messages.keys().copied().collect::<Vec<_>>(), [20]);
}

#[test]
fn a_failed_quit_says_what_is_gone() {
    let mut connection = logged_in(&[b"a", b"b"]);
    connection.rim.commits_max = 0;
    let said = connection.say("DELE 1\r\nQUIT\r\n");
    assert!(said.ends_with("-ERR [SYS/TEMP] No majority; no message was deleted\r\n"), "{said}");
    assert_eq!(connection.run().1, Waits::Closed);

    let messages = vec![&b"x"[..]; 1_500];
    let mut connection = logged_in(&messages);
    connection.rim.commits_max = 1;
    let deletions: String = (1..=1_500).map(|number| format!("DELE {number}\r\n")).collect();
    let said = connection.say(&format!("{deletions}QUIT\r\n"));
    assert!(said.ends_with("-ERR [SYS/TEMP] No majority; only the first 1000 of the deleted messages are gone\r\n"));
    assert_eq!(connection.rim.messages.len(), 500);
}

#[test]
fn a_long_listing_goes_out_in_frames() {
    let messages = vec![&b"x"[..]; 5_000];
    let mut connection = logged_in(&messages);
    connection.run();
    connection.session.receive(b"UIDL\r\n");
    let mut listing = Vec::new();
    let mut last = Vec::new();
    while let Step::Write(bytes) = connection.session.next(connection.now) {
        assert!(bytes.len() < 20_000, "a frame has {} bytes", bytes.len());
        listing.extend_from_slice(&bytes);
        last = bytes.to_vec();
    }
    assert_eq!(listing.split(|&byte| byte == b'\n').count(), 5_003);
    assert!(last.ends_with(b"\r\n.\r\n") && last.len() > 5, "the terminator goes with the last row");
}

#[test]
fn a_message_that_breaks_off_has_no_terminator() {
    let text = [b"Subject: x\r\n\r\n".as_slice(), &b"line\r\n".repeat(100)].concat();
    let mut connection = logged_in(&[&text]);
    connection.rim.readable = 0;
    let said = connection.say("RETR 1\r\n");
    assert_eq!(said, "-ERR [SYS/TEMP] Unreadable\r\n");
    connection.rim.readable = 300;
    let (said, waits) = connection.send(b"RETR 1\r\nNOOP\r\n", usize::MAX);
    assert_eq!(waits, Waits::Closed);
    assert!(said.starts_with(b"+OK 614 octets\r\n") && said.ends_with(b"line\r\nline"), "{}", said.escape_ascii());
}

#[test]
fn the_terminator_goes_out_with_the_last_piece() {
    let text = b"line\r\n".repeat(100);
    let mut connection = logged_in(&[&text]);
    connection.rim.piece_bytes = 200;
    connection.session.receive(b"RETR 1\r\n");
    let mut writes = Vec::new();
    loop {
        match connection.session.next(connection.now) {
            Step::Write(bytes) => writes.push(bytes),
            Step::Ask(ask) => {
                let answer = crate::harness::Rim::answer(&mut connection.rim, ask);
                connection.session.answer(answer);
            }
            _ => break,
        }
    }
    // The reply, two pieces as they are, and the last with its terminator.
    assert_eq!(writes.len(), 4);
    assert_eq!(writes[3].len(), 200 + 3);
    assert!(writes[3].ends_with(b"\r\n.\r\n"));
}

#[test]
fn an_event_ends_the_session() {
    let mut connection = logged_in(&[b"a"]);
    connection.say("DELE 1\r\n");
    connection.session.answer(Answer::Ended(ResponseText::new(Some("AUTH"), "The password was changed")));
    let (said, waits) = connection.run();
    assert_eq!((said.as_slice(), waits), (&b"-ERR [AUTH] The password was changed\r\n"[..], Waits::Closed));
    assert_eq!(connection.rim.messages.len(), 1);
}

/// Attack list, item 2.
#[test]
fn what_comes_with_stls_is_never_obeyed() {
    for injected in ["CAPA\r\n", "C", "\r\n", "USER tim@example.jp\r\nPASS tanstaaf\r\n"] {
        let mut connection = connect(Security::Upgradable, &[]);
        let (said, waits) = connection.send(format!("STLS\r\n{injected}").as_bytes(), usize::MAX);
        assert_eq!(waits, Waits::Closed, "{injected:?}");
        assert!(said.ends_with(b"-ERR Wait for the reply before sending more\r\n"));
    }
    // Octets that come between the reply and the handshake are not for us either.
    let mut connection = connect(Security::Upgradable, &[]);
    assert_eq!(connection.send(b"STLS\r\n", usize::MAX).1, Waits::Handshake);
    connection.session.receive(b"CAPA\r\n");
    connection.session.tls_started(tls_facts());
    assert_eq!(connection.run(), (vec![], Waits::Client));
}

#[test]
fn errors_are_counted() {
    let mut connection = connect(Security::Clear, &[]);
    let said = connection.say(&"BOGUS\r\n".repeat(30));
    assert_eq!(said.matches("-ERR Unknown command").count(), 21);
    assert!(said.ends_with("-ERR Too many errors; closing connection\r\n"));
}

#[test]
fn a_command_that_drips_in_runs_out_of_time() {
    let mut connection = connect(Security::Clear, &[]);
    connection.run();
    for _ in 0..5 {
        connection.session.receive(b"N");
        assert_eq!(connection.run().1, Waits::Client);
        connection.now = Timestamp(connection.now.0 + 12_000);
    }
    assert_eq!(connection.run(), (vec![], Waits::Closed));
}

#[test]
fn a_stranger_has_limited_time_whatever_it_asks_and_a_user_has_not() {
    let mut connection = connect(Security::Clear, &[]);
    connection.run();
    for _ in 0..3 {
        connection.now = connection.now.plus_seconds(50);
        assert!(connection.say("CAPA\r\n").starts_with("+OK"));
        assert_eq!(connection.session.scarce_seconds_max(connection.now), Some(10));
    }
    connection.now = connection.now.plus_seconds(50);
    assert_eq!(connection.send(b"CAPA\r\n", usize::MAX).1, Waits::Closed);

    let mut connection = logged_in(&[b"a"]);
    assert_eq!(connection.session.scarce_seconds_max(connection.now), None);
    for _ in 0..10 {
        connection.now = connection.now.plus_seconds(500);
        assert!(connection.say("NOOP\r\n").starts_with("+OK"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_octets_bring_a_session_down(
        words in prop::collection::vec(prop_oneof![
            prop::sample::select(vec!["USER tim@example.jp", "PASS tanstaaf", "AUTH PLAIN", "AUTH LOGIN", "CAPA", "STAT", "LIST",
                "UIDL", "RETR 1", "TOP 1 1", "DELE 1", "DELE 2", "RSET", "NOOP", "*", "\r\n", "\r\n", "\r\n", "\n", "\0", " "])
                .prop_map(|word| word.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..20),
        ], 0..60),
        segment in 1usize..40,
    ) {
        let text = words.concat();
        let mut whole = connect(Security::Encrypted(tls_facts()), &[b"a\r\n.b", b"c"]);
        let mut pieces = connect(Security::Encrypted(tls_facts()), &[b"a\r\n.b", b"c"]);
        let expected = whole.send(&text, usize::MAX);
        prop_assert_eq!(pieces.send(&text, segment), expected);
        prop_assert_eq!(whole.rim.messages.len(), pieces.rim.messages.len());
    }
}
