//! Who takes part in a group, and by which disk nodes know each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openraft::ChangeMembers;
use tokio::time::{MissedTickBehavior, interval};

use super::{Node, NodeShared};
use crate::error::AdminError;
use crate::group::GroupState;
use crate::ids::{DiskId, GroupId, NodeId, PeerAddress};
use crate::limits::ACQUAINT_INTERVAL;
use crate::reclaim;
use crate::transport::{Channel, Peers};

impl Node {
    /// Removes this node's replica of a group and all it holds on this disk. The group must have left this node out of its voters
    /// and learners before, which this replica need not know.
    ///
    /// # Errors
    /// [`AdminError::Refused`] if it leads the group; the disk failed.
    pub async fn remove_group(&self, id: GroupId) -> Result<(), AdminError> {
        let shared = Arc::clone(&self.shared);
        let removed = self.runtime().spawn(async move { shared.remove_group(id).await });
        removed.await.map_err(|_| AdminError::Stopped)?
    }

    /// Forgets the disk that a peer was known by, so that it may come with another. The peer must vote in no group, or what it
    /// acknowledged may be lost.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn forget_disk(&self, peer: NodeId) -> Result<(), AdminError> {
        Ok(self.shared.peers.acquaintances().forget(peer).await?)
    }

    /// This node's disk, and those that its peers are known by.
    pub async fn disks(&self) -> (DiskId, BTreeMap<NodeId, DiskId>) {
        (self.shared.peers.identity().disk, self.shared.peers.acquaintances().all().await)
    }

    /// Adds a replica that receives the log and does not vote. Only on the leader.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn add_learner(&self, id: GroupId, node: NodeId, address: PeerAddress) -> Result<(), AdminError> {
        let raft = self.raft(id)?;
        raft.add_learner(node, address, false).await.map(drop).map_err(AdminError::from_raft)
    }

    /// Makes `voters`, who must all be replicas already, the voters; others are removed. Only on
    /// the leader; returns when the change is committed.
    ///
    /// # Errors
    /// See [`AdminError`]; after `Unknown` the change may be half done and the same call finishes it.
    pub async fn change_membership(&self, id: GroupId, voters: BTreeSet<NodeId>) -> Result<(), AdminError> {
        let raft = self.raft(id)?;
        raft.change_membership(voters, false).await.map(drop).map_err(AdminError::from_raft)
    }

    /// Takes a replica that does not vote out of the group. Only on the leader.
    ///
    /// # Errors
    /// As [`Node::change_membership`].
    pub async fn remove_learner(&self, id: GroupId, node: NodeId) -> Result<(), AdminError> {
        let raft = self.raft(id)?;
        let change = ChangeMembers::RemoveNodes(BTreeSet::from([node]));
        raft.change_membership(change, false).await.map(drop).map_err(AdminError::from_raft)
    }

    /// Asks another voter to take over. Only on the leader; the outcome shows in
    /// [`Group::leadership`](crate::group::Group::leadership).
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn transfer_leader(&self, id: GroupId, to: NodeId) -> Result<(), AdminError> {
        let group = self.group(id).ok_or(AdminError::NoSuchGroup(id))?;
        let now = *group.leadership().borrow();
        if !now.is_leader() {
            return Err(AdminError::NotLeader { leader: now.leader });
        }
        Ok(self.raft(id)?.trigger().transfer_leader(to).await?)
    }
}

impl NodeShared {
    async fn remove_group(self: Arc<Self>, id: GroupId) -> Result<(), AdminError> {
        let _one_at_a_time = self.creating.lock().await;
        let Some(group) = self.groups.read().get(&id).cloned() else { return Ok(()) };
        if group.leadership().borrow().is_leader() {
            return Err(AdminError::Refused(format!("this node leads group {id}")));
        }
        self.peers.remove_group(id);
        if let Ok(raft) = group.raft() {
            drop(raft.shutdown().await);
        }
        let replica = group.replica();
        replica.retire();
        *group.core.state.write() = GroupState::Stopped { replica: Arc::clone(&replica) };
        self.groups.write().remove(&id);
        reclaim::remove_all(&self.disk, id).await?;
        // It ends on finding its replica retired.
        replica.reclaim.notify_one();
        Ok(())
    }
}

/// Meets every peer that has an address, so that each is known by its disk before it matters.
pub(super) async fn acquaint(peers: Arc<Peers>) {
    let mut looks = interval(ACQUAINT_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let known = peers.acquaintances().all().await;
        for (node, _) in peers.addresses().all() {
            if node != peers.identity().node && !known.contains_key(&node) {
                // Whoever is away is met later; a refusal was told by the link.
                drop(peers.link(node, Channel::Control).greet().await);
            }
        }
    }
}
