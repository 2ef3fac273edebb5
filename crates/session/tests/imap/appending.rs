//! APPEND: streamed, checked before it is asked for, skipped where it can't be stored.

use yubin_session::Session;
use yubin_session::imap::Answer;

use crate::client::{Client, Phase};
use crate::rim::refusal;

#[test]
fn a_message_is_stored_as_it_was_sent() {
    let mut client = Client::selected(&[]);
    client.play(
        "C: a APPEND INBOX (\\Seen $Work) \"17-Jul-1996 02:44:25 -0700\" {14}
         S: + OK
         C: Subject: x
         C:
         C:
         S: * 1 EXISTS
         S: a OK [APPENDUID 7 1] Append completed
         C: b UID FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])
         S: * 1 FETCH (UID 1 FLAGS (\\Seen $Work) INTERNALDATE \"17-Jul-1996 09:44:25 +0000\" BODY[] {14}
         S: Subject: x
         S:
         S: )
         S: b OK Fetch completed",
    );
}

#[test]
fn a_message_comes_in_any_pieces_and_is_never_gathered() {
    let text = format!("Subject: x\r\n\r\n{}", "y".repeat(900));
    let command = format!("a APPEND {{5+}}\r\nTrash {{{}+}}\r\n{text}\r\nb NOOP\r\n", text.len());
    for size in [1, 7, 100, 5000] {
        let mut client = Client::logged_in();
        for piece in command.as_bytes().chunks(size) {
            client.send_bytes(piece);
        }
        assert_eq!(client.take(), "a OK [APPENDUID 7 1] Append completed\r\nb OK Completed\r\n", "{size}");
        assert_eq!(client.rim.mailbox("Trash").messages[&1].text, text);
    }
}

#[test]
fn what_cannot_be_stored_is_refused_before_it_is_sent() {
    let mut client = Client::logged_in();
    client.rim.faults.push(("AppendBegin", refusal("OVERQUOTA", "Over quota")));
    client.play(
        "C: a APPEND INBOX {14}
         S: a NO [OVERQUOTA] Over quota
         C: b APPEND nothing {14}
         S: b NO [TRYCREATE] No such mailbox
         C: c APPEND INBOX {1001}
         S: c NO [TOOBIG] Message too large
         C: d APPEND INBOX {0}
         S: d NO [CANNOT] A message has at least one octet
         C: e APPEND INBOX (\\Foo) {14}
         S: e BAD Unknown system flag
         C: f APPEND INBOX \"yesterday\" {14}
         S: f BAD Invalid date-time
         C: g APPEND INBOX
         S: g BAD Missing argument
         C: h APPEND INBOX \"text\"
         S: h BAD Invalid date-time
         C: i APPEND a//b {14}
         S: i NO [CANNOT] Invalid mailbox name",
    );
}

#[test]
fn what_is_sent_unasked_is_skipped() {
    let mut client = Client::logged_in();
    client.send("a APPEND nothing {10+}\r\n0123456789\r\nb APPEND INBOX {2000+}\r\n");
    client.send(&"x".repeat(2000));
    client.send("\r\nc APPEND INBOX (\\Foo) {4+}\r\na\r\nb\r\nd NOOP\r\n");
    assert_eq!(
        client.take(),
        "a NO [TRYCREATE] No such mailbox\r\nb NO [TOOBIG] Message too large\r\n\
         c BAD Unknown system flag\r\nd OK Completed\r\n"
    );
    client.send("e APPEND INBOX {999999999999+}\r\n");
    assert_eq!(client.take(), "* BYE Message too large to be skipped\r\n");
    assert_eq!(client.phase, Phase::Closed);
}

#[test]
fn storing_that_fails_half_way_leaves_the_connection_usable() {
    let mut client = Client::logged_in();
    client.rim.faults.push(("AppendOctets", Answer::Unavailable));
    client.send("a APPEND INBOX {10+}\r\n01234");
    client.send("56789\r\nb APPEND INBOX {4}\r\n");
    client.rim.faults.push(("AppendEnd", refusal("OVERQUOTA", "Over quota")));
    client.send("abcd\r\nc NOOP\r\n");
    assert_eq!(
        client.take(),
        "a NO [UNAVAILABLE] Temporarily unavailable, try again\r\n+ OK\r\nb NO [OVERQUOTA] Over quota\r\nc OK Completed\r\n"
    );
    assert!(client.rim.mailbox("INBOX").messages.is_empty());
}

#[test]
fn a_message_with_something_behind_it_is_forgotten() {
    let mut client = Client::logged_in();
    client.send("a APPEND INBOX {4+}\r\nabcd {4+}\r\nefgh\r\nb NOOP\r\n");
    let response = client.take();
    assert!(response.starts_with("a BAD One message at a time\r\n"), "{response}");
    assert!(response.ends_with("b OK Completed\r\n"), "{response}");
    assert!(client.rim.mailbox("INBOX").messages.is_empty());
    assert!(client.rim.asked.contains(&"AppendAbort".to_owned()));
}

#[test]
fn a_client_that_falls_silent_in_its_message_is_told_so() {
    let mut client = Client::logged_in();
    client.send("a APPEND INBOX {10+}\r\n012");
    client.session.timed_out();
    client.drive();
    assert_eq!(client.take(), "* BYE Idle for too long\r\n");
    assert!(client.rim.mailbox("INBOX").messages.is_empty());
}
