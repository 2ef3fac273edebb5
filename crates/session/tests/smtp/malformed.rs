//! Malformed commands, each with the reply that its RFC names, and what keeps a bad client from going on for ever.

use yubin_session::smtp::{Answer, Ask, Listener};
use yubin_session::{Security, Session as _, Step};

use crate::harness::{Rim as _, Waits, tls_facts};
use crate::rim::{connect, greeted};

/// Sent after EHLO; the reply begins with this.
const AFTER_EHLO: [(&str, &str); 65] = [
    // RFC 5321 §4.2.4: unknown and unimplemented commands.
    ("FOO", "500 5.5.1"),
    ("", "500 5.5.1"),
    (" MAIL FROM:<a@b.example>", "500 5.5.1"),
    ("MAILFROM:<a@b.example>", "500 5.5.1"),
    ("XCLIENT ADDR=192.0.2.1", "500 5.5.1"),
    ("Subject: text as a command", "500 5.5.1"),
    ("\u{e9}HLO x", "500 5.5.1"),
    ("EXPN staff", "502 5.5.1"),
    ("ETRN example.jp", "502 5.5.1"),
    ("TURN", "502 5.5.1"),
    ("SOML FROM:<a@b.example>", "502 5.5.1"),
    // RFC 5321 §4.2.2: syntax errors in arguments.
    ("EHLO", "501 5.5.4"),
    ("HELO", "501 5.5.4"),
    ("DATA now", "501 5.5.4"),
    ("RSET now", "501 5.5.4"),
    ("QUIT now", "501 5.5.4"),
    ("STARTTLS now", "501 5.5.4"),
    ("VRFY", "501 5.5.4"),
    ("MAIL", "501 5.5.4"),
    ("MAIL <a@b.example>", "501 5.5.4"),
    ("MAIL FROM", "501 5.5.4"),
    ("MAIL TO:<a@b.example>", "501 5.5.4"),
    // RFC 5321 §4.1.2, RFC 3463 §3.2: addresses.
    ("MAIL FROM:", "501 5.1.7"),
    ("MAIL FROM:a@b.example", "501 5.1.7"),
    ("MAIL FROM:<a@b.example", "501 5.1.7"),
    ("MAIL FROM:<a@b.example>SIZE=1", "501 5.1.7"),
    ("MAIL FROM:<<a@b.example>>", "501 5.1.7"),
    ("MAIL FROM:<a>", "501 5.1.7"),
    ("MAIL FROM:<@>", "501 5.1.7"),
    ("MAIL FROM:<a@>", "501 5.1.7"),
    ("MAIL FROM:<@b.example>", "501 5.1.7"),
    ("MAIL FROM:<a b@c.example>", "501 5.1.7"),
    ("MAIL FROM:<a@b..example>", "501 5.1.7"),
    ("MAIL FROM:<a@-b.example>", "501 5.1.7"),
    ("MAIL FROM:<\"a@b.example>", "501 5.1.7"),
    ("MAIL FROM:<a@[192.0.2.1]>", "553 5.1.7"),
    ("MAIL FROM:<\u{3042}@b.example>", "553 5.6.7"),
    ("MAIL FROM:<a@\u{4f8b}\u{3048}.jp>", "553 5.6.7"),
    // RFC 5321 §4.1.1.11, RFC 1870, RFC 6152, RFC 6531: parameters.
    ("MAIL FROM:<> SIZE", "501 5.5.4"),
    ("MAIL FROM:<> SIZE=", "501 5.5.4"),
    ("MAIL FROM:<> SIZE=-1", "501 5.5.4"),
    ("MAIL FROM:<> SIZE=1k", "501 5.5.4"),
    ("MAIL FROM:<> SIZE=1 SIZE=2", "501 5.5.4"),
    ("MAIL FROM:<> SMTPUTF8=yes", "501 5.5.4"),
    ("MAIL FROM:<> SIZE=1000001", "552 5.3.4"),
    ("MAIL FROM:<> SIZE=99999999999999999999", "552 5.3.4"),
    ("MAIL FROM:<> BODY=BINARYMIME", "555 5.5.4"),
    ("MAIL FROM:<> RET=FULL", "555 5.5.4"),
    ("MAIL FROM:<> X", "555 5.5.4"),
    // RFC 5321 §4.1.4: order.
    ("RCPT TO:<tim@example.jp>", "503 5.5.1"),
    ("DATA", "503 5.5.1"),
    ("BDAT 0 LAST", "503 5.5.1"),
    // RFC 4954 §4 on a listener without AUTH; RFC 3207 §4 without TLS.
    ("AUTH PLAIN AHRpbQB0YW5zdGFhZg==", "502 5.5.1"),
    ("AUTH BOGUS", "502 5.5.1"),
    ("STARTTLS", "502 5.5.1"),
    // RFC 3030 §2: what follows a size that can't be read can't be found; the connection is closed.
    ("BDAT", "501 5.5.4"),
    ("BDAT x", "501 5.5.4"),
    ("BDAT -1", "501 5.5.4"),
    ("BDAT 1 LATER", "501 5.5.4"),
    ("BDAT 1 LAST 2", "501 5.5.4"),
    ("BDAT 18446744073709551616000", "501 5.5.4"),
    // Other protocols.
    ("GET / HTTP/1.1", "554 5.5.1"),
    ("POST / HTTP/1.1", "554 5.5.1"),
    ("CONNECT example.jp:25 HTTP/1.1", "554 5.5.1"),
    ("PRI * HTTP/2.0", "554 5.5.1"),
];

/// Sent after MAIL; the reply begins with this.
const AFTER_MAIL: [(&str, &str); 33] = [
    ("RCPT", "501 5.5.4"),
    ("RCPT <tim@example.jp>", "501 5.5.4"),
    ("RCPT FROM:<tim@example.jp>", "501 5.5.4"),
    ("RCPT TO:", "501 5.1.3"),
    ("RCPT TO:<>", "501 5.1.3"),
    ("RCPT TO:tim@example.jp", "501 5.1.3"),
    ("RCPT TO:<tim>", "501 5.1.3"),
    ("RCPT TO:<\"\"@example.jp>", "501 5.1.3"),
    ("RCPT TO:<tim@example.jp@example.jp>", "501 5.1.3"),
    ("RCPT TO:<@a.example,@b.example>", "501 5.1.3"),
    ("RCPT TO:<\u{3042}@example.jp>", "553 5.6.7"),
    ("RCPT TO:<tim@[127.0.0.1]>", "550 5.1.2"),
    ("RCPT TO:<tim@[IPv6:::1]>", "550 5.1.2"),
    ("RCPT TO:<tim@example.jp> NOTIFY=NEVER", "555 5.5.4"),
    ("RCPT TO:<tim@example.jp> X=1", "555 5.5.4"),
    ("MAIL FROM:<a@b.example>", "503 5.5.1"),
    ("DATA", "503 5.5.1"),
    ("BDAT 0 LAST", "503 5.5.1"),
    // Ways to make a relay of a server: none of these is an address of ours.
    ("RCPT TO:<x@elsewhere.example>", "550 5.7.1"),
    ("RCPT TO:<@example.jp:x@elsewhere.example>", "550 5.7.1"),
    ("RCPT TO:<x%elsewhere.example@example.jp>", "550 5.1.1"),
    ("RCPT TO:<elsewhere.example!x@example.jp>", "550 5.1.1"),
    ("RCPT TO:<\"x@elsewhere.example\"@example.jp>", "550 5.1.1"),
    ("RCPT TO:<\"x%elsewhere.example\"@example.jp>", "550 5.1.1"),
    ("RCPT TO:<x@example.jp.elsewhere.example>", "550 5.7.1"),
    ("RCPT TO:<x@sub.example.jp>", "550 5.7.1"),
    // Nothing is interpreted.
    ("RCPT TO:<${run{x}}@example.jp>", "550 5.1.1"),
    ("RCPT TO:<../../etc/passwd@example.jp>", "550 5.1.1"),
    ("RCPT TO:<|/bin/sh@example.jp>", "550 5.1.1"),
    // And what looks odd but is right.
    ("RCPT TO:<Tim@EXAMPLE.JP>", "550 5.1.1"),
    ("RCPT TO: <tim@example.jp>  ", "250 2.1.5"),
    ("rcpt to:<@relay.example:tim@example.jp>", "250 2.1.5"),
    ("RCPT TO:<\"tim\"@example.jp.>", "250 2.1.5"),
];

#[test]
fn every_malformed_command_has_its_reply() {
    for (line, reply) in AFTER_EHLO {
        let said = greeted().say(&format!("{line}\r\n"));
        assert!(said.starts_with(reply), "{line:?}: {said:?}");
        assert_eq!(said.matches("\r\n").count(), 1, "{line:?}: {said:?}");
    }
    for (line, reply) in AFTER_MAIL {
        let mut connection = greeted();
        connection.say("MAIL FROM:<a@b.example>\r\n");
        let said = connection.say(&format!("{line}\r\n"));
        assert!(said.starts_with(reply), "{line:?}: {said:?}");
        assert_eq!(said.matches("\r\n").count(), 1, "{line:?}: {said:?}");
    }
}

/// Attack list, item 13.
#[test]
fn lines_end_with_crlf_and_are_bounded() {
    let long = format!("NOOP {}\r\n", "x".repeat(2_041));
    let longer = format!("NOOP {}\r\n", "x".repeat(2_042));
    let longest = format!("NOOP {}\r\n", "x".repeat(100_000));
    for (text, reply) in [
        ("NOOP\n", "500 5.5.2"),
        ("NOOP\rNOOP\r\n", "500 5.5.2"),
        ("NOOP\r\r\n", "500 5.5.2"),
        ("NOOP\0\r\n", "500 5.5.2"),
        ("MAIL FROM:<a\0@b.example>\r\n", "500 5.5.2"),
        (&long, "250 2.0.0"),
        (&longer, "500 5.5.6"),
        (&longest, "500 5.5.6"),
    ] {
        for segment in [1, 100, usize::MAX] {
            let mut connection = greeted();
            let (said, waits) = connection.send(text.as_bytes(), segment);
            assert!(said.starts_with(reply.as_bytes()), "{:?}: {}", &text[..8], said.escape_ascii());
            assert_eq!(waits, Waits::Client);
            // The next command is found where it is.
            assert_eq!(connection.say("NOOP\r\n"), "250 2.0.0 OK\r\n");
        }
    }
}

#[test]
fn utf8_addresses_need_smtputf8() {
    let mut connection = greeted();
    let said = connection.say("MAIL FROM:<\u{3042}@b.example> SMTPUTF8\r\nRCPT TO:<\u{3042}@example.jp>\r\n");
    assert_eq!(said, "250 2.1.0 Sender OK\r\n550 5.1.1 User unknown\r\n");
}

/// RFC 5321 §4.1.4, and headers can't be injected by it: the name is only ever harmless characters.
#[test]
fn a_greeting_is_made_harmless() {
    let mut connection = connect(Listener::Mx, Security::Clear);
    connection.say("EHLO my pc\r\n");
    connection.say("MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n");
    assert_eq!(connection.rim.origin.take().unwrap().helo, "my?pc");
    connection.say(".\r\n");
    connection.say("EHLO a(b)\u{3042};\"\r\n");
    connection.say("MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n");
    assert_eq!(connection.rim.origin.unwrap().helo, "a?b??????");
}

/// Attack list, item 13.
#[test]
fn too_many_errors_close_the_connection() {
    let mut connection = greeted();
    let said = connection.say(&"FOO\r\n".repeat(30));
    assert_eq!(said.matches("500 5.5.1").count(), 21);
    assert!(said.ends_with("421 4.7.0 Too many errors; closing connection\r\n"), "{said}");
    assert_eq!(connection.run().1, Waits::Closed);
}

/// Attack list, item 13.
#[test]
fn commands_that_do_nothing_are_bounded() {
    let mut connection = greeted();
    let said = connection.say(&"NOOP\r\nRSET\r\nVRFY x\r\nHELP\r\n".repeat(100));
    assert!(said.ends_with("421 4.7.0 Too many errors; closing connection\r\n"));
    assert!(said.lines().count() < 130);
}

/// Attack list, item 18.
#[test]
fn harvesting_addresses_is_bounded() {
    let mut connection = greeted();
    let said = connection.say(&format!("MAIL FROM:<>\r\n{}", "RCPT TO:<x@example.jp>\r\n".repeat(300)));
    assert_eq!(said.matches("550 5.1.1").count(), 101);
    assert!(said.ends_with("421 4.7.0 Too many refused recipients; closing connection\r\n"));
}

/// Attack list, item 13.
#[test]
fn recipients_of_a_transaction_are_bounded_and_no_error() {
    let mut connection = greeted();
    let said = connection.say(&format!("MAIL FROM:<>\r\n{}", "RCPT TO:<tim@example.jp>\r\n".repeat(1_100)));
    assert_eq!(said.matches("250 2.1.5").count(), 1_000);
    assert_eq!(said.matches("452 4.5.3").count(), 100);
    assert!(connection.say("DATA\r\n").starts_with("354 "));
    assert!(connection.say(".\r\n").starts_with("250 "));
    assert_eq!(connection.rim.stored[0].recipients.len(), 1_000);
}

/// Attack list, item 5: whoever does not wait for a reply that must be waited for has taken something for what it is not.
#[test]
fn octets_behind_a_synchronizing_command_close_the_connection() {
    for (setup, text) in [
        ("", "EHLO x\r\nMAIL FROM:<>\r\n"),
        ("", "HELO x\r\nN"),
        ("EHLO x\r\n", "MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\ntext\r\n.\r\n"),
        ("EHLO x\r\n", "STARTTLS\r\nEHLO x\r\nMAIL FROM:<>\r\n"),
        ("EHLO x\r\n", "STARTTLS\r\n\x16\x03\x01"),
    ] {
        let mut connection = connect(Listener::Mx, Security::Upgradable);
        connection.say(setup);
        let (said, waits) = connection.send(text.as_bytes(), usize::MAX);
        assert_eq!(waits, Waits::Closed, "{text:?}");
        assert!(said.ends_with(b"554 5.5.0 Wait for the reply before sending more\r\n"), "{}", said.escape_ascii());
        assert!(connection.rim.stored.is_empty());
    }
}

/// Attack list, item 2: RFC 3207 §4.2: neither what was pipelined nor what was learned in clear survives the handshake.
#[test]
fn nothing_crosses_the_handshake() {
    let mut connection = connect(Listener::Submission, Security::Upgradable);
    connection.say("EHLO x\r\n");
    let (said, waits) = connection.send(b"STARTTLS\r\n", usize::MAX);
    assert_eq!((said.as_slice(), waits), (&b"220 2.0.0 Ready to start TLS\r\n"[..], Waits::Handshake));
    connection.session.receive(b"EHLO injected\r\nAUTH PLAIN AHRpbUBleGFtcGxlLmpwAHRhbnN0YWFm\r\n");
    connection.session.tls_started(tls_facts());
    assert_eq!(connection.run(), (vec![], Waits::Client));
    assert!(connection.say("AUTH PLAIN AHRpbUBleGFtcGxlLmpwAHRhbnN0YWFm\r\n").starts_with("503 5.5.1"));
    connection.say("EHLO x\r\n");
    assert!(connection.say("AUTH PLAIN AHRpbUBleGFtcGxlLmpwAHRhbnN0YWFm\r\n").starts_with("235 2.7.0"));
    connection.say("MAIL FROM:<tim@example.jp>\r\nRCPT TO:<ann@example.jp>\r\nDATA\r\n");
    let origin = connection.rim.origin.clone().unwrap();
    assert_eq!((origin.protocol, origin.user.as_deref()), ("ESMTPSA", Some("tim@example.jp")));
    assert_eq!(origin.tls, Some(tls_facts()));
}

/// The answer to no question breaks a session, and an answer that does not fit is our failure, not the peer's.
#[test]
fn a_rim_that_answers_nonsense_is_a_temporary_failure() {
    let mut connection = greeted();
    connection.session.answer(Answer::Accepted);
    assert_eq!(connection.say("NOOP\r\n"), "250 2.0.0 OK\r\n");
    connection.session.receive(b"MAIL FROM:<>\r\n");
    let Step::Ask(ask @ Ask::Mail(_)) = connection.session.next(connection.now) else { panic!("no question") };
    connection.rim.answer(ask);
    connection.session.answer(Answer::Recipients(vec![]));
    let (said, waits) = connection.run();
    assert_eq!((&said[..9], waits), (&b"421 4.3.0"[..], Waits::Closed));
}
