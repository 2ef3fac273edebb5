//! What one replica of one group has on disk, and the parts of it that are kept in memory: the
//! ends of its log, its vote, its newest entries, its active generation and what it applied.
//!
//! The log store, the applier, snapshots and the janitor share one [`Replica`]. Reads of the log
//! are clipped to the ends kept here, so entries that a queued batch will remove are never seen.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::codec::{self, CodecError, Reader, Writer};
use crate::engine::{Batch, Cf, Direction, Engine, Reads};
use crate::entry_cache::{CacheBudget, EntryCache};
use crate::fault::FaultCell;
use crate::generations::Generations;
use crate::ids::{GroupId, NodeId};
use crate::janitor::Drops;
use crate::keys::{self, StateKeys};
use crate::pins::Pins;
use crate::pipeline::{OnSynced, OnWritten, Pipeline, stopped};
use crate::raft_types::{EntryBody, LogEntry, LogId, Payload, StoredMembership, Vote};
use crate::reclaim::Sweeps;
use crate::view::View;

/// The parts of a node's disk that its replicas share.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) cache: Arc<CacheBudget>,
    pub(crate) sweeps: Arc<Sweeps>,
    /// Bytes of inline bodies that were removed since their space was given back last.
    pub(crate) freed: Arc<AtomicU64>,
}

/// One replica.
pub(crate) struct Replica {
    pub(crate) group: GroupId,
    pub(crate) disk: Disk,
    pub(crate) log: Mutex<Log>,
    pub(crate) applied: Mutex<AppliedState>,
    generations: Mutex<Generations>,
    writing: Mutex<Writing>,
    pub(crate) pins: Pins,
    /// What the janitor knows of dropped bodies that wait for a purge.
    pub(crate) drops: Mutex<Option<Drops>>,
    pub(crate) fault: FaultCell,
    /// Files found missing since the start, that the state names.
    pub(crate) missing_files: AtomicU64,
    /// Tells the janitor that a purge became durable or a sweep is due.
    pub(crate) reclaim: tokio::sync::Notify,
}

/// The ends of the log and its newest entries.
pub(crate) struct Log {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    pub(crate) last: Option<LogId>,
    /// Index of the first entry while nothing is purged.
    origin: u64,
    /// The purge that is known to be durable.
    pub(crate) purged_synced: Option<LogId>,
    pub(crate) cache: EntryCache,
    /// Bytes of thin entries in the log, counted since the start.
    pub(crate) bytes: u64,
    /// While a sweep reads names: the files that entries appended since it began name.
    pub(crate) named_since: Option<BTreeSet<u128>>,
}

impl Log {
    /// Index of the first entry that may be read.
    pub(crate) fn first_index(&self) -> u64 {
        self.purged.map_or(self.origin, |id| id.index + 1)
    }

    /// Adds an entry that batch number `batch` writes.
    pub(crate) fn push(&mut self, entry: LogEntry, batch: u64) {
        if self.last.is_none() {
            self.origin = entry.log_id.index;
        }
        self.last = Some(entry.log_id);
        self.cache.push(entry, batch);
    }

    /// An entry that is about to be appended names a file.
    pub(crate) fn name(&mut self, file: u128) {
        if let Some(named) = &mut self.named_since {
            named.insert(file);
        }
    }

    /// Whether an entry named a file since the sweep began.
    pub(crate) fn is_named_since(&self, file: u128) -> bool {
        self.named_since.as_ref().is_none_or(|named| named.contains(&file))
    }

    /// Index past the last entry.
    pub(crate) fn end_index(&self) -> u64 {
        self.last.map_or(0, |id| id.index + 1)
    }
}

/// Whether a replica may write.
#[derive(Clone, Copy)]
enum Writing {
    Allowed,
    Retired,
}

/// What the state stands at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AppliedState {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

impl AppliedState {
    /// Format 1.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![1];
        codec::put_log_id_option(&mut out, self.last.as_ref());
        codec::put_stored_membership(&mut out, &self.membership);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            1 => {}
            tag => return Err(CodecError::UnknownTag(tag)),
        }
        let last = codec::log_id_option(&mut reader)?;
        let membership = codec::stored_membership(&mut reader)?;
        reader.end()?;
        Ok(Self { last, membership })
    }

    /// What `reads` knows about a generation.
    pub(crate) fn load(reads: &dyn Reads, keys: StateKeys) -> io::Result<Self> {
        match reads.get(Cf::State, &keys.applied())? {
            Some(bytes) => Ok(Self::decode(&bytes)?),
            None => Ok(Self::default()),
        }
    }
}

impl Replica {
    /// Reads what the disk has of a group; an empty replica if that is nothing.
    pub(crate) fn open(group: GroupId, disk: Disk) -> io::Result<Arc<Self>> {
        let engine = &*disk.engine;
        let vote = engine.get(Cf::Raft, &keys::vote(group))?.map(|bytes| codec::decode_vote(&bytes)).transpose()?;
        let purged =
            engine.get(Cf::Raft, &keys::purged(group))?.map(|bytes| codec::decode_log_id(&bytes)).transpose()?;
        let generation = match engine.get(Cf::State, &keys::generation_pointer(group))? {
            Some(bytes) => Reader::new(&bytes).u16()?,
            None => 0,
        };
        let applied = AppliedState::load(engine, StateKeys { group, generation })?;
        let last = last_entry(engine, group, purged)?;
        let origin = first_entry(engine, group)?;
        let log = Log {
            vote,
            origin,
            purged,
            last,
            purged_synced: purged,
            cache: EntryCache::new(Arc::clone(&disk.cache)),
            bytes: 0,
            named_since: None,
        };
        Ok(Arc::new(Self {
            group,
            log: Mutex::new(log),
            applied: Mutex::new(applied),
            generations: Mutex::new(Generations::new(generation)),
            writing: Mutex::new(Writing::Allowed),
            pins: Pins::default(),
            drops: Mutex::default(),
            fault: FaultCell::default(),
            missing_files: AtomicU64::new(0),
            reclaim: tokio::sync::Notify::new(),
            disk,
        }))
    }

    /// Records that this replica exists, so that the next start opens it.
    pub(crate) async fn record_presence(&self) -> io::Result<()> {
        let mut batch = Batch::new();
        batch.put(Cf::Raft, &keys::present(self.group), &[1]);
        self.write_synced(batch).await
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.disk.engine
    }

    /// The number of the last batch that reads see.
    pub(crate) fn written(&self) -> u64 {
        self.disk.pipeline.written()
    }

    /// The keys of the active generation.
    pub(crate) fn state_keys(&self) -> StateKeys {
        StateKeys { group: self.group, generation: self.generations.lock().active() }
    }

    /// The keys of the active generation, and of one that is being loaded or installed.
    pub(crate) fn state_keys_in_use(&self) -> Vec<StateKeys> {
        let in_use = self.generations.lock().in_use();
        in_use.map(|generation| StateKeys { group: self.group, generation }).collect()
    }

    /// Moves to another generation, whose flip is durable.
    pub(crate) fn activate(&self, generation: u16, applied: AppliedState) {
        let mut current = self.applied.lock();
        self.generations.lock().activate(generation);
        *current = applied;
    }

    /// Takes a generation to load a snapshot under and clears it; an earlier one that is still being loaded ends.
    ///
    /// # Errors
    /// `ResourceBusy` while another snapshot is being installed.
    pub(crate) fn begin_incoming(&self) -> io::Result<StateKeys> {
        let mut generations = self.generations.lock();
        let Some(generation) = generations.begin() else {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another snapshot is being installed"));
        };
        let keys = StateKeys { group: self.group, generation };
        self.submit(clearing(keys), OnWritten::Nothing, OnSynced::Nothing)?;
        Ok(keys)
    }

    /// Whether a snapshot is still being loaded under a generation.
    pub(crate) fn is_loading(&self, generation: u16) -> bool {
        self.generations.lock().is_loading(generation)
    }

    /// Takes a loaded generation to install; false if another snapshot took its place.
    pub(crate) fn begin_installing(&self, generation: u16) -> bool {
        self.generations.lock().install(generation)
    }

    /// Nothing will be installed from a generation that was being loaded: its rows may go.
    pub(crate) fn give_up_loading(&self, generation: u16) {
        if self.generations.lock().give_up(generation) {
            self.reclaim.notify_one();
        }
    }

    /// Removes a generation unless it is in use.
    pub(crate) fn remove_generation(&self, generation: u16) -> io::Result<()> {
        if !self.generations.lock().begin_removing(generation) {
            return Ok(());
        }
        let keys = StateKeys { group: self.group, generation };
        let cleared = self.submit(clearing(keys), OnWritten::Nothing, OnSynced::Nothing);
        if cleared.is_ok() {
            let (from, to) = keys.all();
            self.engine().release_range(Cf::State, &from, &to);
        }
        self.generations.lock().end_removing();
        cleared.map(drop)
    }

    /// Queues a batch of this replica's; see [`Pipeline::submit`].
    pub(crate) fn submit(&self, batch: Batch, written: OnWritten, synced: OnSynced) -> io::Result<u64> {
        let writing = self.writing.lock();
        match *writing {
            Writing::Allowed => Ok(self.disk.pipeline.submit(batch, written, synced)),
            Writing::Retired => Err(stopped()),
        }
    }

    /// Queues a batch and waits until reads see it.
    pub(crate) async fn write(&self, batch: Batch) -> io::Result<()> {
        let (signal, written) = oneshot::channel();
        self.submit(batch, OnWritten::Signal(signal), OnSynced::Nothing)?;
        written.await.map_err(|_| stopped())
    }

    /// Queues a batch and waits until it is durable.
    pub(crate) async fn write_synced(&self, batch: Batch) -> io::Result<()> {
        let (signal, synced) = oneshot::channel();
        self.submit(batch, OnWritten::Nothing, OnSynced::Signal(signal))?;
        synced.await.map_err(|_| stopped())
    }

    /// Lets this replica write nothing more: another one takes its place.
    pub(crate) fn retire(&self) {
        *self.writing.lock() = Writing::Retired;
    }

    pub(crate) fn is_retired(&self) -> bool {
        matches!(*self.writing.lock(), Writing::Retired)
    }

    /// Whether the only voter, as far as this replica applied, is `node`.
    pub(crate) fn is_sole_voter(&self, node: NodeId) -> bool {
        self.applied.lock().membership.voter_ids().eq([node])
    }

    /// A consistent picture of the state as it stands.
    pub(crate) fn view(&self) -> View {
        loop {
            let keys = self.state_keys();
            let reads = self.disk.engine.snapshot();
            // A flip in between may have begun to remove the old generation.
            if keys == self.state_keys() {
                return View::new(reads, keys);
            }
        }
    }

    /// An inline body of an entry that is still in the cache.
    pub(crate) fn cached_body(&self, index: u64, term: u64, ordinal: u16) -> Option<Bytes> {
        let log = self.log.lock();
        let entry = log.cache.get(index).filter(|entry| entry.log_id.leader_id.term == term)?;
        let Payload::Normal(command) = &entry.payload else { return None };
        match command.bodies().get(usize::from(ordinal)) {
            Some(EntryBody::Inline(bytes)) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// The last applied log id.
    pub(crate) fn applied_id(&self) -> Option<LogId> {
        self.applied.lock().last
    }
}

fn clearing(keys: StateKeys) -> Batch {
    let (from, to) = keys.all();
    let mut batch = Batch::new();
    batch.delete_range(Cf::State, &from, &to);
    batch
}

/// Every group whose replica the disk has.
pub(crate) fn present_groups(engine: &dyn Engine) -> io::Result<Vec<GroupId>> {
    let mut groups = Vec::new();
    let mut from = Vec::new();
    from.put_u32(0);
    loop {
        let mut found = None;
        engine.scan(Cf::Raft, &from, &[0xff; 32], Direction::Forward, &mut |key, _| {
            found = key.first_chunk::<4>().map(|group| GroupId(u32::from_be_bytes(*group)));
            Ok(ControlFlow::Break(()))
        })?;
        let Some(group) = found else { return Ok(groups) };
        if engine.get(Cf::Raft, &keys::present(group))?.is_some() {
            groups.push(group);
        }
        let Some(next) = group.0.checked_add(1) else { return Ok(groups) };
        from = next.to_be_bytes().to_vec();
    }
}

/// The index of the first entry on disk, 0 if there is none.
fn first_entry(engine: &dyn Engine, group: GroupId) -> io::Result<u64> {
    let mut first = 0;
    engine.scan(Cf::Raft, &keys::entry(group, 0), &keys::entries_end(group), Direction::Forward, &mut |key, _| {
        first = keys::entry_index(key).ok_or(CodecError::Truncated)?;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(first)
}

/// The id of the last entry on disk, or of the purge marker if the log is empty.
fn last_entry(engine: &dyn Engine, group: GroupId, purged: Option<LogId>) -> io::Result<Option<LogId>> {
    let from = keys::entry(group, purged.map_or(0, |id| id.index + 1));
    let mut last = None;
    engine.scan(Cf::Raft, &from, &keys::entries_end(group), Direction::Backward, &mut |key, value| {
        let index = keys::entry_index(key).ok_or(CodecError::Truncated)?;
        last = Some(codec::decode_thin_entry(index, &Bytes::copy_from_slice(value))?.log_id);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(last.or(purged))
}
