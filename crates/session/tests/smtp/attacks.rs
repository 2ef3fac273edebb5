//! Known attacks on mail servers, one test for each class, on every kind of listener: nothing that a peer sends is interpreted, smuggled
//! or believed, and nothing that it learns tells it who is here. What has a file of its own is tested there: ends of data on the MX
//! listener in all segmentations (`end_of_data`), chunks (`chunks`), whole sessions against a model (`fuzz`), syntax and bounds (`malformed`).

use yubin_session::smtp::{Answer, Ask, ForwardPath, Listener, SmtpSession};
use yubin_session::{Security, Session as _, Step};
use yubin_types::SmtpReply;

use crate::harness::{Connection, Waits, tls_facts};
use crate::rim::{SmtpRim, connect, greeted};

const SMUGGLED: &str = "MAIL FROM:<tim@example.jp>\r\nRCPT TO:<ann@example.jp>\r\nDATA\r\nsmuggled\r\n";

/// A connection of each kind of listener where MAIL may come.
fn ready(listener: Listener) -> Connection<SmtpSession, SmtpRim> {
    match listener {
        Listener::Mx => greeted(),
        Listener::Submission => {
            let mut connection = connect(listener, Security::Encrypted(tls_facts()));
            connection.say("EHLO client.example\r\n");
            assert!(connection.say("AUTH PLAIN AHRpbUBleGFtcGxlLmpwAHRhbnN0YWFm\r\n").starts_with("235 "));
            connection
        }
        Listener::Lmtp => {
            let mut connection = connect(listener, Security::Clear);
            connection.say("LHLO client.example\r\n");
            connection
        }
    }
}

/// Attack list, item 1: CVE-2023-51764, -51765, -51766, CVE-2023-51747.
#[test]
fn smuggling_makes_one_message_or_none_on_every_listener() {
    let look_alikes = [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r.\n",
        "\r.\r\n",
        "\r\n.\r",
        "\n\n.\n\n",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
    ];
    for listener in [Listener::Mx, Listener::Submission, Listener::Lmtp] {
        for look_alike in look_alikes {
            for segment in [1, 3, usize::MAX] {
                let mut connection = ready(listener);
                connection.say("MAIL FROM:<tim@example.jp>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n");
                let text = format!("Subject: x\r\n\r\nbefore{look_alike}{SMUGGLED}.\r\n");
                let (said, waits) = connection.send(text.as_bytes(), segment);
                assert!(said.starts_with(b"554 5.6.0 "), "{listener:?} {look_alike:?}: {}", said.escape_ascii());
                assert_eq!((said.iter().filter(|byte| **byte == b'\n').count(), waits), (1, Waits::Client));
                assert!(connection.rim.stored.is_empty());
            }
        }
        // A dot that was stuffed is text; what follows it is too.
        let mut connection = ready(listener);
        connection.say("MAIL FROM:<tim@example.jp>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n");
        let said = connection.say(&format!("before\r\n..\r\n{SMUGGLED}.\r\n"));
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(connection.rim.stored.len(), 1);
    }
}

/// Attack list, item 2: CVE-2011-0411, NO STARTTLS: on the listeners that have it.
#[test]
fn starttls_injection_closes_the_connection_on_every_listener() {
    for (listener, hello) in [(Listener::Mx, "EHLO"), (Listener::Submission, "EHLO"), (Listener::Lmtp, "LHLO")] {
        for injected in ["RSET\r\n", "MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n", "A", "\x16\x03\x01"] {
            let mut connection = connect(listener, Security::Upgradable);
            connection.say(&format!("{hello} client.example\r\n"));
            let (said, waits) = connection.send(format!("STARTTLS\r\n{injected}").as_bytes(), usize::MAX);
            assert!(said.starts_with(b"554 5.5.0 "), "{listener:?}: {}", said.escape_ascii());
            assert_eq!(waits, Waits::Closed);
        }
    }
}

/// Attack list, item 5: octets before the greeting was answered, and behind commands whose reply must be waited for.
#[test]
fn early_talkers_are_closed() {
    for (listener, hello) in [(Listener::Mx, "EHLO x"), (Listener::Mx, "HELO x"), (Listener::Lmtp, "LHLO x")] {
        let mut connection = connect(listener, Security::Clear);
        connection
            .session
            .receive(format!("{hello}\r\nMAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n").as_bytes());
        let (said, waits) = connection.run();
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with("220 ") && said.contains("\r\n554 5.5.0 ") && said.lines().count() == 2, "{said}");
        assert_eq!(waits, Waits::Closed);
    }
}

/// Attack list, item 4: CVE-2017-16943, CVE-2017-16944: odd chunks leave nothing behind.
#[test]
fn odd_chunks_reset_everything() {
    for (setup, chunks, replies) in [
        ("", "BDAT 0 LAST\r\n", vec!["503"]),
        ("MAIL FROM:<>\r\n", "BDAT 0\r\nBDAT 0 LAST\r\n", vec!["503", "503"]),
        ("MAIL FROM:<>\r\nRCPT TO:<nobody@example.jp>\r\n", "BDAT 4 LAST\r\nQUITDATA\r\n", vec!["554", "503"]),
        ("MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\n", "BDAT 0 LAST\r\nDATA\r\n", vec!["250", "503"]),
        (
            "MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\n",
            "BDAT 1\r\n\0RCPT TO:<tim@example.jp>\r\n",
            vec!["554", "503"],
        ),
        ("MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\n", "BDAT 0\r\nRSET\r\nDATA\r\n", vec!["250", "250", "503"]),
        ("MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\n", "BDAT 0\r\nMAIL FROM:<>\r\n", vec!["250", "503"]),
    ] {
        let mut connection = greeted();
        connection.say(setup);
        // DATA and the like must be last in their group.
        let said = connection.send(chunks.as_bytes(), 1).0;
        let said = String::from_utf8(said).unwrap();
        let codes: Vec<&str> = said.lines().map(|line| &line[..3]).collect();
        assert_eq!(codes, replies, "{chunks:?}: {said}");
    }
}

/// Attack list, item 6: CVE-2019-10149, CVE-2020-7247: each octet in a local part is a name's octet or an error, and never anything else.
#[test]
fn no_octet_of_an_address_is_interpreted() {
    for octet in 0..=255_u8 {
        for (before, after) in [("a", "b@example.jp"), ("\"a", "b\"@example.jp"), ("\"a\\", "b\"@example.jp")] {
            let mut connection = greeted();
            connection.say("MAIL FROM:<>\r\n");
            let line = [b"RCPT TO:<", before.as_bytes(), &[octet], after.as_bytes(), b">\r\n"].concat();
            let (said, waits) = connection.send(&line, usize::MAX);
            let said = String::from_utf8(said).unwrap();
            assert!(said.starts_with('5'), "{octet:#04x}: {said}");
            assert_eq!(waits, Waits::Client, "{octet:#04x}");
            // The next command is where it is, and the transaction as it was.
            let said = connection.say("RCPT TO:<tim@example.jp>\r\n");
            assert!(said.ends_with("250 2.1.5 Recipient OK\r\n"), "{octet:#04x}: {said}");
        }
    }
}

/// Attack list, item 6: a sender is taken over octet by octet, or not at all.
#[test]
fn names_reach_the_rim_as_they_were_sent() {
    for local in ["$(id)", "`id`", "a;b", "|sh", "&", "%s%n", "!", "*", "?x={y}", "'or'1'='1", "~root"] {
        let mut connection = greeted();
        connection.say(&format!("MAIL FROM:<{local}@b.example>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n"));
        connection.say(".\r\n");
        let Some(stored) = connection.rim.stored.first() else { continue };
        let sender = format!("{:?}", stored.mail.sender);
        assert!(sender.contains(local), "{local}: {sender}");
    }
}

/// Attack list, item 8.
/// CVE-2019-11500, CVE-2018-6789, CVE-2020-10967, CVE-2020-7046, and Postfix's ENVID of NUL: refused or kept, and the session goes on.
#[test]
fn broken_strings_are_refused() {
    let addresses: [&[u8]; 9] = [
        b"<\"\"@example.jp>",
        b"<\"\\\"@example.jp>",
        b"<\"a\0b\"@example.jp>",
        b"<\"a\\\0b\"@example.jp>",
        b"<a\xc3@example.jp>",
        b"<\xf0\x9f\x93@example.jp>",
        b"<a@\xff.example>",
        b"<@>",
        b"<a@xn--.example\xe2\x80>",
    ];
    for listener in [Listener::Mx, Listener::Submission, Listener::Lmtp] {
        for address in addresses {
            let mut connection = ready(listener);
            for command in [&b"MAIL FROM:"[..], b"RCPT TO:"] {
                let (said, waits) = connection.send(&[command, address, b"\r\n"].concat(), usize::MAX);
                assert!(said.starts_with(b"5"), "{}: {}", address.escape_ascii(), said.escape_ascii());
                assert_eq!(waits, Waits::Client);
                connection.say("MAIL FROM:<tim@example.jp>\r\n");
            }
        }
    }
    let mut connection = ready(Listener::Submission);
    for parameter in ["ENVID=+0", "ENVID=+", "ENVID=+g0", "ENVID=", "RET=", "SIZE=+1", "AUTH", "SMTPUTF8="] {
        let said = connection.say(&format!("MAIL FROM:<tim@example.jp> {parameter}\r\n"));
        assert!(said.starts_with("501 5.5.4"), "{parameter}: {said}");
    }
    for initial in ["=", "====", "AA=A", "AHRpbUBleGFtcGxlLmpwAHRhbnN0YWFmAA==", "/////w=="] {
        let mut connection = connect(Listener::Submission, Security::Encrypted(tls_facts()));
        connection.say("EHLO x\r\n");
        let said = connection.say(&format!("AUTH PLAIN {initial}\r\n"));
        assert!(said.starts_with("501 5.5.2") || said.starts_with("535 5.7.8"), "{initial}: {said}");
    }
}

/// Attack list, item 18: Postfix 2026: VRFY of UTF-8 without SMTPUTF8. And nobody learns who is here.
#[test]
fn vrfy_and_expn_say_the_same_of_everybody() {
    for listener in [Listener::Mx, Listener::Submission] {
        let mut connection = ready(listener);
        let known = connection.say("VRFY tim@example.jp\r\n");
        assert!(known.starts_with("252 "));
        for name in ["nobody@example.jp", "tim", "\u{3042}@example.jp", "<tim@example.jp>", "postmaster", "a b c"] {
            assert_eq!(connection.say(&format!("VRFY {name}\r\n")), known, "{name}");
        }
        let closed = connection.say("EXPN tim@example.jp\r\n");
        assert!(closed.starts_with("502 "));
        assert_eq!(connection.say("EXPN nobody@example.jp\r\n"), closed);
    }
}

/// Attack list, item 17: names that only look alike stay different names: what is asked of the rim is what was sent, or its one canonical form.
#[test]
fn look_alike_names_are_not_taken_for_each_other() {
    for name in ["t\u{131}m", "ti\u{200b}m", "\u{ff54}im", "tim\u{301}", "\u{3c4}im"] {
        let mut connection = greeted();
        connection.say("MAIL FROM:<a@b.example> SMTPUTF8\r\n");
        let said = connection.say(&format!("RCPT TO:<{name}@example.jp>\r\n"));
        assert!(said.starts_with('5'), "{name}: {said}");
    }
    let mut connection = greeted();
    connection.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<tim@EXAMPLE.jp>\r\nDATA\r\n");
    connection.say(".\r\n");
    let ForwardPath::Address(address) = &connection.rim.stored[0].recipients[0].path else { panic!() };
    assert_eq!(address.to_string(), "tim@example.jp");
}

/// Attack list, item 3: Opossum, ALPACA (CVE-2021-3618): a browser that was led here says its piece to nobody.
#[test]
fn http_is_closed_at_its_first_line_on_every_listener() {
    for listener in [Listener::Mx, Listener::Submission, Listener::Lmtp] {
        for verb in ["GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "PRI"] {
            let mut connection = connect(listener, Security::Clear);
            connection.run();
            let request =
                format!("{verb} / HTTP/1.1\r\nHost: mx.example.jp\r\n\r\nMAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\n");
            let (said, waits) = connection.send(request.as_bytes(), usize::MAX);
            assert_eq!(String::from_utf8(said).unwrap(), "554 5.5.1 This is a mail server\r\n", "{listener:?} {verb}");
            assert_eq!(waits, Waits::Closed);
        }
    }
}

/// Attack list, item 9.
/// RUSTSEC-2021-0069, CVE-2024-21742: what a client calls itself ends no line of a header, and what the rim says no line of a reply.
#[test]
fn nothing_that_is_said_breaks_out_of_its_line() {
    for name in ["a\tb", "a;b", "<a>", "a\u{2028}b", "a\u{b}b", "(a)", "a\\", "\"a", "a\u{7f}", "\u{e9}"] {
        let mut connection = connect(Listener::Mx, Security::Clear);
        connection.run();
        let said = connection.say(&format!("EHLO {name}\r\n"));
        assert!(said.lines().all(|line| line.starts_with("250")), "{name:?}: {said}");
        connection.say("MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n");
        let helo = connection.rim.origin.clone().unwrap().helo;
        assert!(
            helo.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]?".contains(&byte)),
            "{name:?}: {helo}"
        );
    }
    let mut connection = greeted();
    connection.session.receive(b"MAIL FROM:<>\r\n");
    let Step::Ask(Ask::Mail(_)) = connection.session.next(connection.now) else { panic!("no question") };
    let told = SmtpReply::new(550, (5, 7, 1), "no\r\n250 2.1.0 Sender OK\r\n\0\u{e9}");
    connection.session.answer(Answer::Refused(told));
    assert_eq!(connection.run().0, b"550 5.7.1 no??250 2.1.0 Sender OK????\r\n");
}

/// Attack list, item 12.
/// Mail that goes in circles ends, whoever sends it; and a transaction of the null sender is one like any other, with nothing behind it
/// that would answer it.
#[test]
fn mail_in_circles_ends_on_every_listener() {
    for listener in [Listener::Mx, Listener::Submission, Listener::Lmtp] {
        for (hops, code) in [(50, "250 2.0.0"), (51, "554 5.4.6")] {
            let mut connection = ready(listener);
            connection.say("MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n");
            let text = "Received: from a by b\r\n".repeat(hops);
            let said = connection.say(&format!("{text}\r\nReceived: not counted\r\n.\r\n"));
            assert!(said.starts_with(code), "{listener:?}, {hops}: {said}");
            assert_eq!(connection.rim.stored.len(), usize::from(hops == 50));
        }
    }
}
