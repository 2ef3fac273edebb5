//! Remembered answers, positive and negative, bounded by their weight in bytes.
//!
//! Kept until their time to live runs out, and no longer than [`limits::DNS_TTL_SECONDS_MAX`]. Failures are never remembered: who
//! retries has a schedule of his own. The library's cache is not used: it forgets that a validated name has no record, which is what
//! nearly every lookup of TLSA finds.

use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RecordType};
use quick_cache::Weighter;
use tokio::time::Instant;
use yubin_types::limits;

use super::answer::Validation;
use super::query::Outcome;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    /// Compared without regard to case.
    pub(super) name: Name,
    pub(super) kind: RecordType,
    pub(super) validation: Validation,
}

/// Answers by question.
pub(super) struct AnswerCache {
    entries: quick_cache::sync::Cache<Question, Entry, Weight>,
}

#[derive(Clone)]
struct Entry {
    outcome: Arc<Outcome>,
    expires: Instant,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Question, Entry> for Weight {
    fn weight(&self, question: &Question, entry: &Entry) -> u64 {
        (ENTRY_BYTES + question.name.len() + entry.outcome.bytes) as u64
    }
}

/// What an entry costs beside its records, about.
const ENTRY_BYTES: usize = 256;

impl AnswerCache {
    pub(super) fn new(bytes_max: u64) -> AnswerCache {
        let items = usize::try_from(bytes_max / 1_024).unwrap_or(usize::MAX);
        AnswerCache { entries: quick_cache::sync::Cache::with_weighter(items, bytes_max, Weight) }
    }

    /// What is remembered and still holds.
    pub(super) fn get(&self, question: &Question) -> Option<Arc<Outcome>> {
        let entry = self.entries.get(question)?;
        (entry.expires > Instant::now()).then_some(entry.outcome)
    }

    /// Remembers, if there is a time to live.
    pub(super) fn put(&self, question: Question, outcome: &Arc<Outcome>) {
        let bound = match outcome.result {
            Ok(_) => limits::DNS_TTL_SECONDS_MAX,
            Err(_) => limits::DNS_NEGATIVE_TTL_SECONDS_MAX,
        };
        let seconds = u64::from(outcome.ttl_seconds).min(bound);
        if seconds > 0 {
            let expires = Instant::now() + Duration::from_secs(seconds);
            self.entries.insert(question, Entry { outcome: Arc::clone(outcome), expires });
        }
    }
}
