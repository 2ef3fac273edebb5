//! What must hold, whatever happens: one file per invariant.

mod bodies;
mod digests;
mod disk;
mod operations;
mod progress;
mod promises;

use std::sync::Arc;

use parking_lot::Mutex;

use super::network::Sent;
use super::world::World;
use crate::ids::{GroupId, NodeId};

/// Watches a world.
#[derive(Default)]
pub(crate) struct Oracle {
    promises: Arc<Mutex<promises::Promises>>,
    digests: digests::Digests,
    progress: progress::Progress,
}

impl Oracle {
    /// Sees every frame that a node sends.
    pub(crate) fn frame_watcher(&self) -> impl FnMut(&Sent<'_>) + Send + 'static {
        let promises = Arc::clone(&self.promises);
        move |sent| promises.lock().note(sent)
    }

    /// Looks at the running nodes; cheap enough for every few steps.
    pub(crate) fn observe(&mut self, world: &World) {
        for (node, running) in world.up() {
            for group in running.node.groups() {
                self.progress.note(node, &group);
                self.digests.note(node, &group);
                let missing = group.metrics().missing_files;
                assert_eq!(missing, 0, "node {node} group {} lost files that its state names", group.id());
            }
        }
    }

    /// Looks at a disk: at any moment, and as a crash left it.
    pub(crate) fn inspect_disk(&self, world: &World, node: NodeId) {
        let disk = &*world.hosts[&node].disk;
        for group in disk::groups(disk) {
            bodies::check_disk(disk, node, group);
        }
    }

    /// A machine lost its power; its disk is as the next start will find it.
    pub(crate) fn crashed(&mut self, world: &World, node: NodeId) {
        let disk = &*world.hosts[&node].disk;
        for group in disk::groups(disk) {
            self.promises.lock().check(disk, node, group);
        }
        self.inspect_disk(world, node);
        self.progress.restarted(node);
    }

    /// All is healed and quiet: every replica must have everything, once, in order.
    pub(crate) fn finish(&self, world: &World, group: GroupId, members: &[NodeId]) {
        operations::check_order(world, group);
        for member in members {
            operations::check_replica(world, group, *member);
            bodies::check_replica(world, group, *member);
        }
        digests::check_equal(world, group, members);
    }
}
