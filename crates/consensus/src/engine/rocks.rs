//! The engine on RocksDB.
//!
//! Directory layout: `db/` (RocksDB), `blobs/` (body files), `synced.0` and `synced.1` (witness).
//!
//! The witness: RocksDB's point-in-time recovery silently drops everything after the first bad
//! record of the log, also records that were synced and acknowledged. Once a second, the sequence
//! number that the last sync covered is written to two files in turn. A database that comes back
//! below it has lost acknowledged votes or entries and is refused: the machine must be taken in again
//! on an empty disk.

use std::fs;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB, ReadOptions, WriteBatch, WriteOptions};

use super::direct_io::table_writes;
use super::files::{DiskFiles, sync_dir};
use super::rocks_ffi::{OwnedSnapshot, visit_keys};
use super::rocks_options::{MemoryBudget, Setup, unsynced};
use super::{
    Batch, BodyFiles, BodySpace, Cf, CompactionStep, Direction, Engine, Execution, KeyVisitor, Op, Reads, RowVisitor,
    compaction,
};

const WITNESS_INTERVAL: Duration = Duration::from_secs(1);

/// A disk with RocksDB on it.
pub struct RocksEngine {
    dir: PathBuf,
    db: Arc<DB>,
    files: DiskFiles,
    setup: Setup,
    write_options: WriteOptions,
    synced: AtomicU64,
    witness: Mutex<Witness>,
    failed: AtomicBool,
}

impl RocksEngine {
    /// Opens or creates the directory with `memory` bytes for buffers and caches.
    ///
    /// # Errors
    /// The directory is in use, damaged, or behind its witness.
    pub fn open(dir: &Path, memory: usize) -> io::Result<Arc<Self>> {
        fs::create_dir_all(dir)?;
        let setup = Setup::new(MemoryBudget { total: memory }, table_writes(dir));
        let families = Cf::ALL.map(|cf| ColumnFamilyDescriptor::new(cf.name(), setup.column_family(cf)));
        let db = DB::open_cf_descriptors(&setup.database(), dir.join("db"), families).map_err(io_error)?;
        let witness = Witness::open(dir)?;
        let recovered = db.latest_sequence_number();
        if recovered < witness.synced {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the database came back at write {recovered}, but write {} had been synced: acknowledged data \
                     is lost; start this node on an empty folder and run `yubin ctl node readmit`",
                    witness.synced
                ),
            ));
        }
        let engine = Arc::new(Self {
            dir: dir.to_owned(),
            db: Arc::new(db),
            files: DiskFiles::open(dir.join("blobs"))?,
            setup,
            write_options: unsynced(),
            synced: AtomicU64::new(0),
            witness: Mutex::new(witness),
            failed: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&engine);
        thread::Builder::new().name("sync-witness".into()).spawn(move || keep_witness(&weak))?;
        Ok(engine)
    }

    pub(super) fn family(&self, cf: Cf) -> io::Result<&ColumnFamily> {
        family(&self.db, cf)
    }

    pub(super) fn db(&self) -> &DB {
        &self.db
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    fn record_witness(&self) -> io::Result<()> {
        self.witness.lock().record(self.synced.load(Ordering::Acquire))
    }
}

fn keep_witness(engine: &Weak<RocksEngine>) {
    loop {
        thread::sleep(WITNESS_INTERVAL);
        let Some(engine) = engine.upgrade() else { return };
        // Without a witness only the detection is weaker; a broken disk shows in the log itself.
        if let Err(error) = engine.record_witness() {
            tracing::error!(%error, "could not record the last sync");
        }
    }
}

impl Reads for RocksEngine {
    fn get(&self, cf: Cf, key: &[u8]) -> io::Result<Option<Bytes>> {
        let value = self.db.get_pinned_cf(self.family(cf)?, key).map_err(io_error)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, cf: Cf, from: &[u8], to: &[u8], direction: Direction, visit: &mut RowVisitor<'_>) -> io::Result<()> {
        let rows = self.db.raw_iterator_cf_opt(self.family(cf)?, bounded(from, to));
        scan_rows(rows, direction, visit)
    }
}

impl Engine for RocksEngine {
    fn write(&self, batches: &[Batch]) -> io::Result<()> {
        let weight: usize = batches.iter().map(Batch::weight).sum();
        let mut merged = WriteBatch::with_capacity_bytes(weight + weight / 8 + 64);
        let families =
            [self.family(Cf::Meta)?, self.family(Cf::Raft)?, self.family(Cf::Body)?, self.family(Cf::State)?];
        let family =
            |cf: Cf| families.get(cf.index()).copied().ok_or_else(|| io::Error::other("no such column family"));
        for op in batches.iter().flat_map(Batch::ops) {
            match op {
                Op::Put { cf, key, value } => merged.put_cf(family(cf)?, key, value),
                Op::Delete { cf, key } => merged.delete_cf(family(cf)?, key),
                Op::DeleteRange { cf, from, to } => merged.delete_range_cf(family(cf)?, from, to),
            }
        }
        self.db.write_opt(merged, &self.write_options).map_err(io_error)
    }

    fn sync(&self) -> io::Result<()> {
        let covered = self.db.latest_sequence_number();
        self.db.flush_wal(true).map_err(io_error)?;
        self.synced.store(covered, Ordering::Release);
        Ok(())
    }

    fn scan_keys(&self, cf: Cf, from: &[u8], to: &[u8], visit: &mut KeyVisitor<'_>) -> io::Result<()> {
        visit_keys(&self.db, self.family(cf)?, from, to, visit)
    }

    fn snapshot(&self) -> Arc<dyn Reads> {
        Arc::new(RocksSnapshot(OwnedSnapshot::new(&self.db)))
    }

    fn files(&self) -> &dyn BodyFiles {
        &self.files
    }

    fn execution(&self) -> Execution {
        Execution::Threads
    }

    /// Ends the process: what the kernel still holds is unknown, a restart reads what is there.
    fn fail(&self, error: &io::Error) {
        if !self.failed.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, "the write-ahead log failed: ending the process");
        }
        std::process::abort();
    }

    fn release_range(&self, cf: Cf, from: &[u8], to: &[u8]) {
        let released =
            family(&self.db, cf).and_then(|family| self.db.delete_file_in_range_cf(family, from, to).map_err(io_error));
        if let Err(error) = released {
            tracing::warn!(%error, "could not release whole files; compaction will");
        }
    }

    fn compact_bodies(&self, step: CompactionStep) -> io::Result<BodySpace> {
        compaction::step(self, step)
    }

    fn close(&self) {
        if let Err(error) = self.record_witness() {
            tracing::warn!(%error, "could not record the last sync");
        }
        self.db.cancel_all_background_work(true);
    }

    fn gauges(&self) -> Vec<(&'static str, u64)> {
        let property = |name: &str| self.db.property_int_value(name).ok().flatten().unwrap_or(0);
        let mut gauges = vec![
            ("memtable_bytes", self.setup.buffered_bytes()),
            ("block_cache_bytes", property("rocksdb.block-cache-usage")),
            ("background_errors", property("rocksdb.background-errors")),
            ("write_stopped", property("rocksdb.is-write-stopped")),
        ];
        if let Ok(family) = self.family(Cf::Body) {
            let property = |name: &str| self.db.property_int_value_cf(family, name).ok().flatten().unwrap_or(0);
            gauges.push(("body_bytes", property("rocksdb.total-blob-file-size")));
            let dead = property("rocksdb.live-blob-file-garbage-size");
            gauges.push(("body_bytes_live", property("rocksdb.live-blob-file-size").saturating_sub(dead)));
        }
        gauges
    }
}

/// Reads of one moment.
struct RocksSnapshot(OwnedSnapshot);

impl Reads for RocksSnapshot {
    fn get(&self, cf: Cf, key: &[u8]) -> io::Result<Option<Bytes>> {
        let value = self.0.get().get_pinned_cf(family(self.0.db(), cf)?, key).map_err(io_error)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, cf: Cf, from: &[u8], to: &[u8], direction: Direction, visit: &mut RowVisitor<'_>) -> io::Result<()> {
        let rows = self.0.get().raw_iterator_cf_opt(family(self.0.db(), cf)?, bounded(from, to));
        scan_rows(rows, direction, visit)
    }
}

fn family(db: &DB, cf: Cf) -> io::Result<&ColumnFamily> {
    db.cf_handle(cf.name()).ok_or_else(|| io::Error::other("a column family is missing"))
}

fn bounded(from: &[u8], to: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    options
}

fn scan_rows(mut rows: rocksdb::DBRawIterator<'_>, direction: Direction, visit: &mut RowVisitor<'_>) -> io::Result<()> {
    match direction {
        Direction::Forward => rows.seek_to_first(),
        Direction::Backward => rows.seek_to_last(),
    }
    while let Some((key, value)) = rows.item() {
        if visit(key, value)? == ControlFlow::Break(()) {
            return Ok(());
        }
        match direction {
            Direction::Forward => rows.next(),
            Direction::Backward => rows.prev(),
        }
    }
    rows.status().map_err(io_error)
}

fn io_error(error: rocksdb::Error) -> io::Error {
    let kind = match error.kind() {
        rocksdb::ErrorKind::Corruption => io::ErrorKind::InvalidData,
        rocksdb::ErrorKind::NotFound => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error.into_string())
}

/// The two witness files.
struct Witness {
    dir: PathBuf,
    synced: u64,
    next: usize,
}

impl Witness {
    const NAMES: [&'static str; 2] = ["synced.0", "synced.1"];

    fn open(dir: &Path) -> io::Result<Self> {
        let mut synced = 0;
        for name in Self::NAMES {
            match fs::read(dir.join(name)) {
                Ok(bytes) => synced = synced.max(Self::decode(&bytes).unwrap_or(0)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { dir: dir.to_owned(), synced, next: 0 })
    }

    /// A file torn by a crash fails its checksum; the other one holds.
    fn decode(bytes: &[u8]) -> Option<u64> {
        let (number, crc) = bytes.split_first_chunk::<8>()?;
        (crc32c::crc32c(number).to_be_bytes() == crc).then(|| u64::from_be_bytes(*number))
    }

    fn record(&mut self, synced: u64) -> io::Result<()> {
        if synced <= self.synced {
            return Ok(());
        }
        let name = Self::NAMES.get(self.next % 2).copied().unwrap_or("synced.0");
        let path = self.dir.join(name);
        let fresh = !path.exists();
        let mut bytes = synced.to_be_bytes().to_vec();
        bytes.extend(crc32c::crc32c(&synced.to_be_bytes()).to_be_bytes());
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        if fresh {
            sync_dir(&self.dir)?;
        }
        self.synced = synced;
        self.next += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &[u8]) -> Batch {
        let mut batch = Batch::new();
        batch.put(Cf::State, key, b"v");
        batch
    }

    #[test]
    fn a_snapshot_keeps_its_moment_and_scans_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let engine = RocksEngine::open(dir.path(), 16 << 20).unwrap();
        engine.write(&[put(b"a"), put(b"b"), put(b"c")]).unwrap();
        let before = engine.snapshot();
        let mut drop_b = Batch::new();
        drop_b.delete(Cf::State, b"b");
        engine.write(&[drop_b]).unwrap();
        let keys = |reads: &dyn Reads, direction| {
            let mut keys = Vec::new();
            reads
                .scan(Cf::State, b"a", b"c", direction, &mut |key, _| {
                    keys.push(key.to_vec());
                    Ok(ControlFlow::Continue(()))
                })
                .unwrap();
            keys
        };
        assert_eq!(keys(&*before, Direction::Backward), [b"b", b"a"]);
        assert_eq!(keys(&*engine, Direction::Forward), [b"a"]);
        let mut found = Vec::new();
        let mut visit = |key: &[u8]| {
            found.push(key.to_vec());
            Ok(if key == b"c" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        engine.scan_keys(Cf::State, b"a", b"z", &mut visit).unwrap();
        engine.scan_keys(Cf::State, b"b", b"c", &mut visit).unwrap();
        assert_eq!(found, [b"a", b"c"]);
        assert_eq!(before.get(Cf::State, b"b").unwrap().unwrap(), "v");
        assert_eq!(engine.get(Cf::State, b"b").unwrap(), None);
    }

    #[test]
    fn a_database_behind_its_witness_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let engine = RocksEngine::open(dir.path(), 16 << 20).unwrap();
        engine.write(&[put(b"a")]).unwrap();
        engine.sync().unwrap();
        engine.close();
        drop(engine);
        RocksEngine::open(dir.path(), 16 << 20).map(drop).unwrap();
        Witness::open(dir.path()).unwrap().record(1 << 40).unwrap();
        let error = RocksEngine::open(dir.path(), 16 << 20).map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
