//! Files and names that do not match: old files that nothing names go, files that the state names
//! and that are missing are fetched.
//!
//! A file becomes an orphan when its proposal failed, its entry was truncated, or a snapshot took the
//! place of the state that named it. It may also be waiting for its entry: so it must be old, and
//! whoever finds a file and relies on it makes it young again (`Bodies::keep`). Reading the names
//! takes a while. What was found unnamed is looked at once more before it goes: its age, under a lock
//! with the touching, and the entries appended since, under the log's lock.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::names;
use crate::body::FileBody;
use crate::engine::{Batch, Cf, Engine};
use crate::ids::NodeId;
use crate::replica::Replica;
use crate::transport::{CallError, Peers, on_disk};

/// What a first look finds.
struct Found {
    /// Old files that neither a state nor a tombstone names.
    suspects: BTreeSet<u128>,
    /// Files that the active state names and that are not here.
    missing: Vec<FileBody>,
}

/// Removes old files that nothing names, and gives the files that are missing.
pub(super) async fn sweep(replica: &Arc<Replica>) -> io::Result<Vec<FileBody>> {
    let shared = Arc::clone(replica);
    let Found { mut suspects, missing } = on_disk(&replica.disk.engine, move |disk| look(&shared, disk)).await?;
    if suspects.is_empty() {
        return Ok(missing);
    }
    let _watch = NameWatch::begin(replica);
    // What was appended before the watch can be read after this.
    replica.write(Batch::new()).await?;
    let shared = Arc::clone(replica);
    let unnamed = on_disk(&replica.disk.engine, move |disk| {
        let states = shared.state_keys_in_use();
        names::visit_all(disk, shared.group, &states, &mut |file| {
            suspects.remove(&file.id);
        })?;
        Ok(suspects)
    })
    .await?;
    let shared = Arc::clone(replica);
    on_disk(&replica.disk.engine, move |disk| remove(&shared, disk, &unnamed)).await?;
    Ok(missing)
}

/// While it lives, the replica notes which files new entries name. One at a time.
struct NameWatch(Arc<Replica>);

impl NameWatch {
    fn begin(replica: &Arc<Replica>) -> Self {
        replica.log.lock().named_since = Some(BTreeSet::new());
        Self(Arc::clone(replica))
    }
}

impl Drop for NameWatch {
    fn drop(&mut self) {
        self.0.log.lock().named_since = None;
    }
}

/// The first look leaves the log alone, which is long: most old files are in the register.
fn look(replica: &Replica, disk: &dyn Engine) -> io::Result<Found> {
    let (group, age_min) = (replica.group, replica.disk.sweeps.bounds.orphan_age_min);
    let (mut here, mut suspects, mut unseen) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for file in disk.files().list(group)? {
        here.insert(file.id);
        if file.age >= age_min {
            suspects.insert(file.id);
        }
    }
    let active = replica.state_keys();
    names::visit_register(disk, active, &mut |file| {
        suspects.remove(&file.id);
        if !here.contains(&file.id) {
            unseen.push(file);
        }
    })?;
    names::visit_tombstones(disk, group, &mut |file| {
        suspects.remove(&file.id);
    })?;
    let mut missing = Vec::new();
    for file in unseen {
        // It may have come, or may have been dropped and removed, since the files were listed.
        let named = disk.get(Cf::State, &active.file(file.id))?.is_some();
        if named && disk.files().len(group, file.id)?.is_none() {
            missing.push(file);
        }
    }
    Ok(Found { suspects, missing })
}

fn remove(replica: &Replica, disk: &dyn Engine, unnamed: &BTreeSet<u128>) -> io::Result<()> {
    for id in unnamed {
        let log = replica.log.lock();
        if !log.is_named_since(*id) {
            disk.files().remove_old(replica.group, *id, replica.disk.sweeps.bounds.orphan_age_min)?;
        }
    }
    Ok(())
}

/// Fetches files from whichever voter has them. What nobody gives now is asked for again by the next sweep.
pub(super) async fn fetch(replica: &Replica, peers: &Arc<Peers>, missing: Vec<FileBody>) {
    if missing.is_empty() {
        return;
    }
    let group = replica.group;
    replica.missing_files.fetch_add(missing.len() as u64, Ordering::Relaxed);
    tracing::error!(group.id = %group, files = missing.len(), "stored bodies are missing on this disk: fetching them");
    let me = peers.identity().node;
    let mut voters: Vec<NodeId> = replica.applied.lock().membership.voter_ids().filter(|voter| *voter != me).collect();
    let mut left = 0;
    for file in missing {
        let mut fetched = false;
        let mut at = 0;
        while let (false, Some(voter)) = (fetched, voters.get(at).copied()) {
            match peers.bodies().fetch(peers, group, file, voter).await {
                Ok(()) => fetched = true,
                Err(CallError::Refused(_)) => at += 1,
                // It does not answer, and is not asked for the others.
                Err(_) => drop(voters.remove(at)),
            }
        }
        left += usize::from(!fetched);
    }
    if left > 0 {
        tracing::error!(group.id = %group, files = left, "stored bodies are missing here, and no other voter gave them");
    }
}
