//! Keeping logs short: every [`JANITOR_INTERVAL`], each group whose log is long gets a snapshot
//! (which copies nothing) and a purge.
//!
//! A purge stays well below what is applied, below what any live follower still needs from the log,
//! and below what an outgoing snapshot covers. A log over its hard bound is purged regardless: a
//! follower that is gone for that long gets a snapshot.

use std::sync::Arc;
use std::time::Duration;

use openraft::RaftMetrics;
use openraft::async_runtime::watch::WatchReceiver;
use tokio::time::{MissedTickBehavior, interval};

use crate::group::{Group, GroupRaft};
use crate::limits::{JANITOR_INTERVAL, LOG_BYTES_MAX, LOG_ENTRIES_HARD_MAX, LOG_ENTRIES_KEPT, LOG_ENTRIES_MAX};
use crate::node::NodeShared;
use crate::raft_types::TypeConfig;
use crate::replica::Replica;

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
    /// Entries above which no follower is waited for.
    pub(crate) entries_hard_max: u64,
}

impl Default for LogBounds {
    fn default() -> Self {
        Self {
            interval: JANITOR_INTERVAL,
            entries_max: LOG_ENTRIES_MAX,
            bytes_max: LOG_BYTES_MAX,
            entries_kept: LOG_ENTRIES_KEPT,
            entries_hard_max: LOG_ENTRIES_HARD_MAX,
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

pub(crate) async fn tend_group(group: &Group, bounds: &LogBounds) {
    let Ok(raft) = group.raft() else { return };
    let replica = group.replica();
    let matched = {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.replication.as_ref().map(|followers| {
            followers.values().map(|matched| matched.as_ref().map_or(0, |id| id.index)).min().unwrap_or(u64::MAX)
        })
    };
    let Some(shape) = shape(&replica, matched) else { return };
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

fn shape(replica: &Replica, matched: Option<u64>) -> Option<LogShape> {
    let applied = replica.applied_id()?.index;
    let log = replica.log.lock();
    Some(LogShape { first: log.first_index(), applied, thin_bytes: log.bytes, matched, pinned: replica.pins.lowest() })
}

/// The index to purge up to, if the log is long enough.
fn purge_target(log: &LogShape, bounds: &LogBounds) -> Option<u64> {
    let entries = (log.applied + 1).saturating_sub(log.first);
    if entries <= bounds.entries_max && log.thin_bytes <= bounds.bytes_max {
        return None;
    }
    let mut upto = log.applied.checked_sub(bounds.entries_kept)?;
    if entries <= bounds.entries_hard_max {
        upto = upto.min(log.matched.unwrap_or(u64::MAX));
    }
    upto = upto.min(log.pinned.unwrap_or(u64::MAX));
    (upto >= log.first).then_some(upto)
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
    };

    fn log(applied: u64) -> LogShape {
        LogShape { first: 0, applied, thin_bytes: 0, matched: None, pinned: None }
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
        assert_eq!(purge_target(&LogShape { pinned: Some(7), ..log(2000) }, &BOUNDS), Some(7));
        assert_eq!(purge_target(&LogShape { first: 41, matched: Some(40), ..log(500) }, &BOUNDS), None);
    }
}
