//! What a storm comes to: figures, as a table and as JSON, and faults with the numbers of the messages.

use super::Victim;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Faults that are told one by one.
const FAULTS_MAX: usize = 50;

/// What it comes to.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// From the first process's start to the empty queue.
    pub elapsed: Duration,
    /// Submissions that were answered with 250.
    pub acknowledged: usize,
    /// Submissions that were stored although their answer was lost.
    pub unacknowledged: usize,
    /// Messages that ended as delivered.
    pub delivered: usize,
    /// Messages that ended as bounced.
    pub bounced: usize,
    /// Of them those of which the sender was told once and truly.
    pub notices: usize,
    /// Attempts that came to their final dot.
    pub tries: usize,
    /// Of them put off.
    pub deferred: usize,
    /// Of them taken without a word.
    pub dropped: usize,
    /// Copies beyond the first that the server is not to blame for.
    pub extra_copies: usize,
    /// The longest time from a copy that was taken, and came again, to the kill that kept it from being recorded.
    pub window_max: Duration,
    /// Attempts before their time after a kill that prevented the record of the last one.
    pub early_after_kill: usize,
    /// Processes killed.
    pub kills: BTreeMap<&'static str, usize>,
    /// What must not be; of many the first.
    pub faults: Vec<String>,
    /// How many there are.
    pub faults_in_all: usize,
}

impl Figures {
    pub(super) fn fault(&mut self, fault: String) {
        self.faults_in_all += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    pub(super) fn killed(&mut self, victim: Victim) {
        *self.kills.entry(name(victim)).or_default() += 1;
    }

    /// How many processes of a kind were killed.
    #[must_use]
    pub fn kills_of(&self, victim: Victim) -> usize {
        self.kills.get(name(victim)).copied().unwrap_or_default()
    }

    /// A table in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::from("| | |\n|---|---:|\n");
        for (name, value) in self.lines() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {name} | {value} |");
        }
        text
    }

    /// The same, for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut all: serde_json::Map<String, Value> =
            self.lines().into_iter().map(|(name, value)| (name.replace(' ', "_"), value.into())).collect();
        all.insert("killed".to_owned(), json!(self.kills));
        all.insert("first_faults".to_owned(), json!(self.faults));
        Value::Object(all)
    }

    fn lines(&self) -> [(&'static str, usize); 14] {
        [
            ("seconds", usize::try_from(self.elapsed.as_secs()).unwrap_or(usize::MAX)),
            ("acknowledged", self.acknowledged),
            ("stored without an answer", self.unacknowledged),
            ("delivered", self.delivered),
            ("bounced", self.bounced),
            ("true notices", self.notices),
            ("attempts", self.tries),
            ("put off", self.deferred),
            ("dropped after the final dot", self.dropped),
            ("kills", self.kills.values().sum()),
            ("extra copies", self.extra_copies),
            ("longest window ms", usize::try_from(self.window_max.as_millis()).unwrap_or(usize::MAX)),
            ("early after a kill", self.early_after_kill),
            ("faults", self.faults_in_all),
        ]
    }
}

fn name(victim: Victim) -> &'static str {
    match victim {
        Victim::Process => "processes",
        Victim::Worker => "workers",
        Victim::FrontEnd => "front ends",
        Victim::Node => "store nodes",
        Victim::Leader => "leaders",
    }
}
