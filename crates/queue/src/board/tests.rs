//! The board: who goes when, and what is given back.

use std::sync::Arc;

use yubin_state::queue::{DeliveryKey, DestinationName};
use yubin_types::{DomainId, GroupNumber, Priority, QueueId, Timestamp};

use super::{Age, Back, Board, BoardLimits, Due, Met, NoWay, Offer, Rerouted};
use crate::pace::{PaceLimits, Signal};
use crate::pools::tests::hostname;
use crate::pools::{Pool, PoolId, Pools, SourceId};
use crate::profile::{Family, KnownBy, Profile, Profiles};
use crate::rights::Rights;
use crate::shipped::SHIPPED;

pub(super) const NOW: Timestamp = Timestamp(1_000_000);

fn board(waiting_max: usize, in_flight_max: usize) -> Board {
    board_with(&[], waiting_max, in_flight_max)
}

pub(super) fn board_with(pools: &[Pool], waiting_max: usize, in_flight_max: usize) -> Board {
    board_of(Rights::alone(), pools, waiting_max, in_flight_max)
}

pub(super) fn board_of(rights: Rights, pools: &[Pool], waiting_max: usize, in_flight_max: usize) -> Board {
    let pace = PaceLimits { lanes_initial: 2, lanes_max: 4, pause_ms_min: 1_000, pause_ms_max: 8_000 };
    let limits = BoardLimits {
        waiting_max,
        waiting_per_destination_max: 50,
        ahead_max: 40,
        in_flight_max,
        pace,
        prefers: Family::V4,
        crowded_ms_max: 10_000,
        rests_ms: 7_000,
    };
    Board::new(limits, Arc::new(Profiles::default()), Arc::new(Pools::new(pools, &hostname())), rights)
}

pub(super) fn due(tenant: u64, number: u8, destination: &str) -> Due {
    let destination = DestinationName::parse(destination).unwrap();
    let key = DeliveryKey { domain: DomainId(tenant), id: QueueId([number; 16]), destination };
    Due { group: GroupNumber(1), key, age: Age::New, priority: Priority::NORMAL }
}

fn begin(board: &mut Board) -> Option<Due> {
    board.begin(NOW).map(|(due, source)| {
        assert_eq!(source, SourceId::SYSTEM);
        due
    })
}

fn keep(board: &mut Board, due: Due) {
    assert_eq!(board.offer(NOW, due, 0), Offer::Kept);
}

/// Leases and begins as many as may, in their order.
fn take(board: &mut Board, count: usize, wanted: impl Fn(GroupNumber) -> bool) -> Vec<Due> {
    let mut begun = Vec::new();
    while begun.len() < count {
        for due in board.ask(NOW, count - begun.len(), &wanted) {
            assert_eq!(board.granted(NOW, due, PoolId::SYSTEM), None);
        }
        let Some(due) = begin(board) else { break };
        begun.push(due);
    }
    begun
}

#[test]
fn tenants_take_turns_at_a_destination() {
    let mut board = board(1_000, 100);
    (0..40).for_each(|number| keep(&mut board, due(1, number, "a.example")));
    keep(&mut board, due(2, 100, "a.example"));
    let taken = take(&mut board, 10, |_| true);
    // Two lanes at first: one for each.
    assert_eq!(taken.iter().map(|due| due.key.domain.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(board.offer(NOW, due(1, 0, "a.example"), 0), Offer::Known);
}

#[test]
fn new_mail_goes_first_and_old_mail_is_not_starved() {
    let mut board = board(1_000, 100);
    for number in 0..20 {
        let age = if number < 10 { Age::Again } else { Age::New };
        keep(&mut board, Due { age, ..due(1, number, "a.example") });
    }
    let mut ages = Vec::new();
    while let Some(due) = take(&mut board, 1, |_| true).pop() {
        ages.push(due.age);
        board.ended(NOW, &due.key, SourceId::SYSTEM, Signal::None);
    }
    assert_eq!(ages.len(), 20);
    let early = |age| ages[..12].iter().filter(|&&found| found == age).count();
    assert_eq!((early(Age::New), early(Age::Again)), (9, 3));
}

#[test]
fn within_a_tenant_the_highest_priority_goes_first_whenever_it_came() {
    let mut board = board(1_000, 100);
    for (number, (priority, age)) in
        (0..).zip([(0, Age::New), (-9, Age::New), (4, Age::Again), (9, Age::New), (4, Age::New), (0, Age::Again)])
    {
        keep(&mut board, Due { priority: Priority::new(priority).unwrap(), age, ..due(1, number, "a.example") });
    }
    keep(&mut board, due(2, 100, "a.example"));
    let mut order = Vec::new();
    while let Some(due) = take(&mut board, 1, |_| true).pop() {
        order.push((due.key.domain.0, i8::from(due.priority)));
        board.ended(NOW, &due.key, SourceId::SYSTEM, Signal::None);
    }
    let others = order.iter().position(|(tenant, _)| *tenant == 2).unwrap();
    assert!(others <= 3, "no tenant's priorities hold up another: {order:?}");
    order.remove(others);
    assert_eq!(order.iter().map(|(_, priority)| *priority).collect::<Vec<_>>(), [9, 4, 4, 0, 0, -9]);
}

/// A hundred thousand messages to a dead destination: one pause, nothing held, nobody else delayed.
#[test]
fn a_dead_destination_holds_nothing_and_delays_nobody() {
    let mut board = board(1_000, 10);
    keep(&mut board, due(1, 0, "dead.example"));
    keep(&mut board, due(1, 1, "dead.example"));
    let taken = take(&mut board, 1, |_| true);
    let back = board.ended(NOW, &taken[0].key, SourceId::SYSTEM, Signal::Unreachable);
    assert_eq!(back.len(), 1);
    assert!(back[0].until >= Timestamp(NOW.millis() + 1_000));
    for spread in 0..100_000 {
        let Offer::PutOff(until) = board.offer(NOW, due(1, 7, "dead.example"), spread) else { panic!() };
        // Not before the pause is over, and spread over the longest one.
        assert!((1_000..9_000).contains(&until.millis_since(NOW)));
    }
    assert_eq!(board.waiting(), 0);
    keep(&mut board, due(2, 2, "alive.example"));
    assert_eq!(take(&mut board, 10, |_| true)[0].key.domain, DomainId(2));
    // What has expired goes nevertheless: it must come to its end.
    keep(&mut board, Due { age: Age::Over, ..due(1, 9, "dead.example") });
    assert!(board.pauses(NOW, &DestinationName::parse("dead.example").unwrap(), SourceId::SYSTEM));
    assert_eq!(take(&mut board, 10, |_| true).len(), 1);
}

/// What an operator hurries, and what has expired, breaks no limit of the receiver.
#[test]
fn what_presses_goes_in_a_pause_within_the_limits() {
    let aged = |age, number, destination: &str| Due { age, ..due(1, number, destination) };
    for (age, lanes) in [(Age::Asked, 1), (Age::Over, 4)] {
        let mut board = board(1_000, 100);
        keep(&mut board, due(1, 0, "dead.example"));
        let taken = take(&mut board, 1, |_| true);
        board.ended(NOW, &taken[0].key, SourceId::SYSTEM, Signal::Unreachable);
        (1..=20).for_each(|number| keep(&mut board, aged(age, number, "dead.example")));
        let begun = take(&mut board, 100, |_| true);
        assert_eq!((begun.len(), begun[0].age), (lanes, age), "of four lanes, or of the one that is left");
        assert!(board.ahead() <= 4, "no more is leased than may go soon");
        board.ended(NOW, &begun[0].key, SourceId::SYSTEM, Signal::None);
        assert_eq!(take(&mut board, 100, |_| true).len(), 1);

        // A known receiver, which is full.
        let profile = Profile { deliveries_max: 2, ..Profile::from(&SHIPPED[0]) };
        board.profiles = Arc::new(Profiles::new(std::slice::from_ref(&profile), &[]));
        (30..50).for_each(|number| keep(&mut board, aged(age, number, "docomo.ne.jp")));
        (50..60).for_each(|number| keep(&mut board, aged(age, number, "mail.docomo.ne.jp")));
        assert_eq!(take(&mut board, 100, |_| true).len(), 2);
    }
}

#[test]
fn everything_is_bounded() {
    let mut full = board(60, 5);
    let (mut kept, mut put_off) = (0, Vec::new());
    for number in 0..200 {
        match full.offer(NOW, due(1, number, "big.example"), 3) {
            Offer::Kept => kept += 1,
            // The 31st comes to its turn after the 30 that wait, at 50 a second; nobody waits longer than the bound.
            Offer::PutOff(until) => put_off.push(until.millis_since(NOW)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((kept, put_off.len()), (30, 170), "no more than is left for all others");
    assert_eq!(put_off[..3], [600, 620, 640]);
    let Offer::PutOff(until) = (0..=255_u8)
        .flat_map(|tenant| (200..=255).map(move |number| (tenant, number)))
        .map(|(tenant, number)| full.offer(NOW, due(u64::from(tenant) + 9, number, "big.example"), 3))
        .last()
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(until.millis_since(NOW), 10_000);
    for number in 0..30 {
        keep(&mut full, due(2, number, &format!("d{number}.example")));
    }
    assert_eq!(full.offer(NOW, due(3, 0, "x.example"), 0), Offer::NoRoom);
    // At most five under way, of which no tenant has more than half.
    let taken = take(&mut full, 100, |_| true);
    let of = |tenant| taken.iter().filter(|due| due.key.domain == DomainId(tenant)).count();
    assert_eq!((of(1), of(2)), (2, 2));
}

/// What is slow without being down is due in any number.
#[test]
fn a_few_slow_destinations_leave_room_for_all_others() {
    let mut board = board(200, 100);
    for number in 0..200 {
        for destination in 0..6 {
            let offer = board.offer(NOW, due(1, number, &format!("slow{destination}.example")), 0);
            assert!(
                matches!(offer, Offer::Kept | Offer::PutOff(_)),
                "nothing behind it is kept from being read: {offer:?}"
            );
        }
    }
    assert!((100..=180).contains(&board.waiting()), "{}", board.waiting());
    (0..20).for_each(|number| keep(&mut board, due(2, number, &format!("d{number}.example"))));
}

#[test]
fn groups_that_are_busy_are_passed_over() {
    let mut board = board(100, 100);
    keep(&mut board, due(1, 1, "a.example"));
    keep(&mut board, Due { group: GroupNumber(2), ..due(2, 2, "a.example") });
    let taken = take(&mut board, 100, |group| group == GroupNumber(2));
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].group, GroupNumber(2));
    assert_eq!(board.waiting(), 1);
}

/// Two domains of one receiver, the second known by its MX host alone.
#[test]
fn what_a_receiver_takes_is_shared_by_all_its_destinations() {
    let mut board = board(1_000, 100);
    let profile = Profile { deliveries_max: 2, ..Profile::from(&SHIPPED[0]) };
    board.profiles = Arc::new(Profiles::new(std::slice::from_ref(&profile), &[]));
    (0..10).for_each(|number| keep(&mut board, due(1, number, "docomo.ne.jp")));
    (10..20).for_each(|number| keep(&mut board, due(1, number, "one.example")));
    let begun = take(&mut board, 20, |_| true);
    assert_eq!(begun.len(), 2 + 2, "nobody knows that it is the same");
    let stranger = due(1, 10, "one.example").key.destination;
    assert_eq!(board.met(NOW, &stranger, SourceId::SYSTEM, &Arc::new(profile)), Met::Waits);
    let (of, others): (Vec<_>, Vec<_>) = begun.into_iter().partition(|due| due.key.destination == stranger);
    of.iter().for_each(|due| deliver(&mut board, due));
    assert_eq!(take(&mut board, 20, |_| true).len(), 0, "two are under way");
    assert!(!board.reserve(NOW, &[due(2, 99, "one.example").key]));
    deliver(&mut board, &others[0]);
    assert_eq!(take(&mut board, 20, |_| true).len(), 1);
}

/// A hundred domains of one provider that nobody has told anything about, until one of them moves to another.
#[test]
fn destinations_with_the_same_hosts_share_the_limit_of_one() {
    let mut board = board(1_000, 200);
    let receiver = |name: &str| {
        let profile = Profile::from(&SHIPPED[0]);
        Arc::new(Profile { name: name.to_owned(), deliveries_max: 4, known_by: KnownBy::MxHosts, ..profile })
    };
    let (host, other) = (receiver("mx:mx.host.example"), receiver("mx:mx.other.example"));
    (0..100).for_each(|number| keep(&mut board, due(u64::from(number), number, &format!("d{number}.example"))));
    let begun = take(&mut board, 100, |_| true);
    assert_eq!(begun.len(), 100, "nobody knows yet that it is the same");
    let mut on = Vec::new();
    for due in begun {
        match board.met(NOW, &due.key.destination, SourceId::SYSTEM, &host) {
            Met::GoesOn => on.push(due),
            Met::Waits => {
                let from = (PoolId::SYSTEM, SourceId::SYSTEM);
                assert_eq!(board.reroute(NOW, due, from, NoWay::Busy), Rerouted::Elsewhere);
            }
        }
    }
    assert_eq!((on.len(), board.in_flight(), begin(&mut board)), (4, 4, None));
    deliver(&mut board, &on[0]);
    let next = begin(&mut board).unwrap();
    assert_eq!(begin(&mut board), None);
    // What is under way to a domain that has moved is none of its old receiver's.
    assert_eq!(board.met(NOW, &next.key.destination, SourceId::SYSTEM, &other), Met::GoesOn);
    assert!(begin(&mut board).is_some());
    assert_eq!(begin(&mut board), None);
    board.close(NOW);
    on[1..].iter().for_each(|due| deliver(&mut board, due));
    board.sweep(Timestamp(NOW.millis() + 3_600_000));
    assert_eq!(board.sites.len(), 2, "something is under way to both");
}

#[test]
fn room_is_made_for_all_deliveries_of_a_message_or_for_none() {
    let mut board = board(1_000, 100);
    let key = |number, destination: &str| due(1, number, destination).key;
    assert!(board.reserve(NOW, &[key(1, "a.example"), key(1, "b.example")]));
    assert!(board.reserve(NOW, &[key(2, "a.example")]));
    // Two lanes, and nothing in advance for a destination that has taken nothing yet.
    assert!(!board.reserve(NOW, &[key(3, "b.example"), key(3, "a.example")]));
    assert_eq!((board.ahead(), board.offer(NOW, due(1, 1, "a.example"), 0)), (3, Offer::Known));
    board.refused(&key(2, "a.example"));
    assert!(board.reserve(NOW, &[key(3, "a.example")]), "the room is there again");
    for key in [key(1, "a.example"), key(3, "a.example")] {
        let due = Due { group: GroupNumber(1), key, age: Age::New, priority: Priority::NORMAL };
        assert_eq!(board.granted(NOW, due, PoolId::SYSTEM), None);
    }
    let begun = [begin(&mut board).unwrap(), begin(&mut board).unwrap()];
    deliver(&mut board, &begun[0]);
    assert!(board.reserve(NOW, &[key(4, "a.example")]));
    // Who waits goes first.
    (100..102).for_each(|number| keep(&mut board, due(2, number, "c.example")));
    assert!(!board.reserve(NOW, &[key(5, "c.example")]));
    // No tenant has more than half of what may be leased in advance.
    let room = (10..100).filter(|number| board.reserve(NOW, &[key(*number, &format!("d{number}.example"))])).count();
    assert_eq!((room, board.ahead()), (18, 20));
    board.ended(NOW, &begun[1].key, SourceId::SYSTEM, Signal::Unreachable);
    assert!(!board.reserve(NOW, &[due(3, 5, "a.example").key]), "it pauses");
    board.close(NOW);
    assert!(!board.reserve(NOW, &[due(3, 5, "z.example").key]));
}

fn deliver(board: &mut Board, due: &Due) {
    assert!(board.ended(NOW, &due.key, SourceId::SYSTEM, Signal::Fine).is_empty());
}

#[test]
fn a_destination_that_takes_mail_is_leased_in_advance_and_an_unknown_one_is_not() {
    let mut board = board(1_000, 100);
    (0..50).for_each(|number| keep(&mut board, due(1, number, "a.example")));
    let first = board.ask(NOW, 100, |_| true);
    assert_eq!(first.len(), 2, "as many as there are lanes");
    first.into_iter().for_each(|due| assert_eq!(board.granted(NOW, due, PoolId::SYSTEM), None));
    let begun = [begin(&mut board).unwrap(), begin(&mut board).unwrap()];
    assert_eq!((begin(&mut board), board.ask(NOW, 100, |_| true).len()), (None, 0));
    deliver(&mut board, &begun[0]);
    // One lane is free; and a tenant has no more than half of what may be leased in advance.
    let asked = board.ask(NOW, 100, |_| true);
    assert_eq!((asked.len(), board.ahead(), board.waiting()), (20, 20, 28));
    asked.into_iter().for_each(|due| assert_eq!(board.granted(NOW, due, PoolId::SYSTEM), None));
    assert!(begin(&mut board).is_some());
    assert_eq!(begin(&mut board), None, "leases are no lanes");
    // A newcomer's mail does not stand behind all that.
    keep(&mut board, due(2, 200, "a.example"));
    for due in board.ask(NOW, 100, |_| true) {
        assert_eq!(board.granted(NOW, due, PoolId::SYSTEM), None);
    }
    deliver(&mut board, &begun[1]);
    let next = [begin(&mut board), begin(&mut board)].map(|due| due.map(|due| due.key.domain.0));
    assert!(next.contains(&Some(2)), "{next:?}");
}

#[test]
fn leases_are_given_back_where_nothing_may_begin() {
    let mut board = board(1_000, 100);
    (0..30).for_each(|number| keep(&mut board, due(1, number, "a.example")));
    let begun = take(&mut board, 2, |_| true);
    deliver(&mut board, &begun[0]);
    let mut asked = board.ask(NOW, 10, |_| true);
    let late = asked.pop().unwrap();
    asked.into_iter().for_each(|due| assert_eq!(board.granted(NOW, due, PoolId::SYSTEM), None));
    // The destination is gone: what waits, what is leased, and what is still being leased.
    let back = board.ended(NOW, &begun[1].key, SourceId::SYSTEM, Signal::Unreachable);
    assert_eq!(back.len(), 30 - 2 - 1);
    assert!(back.iter().all(|back| back.until >= Timestamp(NOW.millis() + 1_000)));
    let late = board.granted(NOW, late, PoolId::SYSTEM).unwrap();
    assert_eq!(late.until, Timestamp(NOW.millis() + 1_000));
    assert_eq!((board.waiting(), board.ahead(), board.in_flight()), (0, 0, 0));

    // An operator suspends a destination; what has expired goes on.
    let over = Due { age: Age::Over, ..due(1, 99, "b.example") };
    [due(1, 98, "b.example"), over.clone(), due(1, 98, "c.example")].into_iter().for_each(|due| keep(&mut board, due));
    let suspended = DestinationName::parse("b.example").unwrap();
    let back = board.put_off(NOW, |key| (key.destination == suspended).then_some(Timestamp(5)));
    assert_eq!(back, [Back::new(due(1, 98, "b.example"), Timestamp(5))]);

    // The worker stops.
    let mut asked = board.ask(NOW, 10, |_| true);
    assert_eq!(asked.len(), 2);
    let late = asked.pop().unwrap();
    asked.into_iter().for_each(|due| assert_eq!(board.granted(NOW, due, PoolId::SYSTEM), None));
    assert_eq!(board.close(NOW).len(), 1);
    assert_eq!((begin(&mut board), board.granted(NOW, late, PoolId::SYSTEM).is_some()), (None, true));
}

#[test]
fn a_tenant_at_its_bound_everywhere_is_passed_over_bit_by_bit() {
    let mut board = board(1_000, 100);
    for number in 0..=255 {
        keep(&mut board, due(1, number, &format!("d{number}.example")));
    }
    keep(&mut board, due(2, 0, "other.example"));
    let mut calls: Vec<Vec<Due>> = Vec::new();
    while !calls.concat().iter().any(|due| due.key.domain == DomainId(2)) {
        assert!(calls.len() < 10, "{calls:?}");
        calls.push(board.ask(NOW, 100, |_| true));
    }
    assert_eq!(calls.concat().len(), 20 + 1, "a half of what is leased in advance, and the other tenant's");
    assert!(calls.iter().any(Vec::is_empty), "no call looks at all of them");
}
