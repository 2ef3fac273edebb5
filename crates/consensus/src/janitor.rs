//! Keeping logs short: every [`JANITOR_INTERVAL`], each group whose log is long, or holds back bodies
//! that were dropped, gets a snapshot (which copies nothing) and a purge.
//!
//! Bodies go only when the entry that dropped them is purged (`reclaim`, I2). So a purge is due, too,
//! soon after something was dropped: first down to a short log, and if the group does so little that
//! a short log reaches far back, then for what was dropped long ago, whatever that leaves.
//!
//! A purge stays below what is applied, below what any live follower still needs from the log, and
//! below what an outgoing snapshot covers. A log over a hard bound is purged regardless: a follower
//! that is gone for that long gets a snapshot.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::RaftMetrics;
use openraft::async_runtime::watch::WatchReceiver;
use tokio::time::{MissedTickBehavior, interval};

use crate::group::{Group, GroupRaft};
use crate::limits::{
    DROP_AGE, DROP_AGE_HARD_MAX, DROP_AGE_MAX, DROP_BYTES_HARD_MAX, DROP_ENTRIES_KEPT, JANITOR_INTERVAL,
    LOG_BYTES_HARD_MAX, LOG_BYTES_MAX, LOG_ENTRIES_HARD_MAX, LOG_ENTRIES_KEPT, LOG_ENTRIES_MAX,
};
use crate::node::NodeShared;
use crate::raft_types::TypeConfig;
use crate::replica::Replica;

mod drops;
mod space;

pub(crate) use drops::Drops;
pub(crate) use space::give_back;

/// A snapshot copies nothing; it takes its turn behind what is being applied.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(10);

/// When logs are cut and how far. Tests use small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogBounds {
    pub(crate) interval: Duration,
    /// Entries and thin bytes above which a log is purged.
    pub(crate) entries_max: u64,
    pub(crate) bytes_max: u64,
    /// Entries that stay behind a purge.
    pub(crate) entries_kept: u64,
    /// Entries and thin bytes above which no follower is waited for.
    pub(crate) entries_hard_max: u64,
    pub(crate) bytes_hard_max: u64,
    pub(crate) drops: DropBounds,
}

/// When a log is cut for the bodies that were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DropBounds {
    /// For drops of this age it is cut, and this many entries stay and all that are younger.
    pub(crate) age: Duration,
    pub(crate) entries_kept: u64,
    /// For drops of this age it is cut, however few entries stay.
    pub(crate) age_max: Duration,
    /// Bytes and age of drops above which no follower is waited for.
    pub(crate) bytes_hard_max: u64,
    pub(crate) age_hard_max: Duration,
}

impl Default for DropBounds {
    fn default() -> Self {
        Self {
            age: DROP_AGE,
            entries_kept: DROP_ENTRIES_KEPT,
            age_max: DROP_AGE_MAX,
            bytes_hard_max: DROP_BYTES_HARD_MAX,
            age_hard_max: DROP_AGE_HARD_MAX,
        }
    }
}

impl Default for LogBounds {
    fn default() -> Self {
        Self {
            interval: JANITOR_INTERVAL,
            entries_max: LOG_ENTRIES_MAX,
            bytes_max: LOG_BYTES_MAX,
            entries_kept: LOG_ENTRIES_KEPT,
            entries_hard_max: LOG_ENTRIES_HARD_MAX,
            bytes_hard_max: LOG_BYTES_HARD_MAX,
            drops: DropBounds::default(),
        }
    }
}

/// What the decision to purge looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LogShape {
    /// First index that is still there.
    first: u64,
    applied: u64,
    thin_bytes: u64,
    /// The lowest index that every follower has, if this replica leads and all of them are known.
    matched: Option<u64>,
    /// The lowest index of an outgoing snapshot.
    pinned: Option<u64>,
    dropped: Option<Dropped>,
}

/// What was dropped and waits for a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dropped {
    /// The first entry that dropped something.
    oldest: u64,
    /// All up to this index are of this age at least.
    upto: u64,
    age: Duration,
    /// Bytes of all bodies that wait.
    bytes: u64,
}

/// Runs until the node stops.
pub(crate) async fn tend(node: Arc<NodeShared>) {
    let mut ticks = interval(node.log_bounds.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for group in node.all_groups() {
            tend_group(&group, &node.log_bounds).await;
        }
    }
}

fn give_up_old_entries(replica: &Replica) {
    let applied = replica.applied.lock().last.as_ref().map_or(0, |id| id.index);
    replica.log.lock().cache.give_up_old(applied);
}

pub(crate) async fn tend_group(group: &Group, bounds: &LogBounds) {
    let Ok(raft) = group.raft() else { return };
    let replica = group.replica();
    give_up_old_entries(&replica);
    let matched = {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.replication.as_ref().map(|followers| {
            followers.values().map(|matched| matched.as_ref().map_or(0, |id| id.index)).min().unwrap_or(u64::MAX)
        })
    };
    let shape = match shape(&replica, matched).await {
        Ok(Some(shape)) => shape,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(group.id = %group.id(), %error, "it can't be told what was dropped; the next round looks again");
            return;
        }
    };
    let Some(upto) = purge_target(&shape, bounds) else { return };
    if purge(&raft, upto).await {
        tracing::debug!(group.id = %group.id(), log.index = upto, "purged the log");
        replica.log.lock().bytes = 0;
    }
}

/// Purges what a snapshot covers; so one is taken first. False if that did not come to pass: the
/// next round tries again.
async fn purge(raft: &GroupRaft, upto: u64) -> bool {
    if raft.trigger().snapshot().await.is_err() {
        return false;
    }
    let covered = |metrics: &RaftMetrics<TypeConfig>| metrics.snapshot.as_ref().is_some_and(|id| id.index >= upto);
    raft.wait(Some(SNAPSHOT_WAIT)).metrics(covered, "a snapshot to purge up to").await.is_ok()
        && raft.trigger().purge_log(upto).await.is_ok()
}

async fn shape(replica: &Arc<Replica>, matched: Option<u64>) -> io::Result<Option<LogShape>> {
    let Some(applied) = replica.applied_id() else { return Ok(None) };
    let drops = drops::look(replica, applied.index).await?;
    let dropped = drops.map(|drops| Dropped {
        oldest: drops.oldest,
        upto: drops.upto,
        age: drops.since.elapsed(),
        bytes: drops.bytes,
    });
    let log = replica.log.lock();
    Ok(Some(LogShape {
        first: log.first_index(),
        applied: applied.index,
        thin_bytes: log.bytes,
        matched,
        pinned: replica.pins.lowest(),
        dropped,
    }))
}

/// The index to purge up to, if the log is long enough or drops have waited long enough.
fn purge_target(log: &LogShape, bounds: &LogBounds) -> Option<u64> {
    let entries = (log.applied + 1).saturating_sub(log.first);
    let long = entries > bounds.entries_max || log.thin_bytes > bounds.bytes_max;
    let for_length = if long { log.applied.checked_sub(bounds.entries_kept) } else { None };
    let for_drops = log.dropped.and_then(|dropped| target_for_drops(&dropped, log.applied, &bounds.drops));
    let mut upto = for_length.max(for_drops)?;
    let over = entries > bounds.entries_hard_max || log.thin_bytes > bounds.bytes_hard_max;
    if !over && !log.dropped.is_some_and(|dropped| is_over(&dropped, &bounds.drops)) {
        upto = upto.min(log.matched.unwrap_or(u64::MAX));
    }
    upto = upto.min(log.pinned.unwrap_or(u64::MAX));
    (upto >= log.first).then_some(upto)
}

fn target_for_drops(dropped: &Dropped, applied: u64, bounds: &DropBounds) -> Option<u64> {
    if dropped.age < bounds.age && !is_over(dropped, bounds) {
        return None;
    }
    // What came since stays for followers that lag, in a busy group too.
    let short = applied.checked_sub(bounds.entries_kept).map(|upto| upto.min(dropped.upto));
    let short = short.filter(|upto| *upto >= dropped.oldest);
    let old = (dropped.age >= bounds.age_max).then_some(dropped.upto);
    short.max(old)
}

/// Whether so much waits, or for so long, that no follower is waited for.
fn is_over(dropped: &Dropped, bounds: &DropBounds) -> bool {
    dropped.bytes > bounds.bytes_hard_max || dropped.age >= bounds.age_hard_max
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: LogBounds = LogBounds {
        interval: Duration::ZERO,
        entries_max: 100,
        bytes_max: 1 << 20,
        entries_kept: 20,
        entries_hard_max: 1000,
        bytes_hard_max: 4 << 20,
        drops: DropBounds {
            age: Duration::from_secs(60),
            entries_kept: 5,
            age_max: Duration::from_secs(600),
            bytes_hard_max: 1 << 20,
            age_hard_max: Duration::from_secs(6000),
        },
    };

    fn log(applied: u64) -> LogShape {
        LogShape { first: 0, applied, thin_bytes: 0, matched: None, pinned: None, dropped: None }
    }

    #[test]
    fn a_long_log_is_cut_below_what_is_applied() {
        assert_eq!(purge_target(&log(99), &BOUNDS), None);
        assert_eq!(purge_target(&log(100), &BOUNDS), Some(80));
        assert_eq!(purge_target(&LogShape { thin_bytes: 2 << 20, ..log(50) }, &BOUNDS), Some(30));
        assert_eq!(purge_target(&LogShape { thin_bytes: 2 << 20, ..log(10) }, &BOUNDS), None);
    }

    #[test]
    fn followers_and_snapshots_hold_it_back_up_to_the_hard_bound() {
        assert_eq!(purge_target(&LogShape { matched: Some(40), ..log(500) }, &BOUNDS), Some(40));
        assert_eq!(purge_target(&LogShape { matched: Some(40), ..log(2000) }, &BOUNDS), Some(1980));
        let heavy = LogShape { thin_bytes: 5 << 20, matched: Some(40), ..log(500) };
        assert_eq!(purge_target(&heavy, &BOUNDS), Some(480));
        assert_eq!(purge_target(&LogShape { pinned: Some(7), ..log(2000) }, &BOUNDS), Some(7));
        assert_eq!(purge_target(&LogShape { first: 41, matched: Some(40), ..log(500) }, &BOUNDS), None);
    }

    #[test]
    fn a_short_log_is_cut_for_what_was_dropped() {
        let target = |applied, age, matched| {
            let dropped = Dropped { oldest: 40, upto: 48, age: Duration::from_secs(age), bytes: 9 };
            purge_target(&LogShape { dropped: Some(dropped), matched, ..log(applied) }, &BOUNDS)
        };
        assert_eq!(target(50, 59, None), None);
        assert_eq!(target(50, 60, None), Some(45));
        assert_eq!(target(70, 60, None), Some(48), "what came since stays");
        assert_eq!(target(50, 60, Some(42)), Some(42), "a follower is waited for");
        assert_eq!(target(44, 60, None), None, "that would remove nothing that was dropped");
        assert_eq!(target(48, 600, None), Some(48), "a group that does little");
        assert_eq!(target(50, 5999, Some(7)), Some(7));
        assert_eq!(target(50, 6000, Some(7)), Some(48), "for a day");
        let much = Dropped { oldest: 40, upto: 48, age: Duration::ZERO, bytes: 2 << 20 };
        let much = LogShape { dropped: Some(much), matched: Some(7), ..log(50) };
        assert_eq!(purge_target(&much, &BOUNDS), Some(45));
    }
}
