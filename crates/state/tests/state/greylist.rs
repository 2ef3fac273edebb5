//! Strangers are asked to come again, welcome when they do, and forgotten in time.

use yubin_state::command::{DomainCommand, MaintenanceCommand};
use yubin_state::greylist::{GreylistTerms, Reception, Visit};
use yubin_state::reply::More;
use yubin_state::{Answer, Query, Reply};
use yubin_types::{DomainId, Refusal, Timestamp, limits};

use crate::lab::{D1, DAY, Lab};

const TERMS: GreylistTerms =
    GreylistTerms { delay_seconds: 300, retry_seconds: DAY, welcome_seconds: 30 * DAY, network_passes: 3 };

fn visit(network: u64, triplets: &[u64]) -> Visit {
    Visit { network, triplets: triplets.to_vec(), terms: TERMS }
}

impl Lab {
    fn strangers_come(&mut self, visit: Visit) -> Vec<Reception> {
        match self.domain(DomainCommand::Greylist(visit)) {
            Reply::Greylist(welcomes) => welcomes,
            other => panic!("{other:?}"),
        }
    }

    fn would(&self, visit: Visit) -> Vec<Reception> {
        match self.ask(D1, &Query::Greylist { visit, now: self.now }) {
            Answer::Greylist(welcomes) => welcomes,
            other => panic!("{other:?}"),
        }
    }

    fn forget_strangers(&mut self) -> u64 {
        let mut gone = 0;
        loop {
            match self.maintain(MaintenanceCommand::ForgetStrangers) {
                Reply::Progress { more, touched, .. } => {
                    gone += touched;
                    if more == More::No {
                        return gone;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_stranger_waits_comes_again_and_is_welcome() {
    let mut lab = Lab::new();
    let begin = lab.now;
    assert_eq!(lab.would(visit(1, &[10])), [Reception::Unrecorded]);
    let due = Reception::From(begin.plus_seconds(300));
    assert_eq!(lab.strangers_come(visit(1, &[10])), [due]);
    lab.wait(299);
    assert_eq!(lab.would(visit(1, &[10])), [due], "a hasty one costs no command");
    assert_eq!(lab.strangers_come(visit(1, &[10])), [due], "and its time does not begin anew");
    lab.wait(1);
    assert_eq!(lab.would(visit(1, &[10])), [Reception::Unrecorded]);
    assert_eq!(lab.strangers_come(visit(1, &[10, 11])), [Reception::Now, Reception::From(lab.now.plus_seconds(300))]);
    assert_eq!(lab.would(visit(1, &[10])), [Reception::Now]);
    assert_eq!(lab.would(visit(2, &[20])), [Reception::Unrecorded], "others are strangers still");
}

#[test]
fn one_that_comes_too_late_is_a_stranger_again() {
    let mut lab = Lab::new();
    lab.strangers_come(visit(1, &[10]));
    lab.wait(DAY + limits::GREYLIST_STEP_SECONDS);
    assert_eq!(lab.strangers_come(visit(1, &[10])), [Reception::From(lab.now.plus_seconds(300))]);
}

#[test]
fn a_welcome_lasts_from_the_last_visit_on_and_is_renewed_once_a_day() {
    let mut lab = Lab::new();
    lab.strangers_come(visit(1, &[10]));
    lab.wait(300);
    lab.strangers_come(visit(1, &[10]));
    for _ in 0..40 {
        lab.wait(20 * 3_600);
        assert_ne!(lab.would(visit(1, &[10])), [Reception::From(lab.now.plus_seconds(300))]);
        if lab.would(visit(1, &[10])) == [Reception::Unrecorded] {
            assert_eq!(lab.strangers_come(visit(1, &[10])), [Reception::Now]);
            assert_eq!(lab.would(visit(1, &[10])), [Reception::Now]);
        }
    }
    lab.wait(31 * DAY);
    assert_eq!(lab.strangers_come(visit(1, &[10])), [Reception::From(lab.now.plus_seconds(300))]);
}

#[test]
fn a_network_whose_strangers_come_again_is_welcome_as_a_whole() {
    let mut lab = Lab::new();
    for triplet in 10..13 {
        assert_ne!(lab.strangers_come(visit(1, &[triplet])), [Reception::Now]);
        lab.wait(300);
        assert_eq!(lab.strangers_come(visit(1, &[triplet])), [Reception::Now]);
    }
    assert_eq!(lab.would(visit(1, &[99, 98])), [Reception::Now, Reception::Now]);
    assert_eq!(lab.strangers_come(visit(1, &[99])), [Reception::Now]);
    assert_eq!(lab.would(visit(2, &[99])), [Reception::Unrecorded]);
    let never = Visit { terms: GreylistTerms { network_passes: 0, ..TERMS }, ..visit(1, &[99]) };
    assert_eq!(lab.would(never), [Reception::Unrecorded], "unless that is turned off");
}

#[test]
fn all_are_forgotten_in_time_and_with_their_domain() {
    let mut lab = Lab::new();
    lab.strangers_come(visit(1, &(0..50).collect::<Vec<_>>()));
    assert_eq!(lab.forget_strangers(), 0);
    let Answer::NextDue(Some(due)) = lab.ask(DomainId(0), &Query::NextDue) else { panic!("nothing is due") };
    assert!(due > lab.now && due <= lab.now.plus_seconds(DAY + limits::GREYLIST_STEP_SECONDS));
    lab.now = Timestamp(due.0 - 1);
    assert_eq!(lab.forget_strangers(), 0);
    lab.now = due;
    assert_eq!(lab.forget_strangers(), 50);
    assert_eq!(lab.ask(DomainId(0), &Query::NextDue), Answer::NextDue(None));

    lab.strangers_come(visit(1, &[1]));
    while let Reply::Progress { more: More::Yes, .. } = lab.domain(DomainCommand::Delete) {}
    lab.wait(2 * DAY);
    assert_eq!(lab.forget_strangers(), 1, "what is left of a domain that is gone");
}

#[test]
fn terms_that_make_no_sense_are_refused() {
    let mut lab = Lab::new();
    for terms in [
        GreylistTerms { delay_seconds: limits::GREYLIST_DELAY_SECONDS_MAX + 1, ..TERMS },
        GreylistTerms { retry_seconds: 300, ..TERMS },
        GreylistTerms { welcome_seconds: limits::GREYLIST_SECONDS_MAX + 1, ..TERMS },
    ] {
        let refused = lab.domain(DomainCommand::Greylist(Visit { terms, ..visit(1, &[1]) }));
        assert!(matches!(refused, Reply::Refused(Refusal::InvalidValue { .. })), "{refused:?}");
    }
}
