//! The newest entries of one group's log, in memory.
//!
//! An entry is readable from the moment it is appended, long before it is on disk; so the cache
//! holds every entry that is not written yet, whatever that costs (appends are bounded by the
//! proposals and the replication window). Written entries stay, for apply and for followers, while
//! the node's budget lasts: a group that appends makes room for itself, and what lies in the caches
//! of groups that are idle is given up before it keeps the others from having one. The cache is
//! always a suffix of the log.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::raft_types::{LogEntry, entry_weight};

/// The bytes that the caches of all groups may hold together.
pub(crate) struct CacheBudget {
    limit: usize,
    used: AtomicUsize,
}

impl CacheBudget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    /// Bytes held now.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn is_exceeded(&self) -> bool {
        self.used() > self.limit
    }

    /// More than half of it is used.
    fn runs_short(&self) -> bool {
        self.used() > self.limit / 2
    }
}

struct Cached {
    entry: LogEntry,
    /// The batch that writes the entry.
    batch: u64,
    weight: usize,
}

pub(crate) struct EntryCache {
    entries: VecDeque<Cached>,
    /// Index of the first cached entry; meaningless while empty.
    first: u64,
    /// Index past the last entry that was there when old ones were looked for last.
    old_end: u64,
    budget: Arc<CacheBudget>,
}

impl EntryCache {
    pub(crate) fn new(budget: Arc<CacheBudget>) -> Self {
        Self { entries: VecDeque::new(), first: 0, old_end: 0, budget }
    }

    /// Adds the entry after the last one.
    pub(crate) fn push(&mut self, entry: LogEntry, batch: u64) {
        if self.entries.is_empty() {
            self.first = entry.log_id.index;
        }
        let weight = entry_weight(&entry);
        self.budget.used.fetch_add(weight, Ordering::Relaxed);
        self.entries.push_back(Cached { entry, batch, weight });
    }

    /// The first cached index, `None` if there is none.
    pub(crate) fn first(&self) -> Option<u64> {
        (!self.entries.is_empty()).then_some(self.first)
    }

    pub(crate) fn get(&self, index: u64) -> Option<&LogEntry> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.entries.get(at).map(|cached| &cached.entry)
    }

    /// Appends the cached entries of `range` to `out` until their weight exceeds `bytes_max`;
    /// the first one is always taken.
    pub(crate) fn read(&self, range: Range<u64>, bytes_max: usize, out: &mut Vec<LogEntry>) {
        let mut weight = 0;
        for index in range {
            let Some(entry) = self.get(index) else { return };
            weight += entry_weight(entry);
            if weight > bytes_max && !out.is_empty() {
                return;
            }
            out.push(entry.clone());
        }
    }

    /// Removes every entry after `index`; `None` removes all.
    pub(crate) fn truncate_after(&mut self, index: Option<u64>) {
        while let Some(last) = self.entries.back() {
            if index.is_some_and(|index| last.entry.log_id.index <= index) {
                return;
            }
            let weight = last.weight;
            self.entries.pop_back();
            self.release(weight);
        }
    }

    /// Removes every entry up to `index`.
    pub(crate) fn purge(&mut self, index: u64) {
        while !self.entries.is_empty() && self.first <= index {
            self.pop_front();
        }
    }

    /// While the node is over its budget, removes entries that are written, the oldest first.
    pub(crate) fn shrink(&mut self, written: u64) {
        while self.budget.is_exceeded() && self.entries.front().is_some_and(|first| first.batch <= written) {
            self.pop_front();
        }
    }

    /// Called now and then: while the budget runs short, removes what is applied and was there at the last call, so that
    /// followers who keep up have it, too.
    pub(crate) fn give_up_old(&mut self, applied: u64) {
        while self.budget.runs_short() && self.first < self.old_end.min(applied + 1) && !self.entries.is_empty() {
            self.pop_front();
        }
        self.old_end = self.entries.back().map_or(0, |last| last.entry.log_id.index + 1);
    }

    fn pop_front(&mut self) {
        if let Some(gone) = self.entries.pop_front() {
            self.first += 1;
            self.release(gone.weight);
        }
    }

    fn release(&self, weight: usize) {
        self.budget.used.fetch_sub(weight, Ordering::Relaxed);
    }
}

impl Drop for EntryCache {
    fn drop(&mut self) {
        self.release(self.entries.iter().map(|cached| cached.weight).sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft_types::{Command, LogId, Payload};
    use bytes::Bytes;

    fn entry(index: u64) -> LogEntry {
        let command = Command::new(Bytes::from(vec![0; 1000]), Vec::new());
        LogEntry { log_id: LogId::new_term_index(1, index), payload: Payload::Normal(command) }
    }

    fn filled(budget: &Arc<CacheBudget>) -> EntryCache {
        let mut cache = EntryCache::new(Arc::clone(budget));
        for index in 5..10 {
            cache.push(entry(index), index * 10);
        }
        cache
    }

    fn indexes(cache: &EntryCache, range: Range<u64>, bytes_max: usize) -> Vec<u64> {
        let mut out = Vec::new();
        cache.read(range, bytes_max, &mut out);
        out.iter().map(|entry| entry.log_id.index).collect()
    }

    #[test]
    fn reads_are_bounded_but_never_empty() {
        let cache = filled(&CacheBudget::new(1 << 20));
        assert_eq!(indexes(&cache, 5..100, 1 << 20), [5, 6, 7, 8, 9]);
        assert_eq!(indexes(&cache, 6..100, 2500), [6, 7]);
        assert_eq!(indexes(&cache, 6..100, 1), [6]);
    }

    #[test]
    fn an_idle_group_gives_up_what_others_need() {
        let budget = CacheBudget::new(9_000);
        let mut idle = filled(&budget);
        idle.give_up_old(8);
        assert_eq!(idle.first(), Some(5), "followers had no time to take them");
        idle.give_up_old(8);
        assert_eq!(idle.first(), Some(6), "no more than half of the budget is used now");
        let busy = filled(&budget);
        idle.give_up_old(8);
        assert_eq!(indexes(&idle, 9..10, 1 << 20), [9], "it is not applied");
        assert_eq!((idle.first(), busy.first()), (Some(9), Some(5)));
    }

    #[test]
    fn only_written_entries_leave_and_only_over_budget() {
        let budget = CacheBudget::new(2500);
        let mut cache = filled(&budget);
        cache.shrink(0);
        assert_eq!(cache.first(), Some(5));
        cache.shrink(60);
        assert_eq!(cache.first(), Some(7));
        cache.shrink(u64::MAX);
        assert_eq!(cache.first(), Some(8));
        cache.truncate_after(Some(8));
        assert_eq!(indexes(&cache, 8..10, 1 << 20), [8]);
        cache.purge(8);
        assert_eq!((cache.first(), budget.used()), (None, 0));
        cache.push(entry(20), 1);
        assert_eq!(cache.first(), Some(20));
        drop(cache);
        assert_eq!(budget.used(), 0);
    }
}
