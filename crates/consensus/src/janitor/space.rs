//! Giving the space of removed bodies back to the file system; how, is the engine's (`engine::compaction`).
//!
//! It begins when enough was removed since the last time, or once a day: what was removed before the
//! last restart was not counted. Between portions the disk rests for twice as long as they took, so
//! that deliveries notice little of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::engine::{BodySpace, CompactionStep};
use crate::limits::{COMPACTION_BYTES_MIN, COMPACTION_INTERVAL, COMPACTION_INTERVAL_MAX, COMPACTION_PORTIONS};
use crate::node::NodeShared;
use crate::transport::on_disk;

/// Runs until the node stops.
pub(crate) async fn give_back(node: Arc<NodeShared>) {
    let mut ticks = interval(COMPACTION_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    let mut stored = 0;
    loop {
        ticks.tick().await;
        let freed = node.disk.freed.load(Ordering::Relaxed);
        if freed < COMPACTION_BYTES_MIN.max(stored / 100) && last.elapsed() < COMPACTION_INTERVAL_MAX {
            continue;
        }
        last = Instant::now();
        match compact(&node).await {
            Ok(space) => {
                node.disk.freed.fetch_sub(freed, Ordering::Relaxed);
                stored = space.bytes;
                tracing::info!(
                    freed_bytes = freed,
                    body_bytes = space.bytes,
                    dead_bytes = space.bytes_dead,
                    "space of removed bodies was given back"
                );
            }
            Err(error) => tracing::warn!(%error, "space of removed bodies can't be given back now"),
        }
    }
}

async fn compact(node: &NodeShared) -> io::Result<BodySpace> {
    let run = async |step| on_disk(&node.disk.engine, move |disk| disk.compact_bodies(step)).await;
    let mut space = run(CompactionStep::Merge).await?;
    for _ in 0..=COMPACTION_PORTIONS {
        if !space.is_wasteful() {
            break;
        }
        let begun = Instant::now();
        space = run(CompactionStep::Relocate).await?;
        sleep(begun.elapsed() * 2).await;
    }
    Ok(space)
}
