//! SELECT, EXAMINE, CLOSE, UNSELECT, and what is said of a selected mailbox while others change it: NOOP, IDLE.

use yubin_session::imap::Answer;

use crate::client::{Client, Phase};
use crate::rim::{name, refusal};

#[test]
fn select_tells_everything() {
    let mut client = Client::logged_in();
    client.rim.deliver("INBOX", "a: b\r\n\r\n", "\\Seen");
    client.rim.deliver("INBOX", "a: b\r\n\r\n", "$Work");
    client.rim.deliver("INBOX", "a: b\r\n\r\n", "");
    client.rim.remove("INBOX", 1);
    client.play(
        "C: a SELECT inbox
         S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)
         S: * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work \\*)] Flags permitted
         S: * 2 EXISTS
         S: * 0 RECENT
         S: * OK [UNSEEN 1] First unseen
         S: * OK [UIDVALIDITY 7] UIDs valid
         S: * OK [UIDNEXT 4] Predicted next UID
         S: * OK [MAILBOXID (F1)] Id
         S: * OK [HIGHESTMODSEQ 104] Highest
         S: a OK [READ-WRITE] Select completed
         C: b EXAMINE INBOX (CONDSTORE)
         S: * OK [CLOSED] Previous mailbox closed
         S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)
         S: * OK [PERMANENTFLAGS ()] No permanent flags permitted
         S: * 2 EXISTS
         S: * 0 RECENT
         S: * OK [UNSEEN 1] First unseen
         S: * OK [UIDVALIDITY 7] UIDs valid
         S: * OK [UIDNEXT 4] Predicted next UID
         S: * OK [MAILBOXID (F1)] Id
         S: * OK [HIGHESTMODSEQ 104] Highest
         S: b OK [READ-ONLY] Examine completed
         C: c SELECT Nothing
         S: * OK [CLOSED] Previous mailbox closed
         S: c NO [NONEXISTENT] No such mailbox
         C: d CHECK
         S: d BAD No mailbox selected",
    );
}

#[test]
fn an_empty_mailbox_has_no_numbers() {
    let mut client = Client::selected(&[]);
    client.play(
        "C: a FETCH 1 FLAGS
         S: a BAD Message number out of range
         C: b FETCH 1:* FLAGS
         S: b OK Fetch completed
         C: c UID FETCH 1:* FLAGS
         S: c OK Fetch completed
         C: d SEARCH 1:*
         S: * SEARCH
         S: d OK Search completed
         C: e EXPUNGE
         S: e OK Expunge completed",
    );
}

#[test]
fn nothing_changes_in_a_mailbox_opened_read_only() {
    let mut client = Client::logged_in();
    client.rim.deliver("INBOX", "a: b\r\n\r\nc", "\\Deleted");
    client.send("a EXAMINE INBOX\r\n");
    client.take();
    client.play(
        "C: b STORE 1 +FLAGS (\\Seen)
         S: b NO [READ-ONLY] The mailbox is open read-only
         C: c EXPUNGE
         S: c NO [READ-ONLY] The mailbox is open read-only
         C: d UID EXPUNGE 1
         S: d NO [READ-ONLY] The mailbox is open read-only
         C: e MOVE 1 Trash
         S: e NO [READ-ONLY] The mailbox is open read-only
         C: f FETCH 1 BODY[TEXT]
         S: * 1 FETCH (BODY[TEXT] {1}
         S: c)
         S: f OK Fetch completed
         C: g COPY 1 Trash
         S: g OK [COPYUID 7 1 1] Copy completed
         C: h CLOSE
         S: h OK Close completed",
    );
    assert_eq!(client.rim.flags_of("INBOX", 1), "\\Deleted");
}

#[test]
fn close_expunges_without_a_word_and_unselect_does_not() {
    let mut client = Client::selected(&["\\Deleted", "", "\\Deleted"]);
    client.play(
        "C: a UNSELECT
         S: a OK Unselect completed
         C: b FETCH 1 FLAGS
         S: b BAD No mailbox selected",
    );
    assert_eq!(client.rim.mailbox("INBOX").messages.len(), 3);
    client.send("c SELECT INBOX\r\n");
    client.take();
    client.play(
        "C: d CLOSE
         S: d OK Close completed",
    );
    assert_eq!(client.rim.mailbox("INBOX").messages.keys().copied().collect::<Vec<_>>(), [2]);
}

#[test]
fn what_others_do_is_said_with_the_next_command() {
    let mut client = Client::selected(&["", "", ""]);
    client.rim.remove("INBOX", 2);
    client.rim.set_flags("INBOX", 3, "\\Flagged");
    client.rim.deliver("INBOX", "a: b\r\n\r\n", "");
    client.play(
        "C: a NOOP
         S: * 2 EXPUNGE
         S: * 3 EXISTS
         S: * 2 FETCH (UID 3 FLAGS (\\Flagged))
         S: a OK Completed
         C: b NOOP
         S: b OK Completed
         C: c ENABLE CONDSTORE
         S: * ENABLED CONDSTORE
         S: * OK [HIGHESTMODSEQ 106] CONDSTORE enabled
         S: c OK Enabled",
    );
    client.rim.set_flags("INBOX", 1, "$Work");
    client.play(
        "C: d CHECK
         S: * 1 FETCH (UID 1 MODSEQ (107) FLAGS ($Work))
         S: d OK Completed",
    );
}

/// RFC 9051 §7.5.1: numbers don't move during FETCH, STORE and SEARCH.
#[test]
fn numbers_stay_while_they_are_in_use() {
    let mut client = Client::selected(&["", "", ""]);
    client.rim.remove("INBOX", 1);
    client.play(
        "C: a FETCH 1:3 UID
         S: * 2 FETCH (UID 2)
         S: * 3 FETCH (UID 3)
         S: a NO [EXPUNGEISSUED] Some of the messages no longer exist
         C: b STORE 2 FLAGS.SILENT ($Work)
         S: b OK Store completed
         C: c SEARCH ALL
         S: * SEARCH 2 3
         S: c OK Search completed
         C: d UID SEARCH ALL
         S: * SEARCH 2 3
         S: * 1 EXPUNGE
         S: d OK Search completed",
    );
}

#[test]
fn new_messages_are_not_shown_before_they_are_announced() {
    let mut client = Client::selected(&[""]);
    client.rim.deliver("INBOX", "a: b\r\n\r\n", "");
    client.play(
        "C: a UID SEARCH ALL
         S: * SEARCH 1
         S: * 2 EXISTS
         S: a OK Search completed
         C: b UID FETCH 2 UID
         S: * 2 FETCH (UID 2)
         S: b OK Fetch completed",
    );
}

#[test]
fn a_mailbox_that_was_deleted_ends_the_session() {
    let mut client = Client::logged_in();
    client.play(
        "C: a CREATE x
         S: a OK [MAILBOXID (F3)] Create completed",
    );
    client.send("b SELECT x\r\n");
    client.take();
    client.rim.mailboxes.remove(&name("x"));
    client.play(
        "C: c NOOP
         S: c OK Completed
         S: * BYE The selected mailbox is gone",
    );
}

#[test]
fn an_outage_delays_what_is_said_and_nothing_else() {
    let mut client = Client::selected(&[""]);
    client.rim.deliver("INBOX", "a: b\r\n\r\n", "");
    client.rim.faults.push(("Changes", Answer::Unavailable));
    client.rim.faults.push(("Changes", refusal("UNAVAILABLE", "The domain is being moved")));
    client.play(
        "C: a NOOP
         S: a OK Completed
         C: x NOOP
         S: x OK Completed
         C: b NOOP
         S: * 2 EXISTS
         S: b OK Completed",
    );
}

#[test]
fn idle_says_what_happens_when_it_happens() {
    let mut client = Client::selected(&["", ""]);
    client.rim.asked.clear();
    client.rim.set_flags("INBOX", 2, "\\Seen");
    client.play(
        "C: a IDLE
         S: + idling
         S: * 2 FETCH (UID 2 FLAGS (\\Seen))",
    );
    client.rim.deliver("INBOX", "a: b\r\n\r\n", "");
    client.rim.remove("INBOX", 1);
    client.event(Answer::Changed);
    assert_eq!(client.take(), "* 1 EXPUNGE\r\n* 2 EXISTS\r\n");
    client.event(Answer::Changed);
    assert_eq!(client.take(), "");
    client.play(
        "C: done
         S: a OK Idle completed
         C: b IDLE
         S: + idling
         C: c NOOP
         S: b BAD Expected DONE",
    );
    assert_eq!(client.rim.asked[..3], ["Watch", "Changes", "Changes"]);
    assert!(client.rim.asked.contains(&"Unwatch".to_owned()));
}

#[test]
fn idle_without_a_mailbox_waits() {
    let mut client = Client::logged_in();
    client.play(
        "C: a IDLE
         S: + idling
         C: DONE
         S: a OK Idle completed",
    );
}

#[test]
fn a_client_in_idle_hears_that_the_server_is_there_and_has_half_an_hour() {
    let mut client = Client::selected(&[""]);
    client.send("a IDLE\r\n");
    assert_eq!(client.take(), "+ idling\r\n");
    let begun = client.now.seconds();
    while client.phase == Phase::Open {
        // Routers of homes and mobile networks forget a connection that is silent for five minutes.
        assert!(client.seconds_max < 300);
        client.be_silent();
        let told =
            if client.now.seconds() - begun < 1_800 { "* OK Still here\r\n" } else { "* BYE Idle for too long\r\n" };
        assert_eq!(client.take(), told);
    }
    assert_eq!(client.now.seconds() - begun, 1_800);

    let mut client = Client::selected(&[""]);
    client.send("a IDLE\r\n");
    for _ in 0..14 {
        client.be_silent();
    }
    client.send("DONE\r\nb IDLE\r\n");
    client.be_silent();
    assert!(client.take().ends_with("a OK Idle completed\r\n+ idling\r\n* OK Still here\r\n"));
}
