//! Removing bodies that nothing can need any more.
//!
//! - **Dropped bodies** (I2): a body goes only after the entry that dropped its last reference is
//!   purged and the purge is durable. Before that, a slow follower could still ask for it, and a
//!   state that came back older after a crash could still refer to it.
//! - **Bodies outside a received snapshot**: their drops never passed through this replica's log.
//! - **Orphaned files**: durable, but no entry and no state names them.
//!
//! Every step can be cut off by a crash and is done again: what says that it is due is removed
//! last, in the batch of the last removals.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::body::BodyRef;
use crate::codec::{CodecError, Reader};
use crate::engine::{Batch, Cf, Direction, Engine};
use crate::ids::GroupId;
use crate::keys::{self, StateKeys};
use crate::limits::{ORPHAN_AGE_MIN, RECLAIM_BATCH};
use crate::log_reader::LogReader;
use crate::raft_types::Payload;
use crate::replica::{Disk, Replica};
use crate::transport::on_disk;

/// Removes what is due, once at the start and then whenever a purge or an install says so.
pub(crate) async fn keep_reclaiming(replica: Arc<Replica>) {
    loop {
        if let Err(error) = reclaim(&replica).await {
            tracing::warn!(group.id = %replica.group, %error, "bodies could not be removed; the next purge tries again");
        }
        replica.reclaim.notified().await;
        if replica.is_retired() {
            return;
        }
    }
}

/// Removes everything that the disk has of a group whose replica is gone.
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

/// One round.
pub(crate) async fn reclaim(replica: &Arc<Replica>) -> io::Result<()> {
    sweep_installed(replica).await?;
    remove_old_generations(replica)?;
    while remove_dropped(replica).await? == Progress::More {}
    remove_orphans(replica).await
}

#[derive(PartialEq, Eq)]
enum Progress {
    More,
    Done,
}

/// Removes a portion of the bodies whose tombstones are purged.
async fn remove_dropped(replica: &Arc<Replica>) -> io::Result<Progress> {
    let purged = replica.log.lock().purged_synced;
    let Some(purged) = purged else { return Ok(Progress::Done) };
    if replica.pins.lowest().is_some() {
        return Ok(Progress::Done);
    }
    let group = replica.group;
    let (batch, files, progress) = on_disk(&replica.disk.engine, move |disk| {
        let (from, to) = (keys::tombstone(group, 0, 0), keys::tombstone(group, purged.index + 1, 0));
        let (mut batch, mut files, mut found) = (Batch::new(), Vec::new(), 0);
        disk.scan(Cf::Raft, &from, &to, Direction::Forward, &mut |key, value| {
            let mut value = value;
            match BodyRef::decode(&mut value)? {
                BodyRef::Log { index, term, ordinal, .. } => {
                    batch.delete(Cf::Body, &keys::body(group, index, term, ordinal));
                }
                BodyRef::File { id, .. } => files.push(id),
            }
            batch.delete(Cf::Raft, key);
            found += 1;
            Ok(if found < RECLAIM_BATCH { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok((batch, files, if found < RECLAIM_BATCH { Progress::Done } else { Progress::More }))
    })
    .await?;
    if batch.is_empty() {
        return Ok(Progress::Done);
    }
    remove_files(replica, files).await?;
    replica.write(batch).await?;
    Ok(progress)
}

/// Removes the inline bodies that an installed snapshot covers but does not name.
async fn sweep_installed(replica: &Arc<Replica>) -> io::Result<()> {
    let keys = replica.state_keys();
    let Some(last) = replica.engine().get(Cf::State, &keys.sweep())? else { return Ok(()) };
    let last_index = Reader::new(&last).u64()?;
    let mut from = keys::bodies_from(keys.group, 0).to_vec();
    loop {
        let start = from.clone();
        let (batch, next) = on_disk(&replica.disk.engine, move |disk| {
            let to = keys::bodies_from(keys.group, last_index + 1);
            let (mut batch, mut seen, mut next) = (Batch::new(), 0, None);
            disk.scan(Cf::Body, &start, &to, Direction::Forward, &mut |key, _| {
                if seen >= RECLAIM_BATCH {
                    next = Some(key.to_vec());
                    return Ok(ControlFlow::Break(()));
                }
                seen += 1;
                let (index, term, ordinal) = keys::body_parts(key).ok_or(CodecError::Truncated)?;
                if disk.get(Cf::State, &keys.received(index, term, ordinal))?.is_none() {
                    batch.delete(Cf::Body, key);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok((batch, next))
        })
        .await?;
        replica.write(batch).await?;
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    let mut done = Batch::new();
    let (received, received_end) = keys.all_received();
    done.delete_range(Cf::State, &received, &received_end);
    done.delete(Cf::State, &keys.sweep());
    replica.write(done).await
}

/// Removes every generation but the active one and the one that is being loaded.
fn remove_old_generations(replica: &Arc<Replica>) -> io::Result<()> {
    let mut generation = 0;
    while let Some(found) = next_generation(replica.engine(), replica.group, generation)? {
        replica.remove_generation(found)?;
        match found.checked_add(1) {
            Some(next) => generation = next,
            None => break,
        }
    }
    Ok(())
}

fn next_generation(disk: &dyn Engine, group: GroupId, from: u16) -> io::Result<Option<u16>> {
    let (start, _) = StateKeys { group, generation: from }.all();
    let mut found = None;
    disk.scan(Cf::State, &start, &keys::generation_pointer(group), Direction::Forward, &mut |key, _| {
        found = key.get(4..6).and_then(|bytes| bytes.first_chunk::<2>()).map(|bytes| u16::from_be_bytes(*bytes));
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Removes old files that no log entry, no state and no tombstone names.
async fn remove_orphans(replica: &Arc<Replica>) -> io::Result<()> {
    if replica.pins.lowest().is_some() {
        return Ok(());
    }
    let group = replica.group;
    let candidates: Vec<u128> = on_disk(&replica.disk.engine, move |disk| {
        let old = disk.files().list(group)?.into_iter().filter(|file| file.age >= ORPHAN_AGE_MIN);
        Ok(old.map(|file| file.id).collect())
    })
    .await?;
    if candidates.is_empty() {
        return Ok(());
    }
    let shared = Arc::clone(replica);
    let named = on_disk(&replica.disk.engine, move |disk| named_files(&shared, disk)).await?;
    remove_files(replica, candidates.into_iter().filter(|id| !named.contains(id)).collect()).await
}

/// Files that the state's register, the log or a tombstone names.
fn named_files(replica: &Arc<Replica>, disk: &dyn Engine) -> io::Result<HashSet<u128>> {
    let mut named = HashSet::new();
    // The register after the log: an entry applied in between is found in at least one of them.
    let range = {
        let log = replica.log.lock();
        log.first_index()..log.end_index()
    };
    let reader = LogReader { replica: Arc::clone(replica) };
    for entry in reader.read_thin(range)? {
        if let Payload::Normal(command) = &entry.payload {
            named.extend(command.files().map(|file| file.id));
        }
    }
    let (from, to) = replica.state_keys().files();
    disk.scan(Cf::State, &from, &to, Direction::Forward, &mut |key, _| {
        named.extend(key.last_chunk::<16>().map(|id| u128::from_be_bytes(*id)));
        Ok(ControlFlow::Continue(()))
    })?;
    let (from, to) = (keys::tombstone(replica.group, 0, 0), keys::tombstones_end(replica.group));
    disk.scan(Cf::Raft, &from, &to, Direction::Forward, &mut |_, value| {
        let mut value = value;
        if let BodyRef::File { id, .. } = BodyRef::decode(&mut value)? {
            named.insert(id);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(named)
}

async fn remove_files(replica: &Replica, ids: Vec<u128>) -> io::Result<()> {
    let group = replica.group;
    on_disk(&replica.disk.engine, move |disk| ids.iter().try_for_each(|id| disk.files().remove(group, *id))).await
}
