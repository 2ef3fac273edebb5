//! FETCH: items, sections, partials, `\Seen`, CONDSTORE, and rims that fail half way.

use yubin_session::imap::{Answer, Config};
use yubin_types::UtcOffset;

use crate::client::{Client, Phase, config};

const MULTIPART: &str = "Subject: two parts\r\nFrom: A <a@b.example>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
     --x\r\n\r\none\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntwo\r\n--x--\r\n";

fn with_multipart() -> Client {
    let mut client = Client::logged_in();
    client.rim.prefix = "Return-Path: <r@b.example>\r\n".into();
    client.rim.deliver("INBOX", MULTIPART, "");
    client.send("0 SELECT INBOX\r\n");
    client.take();
    client
}

#[test]
fn plain_items() {
    let mut client = Client::selected(&["\\Seen", "$Work"]);
    client.play(
        "C: a FETCH 1:2 (FLAGS UID RFC822.SIZE INTERNALDATE MODSEQ SAVEDATE)
         S: * OK [HIGHESTMODSEQ 102] CONDSTORE enabled
         S: * 1 FETCH (FLAGS (\\Seen) UID 1 RFC822.SIZE 30 INTERNALDATE \" 1-Jan-1970 00:16:40 +0000\" MODSEQ (101) SAVEDATE \" 1-Jan-1970 00:16:40 +0000\")
         S: * 2 FETCH (FLAGS ($Work) UID 2 RFC822.SIZE 30 INTERNALDATE \" 1-Jan-1970 00:16:40 +0000\" MODSEQ (102) SAVEDATE \" 1-Jan-1970 00:16:40 +0000\")
         S: a OK Fetch completed
         C: b UID FETCH 2 FLAGS
         S: * 2 FETCH (UID 2 FLAGS ($Work))
         S: b OK Fetch completed
         C: c fetch *,1 fast
         S: * 1 FETCH (FLAGS (\\Seen) INTERNALDATE \" 1-Jan-1970 00:16:40 +0000\" RFC822.SIZE 30)
         S: * 2 FETCH (FLAGS ($Work) INTERNALDATE \" 1-Jan-1970 00:16:40 +0000\" RFC822.SIZE 30)
         S: c OK Fetch completed
         C: d UID FETCH 7,9:* FLAGS
         S: * 2 FETCH (UID 2 FLAGS ($Work))
         S: d OK Fetch completed
         C: e UID FETCH 7:8 FLAGS
         S: e OK Fetch completed
         C: f FETCH 3 FLAGS
         S: f BAD Message number out of range",
    );
}

#[test]
fn times_are_shown_by_the_clock_that_is_configured() {
    let mut client = Client::connect(Config { utc_offset: UtcOffset::parse("+09:00").unwrap(), ..config() });
    client.rim.deliver("INBOX", "a: b\r\n\r\n", "");
    client.send("0 LOGIN u@example.jp secret\r\n0 EXAMINE INBOX\r\n");
    client.take();
    client.play(
        "C: a FETCH 1 (INTERNALDATE SAVEDATE)
         S: * 1 FETCH (INTERNALDATE \" 1-Jan-1970 09:16:40 +0900\" SAVEDATE \" 1-Jan-1970 09:16:40 +0900\")
         S: a OK Fetch completed",
    );
}

#[test]
fn structure_comes_from_what_was_kept() {
    let mut client = with_multipart();
    client.play(
        "C: a FETCH 1 ENVELOPE
         S: * 1 FETCH (ENVELOPE (NIL \"two parts\" ((\"A\" NIL \"a\" \"b.example\")) ((\"A\" NIL \"a\" \"b.example\")) ((\"A\" NIL \"a\" \"b.example\")) NIL NIL NIL NIL NIL))
         S: a OK Fetch completed
         C: b FETCH 1 (BODY BODYSTRUCTURE)
         S: * 1 FETCH (BODY ((\"text\" \"plain\" ...
         S: b OK Fetch completed
         C: c FETCH 1 FULL
         S: * 1 FETCH (FLAGS () INTERNALDATE \" 1-Jan-1970 00:16:40 +0000\" RFC822.SIZE ...
         S: c OK Fetch completed",
    );
    assert!(!client.rim.asked.contains(&"Octets".to_owned()));
}

#[test]
fn sections_are_taken_from_prefix_and_body_together() {
    let mut client = with_multipart();
    client.play(
        "C: a FETCH 1 (BODY.PEEK[1] BODY.PEEK[2] BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[2.1] BODY.PEEK[2.MIME] BODY.PEEK[3])
         S: * 1 FETCH (BODY[1] {3}
         S: one BODY[2] {18}
         S: Subject: in
         S:
         S: two BODY[2.HEADER] {15}
         S: Subject: in
         S:
         S:  BODY[2.TEXT] {3}
         S: two BODY[2.1] {3}
         S: two BODY[2.MIME] {32}
         S: Content-Type: message/rfc822
         S:
         S:  BODY[3] NIL)
         S: a OK Fetch completed
         C: b FETCH 1 BODY.PEEK[HEADER]
         S: * 1 FETCH (BODY[HEADER] {116}
         S: Return-Path: <r@b.example>
         S: Subject: two parts
         S: From: A <a@b.example>
         S: Content-Type: multipart/mixed; boundary=x
         S:
         S: )
         S: b OK Fetch completed
         C: c FETCH 1 (BODY.PEEK[HEADER.FIELDS (subject return-path)] BODY.PEEK[HEADER.FIELDS.NOT (Content-Type From)]<1.5> BODY.PEEK[2.HEADER.FIELDS (SUBJECT)])
         S: * 1 FETCH (BODY[HEADER.FIELDS (subject return-path)] {50}
         S: Return-Path: <r@b.example>
         S: Subject: two parts
         S:
         S:  BODY[HEADER.FIELDS.NOT (Content-Type From)]<1> {5}
         S: eturn BODY[2.HEADER.FIELDS (SUBJECT)] {15}
         S: Subject: in
         S:
         S: )
         S: c OK Fetch completed
         C: d FETCH 1 (BODY.PEEK[]<0.6> BODY.PEEK[1]<2.9> BODY.PEEK[1]<3.1> BODY.PEEK[1]<99.1> RFC822.HEADER)
         S: * 1 FETCH (BODY[]<0> {6}
         S: Return BODY[1]<2> {1}
         S: e BODY[1]<3> \"\" BODY[1]<99> \"\" RFC822.HEADER {116}
         S: Return-Path: <r@b.example>
         S: Subject: two parts
         S: From: A <a@b.example>
         S: Content-Type: multipart/mixed; boundary=x
         S:
         S: )
         S: d OK Fetch completed",
    );
    assert_eq!(client.rim.flags_of("INBOX", 1), "");
}

#[test]
fn headers_of_many_messages_are_read_together() {
    let mut client = Client::selected(&["", "", "", "", ""]);
    client.rim.rows_per_frame = 100;
    client.rim.asked.clear();
    client.send("a FETCH 1:5 BODY.PEEK[HEADER.FIELDS (SUBJECT)]\r\n");
    let response = client.take();
    for number in 1..=5 {
        let line =
            format!("* {number} FETCH (BODY[HEADER.FIELDS (SUBJECT)] {{22}}\r\nSubject: message {number}\r\n\r\n)\r\n");
        assert!(response.contains(&line), "{response}");
    }
    assert_eq!(client.rim.asked, ["Rows", "Octets"]);
}

#[test]
fn a_message_may_have_no_header() {
    let mut client = Client::logged_in();
    client.rim.rows_per_frame = 100;
    for text in ["no header here\r\n", "Subject: x\r\n\r\n", "\r\nbody", "nothing\r\n\r\nbody"] {
        client.rim.deliver("INBOX", text, "");
    }
    client.send("a SELECT INBOX\r\n");
    client.take();
    client
        .send("b FETCH 1:4 (BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[HEADER] BODY.PEEK[1.MIME] ENVELOPE BODY)\r\n");
    let response = client.take();
    assert_eq!(response.matches("BODY[HEADER.FIELDS (SUBJECT)] {2}\r\n\r\n").count(), 3, "{response}");
    assert!(response.ends_with("b OK Fetch completed\r\n"));
}

#[test]
fn reading_marks_as_seen_and_says_so() {
    let mut client = Client::selected(&["", "\\Seen", "\\Flagged"]);
    client.play(
        "C: a FETCH 1:3 BODY[TEXT]
         S: * 1 FETCH (BODY[TEXT] {8}
         S: body 1
         S:  FLAGS (\\Seen))
         S: * 2 FETCH (BODY[TEXT] {8}
         S: body 2
         S: )
         S: * 3 FETCH (BODY[TEXT] {8}
         S: body 3
         S:  FLAGS (\\Flagged \\Seen))
         S: a OK Fetch completed
         C: b NOOP
         S: b OK Completed",
    );
    assert_eq!(client.rim.flags_of("INBOX", 3), "\\Flagged \\Seen");
    client.rim.deliver("INBOX", "a: b\r\n\r\nc", "");
    client.rim.faults.push(("StoreFlags", Answer::Unavailable));
    client.play(
        "C: c NOOP
         S: * 4 EXISTS
         S: c OK Completed
         C: d UID FETCH 4 (FLAGS RFC822.TEXT)
         S: * 4 FETCH (UID 4 FLAGS () RFC822.TEXT {1}
         S: c)
         S: d OK Fetch completed",
    );
}

#[test]
fn changed_since_shows_what_changed() {
    let mut client = Client::selected(&["", "", ""]);
    client.rim.set_flags("INBOX", 2, "\\Answered");
    client.play(
        "C: a FETCH 1:* (FLAGS) (CHANGEDSINCE 103)
         S: * OK [HIGHESTMODSEQ 103] CONDSTORE enabled
         S: * 2 FETCH (FLAGS (\\Answered) MODSEQ (104))
         S: a OK Fetch completed
         C: b UID FETCH 1:* (FLAGS) (CHANGEDSINCE 104)
         S: * 2 FETCH (UID 2 MODSEQ (104) FLAGS (\\Answered))
         S: b OK Fetch completed
         C: c FETCH 3 BODY[]
         S: * 3 FETCH (BODY[] {30}
         S: Subject: message 3
         S:
         S: body 3
         S:  FLAGS (\\Seen) MODSEQ (105))
         S: c OK Fetch completed",
    );
}

#[test]
fn large_messages_come_in_pieces() {
    let mut client = Client::logged_in();
    let text = format!("Subject: large\r\n\r\n{}", "0123456789abcde\n".repeat(40_000));
    client.rim.deliver("INBOX", &text, "\\Seen");
    client.send("a SELECT INBOX\r\n");
    client.take();
    client.rim.asked.clear();
    client.send("b FETCH 1 BODY[]\r\n");
    assert_eq!(client.take(), format!("* 1 FETCH (BODY[] {{{}}}\r\n{text})\r\nb OK Fetch completed\r\n", text.len()));
    assert_eq!(client.rim.asked.iter().filter(|ask| *ask == "Octets").count(), 5);
}

#[test]
fn a_message_that_goes_meanwhile_leaves_no_half_response() {
    let mut client = Client::selected(&["", ""]);
    client.rim.faults.push(("Octets", Answer::Octets(vec![None])));
    client.play(
        "C: a FETCH 1:2 (UID BODY.PEEK[TEXT])
         S: * 2 FETCH (UID 2 BODY[TEXT] {8}
         S: body 2
         S: )
         S: a NO [EXPUNGEISSUED] Some of the messages no longer exist",
    );
    client.rim.faults.push(("Octets", Answer::Unavailable));
    client.play(
        "C: b FETCH 1:2 BODY.PEEK[TEXT]
         S: b NO [UNAVAILABLE] Temporarily unavailable, try again",
    );
    assert_eq!(client.phase, Phase::Open);
}

/// RFC 8474.
#[test]
fn messages_have_ids_and_no_threads() {
    let mut client = Client::selected(&[""]);
    client.play(
        "C: a FETCH 1 (EMAILID THREADID)
         S: * 1 FETCH (EMAILID (00000000000000000000000000000000) THREADID NIL)
         S: a OK Fetch completed",
    );
}

/// A phone that loses its network in the middle must not find its whole mailbox read.
#[test]
fn few_messages_are_seen_before_they_are_shown() {
    let mut client = Client::selected(&[""; 100]);
    client.rim.rows_per_frame = 500;
    client.rim.faults.push(("Octets", Answer::Unavailable));
    client.send("a FETCH 1:* RFC822\r\n");
    assert!(client.take().contains("a NO [UNAVAILABLE]"));
    let seen = |client: &mut Client| (1..=100).filter(|uid| client.rim.flags_of("INBOX", *uid) == "\\Seen").count();
    assert!((1..=20).contains(&seen(&mut client)));
    client.send("b FETCH 1:* RFC822\r\n");
    assert_eq!(client.take().matches("RFC822 ").count(), 100);
    assert_eq!(seen(&mut client), 100);
}

#[test]
fn a_rim_that_fails_within_a_literal_ends_the_connection() {
    let mut client = Client::logged_in();
    client.rim.deliver("INBOX", &format!("Subject: large\r\n\r\n{}", "x".repeat(300_000)), "");
    client.send("a SELECT INBOX\r\n");
    client.take();
    let first = client.rim.mailbox("INBOX").messages[&1].text[..131_072].to_owned();
    client.rim.faults.push(("Octets", Answer::Octets(vec![Some(first.into())])));
    client.rim.faults.push(("Octets", Answer::Unavailable));
    client.send("b FETCH 1 BODY.PEEK[]\r\n");
    assert!(!client.take().contains("b NO"));
    assert_eq!(client.phase, Phase::Closed);
}

/// Structures of another version of the scanner are made anew from the message.
#[test]
fn a_structure_that_was_not_kept_is_scanned() {
    let mut client = with_multipart();
    let prefix_bytes = client.rim.prefix.len() as u64;
    let row = |client: &mut Client| {
        client.send("x UID FETCH 1 BODYSTRUCTURE\r\n");
        client.take()
    };
    let kept = row(&mut client);
    let mut rows = client.rim.answer(yubin_session::imap::Ask::Rows {
        mailbox: yubin_types::MailboxId(1),
        uids: yubin_types::UidSet::range(1, 1),
        changed_since: None,
        detail: yubin_session::imap::ask::RowDetail::HotAndCold,
    });
    if let Answer::Rows { rows, .. } = &mut rows {
        rows[0].cold = Some(yubin_session::imap::ask::ColdFacts { prefix_bytes, facts: b"\xff..".as_slice().into() });
    }
    client.rim.faults.push(("Rows", rows));
    assert_eq!(row(&mut client), kept);
}
