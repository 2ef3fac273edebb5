//! Only CRLF.CRLF ends DATA: every look-alike, over every segmentation, is text or refused, and never a second message.

use proptest::prelude::*;

use crate::harness::Waits;
use crate::rim::{Fail, in_data};

const STORED: &str = "250 2.0.0 Message stored as 07070707070707070707070707070707\r\n";
const BARE: &str = "554 5.6.0 Message refused: it holds a bare CR or LF; lines must end with CRLF\r\n";
const NUL: &str = "554 5.6.0 Message refused: it holds a NUL octet\r\n";

/// What could be taken for the end of data, and what becomes of a message that has it in the middle.
const LOOK_ALIKES: [(&[u8], &str); 30] = [
    (b"\n.\n", BARE),
    (b"\n.\r\n", BARE),
    (b"\r\n.\n", BARE),
    (b"\n.\r", BARE),
    (b"\r.\r", BARE),
    (b"\r.\n", BARE),
    (b"\r.\r\n", BARE),
    (b"\r\n.\r", BARE),
    (b"\r\n.\r\r\n", BARE),
    (b"\r\r\n.\r\r\n", BARE),
    (b"\r\n\r.\r\n", BARE),
    (b"\r\n.\r\x0b\n", BARE),
    (b"\n\n.\n\n", BARE),
    (b"\n\r.\n\r", BARE),
    (b"\n.\n\r\n", BARE),
    (b"\r.\r\r\n", BARE),
    (b"\r\n.\n.\n", BARE),
    (b"\r\n\n.\r\n", BARE),
    (b"\n", BARE),
    (b"\r", BARE),
    (b"\0", NUL),
    (b"\r\n\0.\r\n", NUL),
    (b"\r\n.\0\r\n", NUL),
    (b"\r\n.\r\0\n", BARE),
    (b"\r\n..\r\n", STORED),
    (b"\r\n. \r\n", STORED),
    (b"\r\n .\r\n", STORED),
    (b".\r\n", STORED),
    (b"\r\n.x\r\n", STORED),
    (b"\xe3\x80\x82\r\n", STORED),
];

const SMUGGLED: &[u8] = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<ann@example.jp>\r\nDATA\r\nsmuggled\r\n";

/// Attack list, item 1.
#[test]
fn only_crlf_dot_crlf_ends_the_data() {
    for (look_alike, reply) in LOOK_ALIKES {
        let text = [b"Subject: x\r\n\r\nbefore", look_alike, SMUGGLED, b".\r\n"].concat();
        for cut in 0..=text.len() {
            let mut connection = in_data();
            let (head, tail) = text.split_at(cut);
            let (mut said, _) = connection.send(head, usize::MAX);
            said.extend(connection.send(tail, usize::MAX).0);
            let place = format!("{} cut at {cut}", look_alike.escape_ascii());
            assert_eq!(String::from_utf8(said).unwrap(), reply, "{place}");
            assert_eq!(connection.rim.stored.len(), usize::from(reply == STORED), "{place}");
            // The session is between transactions, and what was smuggled was text.
            assert_eq!(connection.say("DATA\r\n"), "503 5.5.1 Send MAIL first\r\n", "{place}");
        }
        let mut connection = in_data();
        let (said, waits) = connection.send(&text, 1);
        assert_eq!((String::from_utf8(said).unwrap().as_str(), waits), (reply, Waits::Client));
    }
}

#[test]
fn dots_are_unstuffed_and_nothing_else_is_touched() {
    for (sent, stored) in [
        (&b".\r\n"[..], &b""[..]),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n..a\r\n.\r\n", b"..\r\n.a\r\n"),
        (b"a.\r\n.b\r\n.\r\n", b"a.\r\nb\r\n"),
        (b"\xff\xfe\x01\r\n.\r\n", b"\xff\xfe\x01\r\n"),
    ] {
        for segment in 1..=sent.len() {
            let mut connection = in_data();
            let (said, _) = connection.send(sent, segment);
            assert_eq!(String::from_utf8(said).unwrap(), STORED);
            assert_eq!(connection.rim.stored[0].text.escape_ascii().to_string(), stored.escape_ascii().to_string());
        }
    }
}

#[test]
fn a_message_is_counted_as_it_streams() {
    let header = "Received: a\r\nreceived: b\r\nX-Received: c\r\nReceived-SPF: d\r\nSubject: e\r\n Received: f\r\n";
    // Obsolete syntax allows blanks before the colon, and nothing else.
    let more = "RECEIVED : g\r\nReceived \t : h\r\nReceived -: i\r\nReceive d: j\r\nReceived \r\n: k\r\n";
    let text = format!("{header}{more}\r\nReceived: l\r\n");
    for segment in [1, 3, 1_000] {
        let mut connection = in_data();
        connection.send(format!("{text}.\r\n").as_bytes(), segment);
        let facts = connection.rim.stored[0].facts;
        assert_eq!((facts.bytes, facts.hops), (text.len() as u64, 4));
    }
}

#[test]
fn looping_mail_is_refused() {
    for (hops, reply) in [(50, STORED), (51, "554 5.4.6 Too many hops: mail is looping\r\n")] {
        let mut connection = in_data();
        let text = format!("{}\r\ntext\r\n.\r\n", "Received: by x\r\n".repeat(hops));
        assert_eq!(connection.say(&text), reply);
    }
}

#[test]
fn size_is_enforced_while_streaming() {
    let line = "x".repeat(998) + "\r\n";
    let mut connection = in_data();
    assert_eq!(connection.say(&format!("{}.\r\n", line.repeat(1_000))), STORED);
    let mut connection = in_data();
    let said = connection.say(&format!("{}\r\n.\r\n", line.repeat(1_000)));
    assert_eq!(said, "552 5.3.4 Error: message file too big\r\n");
    assert_eq!(connection.say("NOOP\r\n"), "250 2.0.0 OK\r\n");
    // Reading in vain ends at twice the limit.
    let mut connection = in_data();
    let (said, waits) = connection.send(line.repeat(2_100).as_bytes(), 30_000);
    assert_eq!(waits, Waits::Closed);
    assert!(said.starts_with(b"552 5.3.4 "));
    assert!(connection.rim.stored.is_empty());
}

#[test]
fn a_large_message_goes_over_in_large_pieces() {
    let line = "x".repeat(70) + "\r\n";
    let text = line.repeat(13_000);
    for segment in [1_000, 16_384, 40_000, usize::MAX] {
        let mut connection = in_data();
        let before = connection.steps;
        let (said, _) = connection.send(format!("{text}.\r\n").as_bytes(), segment);
        assert_eq!(String::from_utf8(said).unwrap(), STORED);
        assert_eq!(connection.rim.stored[0].text, text.as_bytes());
        let reads = text.len() / segment.min(text.len()) + 2;
        assert!(connection.steps - before < reads + 20, "{} steps", connection.steps - before);
    }
}

#[test]
fn a_failure_of_the_rim_is_temporary_wherever_it_is() {
    const FAILED: &str = "451 4.3.0 Temporary failure; try again later\r\n";
    let text = "line\r\n".repeat(30_000) + ".\r\n";
    for fail in [Fail::Mail, Fail::Begin, Fail::Chunk, Fail::Finish] {
        let mut connection = crate::rim::greeted();
        connection.rim.fail = fail;
        let mail = connection.say("MAIL FROM:<>\r\n");
        if fail == Fail::Mail {
            assert_eq!(mail, FAILED);
        } else {
            connection.say("RCPT TO:<tim@example.jp>\r\n");
            let data = connection.say("DATA\r\n");
            if fail == Fail::Begin {
                assert_eq!(data, FAILED);
            } else {
                assert_eq!(String::from_utf8(connection.send(text.as_bytes(), 32_768).0).unwrap(), FAILED);
            }
        }
        // The transaction is over, and the next one is good.
        connection.rim.fail = Fail::Nowhere;
        assert!(connection.say("DATA\r\n").starts_with("503 "), "{fail:?}");
        connection.say("MAIL FROM:<>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n");
        assert_eq!(connection.say("text\r\n.\r\n"), STORED);
    }
}

#[test]
fn a_message_that_drips_in_is_given_up() {
    let mut connection = in_data();
    let mut rounds = 0;
    loop {
        connection.now = connection.now.plus_seconds(100);
        let (said, waits) = connection.send(b"drip\r\n", usize::MAX);
        if waits == Waits::Closed {
            assert!(said.starts_with(b"421 4.4.2 "));
            break;
        }
        rounds += 1;
        assert!(rounds < 10);
    }
    assert!(connection.rim.stored.is_empty());
}

proptest! {
    #[test]
    fn what_is_stuffed_comes_out_as_it_was(lines in prop::collection::vec("[.a\u{e9}]{0,5}", 0..30), segment in 1usize..20) {
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let stuffed: String = lines.iter().map(|line| {
            if line.starts_with('.') { format!(".{line}\r\n") } else { format!("{line}\r\n") }
        }).collect();
        let mut connection = in_data();
        connection.send(format!("{stuffed}.\r\n").as_bytes(), segment);
        prop_assert_eq!(&connection.rim.stored[0].text, text.as_bytes());
    }

    #[test]
    fn segments_make_no_difference(octets in prop::collection::vec(prop::sample::select(b"..\r\r\n\n\0a".to_vec()), 0..80), segment in 1usize..9) {
        // The end, so that both sessions come to rest, and no command behind it.
        let mut text = octets;
        text.extend_from_slice(b"\r\n.\r\n");
        let end = text.windows(5).position(|octets| octets == b"\r\n.\r\n").unwrap() + 5;
        let end = if text.starts_with(b".\r\n") { 3 } else { end };
        text.truncate(end);
        let (mut whole, mut pieces) = (in_data(), in_data());
        prop_assert_eq!(whole.send(&text, usize::MAX), pieces.send(&text, segment));
        prop_assert_eq!(&whole.rim.stored, &pieces.rim.stored);
    }
}
