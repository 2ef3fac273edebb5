//! BDAT (RFC 3030): octets are exact, always consumed, and bounded.

use yubin_session::{Session as _, Step};

use crate::harness::{Rim as _, Waits};
use crate::rim::{Fail, greeted};

const STORED: &str = "250 2.0.0 Message stored as 07070707070707070707070707070707\r\n";

fn open() -> crate::harness::Connection<yubin_session::smtp::SmtpSession, crate::rim::SmtpRim> {
    let mut connection = greeted();
    connection.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<tim@example.jp>\r\n");
    connection
}

#[test]
fn chunks_are_joined_octet_by_octet() {
    let text = b".\r\n..\r\n.\r\nQUIT\r\n\xff\r\n";
    for size in 1..=text.len() {
        let mut sent = Vec::new();
        for chunk in text.chunks(size) {
            sent.extend_from_slice(format!("BDAT {}\r\n", chunk.len()).as_bytes());
            sent.extend_from_slice(chunk);
        }
        sent.extend_from_slice(b"BDAT 0 LAST\r\n");
        for segment in [1, 5, usize::MAX] {
            let mut connection = open();
            let (said, _) = connection.send(&sent, segment);
            assert!(String::from_utf8(said).unwrap().ends_with(STORED));
            assert_eq!(connection.rim.stored[0].text, text);
        }
    }
}

#[test]
fn chunks_hold_lines_too() {
    const BARE: &str = "554 5.6.0 Message refused: it holds a bare CR or LF; lines must end with CRLF\r\n";
    for (sent, reply) in [
        ("BDAT 3 LAST\r\na\nb", BARE),
        ("BDAT 3 LAST\r\na\rb", BARE),
        ("BDAT 2 LAST\r\na\r", BARE),
        ("BDAT 2 LAST\r\na\0", "554 5.6.0 Message refused: it holds a NUL octet\r\n"),
        // A message may end without a line end, and a line end may fall between chunks.
        ("BDAT 1 LAST\r\na", STORED),
        ("BDAT 2\r\na\rBDAT 1 LAST\r\n\n", STORED),
    ] {
        for segment in [1, usize::MAX] {
            let mut connection = open();
            let said = String::from_utf8(connection.send(sent.as_bytes(), segment).0).unwrap();
            assert!(said.ends_with(reply), "{sent:?}: {said}");
            assert_eq!(connection.say("DATA\r\n"), "503 5.5.1 Send MAIL first\r\n");
        }
    }
}

/// A chunk that is refused is skipped, its successors as well, and all state is reset: no DATA without MAIL.
#[test]
fn a_refused_chunk_is_skipped_and_resets() {
    let mut connection = open();
    let said = connection.say("BDAT 6\r\na\nQUITBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nRSET\r\nNOOP\r\n");
    let codes: Vec<&str> = said.lines().map(|line| &line[..9]).collect();
    assert_eq!(codes, ["554 5.6.0", "503 5.5.1", "503 5.5.1", "250 2.0.0"]);
    for fail in [Fail::Begin, Fail::Finish] {
        let mut connection = open();
        connection.rim.fail = fail;
        let said = connection.say("BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
        let last = if fail == Fail::Begin { "503 5.5.1" } else { "451 4.3.0" };
        let first = if fail == Fail::Begin { "451 4.3.0" } else { "250 2.0.0" };
        let codes: Vec<&str> = said.lines().map(|line| &line[..9]).collect();
        assert_eq!(codes, [first, last, "250 2.0.0"], "{fail:?}");
        assert!(connection.say("RCPT TO:<tim@example.jp>\r\n").starts_with("503 "));
    }
}

#[test]
fn sizes_are_bounded_in_sum() {
    let mut connection = open();
    let chunk = format!("BDAT 500000\r\n{}", "x\r\n".repeat(166_666) + "xx");
    assert!(connection.say(&chunk).starts_with("250 "));
    assert!(connection.say(&chunk).starts_with("250 "));
    assert!(connection.say("BDAT 1 LAST\r\nx").starts_with("552 5.3.4 "));
    assert_eq!(connection.say("NOOP\r\n"), "250 2.0.0 OK\r\n");
    for huge in ["BDAT 18446744073709551615\r\n", "BDAT 99999999999999999999 LAST\r\n", "BDAT 2000001\r\n"] {
        let mut connection = open();
        let (said, waits) = connection.send(huge.as_bytes(), usize::MAX);
        assert_eq!(waits, Waits::Closed, "{huge}");
        assert!(said.starts_with(b"552 5.3.4 "));
    }
}

/// Attack list, item 4: 100,000 chunks of one octet: the session keeps the message's octets and nothing for each chunk.
#[test]
fn tiny_chunks_cost_no_questions() {
    let mut connection = open();
    let group = "BDAT 1\r\nx".repeat(1_000);
    let mut questions = 0;
    for _ in 0..100 {
        connection.session.receive(group.as_bytes());
        loop {
            match connection.session.next(connection.now) {
                Step::Ask(ask) => {
                    questions += 1;
                    let answer = connection.rim.answer(ask);
                    connection.session.answer(answer);
                }
                Step::Write(bytes) => assert!(bytes.len() < 20_000),
                Step::Read { .. } => break,
                step => panic!("{step:?}"),
            }
        }
    }
    // Begin, and a piece for each 64 KiB.
    assert!(questions <= 3, "{questions}");
    assert_eq!(connection.say("BDAT 0 LAST\r\n"), STORED);
    assert_eq!(connection.rim.stored[0].text.len(), 100_000);
}
