//! What a store node is told at its start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use yubin_consensus::TlsFiles;
use yubin_types::Timestamp;

/// The wall clock, handed down so that a test can hold it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A store node of the first hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Node id, never reused.
    pub id: u64,
    /// Where peers reach its Raft service, `host:port`.
    pub peer_address: String,
    /// Where front ends and tools reach its store service, `host:port`.
    pub store_address: String,
}

/// What a store node is told at its start.
#[derive(Clone)]
pub struct StoreSettings {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// This node.
    pub node: u64,
    /// Where peers connect; `None` for a node that stays alone.
    pub listen: Option<SocketAddr>,
    /// The nodes that the cluster begins with; a node alone lists itself. One that joins later is not among them.
    pub members: Vec<Member>,
    /// The cluster's id: the same on every node of a cluster; `None` for a node alone, which makes one at its first start.
    pub cluster: Option<u128>,
    /// Data groups that a new cluster begins with.
    pub data_groups: u32,
    /// Memory for buffers and caches, bytes.
    pub memory_bytes: usize,
    /// Free space that new mail leaves alone, bytes: below it the node refuses bodies.
    pub space_reserve_bytes: u64,
    /// What this node's part of the mail log may take, bytes.
    pub mail_log_bytes: u64,
    /// Threads of Raft's own runtime.
    pub raft_threads: usize,
    /// What peers prove to each other that they belong to the cluster; `None`: nothing, and they speak plain text.
    pub peer_tls: Option<TlsFiles>,
    /// The wall clock.
    pub clock: Clock,
}

impl StoreSettings {
    /// The wall clock of this machine.
    #[must_use]
    pub fn system_clock() -> Clock {
        Arc::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        })
    }
}

impl std::fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreSettings")
            .field("data_dir", &self.data_dir)
            .field("node", &self.node)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}
