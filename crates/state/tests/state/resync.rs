//! QRESYNC: what changed since a MODSEQ is the difference of two full reads.

use yubin_state::command::{ExpungeWhich, FlagOperation, MailCommand};
use yubin_state::query::Changes;
use yubin_state::{Answer, Command, DedupeClass, Query};
use yubin_types::{ModSeq, Uid, limits};

use crate::lab::{D1, How, Lab, uids};

fn changes(lab: &Lab, login: yubin_state::command::Login, since: ModSeq) -> Changes {
    match lab.ask(D1, &Query::Changes { login, mailbox: lab.mailbox(login, "INBOX"), since }) {
        Answer::Changes(changes) => changes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn changes_name_new_changed_and_vanished_messages() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[1, 2, 3, 4], &[]);
    let since = lab.select(ann, "INBOX").mailbox.highest_modseq;
    assert_eq!(changes(&lab, ann, since).changed, []);
    lab.store(ann, "INBOX", &[2], FlagOperation::Add, &["\\Seen"]);
    lab.expunge(ann, "INBOX", &[3]);
    lab.transfer(ann, "INBOX", &[4], "Archive", How::Move);
    lab.delivered(&["ann"], 9);
    let now = changes(&lab, ann, since);
    assert_eq!(now.changed.iter().map(|changed| changed.uid).collect::<Vec<_>>(), [Uid(2), Uid(5)]);
    assert_eq!(now.vanished, uids(&[3, 4]));
    assert_eq!((now.uid_next, now.live, now.next), (Uid(6), None, None));
    assert_eq!(now.highest_modseq, lab.select(ann, "INBOX").mailbox.highest_modseq);
}

#[test]
fn below_the_floor_the_answer_is_what_is_alive() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let old = lab.select(ann, "INBOX").mailbox.highest_modseq;
    for _ in 0..11 {
        lab.append(ann, "INBOX", &[1; 100], &[]);
    }
    let since = lab.select(ann, "INBOX").mailbox.highest_modseq;
    let expunged = limits::TOMBSTONES_PER_MAILBOX_MAX + 1;
    let mailbox = lab.mailbox(ann, "INBOX");
    for uid in 1..=expunged {
        let expunge = MailCommand::Expunge { login: ann, mailbox, uids: uids(&[uid]), which: ExpungeWhich::All };
        lab.propose_unchecked(lab.envelope(D1, DedupeClass::None), Command::Mail(expunge));
    }
    lab.check();
    assert_eq!(changes(&lab, ann, old).live, Some((expunged + 1..=1_100).map(Uid).collect()));
    assert_eq!(changes(&lab, ann, since).live.map(|live| live.len()), Some(99));
    let floor = ModSeq(since.0 + 1);
    let above = changes(&lab, ann, floor);
    assert_eq!((above.live, above.vanished), (None, (2..=expunged).map(Uid).collect()));
}

#[test]
fn many_changes_come_in_pages() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    for _ in 0..60 {
        lab.append(ann, "INBOX", &[1; 100], &[]);
    }
    let first = changes(&lab, ann, ModSeq(0));
    assert_eq!(first.changed.len(), limits::CHANGES_PER_ANSWER_MAX);
    let second = changes(&lab, ann, first.next.unwrap());
    assert_eq!((second.changed.len(), second.next), (6_000 - limits::CHANGES_PER_ANSWER_MAX, None));
    assert_eq!(second.changed.last().map(|changed| changed.uid), Some(Uid(6_000)));
}
