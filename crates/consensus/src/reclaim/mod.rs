//! Removing bodies that nothing can need any more.
//!
//! - `dropped`: bodies whose last reference is gone;
//! - `installed`: inline bodies outside a received snapshot, whose drops never passed through this replica's log;
//! - `orphans`: files that nothing names, and the other way round: named files that are missing.
//!
//! Two invariants rule all of it; `names` says who names a body.
//!
//! - **I1**: whatever names a body, entry or state, the body is durable on the same disk. A replica appends an entry only when
//!   every file it names is here.
//! - **I2**: a body goes only after the entry that dropped its last reference is purged and the purge is durable. Before that, a
//!   slow follower could still ask for it, and a state that came back older after a crash could still refer to it.
//!
//! Every step can be cut off by a crash and is done again: what says that it is due is removed last.

mod dropped;
mod installed;
mod names;
mod orphans;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::engine::{Batch, Cf};
use crate::ids::GroupId;
use crate::keys;
use crate::limits::{ORPHAN_AGE_MIN, SWEEP_INTERVAL};
use crate::replica::{Disk, Replica};
use crate::transport::{Peers, on_disk};

/// When files that nothing names are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SweepBounds {
    /// Between the sweeps of a group.
    pub(crate) interval: Duration,
    /// A file that is younger stays.
    pub(crate) orphan_age_min: Duration,
}

impl Default for SweepBounds {
    fn default() -> Self {
        Self { interval: SWEEP_INTERVAL, orphan_age_min: ORPHAN_AGE_MIN }
    }
}

/// The sweeps of a node's groups, one at a time: each reads names and lists files.
#[derive(Default)]
pub(crate) struct Sweeps {
    pub(crate) bounds: SweepBounds,
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// Removes what is due: at the start, whenever a purge or an install says so, and files that nothing names every so often. Ends
/// when the replica is retired and told so.
pub(crate) async fn keep_reclaiming(replica: Arc<Replica>, peers: Arc<Peers>) {
    let group = replica.group;
    let mut next_sweep = Instant::now();
    while !replica.is_retired() {
        if let Err(error) = reclaim(&replica).await {
            tracing::warn!(group.id = %group, %error, "bodies could not be removed; it will be tried again");
        }
        if Instant::now() >= next_sweep {
            if let Err(error) = sweep(&replica, &peers).await {
                tracing::warn!(group.id = %group, %error, "body files could not be swept; it will be tried again");
            }
            next_sweep = Instant::now() + replica.disk.sweeps.bounds.interval;
        }
        // Too late is in time for the next sweep.
        drop(timeout_at(next_sweep, replica.reclaim.notified()).await);
    }
}

/// Removes everything that the disk has of a group whose replica is gone. What a crash leaves of the files goes at the next start.
pub(crate) async fn remove_all(disk: &Disk, group: GroupId) -> io::Result<()> {
    let (from, to) = keys::of_group(group);
    let mut batch = Batch::new();
    for family in [Cf::Raft, Cf::Body, Cf::State] {
        batch.delete_range(family, &from, &to);
    }
    disk.pipeline.write_synced(batch).await?;
    on_disk(&disk.engine, move |engine| {
        for family in [Cf::Raft, Cf::Body, Cf::State] {
            engine.release_range(family, &from, &to);
        }
        for file in engine.files().list(group)? {
            engine.files().remove(group, file.id)?;
        }
        Ok(())
    })
    .await
}

/// Removes the files of groups that this node has no replica of: to be called before anything creates one.
pub(crate) async fn remove_strangers(disk: &Disk, present: Vec<GroupId>) -> io::Result<()> {
    on_disk(&disk.engine, move |engine| {
        for group in engine.files().groups()?.into_iter().filter(|group| !present.contains(group)) {
            for file in engine.files().list(group)? {
                engine.files().remove(group, file.id)?;
            }
        }
        Ok(())
    })
    .await
}

/// Removes what a purge or an install says is due.
pub(crate) async fn reclaim(replica: &Arc<Replica>) -> io::Result<()> {
    installed::sweep_bodies(replica).await?;
    installed::remove_old_generations(replica).await?;
    dropped::remove(replica).await
}

/// Removes files that nothing names and fetches those that the state names and that are missing.
pub(crate) async fn sweep(replica: &Arc<Replica>, peers: &Arc<Peers>) -> io::Result<()> {
    let missing = {
        let _turn = replica.disk.sweeps.turn.lock().await;
        orphans::sweep(replica).await?
    };
    orphans::fetch(replica, peers, missing).await;
    Ok(())
}

async fn remove_files(replica: &Replica, ids: Vec<u128>) -> io::Result<()> {
    let group = replica.group;
    on_disk(&replica.disk.engine, move |disk| ids.iter().try_for_each(|id| disk.files().remove(group, *id))).await
}
