//! The Raft library's own tests of a store, on both engines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::applier::Applier;
use crate::engine::{Engine, RocksEngine, SimEngine};
use crate::entry_cache::CacheBudget;
use crate::ids::GroupId;
use crate::log_store::LogStore;
use crate::node_test::Counter;
use crate::pipeline::Pipeline;
use crate::raft_types::TypeConfig;
use crate::replica::{Disk, Replica};

/// A fresh disk for each test.
struct OnSim;

/// One database for all tests, a fresh group for each, so that groups prove to be apart.
struct OnRocks {
    disk: Disk,
    groups: AtomicU64,
    _dir: TempDir,
}

impl Drop for OnRocks {
    fn drop(&mut self) {
        self.disk.pipeline.end();
    }
}

fn disk(engine: Arc<dyn Engine>, cache_bytes: usize) -> Disk {
    let pipeline = Pipeline::start(Arc::clone(&engine)).unwrap();
    Disk { engine, pipeline, cache: CacheBudget::new(cache_bytes), sweeps: Arc::default(), freed: Arc::default() }
}

fn stores(group: u32, disk: Disk) -> (LogStore, Applier) {
    let replica = Replica::open(GroupId(group), disk).unwrap();
    (LogStore::new(Arc::clone(&replica)), Applier::new(replica, Arc::new(Counter::default())))
}

impl StoreBuilder<TypeConfig, LogStore, Applier> for OnSim {
    async fn build(&self) -> Result<((), LogStore, Applier), StorageError<TypeConfig>> {
        let (log, machine) = stores(1, disk(SimEngine::new(1), 1 << 20));
        Ok(((), log, machine))
    }
}

impl StoreBuilder<TypeConfig, LogStore, Applier> for OnRocks {
    async fn build(&self) -> Result<((), LogStore, Applier), StorageError<TypeConfig>> {
        let group = u32::try_from(self.groups.fetch_add(1, Ordering::Relaxed)).unwrap();
        let (log, machine) = stores(group, self.disk.clone());
        Ok(((), log, machine))
    }
}

#[tokio::test]
async fn the_simulated_disk_keeps_the_librarys_contract() {
    Suite::test_all(OnSim).await.unwrap();
}

#[tokio::test]
async fn rocksdb_keeps_the_librarys_contract_without_a_cache() {
    let dir = tempfile::tempdir().unwrap();
    let engine = RocksEngine::open(dir.path(), 32 << 20).unwrap();
    // No cache: every read after the write comes from the database.
    let rocks = OnRocks { disk: disk(engine, 0), groups: AtomicU64::new(1), _dir: dir };
    Suite::test_all(rocks).await.unwrap();
}
