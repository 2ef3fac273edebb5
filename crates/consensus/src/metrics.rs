//! What a node and its groups measure, as plain values.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use openraft::async_runtime::watch::WatchReceiver;

use crate::engine::Direction;
use crate::fault::Fault;
use crate::group::{Group, Leadership};
use crate::ids::{GroupId, NodeId, PeerAddress, Position};
use crate::view::View;

/// A node's measurements at one moment.
#[derive(Debug, Clone)]
pub struct NodeMetrics {
    /// The node.
    pub node: NodeId,
    /// Bytes of log entries in memory.
    pub entry_cache_bytes: u64,
    /// The engine's own, by name.
    pub engine: Vec<(&'static str, u64)>,
    /// Each replica's.
    pub groups: Vec<GroupMetrics>,
}

/// A replica's measurements at one moment.
#[derive(Debug, Clone)]
pub struct GroupMetrics {
    /// The group.
    pub group: GroupId,
    /// Who leads.
    pub leadership: Leadership,
    /// Index of the last entry in the log.
    pub last_log_index: Option<u64>,
    /// Index of the last applied entry.
    pub applied_index: Option<u64>,
    /// Index of the last purged entry.
    pub purged_index: Option<u64>,
    /// Nodes that vote.
    pub voters: BTreeSet<NodeId>,
    /// Nodes that only receive the log.
    pub learners: BTreeSet<NodeId>,
    /// Where members can be reached, as the group knows.
    pub addresses: BTreeMap<NodeId, PeerAddress>,
    /// On the leader: the last index that each member has.
    pub matched: BTreeMap<NodeId, Option<u64>>,
    /// Body files that the state names and that were found missing on this disk since the start.
    pub missing_files: u64,
    /// Why the replica does not run.
    pub fault: Option<Fault>,
}

impl GroupMetrics {
    pub(crate) fn of(group: &Group) -> Self {
        let replica = group.replica();
        let applied = replica.applied.lock().clone();
        let (last_log_index, purged_index) = {
            let log = replica.log.lock();
            (log.last.map(|id| id.index), log.purged.map(|id| id.index))
        };
        let mut membership = applied.membership;
        let mut matched = BTreeMap::new();
        if let Ok(raft) = group.raft() {
            let metrics = raft.metrics();
            let metrics = metrics.borrow_watched();
            membership = (*metrics.membership_config).clone();
            if let Some(members) = &metrics.replication {
                matched = members.iter().map(|(node, id)| (*node, id.as_ref().map(|id| id.index))).collect();
            }
        }
        Self {
            group: group.id(),
            leadership: *group.leadership().borrow(),
            last_log_index,
            applied_index: applied.last.map(|id| id.index),
            purged_index,
            voters: membership.voter_ids().collect(),
            learners: membership.membership().learner_ids().collect(),
            addresses: membership.nodes().map(|(node, address)| (*node, address.clone())).collect(),
            matched,
            missing_files: replica.missing_files.load(Ordering::Relaxed),
            fault: replica.fault.get(),
        }
    }
}

impl Group {
    /// This replica's measurements.
    #[must_use]
    pub fn metrics(&self) -> GroupMetrics {
        GroupMetrics::of(self)
    }
}

impl View {
    /// A BLAKE3 over every row, with the position it stands at: equal on all replicas at the same
    /// position. Reads the whole state.
    ///
    /// # Errors
    /// The disk failed.
    pub fn digest(&self) -> io::Result<(Option<Position>, [u8; 32])> {
        let mut hasher = blake3::Hasher::new();
        self.scan(&[], None, Direction::Forward, &mut |key, value| {
            for part in [key, value] {
                hasher.update(&(part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((self.applied()?, *hasher.finalize().as_bytes()))
    }
}
