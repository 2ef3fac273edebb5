//! Bodies that an entry dropped, once the entry is purged and the purge is durable (I2).

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::body::BodyRef;
use crate::engine::{Batch, Cf, Direction, Engine};
use crate::ids::GroupId;
use crate::keys;
use crate::limits::RECLAIM_BATCH;
use crate::replica::Replica;
use crate::transport::on_disk;

/// Bodies that are removed together; their tombstones go in the batch of the inline ones, after the files.
struct Portion {
    batch: Batch,
    files: Vec<u128>,
    /// Bytes of the inline bodies.
    inline_bytes: u64,
    tombstones: usize,
}

/// Removes what is due, unless an outgoing snapshot may need it: then a later round does.
pub(super) async fn remove(replica: &Arc<Replica>) -> io::Result<()> {
    let purged = replica.log.lock().purged_synced;
    let Some(purged) = purged else { return Ok(()) };
    let group = replica.group;
    while replica.pins.lowest().is_none() {
        let portion = on_disk(&replica.disk.engine, move |disk| portion(disk, group, purged.index)).await?;
        let Portion { batch, files, inline_bytes, tombstones } = portion;
        if tombstones > 0 {
            super::remove_files(replica, files).await?;
            replica.write(batch).await?;
            replica.disk.freed.fetch_add(inline_bytes, Ordering::Relaxed);
        }
        if tombstones < RECLAIM_BATCH {
            break;
        }
    }
    Ok(())
}

fn portion(disk: &dyn Engine, group: GroupId, purged: u64) -> io::Result<Portion> {
    let (from, to) = (keys::tombstone(group, 0, 0), keys::tombstone(group, purged + 1, 0));
    let mut portion = Portion { batch: Batch::new(), files: Vec::new(), inline_bytes: 0, tombstones: 0 };
    disk.scan(Cf::Raft, &from, &to, Direction::Forward, &mut |key, value| {
        let mut value = value;
        match BodyRef::decode(&mut value)? {
            BodyRef::Log { index, term, ordinal, len } => {
                portion.batch.delete(Cf::Body, &keys::body(group, index, term, ordinal));
                portion.inline_bytes += u64::from(len);
            }
            BodyRef::File { id, .. } => portion.files.push(id),
        }
        portion.batch.delete(Cf::Raft, key);
        portion.tombstones += 1;
        let full = portion.tombstones >= RECLAIM_BATCH;
        Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(portion)
}
