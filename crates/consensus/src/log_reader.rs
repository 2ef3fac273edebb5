//! Reading a group's log: newest entries from the cache, older ones from disk.
//!
//! For apply, entries are *thin*: the state machine gets references to bodies, so bodies are not
//! read back. For followers they are *fat*, joined with their inline bodies, in portions of about
//! [`APPEND_BYTES_MAX`]. Reads are clipped to the ends of the log in memory and stop at the first
//! missing entry.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, ControlFlow, Range, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use openraft::storage::RaftLogReader;
use openraft::{OptionalSend, RaftTypeConfig};

use crate::codec;
use crate::engine::{Cf, Direction};
use crate::keys;
use crate::limits::APPEND_BYTES_MAX;
use crate::raft_types::{Command, EntryBody, LogEntry, LogId, Payload, TypeConfig, Vote, entry_weight};
use crate::replica::Replica;

/// Thin bytes that apply holds at a time.
const THIN_BYTES_MAX: usize = 1 << 20;

/// Reads one replica's log.
#[derive(Clone)]
pub(crate) struct LogReader {
    pub(crate) replica: Arc<Replica>,
}

/// Whether inline bodies are read too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bodies {
    Leave,
    Join,
}

impl LogReader {
    /// Entries from the front of `range`, up to about `bytes_max` and at least one if there is one.
    fn read(&self, range: Range<u64>, bytes_max: usize, bodies: Bodies) -> io::Result<Vec<LogEntry>> {
        let mut entries = Vec::new();
        let on_disk = {
            let log = self.replica.log.lock();
            let range = range.start.max(log.first_index())..range.end.min(log.end_index());
            let cached = log.cache.first().unwrap_or(log.end_index());
            if range.start >= cached {
                log.cache.read(range, bytes_max, &mut entries);
                return Ok(entries);
            }
            range.start..range.end.min(cached)
        };
        self.read_disk(on_disk.clone(), bytes_max, &mut entries)?;
        if bodies == Bodies::Join {
            for entry in &mut entries {
                self.join_bodies(entry)?;
            }
        }
        let weight: usize = entries.iter().map(entry_weight).sum();
        let reached = entries.last().is_some_and(|last| last.log_id.index + 1 == on_disk.end);
        if reached && on_disk.end < range.end && weight < bytes_max {
            let log = self.replica.log.lock();
            log.cache.read(on_disk.end..range.end.min(log.end_index()), bytes_max - weight, &mut entries);
        }
        Ok(entries)
    }

    fn read_disk(&self, range: Range<u64>, bytes_max: usize, out: &mut Vec<LogEntry>) -> io::Result<()> {
        let group = self.replica.group;
        let (from, to) = (keys::entry(group, range.start), keys::entry(group, range.end));
        let (mut next, mut weight) = (range.start, 0);
        self.replica.engine().scan(Cf::Raft, &from, &to, Direction::Forward, &mut |key, value| {
            let index = keys::entry_index(key).ok_or(codec::CodecError::Truncated)?;
            if index != next {
                return Ok(ControlFlow::Break(()));
            }
            let entry = codec::decode_thin_entry(index, &Bytes::copy_from_slice(value))?;
            weight += fat_weight(&entry);
            if weight > bytes_max && !out.is_empty() {
                return Ok(ControlFlow::Break(()));
            }
            out.push(entry);
            next += 1;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// All entries of `range`, thin.
    pub(crate) fn read_thin(&self, range: Range<u64>) -> io::Result<Vec<LogEntry>> {
        self.read(range, usize::MAX, Bodies::Leave)
    }

    /// Replaces the lengths of inline bodies by their bytes.
    fn join_bodies(&self, entry: &mut LogEntry) -> io::Result<()> {
        let Payload::Normal(command) = &entry.payload else { return Ok(()) };
        if !command.is_thin() {
            return Ok(());
        }
        let id = entry.log_id;
        let bodies: io::Result<Vec<_>> = (0u16..)
            .zip(command.bodies())
            .map(|(ordinal, body)| match body {
                EntryBody::Stored { .. } => {
                    let key = keys::body(self.replica.group, id.index, id.leader_id.term, ordinal);
                    let bytes = self.replica.engine().get(Cf::Body, &key)?;
                    bytes.map(EntryBody::Inline).ok_or_else(|| missing(&id, ordinal))
                }
                other => Ok(other.clone()),
            })
            .collect();
        entry.payload = Payload::Normal(Command::new(command.bytes().clone(), bodies?));
        Ok(())
    }
}

fn missing(id: &LogId, ordinal: u16) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("body {ordinal} of entry {id} is missing"))
}

fn fat_weight(entry: &LogEntry) -> usize {
    let bodies = match &entry.payload {
        Payload::Normal(command) => command
            .bodies()
            .iter()
            .map(|body| match body {
                EntryBody::Stored { len } => *len as usize,
                _ => 0,
            })
            .sum(),
        _ => 0,
    };
    entry_weight(entry) + bodies
}

fn to_range(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = Result<LogEntry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let reader = self.clone();
        let portions = stream::try_unfold(to_range(&range), move |rest| {
            let reader = reader.clone();
            async move {
                if rest.is_empty() {
                    return Ok(None);
                }
                let entries = reader.read(rest.clone(), THIN_BYTES_MAX, Bodies::Leave)?;
                let Some(last) = entries.last() else { return Ok(None) };
                let rest = last.log_id.index + 1..rest.end;
                Ok::<_, io::Error>(Some((stream::iter(entries).map(Ok), rest)))
            }
        });
        portions.try_flatten()
    }

    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<<TypeConfig as RaftTypeConfig>::Entry>, io::Error> {
        let mut rest = to_range(&range);
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let mut portion = self.read(rest.clone(), APPEND_BYTES_MAX, Bodies::Join)?;
            let Some(last) = portion.last() else { break };
            rest.start = last.log_id.index + 1;
            entries.append(&mut portion);
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.replica.log.lock().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<LogEntry>, io::Error> {
        self.read(start..end, APPEND_BYTES_MAX, Bodies::Join)
    }
}
