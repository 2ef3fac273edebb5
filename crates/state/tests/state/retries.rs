//! The envelope: retries find the first outcome, stale epochs are refused, time never goes back.

use yubin_state::command::{DomainCommand, MailCommand, MaintenanceCommand};
use yubin_state::reply::More;
use yubin_state::{Answer, Command, DedupeClass, Envelope, Position, Query, Reply, apply};
use yubin_types::{DomainId, Epoch, Refusal, Timestamp, limits};

use crate::lab::{D1, Lab, deliver_to, local, recipient, refused};

fn deliver_as(lab: &mut Lab, envelope: &Envelope) -> Reply {
    lab.propose(envelope.clone(), deliver_to(vec![recipient("ann")], 10))
}

#[test]
fn a_retry_gets_the_first_reply_and_stores_nothing() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let envelope = lab.envelope(D1, DedupeClass::Delivery);
    let first = deliver_as(&mut lab, &envelope);
    assert!(matches!(first, Reply::Delivered(_)));
    assert_eq!(deliver_as(&mut lab, &envelope), first);
    let moved = Envelope { epoch: Epoch(9), ..envelope.clone() };
    assert_eq!(deliver_as(&mut lab, &moved), first);
    assert_eq!(lab.rows(ann, "INBOX").len(), 1);
}

/// A duplicate that comes late must not deliver what its sender was told is refused.
#[test]
fn a_refusal_is_remembered_too() {
    let mut lab = Lab::new();
    let envelope = lab.envelope(D1, DedupeClass::Delivery);
    let first = deliver_as(&mut lab, &envelope);
    assert_eq!(first, Reply::DeliveryRefused(vec![Some(Refusal::NoSuchRecipient)]));
    let ann = lab.account("ann");
    assert_eq!(deliver_as(&mut lab, &envelope), first);
    assert_eq!(lab.rows(ann, "INBOX").len(), 0);
}

#[test]
fn a_stale_epoch_is_refused_and_not_remembered() {
    let mut lab = Lab::new();
    lab.account("ann");
    let right = lab.envelope(D1, DedupeClass::Delivery);
    let stale = Envelope { epoch: Epoch(0), ..right.clone() };
    assert_eq!(refused(&deliver_as(&mut lab, &stale)), &Refusal::StaleEpoch);
    assert!(matches!(deliver_as(&mut lab, &right), Reply::Delivered(_)));
    let unknown = Envelope { domain: DomainId(99), ..right };
    assert_eq!(refused(&deliver_as(&mut lab, &unknown)), &Refusal::StaleEpoch);
    let Ok(asked) = yubin_state::answer(&lab.state, D1, Epoch(2), &Query::Domain);
    assert_eq!(asked, Answer::Refused(Refusal::StaleEpoch));
}

#[test]
fn outcomes_are_forgotten_when_their_time_is_over() {
    let mut lab = Lab::new();
    lab.account("ann");
    let envelope = lab.envelope(D1, DedupeClass::Delivery);
    deliver_as(&mut lab, &envelope);
    let due = lab.now.plus_seconds(limits::DEDUPE_DELIVERY_SECONDS);
    let due = Timestamp(due.0.next_multiple_of(limits::FORGET_STEP_SECONDS * 1_000));
    assert_eq!(lab.ask(DomainId(0), &Query::NextDue), Answer::NextDue(Some(due)));
    let early = lab.maintain(MaintenanceCommand::ForgetRequests);
    assert_eq!(early, Reply::Progress { more: More::No, touched: 0, next_due: Some(due) });
    lab.now = due;
    let reply = lab.maintain(MaintenanceCommand::ForgetRequests);
    assert_eq!(reply, Reply::Progress { more: More::No, touched: 1, next_due: None });
    assert!(matches!(deliver_as(&mut lab, &envelope), Reply::Delivered(_)));
    assert_eq!(lab.usage("ann").messages, 2);
}

#[test]
fn administration_is_remembered_for_a_day() {
    let mut lab = Lab::new();
    let envelope = lab.envelope(D1, DedupeClass::Admin);
    let create = DomainCommand::CreateAccount { local: local("ann"), verifiers: crate::lab::verifiers(1), quota: None };
    let first = lab.propose(envelope.clone(), Command::Domain(create.clone()));
    assert!(matches!(first, Reply::AccountCreated(_)));
    lab.now = lab.now.plus_seconds(limits::DEDUPE_ADMIN_SECONDS - 1);
    lab.maintain(MaintenanceCommand::ForgetRequests);
    assert_eq!(lab.propose(envelope, Command::Domain(create)), first);
}

#[test]
fn time_never_goes_back_and_never_leaves_this_age() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let now = lab.now;
    lab.now = Timestamp(now.0 - 5_000);
    lab.delivered(&["ann"], 1);
    assert_eq!(lab.rows(ann, "INBOX")[0].hot.save_date, now);
    lab.now = Timestamp(u64::MAX);
    assert_eq!(refused(&lab.deliver(&["ann"], 1)), &Refusal::ClockOutOfBounds);
    lab.now = now;
    lab.delivered(&["ann"], 1);
    assert_eq!(lab.rows(ann, "INBOX")[1].hot.save_date, now);
}

/// A replica that skipped what others apply would differ from them for good.
#[test]
fn an_entry_that_can_not_be_read_stops_the_replica() {
    for entry in [&[][..], &[9, 1, 2], &[1, 2]] {
        let mut lab = Lab::new();
        let applied =
            std::panic::AssertUnwindSafe(|| apply(&mut lab.state, Position { index: 9, term: 1 }, entry, &[]));
        assert!(std::panic::catch_unwind(applied).is_err(), "{entry:?}");
    }
}

#[test]
fn that_queued_mail_was_delivered_is_remembered_and_a_refusal_is_not() {
    let mut lab = Lab::new();
    let envelope = lab.envelope(D1, DedupeClass::Queued);
    assert!(matches!(deliver_as(&mut lab, &envelope), Reply::DeliveryRefused(_)));
    let ann = lab.account("ann");
    let first = deliver_as(&mut lab, &envelope);
    assert!(matches!(first, Reply::Delivered(_)), "{first:?}");
    lab.now = lab.now.plus_seconds(86_400);
    let a_day_later = Envelope { stamp: lab.now, ..envelope };
    assert_eq!(deliver_as(&mut lab, &a_day_later), first);
    assert_eq!(lab.rows(ann, "INBOX").len(), 1);
}

/// Work in several steps goes on under the same request.
#[test]
fn there_is_more_is_not_remembered() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    for _ in 0..11 {
        lab.append(ann, "INBOX", &[1; 100], &[]);
    }
    let envelope = lab.envelope(D1, DedupeClass::Admin);
    let rename =
        MailCommand::RenameMailbox { login: ann, from: crate::lab::name("INBOX"), to: crate::lab::name("old") };
    let first = lab.propose(envelope.clone(), Command::Mail(rename.clone()));
    assert!(matches!(first, Reply::Progress { more: More::Yes, touched: 1_000, .. }), "{first:?}");
    let second = lab.propose(envelope.clone(), Command::Mail(rename.clone()));
    assert!(matches!(second, Reply::Mailbox(_)), "{second:?}");
    assert_eq!(lab.propose(envelope, Command::Mail(rename)), second);
    assert_eq!((lab.rows(ann, "INBOX").len(), lab.rows(ann, "old").len()), (0, 1_100));
}
