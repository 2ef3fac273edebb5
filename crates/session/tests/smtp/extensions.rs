//! Parameters of MAIL by which a sender says how its message is to be handled: who may give them, and what they may be.

use yubin_session::smtp::{Listener, SmtpSession};
use yubin_session::{Security, Session as _};
use yubin_types::{ByMode, ByTrace, Handling, Priority, TlsDemand, limits};

use crate::harness::{Connection, tls_facts};
use crate::rim::{SmtpRim, connect};

fn encrypted(listener: Listener) -> Connection<SmtpSession, SmtpRim> {
    let mut connection = connect(listener, Security::Encrypted(tls_facts()));
    let hello = if listener == Listener::Lmtp { "LHLO" } else { "EHLO" };
    connection.say(&format!("{hello} client.example\r\n"));
    connection
}

/// What MAIL with these parameters comes to.
fn stored(connection: &mut Connection<SmtpSession, SmtpRim>, parameters: &str) -> yubin_session::smtp::Mail {
    let said = connection.say(&format!("MAIL FROM:<a@b.example>{parameters}\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n"));
    assert!(said.starts_with("250 ") && said.contains("354 "), "{parameters}: {said}");
    connection.say(".\r\n");
    connection.rim.stored.pop().unwrap().mail
}

#[test]
fn requiretls_is_offered_and_taken_under_tls_alone() {
    for listener in [Listener::Mx, Listener::Lmtp] {
        let hello = if listener == Listener::Lmtp { "LHLO x\r\n" } else { "EHLO x\r\n" };
        let mut connection = connect(listener, Security::Upgradable);
        assert!(!connection.say(hello).contains("REQUIRETLS"));
        assert!(connection.say("MAIL FROM:<a@b.example> REQUIRETLS\r\n").starts_with("555 5.5.4"));
        connection.send(b"STARTTLS\r\n", usize::MAX);
        connection.session.tls_started(tls_facts());
        assert!(connection.say(hello).contains("250-REQUIRETLS\r\n"));
        for bad in ["REQUIRETLS=", "REQUIRETLS=yes", "REQUIRETLS requiretls"] {
            assert!(connection.say(&format!("MAIL FROM:<a@b.example> {bad}\r\n")).starts_with("501 5.5.4"), "{bad}");
        }
        assert_eq!(stored(&mut connection, " RequireTls SIZE=1").tls, TlsDemand::Required);
        assert_eq!(stored(&mut connection, "").tls, TlsDemand::None);
    }
    assert_eq!(stored(&mut encrypted(Listener::Mx), " BODY=8BITMIME REQUIRETLS").tls, TlsDemand::Required);
}

fn submission() -> Connection<SmtpSession, SmtpRim> {
    let mut connection = encrypted(Listener::Submission);
    assert!(connection.say("AUTH PLAIN AHRpbUBleGFtcGxlLmpwAHRhbnN0YWFm\r\n").starts_with("235 "));
    connection
}

/// Parameters that make no sense, or more than is offered, get their replies; the others come to this.
fn each(bad: &[(&str, &str)]) {
    for (parameters, reply) in bad {
        let said = submission().say(&format!("MAIL FROM:<tim@example.jp> {parameters}\r\n"));
        assert!(said.starts_with(reply), "{parameters}: {said}");
        assert_eq!(said.matches("\r\n").count(), 1, "{parameters}: {said}");
    }
}

#[test]
fn users_alone_say_when_and_how_urgently_mail_is_sent() {
    for parameter in ["HOLDFOR=60", "HOLDUNTIL=2026-11-22T00:00:00Z", "MT-PRIORITY=1", "BY=60;N"] {
        for listener in [Listener::Mx, Listener::Lmtp] {
            let mut connection = encrypted(listener);
            assert!(connection.say(&format!("MAIL FROM:<a@b.example> {parameter}\r\n")).starts_with("555 5.5.4"));
        }
        let mut nobody = encrypted(Listener::Submission);
        assert!(nobody.say(&format!("MAIL FROM:<tim@example.jp> {parameter}\r\n")).starts_with("530 5.7.0"));
    }
    for listener in [Listener::Mx, Listener::Lmtp] {
        let hello = if listener == Listener::Lmtp { "LHLO x\r\n" } else { "EHLO x\r\n" };
        let offers = encrypted(listener).say(hello);
        for keyword in ["FUTURERELEASE", "MT-PRIORITY", "DELIVERBY", "BINARYMIME"] {
            assert!(!offers.contains(keyword), "{offers}");
        }
    }
}

#[test]
fn mail_is_held_back_as_long_as_is_offered() {
    let mut connection = submission();
    let offers = connection.say("EHLO x\r\n");
    let most = limits::FUTURE_RELEASE_SECONDS_MAX;
    let offered = offers.lines().find_map(|line| line.strip_prefix(&format!("250-FUTURERELEASE {most} "))).unwrap();
    let (now, offered) = (connection.now, offered.to_owned());
    let release = stored(&mut connection, " HOLDFOR=60").handling.release.unwrap();
    assert_eq!((release.at, release.held_for_seconds), (now.plus_seconds(60), Some(60)));
    let release = stored(&mut connection, &format!(" HOLDUNTIL={offered}")).handling.release.unwrap();
    assert_eq!((release.at.seconds(), release.held_for_seconds), (now.plus_seconds(most).seconds(), None));
    assert_eq!(stored(&mut connection, " HOLDUNTIL=1970-01-01T00:00:00-09:00").handling, Handling::default());
    each(&[
        ("HOLDFOR", "501 5.5.4"),
        ("HOLDFOR=", "501 5.5.4"),
        ("HOLDFOR=0", "501 5.5.4"),
        ("HOLDFOR=-5", "501 5.5.4"),
        ("HOLDFOR=1e3", "501 5.5.4"),
        ("HOLDFOR=60 HOLDFOR=60", "501 5.5.4"),
        ("HOLDFOR=60 HOLDUNTIL=2026-11-22T00:00:00Z", "501 5.5.4"),
        (&format!("HOLDFOR={}", most + 1), "501 5.5.4 Messages are held back no longer than FUTURERELEASE says"),
        ("HOLDUNTIL=9999-12-31T23:59:59Z", "501 5.5.4 Messages are held back no longer than FUTURERELEASE says"),
        ("HOLDUNTIL=2026-11-22", "501 5.5.4"),
        ("HOLDUNTIL=2026-11-22T25:00:00Z", "501 5.5.4"),
        ("HOLDUNTIL", "501 5.5.4"),
    ]);
}

#[test]
fn priorities_are_taken_and_those_too_high_lowered() {
    let mut connection = submission();
    assert!(connection.say("EHLO x\r\n").contains("250-MT-PRIORITY\r\n"));
    for (asked, given) in [("-9", -9), ("0", 0), ("4", 4), ("9", 4)] {
        let said = connection.say(&format!("MAIL FROM:<tim@example.jp> MT-PRIORITY={asked}\r\n"));
        let expected = if asked == "9" { "250 2.3.6 4 is the new priority" } else { "250 2.1.0 Sender OK" };
        assert!(said.starts_with(expected), "{asked}: {said}");
        connection.say("RCPT TO:<tim@example.jp>\r\nDATA\r\n");
        connection.say(".\r\n");
        assert_eq!(connection.rim.stored.pop().unwrap().mail.handling.priority, Priority::new(given).unwrap());
    }
    each(
        &[
            "MT-PRIORITY",
            "MT-PRIORITY=",
            "MT-PRIORITY=10",
            "MT-PRIORITY=-0",
            "MT-PRIORITY=+1",
            "MT-PRIORITY=high",
            "MT-PRIORITY=1 MT-PRIORITY=1",
        ]
        .map(|bad| (bad, "501 5.5.4")),
    );
}

#[test]
fn deadlines_say_what_becomes_of_mail_that_is_late() {
    let mut connection = submission();
    let least = limits::DELIVER_BY_SECONDS_MIN;
    assert!(connection.say("EHLO x\r\n").contains(&format!("250-DELIVERBY {least}\r\n")));
    let now = connection.now;
    let deadline = stored(&mut connection, " BY=120;rt").handling.deadline.unwrap();
    assert_eq!((deadline.at, deadline.mode, deadline.trace), (now.plus_seconds(120), ByMode::Return, ByTrace::On));
    let deadline = stored(&mut connection, " BY=+0;N HOLDFOR=50").handling.deadline.unwrap();
    assert_eq!((deadline.at, deadline.mode, deadline.trace), (now.plus_seconds(50), ByMode::Notify, ByTrace::Off));
    assert_eq!(stored(&mut connection, " BY=-30;N").handling.deadline.unwrap().seconds_left(now), -30);
    each(
        &["BY", "BY=", "BY=60", "BY=60;", "BY=60;X", "BY=0;R", "BY=-1;R", "BY=1234567890;N", "BY=60;N BY=60;N"]
            .map(|bad| (bad, "501 5.5.4")),
    );
    each(&[(&format!("BY={};R", least - 1), "555 5.5.4 Less time than DELIVERBY says")]);
}

/// RFC 3030: what can't be kept whole is refused in words.
#[test]
fn binary_mail_is_refused_and_told_why() {
    each(&[("BODY=BINARYMIME", "555 5.5.4 BINARYMIME is not offered"), ("body=binarymime", "555 5.5.4 BINARYMIME")]);
}
