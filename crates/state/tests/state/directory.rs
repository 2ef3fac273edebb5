//! The directory: names, places, nodes, plans, tokens, settings.

use bytes::Bytes;
use yubin_state::command::DirectoryCommand;
use yubin_state::record::{AdminToken, DomainPhase, NodeRecord};
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{DomainId, DomainName, Epoch, GroupNumber, Placement, Refusal, Timestamp};

use crate::lab::{Lab, plan, refused};

const DIRECTORY: DomainId = DomainId(0);

fn run(lab: &mut Lab, command: DirectoryCommand) -> Reply {
    lab.run(DIRECTORY, Command::Directory(command))
}

fn domain(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

fn node(id: u64) -> NodeRecord {
    NodeRecord {
        id,
        name: format!("n{id}"),
        peer_address: "127.0.0.1:1".to_owned(),
        store_address: "127.0.0.1:2".to_owned(),
        zone: "a".to_owned(),
    }
}

#[test]
fn a_domain_is_reserved_then_active_then_removed() {
    let mut lab = Lab::new();
    let group = GroupNumber(2);
    let reserve = || DirectoryCommand::ReserveDomain { name: domain("a.example"), group };
    assert!(matches!(refused(&run(&mut lab, reserve())), Refusal::NotFound { .. }));
    run(&mut lab, DirectoryCommand::PutGroup { group, voters: vec![1, 2, 3] });
    let placed = run(&mut lab, reserve());
    let Reply::DomainPlaced { id, placement } = placed else { panic!("{placed:?}") };
    assert_eq!(placement, Placement { cell: 0, group, epoch: Epoch(1) });
    let elsewhere = DirectoryCommand::ReserveDomain { name: domain("a.example"), group: GroupNumber(3) };
    assert_eq!(run(&mut lab, elsewhere), placed);
    let resolve = Query::ResolveDomain(domain("a.example"));
    let phase = |lab: &Lab| match lab.ask(DIRECTORY, &resolve) {
        Answer::DirectoryDomain(found) => Some(found.phase),
        _ => None,
    };
    assert_eq!(phase(&lab), Some(DomainPhase::Creating));
    assert_eq!(run(&mut lab, DirectoryCommand::ActivateDomain(id)), Reply::Done);
    assert_eq!(phase(&lab), Some(DomainPhase::Active));
    assert_eq!(refused(&run(&mut lab, reserve())), &Refusal::NameTaken { owner: "domain".to_owned() });
    let Answer::Groups(groups) = lab.ask(DIRECTORY, &Query::Groups) else { panic!() };
    assert_eq!((groups.len(), groups[0].domains), (1, 1));
    assert_eq!(run(&mut lab, DirectoryCommand::RemoveDomain(id)), Reply::Done);
    assert_eq!(lab.ask(DIRECTORY, &resolve), Answer::Refused(Refusal::NoSuchDomain));
    let Reply::DomainPlaced { id: new, .. } = run(&mut lab, reserve()) else { panic!() };
    assert_ne!(new, id);
}

#[test]
fn domains_are_listed_by_name_in_pages() {
    let mut lab = Lab::new();
    run(&mut lab, DirectoryCommand::PutGroup { group: GroupNumber(1), voters: vec![1] });
    for text in ["c.example", "a.example", "b.example"] {
        run(&mut lab, DirectoryCommand::ReserveDomain { name: domain(text), group: GroupNumber(1) });
    }
    let list = |after: Option<&str>| match lab.ask(DIRECTORY, &Query::Domains { after: after.map(domain), limit: 2 }) {
        Answer::DirectoryDomains(found) => found.iter().map(|found| found.name.to_string()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(list(None), ["a.example", "b.example"]);
    assert_eq!(list(Some("b.example")), ["c.example"]);
}

#[test]
fn a_node_in_use_stays_and_its_id_is_never_used_again() {
    let mut lab = Lab::new();
    run(&mut lab, DirectoryCommand::PutNode(node(1)));
    run(&mut lab, DirectoryCommand::PutNode(node(2)));
    run(&mut lab, DirectoryCommand::PutGroup { group: GroupNumber(0), voters: vec![1] });
    assert!(matches!(refused(&run(&mut lab, DirectoryCommand::RemoveNode(1))), Refusal::InUse { .. }));
    assert_eq!(run(&mut lab, DirectoryCommand::RemoveNode(2)), Reply::Done);
    assert!(matches!(refused(&run(&mut lab, DirectoryCommand::PutNode(node(2)))), Refusal::InvalidValue { .. }));
    assert!(matches!(refused(&run(&mut lab, DirectoryCommand::RemoveNode(2))), Refusal::NotFound { .. }));
    assert_eq!(lab.ask(DIRECTORY, &Query::Nodes), Answer::Nodes(vec![node(1)]));
}

#[test]
fn tokens_are_made_and_revoked_for_good_and_the_last_one_stays() {
    let mut lab = Lab::new();
    let token = |id: &str| AdminToken { id: id.to_owned(), sha256: [1; 32], created: Timestamp(1), made_from: None };
    let revoke = |id: &str| DirectoryCommand::RemoveToken(id.to_owned());
    run(&mut lab, DirectoryCommand::PutToken(token("a")));
    assert!(matches!(refused(&run(&mut lab, revoke("a"))), Refusal::InUse { .. }));
    assert_eq!(run(&mut lab, DirectoryCommand::PutToken(token("a"))), Reply::Done);
    let other = AdminToken { sha256: [2; 32], ..token("a") };
    assert!(matches!(refused(&run(&mut lab, DirectoryCommand::PutToken(other))), Refusal::NameTaken { .. }));
    run(&mut lab, DirectoryCommand::PutToken(token("b")));
    assert_eq!(lab.ask(DIRECTORY, &Query::Tokens), Answer::Tokens(vec![token("a"), token("b")]));
    assert_eq!(run(&mut lab, revoke("a")), Reply::Done);
    assert!(matches!(refused(&run(&mut lab, revoke("a"))), Refusal::NotFound { .. }));
    assert!(matches!(refused(&run(&mut lab, DirectoryCommand::PutToken(token("a")))), Refusal::InvalidValue { .. }));
    assert!(matches!(refused(&run(&mut lab, revoke("b"))), Refusal::InUse { .. }));
    assert_eq!(lab.ask(DIRECTORY, &Query::Tokens), Answer::Tokens(vec![token("b")]));
}

#[test]
fn plans_and_settings_come_and_go() {
    let mut lab = Lab::new();
    run(&mut lab, DirectoryCommand::PutPlan(plan()));
    assert_eq!(lab.ask(DIRECTORY, &Query::Plans), Answer::Plans(vec![plan()]));
    let bad = yubin_state::record::Plan { message_bytes_max: u64::MAX, ..plan() };
    assert!(matches!(refused(&run(&mut lab, DirectoryCommand::PutPlan(bad))), Refusal::InvalidValue { .. }));
    assert_eq!(run(&mut lab, DirectoryCommand::RemovePlan("standard".to_owned())), Reply::Done);
    assert_eq!(lab.ask(DIRECTORY, &Query::Plans), Answer::Plans(Vec::new()));
    let put = |value: &'static [u8]| DirectoryCommand::PutSetting {
        key: "cluster-name".to_owned(),
        value: Bytes::from_static(value),
    };
    assert_eq!(lab.ask(DIRECTORY, &Query::Setting("cluster-name".to_owned())), Answer::Setting(None));
    run(&mut lab, put(b"east"));
    let stored = Answer::Setting(Some(b"east".to_vec()));
    assert_eq!(lab.ask(DIRECTORY, &Query::Setting("cluster-name".to_owned())), stored);
    assert!(matches!(refused(&run(&mut lab, put(&[0; 70_000]))), Refusal::InvalidValue { .. }));
}
