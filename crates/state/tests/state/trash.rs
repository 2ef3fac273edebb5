//! Trash expiry and the vault, with stamps instead of waiting.

use yubin_state::command::{DomainCommand, MailCommand, MaintenanceCommand};
use yubin_state::record::Plan;
use yubin_state::reply::More;
use yubin_state::{Answer, Query, Reply};
use yubin_types::{DomainId, Timestamp, Usage};

use crate::lab::{D2, DAY, How, Lab, bytes_quota, local, name, plan, uids};

fn expire(lab: &mut Lab) -> (u64, Option<Timestamp>) {
    match lab.maintain(MaintenanceCommand::ExpireTrash) {
        Reply::Progress { more: More::No, touched, next_due } => (touched, next_due),
        other => panic!("{other:?}"),
    }
}

fn purge(lab: &mut Lab) -> (u64, Option<Timestamp>) {
    match lab.maintain(MaintenanceCommand::PurgeVault) {
        Reply::Progress { more: More::No, touched, next_due } => (touched, next_due),
        other => panic!("{other:?}"),
    }
}

fn next_due(lab: &Lab) -> Option<Timestamp> {
    match lab.ask(DomainId(0), &Query::NextDue) {
        Answer::NextDue(due) => due,
        other => panic!("{other:?}"),
    }
}

fn at(lab: &mut Lab, seconds: u64) {
    lab.now = lab.now.plus_seconds(seconds);
}

/// SHIN-17: seven days after the move into Trash, not after arrival; to the millisecond.
#[test]
fn mail_leaves_trash_seven_days_after_it_came_there() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[10, 20, 30], &[]);
    at(&mut lab, 30 * DAY);
    lab.transfer(ann, "INBOX", &[1], "Trash", How::Move);
    let due = lab.now.plus_seconds(7 * DAY);
    assert_eq!(next_due(&lab), Some(due));
    at(&mut lab, DAY);
    lab.transfer(ann, "INBOX", &[2], "Trash", How::Copy);
    lab.now = Timestamp(due.0 - 1);
    assert_eq!(expire(&mut lab), (0, Some(due)));
    lab.now = due;
    assert_eq!(expire(&mut lab), (1, Some(due.plus_seconds(DAY))));
    assert_eq!(lab.select(ann, "Trash").uids, uids(&[2]));
    assert_eq!(lab.usage("ann"), Usage { bytes: 70, messages: 3 });
    assert_eq!(lab.rows(ann, "INBOX").len(), 2);
}

/// SHIN-08: Trash counts against the quota; what expires makes room.
#[test]
fn expiry_makes_room() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.domain(DomainCommand::SetAccountQuota { local: local("ann"), quota: Some(bytes_quota(10)) });
    lab.delivered(&["ann"], 10);
    lab.transfer(ann, "INBOX", &[1], "Trash", How::Move);
    assert!(matches!(lab.deliver(&["ann"], 10), Reply::DeliveryRefused(_)));
    at(&mut lab, 7 * DAY);
    assert_eq!(expire(&mut lab).0, 1);
    lab.delivered(&["ann"], 10);
}

#[test]
fn a_changed_plan_holds_for_mail_that_is_in_trash_already() {
    let mut lab = Lab::new();
    lab.create_domain(D2, "two.example", Plan { name: "other".to_owned(), ..plan() });
    let ann = lab.account("ann");
    let eve = lab.account_in(D2, "eve");
    lab.append(ann, "Trash", &[1], &[]);
    let start = lab.now;
    at(&mut lab, DAY);
    let put = |seconds| MaintenanceCommand::PutPlan(Plan { trash_expiry_seconds: seconds, ..plan() });
    let changed = Reply::Progress { more: More::No, touched: 1, next_due: None };
    assert_eq!(lab.maintain(put(None)), changed);
    assert_eq!(next_due(&lab), None);
    at(&mut lab, 30 * DAY);
    assert_eq!(expire(&mut lab), (0, None));
    assert_eq!(lab.maintain(put(Some(60 * DAY))), changed);
    assert_eq!(next_due(&lab), Some(start.plus_seconds(60 * DAY)));
    let update = DomainCommand::Update {
        plan: Some(Plan { trash_expiry_seconds: Some(2 * DAY), ..plan() }),
        quota: None,
        catch_all: None,
    };
    lab.domain(update);
    assert_eq!(expire(&mut lab), (1, None));
    assert_eq!(lab.login_in(D2, "eve"), eve);
}

#[test]
fn a_mailbox_renamed_into_trash_starts_its_time_then_and_one_that_leaves_is_safe() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.create(ann, "project/notes");
    lab.append(ann, "project/notes", &[1], &[]);
    at(&mut lab, 30 * DAY);
    let rename = |from: &str, to: &str| MailCommand::RenameMailbox { login: ann, from: name(from), to: name(to) };
    lab.mail(rename("project", "Trash/project"));
    let due = lab.now.plus_seconds(7 * DAY);
    assert_eq!((expire(&mut lab), next_due(&lab)), ((0, Some(due)), Some(due)));
    at(&mut lab, 6 * DAY);
    lab.mail(rename("Trash/project/notes", "notes"));
    at(&mut lab, 7 * DAY);
    assert_eq!(expire(&mut lab), (0, None));
    lab.mail(rename("notes", "Trash/notes"));
    at(&mut lab, 7 * DAY);
    assert_eq!(expire(&mut lab), (1, None));
    lab.mail(rename("Trash", "Bin"));
    lab.create(ann, "Bin/below");
    lab.append(ann, "Bin/below", &[1], &[]);
    lab.create(ann, "Trash");
    lab.append(ann, "Trash", &[1], &[]);
    at(&mut lab, 7 * DAY);
    assert_eq!(expire(&mut lab), (1, None));
    assert_eq!((lab.rows(ann, "Bin/below").len(), lab.rows(ann, "Trash").len()), (0, 1));
}

#[test]
fn expiry_goes_in_bounded_steps_over_all_domains() {
    let mut lab = Lab::new();
    lab.create_domain(D2, "two.example", plan());
    let ann = lab.account("ann");
    lab.account_in(D2, "eve");
    for _ in 0..11 {
        lab.append(ann, "Trash", &[1; 100], &[]);
    }
    at(&mut lab, 7 * DAY);
    let reply = lab.maintain(MaintenanceCommand::ExpireTrash);
    assert!(matches!(reply, Reply::Progress { more: More::Yes, touched: 1_000, .. }), "{reply:?}");
    assert_eq!(expire(&mut lab), (100, None));
    assert_eq!(lab.usage("ann"), Usage::default());
}

#[test]
fn the_vault_keeps_expunged_mail_for_the_plans_time_outside_the_quota() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[10, 20], &[]);
    lab.expunge(ann, "INBOX", &[1]);
    assert_eq!((lab.usage("ann").bytes, lab.vaulted()), (20, 1));
    let due = lab.now.plus_seconds(3 * DAY);
    at(&mut lab, DAY);
    lab.expunge(ann, "INBOX", &[2]);
    assert_eq!(purge(&mut lab), (0, Some(due)));
    lab.now = due;
    assert_eq!(purge(&mut lab).1, Some(due.plus_seconds(DAY)));
    assert_eq!((lab.vaulted(), lab.state.dropped.len()), (1, 1));
    lab.maintain(MaintenanceCommand::PutPlan(Plan { vault_seconds: 0, ..plan() }));
    assert_eq!(purge(&mut lab).1, None);
    assert_eq!((lab.vaulted(), lab.state.dropped.len()), (0, 2));
}
