//! Delivery: who gets a copy, and exactly when there is no room.

use bytes::Bytes;
use yubin_state::command::{DomainCommand, NewMessage};
use yubin_state::{Answer, Query, Reply};
use yubin_types::{Limit, Quota, QuotaScope, Refusal, SpecialUse, Usage};

use crate::lab::{D1, Lab, bytes_quota, deliver_to, local, message, plan, recipient, refused};

const ACCOUNT_FULL: Refusal = Refusal::OverQuota { scope: QuotaScope::Account };
const DOMAIN_FULL: Refusal = Refusal::OverQuota { scope: QuotaScope::Domain };

fn alias(lab: &mut Lab, from: &str, to: &[&str]) {
    let targets = to.iter().map(|to| local(to)).collect();
    assert_eq!(lab.domain(DomainCommand::PutAlias { local: local(from), targets }), Reply::Done);
}

fn set_quota(lab: &mut Lab, account: &str, quota: Option<Quota>) {
    assert_eq!(lab.domain(DomainCommand::SetAccountQuota { local: local(account), quota }), Reply::Done);
}

fn set_domain_quota(lab: &mut Lab, quota: Quota) {
    let update = DomainCommand::Update { plan: None, quota: Some(quota), catch_all: None };
    assert_eq!(lab.domain(update), Reply::Done);
}

#[test]
fn an_account_gets_one_copy_however_often_it_is_reached() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let bob = lab.account("bob");
    alias(&mut lab, "team", &["ann", "bob"]);
    let copies = lab.delivered(&["team", "ann", "ANN", "bob+lists"], 10);
    assert_eq!(copies.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1, 1]);
    assert_eq!(lab.rows(ann, "INBOX").len(), 1);
    assert_eq!(lab.rows(bob, "INBOX").len(), 1);
    assert_eq!(lab.domain_usage(), Usage { bytes: 20, messages: 2 });
}

#[test]
fn recipients_share_the_body_and_have_their_own_prefix() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let bob = lab.account("bob");
    let mut recipients = vec![recipient("ann"), recipient("bob")];
    recipients[1].prefix = Bytes::from_static(b"Delivered-To: bob\r\n");
    lab.run(D1, deliver_to(recipients, 100));
    let (a, b) = (lab.rows(ann, "INBOX").remove(0), lab.rows(bob, "INBOX").remove(0));
    assert_eq!((a.hot.bytes, b.hot.bytes), (100, 119));
    assert_eq!(a.cold.unwrap().body, b.cold.unwrap().body);
    assert_eq!(lab.usage("bob").bytes, 119);
    let Reply::Expunged { .. } = lab.expunge(ann, "INBOX", &[1]) else { panic!() };
    assert_eq!(lab.rows(bob, "INBOX").len(), 1);
    assert_eq!(lab.state.dropped, []);
}

#[test]
fn names_are_found_in_the_order_account_alias_subaddress_catch_all() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let bob = lab.account("bob");
    assert_eq!(lab.deliver(&["nobody"], 1), Reply::DeliveryRefused(vec![Some(Refusal::NoSuchRecipient)]));
    let catch_all = Some(Some(local("bob")));
    lab.domain(DomainCommand::Update { plan: None, quota: None, catch_all });
    lab.delivered(&["nobody"], 1);
    assert_eq!(lab.rows(bob, "INBOX").len(), 1);
    lab.delivered(&["ann+shop"], 1);
    assert_eq!(lab.rows(ann, "INBOX").len(), 1);
    lab.delivered(&["+shop"], 1);
    assert_eq!(lab.rows(bob, "INBOX").len(), 2);
    alias(&mut lab, "sales", &["ann"]);
    lab.delivered(&["sales+x"], 1);
    assert_eq!(lab.rows(ann, "INBOX").len(), 2);
}

#[test]
fn aliases_may_nest_and_may_not_hang() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    alias(&mut lab, "b", &["ann"]);
    alias(&mut lab, "a", &["b"]);
    alias(&mut lab, "b", &["a", "ann"]);
    lab.delivered(&["a"], 1);
    assert_eq!(lab.rows(ann, "INBOX").len(), 1);
    alias(&mut lab, "c", &["b"]);
    alias(&mut lab, "b", &["c"]);
    assert_eq!(lab.deliver(&["b"], 1), Reply::DeliveryRefused(vec![Some(Refusal::NoSuchRecipient)]));
    alias(&mut lab, "n0", &["ann"]);
    for level in 1..=10 {
        alias(&mut lab, &format!("n{level}"), &[&format!("n{}", level - 1)]);
    }
    lab.delivered(&["n9"], 1);
    assert_eq!(lab.deliver(&["n10"], 1), Reply::DeliveryRefused(vec![Some(Refusal::NoSuchRecipient)]));
}

#[test]
fn an_alias_outlives_a_deleted_target() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.account("bob");
    alias(&mut lab, "team", &["ann", "bob"]);
    lab.domain(DomainCommand::DeleteAccount { local: local("bob") });
    assert_eq!(lab.delivered(&["team"], 1)[0].len(), 1);
    assert_eq!(lab.rows(ann, "INBOX").len(), 1);
}

#[test]
fn one_refused_recipient_refuses_all_and_is_the_only_one_to_blame() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.account("full");
    set_quota(&mut lab, "full", Some(bytes_quota(5)));
    let reply = lab.deliver(&["ann", "ghost", "full"], 10);
    let reasons = vec![None, Some(Refusal::NoSuchRecipient), Some(ACCOUNT_FULL)];
    assert_eq!(reply, Reply::DeliveryRefused(reasons));
    assert_eq!(lab.domain_usage(), Usage::default());
}

/// SPPD-11, SHIN-07, SHIN-08, SHIN-09, SPPD-12.
#[test]
fn an_account_quota_is_exact_to_the_byte_and_stops_only_growth() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    set_quota(&mut lab, "ann", Some(bytes_quota(100)));
    lab.delivered(&["ann"], 60);
    lab.delivered(&["ann"], 40);
    assert_eq!(lab.usage("ann").bytes, 100);
    assert_eq!(lab.deliver(&["ann"], 1), Reply::DeliveryRefused(vec![Some(ACCOUNT_FULL)]));
    assert_eq!(refused(&lab.append(ann, "Sent", &[1], &[])), &ACCOUNT_FULL);
    assert_eq!(lab.ask(D1, &Query::Recipient { local: local("ann"), bytes: None }), Answer::Refused(ACCOUNT_FULL));
    set_quota(&mut lab, "ann", Some(bytes_quota(10)));
    lab.store(ann, "INBOX", &[1], yubin_state::command::FlagOperation::Add, &["\\Seen"]);
    assert!(matches!(lab.expunge(ann, "INBOX", &[1]), Reply::Expunged { .. }));
    assert_eq!(lab.usage("ann").bytes, 40);
    set_quota(&mut lab, "ann", Some(bytes_quota(41)));
    lab.delivered(&["ann"], 1);
    assert_eq!(lab.deliver(&["ann"], 1), Reply::DeliveryRefused(vec![Some(ACCOUNT_FULL)]));
}

/// SPPD-09, SPPD-10: "unlimited" is a value, and an account's own quota goes before the plan's.
#[test]
fn an_accounts_own_quota_overrides_the_plans() {
    let mut lab = Lab::with_plan(yubin_state::record::Plan { account_quota: bytes_quota(10), ..plan() });
    lab.account("ann");
    assert_eq!(lab.deliver(&["ann"], 11), Reply::DeliveryRefused(vec![Some(ACCOUNT_FULL)]));
    set_quota(&mut lab, "ann", Some(Quota::default()));
    lab.delivered(&["ann"], 11);
    set_quota(&mut lab, "ann", None);
    assert_eq!(lab.deliver(&["ann"], 1), Reply::DeliveryRefused(vec![Some(ACCOUNT_FULL)]));
}

#[test]
fn a_quota_counts_messages_too() {
    let mut lab = Lab::new();
    lab.account("ann");
    set_quota(&mut lab, "ann", Some(Quota { bytes: Limit::Unlimited, messages: Limit::AtMost(2) }));
    lab.delivered(&["ann"], 0);
    lab.delivered(&["ann"], 0);
    assert_eq!(lab.deliver(&["ann"], 0), Reply::DeliveryRefused(vec![Some(ACCOUNT_FULL)]));
}

/// SONET-20, SONET-28: one shared space, no limit per mailbox; when it is full nobody in the domain receives.
#[test]
fn the_shared_quota_is_exact_over_the_sum() {
    let mut lab = Lab::new();
    for account in ["a", "b", "c"] {
        lab.account(account);
    }
    set_domain_quota(&mut lab, bytes_quota(100));
    let reply = lab.deliver(&["a", "b", "c"], 40);
    assert_eq!(reply, Reply::DeliveryRefused(vec![None, None, Some(DOMAIN_FULL)]));
    lab.delivered(&["a", "b"], 40);
    lab.delivered(&["c"], 20);
    assert_eq!(lab.domain_usage().bytes, 100);
    for account in ["a", "b", "c"] {
        assert_eq!(lab.deliver(&[account], 1), Reply::DeliveryRefused(vec![Some(DOMAIN_FULL)]));
    }
    set_domain_quota(&mut lab, bytes_quota(50));
    let a = lab.login("a");
    assert!(matches!(lab.expunge(a, "INBOX", &[1]), Reply::Expunged { .. }));
    assert_eq!(lab.deliver(&["a"], 1), Reply::DeliveryRefused(vec![Some(DOMAIN_FULL)]));
}

/// A recipient that is refused for itself takes no room from the others.
#[test]
fn blame_is_not_passed_on() {
    let mut lab = Lab::new();
    lab.account("full");
    lab.account("ann");
    set_quota(&mut lab, "full", Some(bytes_quota(0)));
    set_domain_quota(&mut lab, bytes_quota(10));
    assert_eq!(lab.deliver(&["full", "ann"], 10), Reply::DeliveryRefused(vec![Some(ACCOUNT_FULL), None]));
}

/// SPPD-18, SPPD-19, SPPD-20: the plan's size counts the message as it is stored.
#[test]
fn a_message_may_be_as_large_as_the_plan_says() {
    let mut lab = Lab::with_plan(yubin_state::record::Plan { message_bytes_max: 100, ..plan() });
    let ann = lab.account("ann");
    lab.delivered(&["ann"], 100);
    let too_big = Refusal::MessageTooBig { limit_bytes: 100 };
    assert_eq!(lab.deliver(&["ann"], 101), Reply::DeliveryRefused(vec![Some(too_big.clone())]));
    let mut prefixed = recipient("ann");
    prefixed.prefix = Bytes::from_static(b"X: y\r\n");
    let reply = lab.run(D1, deliver_to(vec![prefixed], 95));
    assert_eq!(reply, Reply::DeliveryRefused(vec![Some(too_big.clone())]));
    assert_eq!(refused(&lab.append(ann, "INBOX", &[101], &[])), &too_big);
    let asked = lab.ask(D1, &Query::Recipient { local: local("ann"), bytes: Some(101) });
    assert_eq!(asked, Answer::Refused(too_big));
}

#[test]
fn a_suspended_account_still_receives_and_a_suspended_domain_does_not() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.domain(DomainCommand::SuspendAccount { local: local("ann"), reason: "late".to_owned() });
    lab.delivered(&["ann"], 1);
    lab.domain(DomainCommand::Suspend { reason: "unpaid".to_owned() });
    let suspended = Refusal::DomainSuspended { reason: "unpaid".to_owned() };
    assert_eq!(lab.deliver(&["ann"], 1), Reply::DeliveryRefused(vec![Some(suspended)]));
    lab.domain(DomainCommand::Resume);
    lab.delivered(&["ann"], 1);
    assert_eq!(lab.usage("ann").messages, 2);
}

#[test]
fn junk_goes_to_the_mailbox_of_that_use() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let mut junk = recipient("ann");
    junk.special_use = Some(SpecialUse::Junk);
    lab.run(D1, deliver_to(vec![junk], 1));
    assert_eq!((lab.rows(ann, "Junk").len(), lab.rows(ann, "INBOX").len()), (1, 0));
}

#[test]
fn a_delivery_needs_recipients_and_its_body() {
    let mut lab = Lab::new();
    lab.account("ann");
    assert!(matches!(refused(&lab.deliver(&[], 1)), Refusal::InvalidValue { .. }));
    let missing = NewMessage { body_ordinal: 1, ..message(1) };
    let reply = lab.mail(yubin_state::command::MailCommand::Deliver {
        login: None,
        sender: yubin_types::ReversePath::Null,
        recipients: vec![recipient("ann")],
        message: missing,
        passage: yubin_state::forward::Passage::default(),
    });
    assert!(matches!(refused(&reply), Refusal::InvalidValue { .. }));
}
