//! The board with several source addresses: from where deliveries leave, and what one address's trouble is to the others.

use std::collections::BTreeMap;

use yubin_state::queue::{DeliveryKey, DestinationName, Member, Roster, Shares};
use yubin_types::Timestamp;

use super::tests::{NOW, board_of, board_with, due};
use super::{Age, Back, Board, Due, NoWay, Offer, Rerouted, Whose};
use crate::pace::Signal;
use crate::pools::tests::pool;
use crate::pools::{MailKind, Pool, PoolId, SourceId};
use crate::profile::Family;
use crate::rights::Rights;
use crate::sources::{ASIDE_SECONDS_MIN, Presence};

/// Pools "a" (two addresses) and "b" (one).
fn two_pools() -> Board {
    board_with(&[pool("a", &["192.0.2.1", "192.0.2.2"]), pool("b", &["192.0.2.3"])], 1_000, 100)
}

fn id(board: &mut Board, address: &str) -> SourceId {
    board.sources().pools.at(address.parse().unwrap()).unwrap()
}

fn pool_of(board: &mut Board, address: &str) -> PoolId {
    let source = id(board, address);
    board.sources().pools.source(source).unwrap().pool
}

fn to(text: &str) -> DestinationName {
    DestinationName::parse(text).unwrap()
}

/// Offers, leases and puts on its way.
fn send(board: &mut Board, due: Due, pool: PoolId) -> Option<Back> {
    assert_eq!(board.offer(NOW, due.clone(), 0), Offer::Kept);
    let asked = board.ask(NOW, 1, |_| true);
    assert_eq!(asked, std::slice::from_ref(&due));
    board.granted(NOW, due, pool)
}

fn begin_all(board: &mut Board) -> Vec<(Due, SourceId)> {
    std::iter::from_fn(|| board.begin(NOW)).collect()
}

#[test]
fn a_receiver_that_pauses_one_address_gets_mail_from_the_others() {
    let mut board = two_pools();
    let (a, b) = (pool_of(&mut board, "192.0.2.1"), pool_of(&mut board, "192.0.2.3"));
    assert_eq!(send(&mut board, due(1, 1, "x.example"), a), None);
    let [(first, source)] = &begin_all(&mut board)[..] else { panic!() };
    assert!(board.ended(NOW, &first.key, *source, Signal::Unreachable).is_empty());
    // The pool's other address.
    assert_eq!(send(&mut board, due(1, 2, "x.example"), a), None);
    let [(second, other)] = &begin_all(&mut board)[..] else { panic!() };
    assert_ne!(source, other);
    board.ended(NOW, &second.key, *other, Signal::Unreachable);
    // Both pause: this tenant's mail is put off unleased, another one's is not known to be the same.
    let offer = board.offer(NOW, due(1, 3, "x.example"), 0);
    assert!(matches!(offer, Offer::PutOff(until) if until.millis_since(NOW) >= 1_000), "{offer:?}");
    let back = send(&mut board, due(2, 4, "x.example"), a).unwrap();
    assert_eq!(back.until, Timestamp(NOW.millis() + 1_000));
    assert_eq!(send(&mut board, due(3, 5, "x.example"), b), None);
    assert_eq!(begin_all(&mut board).len(), 1, "the other pool is not concerned");
    assert_eq!(send(&mut board, due(1, 6, "y.example"), a), None, "nor is another destination");
}

#[test]
fn mail_before_a_full_way_keeps_no_other_pool_waiting() {
    let mut board = two_pools();
    let (a, b) = (pool_of(&mut board, "192.0.2.1"), pool_of(&mut board, "192.0.2.3"));
    let destination = "x.example";
    (0..40).for_each(|number| assert_eq!(board.offer(NOW, due(1, number, destination), 0), Offer::Kept));
    // All lanes of both addresses hang.
    for _ in 0..10 {
        for due in board.ask(NOW, 100, |_| true) {
            assert_eq!(board.granted(NOW, due, a), None);
        }
        board.begin(NOW);
    }
    assert_eq!((begin_all(&mut board).len(), board.in_flight()), (0, 4), "two lanes from each");
    assert!(board.ask(NOW, 100, |_| true).is_empty(), "no more is leased than can leave soon");
    assert_eq!(send(&mut board, due(2, 100, destination), b), None);
    let begun = begin_all(&mut board);
    assert_eq!(begun.iter().map(|(due, _)| due.key.domain.0).collect::<Vec<_>>(), [2]);
}

#[test]
fn what_was_to_leave_from_a_blocked_address_leaves_from_another_or_waits() {
    let mut board = two_pools();
    let (a, one, two) = (pool_of(&mut board, "192.0.2.1"), id(&mut board, "192.0.2.1"), id(&mut board, "192.0.2.2"));
    let destination = to("x.example");
    for number in 0..2 {
        assert_eq!(send(&mut board, due(1, number, "x.example"), a), None);
    }
    let (until, back) = board.set_aside(NOW, &destination, one);
    assert_eq!((until, back), (Some(NOW.plus_seconds(ASIDE_SECONDS_MIN)), Vec::new()));
    let begun = begin_all(&mut board);
    assert_eq!(begun.iter().map(|(_, source)| *source).collect::<Vec<_>>(), [two, two]);
    let key = begun[0].0.key.clone();
    assert!(!board.has_other(NOW, &key, a, two));
    let (until, _) = board.set_aside(NOW, &destination, two);
    assert!(until.is_some());
    let Offer::PutOff(until) = board.offer(NOW, due(1, 9, "x.example"), 0) else { panic!() };
    assert!(until.millis_since(NOW) >= ASIDE_SECONDS_MIN * 1_000);
    assert!(board.pauses(NOW, &destination, two));
    // An operator ends it.
    let kept = |ip: &str| ((destination.clone(), ip.parse().unwrap()), (NOW, NOW.plus_seconds(ASIDE_SECONDS_MIN)));
    board.sources().keep(NOW, &BTreeMap::from([kept("192.0.2.1"), kept("192.0.2.2")]));
    board.sources().keep(NOW, &BTreeMap::from([kept("192.0.2.2")]));
    assert_eq!(send(&mut board, due(1, 10, "x.example"), a), None);
    assert_eq!(begin_all(&mut board)[0].1, one);
}

#[test]
fn mail_is_rerouted_where_its_address_does_not_do() {
    let mut board = board_with(&[pool("a", &["192.0.2.1", "2001:db8::1"])], 1_000, 100);
    let (a, four, six) = (pool_of(&mut board, "192.0.2.1"), id(&mut board, "192.0.2.1"), id(&mut board, "2001:db8::1"));
    assert_eq!(send(&mut board, due(1, 1, "x.example"), a), None);
    let [(first, source)] = begin_all(&mut board).try_into().unwrap();
    assert_eq!(source, four, "IPv4 is preferred");
    assert_eq!(board.reroute(NOW, first.clone(), (a, four), NoWay::Family(Family::V6)), Rerouted::Elsewhere);
    assert_eq!(board.in_flight(), 0);
    assert_eq!(begin_all(&mut board), [(first.clone(), six)]);
    assert!(board.ended(NOW, &first.key, six, Signal::Fine).is_empty());
    // It is known now.
    assert_eq!(send(&mut board, due(1, 2, "x.example"), a), None);
    let [(second, source)] = begin_all(&mut board).try_into().unwrap();
    assert_eq!(source, six);
    // The machine loses the address.
    assert_eq!(board.present(NOW, six, Presence::Missing), Some(Vec::new()));
    assert_eq!(board.reroute(NOW, second.clone(), (a, six), NoWay::Missing), Rerouted::Elsewhere);
    assert_eq!(begin_all(&mut board)[0].1, four);
    assert_eq!(board.reroute(NOW, second.clone(), (a, four), NoWay::Family(Family::V6)), Rerouted::Nowhere);
    board.present(NOW, four, Presence::Missing);
    let Rerouted::Back(back) = board.reroute(NOW, second.clone(), (a, four), NoWay::Missing) else { panic!() };
    assert_eq!((back.due, board.in_flight(), board.ahead()), (second, 0, 0));
    assert!(board.sources().lacks(a));
    // What has expired comes to its end nevertheless.
    let over = Due { age: Age::Over, ..due(1, 3, "x.example") };
    assert_eq!(send(&mut board, over.clone(), a), None);
    let (over, source) = board.begin(NOW).unwrap();
    assert_eq!(board.reroute(NOW, over, (a, source), NoWay::Missing), Rerouted::Nowhere);
}

#[test]
fn mail_without_a_pool_is_not_concerned_by_any() {
    let only_forwards = Pool { mail: vec![MailKind::Forward], ..pool("forward", &["192.0.2.1"]) };
    let mut board = board_with(&[only_forwards], 1_000, 100);
    let one = id(&mut board, "192.0.2.1");
    board.present(NOW, one, Presence::Missing);
    assert_eq!(send(&mut board, due(1, 1, "x.example"), PoolId::SYSTEM), None);
    assert_eq!(begin_all(&mut board)[0].1, SourceId::SYSTEM);
    let key: DeliveryKey = due(1, 2, "x.example").key;
    assert!(board.reserve(NOW, std::slice::from_ref(&key)));
    board.refused(&key);
}

/// Two workers, of which the first has these addresses.
fn shares(addresses: &[&str]) -> Shares {
    let member = |worker: &str, addresses: &[&str]| Member {
        worker: worker.to_owned(),
        until: Timestamp(u64::MAX),
        joined: 1,
        seen: 1,
        number: 0,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    };
    let members = vec![member("worker-1", addresses), member("worker-2", &[])];
    Shares { roster: Roster { epoch: 1, members }, ..Shares::default() }
}

#[test]
fn mail_is_left_to_the_worker_that_has_its_addresses() {
    let pools = [pool("a", &["192.0.2.1", "192.0.2.2"])];
    let mut board = board_of(Rights::among_others("worker-1"), &pools, 1_000, 100);
    let a = pool_of(&mut board, "192.0.2.1");
    assert!(board.learn(NOW, shares(&["192.0.2.2"])).is_empty());
    assert_eq!(send(&mut board, due(1, 1, "x.example"), a), None);
    let [(first, source)] = begin_all(&mut board).try_into().unwrap();
    assert_eq!(source, id(&mut board, "192.0.2.2"));
    assert!(board.ended(NOW, &first.key, source, Signal::Fine).is_empty());
    // One waits and one is leased when they are another's.
    assert_eq!(send(&mut board, due(1, 2, "x.example"), a), None);
    assert_eq!(board.offer(NOW, due(1, 3, "x.example"), 0), Offer::Kept);
    let left = |due| Back { due, until: NOW, whose: Whose::Others };
    let back = board.learn(NOW, shares(&[]));
    assert_eq!(back, [left(due(1, 2, "x.example")), left(due(1, 3, "x.example"))]);
    assert!(board.sources().own().is_empty() && begin_all(&mut board).is_empty());
    let (one, destination) = (id(&mut board, "192.0.2.1"), to("z.example"));
    assert!(board.pauses(NOW, &destination, one), "what has expired does not leave from another's address either");
    // It is due there still, and this worker does not put it off.
    assert_eq!(board.offer(NOW, due(1, 3, "x.example"), 0), Offer::Others);
    // Of a stranger it is known when it is leased.
    assert_eq!(send(&mut board, due(2, 4, "x.example"), a), Some(left(due(2, 4, "x.example"))));
    board.learn(NOW, shares(&["192.0.2.1"]));
    assert!(!board.pauses(NOW, &destination, one));
    assert_eq!(send(&mut board, due(1, 3, "x.example"), a), None);
    assert_eq!(begin_all(&mut board)[0].1, id(&mut board, "192.0.2.1"));
}
