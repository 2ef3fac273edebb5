//! Body files on a real file system: `blobs/g<group>/<id>`, and `tmp/` beside them while they grow.
//!
//! A file has its final name only when its bytes are durable, and `finish` returns only when its
//! name is: the file is synced, renamed, and the directory synced, in that order (and new
//! directories up to the root when they are made). One sync of a directory serves all whose files
//! were renamed before it began. Until then the file does not count as there. At start, what lies
//! in `tmp/` is removed, and every directory is synced: a name that a killed process gave and did
//! not make durable is made so before anybody relies on it.
//!
//! A file's age is the time since it was made or last touched. Touching one and removing it because
//! it is old exclude each other.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::ids::GroupId;
use crate::limits::BODY_TOUCH_AGE;

/// A body file found on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// The body's id.
    pub id: u128,
    /// Time since it was made or touched.
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
    /// Length of a finished file, `None` if there is none: it is durable, and so is its name.
    fn len(&self, group: GroupId, id: u128) -> io::Result<Option<u64>>;
    /// As [`BodyFiles::len`], and a file that is there counts as younger than [`BODY_TOUCH_AGE`].
    fn touch(&self, group: GroupId, id: u128) -> io::Result<Option<u64>>;
    /// Every group that has a directory, in no particular order.
    fn groups(&self) -> io::Result<Vec<GroupId>>;
    /// Every finished file of a group, in no particular order.
    fn list(&self, group: GroupId) -> io::Result<Vec<FileStat>>;
    /// Removes a file if it is there.
    fn remove(&self, group: GroupId, id: u128) -> io::Result<()>;
    /// Removes a file if it is there and of this age at least: nobody touched it meanwhile.
    fn remove_old(&self, group: GroupId, id: u128, age_min: Duration) -> io::Result<()>;
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
    folders: Mutex<HashMap<GroupId, Arc<Folder>>>,
}

impl DiskFiles {
    /// Opens `root`, making it if needed, and empties every `tmp/`.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        if !root.is_dir() {
            fs::create_dir_all(&root)?;
            sync_dir(root.parent().unwrap_or(&root))?;
        }
        for group in fs::read_dir(&root)? {
            let dir = group?.path();
            let tmp = dir.join("tmp");
            if tmp.is_dir() {
                for file in fs::read_dir(&tmp)? {
                    fs::remove_file(file?.path())?;
                }
                sync_dir(&dir)?;
            }
        }
        Ok(Self { root, folders: Mutex::default() })
    }

    fn folder(&self, group: GroupId) -> Arc<Folder> {
        Arc::clone(self.folders.lock().entry(group).or_default())
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
        let folder = self.folder(group);
        Ok(Box::new(DiskSink { id, file: Some(file), tmp, path: self.path(group, id), dir, folder }))
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
        let Some(meta) = found(fs::metadata(self.path(group, id)))? else { return Ok(None) };
        // In this order: whatever has its name by now and is not unsettled any more is durable.
        let unsettled = self.folder(group).unsettled.lock().contains(&id);
        Ok((!unsettled).then_some(meta.len()))
    }

    fn touch(&self, group: GroupId, id: u128) -> io::Result<Option<u64>> {
        let folder = self.folder(group);
        let _alone = folder.removing.lock();
        let Some(len) = self.len(group, id)? else { return Ok(None) };
        let path = self.path(group, id);
        if age(&fs::metadata(&path)?)? >= BODY_TOUCH_AGE {
            File::open(path)?.set_modified(SystemTime::now())?;
        }
        Ok(Some(len))
    }

    fn groups(&self) -> io::Result<Vec<GroupId>> {
        let mut groups = Vec::new();
        for dir in fs::read_dir(&self.root)? {
            let name = dir?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix('g')?.parse().ok());
            groups.extend(number.map(GroupId));
        }
        Ok(groups)
    }

    fn list(&self, group: GroupId) -> io::Result<Vec<FileStat>> {
        let dir = self.dir(group);
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for file in fs::read_dir(dir)? {
            let file = file?;
            let name = file.file_name();
            let Some(id) = name.to_str().and_then(|name| u128::from_str_radix(name, 16).ok()) else {
                continue;
            };
            // One that is being removed at the same time is none.
            let Some(meta) = self::found(file.metadata())? else { continue };
            found.push(FileStat { id, age: age(&meta)? });
        }
        Ok(found)
    }

    fn remove(&self, group: GroupId, id: u128) -> io::Result<()> {
        found(fs::remove_file(self.path(group, id))).map(drop)
    }

    fn remove_old(&self, group: GroupId, id: u128, age_min: Duration) -> io::Result<()> {
        let folder = self.folder(group);
        let _alone = folder.removing.lock();
        let Some(meta) = found(fs::metadata(self.path(group, id)))? else { return Ok(()) };
        if age(&meta)? >= age_min { self.remove(group, id) } else { Ok(()) }
    }
}

/// Time since a file was made or touched. A clock that went back makes files young, and they stay.
fn age(file: &fs::Metadata) -> io::Result<Duration> {
    Ok(SystemTime::now().duration_since(file.modified()?).unwrap_or_default())
}

/// What was found, if anything.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The files of one group.
#[derive(Default)]
struct Folder {
    names: NameSync,
    /// Files whose name is given and not known to be durable.
    unsettled: Mutex<BTreeSet<u128>>,
    /// Held while a file is touched, or removed because nobody did.
    removing: Mutex<()>,
}

struct DiskSink {
    id: u128,
    file: Option<File>,
    tmp: PathBuf,
    path: PathBuf,
    dir: PathBuf,
    folder: Arc<Folder>,
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
        // If one of these fails, it stays there until the next start: whether the name is durable is unknown.
        self.folder.unsettled.lock().insert(self.id);
        fs::rename(&self.tmp, &self.path)?;
        self.folder.names.sync(&self.dir)?;
        self.folder.unsettled.lock().remove(&self.id);
        Ok(())
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

/// Makes the names in one directory durable, for all at once who wait for it.
#[derive(Default)]
struct NameSync {
    /// Names given so far.
    given: AtomicU64,
    synced: Mutex<Synced>,
}

#[derive(Clone, Copy)]
enum Synced {
    /// That many of them are durable.
    Names(u64),
    /// A sync failed: what it should have made durable is unknown, and a second one may lie.
    Failed,
}

impl Default for Synced {
    fn default() -> Self {
        Self::Names(0)
    }
}

impl NameSync {
    /// To be called after the name was given.
    fn sync(&self, dir: &Path) -> io::Result<()> {
        let mine = self.given.fetch_add(1, Ordering::SeqCst) + 1;
        // Whoever comes first syncs for those that queue up here meanwhile.
        let mut synced = self.synced.lock();
        match *synced {
            Synced::Names(names) if names >= mine => return Ok(()),
            Synced::Names(_) => {}
            Synced::Failed => return Err(io::Error::other("an earlier sync of the directory failed")),
        }
        let given = self.given.load(Ordering::SeqCst);
        *synced = Synced::Failed;
        sync_dir(dir)?;
        *synced = Synced::Names(given);
        Ok(())
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
    fn a_name_counts_as_durable_only_after_a_sync_that_began_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let names = NameSync::default();
        names.sync(dir.path()).unwrap();
        assert!(matches!(*names.synced.lock(), Synced::Names(1)));
        // Two were given while somebody else synced; the first of them syncs for both.
        names.given.fetch_add(1, Ordering::SeqCst);
        names.sync(dir.path()).unwrap();
        assert!(matches!(*names.synced.lock(), Synced::Names(3)));
        assert!(names.sync(&dir.path().join("gone")).is_err());
        assert!(names.sync(dir.path()).is_err(), "a sync after a failed one was believed");
    }

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
        assert_eq!(files.groups().unwrap(), [group]);
        files.remove(group, 9).unwrap();
        files.remove(group, 9).unwrap();
        assert_eq!(files.len(group, 9).unwrap(), None);
        assert_eq!(files.touch(group, 9).unwrap(), None);
        files.remove_old(group, 9, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_file_whose_name_may_not_be_durable_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let group = GroupId(3);
        let files = DiskFiles::open(dir.path().join("blobs")).unwrap();
        let mut sink = files.create(group, 9).unwrap();
        sink.write(b"hello").unwrap();
        *files.folder(group).names.synced.lock() = Synced::Failed;
        assert!(sink.finish().is_err());
        assert!(dir.path().join("blobs/g3").join(format!("{:032x}", 9)).exists());
        assert_eq!((files.len(group, 9).unwrap(), files.touch(group, 9).unwrap()), (None, None));
        // The next start makes the name durable.
        let files = DiskFiles::open(dir.path().join("blobs")).unwrap();
        assert_eq!(files.len(group, 9).unwrap(), Some(5));
    }

    #[test]
    fn a_file_that_was_touched_is_not_old() {
        let dir = tempfile::tempdir().unwrap();
        let (group, hour) = (GroupId(3), Duration::from_secs(3600));
        let files = DiskFiles::open(dir.path().join("blobs")).unwrap();
        for id in [1, 2] {
            let mut sink = files.create(group, id).unwrap();
            sink.write(b"hello").unwrap();
            sink.finish().unwrap();
            File::open(files.path(group, id)).unwrap().set_modified(SystemTime::now() - 2 * hour).unwrap();
        }
        assert!(files.list(group).unwrap().iter().all(|file| file.age >= hour));
        assert_eq!(files.touch(group, 1).unwrap(), Some(5));
        for id in [1, 2] {
            files.remove_old(group, id, hour).unwrap();
        }
        assert_eq!((files.len(group, 1).unwrap(), files.len(group, 2).unwrap()), (Some(5), None));
    }
}
