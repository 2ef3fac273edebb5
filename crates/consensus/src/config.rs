//! What a node is started with, and the settings of Raft that follow from the limits.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use openraft::{Config, SnapshotPolicy};

use crate::ids::NodeId;
use crate::limits::{ELECTION_MAX, ELECTION_MIN, HEARTBEAT};
use crate::transport::{AddressBook, TlsFiles};

/// The memory budget of a node whose operator says nothing: 256 MiB.
pub const MEMORY_BYTES_DEFAULT: usize = 256 << 20;

/// How a node is started.
#[derive(Clone)]
pub struct NodeConfig {
    /// Where everything is stored. Made if it does not exist.
    pub data_dir: PathBuf,
    /// This node. Fixed at the first start; never an id that another disk once had.
    pub node: NodeId,
    /// The cluster; `None` takes the stored one, or a new random one at the first start.
    pub cluster: Option<u128>,
    /// Memory for buffers and caches, in bytes; at least 32 MiB are used.
    pub memory_bytes: usize,
    /// Threads of Raft's own runtime; at least one.
    pub threads: usize,
    /// Where peers connect; `None` for a node that stays alone.
    pub listen: Option<SocketAddr>,
    /// Where the peers are.
    pub peers: AddressBook,
    /// Certificates for the links between nodes; `None` is plain TCP.
    pub tls: Option<TlsFiles>,
}

impl NodeConfig {
    /// A node that stays alone, with default memory and two threads.
    #[must_use]
    pub fn single(data_dir: impl Into<PathBuf>, node: NodeId) -> Self {
        Self {
            data_dir: data_dir.into(),
            node,
            cluster: None,
            memory_bytes: MEMORY_BYTES_DEFAULT,
            threads: 2,
            listen: None,
            peers: AddressBook::new(),
            tls: None,
        }
    }
}

/// Raft's settings, the same for every group.
///
/// Leader restore is off: the state is not synced, so a leader that resumed without an election
/// could answer a read below what it had acknowledged. Snapshots and purges are the janitor's.
pub(crate) fn raft_config() -> Arc<Config> {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Arc::new(Config {
        cluster_name: "yubin".into(),
        heartbeat_interval: millis(HEARTBEAT),
        heartbeat_min_interval: Some(millis(HEARTBEAT)),
        election_timeout_min: millis(ELECTION_MIN),
        election_timeout_max: millis(ELECTION_MAX),
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        allow_log_reversion: Some(false),
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX / 2,
        max_payload_entries: 512,
        max_append_entries: Some(4096),
        install_snapshot_timeout: 3_600_000,
        ..Config::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raft_accepts_the_timing() {
        Config::clone(&raft_config()).validate().unwrap();
    }
}
