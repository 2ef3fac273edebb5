//! What can be seen of the queue: what is due, lists, sums, final outcomes; page by page.

use std::collections::BTreeMap;

use yubin_state::command::{DomainCommand, MaintenanceCommand};
use yubin_state::keys::Table;
use yubin_state::queue::{
    ControlAction, ControlItem, DeliveryStatus, DueItem, EndFilter, EndPlace, EndStart, EventFilter, FinalOutcome,
    Postponed, QueueAnswer, QueueCommand, QueueFilter, QueueQuery, QueueSource, RecipientOutcome, RemoteReply,
    WaitCause, Waits,
};
use yubin_state::reply::More;
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{DomainId, RecipientAddress, Refusal, Timestamp, limits};

use crate::lab::{D1, D2, DAY, Lab, plan, refused};
use crate::queue::{GROUP, delivered, destination, id, key, message, result, said};

impl Lab {
    fn due(&self, until: Timestamp, after: Option<DueItem>, limit: u32) -> Vec<DueItem> {
        let after = after.into_iter().map(|item| (item.filed.class, item)).collect();
        match self.ask_queue(GROUP, QueueQuery::Due { until, after, limit }) {
            QueueAnswer::Due(items) => items,
            other => panic!("{other:?}"),
        }
    }

    fn next_due(&self, then: Timestamp) -> Option<Timestamp> {
        match self.ask_queue(GROUP, QueueQuery::NextDue(then)) {
            QueueAnswer::NextDue(next) => next,
            other => panic!("{other:?}"),
        }
    }

    fn listed(&self, domain: DomainId, filter: QueueFilter) -> Vec<String> {
        match self.ask_queue(domain, QueueQuery::List { filter, after: None, limit: 100 }) {
            QueueAnswer::List { deliveries, next: None, .. } => deliveries
                .into_iter()
                .map(|(domain, message, delivery)| format!("{domain} {} {}", message.id.0[0], delivery.destination))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Whom a page of events is about, and where the next one begins.
    fn followed(&self, domain: DomainId, filter: EndFilter, start: EndStart, limit: u32) -> (Vec<String>, EndPlace) {
        match self.ask_queue(domain, QueueQuery::Ends { filter, start, limit }) {
            QueueAnswer::Ends { events, next, .. } => {
                (events.into_iter().map(|one| one.record.event.recipient.to_string()).collect(), next)
            }
            other => panic!("{other:?}"),
        }
    }

    fn found(&self, domain: DomainId, filter: EventFilter) -> Vec<String> {
        match self.ask_queue(domain, QueueQuery::Events { filter, after: None, limit: 100 }) {
            QueueAnswer::Events { events, next: None } => {
                events.into_iter().map(|record| record.event.recipient.to_string()).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Two domains; the first has messages 1 (deferred at b, waiting at c) and 2 (in flight at b), the second has 3 (held at b).
fn busy() -> Lab {
    let mut lab = Lab::new();
    lab.create_domain(D2, "two.example", plan());
    lab.enqueued(1, &["X@b.example", "y@c.example"]);
    lab.wait(10);
    lab.enqueued(2, &["z@b.example"]);
    let third = QueueCommand::Enqueue { login: None, messages: vec![message(3, &["z@b.example"])] };
    assert_eq!(lab.queue(D2, third), Reply::Done);
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    lab.record(vec![result(&leased[0], vec![(0, RecipientOutcome::Deferred(said(450)))], lab.now.plus_seconds(300))]);
    lab.lease(60, vec![key(2, "b.example")]);
    let items = vec![ControlItem { id: id(3), destination: destination("b.example") }];
    lab.queue(D2, QueueCommand::Control { items, action: ControlAction::Hold { reason: String::new() } });
    lab
}

#[test]
fn due_deliveries_come_in_the_order_of_time_and_say_when_the_next_is_due() {
    let lab = busy();
    let names = |items: &[DueItem]| -> Vec<(u8, String)> {
        items.iter().map(|item| (item.delivery.id.0[0], item.delivery.destination.to_string())).collect()
    };
    assert_eq!(names(&lab.due(lab.now, None, 100)), [(1, "c.example".to_owned())]);
    let before = Timestamp(lab.now.0 - 10_001);
    assert_eq!(lab.due(before, None, 100), []);
    assert_eq!(lab.next_due(before), Some(Timestamp(lab.now.0 - 10_000)));
    assert_eq!(lab.next_due(lab.now), Some(lab.now.plus_seconds(60)), "a lease ends then");
    let later = lab.now.plus_seconds(1_000);
    let items = lab.due(later, None, 1);
    // Leases that run out come first.
    assert_eq!(names(&items), [(2, "b.example".to_owned()), (1, "c.example".to_owned())]);
    assert_eq!(lab.next_due(lab.now.plus_seconds(60)), Some(lab.now.plus_seconds(300)));
    let rest = lab.due(later, items.last().cloned(), 2);
    assert_eq!(names(&rest), [(2, "b.example".to_owned()), (1, "b.example".to_owned())]);
    assert_eq!(lab.next_due(later), None, "held mail is not due");
    let refused = lab.ask(D1, &Query::Queue(QueueQuery::Due { until: later, after: BTreeMap::new(), limit: 1 }));
    assert_eq!(refused, Answer::Refused(Refusal::Unsupported), "due times are the group's");
}

#[test]
fn lists_and_sums_show_what_waits_where() {
    let lab = busy();
    let all = |filter| lab.listed(GROUP, filter);
    let everything = ["11 1 b.example", "11 1 c.example", "11 2 b.example", "12 3 b.example"];
    assert_eq!(all(QueueFilter::default()), everything);
    assert_eq!(lab.listed(D1, QueueFilter::default()), everything[..3]);
    let of = |status| QueueFilter { status: Some(status), ..QueueFilter::default() };
    assert_eq!(all(of(DeliveryStatus::Held)), ["12 3 b.example"]);
    assert_eq!(all(of(DeliveryStatus::InFlight)), ["11 2 b.example"]);
    let to = QueueFilter { recipient: Some(RecipientAddress::parse("x@B.example").unwrap()), ..QueueFilter::default() };
    assert_eq!(all(to), ["11 1 b.example"]);
    let to = QueueFilter { destination: Some(destination("c.example")), ..QueueFilter::default() };
    assert_eq!(all(to), ["11 1 c.example"]);
    let from = |text: &str| QueueFilter { sender: Some(text.to_owned()), ..QueueFilter::default() };
    assert_eq!(all(from("Ann@one.example")).len(), 4);
    assert!(all(from("")).is_empty());
    let QueueAnswer::Summary { lines, next: None } = lab.ask_queue(GROUP, QueueQuery::Summary { after: None }) else {
        panic!()
    };
    let sums: Vec<_> = lines.iter().map(|line| (line.destination.to_string(), line.status, line.deliveries)).collect();
    let b = || "b.example".to_owned();
    let expected = [
        (b(), DeliveryStatus::Scheduled, 1),
        (b(), DeliveryStatus::InFlight, 1),
        (b(), DeliveryStatus::Held, 1),
        ("c.example".to_owned(), DeliveryStatus::Scheduled, 1),
    ];
    assert_eq!(sums, expected);
    assert_eq!((lines[0].recipients, lines[0].bytes, lines[0].oldest), (1, 113, Timestamp::from_seconds(1_000_000)));
    let QueueAnswer::Totals(totals) = lab.ask_queue(GROUP, QueueQuery::Totals) else { panic!() };
    assert_eq!((totals.messages, totals.deliveries), (3, 4));
}

#[test]
fn sums_tell_leases_that_ran_out() {
    let mut lab = busy();
    lab.wait(61);
    lab.enqueued(4, &["v@b.example", "w@b.example"]);
    let QueueAnswer::Summary { lines, next: None } = lab.ask_queue(GROUP, QueueQuery::Summary { after: None }) else {
        panic!()
    };
    let of_b = lines.iter().filter(|line| line.destination == destination("b.example"));
    let of_b: Vec<_> = of_b.map(|line| (line.status, line.deliveries, line.recipients, line.bytes)).collect();
    let (scheduled, held) = ((DeliveryStatus::Scheduled, 2, 3, 226), (DeliveryStatus::Held, 1, 1, 113));
    assert_eq!(of_b, [scheduled, (DeliveryStatus::MaybeDelivered, 1, 1, 113), held]);
    lab.check();
}

/// Why mail waits that nobody tried is kept once, told of every delivery, and gone when one arrives.
#[test]
fn what_keeps_a_destination_is_told_until_mail_reaches_it() {
    let mut lab = Lab::new();
    for number in 1..=3 {
        lab.enqueued(number, &["x@b.example"]);
    }
    let waits = |lab: &Lab| {
        let query = QueueQuery::List { filter: QueueFilter::default(), after: None, limit: 10 };
        let QueueAnswer::List { obstacles, .. } = lab.ask_queue(GROUP, query) else { panic!() };
        obstacles.destinations.into_values().next()
    };
    let why = |cause, heard| BTreeMap::from([(destination("b.example"), Waits { cause, heard })]);
    let until = lab.now.plus_seconds(60);
    let put_off = |number| vec![Postponed { delivery: key(number, "b.example"), token: None, until }];
    let heard = RemoteReply { text: "t".repeat(2 * limits::REMOTE_REPLY_BYTES_MAX), ..said(421) };
    lab.queue(GROUP, QueueCommand::Postpone { items: put_off(1), why: why(WaitCause::Paused, Some(heard.clone())) });
    assert_eq!(waits(&lab), Some(Waits { cause: WaitCause::Paused, heard: Some(heard.bounded()) }));
    // Another worker, which heard nothing.
    lab.queue(GROUP, QueueCommand::Postpone { items: put_off(2), why: why(WaitCause::Crowded, None) });
    let kept = waits(&lab).unwrap();
    assert_eq!((kept.cause, kept.heard.map(|heard| heard.code)), (WaitCause::Crowded, Some(421)));
    // Whoever is given up is told.
    let leased = lab.lease(60, vec![key(3, "b.example")]);
    assert_eq!(leased[0].last_word, None);
    lab.wait(limits::QUEUE_LIFETIME_SECONDS_DEFAULT);
    let expired = lab.lease(60, vec![key(1, "b.example")]);
    assert_eq!(expired[0].last_word.as_ref().map(|word| word.code), Some(421));
    lab.record(vec![delivered(&leased[0])]);
    assert_eq!(waits(&lab), None);
    lab.check();
}

#[test]
fn mail_of_a_suspended_domain_is_told_apart() {
    let mut lab = busy();
    let source = QueueSource::Returned;
    let obstacles = |lab: &Lab| {
        let query = QueueQuery::List { filter: QueueFilter::default(), after: None, limit: 10 };
        let QueueAnswer::List { obstacles, .. } = lab.ask_queue(GROUP, query) else { panic!() };
        obstacles
    };
    assert!(!obstacles(&lab).stop(D1, &source));
    assert_eq!(lab.run(D1, Command::Domain(DomainCommand::Suspend { reason: "unpaid".to_owned() })), Reply::Done);
    let found = obstacles(&lab);
    assert!(found.stop(D1, &source) && !found.stop(D2, &source));
}

#[test]
fn pages_of_a_list_meet_without_gap() {
    let lab = busy();
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let query = QueueQuery::List { filter: QueueFilter::default(), after, limit: 1 };
        let QueueAnswer::List { deliveries, next, .. } = lab.ask_queue(GROUP, query) else { panic!() };
        seen.extend(deliveries.into_iter().map(|(_, message, delivery)| (message.id, delivery.destination)));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_message_is_found_by_its_id_alone() {
    let lab = busy();
    let QueueAnswer::Message { domain, message, deliveries, .. } = lab.ask_queue(GROUP, QueueQuery::Message(id(3)))
    else {
        panic!()
    };
    assert_eq!((domain, message.id, deliveries.len()), (D2, id(3), 1));
    let gone = lab.ask(GROUP, &Query::Queue(QueueQuery::Message(id(9))));
    assert!(matches!(gone, Answer::Refused(Refusal::NotFound { .. })));
    let QueueAnswer::Body(cold) = lab.ask_queue(D1, QueueQuery::Body(id(1))) else { panic!() };
    assert_eq!((&cold.prefix[..], cold.body_bytes), (&b"Received: x\r\n"[..], 100));
}

#[test]
fn outcomes_are_found_by_time_message_and_address() {
    let mut lab = busy();
    let leased = lab.lease(60, vec![key(1, "c.example")]);
    lab.record(vec![delivered(&leased[0])]);
    lab.wait(100);
    let items = vec![ControlItem { id: id(3), destination: destination("b.example") }];
    lab.queue(D2, QueueCommand::Control { items, action: ControlAction::Cancel });
    let all = EventFilter::default;
    assert_eq!(lab.found(GROUP, all()), ["y@c.example", "z@b.example"]);
    assert_eq!(lab.found(D2, all()), ["z@b.example"]);
    assert_eq!(lab.found(GROUP, EventFilter { from: Some(lab.now), ..all() }), ["z@b.example"]);
    assert_eq!(lab.found(GROUP, EventFilter { to: Some(lab.now), ..all() }), ["y@c.example"]);
    assert_eq!(lab.found(GROUP, EventFilter { id: Some(id(1)), ..all() }), ["y@c.example"]);
    assert_eq!(lab.found(GROUP, EventFilter { message_id: Some("<3@one.example>".into()), ..all() }), ["z@b.example"]);
    assert_eq!(lab.found(GROUP, EventFilter { address: Some("Y@c.example".into()), ..all() }), ["y@c.example"]);
    assert_eq!(lab.found(GROUP, EventFilter { address: Some("ann@one.example".into()), ..all() }).len(), 2);
    assert_eq!(lab.found(GROUP, EventFilter { outcome: Some(FinalOutcome::Cancelled), ..all() }), ["z@b.example"]);
    let page = |after| lab.ask_queue(GROUP, QueueQuery::Events { filter: all(), after, limit: 1 });
    let QueueAnswer::Events { events, next: Some(next) } = page(None) else { panic!() };
    assert_eq!(events.len(), 1);
    let QueueAnswer::Events { events, next: Some(next) } = page(Some(next)) else { panic!() };
    assert_eq!(events[0].domain, D2);
    assert_eq!(page(Some(next)), QueueAnswer::Events { events: vec![], next: None });
}

/// Followers go on behind what they have seen: nothing comes before it any more, though domains and times say otherwise.
#[test]
fn ends_are_followed_in_the_order_in_which_they_came() {
    let mut lab = busy();
    let from = |then| EndStart::From(then);
    let any = EndFilter::default;
    assert_eq!(lab.followed(GROUP, any(), from(Timestamp(0)), 10).0, [] as [&str; 0]);
    let (_, begins) = lab.followed(GROUP, any(), from(Timestamp(0)), 10);
    // In one and the same millisecond: the second domain's before the first one's.
    let items = vec![ControlItem { id: id(3), destination: destination("b.example") }];
    lab.queue(D2, QueueCommand::Control { items, action: ControlAction::Cancel });
    let (seen, after) = lab.followed(GROUP, any(), EndStart::After(begins), 10);
    assert_eq!(seen, ["z@b.example"]);
    let leased = lab.lease(60, vec![key(1, "c.example")]);
    lab.record(vec![delivered(&leased[0])]);
    assert_eq!(lab.followed(GROUP, any(), EndStart::After(after), 10).0, ["y@c.example"]);
    assert_eq!(lab.followed(GROUP, any(), EndStart::After(begins), 10).0, ["z@b.example", "y@c.example"]);
    let (first, after) = lab.followed(GROUP, any(), EndStart::After(begins), 1);
    assert_eq!(first, ["z@b.example"], "page by page");
    assert_eq!(lab.followed(GROUP, any(), EndStart::After(after), 1).0, ["y@c.example"]);
    assert_eq!(lab.followed(D1, any(), EndStart::After(begins), 10).0, ["y@c.example"]);
    let of_c = EndFilter { destination: Some(destination("c.example")), ..any() };
    let (found, after_all) = lab.followed(GROUP, of_c, EndStart::After(begins), 10);
    assert_eq!(found, ["y@c.example"]);
    let cancelled = EndFilter { outcome: Some(FinalOutcome::Cancelled), ..any() };
    assert_eq!(lab.followed(GROUP, cancelled, EndStart::After(begins), 10).0, ["z@b.example"]);
    // By time, and long after.
    assert_eq!(lab.followed(GROUP, any(), from(lab.now), 10).0.len(), 2);
    assert_eq!(lab.followed(GROUP, any(), from(lab.now.plus_seconds(1)), 10).0.len(), 0);
    lab.wait(limits::EVENT_DAYS * DAY + limits::EVENT_STEP_SECONDS);
    while let Reply::Progress { more: More::Yes, .. } = lab.maintain(MaintenanceCommand::ForgetEvents) {}
    assert_eq!(
        lab.state.rows.keys().filter(|key| key.first() == Some(&(Table::Ends as u8))).count(),
        0,
        "forgotten with their events"
    );
    assert_eq!(lab.followed(GROUP, any(), EndStart::After(after_all), 10), (vec![], after_all));
    lab.check();
}

#[test]
fn a_lease_grants_no_more_than_an_answer_holds() {
    let mut lab = Lab::new();
    let crowd: Vec<String> = (0..1_000).map(|user| format!("{user:0>60}@b.example")).collect();
    let crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
    for number in 0..100 {
        let envelope = lab.envelope(D1, yubin_state::DedupeClass::None);
        let enqueue = QueueCommand::Enqueue { login: None, messages: vec![message(number, &crowd)] };
        assert_eq!(lab.propose_unchecked(envelope, yubin_state::Command::Queue(enqueue)), Reply::Done);
    }
    let leased = lab.lease(60, (0..100).map(|number| key(number, "b.example")).collect());
    let bytes: usize = leased.iter().map(|leased| yubin_state::Encode::encode(&leased.delivery).len()).sum();
    assert!(leased.len() > 10 && leased.len() < 100, "{}", leased.len());
    assert!(bytes < 2 * limits::QUEUE_LEASE_BYTES_MAX);
    let rest = lab.lease(60, (0..100).map(|number| key(number, "b.example")).collect());
    assert!(!rest.is_empty(), "what was not granted can be leased next");
    let none = QueueCommand::Lease { worker: "w".to_owned(), seconds: 60, items: vec![] };
    assert!(matches!(refused(&lab.queue(GROUP, none)), Refusal::TooMany { .. }));
}
