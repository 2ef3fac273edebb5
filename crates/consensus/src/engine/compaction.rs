//! Giving the space of removed inline bodies back to the file system.
//!
//! Bodies lie in blob files, which RocksDB never changes: one goes when everything in it is dead, and that a body is dead it learns
//! when a compaction meets its removal. Its own garbage collection stays off. Switched on, every compaction would rewrite the live
//! bodies of the oldest files it meets, of a store that nothing is ever removed from, too. Instead, when enough was removed:
//!
//! 1. The tables are merged, which costs about 70 bytes for each stored body. Files that are dead as a whole go.
//! 2. If more of the rest is dead than [`BODY_DEAD_PERCENT_MAX`], live bodies of the oldest files are moved, a portion of the files
//!    at a time, until no longer or all were met once. With a share g dead, that writes (1 - g) / g bytes for each byte it frees:
//!    2.3 at 30 %; a whole round writes what is live, and the tables once per portion. A portion is bounded, since its old files go
//!    only when the new ones are there; and it is made smaller, or left, where the disk has no room for that: a compaction that
//!    finds no room ends the process.

use std::io;

use rocksdb::ColumnFamily;

use super::rocks::RocksEngine;
use super::rocks_ffi::{Relocation, compact};
use super::{BodySpace, Cf, CompactionStep};
use crate::limits::{BODY_DEAD_PERCENT_MAX, BODY_DEAD_PERCENT_MAX_SHORT, COMPACTION_PORTIONS};

impl BodySpace {
    /// Whether so much of it is dead that live bodies are worth moving.
    pub(crate) fn is_wasteful(&self) -> bool {
        let percent_max = if self.short { BODY_DEAD_PERCENT_MAX_SHORT } else { BODY_DEAD_PERCENT_MAX };
        self.bytes_dead.saturating_mul(100) > self.bytes.saturating_mul(percent_max)
    }
}

/// One step; blocks for as long as it takes.
pub(super) fn step(engine: &RocksEngine, step: CompactionStep) -> io::Result<BodySpace> {
    let family = engine.family(Cf::Body)?;
    let space = look(engine, family)?;
    let property = |name: &str| engine.db().property_int_value_cf(family, name).ok().flatten().unwrap_or(0);
    // The tables and the bodies in memory are written anew before anything goes.
    let tables = property("rocksdb.total-sst-files-size") + property("rocksdb.cur-size-all-mem-tables");
    let room = space.bytes_free.saturating_sub(tables.saturating_mul(2));
    match step {
        CompactionStep::Merge if room > 0 => compact(engine.db(), family, Relocation::None),
        CompactionStep::Relocate => {
            let files = property("rocksdb.num-blob-files").max(1);
            let mean = (space.bytes / files).max(1);
            let portion = files.div_ceil(COMPACTION_PORTIONS).min(room / mean / 2);
            if portion == 0 {
                return Err(no_room(&space));
            }
            compact(engine.db(), family, Relocation::Oldest { files: portion, of: files });
        }
        CompactionStep::Merge => return Err(no_room(&space)),
    }
    look(engine, family)
}

fn look(engine: &RocksEngine, family: &ColumnFamily) -> io::Result<BodySpace> {
    let property = |name: &str| engine.db().property_int_value_cf(family, name).ok().flatten().unwrap_or(0);
    let disk = rustix::fs::statvfs(engine.dir())?;
    let (bytes_free, bytes_all) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
    Ok(BodySpace {
        bytes: property("rocksdb.live-blob-file-size"),
        bytes_dead: property("rocksdb.live-blob-file-garbage-size"),
        bytes_free,
        short: bytes_free < bytes_all / 10,
    })
}

fn no_room(space: &BodySpace) -> io::Error {
    io::Error::new(
        io::ErrorKind::StorageFull,
        format!("{} bytes are free: too few to move what is alive", space.bytes_free),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Batch, Engine, Reads};

    #[test]
    fn the_space_of_removed_bodies_is_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let engine = RocksEngine::open(dir.path(), 16 << 20).unwrap();
        let key = |number: u32| number.to_be_bytes();
        let body = vec![7; 100 << 10];
        for number in 0..300 {
            let mut batch = Batch::new();
            batch.put(Cf::Body, &key(number), &body);
            engine.write(&[batch]).unwrap();
        }
        let before = engine.compact_bodies(CompactionStep::Merge).unwrap();
        assert!(before.bytes > 30_000_000 && before.bytes_dead == 0, "{before:?}");
        // No file is dead as a whole.
        let mut batch = Batch::new();
        for number in (0..300).filter(|number| number % 3 != 0) {
            batch.delete(Cf::Body, &key(number));
        }
        engine.write(&[batch]).unwrap();
        let mut after = engine.compact_bodies(CompactionStep::Merge).unwrap();
        assert!(after.bytes_dead > 15_000_000 && after.is_wasteful(), "{after:?}");
        for _ in 0..COMPACTION_PORTIONS {
            if after.is_wasteful() {
                after = engine.compact_bodies(CompactionStep::Relocate).unwrap();
            }
        }
        assert!(!after.is_wasteful() && after.bytes < 16_000_000, "{after:?}");
        let mut keys = Vec::new();
        let mut visit = |key: &[u8]| {
            keys.push(u32::from_be_bytes(key.try_into().unwrap()));
            Ok(std::ops::ControlFlow::Continue(()))
        };
        engine.scan_keys(Cf::Body, &[], &[255; 4], &mut visit).unwrap();
        assert_eq!(keys, (0..300).step_by(3).collect::<Vec<_>>());
        for number in 0..300 {
            let found = engine.get(Cf::Body, &key(number)).unwrap();
            assert_eq!(found.is_some_and(|found| found == body), number % 3 == 0);
        }
        engine.close();
    }
}
