//! Body files of the simulated disk: finished files survive a crash, unfinished ones do not, and a
//! removal may be undone by it. Their age is that of the machine, which goes on while it is off.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::StdRng;

use super::files::{BodyFiles, FileSink, FileStat};
use crate::ids::GroupId;

type Name = (GroupId, u128);

#[derive(Default)]
pub(super) struct SimFiles {
    found: Arc<Mutex<Found>>,
}

#[derive(Default)]
struct Found {
    /// The machine's time.
    now: Duration,
    /// With the time of the making or last touch.
    present: BTreeMap<Name, (Bytes, Duration)>,
    removed: BTreeMap<Name, (Bytes, Duration)>,
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
        Self { found: Arc::new(Mutex::new(Found { now: found.now, present, removed: BTreeMap::new() })) }
    }

    pub(super) fn advance(&self, by: Duration) {
        self.found.lock().now += by;
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

    fn touch(&self, group: GroupId, id: u128) -> io::Result<Option<u64>> {
        let mut found = self.found.lock();
        let now = found.now;
        Ok(found.present.get_mut(&(group, id)).map(|(bytes, made)| {
            *made = now;
            bytes.len() as u64
        }))
    }

    fn groups(&self) -> io::Result<Vec<GroupId>> {
        let mut groups: Vec<GroupId> = self.found.lock().present.keys().map(|(group, _)| *group).collect();
        groups.dedup();
        Ok(groups)
    }

    fn list(&self, group: GroupId) -> io::Result<Vec<FileStat>> {
        let found = self.found.lock();
        let all = found.present.range((group, 0)..=(group, u128::MAX));
        Ok(all.map(|((_, id), (_, made))| FileStat { id: *id, age: found.now - *made }).collect())
    }

    fn remove(&self, group: GroupId, id: u128) -> io::Result<()> {
        let mut found = self.found.lock();
        if let Some(file) = found.present.remove(&(group, id)) {
            found.removed.insert((group, id), file);
        }
        Ok(())
    }

    fn remove_old(&self, group: GroupId, id: u128, age_min: Duration) -> io::Result<()> {
        let old = {
            let found = self.found.lock();
            found.present.get(&(group, id)).is_some_and(|(_, made)| found.now - *made >= age_min)
        };
        if old { self.remove(group, id) } else { Ok(()) }
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
        let mut found = self.found.lock();
        let now = found.now;
        found.present.insert(self.name, (self.bytes.into(), now));
        Ok(())
    }
}
