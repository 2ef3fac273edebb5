//! What a session tells its rim of a peer's failures, what LMTP says to each recipient, and whom a trusted peer speaks for.

use yubin_session::smtp::{ClientClaim, Listener};
use yubin_session::{Security, Session as _};

use crate::harness::{Waits, tls_facts};
use crate::rim::{Fail, connect, greeted, trusted};

const STORED: &str = "250 2.0.0 Message stored as 07070707070707070707070707070707\r\n";

#[test]
fn failures_are_told_between_commands_and_the_rim_may_end_the_session() {
    let mut connection = greeted();
    connection.rim.failures_max = 3;
    let said = connection.say("FOO\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.jp>\r\nRCPT TO:<flaky@example.jp>\r\n");
    assert_eq!(said.lines().count(), 4);
    // What is temporary, and a recipient that is welcome, are no failures.
    connection.say("RCPT TO:<tim@example.jp>\r\nNOOP\r\n");
    assert_eq!(connection.rim.failures, 2);
    let (said, waits) = connection.send(b"RCPT TO:<y@example.jp>\r\nRCPT TO:<z@example.jp>\r\nDATA\r\n", usize::MAX);
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said.matches("550 5.1.1").count(), 2, "{said}");
    assert!(said.ends_with("421 4.7.0 Too much of your network\r\n"), "{said}");
    assert_eq!(waits, Waits::Closed);
    assert!(connection.rim.stored.is_empty());
}

#[test]
fn failures_that_end_a_session_are_told_too() {
    for (text, failures) in [("GET / HTTP/1.1\r\n", 1), ("BDAT x\r\n", 1), (&"FOO\r\n".repeat(30)[..], 21)] {
        let mut connection = greeted();
        let (_, waits) = connection.send(text.as_bytes(), usize::MAX);
        assert_eq!((connection.rim.failures, waits), (failures, Waits::Closed), "{text}");
    }
}

#[test]
fn lmtp_tells_each_recipient_what_became_of_its_copy() {
    let mut connection = connect(Listener::Lmtp, Security::Clear);
    connection.rim.picky = true;
    connection.say("LHLO client.example\r\n");
    for content in ["BDAT 6 LAST\r\nhello\n", "BDAT 7 LAST\r\nhello\r\n"] {
        let said =
            connection.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<tim@example.jp>\r\nRCPT TO:<ann@example.jp>\r\n");
        assert_eq!(said.matches("250 ").count(), 3);
        let said = connection.say(content);
        let bare = "554 5.6.0 Message refused: it holds a bare CR or LF; lines must end with CRLF\r\n".repeat(2);
        let each = format!("{STORED}552 5.2.2 Over quota\r\n");
        assert_eq!(said, if content.contains("\r\nhello\r\n") { each } else { bare });
    }
}

#[test]
fn lmtp_refuses_a_message_for_each_recipient_wherever_its_rim_fails() {
    let temporary = "451 4.3.0 Temporary failure; try again later\r\n";
    let large = "x".repeat(200_000);
    for (fail, replies) in [(Fail::Begin, 2), (Fail::Chunk, 2), (Fail::Finish, 2)] {
        let mut connection = connect(Listener::Lmtp, Security::Clear);
        connection.rim.fail = fail;
        connection.say("LHLO client.example\r\n");
        connection.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<tim@example.jp>\r\nRCPT TO:<ann@example.jp>\r\n");
        let (said, _) = connection.send(format!("BDAT {} LAST\r\n{large}", large.len()).as_bytes(), 50_000);
        assert_eq!(String::from_utf8(said).unwrap(), temporary.repeat(replies), "{fail:?}");
        assert_eq!(connection.say("NOOP\r\n"), "250 2.0.0 OK\r\n");
    }
}

#[test]
fn a_trusted_peer_speaks_for_a_client_and_nobody_else_does() {
    let mut connection = trusted(Listener::Mx, Security::Encrypted(tls_facts()));
    connection.say("EHLO filter.example\r\n");
    let said = connection.say("XCLIENT ADDR=IPV6:2001:db8::9 PORT=4711 HELO=client.example PROTO=SMTP\r\n");
    assert_eq!(said, "220 mx.example.jp ESMTP ready\r\n");
    let address = "2001:db8::9".parse().unwrap();
    assert_eq!(connection.rim.client, Some(ClientClaim { address: Some(address), port: Some(4711) }));
    connection.say("EHLO filter.example\r\n");
    connection.say("MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n");
    let origin = connection.rim.origin.clone().unwrap();
    // TLS is that of this connection.
    assert_eq!((origin.helo.as_str(), origin.protocol), ("client.example", "ESMTPS"));

    let mut stranger = greeted();
    assert!(stranger.say("XCLIENT ADDR=192.0.2.9\r\n").starts_with("500 5.5.1"));
    assert_eq!(stranger.rim.client, None);
    let (said, waits) =
        trusted(Listener::Mx, Security::Clear).send(b"XCLIENT ADDR=192.0.2.9\r\nEHLO x\r\n", usize::MAX);
    assert!(said.ends_with(b"554 5.5.0 Wait for the reply before sending more\r\n"));
    assert_eq!(waits, Waits::Closed);
}

/// Whom it speaks for may not change under a login.
#[test]
fn nobody_speaks_for_another_client_after_logging_in() {
    let mut connection = trusted(Listener::Submission, Security::Encrypted(tls_facts()));
    connection.say("EHLO webmail.example\r\n");
    assert!(connection.say("XCLIENT ADDR=192.0.2.9\r\n").starts_with("220 "));
    assert!(connection.say("EHLO webmail.example\r\n").contains("AUTH SCRAM-SHA-256 PLAIN LOGIN"));
    assert!(connection.say("AUTH PLAIN AHRpbUBleGFtcGxlLmpwAHRhbnN0YWFm\r\n").starts_with("235 "));
    assert!(!connection.say("EHLO webmail.example\r\n").contains("XCLIENT"));
    assert!(connection.say("XCLIENT ADDR=192.0.2.10\r\n").starts_with("503 "));
}

/// What is held against a client when its session is over.
#[test]
fn a_session_says_by_what_fault_of_its_client_nothing_came_of_it() {
    let message = "MAIL FROM:<a@b.example>\r\nRCPT TO:<tim@example.jp>\r\nBDAT 3 LAST\r\nx\r\n";
    let bare = "MAIL FROM:<a@b.example>\r\nRCPT TO:<tim@example.jp>\r\nBDAT 2 LAST\r\nx\n";
    let bare_end = "554 5.6.0 Message refused: it holds a bare CR or LF; lines must end with CRLF";
    let many = "421 4.7.0 Too many errors; closing connection (the last error: 500 5.5.1 Command unrecognized)";
    for (said, fault) in [
        ("QUIT\r\n".to_owned(), None),
        ("FOO\r\nQUIT\r\n".to_owned(), Some("500 5.5.1 Command unrecognized")),
        ("FOO\r\n".repeat(30), Some(many)),
        ("GET / HTTP/1.1\r\n".to_owned(), Some("554 5.5.1 This is a mail server")),
        (format!("FOO\r\n{message}QUIT\r\n"), None),
        (format!("{message}FOO\r\nQUIT\r\n"), Some("500 5.5.1 Command unrecognized")),
        (format!("{bare}QUIT\r\n"), Some(bare_end)),
        (format!("{bare}{message}QUIT\r\n"), None),
    ] {
        let mut connection = greeted();
        connection.send(said.as_bytes(), usize::MAX);
        assert_eq!(connection.session.fault().as_deref(), fault, "{said}");
    }
    // The rim knows whom it refused.
    let mut connection = greeted();
    assert!(connection.say("MAIL FROM:<>\r\nRCPT TO:<x@example.jp>\r\nDATA\r\n").contains("554 5.5.1 No valid"));
    connection.say("QUIT\r\n");
    assert_eq!(connection.session.fault(), None);
}

#[test]
fn silence_is_a_fault_unless_something_came_of_the_session_before() {
    let timeout = "421 4.4.2 Timeout; closing connection";
    let message = "MAIL FROM:<a@b.example>\r\nRCPT TO:<tim@example.jp>\r\nBDAT 3 LAST\r\nx\r\n";
    for (said, fault) in [("NOOP\r\n", Some(timeout)), (message, None), ("MAIL FROM:<a@b.example>\r\n", Some(timeout))]
    {
        let mut connection = greeted();
        connection.say(said);
        connection.session.timed_out();
        let (bye, waits) = connection.run();
        assert_eq!((String::from_utf8(bye).unwrap(), waits), (format!("{timeout}\r\n"), Waits::Closed));
        assert_eq!(connection.session.fault().as_deref(), fault, "{said}");
    }
}
