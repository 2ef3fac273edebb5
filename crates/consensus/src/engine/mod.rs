//! The disk: ordered keys in four column families, one write-ahead log, and body files.
//!
//! Two implementations: [`RocksEngine`] and [`SimEngine`], whose crashes keep a prefix of what was
//! written. The contract both keep:
//!
//! - `write` applies batches atomically each and in order; what it wrote is visible to reads when
//!   it returns, and survives a crash only as part of a prefix of all writes;
//! - after `sync` returns, everything written before it started survives;
//! - a failed `write` or `sync` is final: the caller reports it to [`Engine::fail`] and writes
//!   nothing more.
//!
//! Only the pipeline calls `write` and `sync`. Reads are made from anywhere and block.

mod batch;
mod compaction;
mod direct_io;
mod files;
mod rocks;
mod rocks_ffi;
mod rocks_options;
mod sim;
mod sim_files;

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use batch::Batch;
pub(crate) use batch::Op;
pub use files::{BodyFiles, FileSink, FileStat};
pub use rocks::RocksEngine;
pub(crate) use rocks_options::MemoryBudget;
pub use sim::{DiskState, SimEngine, SimFaults, SyncState};

/// A column family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cf {
    /// The node's identity and the format version.
    Meta,
    /// Votes, purge markers, thin entries, body tombstones.
    Raft,
    /// Inline bodies.
    Body,
    /// The groups' states.
    State,
}

impl Cf {
    /// Every column family, in the order of [`Cf::index`].
    pub const ALL: [Self; 4] = [Self::Meta, Self::Raft, Self::Body, Self::State];

    /// The name on disk.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "default",
            Self::Raft => "raft",
            Self::Body => "body",
            Self::State => "sm",
        }
    }

    /// Position in [`Cf::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Meta => 0,
            Self::Raft => 1,
            Self::Body => 2,
            Self::State => 3,
        }
    }
}

/// The order of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Backward,
}

/// What a scan does with each row; `Break` ends the scan.
pub type RowVisitor<'a> = dyn FnMut(&[u8], &[u8]) -> io::Result<ControlFlow<()>> + 'a;

/// What a scan does with each key; `Break` ends the scan.
pub type KeyVisitor<'a> = dyn FnMut(&[u8]) -> io::Result<ControlFlow<()>> + 'a;

/// Consistent reads of one moment, or of "now".
pub trait Reads: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// The disk failed or holds damaged data.
    fn get(&self, cf: Cf, key: &[u8]) -> io::Result<Option<Bytes>>;

    /// Visits the rows with `from <= key < to`.
    ///
    /// # Errors
    /// As [`Reads::get`], and whatever the visitor returns.
    fn scan(&self, cf: Cf, from: &[u8], to: &[u8], direction: Direction, visit: &mut RowVisitor<'_>) -> io::Result<()>;
}

/// A step that a simulated disk may delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoStep {
    /// Before a write.
    Write,
    /// Before a sync.
    Sync,
    /// Before anything else that waits for the disk.
    Read,
}

/// How background work of this engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// On threads: the disk blocks.
    Threads,
    /// As tasks of the runtime, so that a seed repeats the run: the disk does not block.
    Tasks,
}

/// A step of giving space back; see [`Engine::compact_bodies`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompactionStep {
    /// Files in which everything is dead go.
    Merge,
    /// Live bodies of some of the oldest files are moved, so that those can go.
    Relocate,
}

/// What inline bodies take of the disk, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BodySpace {
    /// All files of bodies.
    pub bytes: u64,
    /// What of it is known to be dead.
    pub bytes_dead: u64,
    /// What the file system has left.
    pub bytes_free: u64,
    /// Whether that is less than a tenth of it.
    pub short: bool,
}

/// A disk.
pub trait Engine: Reads {
    /// Writes batches, each atomically, in order, without waiting for the disk.
    ///
    /// # Errors
    /// The write-ahead log failed. Final.
    fn write(&self, batches: &[Batch]) -> io::Result<()>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// The write-ahead log failed. Final: a second attempt may lie.
    fn sync(&self) -> io::Result<()>;

    /// Visits the keys with `from <= key < to`, in order, without reading large values.
    ///
    /// # Errors
    /// As [`Reads::scan`].
    fn scan_keys(&self, cf: Cf, from: &[u8], to: &[u8], visit: &mut KeyVisitor<'_>) -> io::Result<()> {
        self.scan(cf, from, to, Direction::Forward, &mut |key, _| visit(key))
    }

    /// The present moment, for as long as the result lives.
    fn snapshot(&self) -> Arc<dyn Reads>;

    /// The body files.
    fn files(&self) -> &dyn BodyFiles;

    /// How the work of this engine is run.
    fn execution(&self) -> Execution;

    /// How long a simulated disk wants a step to take.
    fn pause(&self, _step: IoStep) -> Option<Duration> {
        None
    }

    /// The write path failed: never returns to writing. Production ends the process.
    fn fail(&self, error: &io::Error);

    /// Reclaims space below `to` that whole files occupy; a hint.
    fn release_range(&self, _cf: Cf, _from: &[u8], _to: &[u8]) {}

    /// Gives space of removed inline bodies back to the file system, in steps that block for as long as they take.
    ///
    /// # Errors
    /// `StorageFull` if there is no room to move what is alive; the disk failed.
    fn compact_bodies(&self, _step: CompactionStep) -> io::Result<BodySpace> {
        Ok(BodySpace::default())
    }

    /// Flushes and stops background work before a clean exit.
    fn close(&self) {}

    /// Named measurements for metrics, in bytes or counts.
    fn gauges(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
