//! Whether the file system below a folder takes writes that go past the page cache (`O_DIRECT`).
//!
//! What RocksDB flushes and merges is written once and rarely read soon: copying it into the page cache costs as much as everything else
//! that a large message costs. Some file systems refuse such writes when a file is opened, some when it is written (memory, some
//! overlays and network mounts), so both are tried.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

/// Larger than any block that a disk insists on.
const BLOCK: usize = 4096;

/// How RocksDB writes its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableWrites {
    /// Past the page cache.
    Direct,
    /// Through it.
    Cached,
}

/// Tries it with a file that is gone afterwards.
pub(super) fn table_writes(dir: &Path) -> TableWrites {
    let path = dir.join("direct-io");
    let tried = write_directly(&path);
    // It may never have been there.
    drop(std::fs::remove_file(&path));
    match tried {
        Ok(()) => TableWrites::Direct,
        Err(error) => {
            tracing::info!(%error, "the file system takes no direct writes: tables go through the page cache");
            TableWrites::Cached
        }
    }
}

fn write_directly(path: &Path) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
    let mut file = File::from(openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)?);
    let space = [0; 2 * BLOCK];
    let start = space.as_ptr().align_offset(BLOCK);
    let block = space.get(start..start.saturating_add(BLOCK)).ok_or(io::ErrorKind::Unsupported)?;
    file.write_all(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_takes_no_direct_writes_is_known_and_nothing_stays() {
        let dir = tempfile::tempdir().unwrap();
        // What it says depends on the machine; that it says it and leaves nothing does not.
        let _ = table_writes(dir.path());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(table_writes(&dir.path().join("missing")), TableWrites::Cached);
    }
}
