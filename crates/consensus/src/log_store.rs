//! Writing a group's log: appends, votes, truncation and purges, all through the one pipeline.
//!
//! An append is readable at once (from the cache) and acknowledged when it is durable; a vote
//! returns when it is durable; truncation and purge only queue their batch, since what they remove
//! may come back after a crash without harm. A purge removes thin entries; bodies follow later
//! (`reclaim`), when the purge is durable.

use std::io;
use std::sync::Arc;

use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};

use crate::codec;
use crate::engine::{Batch, Cf};
use crate::keys;
use crate::log_reader::LogReader;
use crate::pipeline::{OnSynced, OnWritten};
use crate::raft_types::{EntryBody, LogEntry, LogId, Payload, TypeConfig, Vote};
use crate::replica::{Log, Replica};

/// The log of one replica, as Raft writes it.
pub(crate) struct LogStore {
    replica: Arc<Replica>,
}

impl LogStore {
    pub(crate) fn new(replica: Arc<Replica>) -> Self {
        Self { replica }
    }

    fn reader(&self) -> LogReader {
        LogReader { replica: Arc::clone(&self.replica) }
    }

    /// Adds an entry and its inline bodies to a batch; gives the bytes of the thin entry.
    fn put_entry(&self, batch: &mut Batch, entry: &LogEntry) -> io::Result<u64> {
        let LogId { index, leader_id } = entry.log_id;
        let group = self.replica.group;
        let mut thin = 0;
        batch.put_with(Cf::Raft, &keys::entry(group, index), |out| {
            let start = out.len();
            codec::encode_thin_entry(out, entry);
            thin = (out.len() - start) as u64;
        });
        let Payload::Normal(command) = &entry.payload else { return Ok(thin) };
        for (ordinal, body) in (0u16..).zip(command.bodies()) {
            match body {
                EntryBody::Inline(bytes) => {
                    batch.put_shared(Cf::Body, &keys::body(group, index, leader_id.term, ordinal), bytes.clone());
                }
                EntryBody::File(_) => {}
                EntryBody::Stored { .. } => {
                    return Err(io::Error::other(format!("entry {} came without its bodies", entry.log_id)));
                }
            }
        }
        Ok(thin)
    }

    /// Makes sure that the files which entries name are here, and tells a sweep of them. Under the log's lock, which a sweep holds
    /// to remove a file: it sees the name, or this sees that the file is gone.
    fn name_files(&self, log: &mut Log, entries: &[LogEntry]) -> io::Result<()> {
        for entry in entries {
            let Payload::Normal(command) = &entry.payload else { continue };
            for file in command.files() {
                // I1: the transport kept or fetched it before it handed the entry to Raft.
                if self.replica.engine().files().len(self.replica.group, file.id)? != Some(file.len) {
                    return Err(io::Error::other(format!("entry {} names {file:?}, which is not here", entry.log_id)));
                }
                log.name(file.id);
            }
        }
        Ok(())
    }

    /// The bodies of entries after `after`, which are about to be truncated.
    fn delete_bodies_after(&self, batch: &mut Batch, after: Option<u64>, end: u64) -> io::Result<()> {
        let group = self.replica.group;
        let start = after.map_or(0, |index| index + 1);
        for entry in self.reader().read_thin(start..end)? {
            if let Payload::Normal(command) = &entry.payload {
                for ordinal in (0u16..).zip(command.bodies()).map(|(ordinal, _)| ordinal) {
                    let LogId { index, leader_id } = entry.log_id;
                    batch.delete(Cf::Body, &keys::body(group, index, leader_id.term, ordinal));
                }
            }
        }
        Ok(())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let log = self.replica.log.lock();
        Ok(LogState { last_purged_log_id: log.purged, last_log_id: log.last })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.reader()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let mut batch = Batch::new();
        batch.put(Cf::Raft, &keys::vote(self.replica.group), &codec::encode_vote(vote));
        self.replica.write_synced(batch).await?;
        self.replica.log.lock().vote = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<LogEntry> = entries.into_iter().collect();
        let mut batch = Batch::new();
        let mut bytes = 0;
        for entry in &entries {
            bytes += self.put_entry(&mut batch, entry)?;
        }
        let mut log = self.replica.log.lock();
        self.name_files(&mut log, &entries)?;
        let number = self.replica.submit(batch, OnWritten::Nothing, OnSynced::Raft(callback))?;
        for entry in entries {
            log.push(entry, number);
        }
        log.bytes += bytes;
        let written = self.replica.written();
        log.cache.shrink(written);
        Ok(())
    }

    async fn truncate_after(&mut self, after: Option<LogId>) -> Result<(), io::Error> {
        let group = self.replica.group;
        let end = self.replica.log.lock().end_index();
        let after_index = after.map(|id| id.index);
        if after_index.is_some_and(|index| index + 1 >= end) {
            return Ok(());
        }
        let mut batch = Batch::new();
        self.delete_bodies_after(&mut batch, after_index, end)?;
        let from = keys::entry(group, after_index.map_or(0, |index| index + 1));
        batch.delete_range(Cf::Raft, &from, &keys::entry(group, end));
        let mut log = self.replica.log.lock();
        log.cache.truncate_after(after_index);
        log.last = after.or(log.purged);
        self.replica.submit(batch, OnWritten::Nothing, OnSynced::Nothing)?;
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let group = self.replica.group;
        let mut batch = Batch::new();
        let mut log = self.replica.log.lock();
        let from = keys::entry(group, log.first_index());
        batch.put(Cf::Raft, &keys::purged(group), &codec::encode_log_id(&upto));
        batch.delete_range(Cf::Raft, &from, &keys::entry(group, upto.index + 1));
        log.cache.purge(upto.index);
        log.purged = Some(upto);
        if log.last.is_none_or(|last| last.index < upto.index) {
            log.last = Some(upto);
        }
        let replica = Arc::clone(&self.replica);
        let durable = OnSynced::Call(Box::new(move || {
            replica.log.lock().purged_synced = Some(upto);
            replica.reclaim.notify_one();
        }));
        self.replica.submit(batch, OnWritten::Nothing, durable)?;
        Ok(())
    }
}
