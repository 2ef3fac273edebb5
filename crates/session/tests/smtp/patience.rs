//! How long a peer may keep a connection of which nothing comes (attack list, item 20).

use yubin_session::smtp::{Listener, SmtpSession};
use yubin_session::{Security, Session as _};
use yubin_types::limits;

use crate::harness::{Connection, Waits, tls_facts};
use crate::rim::{SmtpRim, connect, greeted};

const TIMEOUT: &[u8] = b"421 4.4.2 Timeout; closing connection\r\n";
const MESSAGE: &str = "MAIL FROM:<a@b.example>\r\nRCPT TO:<tim@example.jp>\r\nBDAT 3 LAST\r\nx\r\n";
const LOGIN: &str = "AUTH PLAIN AHRpbUBleGFtcGxlLmpwAHRhbnN0YWFm\r\n";

/// After how many seconds a peer that says this every `pause` seconds is closed; none: not within two hours.
fn closed_after(connection: &mut Connection<SmtpSession, SmtpRim>, text: &[u8], pause: u64) -> Option<u64> {
    let start = connection.now;
    loop {
        connection.now = connection.now.plus_seconds(pause);
        let elapsed = connection.now.millis_since(start) / 1_000;
        let (said, waits) = connection.send(text, usize::MAX);
        if waits == Waits::Closed {
            assert!(said.ends_with(TIMEOUT), "{}", said.escape_ascii());
            return Some(elapsed);
        }
        if elapsed > 7_200 {
            return None;
        }
    }
}

fn submission() -> Connection<SmtpSession, SmtpRim> {
    let mut connection = connect(Listener::Submission, Security::Encrypted(tls_facts()));
    connection.say("EHLO client.example\r\n");
    connection
}

#[test]
fn a_stranger_has_limited_time_to_name_a_sender_or_to_log_in() {
    assert_eq!(closed_after(&mut greeted(), b"NOOP\r\n", 50), Some(200));
    assert_eq!(closed_after(&mut submission(), b"NOOP\r\n", 50), Some(200));
    // What is refused doesn't count, nor do octets that nobody asked for.
    assert_eq!(closed_after(&mut greeted(), b"MAIL FROM:<a@b.example> SIZE=9999999\r\n", 50), Some(200));
    assert_eq!(closed_after(&mut greeted(), b"BDAT 200000\r\n", 50), Some(200));
}

#[test]
fn a_command_line_that_drips_in_runs_out_of_time() {
    assert_eq!(closed_after(&mut greeted(), b"N", 20), Some(180));
    // Later each command has its five minutes, and no more.
    let mut connection = greeted();
    connection.say("MAIL FROM:<a@b.example>\r\n");
    assert_eq!(closed_after(&mut connection, b"N", 20), Some(300));
    let mut connection = submission();
    assert!(connection.say(LOGIN).starts_with("235 "));
    assert_eq!(closed_after(&mut connection, b"N", 20), Some(300));
}

#[test]
fn nobody_stays_without_bringing_mail_and_whoever_brings_some_does() {
    let mut connection = greeted();
    connection.say("MAIL FROM:<a@b.example>\r\n");
    assert_eq!(closed_after(&mut connection, b"RSET\r\nMAIL FROM:<a@b.example>\r\n", 200), Some(1_800));
    let mut connection = submission();
    connection.say(LOGIN);
    assert_eq!(closed_after(&mut connection, b"NOOP\r\n", 200), Some(1_800));
    assert_eq!(closed_after(&mut greeted(), MESSAGE.as_bytes(), 170), None);
    // Own machines may keep their connections.
    let mut connection = connect(Listener::Lmtp, Security::Clear);
    connection.say("LHLO client.example\r\n");
    assert_eq!(closed_after(&mut connection, b"NOOP\r\n", 200), None);
}

#[test]
fn a_message_that_takes_longer_is_not_cut_off() {
    let mut connection = greeted();
    connection.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n");
    let line = [&[b'x'; 60_000 - 2][..], b"\r\n"].concat();
    for _ in 0..16 {
        connection.now = connection.now.plus_seconds(130);
        assert_eq!(connection.send(&line, usize::MAX).1, Waits::Client);
    }
    assert!(connection.say(".\r\n").starts_with("250 2.0.0 "));
}

#[test]
fn failures_that_nobody_is_blamed_for_are_counted_in_the_end() {
    let mut connection = greeted();
    let forgiven = usize::try_from(limits::SMTP_FORGIVEN_COMMANDS_MAX).unwrap();
    let refused = connection.say(&"MAIL FROM:<a@b.example> SIZE=9999999\r\n".repeat(forgiven));
    assert_eq!(refused.matches("552 5.3.4").count(), forgiven);
    let end = connection.say(&"MAIL FROM:<a@b.example> SIZE=9999999\r\n".repeat(21));
    assert!(end.ends_with("421 4.7.0 Too many errors; closing connection\r\n"), "{end}");
    assert_eq!(connection.run().1, Waits::Closed);
}

#[test]
fn a_sender_that_names_too_many_recipients_still_brings_its_mail() {
    let mut connection = greeted();
    connection.say("MAIL FROM:<a@b.example>\r\n");
    let said = connection.say(&"RCPT TO:<tim@example.jp>\r\n".repeat(5 * limits::SMTP_RECIPIENTS_MAX));
    assert_eq!(said.matches("452 4.5.3").count(), 4 * limits::SMTP_RECIPIENTS_MAX);
    assert!(connection.say("BDAT 3 LAST\r\nx\r\n").starts_with("250 2.0.0 "));
}

#[test]
fn where_places_are_scarce_only_users_and_own_machines_may_be_silent() {
    let scarce = |connection: &Connection<SmtpSession, SmtpRim>| connection.session.scarce_seconds_max(connection.now);
    let mut connection = greeted();
    assert_eq!(scarce(&connection), Some(10));
    connection.now = connection.now.plus_seconds(6);
    // An octet is no command, and begins nothing anew.
    connection.say("N");
    assert_eq!(scarce(&connection), Some(4));
    connection.now = connection.now.plus_seconds(60);
    assert_eq!(scarce(&connection), Some(0));
    connection.say("OOP\r\n");
    assert_eq!(scarce(&connection), Some(10));
    // A message goes by its own rate, as long as it does not stop.
    connection.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n");
    connection.now = connection.now.plus_seconds(60);
    connection.say("text\r\n");
    assert_eq!(scarce(&connection), Some(10));
    let mut connection = submission();
    assert_eq!(scarce(&connection), Some(10));
    connection.say(LOGIN);
    assert_eq!(scarce(&connection), None);
    let mut connection = connect(Listener::Lmtp, Security::Clear);
    connection.say("LHLO client.example\r\n");
    assert_eq!(scarce(&connection), None);
}
