//! What an installed snapshot leaves to remove: inline bodies that it covers and does not name, and
//! the rows of the state whose place it took.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::codec::{CodecError, Reader};
use crate::engine::{Batch, Cf, Direction, Engine};
use crate::ids::GroupId;
use crate::keys::{self, StateKeys};
use crate::limits::RECLAIM_BATCH;
use crate::replica::Replica;
use crate::transport::on_disk;

/// Removes the inline bodies that an installed snapshot covers but does not name.
pub(super) async fn sweep_bodies(replica: &Arc<Replica>) -> io::Result<()> {
    let keys = replica.state_keys();
    let due = on_disk(&replica.disk.engine, move |disk| disk.get(Cf::State, &keys.sweep())).await?;
    let Some(last) = due else { return Ok(()) };
    let last_index = Reader::new(&last).u64()?;
    let mut from = keys::bodies_from(keys.group, 0).to_vec();
    loop {
        let start = from.clone();
        let (batch, next) = on_disk(&replica.disk.engine, move |disk| portion(disk, keys, &start, last_index)).await?;
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

/// The removals among the next bodies, and where the rest begins.
fn portion(disk: &dyn Engine, keys: StateKeys, from: &[u8], last_index: u64) -> io::Result<(Batch, Option<Vec<u8>>)> {
    let to = keys::bodies_from(keys.group, last_index + 1);
    let (mut batch, mut seen, mut next) = (Batch::new(), 0, None);
    disk.scan_keys(Cf::Body, from, &to, &mut |key| {
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
}

/// Removes the rows of every generation that is not in use.
pub(super) async fn remove_old_generations(replica: &Arc<Replica>) -> io::Result<()> {
    let replica = Arc::clone(replica);
    let engine = Arc::clone(&replica.disk.engine);
    on_disk(&engine, move |disk| {
        let mut next = Some(0);
        while let Some(from) = next {
            let Some(found) = next_generation(disk, replica.group, from)? else { break };
            replica.remove_generation(found)?;
            next = found.checked_add(1);
        }
        Ok(())
    })
    .await
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
