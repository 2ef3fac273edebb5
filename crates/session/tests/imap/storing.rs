//! STORE, EXPUNGE, COPY, MOVE and their UID forms.

use yubin_session::imap::Answer;
use yubin_types::UidSet;

use crate::client::Client;
use crate::rim::refusal;

#[test]
fn store_in_its_three_forms() {
    let mut client = Client::selected(&["\\Seen", "", ""]);
    client.play(
        "C: a STORE 1:2 +FLAGS (\\Flagged $Work)
         S: * 1 FETCH (FLAGS (\\Flagged \\Seen $Work))
         S: * 2 FETCH (FLAGS (\\Flagged $Work))
         S: a OK Store completed
         C: b UID STORE 2 -FLAGS \\Flagged $WORK
         S: * 2 FETCH (UID 2 FLAGS ())
         S: b OK Store completed
         C: c STORE 1 FLAGS ()
         S: * 1 FETCH (FLAGS ())
         S: c OK Store completed
         C: d STORE 3 FLAGS.SILENT (\\Draft \\Recent)
         S: d OK Store completed
         C: e NOOP
         S: e OK Completed
         C: f UID STORE 99 +FLAGS (\\Seen)
         S: f OK Store completed
         C: g STORE 4 +FLAGS (\\Seen)
         S: g BAD Message number out of range
         C: h STORE 1 +FLAGS (\\Foo)
         S: h BAD Unknown system flag
         C: i STORE 1 +FLAGS
         S: i BAD Missing argument",
    );
    assert_eq!(client.rim.flags_of("INBOX", 3), "\\Draft");
}

#[test]
fn what_others_changed_is_shown_even_to_the_silent() {
    let mut client = Client::selected(&["", ""]);
    client.rim.set_flags("INBOX", 1, "\\Flagged");
    client.play(
        "C: a STORE 1 +FLAGS.SILENT (\\Seen)
         S: * 1 FETCH (UID 1 FLAGS (\\Flagged))
         S: a OK Store completed",
    );
    client.rim.set_flags("INBOX", 2, "\\Draft");
    client.play(
        "C: b NOOP
         S: * 2 FETCH (UID 2 FLAGS (\\Draft))
         S: b OK Completed",
    );
}

#[test]
fn numbers_stay_while_a_command_that_uses_them_is_refused() {
    for (question, command) in [("StoreFlags", "STORE 2 +FLAGS (\\Seen)"), ("Search", "SEARCH 2 UNSEEN")] {
        let mut client = Client::selected(&["", ""]);
        client.rim.remove("INBOX", 1);
        client.rim.faults.push((question, Answer::Unavailable));
        client.play(&format!(
            "C: a {command}
             S: a NO [UNAVAILABLE] Temporarily unavailable, try again
             C: b NOOP
             S: * 1 EXPUNGE
             S: b OK Completed"
        ));
        client.rim.remove("INBOX", 2);
        client.rim.faults.push((question, Answer::Unavailable));
        client.play(&format!(
            "C: a UID {command}
             S: * 1 EXPUNGE
             S: a NO [UNAVAILABLE] Temporarily unavailable, try again"
        ));
    }
}

#[test]
fn unchanged_since_leaves_alone_what_changed() {
    let mut client = Client::selected(&["", "", ""]);
    client.rim.remove("INBOX", 1);
    client.rim.set_flags("INBOX", 3, "\\Flagged");
    client.play(
        "C: a NOOP
         S: * 1 EXPUNGE
         S: * 2 FETCH (UID 3 FLAGS (\\Flagged))
         S: a OK Completed
         C: b STORE 1:2 (UNCHANGEDSINCE 103) +FLAGS.SILENT (\\Seen)
         S: * OK [HIGHESTMODSEQ 105] CONDSTORE enabled
         S: * 1 FETCH (MODSEQ (106))
         S: b OK [MODIFIED 2] Store completed
         C: c UID STORE 2:3 (UNCHANGEDSINCE 103) +FLAGS (\\Deleted)
         S: c OK [MODIFIED 2:3] Store completed
         C: d UID STORE 2:3 (UNCHANGEDSINCE 106) +FLAGS (\\Deleted)
         S: * 1 FETCH (UID 2 MODSEQ (108) FLAGS (\\Deleted \\Seen))
         S: * 2 FETCH (UID 3 MODSEQ (108) FLAGS (\\Flagged \\Deleted))
         S: d OK Store completed",
    );
}

#[test]
fn expunge_takes_the_deleted_and_nothing_the_client_has_not_seen() {
    let mut client = Client::selected(&["\\Deleted", "", "\\Deleted", "\\Deleted"]);
    client.rim.deliver("INBOX", "a: b\r\n\r\n", "\\Deleted");
    client.play(
        "C: a UID EXPUNGE 3:10
         S: * 4 EXPUNGE
         S: * 3 EXPUNGE
         S: * 3 EXISTS
         S: a OK Expunge completed
         C: b EXPUNGE
         S: * 3 EXPUNGE
         S: * 1 EXPUNGE
         S: b OK Expunge completed
         C: c UID EXPUNGE
         S: c BAD Missing argument",
    );
    assert_eq!(client.rim.mailbox("INBOX").messages.keys().copied().collect::<Vec<_>>(), [2]);
}

#[test]
fn copies_and_moves_tell_where_messages_went() {
    let mut client = Client::selected(&["\\Seen", "", ""]);
    client.play(
        "C: a COPY 1,3 Trash
         S: a OK [COPYUID 7 1,3 1:2] Copy completed
         C: b UID MOVE 2:3 trash
         S: b NO [TRYCREATE] No such mailbox
         C: c UID MOVE 2:3 Trash
         S: * OK [COPYUID 7 2:3 3:4] Moved
         S: * 3 EXPUNGE
         S: * 2 EXPUNGE
         S: c OK Move completed
         C: d UID COPY 9 Trash
         S: d OK No messages
         C: e COPY 2 Trash
         S: e BAD Message number out of range",
    );
    client.rim.remove("INBOX", 1);
    client.play(
        "C: f COPY 1 Trash
         S: * 1 EXPUNGE
         S: f NO [EXPUNGEISSUED] The messages no longer exist",
    );
}

fn with_many(count: usize) -> Client {
    let mut client = Client::selected(&vec!["\\Deleted"; count]);
    client.rim.rows_per_frame = 500;
    client.rim.asked.clear();
    client
}

#[test]
fn large_sets_go_in_pieces_and_are_one_command_to_the_client() {
    let mut client = with_many(2_500);
    client.play(
        "C: a COPY 1:* Trash
         S: a OK [COPYUID 7 1:2500 1:2500] Copy completed
         C: b STORE 1:* +FLAGS.SILENT (\\Seen)
         S: b OK Store completed",
    );
    client.send("c UID MOVE 1:1500 Trash\r\n");
    let response = client.take();
    assert!(response.starts_with("* OK [COPYUID 7 1:1500 2501:4000] Moved\r\n* 1500 EXPUNGE\r\n* 1499"), "{response}");
    client.send("d EXPUNGE\r\n");
    assert!(client.take().ends_with("* 1 EXPUNGE\r\nd OK Expunge completed\r\n"));
    let asked = |name: &str| client.rim.asked.iter().filter(|ask| *ask == name).count();
    assert_eq!((asked("Copy"), asked("StoreFlags"), asked("Move"), asked("Expunge")), (3, 3, 2, 1));
}

#[test]
fn a_copy_that_fails_half_way_is_taken_back() {
    let mut client = with_many(2_500);
    let stored = client.rim.answer(yubin_session::imap::Ask::Copy {
        mailbox: yubin_types::MailboxId(1),
        uids: UidSet::range(1, 1000),
        to: crate::rim::name("Trash"),
    });
    client.rim.faults.push(("Copy", stored));
    client.rim.faults.push(("Copy", refusal("OVERQUOTA", "Over quota")));
    client.play(
        "C: a COPY 1:* Trash
         S: a NO [OVERQUOTA] Over quota",
    );
    assert!(client.rim.mailbox("Trash").messages.is_empty());
}

#[test]
fn a_move_that_fails_half_way_tells_what_went() {
    let mut client = with_many(1_001);
    let stored = client.rim.answer(yubin_session::imap::Ask::Move {
        mailbox: yubin_types::MailboxId(1),
        uids: UidSet::range(1, 1000),
        to: crate::rim::name("Trash"),
    });
    client.rim.faults.push(("Move", stored));
    client.rim.faults.push(("Move", Answer::Unavailable));
    client.send("a MOVE 1:* Trash\r\n");
    let response = client.take();
    assert!(response.starts_with("* OK [COPYUID 7 1:1000 1:1000] Moved\r\n* 1000 EXPUNGE\r\n"), "{response}");
    assert!(response.ends_with("* 1 EXPUNGE\r\na NO [UNAVAILABLE] Temporarily unavailable, try again\r\n"));
}
