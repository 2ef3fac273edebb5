//! Recipients elsewhere that refuse message after message as unknown: whoever submits hears of it before the message is sent.

use yubin_state::queue::dead::recipient_hash;
use yubin_state::queue::{RecipientOutcome, RemoteReply};
use yubin_state::{Answer, Query};
use yubin_types::{EnhancedStatus, Timestamp, limits};

use crate::lab::{D1, Lab, local};
use crate::queue::{destination, key, result, said};

impl Lab {
    /// What is refused at submission now.
    fn dead(&self) -> Vec<u64> {
        match self.ask(D1, &Query::Sending { login: self.login("ann"), sender: None, now: self.now }) {
            Answer::Sending { allowance, .. } => allowance.dead,
            other => panic!("{other:?}"),
        }
    }

    /// Ann writes to an address, and its server answers.
    fn answered(&mut self, number: u8, user: &str, outcome: RecipientOutcome) {
        let ann = self.login("ann");
        self.submit(ann, number, &[&format!("{user}@b.example")]);
        let leased = self.lease(60, vec![key(number, "b.example")]);
        assert!(self.record(vec![result(&leased[0], vec![(0, outcome)], Timestamp(0))]).is_empty());
    }
}

fn unknown() -> RecipientOutcome {
    RecipientOutcome::Bounced(RemoteReply { enhanced: Some(EnhancedStatus::new(5, 1, 1)), ..said(550) })
}

fn hash(user: &str) -> u64 {
    recipient_hash(&local(user), &destination("b.example"))
}

#[test]
fn who_is_unknown_again_and_again_is_refused_for_a_while() {
    let mut lab = Lab::new();
    lab.account("ann");
    for number in 1..=u8::try_from(limits::DEAD_RECIPIENT_REFUSALS).unwrap() {
        assert_eq!(lab.dead(), []);
        lab.answered(number, "gone", unknown());
        lab.answered(number + 100, "policy", RecipientOutcome::Bounced(said(550)));
    }
    assert_eq!(lab.dead(), [hash("GONE")], "however it is written; other refusals say nothing");
    lab.now = lab.now.plus_seconds(limits::DEAD_RECIPIENT_SECONDS - 1);
    assert_eq!(lab.dead().len(), 1);
    lab.now = lab.now.plus_seconds(1);
    assert_eq!(lab.dead(), []);
    // Forgotten: the count begins anew.
    lab.answered(50, "gone", unknown());
    assert_eq!(lab.dead(), []);
}

#[test]
fn whoever_takes_a_message_exists() {
    let mut lab = Lab::new();
    lab.account("ann");
    for number in 1..=2 {
        lab.answered(number, "moody", unknown());
    }
    lab.answered(3, "moody", RecipientOutcome::Delivered(said(250)));
    lab.answered(4, "moody", unknown());
    assert_eq!(lab.dead(), []);
}

#[test]
fn what_is_known_of_refusals_is_bounded() {
    let mut lab = Lab::new();
    lab.account("ann");
    for _ in 0..3 {
        lab.answered(1, "first", unknown());
    }
    assert_eq!(lab.dead(), [hash("first")]);
    for number in 0..limits::DEAD_RECIPIENTS_MAX {
        lab.answered(2, &format!("u{number}"), unknown());
    }
    assert_eq!(lab.dead(), [], "the one that refused longest ago is forgotten");
}
