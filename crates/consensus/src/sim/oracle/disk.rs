//! Reading a disk behind the node's back.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::codec::{Reader, decode_log_id, decode_thin_entry, decode_vote};
use crate::engine::{Cf, Direction, Engine, Reads, SimEngine};
use crate::ids::GroupId;
use crate::keys::{self, StateKeys};
use crate::raft_types::{LogEntry, LogId, Vote};
use crate::replica::present_groups;
use crate::view::View;

/// The groups that the disk has a replica of.
pub(super) fn groups(disk: &SimEngine) -> Vec<GroupId> {
    present_groups(disk).unwrap()
}

/// The stored vote.
pub(super) fn vote(disk: &SimEngine, group: GroupId) -> Option<Vote> {
    disk.get(Cf::Raft, &keys::vote(group)).unwrap().map(|bytes| decode_vote(&bytes).unwrap())
}

/// What the log was purged up to.
pub(super) fn purged(disk: &SimEngine, group: GroupId) -> Option<LogId> {
    disk.get(Cf::Raft, &keys::purged(group)).unwrap().map(|bytes| decode_log_id(&bytes).unwrap())
}

/// The entries of the log, in order.
pub(super) fn entries(disk: &SimEngine, group: GroupId) -> Vec<LogEntry> {
    let from = keys::entry(group, purged(disk, group).map_or(0, |id| id.index + 1));
    let mut entries = Vec::new();
    disk.scan(Cf::Raft, &from, &keys::entries_end(group), Direction::Forward, &mut |key, value| {
        let index = keys::entry_index(key).unwrap();
        entries.push(decode_thin_entry(index, &Bytes::copy_from_slice(value)).unwrap());
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    entries
}

/// The state as it stands.
pub(super) fn view(disk: &SimEngine, group: GroupId) -> View {
    let generation = match disk.get(Cf::State, &keys::generation_pointer(group)).unwrap() {
        Some(bytes) => Reader::new(&bytes).u16().unwrap(),
        None => 0,
    };
    View::new(disk.snapshot(), StateKeys { group, generation })
}
