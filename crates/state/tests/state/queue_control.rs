//! What an operator does with queued mail: hold, release, retry, cancel; and suspensions in the directory.

use yubin_state::command::DirectoryCommand;
use yubin_state::queue::{
    AfterLease, ControlAction, ControlItem, ControlOutcome, DeliveryState, FinalOutcome, Leased, QueueCommand,
    QueueReply, QueueSuspension, SuspensionScope,
};
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{DomainName, GroupNumber, Refusal, Timestamp};

use crate::lab::{D1, Lab, refused};
use crate::queue::{GROUP, delivered, destination, id, key, result};

fn item(number: u8) -> ControlItem {
    ControlItem { id: id(number), destination: destination("b.example") }
}

fn hold() -> ControlAction {
    ControlAction::Hold { reason: "look first".to_owned() }
}

impl Lab {
    fn control(&mut self, number: u8, action: ControlAction) -> ControlOutcome {
        match self.queue(D1, QueueCommand::Control { items: vec![item(number)], action }) {
            Reply::Queue(QueueReply::Controlled(outcomes)) => outcomes[0],
            other => panic!("{other:?}"),
        }
    }

    fn try_one(&mut self) -> Vec<Leased> {
        self.lease(60, vec![key(1, "b.example")])
    }

    fn state(&self) -> DeliveryState {
        self.delivery(1, "b.example").unwrap().state
    }
}

#[test]
fn held_mail_waits_for_its_release() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example"]);
    assert_eq!(lab.control(1, ControlAction::Release), ControlOutcome::Unchanged);
    assert_eq!(lab.control(1, hold()), ControlOutcome::Done);
    assert_eq!(lab.control(1, hold()), ControlOutcome::Unchanged);
    assert_eq!(lab.control(1, ControlAction::Retry), ControlOutcome::Unchanged, "it is held");
    lab.wait(86_400);
    assert_eq!(lab.try_one(), []);
    assert_eq!(lab.control(1, ControlAction::Release), ControlOutcome::Done);
    assert_eq!(lab.try_one().len(), 1);
    assert_eq!(lab.control(2, hold()), ControlOutcome::NotFound);
}

#[test]
fn retry_makes_due_what_waits() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example"]);
    let leased = lab.try_one();
    assert_eq!(lab.control(1, ControlAction::Retry), ControlOutcome::Unchanged, "it is being tried");
    lab.record(vec![result(&leased[0], vec![], lab.now.plus_seconds(900))]);
    assert_eq!(lab.try_one(), []);
    assert_eq!(lab.control(1, ControlAction::Retry), ControlOutcome::Done);
    assert_eq!(lab.try_one().len(), 1);
}

#[test]
fn cancelled_mail_ends_in_events_and_nothing_else() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example", "y@b.example"]);
    assert_eq!(lab.control(1, ControlAction::Cancel), ControlOutcome::Done);
    let cancelled = |to: &str| (to.to_owned(), FinalOutcome::Cancelled);
    assert_eq!(lab.ends(), [cancelled("x@b.example"), cancelled("y@b.example")]);
    assert_eq!(lab.totals(), Default::default());
    assert_eq!(lab.control(1, ControlAction::Cancel), ControlOutcome::NotFound);
}

#[test]
fn what_is_in_flight_obeys_when_its_attempt_ends() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example"]);
    let leased = lab.try_one();
    assert_eq!(lab.control(1, hold()), ControlOutcome::AfterLease);
    assert!(matches!(lab.state(), DeliveryState::InFlight { after: AfterLease::Hold { .. }, .. }));
    lab.record(vec![result(&leased[0], vec![], lab.now)]);
    assert_eq!(lab.state(), DeliveryState::Held { reason: "look first".to_owned() });
    lab.control(1, ControlAction::Release);
    let leased = lab.try_one();
    assert_eq!(lab.control(1, ControlAction::Cancel), ControlOutcome::AfterLease);
    assert_eq!(lab.control(1, ControlAction::Release), ControlOutcome::Unchanged, "a cancellation stands");
    lab.record(vec![result(&leased[0], vec![], lab.now)]);
    assert_eq!(lab.ends(), [("x@b.example".to_owned(), FinalOutcome::Cancelled)]);
}

#[test]
fn a_cancellation_that_comes_too_late_lets_the_delivery_count() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example"]);
    let leased = lab.try_one();
    lab.control(1, ControlAction::Cancel);
    assert_eq!(lab.record(vec![delivered(&leased[0])]), []);
    assert_eq!(lab.ends(), [("x@b.example".to_owned(), FinalOutcome::Delivered)]);
}

#[test]
fn a_dead_workers_delivery_is_held_or_cancelled_when_its_lease_ends() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example"]);
    let leased = lab.try_one();
    lab.control(1, hold());
    lab.wait(60);
    assert_eq!(lab.try_one(), []);
    let delivery = lab.delivery(1, "b.example").unwrap();
    assert_eq!(delivery.state, DeliveryState::Held { reason: "look first".to_owned() });
    assert_eq!((delivery.attempts, delivery.lapsed), (1, 1));
    // The worker was only slow: what it knows counts, and was counted as an attempt already.
    assert_eq!(lab.record(vec![result(&leased[0], vec![], lab.now)]), []);
    let delivery = lab.delivery(1, "b.example").unwrap();
    assert_eq!((delivery.attempts, delivery.lapsed), (1, 0));
    assert!(matches!(delivery.state, DeliveryState::Held { .. }), "the operator's word stands");
    lab.control(1, ControlAction::Release);
    lab.try_one();
    lab.control(1, ControlAction::Cancel);
    lab.wait(60);
    assert_eq!(lab.control(1, hold()), ControlOutcome::Unchanged, "a cancellation stands");
    assert_eq!(lab.try_one(), []);
    assert_eq!(lab.ends(), [("x@b.example".to_owned(), FinalOutcome::Cancelled)]);
}

#[test]
fn suspensions_are_in_the_directory_until_they_expire() {
    let mut lab = Lab::new();
    let suspension = |scope, seconds: Option<u64>| QueueSuspension {
        scope,
        reason: "they block us".to_owned(),
        since: Timestamp(0),
        expires: seconds.map(|seconds| Timestamp::from_seconds(1_000_000 + seconds)),
    };
    let put = |lab: &mut Lab, suspension| {
        lab.run(GROUP, Command::Directory(DirectoryCommand::PutQueueSuspension(suspension)))
    };
    let to_b = SuspensionScope::Destination(destination("b.example"));
    assert_eq!(put(&mut lab, suspension(to_b.clone(), Some(60))), Reply::Done);
    assert!(matches!(refused(&put(&mut lab, suspension(to_b.clone(), Some(0)))), Refusal::InvalidValue { .. }));
    let group = DirectoryCommand::PutGroup { group: GroupNumber(1), voters: vec![1] };
    lab.run(GROUP, Command::Directory(group));
    let name = DomainName::parse("a.example").unwrap();
    let reserve = DirectoryCommand::ReserveDomain { name, group: GroupNumber(1) };
    let Reply::DomainPlaced { id: tenant, .. } = lab.run(GROUP, Command::Directory(reserve)) else { panic!() };
    assert_eq!(put(&mut lab, suspension(SuspensionScope::Tenant(tenant), None)), Reply::Done);
    let list = |lab: &Lab| match lab.ask(GROUP, &Query::QueueSuspensions) {
        Answer::QueueSuspensions(all) => all,
        other => panic!("{other:?}"),
    };
    let all = list(&lab);
    assert_eq!(all.iter().map(|one| one.since).collect::<Vec<_>>(), [lab.now, lab.now]);
    assert_eq!(all.iter().filter(|one| one.is_over(lab.now)).count(), 0);
    lab.wait(60);
    assert!(list(&lab)[0].is_over(lab.now));
    let remove = DirectoryCommand::RemoveQueueSuspension(to_b);
    assert!(matches!(refused(&lab.run(GROUP, Command::Directory(remove))), Refusal::NotFound { .. }));
    lab.run(GROUP, Command::Directory(DirectoryCommand::RemoveDomain(tenant)));
    assert_eq!(list(&lab).len(), 1, "a tenant's suspension goes with it");
    assert_eq!(put(&mut lab, suspension(SuspensionScope::Destination(destination("c.example")), None)), Reply::Done);
    assert_eq!(list(&lab).len(), 1, "the expired one went");

    // Source addresses at destinations are apart from each other, and from the destination itself.
    let source = |address: &str| SuspensionScope::Source {
        destination: destination("c.example"),
        address: address.parse().unwrap(),
    };
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
        assert_eq!(put(&mut lab, suspension(source(address), None)), Reply::Done);
    }
    assert_eq!(list(&lab).len(), 4);
    let remove = DirectoryCommand::RemoveQueueSuspension(source("192.0.2.2"));
    assert_eq!(lab.run(GROUP, Command::Directory(remove)), Reply::Done);
    let scopes: Vec<_> = list(&lab).into_iter().map(|one| one.scope).collect();
    assert_eq!(scopes.iter().filter(|scope| scope.is_source()).count(), 2, "{scopes:?}");
}
