//! A simulated disk with the crash behaviour of the real one.
//!
//! Four ordered maps plus the list of writes that are not synced yet. A crash
//! ([`SimEngine::crash`]) gives the disk as the next start finds it: everything synced, and a
//! random prefix of the rest, cut between any two batches. Faults can be set at any time: slow
//! writes and syncs, a full disk, a sync that fails. All choices come from the seed.

use std::collections::BTreeMap;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::sim_files::SimFiles;
use super::{Batch, BodyFiles, Cf, Direction, Engine, Execution, IoStep, Op, Reads, RowVisitor};

type Rows = BTreeMap<Vec<u8>, Bytes>;

/// Four maps, shared with snapshots until the next write.
#[derive(Debug, Clone, Default)]
struct Families([Arc<Rows>; 4]);

/// What is wrong with a simulated disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimFaults {
    /// How long each write takes.
    pub write_pause: Duration,
    /// How long each sync takes.
    pub sync_pause: Duration,
    /// How long it takes before anything else that waits for the disk is done.
    pub read_pause: Duration,
    /// Writes fail with "no space".
    pub disk: DiskState,
    /// The next sync fails.
    pub sync: SyncState,
}

/// Whether there is space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DiskState {
    /// There is.
    #[default]
    Free,
    /// Every write fails.
    Full,
}

/// Whether syncs work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncState {
    /// They do.
    #[default]
    Working,
    /// They fail.
    Failing,
}

/// A disk in memory.
pub struct SimEngine {
    disk: Mutex<Disk>,
    files: SimFiles,
}

struct Disk {
    /// What reads see: everything written.
    current: Families,
    /// What every crash keeps.
    durable: Families,
    /// What was written since, one item per batch.
    pending: Vec<Batch>,
    faults: SimFaults,
    power: Power,
    rng: StdRng,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    Off,
}

impl SimEngine {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        Self::with(Families::default(), SimFiles::default(), StdRng::seed_from_u64(seed))
    }

    fn with(families: Families, files: SimFiles, rng: StdRng) -> Arc<Self> {
        let disk = Disk {
            current: families.clone(),
            durable: families,
            pending: Vec::new(),
            faults: SimFaults::default(),
            power: Power::On,
            rng,
        };
        Arc::new(Self { disk: Mutex::new(disk), files })
    }

    /// Cuts the power and gives the disk as the next start finds it. This one writes nothing more.
    #[must_use]
    pub fn crash(&self) -> Arc<Self> {
        let mut disk = self.disk.lock();
        disk.power = Power::Off;
        let seed = disk.rng.random();
        let unsynced = disk.pending.len();
        let kept = disk.rng.random_range(0..=unsynced);
        let mut survived = disk.durable.clone();
        for batch in disk.pending.iter().take(kept) {
            survived.apply(batch);
        }
        let mut rng = StdRng::seed_from_u64(seed);
        let files = self.files.crash(&mut rng);
        Self::with(survived, files, rng)
    }

    /// Sets what is wrong from now on.
    pub fn set_faults(&self, faults: SimFaults) {
        self.disk.lock().faults = faults;
    }

    /// Lets the machine's time pass: by it, body files grow old.
    pub fn advance(&self, by: Duration) {
        self.files.advance(by);
    }

    /// Whether the power was cut or a fault ended writing.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.disk.lock().power == Power::Off
    }

    /// Batches that a crash may lose.
    #[must_use]
    pub fn unsynced_batches(&self) -> usize {
        self.disk.lock().pending.len()
    }
}

impl Families {
    fn rows(&self, cf: Cf) -> Option<&Arc<Rows>> {
        self.0.get(cf.index())
    }

    fn apply(&mut self, batch: &Batch) {
        for op in batch.ops() {
            let (Op::Put { cf, .. } | Op::Delete { cf, .. } | Op::DeleteRange { cf, .. }) = op;
            let Some(rows) = self.0.get_mut(cf.index()) else { continue };
            let rows = Arc::make_mut(rows);
            match op {
                Op::Put { key, value, .. } => {
                    rows.insert(key.to_vec(), Bytes::copy_from_slice(value));
                }
                Op::Delete { key, .. } => {
                    rows.remove(key);
                }
                Op::DeleteRange { from, to, .. } => {
                    let doomed: Vec<_> = range(rows, from, to).map(|(key, _)| key.clone()).collect();
                    for key in doomed {
                        rows.remove(&key);
                    }
                }
            }
        }
    }
}

fn range<'a>(rows: &'a Rows, from: &[u8], to: &[u8]) -> impl DoubleEndedIterator<Item = (&'a Vec<u8>, &'a Bytes)> {
    let empty = from >= to;
    let to = if empty { from } else { to };
    rows.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
}

impl Reads for Families {
    fn get(&self, cf: Cf, key: &[u8]) -> io::Result<Option<Bytes>> {
        Ok(self.rows(cf).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(&self, cf: Cf, from: &[u8], to: &[u8], direction: Direction, visit: &mut RowVisitor<'_>) -> io::Result<()> {
        let Some(rows) = self.rows(cf) else { return Ok(()) };
        let mut rows = range(rows, from, to);
        while let Some((key, value)) = match direction {
            Direction::Forward => rows.next(),
            Direction::Backward => rows.next_back(),
        } {
            if visit(key, value)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

impl Reads for SimEngine {
    fn get(&self, cf: Cf, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.disk.lock().current.get(cf, key)
    }

    fn scan(&self, cf: Cf, from: &[u8], to: &[u8], direction: Direction, visit: &mut RowVisitor<'_>) -> io::Result<()> {
        let now = self.disk.lock().current.clone();
        now.scan(cf, from, to, direction, visit)
    }
}

impl Engine for SimEngine {
    fn write(&self, batches: &[Batch]) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if disk.power == Power::Off {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if disk.faults.disk == DiskState::Full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        for batch in batches {
            disk.current.apply(batch);
            disk.pending.push(batch.clone());
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if disk.power == Power::Off {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if disk.faults.sync == SyncState::Failing {
            return Err(io::Error::other("simulated fsync error"));
        }
        let pending = std::mem::take(&mut disk.pending);
        for batch in &pending {
            disk.durable.apply(batch);
        }
        Ok(())
    }

    fn snapshot(&self) -> Arc<dyn Reads> {
        Arc::new(self.disk.lock().current.clone())
    }

    fn files(&self) -> &dyn BodyFiles {
        &self.files
    }

    fn execution(&self) -> Execution {
        Execution::Tasks
    }

    fn pause(&self, step: IoStep) -> Option<Duration> {
        let faults = self.disk.lock().faults;
        let pause = match step {
            IoStep::Write => faults.write_pause,
            IoStep::Sync => faults.sync_pause,
            IoStep::Read => faults.read_pause,
        };
        (!pause.is_zero()).then_some(pause)
    }

    fn fail(&self, error: &io::Error) {
        tracing::info!(%error, "the simulated disk failed: this node stops writing");
        self.disk.lock().power = Power::Off;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: u8) -> Batch {
        let mut batch = Batch::new();
        batch.put(Cf::State, &[key], b"v");
        batch.put(Cf::Raft, &[key], b"v");
        batch
    }

    fn keys(engine: &SimEngine, cf: Cf) -> Vec<u8> {
        let mut keys = Vec::new();
        engine
            .scan(cf, &[0], &[255], Direction::Forward, &mut |key, _| {
                keys.push(key[0]);
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
        keys
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_a_prefix_of_the_rest() {
        let mut lengths = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let engine = SimEngine::new(seed);
            engine.write(&[put(0), put(1), put(2)]).unwrap();
            engine.sync().unwrap();
            engine.write(&[put(3), put(4)]).unwrap();
            engine.write(&[put(5)]).unwrap();
            assert_eq!(engine.unsynced_batches(), 3);
            let after = engine.crash();
            assert!(engine.is_off() && engine.write(&[put(9)]).is_err() && engine.sync().is_err());
            let found = keys(&after, Cf::State);
            assert_eq!(found, (0..u8::try_from(found.len()).unwrap()).collect::<Vec<_>>());
            assert_eq!(found, keys(&after, Cf::Raft));
            lengths.insert(found.len());
        }
        assert_eq!(lengths, [3, 4, 5, 6].into());
    }

    #[test]
    fn a_second_crash_keeps_what_the_first_start_found() {
        let engine = SimEngine::new(1);
        engine.write(&[put(0)]).unwrap();
        engine.sync().unwrap();
        let again = engine.crash().crash().crash();
        assert_eq!(keys(&again, Cf::State), [0]);
    }

    #[test]
    fn faults_fail_writes_and_syncs() {
        let engine = SimEngine::new(1);
        engine.set_faults(SimFaults { disk: DiskState::Full, ..SimFaults::default() });
        assert_eq!(engine.write(&[put(0)]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        engine.set_faults(SimFaults { sync: SyncState::Failing, ..SimFaults::default() });
        engine.write(&[put(0)]).unwrap();
        assert!(engine.sync().is_err());
        assert_eq!(engine.unsynced_batches(), 1);
    }

    #[test]
    fn a_snapshot_keeps_its_moment() {
        let engine = SimEngine::new(1);
        engine.write(&[put(0)]).unwrap();
        let before = engine.snapshot();
        let mut batch = Batch::new();
        batch.delete_range(Cf::State, &[0], &[1]);
        engine.write(&[batch]).unwrap();
        assert!(before.get(Cf::State, &[0]).unwrap().is_some());
        assert!(keys(&engine, Cf::State).is_empty());
    }
}
