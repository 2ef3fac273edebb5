//! APPEND, COPY, MOVE, EXPUNGE and reading rows.

use yubin_state::command::{DomainCommand, ExpungeWhich, FlagOperation, MailCommand, NewMessage};
use yubin_state::query::RowDetail;
use yubin_state::record::HotRow;
use yubin_state::{Answer, Encode as _, Query, Reply};
use yubin_types::{EmailId, ModSeq, QuotaScope, Refusal, Timestamp, Uid, UidSet, Usage, limits};

use crate::lab::{D1, How, Lab, bytes_quota, flags, local, message, name, plan, refused, uids};

#[test]
fn append_stores_all_messages_or_none() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.domain(DomainCommand::SetAccountQuota { local: local("ann"), quota: Some(bytes_quota(100)) });
    let reply = lab.append(ann, "Drafts", &[40, 60], &["\\Draft", "\\Seen"]);
    let selected = lab.select(ann, "Drafts");
    let expected = Reply::Stored {
        mailbox: selected.mailbox.id,
        uid_validity: selected.mailbox.uid_validity,
        from: UidSet::new(),
        to: uids(&[1, 2]),
        modseq: selected.mailbox.highest_modseq,
    };
    assert_eq!(reply, expected);
    assert_eq!(selected.mailbox.unseen, 0);
    lab.expunge(ann, "Drafts", &[1]);
    let full = Refusal::OverQuota { scope: QuotaScope::Account };
    assert_eq!(refused(&lab.append(ann, "Drafts", &[20, 21], &[])), &full);
    assert_eq!(refused(&lab.append(ann, "Nowhere", &[1], &[])), &Refusal::NoSuchMailbox);
    assert_eq!(lab.usage("ann").bytes, 60);
}

#[test]
fn uids_ascend_and_are_never_used_again() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[1, 1], &[]);
    lab.expunge(ann, "INBOX", &[1, 2]);
    lab.delivered(&["ann"], 1);
    assert_eq!(lab.select(ann, "INBOX").uids, uids(&[3]));
    assert_eq!(lab.select(ann, "INBOX").mailbox.uid_next, Uid(4));
}

#[test]
fn a_copy_keeps_what_the_message_is_and_counts() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[10, 20, 30], &["\\Flagged", "x"]);
    lab.now = lab.now.plus_seconds(60);
    let reply = lab.transfer(ann, "INBOX", &[1, 3, 9], "Archive", How::Copy);
    let Reply::Stored { from, to, .. } = reply else { panic!("{reply:?}") };
    assert_eq!((from, to), (uids(&[1, 3]), uids(&[1, 2])));
    let (source, copy) = (lab.rows(ann, "INBOX").remove(2), lab.rows(ann, "Archive").remove(1));
    assert_eq!(copy.hot.email_id, source.hot.email_id);
    assert_eq!((copy.hot.flags, copy.hot.internal_date), (source.hot.flags, source.hot.internal_date));
    assert_eq!(copy.hot.save_date, lab.now);
    assert_eq!(copy.cold, source.cold);
    assert_eq!(lab.usage("ann"), Usage { bytes: 100, messages: 5 });
    lab.transfer(ann, "INBOX", &[2], "INBOX", How::Copy);
    assert_eq!(lab.select(ann, "INBOX").uids, uids(&[1, 2, 3, 4]));
}

#[test]
fn a_copy_over_quota_copies_nothing_and_a_move_is_always_possible() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[10, 20], &[]);
    lab.domain(DomainCommand::SetAccountQuota { local: local("ann"), quota: Some(bytes_quota(15)) });
    let reply = lab.transfer(ann, "INBOX", &[1, 2], "Archive", How::Copy);
    assert_eq!(refused(&reply), &Refusal::OverQuota { scope: QuotaScope::Account });
    let reply = lab.transfer(ann, "INBOX", &[1, 2], "Archive", How::Move);
    assert!(matches!(reply, Reply::Stored { .. }), "{reply:?}");
    assert_eq!((lab.rows(ann, "INBOX").len(), lab.rows(ann, "Archive").len()), (0, 2));
    assert_eq!(lab.usage("ann"), Usage { bytes: 30, messages: 2 });
}

#[test]
fn a_move_within_a_mailbox_gives_new_uids() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[1, 2], &[]);
    let Reply::Stored { to, .. } = lab.transfer(ann, "INBOX", &[1], "INBOX", How::Move) else { panic!() };
    assert_eq!(to, uids(&[3]));
    assert_eq!(lab.select(ann, "INBOX").uids, uids(&[2, 3]));
}

#[test]
fn nothing_to_copy_is_no_error() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    for how in [How::Copy, How::Move] {
        let reply = lab.transfer(ann, "INBOX", &[5], "Archive", how);
        assert!(matches!(reply, Reply::Stored { to, .. } if to.is_empty()));
    }
}

#[test]
fn expunge_takes_flagged_messages_and_pop3_takes_what_it_names() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[1, 2, 3, 4], &[]);
    lab.store(ann, "INBOX", &[2, 4], FlagOperation::Add, &["\\Deleted"]);
    let mailbox = lab.mailbox(ann, "INBOX");
    let expunge = |which, list: &[u32]| MailCommand::Expunge { login: ann, mailbox, uids: uids(list), which };
    let Reply::Expunged { uids: gone, .. } = lab.mail(expunge(ExpungeWhich::FlaggedDeleted, &[1, 2, 3])) else {
        panic!()
    };
    assert_eq!(gone, uids(&[2]));
    let Reply::Expunged { uids: gone, .. } = lab.mail(expunge(ExpungeWhich::All, &[1, 2, 3])) else { panic!() };
    assert_eq!(gone, uids(&[1, 3]));
    assert_eq!(lab.usage("ann"), Usage { bytes: 4, messages: 1 });
    assert_eq!(lab.vaulted(), 3);
}

#[test]
fn a_large_expunge_goes_in_steps() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    for _ in 0..11 {
        lab.append(ann, "INBOX", &[1; 100], &[]);
    }
    let all: Vec<u32> = (1..=1_100).collect();
    let Reply::Expunged { uids: gone, .. } = lab.expunge(ann, "INBOX", &all) else { panic!() };
    assert_eq!(gone.len(), limits::MESSAGES_PER_COMMAND_MAX as u64);
    let Reply::Expunged { uids: gone, .. } = lab.expunge(ann, "INBOX", &all) else { panic!() };
    assert_eq!(gone.len(), 100);
}

#[test]
fn a_plan_without_a_vault_drops_bodies_at_once() {
    let mut lab = Lab::with_plan(yubin_state::record::Plan { vault_seconds: 0, ..plan() });
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[1], &[]);
    lab.transfer(ann, "INBOX", &[1], "Archive", How::Copy);
    lab.expunge(ann, "INBOX", &[1]);
    assert_eq!((lab.vaulted(), lab.state.dropped.len()), (0, 0));
    lab.expunge(ann, "Archive", &[1]);
    assert_eq!((lab.vaulted(), lab.state.dropped.len()), (0, 1));
}

#[test]
fn rows_come_in_frames_of_the_wanted_messages() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    for _ in 0..6 {
        lab.append(ann, "INBOX", &[1; 100], &[]);
    }
    let since = lab.select(ann, "INBOX").mailbox.highest_modseq;
    lab.store(ann, "INBOX", &[7, 590], FlagOperation::Add, &["\\Seen"]);
    let mailbox = lab.mailbox(ann, "INBOX");
    let ask = |uids: UidSet, changed_since: Option<ModSeq>| {
        let query = Query::Rows { login: ann, mailbox, uids, changed_since, detail: RowDetail::Hot };
        match lab.ask(D1, &query) {
            Answer::Rows { rows, next } => (rows.iter().map(|row| row.uid.0).collect::<Vec<_>>(), next),
            other => panic!("{other:?}"),
        }
    };
    let (rows, next) = ask(UidSet::range(1, u32::MAX), None);
    assert_eq!((rows.len(), next), (500, Some(Uid(501))));
    let (rows, next) = ask(UidSet::range(501, u32::MAX), None);
    assert_eq!((rows.len(), next), (100, None));
    assert_eq!(ask(UidSet::range(1, u32::MAX), Some(since)), (vec![7, 590], None));
    assert_eq!(ask(UidSet::range(8, 600), Some(since)), (vec![590], None));
    assert_eq!(ask(uids(&[3, 700, 599]), None), (vec![3, 599], None));
}

/// What a stranger's mail takes is for the stranger to say: a frame ends before it is too much for one answer.
#[test]
fn a_frame_ends_early_where_structures_are_large() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    for _ in 0..5 {
        let large = NewMessage { cold: vec![b'f'; 900_000].into(), ..message(100) };
        let messages = vec![(large, flags(&[]), EmailId([1; 16]))];
        lab.mail(MailCommand::Append { login: ann, mailbox: name("INBOX"), messages });
    }
    let mailbox = lab.mailbox(ann, "INBOX");
    let frame = |from: u32, detail: RowDetail| {
        let uids = UidSet::range(from, u32::MAX);
        match lab.ask(D1, &Query::Rows { login: ann, mailbox, uids, changed_since: None, detail }) {
            Answer::Rows { rows, next } => (rows.len(), next),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(frame(1, RowDetail::HotAndCold), (3, Some(Uid(4))));
    assert_eq!(frame(4, RowDetail::HotAndCold), (2, None));
    assert_eq!(frame(1, RowDetail::Hot), (5, None));
    assert_eq!(lab.rows(ann, "INBOX").len(), 5);
}

#[test]
fn a_hot_row_is_small() {
    let hot = HotRow {
        flags: flags(&["\\Seen", "\\Answered", "$Forwarded"]),
        modseq: ModSeq(u64::from(u32::MAX)),
        bytes: 100 << 20,
        internal_date: Timestamp(1_800_000_000_000),
        save_date: Timestamp(1_800_000_000_000),
        email_id: EmailId([255; 16]),
    };
    assert!(hot.encode().len() <= 100, "{}", hot.encode().len());
}

#[test]
fn a_copy_can_not_leave_the_account() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let bob = lab.account("bob");
    lab.delivered(&["bob"], 1);
    let mailbox = lab.mailbox(bob, "INBOX");
    for command in [
        MailCommand::Copy { login: ann, mailbox, uids: uids(&[1]), to: name("INBOX") },
        MailCommand::Move { login: ann, mailbox, uids: uids(&[1]), to: name("INBOX") },
        MailCommand::Expunge { login: ann, mailbox, uids: uids(&[1]), which: ExpungeWhich::All },
    ] {
        assert_eq!(refused(&lab.mail(command)), &Refusal::NoSuchMailbox);
    }
    let query =
        Query::Rows { login: ann, mailbox, uids: uids(&[1]), changed_since: None, detail: RowDetail::HotAndCold };
    assert_eq!(lab.ask(D1, &query), Answer::Refused(Refusal::NoSuchMailbox));
}
