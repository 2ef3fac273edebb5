//! The domain itself: creation, deletion in steps, usage that can be verified.

use yubin_state::command::DomainCommand;
use yubin_state::keys::{self, Table};
use yubin_state::reply::More;
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{DomainName, Refusal, Usage};

use crate::lab::{D1, D2, Lab, local, plan, refused};

fn rows_of(lab: &Lab, id: yubin_types::DomainId) -> usize {
    let count = |table| {
        let span = keys::rows_of(table, id);
        lab.state.rows.range(span.from..span.to).count()
    };
    Table::OF_DOMAIN.into_iter().map(count).sum()
}

#[test]
fn creating_a_domain_again_changes_nothing() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.delivered(&["ann"], 7);
    lab.create_domain(D1, "one.example", plan());
    assert_eq!(lab.domain_usage(), Usage { bytes: 7, messages: 1 });
    let other = DomainCommand::Create { name: DomainName::parse("x.example").unwrap(), plan: plan(), quota: None };
    assert_eq!(refused(&lab.run(D1, Command::Domain(other))), &Refusal::NoSuchDomain);
}

#[test]
fn a_deleted_domain_is_gone_with_the_first_step_and_leaves_no_row_with_the_last() {
    let mut lab = Lab::new();
    lab.create_domain(D2, "two.example", plan());
    lab.account_in(D2, "eve");
    let before = rows_of(&lab, D2);
    let ann = lab.account("ann");
    lab.account("bob");
    for _ in 0..11 {
        lab.append(ann, "INBOX", &[1; 100], &["x"]);
    }
    lab.append(ann, "Trash", &[1; 5], &[]);
    lab.delivered(&["ann", "bob"], 5);
    lab.expunge(ann, "INBOX", &[1, 2, 3]);
    let first = lab.domain(DomainCommand::Delete);
    assert!(matches!(first, Reply::Progress { more: More::Yes, .. }));
    assert_eq!(refused(&lab.deliver(&["ann"], 1)), &Refusal::NoSuchDomain);
    assert_eq!(lab.ask(D1, &Query::CheckLogin(ann)), Answer::Refused(Refusal::NoSuchDomain));
    let mut steps = 1;
    while matches!(lab.domain(DomainCommand::Delete), Reply::Progress { more: More::Yes, .. }) {
        steps += 1;
        assert!(steps < 20);
    }
    assert_eq!(rows_of(&lab, D1), 0);
    assert_eq!(rows_of(&lab, D2), before);
    let again = lab.domain(DomainCommand::Delete);
    assert_eq!(again, Reply::Progress { more: More::No, touched: 0, next_due: None });
}

#[test]
fn one_domain_never_sees_another() {
    let mut lab = Lab::new();
    lab.create_domain(D2, "two.example", plan());
    let ann = lab.account("ann");
    let other = lab.account_in(D2, "ann");
    lab.delivered(&["ann"], 5);
    assert_eq!(ann, other);
    let inbox = lab.mailbox(ann, "INBOX");
    assert_eq!(crate::lab::rows_of(&lab.state, D1, ann, inbox).len(), 1);
    assert_eq!(crate::lab::rows_of(&lab.state, D2, other, inbox).len(), 0);
}

#[test]
fn usage_can_be_verified() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.append(ann, "INBOX", &[10, 20], &[]);
    lab.expunge(ann, "INBOX", &[1]);
    let kept = Usage { bytes: 20, messages: 1 };
    let expected = Answer::UsageVerified { counted: kept, kept, differing: Vec::new() };
    assert_eq!(lab.ask(D1, &Query::VerifyUsage), expected);
}

#[test]
fn a_catch_all_must_exist() {
    let mut lab = Lab::new();
    let update = DomainCommand::Update { plan: None, quota: None, catch_all: Some(Some(local("ghost"))) };
    assert!(matches!(refused(&lab.domain(update)), Refusal::NotFound { .. }));
}
