//! Random submissions of two accounts against a plain list of what was taken: every decision, every end of a limit, every suspension.
//! All invariants are checked after each step (see [`crate::lab`]), and a replay gives the same state.

// A random bit decides where a message goes: naming it would say no more.
#![allow(clippy::fn_params_excessive_bools)]

use proptest::prelude::*;
use yubin_state::memory::Memory;
use yubin_state::sending::SendingCommand;
use yubin_state::{Encode as _, Reply, apply};
use yubin_types::{
    AccountSending, Limit, QuotaScope, Refusal, SendingLimit, SendingLimits, SendingPeriod, SendingRate, SendingUnit,
    SuspensionRules, Timestamp,
};

use crate::lab::{Lab, local};
use crate::sending::{HOUR, with_sending};

const NAMES: [&str; 2] = ["ann", "bob"];
const WIDEST: usize = 4;
const REFUSALS: u64 = 3;

fn limits() -> SendingLimits {
    let rate = |scale: u64| SendingRate {
        messages_per_hour: Limit::AtMost(3 * scale),
        messages_per_day: Limit::AtMost(7 * scale),
        recipients_per_hour: Limit::AtMost(5 * scale),
        recipients_per_day: Limit::AtMost(12 * scale),
    };
    SendingLimits {
        account: AccountSending {
            recipients_per_message: Limit::AtMost(WIDEST as u64),
            rate: rate(2),
            ..Default::default()
        },
        domain: rate(3),
        suspension: SuspensionRules { refusals_per_hour: Limit::AtMost(REFUSALS), ..Default::default() },
    }
}

#[derive(Clone, Debug)]
enum Step {
    Submit { who: usize, recipients: usize, within: bool },
    Wait { seconds: u64 },
    Resume { who: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..2usize, 1..=WIDEST + 1, any::<bool>())
            .prop_map(|(who, recipients, within)| Step::Submit { who, recipients, within }),
        3 => prop_oneof![0u64..900, 0u64..2 * HOUR, 0u64..30 * HOUR].prop_map(|seconds| Step::Wait { seconds }),
        1 => (0..2usize).prop_map(|who| Step::Resume { who }),
    ]
}

#[derive(Default)]
struct Model {
    /// When, who, how many recipients.
    taken: Vec<(Timestamp, usize, u64)>,
    refused: Vec<(Timestamp, usize)>,
    suspended: [bool; 2],
}

impl Model {
    fn used(&self, scope: QuotaScope, who: usize, (unit, period): (SendingUnit, SendingPeriod), now: Timestamp) -> u64 {
        let hours = if period == SendingPeriod::Hour { 1 } else { 24 };
        let counted = self.taken.iter().filter(|(at, by, _)| {
            (scope == QuotaScope::Domain || *by == who) && at.seconds() / HOUR + hours > now.seconds() / HOUR
        });
        counted.map(|(_, _, recipients)| if unit == SendingUnit::Messages { 1 } else { *recipients }).sum()
    }

    /// The first limit that a message goes over.
    fn over(&self, who: usize, recipients: u64, now: Timestamp) -> Option<SendingLimit> {
        let limits = limits();
        for (scope, rate) in [(QuotaScope::Account, limits.account.rate), (QuotaScope::Domain, limits.domain)] {
            for (unit, period, limit) in [
                (SendingUnit::Messages, SendingPeriod::Hour, rate.messages_per_hour),
                (SendingUnit::Messages, SendingPeriod::Day, rate.messages_per_day),
                (SendingUnit::Recipients, SendingPeriod::Hour, rate.recipients_per_hour),
                (SendingUnit::Recipients, SendingPeriod::Day, rate.recipients_per_day),
            ] {
                let limit = limit.at_most().unwrap();
                let more = if unit == SendingUnit::Messages { 1 } else { recipients };
                if self.used(scope, who, (unit, period), now) + more > limit {
                    return Some(SendingLimit { scope, unit, period, limit });
                }
            }
        }
        None
    }

    fn submit(&mut self, lab: &mut Lab, who: usize, recipients: usize, within: bool) {
        let login = lab.login(NAMES[who]);
        let (now, count) = (lab.now, recipients as u64);
        let number = u8::try_from(self.taken.len() % 200).unwrap() + 1;
        let reply = if within {
            lab.submit_within(login, &vec!["bob"; recipients])
        } else {
            let to: Vec<String> = (0..recipients).map(|user| format!("u{user}@b.example")).collect();
            lab.submit(login, number, &to.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let refusal = match &reply {
            Reply::Done | Reply::Delivered(_) => None,
            Reply::Refused(refusal) => Some(refusal.clone()),
            other => panic!("{other:?}"),
        };
        if self.suspended[who] {
            assert!(matches!(refusal, Some(Refusal::SendingSuspended { .. })), "{refusal:?}");
        } else if recipients > WIDEST {
            assert!(matches!(refusal, Some(Refusal::TooMany { .. })), "{refusal:?}");
        } else if let Some(over) = self.over(who, count, now) {
            if over.scope == QuotaScope::Account {
                self.refused.push((now, who));
            }
            let hour = |at: Timestamp| at.seconds() / HOUR;
            let refusals = self.refused.iter().filter(|(at, by)| *by == who && hour(*at) == hour(now)).count() as u64;
            if refusals > REFUSALS && over.scope == QuotaScope::Account {
                self.suspended[who] = true;
                assert!(matches!(refusal, Some(Refusal::SendingSuspended { .. })), "{refusal:?}");
                return;
            }
            let Some(Refusal::SendingLimit { limit, until }) = refusal else { panic!("{over:?} and {refusal:?}") };
            assert_eq!(limit, over);
            let more = if over.unit == SendingUnit::Messages { 1 } else { count };
            let used = |at| self.used(over.scope, who, (over.unit, over.period), at);
            assert!(used(until) + more <= over.limit, "there is room then");
            assert!(used(Timestamp(until.0 - 1)) + more > over.limit, "and not before");
        } else {
            assert_eq!(refusal, None);
            self.taken.push((now, who, count));
        }
    }
}

fn run(steps: &[Step]) {
    let mut lab = Lab::with_plan(with_sending(limits()));
    for name in NAMES {
        lab.account(name);
    }
    let mut model = Model::default();
    for step in steps {
        match *step {
            Step::Submit { who, recipients, within } => model.submit(&mut lab, who, recipients, within),
            Step::Wait { seconds } => lab.wait(seconds),
            Step::Resume { who } => {
                assert_eq!(lab.sending(SendingCommand::Resume { local: local(NAMES[who]) }), Reply::Done);
                if std::mem::take(&mut model.suspended[who]) {
                    model.refused.retain(|(_, by)| *by != who);
                }
            }
        }
        for (who, name) in NAMES.iter().enumerate() {
            let report = lab.report(name);
            assert_eq!(report.control.suspension.is_some(), model.suspended[who]);
            for unit in [SendingUnit::Messages, SendingUnit::Recipients] {
                for period in [SendingPeriod::Hour, SendingPeriod::Day] {
                    let of = |scope| model.used(scope, who, (unit, period), lab.now);
                    assert_eq!(report.account.used(unit, period, lab.now), of(QuotaScope::Account));
                    assert_eq!(report.domain.used(unit, period, lab.now), of(QuotaScope::Domain));
                }
            }
        }
    }
    let mut state = Memory::default();
    for (logged, reply) in lab.log.iter().zip(lab.replies()) {
        let Ok(applied) = apply(&mut state, logged.position, &logged.entry.encode(), &logged.bodies);
        assert_eq!(applied.reply, reply);
    }
    assert_eq!(state, lab.state);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn limits_hold_exactly_and_end_when_they_say(steps in prop::collection::vec(step(), 1..60)) {
        run(&steps);
    }
}
