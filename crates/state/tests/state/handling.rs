//! Mail that its sender has held back, hurries or sets a time for: when it is due, when it is given up, and what the index says of it.

use std::collections::BTreeMap;

use yubin_state::Reply;
use yubin_state::queue::{
    ControlAction, ControlItem, ControlOutcome, DelayNotice, DeliveryResult, DeliveryState, DueClass, DueItem,
    Handling, NewQueued, Postponed, QueueAnswer, QueueCommand, QueueQuery, QueueReply, RecipientOutcome, Trial,
};
use yubin_types::{ByMode, ByTrace, Deadline, Priority, Refusal, Release, ReversePath, Timestamp, limits};

use crate::lab::{D1, DAY, Lab, refused};
use crate::queue::{GROUP, delivered, destination, id, key, message, result, said};

impl Lab {
    fn handled(&mut self, number: u8, handling: Handling) -> Reply {
        self.enqueue(vec![NewQueued { handling, ..message(number, &["x@b.example"]) }])
    }

    fn held_for(&self, seconds: u64) -> Handling {
        let release = Release { at: self.now.plus_seconds(seconds), held_for_seconds: None };
        Handling { release: Some(release), ..Handling::default() }
    }

    fn by(&self, seconds: u64, mode: ByMode) -> Handling {
        let deadline = Deadline { at: self.now.plus_seconds(seconds), mode, trace: ByTrace::Off };
        Handling { deadline: Some(deadline), ..Handling::default() }
    }

    fn due_now(&self) -> Vec<DueItem> {
        match self.ask_queue(GROUP, QueueQuery::Due { until: self.now, after: BTreeMap::new(), limit: 100 }) {
            QueueAnswer::Due(items) => items,
            other => panic!("{other:?}"),
        }
    }

    fn controlled(&mut self, action: ControlAction) -> ControlOutcome {
        let items = vec![ControlItem { id: id(1), destination: destination("b.example") }];
        match self.queue(D1, QueueCommand::Control { items, action }) {
            Reply::Queue(QueueReply::Controlled(outcomes)) => outcomes[0],
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_held_back_is_due_when_it_is_released_and_lives_from_then() {
    let mut lab = Lab::new();
    let (handling, accepted) = (lab.held_for(3 * DAY), lab.now);
    assert_eq!(lab.handled(1, handling), Reply::Done);
    let waits = lab.delivery(1, "b.example").unwrap();
    assert_eq!((waits.next_attempt, waits.expires), (accepted.plus_seconds(3 * DAY), accepted.plus_seconds(8 * DAY)));
    assert!(waits.is_held_back(lab.now) && lab.due_now().is_empty());
    assert!(lab.lease(60, vec![key(1, "b.example")]).is_empty());

    // An operator can't send it early, but can stop it for longer, or for good.
    assert_eq!(lab.controlled(ControlAction::Retry), ControlOutcome::Unchanged);
    assert_eq!(lab.controlled(ControlAction::Hold { reason: "wait".to_owned() }), ControlOutcome::Done);
    assert_eq!(lab.controlled(ControlAction::Release), ControlOutcome::Done);
    assert_eq!(lab.delivery(1, "b.example").unwrap().next_attempt, accepted.plus_seconds(3 * DAY));

    lab.wait(3 * DAY);
    let [due] = &lab.due_now()[..] else { panic!("released") };
    assert_eq!((due.mark.trial, due.mark.expires), (Trial::First, accepted.plus_seconds(8 * DAY)));
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    assert_eq!(lab.record(vec![delivered(&leased[0])]), []);
    lab.check();

    let again = lab.held_for(DAY);
    lab.handled(2, again);
    let items = vec![ControlItem { id: id(2), destination: destination("b.example") }];
    lab.queue(D1, QueueCommand::Control { items, action: ControlAction::Cancel });
    assert_eq!(lab.delivery(2, "b.example"), None);
    lab.check();
}

#[test]
fn what_is_due_comes_by_its_priority_and_nothing_is_left_out() {
    let mut lab = Lab::new();
    for (number, level) in (1..).zip([-4, 0, 0, 9, -1, 4]) {
        lab.handled(number, Handling { priority: Priority::new(level).unwrap(), ..Handling::default() });
    }
    let shown = |items: Vec<DueItem>| -> Vec<(DueClass, u8)> {
        items.into_iter().map(|item| (item.filed.class, item.delivery.id.0[0])).collect()
    };
    let (urgent, normal, bulk) = (DueClass::Urgent, DueClass::Normal, DueClass::Bulk);
    assert_eq!(shown(lab.due_now()), [(urgent, 4), (urgent, 6), (normal, 2), (normal, 3), (bulk, 1), (bulk, 5)]);
    lab.lease(60, vec![key(3, "b.example")]);
    lab.wait(61);
    let leases_first = [(DueClass::Leased, 3), (urgent, 4), (urgent, 6), (normal, 2), (bulk, 1), (bulk, 5)];
    assert_eq!(shown(lab.due_now()), leases_first);
    let few = lab.ask_queue(GROUP, QueueQuery::Due { until: lab.now, after: BTreeMap::new(), limit: 1 });
    let QueueAnswer::Due(few) = few else { panic!("{few:?}") };
    assert_eq!(shown(few), [(DueClass::Leased, 3), (urgent, 4), (normal, 2), (bulk, 1)], "so many of each");
    lab.check();
}

#[test]
fn holds_are_bounded_and_never_leased_as_they_are_queued() {
    let mut lab = Lab::new();
    let long = lab.held_for(limits::FUTURE_RELEASE_SECONDS_MAX + 2 * DAY);
    assert!(matches!(refused(&lab.handled(1, long)), Refusal::InvalidValue { .. }));
    let messages = vec![NewQueued { handling: lab.held_for(60), ..message(1, &["x@b.example"]) }];
    let leased = QueueCommand::EnqueueLeased { login: None, messages, worker: "w".to_owned(), seconds: 60 };
    assert!(matches!(refused(&lab.queue(D1, leased)), Refusal::InvalidValue { .. }));
    // One that is over is none.
    let handling =
        Handling { release: Some(Release { at: Timestamp(1), held_for_seconds: None }), ..Handling::default() };
    assert_eq!(lab.handled(1, handling), Reply::Done);
    assert_eq!(lab.due_now().len(), 1);
    lab.check();
}

#[test]
fn a_message_that_is_to_come_back_expires_at_its_deadline() {
    let mut lab = Lab::new();
    let (handling, accepted) = (lab.by(600, ByMode::Return), lab.now);
    lab.handled(1, handling);
    let late = accepted.plus_seconds(600);
    let delivery = lab.delivery(1, "b.example").unwrap();
    assert_eq!((delivery.expires, delivery.overdue()), (late, late));
    let leased = lab.lease(60, vec![key(1, "b.example")]).remove(0);
    lab.record(vec![result(&leased, vec![(0, RecipientOutcome::Deferred(said(451)))], accepted.plus_seconds(DAY))]);
    assert_eq!(lab.delivery(1, "b.example").unwrap().next_attempt, late, "it is looked at then");
    lab.check();
}

#[test]
fn a_message_whose_sender_is_to_be_told_is_looked_at_in_time_and_tried_further() {
    let mut lab = Lab::new();
    let (handling, accepted) = (lab.by(600, ByMode::Notify), lab.now);
    lab.handled(1, handling);
    let late = accepted.plus_seconds(600);
    let delivery = lab.delivery(1, "b.example").unwrap();
    assert_eq!((delivery.expires, delivery.overdue()), (accepted.plus_seconds(5 * DAY), late));
    let deferred = || vec![(0, RecipientOutcome::Deferred(said(451)))];
    let leased = lab.lease(60, vec![key(1, "b.example")]).remove(0);
    lab.record(vec![result(&leased, deferred(), accepted.plus_seconds(DAY))]);
    assert_eq!(lab.delivery(1, "b.example").unwrap().next_attempt, late);
    lab.wait(600);
    let [due] = &lab.due_now()[..] else { panic!("due") };
    assert_eq!((due.mark.overdue, due.mark.trial), (late, Trial::Another));
    let leased = lab.lease(60, vec![key(1, "b.example")]).remove(0);
    let told =
        DeliveryResult { delay_notice: DelayNotice::Sent, ..result(&leased, deferred(), accepted.plus_seconds(DAY)) };
    lab.record(vec![told]);
    let delivery = lab.delivery(1, "b.example").unwrap();
    assert_eq!((delivery.next_attempt, delivery.overdue()), (accepted.plus_seconds(DAY), delivery.expires));
    assert_eq!(delivery.state, DeliveryState::Scheduled);
    lab.check();
}

/// Mail that nobody tried, because its destination is dead, has a sender that waits, too.
#[test]
fn mail_that_is_put_off_untried_is_looked_at_when_its_sender_is_to_be_told() {
    let mut lab = Lab::new();
    let accepted = lab.now;
    lab.enqueue(vec![message(1, &["x@b.example"])]);
    lab.enqueue(vec![NewQueued { sender: ReversePath::Null, ..message(2, &["x@b.example"]) }]);
    let late = accepted.plus_seconds(limits::DELAY_NOTICE_SECONDS_DEFAULT);
    let delivery = lab.delivery(1, "b.example").unwrap();
    assert_eq!((delivery.overdue(), delivery.is_delayed(late)), (late, true));
    let nobody_s = lab.delivery(2, "b.example").unwrap();
    assert_eq!((nobody_s.overdue(), nobody_s.is_delayed(late)), (nobody_s.expires, false));
    let until = accepted.plus_seconds(DAY);
    let put_off = |number| Postponed { delivery: key(number, "b.example"), token: None, until };
    lab.queue(GROUP, QueueCommand::Postpone { items: vec![put_off(1), put_off(2)], why: BTreeMap::new() });
    assert_eq!(lab.delivery(1, "b.example").unwrap().next_attempt, late);
    assert_eq!(lab.delivery(2, "b.example").unwrap().next_attempt, until);
    lab.check();
}

#[test]
fn the_index_of_due_times_knows_priorities() {
    let mut lab = Lab::new();
    for (number, priority) in [(1, 0), (2, 9), (3, -9)] {
        let priority = Priority::new(priority).unwrap();
        lab.handled(number, Handling { priority, ..Handling::default() });
    }
    let found: Vec<i8> = lab.due_now().iter().map(|item| item.mark.priority.into()).collect();
    assert_eq!(found, [9, 0, -9]);
    lab.check();
}
