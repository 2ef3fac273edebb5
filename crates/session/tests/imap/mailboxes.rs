//! CREATE, DELETE, RENAME, subscriptions, LIST, LSUB, STATUS, quotas.

use crate::client::Client;
use crate::rim::name;

#[test]
fn mailboxes_are_made_renamed_and_deleted() {
    let mut client = Client::logged_in();
    client.play(
        "C: a CREATE &MLQw33ux-/b/
         S: a OK [MAILBOXID (F4)] Create completed
         C: b CREATE INBOX
         S: b NO [ALREADYEXISTS] The mailbox exists already
         C: c CREATE Old (USE (\\Archive))
         S: c OK [MAILBOXID (F5)] Create completed
         C: d CREATE x (USE (\\Archive \\Junk))
         S: d NO [USEATTR] Special use not supported
         C: e CREATE \"a//b\"
         S: e NO [CANNOT] Invalid mailbox name
         C: f CREATE &AGE-
         S: f NO [CANNOT] Invalid mailbox name
         C: g RENAME Old Older
         S: g OK Rename completed
         C: h RENAME Older Older/x
         S: h NO [CANNOT] A mailbox can't be moved into itself
         C: i DELETE Older
         S: i OK Delete completed
         C: j DELETE Older
         S: j NO [NONEXISTENT] No such mailbox
         C: k DELETE inbox
         S: k NO [CANNOT] INBOX can't be deleted
         C: l LIST \"\" *
         S: * LIST (\\HasNoChildren) \"/\" INBOX
         S: * LIST (\\HasNoChildren \\Trash) \"/\" Trash
         S: * LIST (\\HasChildren) \"/\" &MLQw33ux-
         S: * LIST (\\HasNoChildren) \"/\" &MLQw33ux-/b
         S: l OK List completed",
    );
    assert!(client.rim.mailboxes.contains_key(&name("ゴミ箱/b")));
}

fn with_tree() -> Client {
    let mut client = Client::logged_in();
    for name in ["a", "a/b", "a/b/c", "a b"] {
        client.send(&format!("x CREATE \"{name}\"\r\n"));
    }
    for name in ["a/b", "gone/x", "INBOX"] {
        client.send(&format!("x SUBSCRIBE {name}\r\n"));
    }
    client.take();
    client
}

#[test]
fn list_matches_patterns() {
    let mut client = with_tree();
    client.play(
        "C: a LIST \"\" \"\"
         S: * LIST (\\Noselect) \"/\" \"\"
         S: a OK List completed
         C: b LIST \"\" %
         S: * LIST (\\HasNoChildren) \"/\" INBOX
         S: * LIST (\\HasNoChildren \\Trash) \"/\" Trash
         S: * LIST (\\HasChildren) \"/\" a
         S: * LIST (\\HasNoChildren) \"/\" \"a b\"
         S: b OK List completed
         C: c LIST a/ %
         S: * LIST (\\HasChildren) \"/\" a/b
         S: c OK List completed
         C: d LIST \"\" iNbOx
         S: * LIST (\\HasNoChildren) \"/\" INBOX
         S: d OK List completed
         C: e LIST \"\" *c
         S: * LIST (\\HasNoChildren) \"/\" a/b/c
         S: e OK List completed
         C: f LIST \"\" &bad
         S: f OK List completed
         C: g UNSUBSCRIBE INBOX
         S: g OK Unsubscribe completed
         C: h LSUB \"\" *
         S: * LSUB () \"/\" a/b
         S: * LSUB () \"/\" gone/x
         S: h OK Lsub completed
         C: i LSUB \"\" %
         S: * LSUB (\\Noselect) \"/\" a
         S: * LSUB (\\Noselect) \"/\" gone
         S: i OK Lsub completed",
    );
}

#[test]
fn list_extended() {
    let mut client = with_tree();
    client.play(
        "C: a LIST (SPECIAL-USE) \"\" *
         S: * LIST (\\HasNoChildren \\Trash) \"/\" Trash
         S: a OK List completed
         C: b LIST \"\" (INBOX \"a b\") RETURN (SPECIAL-USE CHILDREN SUBSCRIBED)
         S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX
         S: * LIST (\\HasNoChildren) \"/\" \"a b\"
         S: b OK List completed
         C: c LIST (SUBSCRIBED) \"\" *
         S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX
         S: * LIST (\\HasChildren \\Subscribed) \"/\" a/b
         S: * LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" gone/x
         S: c OK List completed
         C: d LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %
         S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX
         S: * LIST (\\HasChildren) \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))
         S: * LIST (\\NonExistent \\HasNoChildren) \"/\" gone (\"CHILDINFO\" (\"SUBSCRIBED\"))
         S: d OK List completed
         C: e LIST (RECURSIVEMATCH) \"\" *
         S: e BAD RECURSIVEMATCH needs another selection option
         C: f LIST (FOO) \"\" *
         S: f BAD Unknown selection option
         C: g LIST \"\" * RETURN (FOO)
         S: g BAD Unknown return option
         C: h LIST \"\" ()
         S: h BAD Missing pattern",
    );
}

#[test]
fn list_tells_status_too() {
    let mut client = with_tree();
    client.rim.deliver("INBOX", "a: b\r\n\r\n", "\\Deleted");
    client.play(
        "C: a LIST (SUBSCRIBED) \"\" (INBOX gone/x) RETURN (STATUS (MESSAGES UNSEEN DELETED-STORAGE))
         S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX
         S: * STATUS INBOX (MESSAGES 1 UNSEEN 1 DELETED-STORAGE 8)
         S: * LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" gone/x
         S: a OK List completed",
    );
}

#[test]
fn status_of_a_mailbox() {
    let mut client = Client::logged_in();
    client.rim.rows_per_frame = 1;
    for flags in ["\\Seen", "\\Deleted", "\\Deleted"] {
        client.rim.deliver("INBOX", "a: b\r\n\r\nc", flags);
    }
    client.play(
        "C: a STATUS inbox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED DELETED-STORAGE SIZE HIGHESTMODSEQ)
         S: * STATUS INBOX (MESSAGES 3 RECENT 0 UIDNEXT 4 UIDVALIDITY 7 UNSEEN 2 DELETED 2 DELETED-STORAGE 18 SIZE 27 HIGHESTMODSEQ 103)
         S: a OK Status completed
         C: b STATUS Trash (MESSAGES DELETED-STORAGE MAILBOXID)
         S: * STATUS Trash (MESSAGES 0 DELETED-STORAGE 0 MAILBOXID (F2))
         S: b OK Status completed
         C: c STATUS nothing (MESSAGES)
         S: c NO [NONEXISTENT] No such mailbox
         C: d STATUS INBOX ()
         S: d BAD Missing status items
         C: e STATUS INBOX (FOO)
         S: e BAD Unknown status item",
    );
}

#[test]
fn quotas_of_account_and_domain() {
    let mut client = Client::logged_in();
    client.play(
        "C: a GETQUOTAROOT INBOX
         S: * QUOTAROOT INBOX account domain
         S: * QUOTA account (STORAGE 2 10 MESSAGE 3 7)
         S: * QUOTA domain (MESSAGE 4 9)
         S: a OK Quota completed
         C: b GETQUOTA \"account\"
         S: * QUOTA account (STORAGE 2 10 MESSAGE 3 7)
         S: b OK Quota completed
         C: c GETQUOTA \"\"
         S: c NO [NONEXISTENT] No such quota root
         C: d GETQUOTAROOT nothing
         S: d NO [NONEXISTENT] No such mailbox
         C: e SETQUOTA account (STORAGE 512)
         S: e NO [NOPERM] Quotas are set by the operator",
    );
}
