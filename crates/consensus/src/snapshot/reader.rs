//! The sender's side of a snapshot.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use super::Outgoing;
use crate::body::BodyRef;
use crate::codec::{CodecError, Reader};
use crate::engine::{Cf, Direction};
use crate::keys;
use crate::limits::{SNAPSHOT_FRAME_BODY_BYTES, SNAPSHOT_FRAME_BYTES};

/// Names of bodies in one frame: at most 57 bytes each.
const NAMES_PER_FRAME: usize = SNAPSHOT_FRAME_BYTES / 64;

/// What one frame of names is cut at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameBounds {
    /// Names, at least one.
    pub(crate) names: usize,
    /// Bytes of the inline bodies that are read for it.
    pub(crate) body_bytes: usize,
}

impl Default for FrameBounds {
    fn default() -> Self {
        Self { names: NAMES_PER_FRAME, body_bytes: SNAPSHOT_FRAME_BODY_BYTES }
    }
}

/// Part of a snapshot, in the order in which the writer wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Rows of the generation; keys without group and generation.
    Rows(Vec<(Bytes, Bytes)>),
    /// Bodies that the state may refer to; none if all that were met are dropped.
    Bodies(Vec<BodyRef>),
}

/// Reads an outgoing snapshot frame by frame. Blocks on the disk.
///
/// Nothing but the body itself tells its length. So inline bodies are read to be named, and the last frame's are kept until the
/// next one is read: the receiver asks for those it lacks meanwhile.
pub(crate) struct SnapshotReader {
    source: Outgoing,
    bounds: FrameBounds,
    /// The inline bodies of the last frame.
    offered: HashMap<BodyRef, Bytes>,
    /// What comes next.
    next: Next,
    dropped: HashSet<BodyRef>,
}

enum Next {
    /// Rows from this full key on.
    Rows(Vec<u8>),
    /// Inline bodies from this key on.
    Inline(Vec<u8>),
    /// Body files from this key on.
    Files(Vec<u8>),
    End,
}

impl SnapshotReader {
    pub(crate) fn new(source: Outgoing) -> io::Result<Self> {
        let (from, _) = source.view.keys().all();
        let dropped = dropped_bodies(&source)?;
        let (bounds, next) = (FrameBounds::default(), Next::Rows(from.to_vec()));
        Ok(Self { source, bounds, offered: HashMap::new(), next, dropped })
    }

    #[cfg(test)]
    pub(crate) fn set_bounds(&mut self, bounds: FrameBounds) {
        self.bounds = bounds;
    }

    /// The next frame, `None` after the last.
    pub(crate) fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        self.offered.clear();
        loop {
            let frame = match std::mem::replace(&mut self.next, Next::End) {
                Next::Rows(from) => self.rows(&from)?,
                Next::Inline(from) => self.inline_bodies(&from)?,
                Next::Files(from) => self.files(&from)?,
                Next::End => return Ok(None),
            };
            match &frame {
                Frame::Rows(rows) if rows.is_empty() => {}
                // The far side waits no longer for a frame than it takes to read one.
                Frame::Bodies(bodies) if bodies.is_empty() && !matches!(self.next, Next::Inline(_)) => {}
                _ => return Ok(Some(frame)),
            }
        }
    }

    /// Bytes of a body that a frame named.
    pub(crate) fn read_body(&self, body: &BodyRef, range: Range<u64>) -> io::Result<Bytes> {
        match body {
            BodyRef::Log { .. } => {
                let bytes = match self.offered.get(body) {
                    Some(bytes) => bytes.clone(),
                    None => self.source.view.inline_body(body)?.ok_or(io::ErrorKind::NotFound)?,
                };
                let (start, end) = (to_usize(range.start)?, to_usize(range.end)?);
                if start > end || end > bytes.len() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(bytes.slice(start..end))
            }
            BodyRef::File { id, .. } => {
                self.source.replica.engine().files().read(self.source.replica.group, *id, range)
            }
        }
    }

    fn rows(&mut self, from: &[u8]) -> io::Result<Frame> {
        let keys = self.source.view.keys();
        let (mut rows, mut bytes, mut more) = (Vec::new(), 0, None);
        let (_, to) = keys.all();
        self.source.view.reads().scan(Cf::State, from, &to, Direction::Forward, &mut |key, value| {
            if bytes >= SNAPSHOT_FRAME_BYTES {
                more = Some(key.to_vec());
                return Ok(ControlFlow::Break(()));
            }
            let relative = key.get(6..).unwrap_or_default();
            if is_transferred(relative) {
                bytes += relative.len() + value.len() + 8;
                rows.push((Bytes::copy_from_slice(relative), Bytes::copy_from_slice(value)));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.next = match more {
            Some(key) => Next::Rows(key),
            None => Next::Inline(keys::bodies_from(keys.group, 0).to_vec()),
        };
        Ok(Frame::Rows(rows))
    }

    fn inline_bodies(&mut self, from: &[u8]) -> io::Result<Frame> {
        let keys = self.source.view.keys();
        let end = self.source.meta.last_log_id.map_or(0, |id| id.index + 1);
        let to = keys::bodies_from(keys.group, end);
        let (mut bodies, mut bytes, mut more) = (Vec::new(), 0, None);
        let Self { source, dropped, offered, bounds, .. } = self;
        source.view.reads().scan(Cf::Body, from, &to, Direction::Forward, &mut |key, value| {
            if bodies.len() >= bounds.names || bytes >= bounds.body_bytes {
                more = Some(key.to_vec());
                return Ok(ControlFlow::Break(()));
            }
            let (index, term, ordinal) = keys::body_parts(key).ok_or(CodecError::Truncated)?;
            let len = u32::try_from(value.len()).map_err(io::Error::other)?;
            let body = BodyRef::Log { index, term, ordinal, len };
            bytes += value.len();
            if !dropped.contains(&body) {
                offered.insert(body, Bytes::copy_from_slice(value));
                bodies.push(body);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.next = match more {
            Some(key) => Next::Inline(key),
            None => Next::Files(keys.files().0),
        };
        Ok(Frame::Bodies(bodies))
    }

    fn files(&mut self, from: &[u8]) -> io::Result<Frame> {
        let keys = self.source.view.keys();
        let (_, to) = keys.files();
        let (mut bodies, mut more) = (Vec::new(), None);
        self.source.view.reads().scan(Cf::State, from, &to, Direction::Forward, &mut |key, value| {
            if bodies.len() >= self.bounds.names {
                more = Some(key.to_vec());
                return Ok(ControlFlow::Break(()));
            }
            bodies.push(registered_file(key, value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        self.next = more.map_or(Next::End, Next::Files);
        Ok(Frame::Bodies(bodies))
    }
}

/// Rows of the state machine and the register of files travel; the rest belongs to each replica.
pub(super) fn is_transferred(relative: &[u8]) -> bool {
    matches!(relative, [1, ..] | [0, b'f', ..])
}

/// A body file from its row in the register.
pub(crate) fn registered_file(key: &[u8], value: &[u8]) -> io::Result<BodyRef> {
    let id = key.last_chunk::<16>().map(|id| u128::from_be_bytes(*id)).ok_or(CodecError::Truncated)?;
    let mut reader = Reader::new(value);
    Ok(BodyRef::File { id, len: reader.u64()?, hash: reader.array()? })
}

/// Bodies that are still on disk but that the state dropped.
fn dropped_bodies(source: &Outgoing) -> io::Result<HashSet<BodyRef>> {
    let group = source.replica.group;
    let mut dropped = HashSet::new();
    let (from, to) = (keys::tombstone(group, 0, 0), keys::tombstones_end(group));
    source.view.reads().scan(Cf::Raft, &from, &to, Direction::Forward, &mut |_, value| {
        let mut value = value;
        dropped.insert(BodyRef::decode(&mut value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(dropped)
}

fn to_usize(value: u64) -> io::Result<usize> {
    usize::try_from(value).map_err(io::Error::other)
}
