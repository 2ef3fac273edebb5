//! Body files on a real file system: `blobs/g<group>/<id>`, and `tmp/` beside them while they grow.
//!
//! A file has its final name only when its bytes are durable, and `finish` returns only when its
//! name is: the file is synced, renamed, and the directory synced, in that order (and new
//! directories up to the root when they are made). What lies in `tmp/` at start is removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::ids::GroupId;

/// A body file found on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// The body's id.
    pub id: u128,
    /// Time since it was made.
    pub age: Duration,
}

/// The body files of every group.
pub trait BodyFiles: Send + Sync {
    /// Starts a file that nobody sees until it is finished.
    ///
    /// # Errors
    /// Of this and every other method: the disk failed.
    fn create(&self, group: GroupId, id: u128) -> io::Result<Box<dyn FileSink>>;
    /// Reads part of a finished file; the range must lie inside it.
    fn read(&self, group: GroupId, id: u128, range: Range<u64>) -> io::Result<Bytes>;
    /// Length of a finished file, `None` if there is none.
    fn len(&self, group: GroupId, id: u128) -> io::Result<Option<u64>>;
    /// Every finished file of a group, in no particular order.
    fn list(&self, group: GroupId) -> io::Result<Vec<FileStat>>;
    /// Removes a file if it is there.
    fn remove(&self, group: GroupId, id: u128) -> io::Result<()>;
}

/// A body file being written.
pub trait FileSink: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// The disk failed.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes the file durable under its final name.
    ///
    /// # Errors
    /// The disk failed.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Body files below a directory.
pub(crate) struct DiskFiles {
    root: PathBuf,
}

impl DiskFiles {
    /// Opens `root`, making it if needed, and empties every `tmp/`.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        if !root.is_dir() {
            fs::create_dir_all(&root)?;
            sync_dir(root.parent().unwrap_or(&root))?;
        }
        for group in fs::read_dir(&root)? {
            let tmp = group?.path().join("tmp");
            if tmp.is_dir() {
                for file in fs::read_dir(&tmp)? {
                    fs::remove_file(file?.path())?;
                }
            }
        }
        Ok(Self { root })
    }

    fn dir(&self, group: GroupId) -> PathBuf {
        self.root.join(format!("g{group}"))
    }

    fn path(&self, group: GroupId, id: u128) -> PathBuf {
        self.dir(group).join(format!("{id:032x}"))
    }
}

impl BodyFiles for DiskFiles {
    fn create(&self, group: GroupId, id: u128) -> io::Result<Box<dyn FileSink>> {
        let dir = self.dir(group);
        let tmp = dir.join("tmp");
        if !tmp.is_dir() {
            fs::create_dir_all(&tmp)?;
            sync_dir(&dir)?;
            sync_dir(&self.root)?;
        }
        let tmp = tmp.join(format!("{id:032x}"));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&tmp)?;
        Ok(Box::new(DiskSink { file: Some(file), tmp, path: self.path(group, id), dir }))
    }

    fn read(&self, group: GroupId, id: u128, range: Range<u64>) -> io::Result<Bytes> {
        let mut file = File::open(self.path(group, id))?;
        file.seek(SeekFrom::Start(range.start))?;
        let len = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }

    fn len(&self, group: GroupId, id: u128) -> io::Result<Option<u64>> {
        match fs::metadata(self.path(group, id)) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, group: GroupId) -> io::Result<Vec<FileStat>> {
        let dir = self.dir(group);
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let now = SystemTime::now();
        let mut found = Vec::new();
        for file in fs::read_dir(dir)? {
            let file = file?;
            let name = file.file_name();
            let Some(id) = name.to_str().and_then(|name| u128::from_str_radix(name, 16).ok()) else {
                continue;
            };
            let modified = file.metadata()?.modified()?;
            found.push(FileStat { id, age: now.duration_since(modified).unwrap_or_default() });
        }
        Ok(found)
    }

    fn remove(&self, group: GroupId, id: u128) -> io::Result<()> {
        match fs::remove_file(self.path(group, id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

struct DiskSink {
    file: Option<File>,
    tmp: PathBuf,
    path: PathBuf,
    dir: PathBuf,
}

impl FileSink for DiskSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let file = self.file.take().ok_or(io::ErrorKind::BrokenPipe)?;
        file.sync_data()?;
        drop(file);
        fs::rename(&self.tmp, &self.path)?;
        sync_dir(&self.dir)
    }
}

impl Drop for DiskSink {
    fn drop(&mut self) {
        // Unfinished: what stays behind after an error here is removed at the next start.
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.tmp);
        }
    }
}

/// Makes names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_exists_only_once_finished_and_tmp_is_emptied_at_start() {
        let dir = tempfile::tempdir().unwrap();
        let group = GroupId(3);
        let files = DiskFiles::open(dir.path().join("blobs")).unwrap();
        let mut sink = files.create(group, 9).unwrap();
        sink.write(b"hello ").unwrap();
        sink.write(b"world").unwrap();
        assert_eq!(files.len(group, 9).unwrap(), None);
        sink.finish().unwrap();
        assert_eq!(files.len(group, 9).unwrap(), Some(11));
        assert_eq!(files.read(group, 9, 6..11).unwrap(), "world");
        assert!(files.read(group, 9, 6..12).is_err());

        let mut left = files.create(group, 10).unwrap();
        left.write(b"x").unwrap();
        std::mem::forget(left);
        let files = DiskFiles::open(dir.path().join("blobs")).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("blobs/g3/tmp")).unwrap().count(), 0);
        assert_eq!(files.list(group).unwrap().iter().map(|stat| stat.id).collect::<Vec<_>>(), [9]);
        files.remove(group, 9).unwrap();
        files.remove(group, 9).unwrap();
        assert_eq!(files.len(group, 9).unwrap(), None);
    }
}
