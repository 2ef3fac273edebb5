//! Replicas that have applied the same entries have the same state.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::disk;
use crate::group::Group;
use crate::ids::{GroupId, NodeId};
use crate::sim::machine::{digest, records};
use crate::sim::world::World;

/// The digests seen so far, by group and applied index.
#[derive(Default)]
pub(super) struct Digests(BTreeMap<(GroupId, u64), (NodeId, Option<Bytes>)>);

impl Digests {
    pub(super) fn note(&mut self, node: NodeId, group: &Group) {
        let view = group.view();
        let Some(applied) = view.applied().unwrap() else { return };
        let found = digest(&view);
        let (other, known) = self.0.entry((group.id(), applied.index)).or_insert_with(|| (node, found.clone()));
        assert!(*known == found, "nodes {other} and {node} differ at index {} of group {}", applied.index, group.id());
    }
}

/// At the end, all members have applied the same.
pub(super) fn check_equal(world: &World, group: GroupId, members: &[NodeId]) {
    let state = |node: &NodeId| {
        let view = disk::view(&world.hosts[node].disk, group);
        (view.applied().unwrap(), digest(&view), records(&view))
    };
    let first = state(&members[0]);
    for member in members {
        assert!(state(member) == first, "nodes {} and {member} differ at the end in group {group}", members[0]);
    }
}
