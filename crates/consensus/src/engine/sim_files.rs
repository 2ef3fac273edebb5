//! Body files of the simulated disk: finished files survive a crash, unfinished ones do not, and a
//! removal may be undone by it.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::Instant;

use super::files::{BodyFiles, FileSink, FileStat};
use crate::ids::GroupId;

type Name = (GroupId, u128);

#[derive(Default)]
pub(super) struct SimFiles {
    found: Arc<Mutex<Found>>,
}

#[derive(Default)]
struct Found {
    present: BTreeMap<Name, (Bytes, Instant)>,
    removed: BTreeMap<Name, (Bytes, Instant)>,
}

impl SimFiles {
    pub(super) fn crash(&self, rng: &mut StdRng) -> Self {
        let found = self.found.lock();
        let mut present = found.present.clone();
        for (name, file) in &found.removed {
            if rng.random() {
                present.entry(*name).or_insert_with(|| file.clone());
            }
        }
        Self { found: Arc::new(Mutex::new(Found { present, removed: BTreeMap::new() })) }
    }
}

impl BodyFiles for SimFiles {
    fn create(&self, group: GroupId, id: u128) -> io::Result<Box<dyn FileSink>> {
        Ok(Box::new(SimSink { name: (group, id), bytes: Vec::new(), found: Arc::clone(&self.found) }))
    }

    fn read(&self, group: GroupId, id: u128, range: Range<u64>) -> io::Result<Bytes> {
        let found = self.found.lock();
        let (bytes, _) = found.present.get(&(group, id)).ok_or(io::ErrorKind::NotFound)?;
        let start = usize::try_from(range.start).map_err(io::Error::other)?;
        let end = usize::try_from(range.end).map_err(io::Error::other)?;
        if start > end || end > bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes.slice(start..end))
    }

    fn len(&self, group: GroupId, id: u128) -> io::Result<Option<u64>> {
        Ok(self.found.lock().present.get(&(group, id)).map(|(bytes, _)| bytes.len() as u64))
    }

    fn list(&self, group: GroupId) -> io::Result<Vec<FileStat>> {
        let found = self.found.lock();
        let all = found.present.range((group, 0)..=(group, u128::MAX));
        Ok(all.map(|((_, id), (_, made))| FileStat { id: *id, age: made.elapsed() }).collect())
    }

    fn remove(&self, group: GroupId, id: u128) -> io::Result<()> {
        let mut found = self.found.lock();
        if let Some(file) = found.present.remove(&(group, id)) {
            found.removed.insert((group, id), file);
        }
        Ok(())
    }
}

struct SimSink {
    name: Name,
    bytes: Vec<u8>,
    found: Arc<Mutex<Found>>,
}

impl FileSink for SimSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.found.lock().present.insert(self.name, (self.bytes.into(), Instant::now()));
        Ok(())
    }
}
