//! What workers may use of receivers' limits, and what new addresses have sent: the commands and their rows.

use std::collections::BTreeMap;

use yubin_state::command::DirectoryCommand;
use yubin_state::queue::{Receiver, ShareReport, ShareWish, Shares, Stay, WarmUpItem};
use yubin_state::{Command, Reply, Topic};
use yubin_types::{DestinationName, Refusal, limits};

use crate::lab::Lab;
use crate::queue::GROUP;

fn to(text: &str) -> Receiver {
    Receiver::Destination(DestinationName::parse(text).unwrap())
}

fn wish(owner: &str, held: u32, wanted: u32) -> ShareWish {
    let (receiver, owner) = (to("a.example"), owner.to_owned());
    ShareWish { receiver, owner, limit: 10, held, wanted, complaints: 0, pauses: BTreeMap::new() }
}

fn report(worker: &str, number: u64, seen: u64, wishes: Vec<ShareWish>) -> ShareReport {
    let (worker, addresses) = (worker.to_owned(), vec!["192.0.2.1".parse().unwrap()]);
    ShareReport { worker, number, seen, stay: Stay::On, addresses, wishes }
}

fn run(lab: &mut Lab, report: ShareReport) -> Result<Shares, Refusal> {
    match lab.run(GROUP, Command::Directory(DirectoryCommand::ReportShares(Box::new(report)))) {
        Reply::Shares(shares) => Ok(*shares),
        Reply::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn lanes(shares: &Shares) -> Vec<(String, u32)> {
    let shared = shares.limits.get(&to("a.example")).map(|shared| shared.shares.as_slice()).unwrap_or_default();
    shared.iter().map(|share| (share.worker.clone(), share.lanes)).collect()
}

fn both(one: u32, two: u32) -> Vec<(String, u32)> {
    vec![("one".to_owned(), one), ("two".to_owned(), two)]
}

#[test]
fn a_share_is_what_others_leave_and_comes_back_when_its_worker_is_gone() {
    let mut lab = Lab::new();
    run(&mut lab, report("one", 1, 0, vec![])).unwrap();
    let two = run(&mut lab, report("two", 1, 0, vec![wish("one", 0, 10)])).unwrap();
    assert_eq!((two.roster.epoch, two.roster.is_settled()), (2, false));
    assert!(two.limits.is_empty(), "not before all act by the roster");
    run(&mut lab, report("one", 2, 2, vec![])).unwrap();
    run(&mut lab, report("two", 2, 2, vec![])).unwrap();
    lab.topics.clear();
    run(&mut lab, report("one", 3, 2, vec![])).unwrap();
    assert!(!lab.topics.contains(&Topic::Shares), "that it is still there is no news");
    let asked = run(&mut lab, report("two", 3, 2, vec![wish("one", 0, 10)])).unwrap();
    assert!(lab.topics.contains(&Topic::Shares) && !lab.topics.contains(&Topic::Directory));
    assert_eq!(lanes(&asked), both(10, 0), "the owner may be using all");
    let owner = run(&mut lab, report("one", 4, 2, vec![wish("one", 8, 10)])).unwrap();
    assert_eq!(lanes(&owner), both(8, 0));
    let asked = run(&mut lab, report("two", 4, 2, vec![wish("one", 0, 10)])).unwrap();
    assert_eq!(lanes(&asked), both(8, 2));
    assert!(run(&mut lab, report("one", 3, 2, vec![wish("one", 10, 10)])).is_err(), "it comes late");
    let owner = run(&mut lab, report("one", 5, 2, vec![wish("one", 3, 10)])).unwrap();
    assert_eq!(lanes(&owner), both(5, 2));
    assert_eq!(owner.roster.members.iter().map(|member| member.addresses.len()).collect::<Vec<_>>(), [1, 0]);
    // Nothing is heard of it any more.
    lab.now = lab.now.plus_seconds(limits::QUEUE_SHARE_SECONDS - 1);
    assert_eq!(lanes(&run(&mut lab, report("two", 5, 2, vec![wish("one", 2, 10)])).unwrap()), both(5, 5));
    lab.now = lab.now.plus_seconds(2);
    let alone = run(&mut lab, report("two", 6, 2, vec![wish("one", 5, 10)])).unwrap();
    assert_eq!((alone.roster.epoch, lanes(&alone)), (3, vec![("two".to_owned(), 10)]));
    let owner = run(&mut lab, report("two", 7, 3, vec![wish("two", 5, 10)])).unwrap();
    assert!(owner.limits.is_empty(), "it is all its own");
}

#[test]
fn who_acts_by_another_roster_keeps_what_it_holds() {
    let mut lab = Lab::new();
    run(&mut lab, report("one", 1, 0, vec![])).unwrap();
    run(&mut lab, report("one", 2, 1, vec![])).unwrap();
    run(&mut lab, report("two", 1, 0, vec![])).unwrap();
    // The receiver is the newcomer's now.
    let told = run(&mut lab, report("one", 3, 2, vec![wish("two", 7, 0)])).unwrap();
    assert_eq!(lanes(&told), [("one".to_owned(), 7)]);
    let owner = run(&mut lab, report("two", 2, 2, vec![wish("two", 0, 10)])).unwrap();
    assert_eq!(lanes(&owner), both(7, 3));
    // Who was not there before holds nothing by right.
    assert!(run(&mut lab, report("three", 1, 2, vec![wish("two", 9, 0)])).unwrap().limits.len() == 1);
    let gone = ShareReport { stay: Stay::Gone, ..report("one", 4, 2, vec![]) };
    let left = run(&mut lab, gone).unwrap();
    assert_eq!((left.roster.epoch, lanes(&left)), (4, vec![("two".to_owned(), 3)]));
}

#[test]
fn a_new_address_sends_no_more_than_its_day_allows_whoever_sends() {
    let mut lab = Lab::new();
    let today = u32::try_from(lab.now.millis() / 86_400_000).unwrap();
    let mut count = |day, messages, returned| {
        let address = "192.0.2.1".parse().unwrap();
        let item = WarmUpItem { day, address, receiver: to("a.example"), messages, returned, limit: 10 };
        let other =
            WarmUpItem { receiver: Receiver::Known("gmail".to_owned()), returned: 0, messages: 1, ..item.clone() };
        match lab.run(GROUP, Command::Directory(DirectoryCommand::CountWarmUp(vec![item, other]))) {
            Reply::WarmUp(granted) => granted[0],
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([count(today, 6, 0), count(today, 6, 0), count(today, 6, 0)], [6, 4, 0]);
    assert_eq!((count(today, 6, 3), count(today + 1, 6, 0)), (3, 6));
}
