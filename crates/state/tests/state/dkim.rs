//! DKIM keys of a domain: which sign, which wait, which retire, and when they go.

use bytes::Bytes;
use yubin_state::command::DomainCommand;
use yubin_state::record::{DkimKey, DkimKeyState, NewDkimKey};
use yubin_state::{Answer, Query, Reply};
use yubin_types::{DomainName, Refusal, limits};

use crate::lab::{D1, D2, Lab, plan, refused};

fn selector(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

fn new(text: &str) -> NewDkimKey {
    NewDkimKey { selector: selector(text), sealed: Bytes::from_static(b"sealed"), record: format!("v=DKIM1; p={text}") }
}

fn add(selectors: &[&str]) -> DomainCommand {
    DomainCommand::AddDkimKeys(selectors.iter().map(|text| new(text)).collect())
}

fn keys(lab: &Lab) -> Vec<DkimKey> {
    match lab.ask(D1, &Query::DkimKeys) {
        Answer::DkimKeys(keys) => keys,
        other => panic!("{other:?}"),
    }
}

fn states(lab: &Lab) -> Vec<(String, DkimKeyState)> {
    keys(lab).into_iter().map(|key| (key.selector.to_string(), key.state)).collect()
}

fn state(text: &str, state: DkimKeyState) -> (String, DkimKeyState) {
    (text.to_owned(), state)
}

#[test]
fn first_keys_sign_at_once_and_later_ones_wait_until_they_are_published() {
    use DkimKeyState::{Active, Pending, Retiring};
    let mut lab = Lab::new();
    assert_eq!(keys(&lab), []);
    assert!(matches!(refused(&lab.domain(DomainCommand::ActivateDkimKeys)), Refusal::NotFound { .. }));
    assert_eq!(lab.domain(add(&["a1", "b1"])), Reply::Done);
    assert_eq!(states(&lab), [state("a1", Active), state("b1", Active)]);
    assert_eq!(lab.domain(add(&["a2", "b2"])), Reply::Done);
    assert_eq!(states(&lab)[1..3], [state("a2", Pending), state("b1", Active)]);
    assert!(matches!(refused(&lab.domain(add(&["a3"]))), Refusal::InUse { .. }));

    let created = lab.now;
    lab.now.0 += 5_000;
    assert_eq!(lab.domain(DomainCommand::ActivateDkimKeys), Reply::Done);
    let expected = [state("a1", Retiring), state("a2", Active), state("b1", Retiring), state("b2", Active)];
    assert_eq!(states(&lab), expected);
    assert!(keys(&lab).iter().all(|key| key.created == created && key.since == lab.now));
    assert!(matches!(refused(&lab.domain(DomainCommand::ActivateDkimKeys)), Refusal::NotFound { .. }));
}

#[test]
fn retired_keys_go_with_the_next_change_after_their_time() {
    let mut lab = Lab::new();
    lab.domain(add(&["a1"]));
    lab.domain(add(&["a2"]));
    lab.domain(DomainCommand::ActivateDkimKeys);
    lab.now.0 += limits::DKIM_RETIRING_SECONDS * 1_000 - 1;
    lab.domain(add(&["a3"]));
    assert_eq!(keys(&lab).len(), 3);
    lab.now.0 += 1;
    lab.domain(DomainCommand::ActivateDkimKeys);
    assert_eq!(states(&lab), [state("a2", DkimKeyState::Retiring), state("a3", DkimKeyState::Active)]);
}

#[test]
fn keys_have_bounds_and_names_of_their_own() {
    let mut lab = Lab::new();
    lab.domain(add(&["a1"]));
    assert!(matches!(refused(&lab.domain(add(&["a1"]))), Refusal::NameTaken { .. }));
    assert!(matches!(refused(&lab.domain(add(&["b", "b"]))), Refusal::NameTaken { .. }));
    let many: Vec<String> = (0..limits::DKIM_KEYS_PER_DOMAIN_MAX).map(|number| format!("k{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(matches!(refused(&lab.domain(add(&many))), Refusal::TooMany { .. }));
    let large = NewDkimKey { sealed: vec![0; limits::DKIM_SEALED_BYTES_MAX + 1].into(), ..new("x") };
    let empty = NewDkimKey { record: String::new(), ..new("x") };
    for wrong in [large, empty] {
        let reply = lab.domain(DomainCommand::AddDkimKeys(vec![new("y"), wrong]));
        assert!(matches!(refused(&reply), Refusal::InvalidValue { .. }));
    }
    assert_eq!(keys(&lab).len(), 1);
}

#[test]
fn a_key_can_be_removed_and_all_go_with_their_domain() {
    let mut lab = Lab::new();
    lab.create_domain(D2, "two.example", plan());
    lab.domain(add(&["a1", "b1"]));
    assert_eq!(lab.domain(DomainCommand::RemoveDkimKey(selector("a1"))), Reply::Done);
    let again = lab.domain(DomainCommand::RemoveDkimKey(selector("a1")));
    assert!(matches!(refused(&again), Refusal::NotFound { .. }));
    assert_eq!(states(&lab), [state("b1", DkimKeyState::Active)]);
    assert_eq!(lab.ask(D2, &Query::DkimKeys), Answer::DkimKeys(Vec::new()));
    lab.domain(DomainCommand::Delete);
    lab.create_domain(D1, "one.example", plan());
    assert_eq!(keys(&lab), []);
}
