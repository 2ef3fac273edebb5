//! Who names body files: entries of the log, the register of a state, tombstones.
//!
//! A file is needed while one of them names it (I1, I2), and there is no moment at which none does:
//! the batch that applies an entry registers its files before a purge can remove the entry, and the
//! batch that drops a file leaves a tombstone, which goes after the file. So whoever reads in this
//! order misses nothing that was named when it began. What it cannot see is an entry that is
//! appended meanwhile; `orphans` watches for those.
//!
//! Rows are read one by one and none is kept: the log of a leader that waits for a follower is large.

use std::io;
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::body::{BodyRef, FileBody};
use crate::codec::{CodecError, decode_thin_entry};
use crate::engine::{Cf, Direction, Engine};
use crate::ids::GroupId;
use crate::keys::{self, StateKeys};
use crate::raft_types::Payload;
use crate::snapshot::registered_file;

/// What is done with each file that is named.
pub(super) type NameVisitor<'a> = dyn FnMut(FileBody) + 'a;

/// Visits every file that something names; some more than once.
pub(super) fn visit_all(
    disk: &dyn Engine,
    group: GroupId,
    states: &[StateKeys],
    visit: &mut NameVisitor<'_>,
) -> io::Result<()> {
    visit_log(disk, group, visit)?;
    for state in states {
        visit_register(disk, *state, visit)?;
    }
    visit_tombstones(disk, group, visit)
}

/// Files of the entries that can be read on disk.
fn visit_log(disk: &dyn Engine, group: GroupId, visit: &mut NameVisitor<'_>) -> io::Result<()> {
    let (from, to) = (keys::entry(group, 0), keys::entries_end(group));
    disk.scan(Cf::Raft, &from, &to, Direction::Forward, &mut |key, value| {
        let index = keys::entry_index(key).ok_or(CodecError::Truncated)?;
        if let Payload::Normal(command) = &decode_thin_entry(index, &Bytes::copy_from_slice(value))?.payload {
            command.files().for_each(&mut *visit);
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Files that a state may refer to.
pub(super) fn visit_register(disk: &dyn Engine, state: StateKeys, visit: &mut NameVisitor<'_>) -> io::Result<()> {
    let (from, to) = state.files();
    disk.scan(Cf::State, &from, &to, Direction::Forward, &mut |key, value| {
        if let BodyRef::File { id, len, hash } = registered_file(key, value)? {
            visit(FileBody { id, len, hash });
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Files that were dropped and are not removed yet.
pub(super) fn visit_tombstones(disk: &dyn Engine, group: GroupId, visit: &mut NameVisitor<'_>) -> io::Result<()> {
    let (from, to) = (keys::tombstone(group, 0, 0), keys::tombstones_end(group));
    disk.scan(Cf::Raft, &from, &to, Direction::Forward, &mut |_, value| {
        let mut value = value;
        if let BodyRef::File { id, len, hash } = BodyRef::decode(&mut value)? {
            visit(FileBody { id, len, hash });
        }
        Ok(ControlFlow::Continue(()))
    })
}
