//! The simulated machines and their time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::{Builder, RngSeed, Runtime};

use super::history::{History, Outcome};
use super::machine::{Machine, Operation};
use super::network::Network;
use crate::body::Body;
use crate::engine::{SimEngine, SimFaults};
use crate::error::ProposeError;
use crate::group::Group;
use crate::ids::{GroupId, NodeId, PeerAddress};
use crate::janitor::{DropBounds, LogBounds};
use crate::node::Node;
use crate::open::Parts;
use crate::reclaim::SweepBounds;
use crate::runtime::seed_thread;
use crate::transport::{AddressBook, serve};

/// How far all clocks move at once.
pub(crate) const STEP: Duration = Duration::from_millis(5);

/// Logs are cut early, so that whoever is away for a moment needs a snapshot.
const LOG_BOUNDS: LogBounds = LogBounds {
    interval: Duration::from_millis(300),
    entries_max: 30,
    bytes_max: 1 << 30,
    entries_kept: 8,
    entries_hard_max: 60,
    bytes_hard_max: 1 << 30,
    drops: DropBounds {
        age: Duration::from_millis(500),
        entries_kept: 3,
        age_max: Duration::from_secs(1),
        bytes_hard_max: 1 << 20,
        age_hard_max: Duration::from_secs(3),
    },
};

/// Files are looked at often, and are old early: whoever was away for a moment comes back with old ones. A proposal that waits
/// for its quorum for longer finds its body gone.
const SWEEP_BOUNDS: SweepBounds =
    SweepBounds { interval: Duration::from_millis(500), orphan_age_min: Duration::from_millis(1_500) };

/// What every disk does when nothing is wrong with it: a sync takes time, so there is always
/// something that a crash may lose.
pub(crate) const DISK: SimFaults = SimFaults {
    write_pause: Duration::ZERO,
    sync_pause: Duration::from_millis(3),
    read_pause: Duration::from_millis(1),
    disk: crate::engine::DiskState::Free,
    sync: crate::engine::SyncState::Working,
};

/// A body of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Inline,
    File,
}

/// One machine.
pub(crate) struct Host {
    pub(crate) disk: Arc<SimEngine>,
    pub(crate) running: Option<Running>,
}

/// A process on a machine.
pub(crate) struct Running {
    /// Dropped first, and with it every task.
    pub(crate) runtime: Runtime,
    pub(crate) node: Node,
}

/// A cluster.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) rng: StdRng,
    pub(crate) network: Network,
    pub(crate) hosts: BTreeMap<NodeId, Host>,
    pub(crate) history: History,
    pub(crate) steps: u64,
    starts: u64,
    last_operation: u64,
}

impl World {
    /// `nodes` machines that are off.
    pub(crate) fn new(seed: u64, nodes: u64) -> Self {
        seed_thread(seed);
        let hosts = (1..=nodes).map(|node| {
            let disk = SimEngine::new(seed ^ (node << 32));
            disk.set_faults(DISK);
            (NodeId(node), Host { disk, running: None })
        });
        Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            network: Network::new(seed.wrapping_add(1)),
            hosts: hosts.collect(),
            history: History::default(),
            steps: 0,
            starts: 0,
            last_operation: 0,
        }
    }

    /// Starts a process on a machine that is off. On a failing disk it may not come up.
    pub(crate) fn start(&mut self, id: NodeId) -> bool {
        self.starts += 1;
        let seed = self.seed.wrapping_mul(1_000).wrapping_add(self.starts);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .rng_seed(RngSeed::from_bytes(&seed.to_be_bytes()))
            .build()
            .unwrap();
        let parts = Parts {
            node: id,
            cluster: Some(1),
            memory_bytes: 1 << 20,
            addresses: AddressBook::new(),
            dial: self.network.dialer(id),
            machine: Arc::new(Machine),
            log_bounds: LOG_BOUNDS,
            sweep_bounds: SWEEP_BOUNDS,
            runtime: runtime.handle().clone(),
        };
        let host = self.hosts.get_mut(&id).unwrap();
        let Ok(node) = runtime.block_on(Node::start(Arc::clone(&host.disk) as _, parts)) else { return false };
        host.running = Some(Running { runtime, node });
        self.network.start(id);
        true
    }

    /// Cuts the power of a machine. It loses what was not synced, or a part of it.
    pub(crate) fn crash(&mut self, id: NodeId) {
        let host = self.hosts.get_mut(&id).unwrap();
        let after = host.disk.crash();
        after.set_faults(DISK);
        host.disk = after;
        if let Some(Running { runtime, node }) = host.running.take() {
            drop(runtime);
            drop(node);
        }
        self.network.stop(id);
    }

    /// Starts a replica of a group; with voters, of a new group. On a failing disk it may not.
    pub(crate) fn create_group(&mut self, id: NodeId, group: GroupId, voters: &BTreeSet<NodeId>) -> bool {
        let voters = voters.iter().map(|voter| (*voter, PeerAddress::default())).collect();
        let Some(running) = &self.hosts[&id].running else { return false };
        running.runtime.block_on(running.node.create_group(group, voters)).is_ok()
    }

    /// Lets one step of time pass everywhere.
    pub(crate) fn step(&mut self) {
        self.steps += 1;
        for accepted in self.network.deliver() {
            if let Some(running) = self.hosts.get(&accepted.at).and_then(|host| host.running.as_ref()) {
                running.runtime.spawn(accepted.pump.run());
                running.runtime.spawn(serve(Arc::clone(&running.node.shared.peers), accepted.wire));
            }
        }
        for host in self.hosts.values() {
            host.disk.advance(STEP);
            if let Some(running) = &host.running {
                running.runtime.block_on(async { tokio::time::sleep(STEP).await });
            }
        }
    }

    /// The running nodes.
    pub(crate) fn up(&self) -> impl Iterator<Item = (NodeId, &Running)> {
        self.hosts.iter().filter_map(|(id, host)| Some((*id, host.running.as_ref()?)))
    }

    /// A running node's replica of a group.
    pub(crate) fn group(&self, id: NodeId, group: GroupId) -> Option<Group> {
        self.hosts.get(&id)?.running.as_ref()?.node.group(group)
    }

    /// A node that believes to lead the group; after a partition there may be several.
    pub(crate) fn leader(&mut self, group: GroupId) -> Option<NodeId> {
        let leaders: Vec<NodeId> = self
            .up()
            .filter(|(_, running)| {
                running.node.group(group).is_some_and(|group| group.leadership().borrow().is_leader())
            })
            .map(|(id, _)| id)
            .collect();
        if leaders.is_empty() { None } else { Some(leaders[self.rng.random_range(0..leaders.len())]) }
    }

    /// A number for a new operation.
    pub(crate) fn next_operation(&mut self) -> u64 {
        self.last_operation += 1;
        self.last_operation
    }

    /// Lets a client on a node propose an operation; the answer goes into the history.
    pub(crate) fn propose(&self, at: NodeId, group: GroupId, operation: Operation, bodies: Vec<(BodyKind, Bytes)>) {
        let Some(running) = self.hosts[&at].running.as_ref() else { return };
        let Some(replica) = running.node.group(group) else { return };
        let hashes = bodies.iter().map(|(_, bytes)| *blake3::hash(bytes).as_bytes()).collect();
        self.history.send(group, operation, hashes);
        let history = self.history.clone();
        running.runtime.spawn(async move {
            let outcome = propose(&replica, operation, bodies).await;
            history.answer(operation, outcome);
        });
    }
}

async fn propose(group: &Group, operation: Operation, bodies: Vec<(BodyKind, Bytes)>) -> Outcome {
    let mut staged = Vec::new();
    for (kind, bytes) in bodies {
        staged.push(match kind {
            BodyKind::Inline => Body::Inline(bytes),
            BodyKind::File => {
                let Ok(mut writer) = group.stage_body().await else { return Outcome::Refused };
                if writer.write(bytes).await.is_err() {
                    return Outcome::Refused;
                }
                let Ok(body) = writer.finish().await else { return Outcome::Refused };
                Body::Staged(body)
            }
        });
    }
    match group.propose(operation.encode(), staged).await {
        Ok(committed) => {
            assert_eq!(committed.reply.as_ref(), committed.position.index.to_be_bytes());
            Outcome::Applied(committed.position.index)
        }
        Err(ProposeError::Unknown(_)) => Outcome::Unknown,
        Err(_) => Outcome::Refused,
    }
}
