//! What was dropped and waits for a purge: since when, from which entry on, and how much.
//!
//! Tombstones carry no time. So the janitor notes when it first saw that there are any, and up to
//! where the state was applied then: what was dropped up to there is at least that old. Tombstones
//! above the purge are read once each, as they come.

use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use tokio::time::Instant;

use crate::body::BodyRef;
use crate::codec::CodecError;
use crate::engine::{Cf, Direction, Engine};
use crate::ids::GroupId;
use crate::keys;
use crate::replica::Replica;
use crate::transport::on_disk;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drops {
    /// What was dropped up to `upto` was there at this time.
    pub(super) since: Instant,
    pub(super) upto: u64,
    /// The first entry that dropped something and is not purged.
    pub(super) oldest: u64,
    /// Bytes of the bodies that entries up to `counted` dropped.
    pub(super) bytes: u64,
    counted: u64,
}

/// Looks at what came since the last look, and notes it; `applied` is the last applied index.
pub(super) async fn look(replica: &Arc<Replica>, applied: u64) -> io::Result<Option<Drops>> {
    let first = replica.log.lock().first_index();
    let known = (*replica.drops.lock()).filter(|drops| drops.upto >= first);
    // A purge took away some of what was counted: the rest is counted anew.
    let whole = known.filter(|drops| drops.oldest >= first);
    let from = whole.map_or(first, |drops| drops.counted + 1);
    let group = replica.group;
    let (oldest, bytes) = on_disk(&replica.disk.engine, move |disk| count(disk, group, from..applied + 1)).await?;
    let found = match (whole, oldest) {
        (Some(drops), _) => Some(Drops { bytes: drops.bytes + bytes, counted: applied.max(drops.counted), ..drops }),
        (None, Some(oldest)) => {
            let now = Drops { since: Instant::now(), upto: applied, oldest, bytes, counted: applied };
            let mark = known.filter(|drops| drops.upto >= oldest).unwrap_or(now);
            Some(Drops { since: mark.since, upto: mark.upto, ..now })
        }
        (None, None) => None,
    };
    *replica.drops.lock() = found;
    Ok(found)
}

/// The first entry of `range` that dropped something, and the bytes of all bodies that they dropped.
fn count(disk: &dyn Engine, group: GroupId, range: Range<u64>) -> io::Result<(Option<u64>, u64)> {
    let (mut oldest, mut bytes) = (None, 0);
    let (from, to) = (keys::tombstone(group, range.start, 0), keys::tombstone(group, range.end, 0));
    if from >= to {
        return Ok((oldest, bytes));
    }
    disk.scan(Cf::Raft, &from, &to, Direction::Forward, &mut |key, value| {
        let mut value = value;
        bytes += BodyRef::decode(&mut value)?.len();
        if oldest.is_none() {
            oldest = Some(keys::tombstone_index(key).ok_or(CodecError::Truncated)?);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((oldest, bytes))
}
