//! What only ever grows while a node runs: term, committed index, applied index. And: one leader
//! per term.

use std::collections::BTreeMap;

use openraft::async_runtime::watch::WatchReceiver;

use crate::group::Group;
use crate::ids::{GroupId, NodeId};
use crate::raft_types::LogId;

/// The latest values seen.
#[derive(Default)]
pub(super) struct Progress {
    seen: BTreeMap<(NodeId, GroupId), Point>,
    leaders: BTreeMap<(GroupId, u64), NodeId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Point {
    term: u64,
    applied: Option<LogId>,
}

impl Progress {
    pub(super) fn note(&mut self, node: NodeId, group: &Group) {
        let Ok(raft) = group.raft() else { return };
        let now = {
            let metrics = raft.metrics();
            let metrics = metrics.borrow_watched();
            if metrics.state.is_leader() {
                let term = metrics.current_term;
                let leader = *self.leaders.entry((group.id(), term)).or_insert(node);
                assert_eq!(leader, node, "two leaders in term {term} of group {}", group.id());
            }
            Point { term: metrics.current_term, applied: metrics.last_applied }
        };
        let before = self.seen.insert((node, group.id()), now).unwrap_or_default();
        let grew = before.term <= now.term && before.applied <= now.applied;
        assert!(grew, "node {node} group {} went back from {before:?} to {now:?}", group.id());
    }

    /// The state may come back older after a crash; the term may not, but that is in the promises.
    pub(super) fn restarted(&mut self, node: NodeId) {
        self.seen.retain(|(seen, _), _| *seen != node);
    }
}
