//! Starting a node: the disk, who it belongs to, the runtime, the listener, the replicas.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::Semaphore;

use crate::config::{NodeConfig, raft_config};
use crate::engine::{Batch, Cf, Engine, MemoryBudget, RocksEngine};
use crate::entry_cache::CacheBudget;
use crate::error::OpenError;
use crate::ids::{DiskId, NodeId};
use crate::janitor::LogBounds;
use crate::limits::{MEMORY_BYTES_MIN, NODE_PROPOSAL_BYTES_MAX};
use crate::node::{Node, NodeShared};
use crate::pipeline::Pipeline;
use crate::reclaim::{self, SweepBounds, Sweeps};
use crate::replica::{Disk, Replica, present_groups};
use crate::runtime::random_u128;
use crate::state_machine::StateMachine;
use crate::transport::{Acquaintances, AddressBook, Dial, Identity, Peers, Tls, TonicDial, listen};

/// The layout of the directory that this version writes.
const FORMAT: u32 = 1;

const KEY_FORMAT: &[u8] = b"format";
const KEY_NODE: &[u8] = b"node";
const KEY_CLUSTER: &[u8] = b"cluster";
const KEY_DISK: &[u8] = b"disk";

/// What a node is made of, apart from its disk; the simulator brings its own.
pub(crate) struct Parts {
    pub(crate) node: NodeId,
    pub(crate) cluster: Option<u128>,
    pub(crate) memory_bytes: usize,
    pub(crate) addresses: AddressBook,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) machine: Arc<dyn StateMachine>,
    pub(crate) log_bounds: LogBounds,
    pub(crate) sweep_bounds: SweepBounds,
    pub(crate) runtime: Handle,
}

impl Node {
    /// Opens or creates a node's directory and starts every replica in it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(config: NodeConfig, machine: Arc<dyn StateMachine>) -> BoxFuture<'static, Result<Self, OpenError>> {
        Self::open_with(config, machine, LogBounds::default()).boxed()
    }

    /// As [`open`](Self::open), cutting logs as `log_bounds` says.
    pub(crate) async fn open_with(
        config: NodeConfig,
        machine: Arc<dyn StateMachine>,
        log_bounds: LogBounds,
    ) -> Result<Self, OpenError> {
        let memory_bytes = config.memory_bytes.max(MEMORY_BYTES_MIN);
        let dir = config.data_dir.clone();
        let opened = tokio::task::spawn_blocking(move || RocksEngine::open(&dir, memory_bytes)).await;
        let engine = opened.map_err(io::Error::other)??;
        let runtime = Builder::new_multi_thread()
            .worker_threads(config.threads.max(1))
            .thread_name("raft")
            .enable_all()
            .build()?;
        let tls = config.tls.as_ref().map(Tls::load).transpose()?;
        let parts = Parts {
            node: config.node,
            cluster: config.cluster,
            memory_bytes,
            addresses: config.peers.clone(),
            dial: Arc::new(TonicDial::new(config.peers.clone(), tls.clone())),
            machine,
            log_bounds,
            sweep_bounds: SweepBounds::default(),
            runtime: runtime.handle().clone(),
        };
        let started = runtime.spawn(async move {
            let mut node = Self::start(engine, parts).await?;
            if let Some(address) = config.listen {
                let listener = TcpListener::bind(address).await?;
                node.listening = Some(listener.local_addr()?);
                let peers = Arc::clone(&node.shared.peers);
                node.shared.spawn(async move {
                    if let Err(error) = listen(peers, listener, tls.as_ref(), std::future::pending()).await {
                        tracing::error!(%error, "the peer service stopped");
                    }
                });
            }
            Ok::<_, OpenError>(node)
        });
        match started.await.map_err(io::Error::other) {
            Ok(Ok(mut node)) => {
                node.runtime = Some(runtime);
                Ok(node)
            }
            Ok(Err(error)) => {
                runtime.shutdown_background();
                Err(error)
            }
            Err(error) => {
                runtime.shutdown_background();
                Err(error.into())
            }
        }
    }

    /// Starts a node on a disk, on the current runtime.
    pub(crate) async fn start(engine: Arc<dyn Engine>, parts: Parts) -> Result<Self, OpenError> {
        let pipeline = Pipeline::start(Arc::clone(&engine))?;
        let identity = match identify(&*engine, &pipeline, parts.node, parts.cluster).await {
            Ok(identity) => identity,
            Err(error) => {
                pipeline.end();
                return Err(error);
            }
        };
        let disk = Disk {
            engine: Arc::clone(&engine),
            pipeline: Arc::clone(&pipeline),
            cache: CacheBudget::new(MemoryBudget { total: parts.memory_bytes }.entry_cache()),
            sweeps: Arc::new(Sweeps { bounds: parts.sweep_bounds, ..Sweeps::default() }),
            freed: Arc::default(),
        };
        let acquaintances = Acquaintances::load(&*engine, pipeline)?;
        let peers =
            Peers::new(identity, acquaintances, parts.addresses, parts.dial, Arc::clone(&engine), parts.runtime);
        let shared = Arc::new(NodeShared {
            id: parts.node,
            disk,
            peers,
            machine: parts.machine,
            raft_config: raft_config(),
            log_bounds: parts.log_bounds,
            room: Arc::new(Semaphore::new(NODE_PROPOSAL_BYTES_MAX)),
            groups: parking_lot::RwLock::default(),
            tasks: parking_lot::Mutex::default(),
            creating: tokio::sync::Mutex::default(),
            ending: AtomicBool::new(false),
        });
        let node = Self { shared, runtime: None, listening: None };
        let present = present_groups(&*engine)?;
        reclaim::remove_strangers(&node.shared.disk, present.clone()).await?;
        for group in present {
            let replica = Replica::open(group, node.shared.disk.clone())?;
            node.shared.start_group(replica).await?;
        }
        node.shared.start_chores();
        Ok(node)
    }
}

/// Checks whose disk this is, or makes it this node's; gives who this node is to its peers.
async fn identify(
    engine: &dyn Engine,
    pipeline: &Pipeline,
    node: NodeId,
    cluster: Option<u128>,
) -> Result<Identity, OpenError> {
    if node.0 == 0 {
        return Err(OpenError::InvalidNode);
    }
    if let Some(format) = stored(engine, KEY_FORMAT)? {
        let format = u32::from_be_bytes(format);
        if format != FORMAT {
            return Err(OpenError::Format(format));
        }
    }
    if let Some(found) = stored(engine, KEY_NODE)? {
        let found = NodeId(u64::from_be_bytes(found));
        if found != node {
            return Err(OpenError::OtherNode { found, expected: node });
        }
    }
    let found = stored(engine, KEY_CLUSTER)?.map(u128::from_be_bytes);
    if let (Some(found), Some(expected)) = (found, cluster)
        && found != expected
    {
        return Err(OpenError::OtherCluster { found, expected });
    }
    let disk = stored(engine, KEY_DISK)?.map(u128::from_be_bytes);
    if let (Some(cluster), Some(disk)) = (found, disk) {
        return Ok(Identity { cluster, node, disk: DiskId(disk) });
    }
    let identity =
        Identity { cluster: found.or(cluster).unwrap_or_else(random_u128), node, disk: DiskId(random_u128()) };
    let mut batch = Batch::new();
    batch.put(Cf::Meta, KEY_FORMAT, &FORMAT.to_be_bytes());
    batch.put(Cf::Meta, KEY_NODE, &node.0.to_be_bytes());
    batch.put(Cf::Meta, KEY_CLUSTER, &identity.cluster.to_be_bytes());
    batch.put(Cf::Meta, KEY_DISK, &identity.disk.0.to_be_bytes());
    pipeline.write_synced(batch).await?;
    Ok(identity)
}

fn stored<const N: usize>(engine: &dyn Engine, key: &[u8]) -> io::Result<Option<[u8; N]>> {
    let Some(bytes) = engine.get(Cf::Meta, key)? else { return Ok(None) };
    let array = bytes.as_ref().try_into();
    array.map(Some).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the node's identity is damaged"))
}
