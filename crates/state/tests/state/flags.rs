//! STORE: flags as a set, conditional stores, counters and keywords.

use yubin_state::Reply;
use yubin_state::command::{FlagOperation, Login, MailCommand};
use yubin_types::{Keyword, MailboxId, ModSeq, Refusal, Uid, limits};

use crate::lab::{Lab, flags, refused, uids};

fn three(lab: &mut Lab) -> (Login, MailboxId) {
    let ann = lab.account("ann");
    for _ in 0..3 {
        lab.delivered(&["ann"], 10);
    }
    (ann, lab.mailbox(ann, "INBOX"))
}

fn store(
    lab: &mut Lab,
    at: (Login, MailboxId),
    which: &[u32],
    with: &[&str],
    unchanged_since: Option<ModSeq>,
) -> Reply {
    let (login, mailbox) = at;
    let (uids, operation, flags) = (uids(which), FlagOperation::Add, flags(with));
    lab.mail(MailCommand::StoreFlags { login, mailbox, uids, operation, flags, unchanged_since })
}

fn shown(lab: &Lab, login: Login, uid: usize) -> Vec<String> {
    lab.rows(login, "INBOX")[uid - 1].hot.flags.iter().map(|flag| flag.to_string()).collect()
}

#[test]
fn flags_are_added_removed_and_replaced() {
    let mut lab = Lab::new();
    let (ann, _) = three(&mut lab);
    lab.store(ann, "INBOX", &[1, 2], FlagOperation::Add, &["\\Seen", "work"]);
    lab.store(ann, "INBOX", &[1], FlagOperation::Add, &["\\Flagged"]);
    lab.store(ann, "INBOX", &[1], FlagOperation::Remove, &["WORK"]);
    lab.store(ann, "INBOX", &[2], FlagOperation::Replace, &["\\Draft"]);
    assert_eq!(shown(&lab, ann, 1), ["\\Flagged", "\\Seen"]);
    assert_eq!(shown(&lab, ann, 2), ["\\Draft"]);
    assert_eq!(shown(&lab, ann, 3), [""; 0]);
}

#[test]
fn select_tells_counts_the_first_unseen_and_keywords_in_use() {
    let mut lab = Lab::new();
    let (ann, _) = three(&mut lab);
    assert_eq!(lab.select(ann, "INBOX").first_unseen, Some(Uid(1)));
    lab.store(ann, "INBOX", &[1], FlagOperation::Add, &["\\Seen", "Work"]);
    lab.store(ann, "INBOX", &[3], FlagOperation::Add, &["\\Deleted", "work"]);
    let selected = lab.select(ann, "INBOX");
    assert_eq!((selected.mailbox.messages, selected.mailbox.unseen, selected.mailbox.deleted), (3, 2, 1));
    assert_eq!(selected.first_unseen, Some(Uid(2)));
    assert_eq!(selected.uids, uids(&[1, 2, 3]));
    assert_eq!(selected.keywords.iter().map(Keyword::as_str).collect::<Vec<_>>(), ["Work"]);
    lab.store(ann, "INBOX", &[1, 2, 3], FlagOperation::Replace, &["\\Seen"]);
    let selected = lab.select(ann, "INBOX");
    assert_eq!((selected.mailbox.unseen, selected.first_unseen, selected.keywords.len()), (0, None, 0));
}

/// RFC 7162 §3.1.3: a conditional store leaves alone, and names, what changed meanwhile.
#[test]
fn a_conditional_store_is_a_compare_and_swap() {
    let mut lab = Lab::new();
    let at = three(&mut lab);
    let seen = lab.select(at.0, "INBOX").mailbox.highest_modseq;
    store(&mut lab, at, &[2], &["a"], None);
    let Reply::FlagsStored { modified, modseq } = store(&mut lab, at, &[1, 2, 3], &["b"], Some(seen)) else { panic!() };
    assert_eq!(modified, uids(&[2]));
    assert_eq!(modseq, Some(lab.select(at.0, "INBOX").mailbox.highest_modseq));
    assert_eq!(shown(&lab, at.0, 2), ["a"]);
    assert_eq!(shown(&lab, at.0, 3), ["b"]);
}

#[test]
fn what_does_not_change_keeps_its_modseq() {
    let mut lab = Lab::new();
    let at = three(&mut lab);
    store(&mut lab, at, &[1], &["\\Seen"], None);
    let before = lab.rows(at.0, "INBOX");
    let reply = store(&mut lab, at, &[1, 77], &["\\Seen"], None);
    assert_eq!(reply, Reply::FlagsStored { modified: uids(&[]), modseq: None });
    assert_eq!(lab.rows(at.0, "INBOX"), before);
}

#[test]
fn a_message_has_a_bounded_number_of_keywords() {
    let mut lab = Lab::new();
    let at = three(&mut lab);
    let many: Vec<String> = (0..limits::KEYWORDS_PER_MESSAGE_MAX).map(|n| format!("k{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(matches!(store(&mut lab, at, &[1], &many, None), Reply::FlagsStored { modseq: Some(_), .. }));
    assert!(matches!(refused(&store(&mut lab, at, &[2, 1], &["more"], None)), Refusal::TooMany { .. }));
    assert_eq!(shown(&lab, at.0, 2), [""; 0]);
}

#[test]
fn one_command_touches_a_bounded_number_of_messages() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    for _ in 0..11 {
        lab.append(ann, "INBOX", &[1; 91], &[]);
    }
    let at = (ann, lab.mailbox(ann, "INBOX"));
    let all: Vec<u32> = (1..=1_001).collect();
    assert!(matches!(refused(&store(&mut lab, at, &all, &["a"], None)), Refusal::TooMany { .. }));
    assert!(matches!(store(&mut lab, at, &all[1..], &["a"], None), Reply::FlagsStored { modseq: Some(_), .. }));
}

#[test]
fn nobody_changes_anothers_mail() {
    let mut lab = Lab::new();
    let (_, mailbox) = three(&mut lab);
    let bob = lab.account("bob");
    assert_eq!(refused(&store(&mut lab, (bob, mailbox), &[1], &["a"], None)), &Refusal::NoSuchMailbox);
    let stale = Login { generation: bob.generation + 1, ..bob };
    assert_eq!(refused(&store(&mut lab, (stale, mailbox), &[1], &["a"], None)), &Refusal::StaleGeneration);
}

#[test]
fn a_mailbox_has_a_bounded_number_of_keywords() {
    let mut lab = Lab::new();
    let at = three(&mut lab);
    let all: Vec<String> = (0..limits::KEYWORDS_PER_MAILBOX_MAX).map(|n| format!("k{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for some in all.chunks(limits::KEYWORDS_PER_MESSAGE_MAX) {
        lab.append(at.0, "INBOX", &[1], some);
    }
    assert_eq!(lab.select(at.0, "INBOX").keywords.len(), limits::KEYWORDS_PER_MAILBOX_MAX);
    assert!(matches!(refused(&store(&mut lab, at, &[1], &["one-more"], None)), Refusal::TooMany { .. }));
    assert!(matches!(refused(&lab.append(at.0, "INBOX", &[1], &["one-more"])), Refusal::TooMany { .. }));
    assert!(matches!(store(&mut lab, at, &[1], &["k7"], None), Reply::FlagsStored { modseq: Some(_), .. }));
}
