//! This process among its peers: its disk, its replicas, and the work around them.
//!
//! A node runs one replica of each group it takes part in. Raft, its transport and the janitor run
//! on a runtime of their own, so that protocol work cannot delay a heartbeat.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{InitializeError, RaftError};
use openraft::{Config, Raft};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::applier::Applier;
use crate::engine::{Batch, Cf};
use crate::error::AdminError;
use crate::group::{Group, GroupRaft, GroupState, Role};
use crate::ids::{GroupId, NodeId, PeerAddress};
use crate::janitor::{self, LogBounds};
use crate::limits::TRANSFER_TIMEOUT;
use crate::log_store::LogStore;
use crate::metrics::{GroupMetrics, NodeMetrics};
use crate::reclaim;
use crate::replica::{Disk, Replica};
use crate::state_machine::StateMachine;
use crate::supervisor;
use crate::transport::{GroupNetwork, Peers, RaftEndpoint};

mod membership;

/// On the disk once the groups that the cluster begins with were created.
const KEY_BOOTSTRAPPED: &[u8] = b"bootstrapped";

/// A running node. Dropping it without [`Node::shutdown`] is like a crash that loses nothing synced.
pub struct Node {
    pub(crate) shared: Arc<NodeShared>,
    pub(crate) runtime: Option<Runtime>,
    pub(crate) listening: Option<SocketAddr>,
}

/// What the parts of a node share.
pub(crate) struct NodeShared {
    pub(crate) id: NodeId,
    pub(crate) disk: Disk,
    pub(crate) peers: Arc<Peers>,
    pub(crate) machine: Arc<dyn StateMachine>,
    pub(crate) raft_config: Arc<Config>,
    pub(crate) log_bounds: LogBounds,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) groups: RwLock<BTreeMap<GroupId, Group>>,
    pub(crate) tasks: Mutex<Vec<JoinHandle<()>>>,
    /// One group is created at a time.
    pub(crate) creating: tokio::sync::Mutex<()>,
    /// The write path is being ended on purpose: its refusals are no failures of the disk.
    pub(crate) ending: AtomicBool,
}

impl Node {
    /// This node's id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.shared.id
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster(&self) -> u128 {
        self.shared.peers.identity().cluster
    }

    /// Where peers can connect, if the node listens.
    #[must_use]
    pub fn listening(&self) -> Option<SocketAddr> {
        self.listening
    }

    /// The runtime of Raft and its transport.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        self.shared.peers.runtime()
    }

    /// Starts this node's replica of a group, or gives the one that runs.
    ///
    /// A new group is created by calling this on every voter with the same `voters`. A replica that
    /// is to join an existing group is started with no voters and added on the leader.
    ///
    /// # Errors
    /// The disk failed, or Raft did not start.
    pub fn create_group(
        &self,
        id: GroupId,
        voters: BTreeMap<NodeId, PeerAddress>,
    ) -> BoxFuture<'_, Result<Group, AdminError>> {
        let shared = Arc::clone(&self.shared);
        let created = async move {
            let created = self.runtime().spawn(shared.create_group(id, voters));
            created.await.map_err(|_| AdminError::Stopped)?
        };
        created.boxed()
    }

    /// Creates `groups` with the same `voters` when the directory is new, and never again: what became of a group since then is its
    /// own matter. To be called on every voter; when it was cut off, the next start finishes it.
    ///
    /// # Errors
    /// As [`Node::create_group`].
    pub async fn bootstrap(
        &self,
        groups: impl Iterator<Item = GroupId>,
        voters: BTreeMap<NodeId, PeerAddress>,
    ) -> Result<(), AdminError> {
        if self.shared.disk.engine.get(Cf::Meta, KEY_BOOTSTRAPPED)?.is_some() {
            return Ok(());
        }
        for group in groups {
            self.create_group(group, voters.clone()).await?;
        }
        let mut batch = Batch::new();
        batch.put(Cf::Meta, KEY_BOOTSTRAPPED, &[1]);
        Ok(self.shared.disk.pipeline.write_synced(batch).await?)
    }

    /// This node's replica of a group.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<Group> {
        self.shared.groups.read().get(&id).cloned()
    }

    /// Every replica of this node, in the order of ids.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        self.shared.all_groups()
    }

    /// What the node measures now.
    #[must_use]
    pub fn metrics(&self) -> NodeMetrics {
        NodeMetrics {
            node: self.shared.id,
            entry_cache_bytes: self.shared.disk.cache.used() as u64,
            engine: self.shared.disk.engine.gauges(),
            groups: self.groups().iter().map(GroupMetrics::of).collect(),
        }
    }

    /// Hands leadership over where there is someone to take it, stops every group, and makes
    /// everything written durable.
    ///
    /// Calls after it fail; the runtime ends when the node is dropped.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        let shared = Arc::clone(&self.shared);
        let stopping = async move {
            let stopped = self.runtime().spawn(async move { shared.stop().await });
            if stopped.await.is_err() {
                tracing::error!("the shutdown panicked");
            }
        };
        stopping.boxed()
    }

    pub(crate) fn raft(&self, id: GroupId) -> Result<GroupRaft, AdminError> {
        let group = self.group(id).ok_or(AdminError::NoSuchGroup(id))?;
        group.raft().map_err(|_| AdminError::Stopped)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        for task in self.shared.tasks.lock().drain(..) {
            task.abort();
        }
        self.shared.disk.pipeline.end();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl NodeShared {
    pub(crate) fn all_groups(&self) -> Vec<Group> {
        self.groups.read().values().cloned().collect()
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let task = self.peers.runtime().spawn(work);
        let mut tasks = self.tasks.lock();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    /// Starts the work that belongs to no group.
    pub(crate) fn start_chores(self: &Arc<Self>) {
        self.spawn(janitor::tend(Arc::clone(self)));
        self.spawn(janitor::give_back(Arc::clone(self)));
        self.spawn(membership::acquaint(Arc::clone(&self.peers)));
    }

    async fn create_group(
        self: Arc<Self>,
        id: GroupId,
        voters: BTreeMap<NodeId, PeerAddress>,
    ) -> Result<Group, AdminError> {
        let _one_at_a_time = self.creating.lock().await;
        if let Some(group) = self.groups.read().get(&id) {
            return Ok(group.clone());
        }
        let replica = Replica::open(id, self.disk.clone())?;
        replica.record_presence().await?;
        let group = self.start_group(replica).await?;
        if voters.contains_key(&self.id) {
            let raft = group.raft().map_err(|_| AdminError::Stopped)?;
            match raft.initialize(voters).await {
                // It has a log or a vote already: it was initialized before.
                Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
                Err(RaftError::APIError(refused)) => return Err(AdminError::Refused(refused.to_string())),
                Err(RaftError::Fatal(_)) => return Err(AdminError::Stopped),
            }
        }
        Ok(group)
    }

    /// Runs Raft on a replica and everything that accompanies it.
    pub(crate) async fn start_group(self: &Arc<Self>, replica: Arc<Replica>) -> io::Result<Group> {
        let raft = self.start_raft(&replica).await?;
        let group = Group::new(self.id, raft, Arc::clone(&replica), Arc::clone(&self.peers), Arc::clone(&self.room));
        self.groups.write().insert(replica.group, group.clone());
        self.spawn(supervisor::supervise(Arc::clone(self), group.clone()));
        self.spawn(reclaim::keep_reclaiming(replica, Arc::clone(&self.peers)));
        Ok(group)
    }

    async fn start_raft(&self, replica: &Arc<Replica>) -> io::Result<GroupRaft> {
        let network = GroupNetwork { group: replica.group, peers: Arc::clone(&self.peers) };
        let log = LogStore::new(Arc::clone(replica));
        let applier = Applier::new(Arc::clone(replica), Arc::clone(&self.machine));
        let raft = Raft::new(self.id, Arc::clone(&self.raft_config), network, log, applier)
            .await
            .map_err(|fatal| io::Error::other(fatal.to_string()))?;
        self.peers
            .add_group(replica.group, Arc::new(RaftEndpoint { raft: raft.clone(), replica: Arc::clone(replica) }));
        // Alone, there is nobody to wait for.
        if replica.is_sole_voter(self.id) {
            // If it does not listen now, the election timeout comes soon enough.
            drop(raft.trigger().elect(false).await);
        }
        Ok(raft)
    }

    /// Starts a group's Raft again from what is on disk, after it panicked.
    pub(crate) async fn rebuild(self: &Arc<Self>, group: &Group) -> io::Result<()> {
        let _one_at_a_time = self.creating.lock().await;
        let old = group.replica();
        // Nothing of the old Raft may write any more, and all it wrote must be readable.
        old.retire();
        // What tends it lets go of it.
        old.reclaim.notify_one();
        if !self.groups.read().contains_key(&group.id()) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the replica was removed"));
        }
        self.disk.pipeline.write(crate::engine::Batch::new()).await?;
        let replica = Replica::open(group.id(), self.disk.clone())?;
        let raft = self.start_raft(&replica).await?;
        self.spawn(reclaim::keep_reclaiming(Arc::clone(&replica), Arc::clone(&self.peers)));
        *group.core.state.write() = GroupState::Running { raft, replica };
        Ok(())
    }

    async fn stop(&self) {
        let groups = self.all_groups();
        let handovers = groups.iter().map(hand_over);
        // Whoever does not take over in time will be elected.
        drop(timeout(TRANSFER_TIMEOUT, futures::future::join_all(handovers)).await);
        for group in &groups {
            self.peers.remove_group(group.id());
            if let Ok(raft) = group.raft()
                && raft.shutdown().await.is_err()
            {
                tracing::error!(group.id = %group.id(), "the group's Raft panicked");
            }
            let replica = group.replica();
            *group.core.state.write() = GroupState::Stopped { replica };
        }
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            drop(task.await);
        }
        self.ending.store(true, Ordering::Release);
        self.disk.pipeline.close().await;
        self.disk.engine.close();
    }
}

/// Gives leadership to the voter that has most of the log, and waits until it leads.
async fn hand_over(group: &Group) {
    let Ok(raft) = group.raft() else { return };
    let mut leadership = group.leadership();
    if leadership.borrow().role != Role::Leader {
        return;
    }
    let heir = {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let voters: BTreeSet<NodeId> = metrics.membership_config.voter_ids().collect();
        metrics.replication.as_ref().and_then(|followers| {
            let others = followers.iter().filter(|(node, _)| **node != group.core.node && voters.contains(node));
            others.max_by_key(|(_, matched)| matched.as_ref().map(|id| id.index)).map(|(node, _)| *node)
        })
    };
    let Some(heir) = heir else { return };
    if raft.trigger().transfer_leader(heir).await.is_ok() {
        // An error means that the group stopped.
        drop(leadership.wait_for(|now| !now.is_leader()).await);
    }
}
