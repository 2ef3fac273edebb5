//! Accounts, aliases and logins.

use yubin_state::command::{DomainCommand, Login};
use yubin_state::record::Plan;
use yubin_state::sending::SenderRight;
use yubin_state::{Answer, Query, Reply, Topic};
use yubin_types::{Address, DomainName, Limit, Refusal, Usage, limits};

use crate::lab::{D1, Lab, local, plan, refused, verifiers};

fn create(lab: &mut Lab, text: &str) -> Reply {
    lab.domain(DomainCommand::CreateAccount { local: local(text), verifiers: verifiers(1), quota: None })
}

fn put_alias(lab: &mut Lab, text: &str, targets: &[&str]) -> Reply {
    let targets = targets.iter().map(|text| local(text)).collect();
    lab.domain(DomainCommand::PutAlias { local: local(text), targets })
}

fn check(lab: &Lab, login: Login) -> Answer {
    lab.ask(D1, &Query::CheckLogin(login))
}

fn credentials(lab: &Lab, text: &str) -> yubin_state::query::Credentials {
    match lab.ask(D1, &Query::Credentials(local(text))) {
        Answer::Credentials(credentials) => credentials,
        other => panic!("{other:?}"),
    }
}

/// SONET-33, SONET-34, SONET-45: names follow the rule, and what holds a name is named.
#[test]
fn a_name_belongs_to_one_thing() {
    let mut lab = Lab::new();
    lab.account("ann");
    assert!(matches!(refused(&create(&mut lab, "a..b")), Refusal::InvalidName { .. }));
    let by = |owner: &str| Refusal::NameTaken { owner: owner.to_owned() };
    assert_eq!(refused(&create(&mut lab, "ann")), &by("account"));
    assert_eq!(refused(&put_alias(&mut lab, "ann", &["ann"])), &by("account"));
    assert_eq!(put_alias(&mut lab, "info", &["ann"]), Reply::Done);
    assert_eq!(refused(&create(&mut lab, "info")), &by("alias"));
    assert_eq!(lab.domain(DomainCommand::RemoveAlias { local: local("INFO") }), Reply::Done);
    assert!(matches!(create(&mut lab, "info"), Reply::AccountCreated(_)));
    assert!(matches!(
        refused(&lab.domain(DomainCommand::RemoveAlias { local: local("info") })),
        Refusal::NotFound { .. }
    ));
}

#[test]
fn an_alias_needs_targets_that_exist() {
    let mut lab = Lab::new();
    lab.account("ann");
    assert!(matches!(refused(&put_alias(&mut lab, "x", &[])), Refusal::InvalidValue { .. }));
    assert!(matches!(refused(&put_alias(&mut lab, "x", &["x"])), Refusal::InvalidValue { .. }));
    assert!(matches!(refused(&put_alias(&mut lab, "x", &["ann", "ghost"])), Refusal::NotFound { .. }));
    let many = vec!["ann"; limits::ALIAS_TARGETS_MAX + 1];
    assert!(matches!(refused(&put_alias(&mut lab, "x", &many)), Refusal::InvalidValue { .. }));
}

#[test]
fn a_plan_bounds_accounts() {
    let mut lab = Lab::with_plan(Plan { accounts_max: Limit::AtMost(2), ..plan() });
    lab.account("a");
    lab.account("b");
    assert!(matches!(refused(&create(&mut lab, "c")), Refusal::TooMany { limit: 2, .. }));
    lab.domain(DomainCommand::DeleteAccount { local: local("a") });
    assert!(matches!(create(&mut lab, "c"), Reply::AccountCreated(_)));
}

/// A password change, a suspension or a deletion ends every session with its first request after it.
#[test]
fn whatever_changes_a_login_ends_its_sessions() {
    let mut lab = Lab::new();
    let first = lab.account("ann");
    assert_eq!(check(&lab, first), Answer::Ok);
    lab.domain(DomainCommand::SetPassword { local: local("ann"), verifiers: verifiers(2) });
    assert_eq!(lab.topics, [Topic::AccountLogin(D1, first.account)]);
    assert_eq!(check(&lab, first), Answer::Refused(Refusal::StaleGeneration));
    let second = lab.login("ann");
    assert_eq!(credentials(&lab, "ann").verifiers, verifiers(2));
    lab.domain(DomainCommand::SuspendAccount { local: local("ann"), reason: String::new() });
    assert_eq!(check(&lab, second), Answer::Refused(Refusal::AccountSuspended));
    assert_eq!(credentials(&lab, "ann").refused, Some(Refusal::AccountSuspended));
    lab.domain(DomainCommand::ResumeAccount { local: local("ann") });
    assert_eq!(check(&lab, second), Answer::Refused(Refusal::StaleGeneration));
    let third = lab.login("ann");
    assert_eq!(check(&lab, third), Answer::Ok);
    lab.domain(DomainCommand::DeleteAccount { local: local("ann") });
    assert_eq!(check(&lab, third), Answer::Refused(Refusal::StaleGeneration));
    let again = lab.account("ann");
    assert_ne!(again.account, third.account);
    assert_eq!(check(&lab, third), Answer::Refused(Refusal::StaleGeneration));
}

#[test]
fn suspending_the_domain_ends_all_sessions() {
    let mut lab = Lab::new();
    let (ann, bob) = (lab.account("ann"), lab.account("bob"));
    let suspended = Refusal::DomainSuspended { reason: "unpaid".to_owned() };
    lab.domain(DomainCommand::Suspend { reason: "unpaid".to_owned() });
    assert_eq!(lab.topics, [Topic::DomainLogin(D1)]);
    for login in [ann, bob] {
        assert_eq!(check(&lab, login), Answer::Refused(suspended.clone()));
    }
    assert_eq!(credentials(&lab, "ann").refused, Some(suspended));
    lab.domain(DomainCommand::Resume);
    assert_eq!(check(&lab, ann), Answer::Refused(Refusal::StaleGeneration));
    let again = lab.login("ann");
    assert_eq!(check(&lab, again), Answer::Ok);
}

#[test]
fn a_fast_verifier_is_kept_for_the_password_it_was_made_from() {
    let mut lab = Lab::new();
    let old = lab.account("ann");
    let put = |login: Login, mac| DomainCommand::PutFastVerifier {
        account: login.account,
        generation: login.generation,
        mac,
    };
    assert_eq!(lab.domain(put(old, [1; 32])), Reply::Done);
    assert_eq!(credentials(&lab, "ann").fast, Some([1; 32]));
    lab.domain(DomainCommand::SetPassword { local: local("ann"), verifiers: verifiers(2) });
    assert_eq!(credentials(&lab, "ann").fast, None);
    assert_eq!(refused(&lab.domain(put(old, [2; 32]))), &Refusal::StaleGeneration);
    assert_eq!(credentials(&lab, "ann").fast, None);
    let new = lab.login("ann");
    assert_eq!(lab.domain(put(new, [3; 32])), Reply::Done);
    // Whoever verifies it needs the generation that it was made for.
    lab.domain(DomainCommand::Suspend { reason: "unpaid".to_owned() });
    lab.domain(DomainCommand::Resume);
    assert_eq!(credentials(&lab, "ann").fast, None);
}

#[test]
fn a_deleted_account_gives_back_its_room_and_leaves_no_rows() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.account("bob");
    for _ in 0..11 {
        lab.append(ann, "INBOX", &[1; 100], &["x"]);
    }
    lab.delivered(&["bob"], 5);
    lab.domain(DomainCommand::DeleteAccount { local: local("ann") });
    assert_eq!(lab.domain_usage(), Usage { bytes: 5, messages: 1 });
    assert_eq!(lab.ask(D1, &Query::Account(local("ann"))), Answer::Refused(Refusal::NoSuchAccount));
    assert!(matches!(lab.deliver(&["ann"], 1), Reply::DeliveryRefused(_)));
    lab.maintain(yubin_state::command::MaintenanceCommand::PurgeVault);
    assert_eq!(lab.vaulted(), 1_100);
    let hot = yubin_state::keys::hot_rows_of(D1);
    assert_eq!(lab.state.rows.range(hot.from..hot.to).count(), 1);
}

#[test]
fn lists_come_in_pages_and_addresses_know_their_aliases() {
    let mut lab = Lab::new();
    for text in ["ann", "bob", "cid"] {
        lab.account(text);
    }
    put_alias(&mut lab, "anna", &["ann"]);
    put_alias(&mut lab, "all", &["ann", "bob"]);
    put_alias(&mut lab, "annie", &["anna"]);
    let accounts = |after: Option<&str>, limit| match lab.ask(D1, &Query::Accounts { after: after.map(local), limit }) {
        Answer::Accounts(found) => found.iter().map(|found| found.local.to_string()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(accounts(None, 2), ["ann", "bob"]);
    assert_eq!(accounts(Some("Bob"), 2), ["cid"]);
    let Answer::Aliases(aliases) = lab.ask(D1, &Query::Aliases { after: Some(local("all")), limit: 1 }) else {
        panic!()
    };
    assert_eq!(aliases[0].local, local("anna"));
    let (login, now) = (lab.login("ann"), lab.now);
    for (sender, owned) in [
        ("Ann", true),
        ("anna", true),
        ("annie", true),
        ("all", false),
        ("bob", false),
        ("ann+x", false),
        ("eve", false),
    ] {
        let domain = DomainName::parse("one.example").unwrap();
        let sender = Address { local: local(sender), domain };
        let Answer::Sending { right, .. } = lab.ask(D1, &Query::Sending { login, sender: Some(sender.clone()), now })
        else {
            panic!()
        };
        assert_eq!(right, if owned { SenderRight::Own(sender.local) } else { SenderRight::Missing });
    }
}
