//! Mail that comes back from the vault.

use yubin_state::command::{DomainCommand, FlagOperation, MaintenanceCommand};
use yubin_state::expunged::{ExpungedMessage, ExpungedSearch, VaultPlace};
use yubin_state::{Answer, Query, Reply};
use yubin_types::{AccountId, Flag, MailboxId, Refusal, Timestamp, Usage, limits};

use crate::lab::{D1, DAY, Lab, bytes_quota, local, name, refused, uids};

fn everything() -> ExpungedSearch {
    let after = VaultPlace::before(Timestamp(0));
    ExpungedSearch { account: None, mailbox: None, after, until: Timestamp(u64::MAX) }
}

/// All pages of a search.
fn search(lab: &Lab, wanted: ExpungedSearch) -> Vec<ExpungedMessage> {
    let (mut all, mut after) = (Vec::new(), Some(wanted.after));
    while let Some(from) = after {
        match lab.ask(D1, &Query::Expunged(ExpungedSearch { after: from, ..wanted.clone() })) {
            Answer::Expunged { found, next } => {
                all.extend(found);
                after = next;
            }
            other => panic!("{other:?}"),
        }
    }
    all
}

fn places(found: &[ExpungedMessage]) -> Vec<VaultPlace> {
    found.iter().map(|message| message.place).collect()
}

fn restore(lab: &mut Lab, to: &str, places: Vec<VaultPlace>, into: &str) -> Reply {
    lab.domain(DomainCommand::RestoreExpunged { local: local(to), places, into: name(into) })
}

#[test]
fn expunged_mail_comes_back_whole_and_counts_again() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[10, 20], &["\\Seen", "$Work"]);
    lab.store(ann, "INBOX", &[1, 2], FlagOperation::Add, &["\\Deleted"]);
    let before = lab.rows(ann, "INBOX");
    lab.expunge(ann, "INBOX", &[1, 2]);
    assert_eq!(lab.usage("ann"), Usage::default());
    let found = search(&lab, everything());
    assert_eq!(found.iter().map(|message| message.bytes).collect::<Vec<_>>(), [10, 20]);
    let reply = restore(&mut lab, "ann", places(&found), "Restored/today");
    assert!(matches!(&reply, Reply::Stored { to, .. } if *to == uids(&[1, 2])), "{reply:?}");
    let after = lab.rows(ann, "Restored/today");
    for (was, is) in before.iter().zip(&after) {
        assert_eq!((&is.cold, is.hot.bytes, is.hot.email_id), (&was.cold, was.hot.bytes, was.hot.email_id));
        assert_eq!(is.hot.internal_date, was.hot.internal_date);
        assert!(is.hot.flags.contains(&Flag::Seen) && !is.hot.flags.contains(&Flag::Deleted));
        assert_eq!(is.hot.flags.keywords, was.hot.flags.keywords);
    }
    assert_eq!((after.len(), lab.vaulted()), (2, 0));
    assert_eq!(lab.usage("ann"), Usage { bytes: 30, messages: 2 });
    assert_eq!(lab.domain_usage(), Usage { bytes: 30, messages: 2 });
}

#[test]
fn what_came_back_does_not_come_twice_and_is_not_purged() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[10], &[]);
    lab.expunge(ann, "INBOX", &[1]);
    let kept = places(&search(&lab, everything()));
    let twice = vec![kept[0], kept[0]];
    restore(&mut lab, "ann", twice, "INBOX");
    assert_eq!(restore(&mut lab, "ann", kept, "INBOX"), Reply::Done);
    lab.now = lab.now.plus_seconds(30 * DAY);
    lab.maintain(MaintenanceCommand::PurgeVault);
    assert_eq!(lab.rows(ann, "INBOX").len(), 1);
    assert_eq!(lab.usage("ann"), Usage { bytes: 10, messages: 1 });
}

#[test]
fn a_search_tells_accounts_mailboxes_and_times_apart() {
    let mut lab = Lab::new();
    let (ann, bob) = (lab.account("ann"), lab.account("bob"));
    let start = lab.now;
    for (login, mailbox, bytes) in [(ann, "INBOX", 1), (ann, "Sent", 2), (bob, "INBOX", 3)] {
        lab.append(login, mailbox, &[bytes], &[]);
        lab.now = lab.now.plus_seconds(DAY);
        lab.expunge(login, mailbox, &[1]);
    }
    let sizes = |wanted| search(&lab, wanted).iter().map(|message| message.bytes).collect::<Vec<_>>();
    assert_eq!(sizes(everything()), [1, 2, 3]);
    assert_eq!(sizes(ExpungedSearch { account: Some(ann.account), ..everything() }), [1, 2]);
    let sent: MailboxId = lab.mailbox(ann, "Sent");
    assert_eq!(sizes(ExpungedSearch { mailbox: Some(sent), ..everything() }), [2]);
    let second = start.plus_seconds(2 * DAY);
    assert_eq!(sizes(ExpungedSearch { after: VaultPlace::before(second), ..everything() }), [2, 3]);
    assert_eq!(sizes(ExpungedSearch { until: second, ..everything() }), [1]);
}

#[test]
fn a_full_account_is_refused_and_nothing_moves() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[10, 20], &[]);
    lab.expunge(ann, "INBOX", &[1, 2]);
    lab.domain(DomainCommand::SetAccountQuota { local: local("ann"), quota: Some(bytes_quota(29)) });
    let kept = places(&search(&lab, everything()));
    let reply = restore(&mut lab, "ann", kept.clone(), "Restored");
    assert!(matches!(refused(&reply), Refusal::OverQuota { .. }), "{reply:?}");
    restore(&mut lab, "ann", kept[..1].to_vec(), "Restored");
    assert_eq!((lab.rows(ann, "Restored").len(), lab.vaulted()), (1, 1));
}

/// An account that was deleted by mistake: its mail goes into the one that was made anew.
#[test]
fn mail_of_a_deleted_account_comes_back_into_another() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[10], &[]);
    lab.domain(DomainCommand::DeleteAccount { local: local("ann") });
    let again = lab.account("ann");
    assert_ne!(again.account, ann.account);
    let found = search(&lab, ExpungedSearch { account: Some(ann.account), ..everything() });
    restore(&mut lab, "ann", places(&found), "INBOX");
    assert_eq!(lab.rows(again, "INBOX").len(), 1);
    let reply = restore(&mut lab, "nobody", places(&found), "INBOX");
    assert_eq!(refused(&reply), &Refusal::NoSuchAccount);
}

#[test]
fn keywords_for_which_there_is_no_room_stay_behind() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[10], &["$Work"]);
    lab.expunge(ann, "INBOX", &[1]);
    for number in 0..limits::KEYWORDS_PER_MAILBOX_MAX / 50 {
        let words: Vec<String> = (0..50).map(|word| format!("w{number}-{word}")).collect();
        lab.append(ann, "Archive", &[1], &words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let kept = places(&search(&lab, everything()));
    restore(&mut lab, "ann", kept, "Archive");
    let rows = lab.rows(ann, "Archive");
    assert_eq!(rows.last().map(|row| (row.hot.bytes, row.hot.flags.is_empty())), Some((10, true)));
}

#[test]
fn a_search_goes_on_where_it_ended() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    for first in (1..1_500).step_by(250) {
        lab.append(ann, "INBOX", &[1; 250], &[]);
        let all: Vec<u32> = (first..first + 250).collect();
        lab.expunge(ann, "INBOX", &all);
    }
    let first = lab.ask(D1, &Query::Expunged(everything()));
    assert!(matches!(&first, Answer::Expunged { found, next: Some(_) } if found.len() == 1_000), "a whole page");
    assert_eq!(search(&lab, everything()).len(), 1_500);
    let none = ExpungedSearch { account: Some(AccountId(99)), ..everything() };
    assert_eq!(search(&lab, none), []);
}
