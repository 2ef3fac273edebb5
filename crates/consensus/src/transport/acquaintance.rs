//! Whose disk is behind a node id: a peer is known by the disk it was first met with.
//!
//! A voter that lost its disk has forgotten its vote and the entries it acknowledged. If it came back under its old id, a majority could
//! elect a leader without an acknowledged entry (Raft, Ongaro's dissertation, §3.8 and §11.7.3, wants both to be stable). So every node remembers,
//! durably, the disk of each peer from their first meeting on, and speaks to no other disk under that id until it is told to
//! [`forget`](Acquaintances::forget) the old one, which is safe once the id is no voter any more. Nodes meet all peers they have an
//! address of soon after they start, so that the memory is not only a leader's.
//!
//! A folder that was put back from an old copy has the same disk id, and is not noticed.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::error::{Refusal, RefusalCode};
use crate::engine::{Batch, Cf, Direction, Engine};
use crate::ids::{DiskId, NodeId};
use crate::pipeline::Pipeline;

const KEY: &[u8] = b"peer-disk/";
const KEYS_END: &[u8] = b"peer-disk0";

/// The disks of this node's peers.
pub(crate) struct Acquaintances {
    /// Held while a disk is written down, so that nobody relies on what a crash could undo.
    known: Mutex<BTreeMap<NodeId, DiskId>>,
    pipeline: Arc<Pipeline>,
}

impl Acquaintances {
    /// What the disk remembers.
    pub(crate) fn load(engine: &dyn Engine, pipeline: Arc<Pipeline>) -> io::Result<Self> {
        let mut known = BTreeMap::new();
        engine.scan(Cf::Meta, KEY, KEYS_END, Direction::Forward, &mut |key, disk| {
            let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the memory of a peer's disk is damaged");
            let node = key.strip_prefix(KEY).and_then(|id| id.try_into().ok()).ok_or_else(damaged)?;
            let disk = disk.try_into().map_err(|_| damaged())?;
            known.insert(NodeId(u64::from_be_bytes(node)), DiskId(u128::from_be_bytes(disk)));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self { known: Mutex::new(known), pipeline })
    }

    /// Checks the disk of a peer; that of one who is met for the first time is remembered from now on.
    ///
    /// # Errors
    /// [`RefusalCode::Identity`]: the peer is known by another disk. [`RefusalCode::Failed`]: this disk failed.
    pub(crate) async fn meet(&self, node: NodeId, disk: DiskId) -> Result<(), Refusal> {
        let mut known = self.known.lock().await;
        match known.get(&node) {
            Some(remembered) if *remembered == disk => Ok(()),
            Some(remembered) => Err(Refusal::new(
                RefusalCode::Identity,
                format!(
                    "node {node} has disk {disk}, and is known by disk {remembered}: if its disk was lost, \
                     run `yubin ctl node readmit {node}`"
                ),
            )),
            None => {
                let mut batch = Batch::new();
                batch.put(Cf::Meta, &key(node), &disk.0.to_be_bytes());
                let written = self.pipeline.write_synced(batch).await;
                written.map_err(|error| Refusal::new(RefusalCode::Failed, error))?;
                known.insert(node, disk);
                Ok(())
            }
        }
    }

    /// Forgets a peer's disk: the next one it comes with is remembered. Only for a node that votes nowhere.
    pub(crate) async fn forget(&self, node: NodeId) -> io::Result<()> {
        let mut known = self.known.lock().await;
        let mut batch = Batch::new();
        batch.delete(Cf::Meta, &key(node));
        self.pipeline.write_synced(batch).await?;
        known.remove(&node);
        Ok(())
    }

    /// All that are known.
    pub(crate) async fn all(&self) -> BTreeMap<NodeId, DiskId> {
        self.known.lock().await.clone()
    }
}

fn key(node: NodeId) -> Vec<u8> {
    [KEY, &node.0.to_be_bytes()].concat()
}
