//! What must be so after the storm, whatever was killed.
//!
//! - Nothing that was acknowledged is lost: each message has an end, and one alone, of two: delivered or bounced; and that end is what the
//!   server saw.
//! - The sender is told of each message that was refused, once and truly, and of no other.
//! - A message was taken more than once only where the server hung up on it, or where the worker that heard of it was killed before it
//!   was recorded.
//! - No message came before its time, but for those whose record a kill prevented: their lease ran out.

use super::{Figures, Kill, Notice, Notices};
use crate::flaky::{self, Fate, Try};
use crate::load::{Number, Outcome};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long an outcome may take until it is recorded: while a leader is elected nothing is.
const RECORDED_WITHIN: Duration = Duration::from_secs(5);

/// What everybody saw.
#[derive(Debug)]
pub struct Seen {
    /// The load generator.
    pub outcome: Outcome,
    /// The cluster: what waits, and what has ended.
    pub trace: Value,
    /// The sender.
    pub notices: Notices,
    /// The receiving server.
    pub tries: BTreeMap<Number, Vec<Try>>,
    /// The rig.
    pub kills: Vec<Kill>,
}

/// Compares. No attempt may follow one that was put off sooner than `retry`.
#[must_use]
pub fn compare(seen: &Seen, retry: Duration) -> Figures {
    let tries = || seen.tries.values().flatten();
    let mut figures = Figures {
        acknowledged: seen.outcome.acknowledged.len(),
        tries: tries().count(),
        deferred: tries().filter(|one| one.fate == Fate::Deferred).count(),
        dropped: tries().filter(|one| one.fate == Fate::Dropped).count(),
        ..Figures::default()
    };
    seen.kills.iter().for_each(|kill| figures.killed(kill.victim));
    let bounced = ends(seen, &mut figures);
    told(seen, &bounced, &mut figures);
    for (number, tries) in &seen.tries {
        copies(*number, tries, &seen.kills, &mut figures);
        times(*number, tries, (&seen.kills, retry), &mut figures);
    }
    figures
}

/// One end for each message, which is the server's last word. Those that bounced.
fn ends(seen: &Seen, figures: &mut Figures) -> BTreeSet<Number> {
    let mut bounced = BTreeSet::new();
    let mut ends: BTreeMap<Number, Vec<&str>> = BTreeMap::new();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |key: &str| seen.trace.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for event in list("ended") {
        let message_id = text(event, "message_id");
        let number = message_id.strip_prefix('<').and_then(|id| Number::parse(id.split_once('@')?.0));
        if let (Some(number), Some(outcome)) = (number, event.get("outcome").and_then(Value::as_str)) {
            ends.entry(number).or_default().push(outcome);
        }
    }
    let acknowledged: BTreeSet<Number> = seen.outcome.acknowledged.iter().map(|one| one.number).collect();
    figures.unacknowledged = ends.keys().filter(|number| !acknowledged.contains(number)).count();
    for waiting in list("waiting") {
        figures.fault(format!("{} still waits", text(waiting, "message_id")));
    }
    for number in acknowledged.iter().filter(|number| !ends.contains_key(number)) {
        figures.fault(format!("{number} was acknowledged and is lost"));
    }
    for (number, ends) in &ends {
        let tries = seen.tries.get(number).map_or(&[][..], Vec::as_slice);
        let said = |wanted: &[Fate]| tries.iter().any(|one| wanted.contains(&one.fate));
        match ends[..] {
            ["delivered"] if said(&[Fate::Taken]) => figures.delivered += 1,
            ["bounced"] if said(&[Fate::Refused]) => {
                figures.bounced += 1;
                bounced.insert(*number);
            }
            _ => figures.fault(format!("{number} ended as {ends:?}, and the server saw {tries:?}")),
        }
    }
    bounced
}

/// One notice for each message that bounced, with the recipient and the server's words, and none beyond.
fn told(seen: &Seen, bounced: &BTreeSet<Number>, figures: &mut Figures) {
    let recipients: BTreeMap<Number, &str> =
        seen.outcome.acknowledged.iter().map(|one| (one.number, one.recipient.as_str())).collect();
    for number in bounced {
        let notices = seen.notices.get(&Some(*number)).map_or(&[][..], Vec::as_slice);
        let honest = |notice: &Notice| {
            // Whom a message was for whose answer was lost is not known.
            let recipient = recipients.get(number).is_none_or(|to| notice.recipient == format!("rfc822;{to}"));
            recipient
                && notice.action == "failed"
                && notice.status == "5.7.1"
                && notice.diagnostic.contains(flaky::REFUSAL)
        };
        match notices {
            [notice] if honest(notice) => figures.notices += 1,
            _ => figures.fault(format!("{number} bounced, and the sender was told {notices:?}")),
        }
    }
    for (about, notices) in &seen.notices {
        if about.is_none_or(|number| !bounced.contains(&number)) {
            figures.fault(format!("{about:?} did not bounce, and the sender was told {notices:?}"));
        }
    }
}

/// Was it taken more than once, and who is to blame?
fn copies(number: Number, tries: &[Try], kills: &[Kill], figures: &mut Figures) {
    // The last word stands for the one record; every earlier one that was final should have been the last.
    for (one, _) in tries.iter().zip(tries.iter().skip(1)) {
        if !matches!(one.fate, Fate::Taken | Fate::Refused) {
            continue;
        }
        figures.extra_copies += usize::from(one.fate == Fate::Taken);
        if let Some(window) = prevented(one, kills) {
            figures.window_max = figures.window_max.max(window);
        } else {
            figures.fault(format!("{number} came again although nobody was killed: {tries:?}"));
        }
    }
}

/// Did it come before its time?
fn times(number: Number, tries: &[Try], (kills, retry): (&[Kill], Duration), figures: &mut Figures) {
    for (one, next) in tries.iter().zip(tries.iter().skip(1)) {
        if !matches!(one.fate, Fate::Deferred | Fate::Dropped) || next.at.saturating_sub(one.at) >= retry {
            continue;
        }
        if prevented(one, kills).is_some() {
            figures.early_after_kill += 1;
        } else {
            figures.fault(format!("{number} came before its time: {tries:?}"));
        }
    }
}

/// May its worker have been killed before it could record this attempt? If so, how long after it.
fn prevented(one: &Try, kills: &[Kill]) -> Option<Duration> {
    let of_worker = kills.iter().filter(|kill| *kill.host == *one.from);
    let after = of_worker.filter_map(|kill| kill.at.checked_sub(one.at));
    after.min().filter(|window| *window <= RECORDED_WITHIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Acknowledged;
    use crate::queue_crash::Victim;
    use serde_json::json;

    const RETRY: Duration = Duration::from_secs(10);

    fn at(seconds: u64, fate: Fate) -> Try {
        Try { at: Duration::from_secs(seconds), from: "mx1".into(), fate }
    }

    fn notice(status: &str) -> Notice {
        Notice {
            recipient: "rfc822;a@b.example".to_owned(),
            action: "failed".to_owned(),
            status: status.to_owned(),
            diagnostic: format!("smtp;550 {}", flaky::REFUSAL),
        }
    }

    /// A message with these attempts and ends.
    fn figures(tries: &[Try], ends: &[&str], killed: Option<u64>) -> Figures {
        let number = Number { run: 1, connection: 0, sequence: 0 };
        let mut outcome = Outcome::default();
        outcome.acknowledged.push(Acknowledged { number, recipient: "a@b.example".to_owned(), at: Duration::ZERO });
        let message_id = format!("<{number}@sender.example>");
        let ended: Vec<Value> =
            ends.iter().map(|outcome| json!({ "message_id": message_id, "outcome": outcome })).collect();
        let kill = |at| Kill { at: Duration::from_secs(at), victim: Victim::Worker, host: "mx1".to_owned() };
        let told: Vec<_> = ends.iter().filter(|end| **end == "bounced").map(|_| notice("5.7.1")).collect();
        let seen = Seen {
            outcome,
            trace: json!({ "waiting": [], "ended": ended }),
            notices: BTreeMap::from([(Some(number), told)]).into_iter().filter(|(_, told)| !told.is_empty()).collect(),
            tries: BTreeMap::from([(number, tries.to_vec())]),
            kills: killed.map(kill).into_iter().collect(),
        };
        compare(&seen, RETRY)
    }

    #[test]
    fn what_must_not_be_is_found() {
        let (taken, refused, put_off) = (|| at(20, Fate::Taken), || at(20, Fate::Refused), || at(5, Fate::Deferred));
        for (tries, end) in [
            (vec![taken()], "delivered"),
            (vec![put_off(), taken()], "delivered"),
            (vec![at(5, Fate::Dropped), taken()], "delivered"),
            (vec![put_off(), refused()], "bounced"),
        ] {
            assert_eq!(figures(&tries, &[end], None).faults, Vec::<String>::new(), "{tries:?}");
        }
        for (tries, ends) in [
            (vec![taken()], vec![]),
            (vec![taken()], vec!["bounced"]),
            (vec![taken()], vec!["delivered", "delivered"]),
            (vec![refused()], vec!["expired"]),
            (vec![put_off()], vec!["delivered"]),
            (vec![at(5, Fate::Taken), taken()], vec!["delivered"]),
            (vec![at(15, Fate::Deferred), taken()], vec!["delivered"]),
        ] {
            assert!(!figures(&tries, &ends, None).faults.is_empty(), "{tries:?} {ends:?}");
        }
    }

    #[test]
    fn a_killed_worker_excuses_what_it_could_not_record() {
        let twice = [at(5, Fate::Taken), at(11, Fate::Taken)];
        assert_eq!(figures(&twice, &["delivered"], Some(6)).extra_copies, 1);
        assert!(figures(&twice, &["delivered"], Some(6)).faults.is_empty());
        assert!(!figures(&twice, &["delivered"], Some(4)).faults.is_empty(), "that was before");
        let early = figures(&[at(5, Fate::Deferred), at(11, Fate::Taken)], &["delivered"], Some(6));
        assert_eq!((early.early_after_kill, early.faults.len()), (1, 0));
    }

    #[test]
    fn notices_are_one_for_each_refusal_and_true() {
        let number = |sequence| Number { run: 1, connection: 0, sequence };
        let bounced = BTreeSet::from([number(0)]);
        let faults = |notices: Vec<(Option<Number>, Vec<Notice>)>| {
            let mut outcome = Outcome::default();
            let recipient = "a@b.example".to_owned();
            outcome.acknowledged.push(Acknowledged { number: number(0), recipient, at: Duration::ZERO });
            let (notices, tries) = (notices.into_iter().collect(), BTreeMap::new());
            let seen = Seen { outcome, trace: Value::Null, notices, tries, kills: Vec::new() };
            let mut figures = Figures::default();
            told(&seen, &bounced, &mut figures);
            figures.faults.len()
        };
        let good = || (Some(number(0)), vec![notice("5.7.1")]);
        assert_eq!(faults(vec![good()]), 0);
        assert_eq!(faults(vec![]), 1);
        assert_eq!(faults(vec![(Some(number(0)), vec![notice("5.7.1"), notice("5.7.1")])]), 1);
        assert_eq!(faults(vec![(Some(number(0)), vec![notice("5.1.1")])]), 1);
        assert_eq!(faults(vec![good(), (Some(number(1)), vec![notice("5.7.1")])]), 1);
        assert_eq!(faults(vec![good(), (None, vec![notice("5.7.1")])]), 1);
    }
}
