//! A consistent picture of one group's state.
//!
//! Keys are the state machine's own; the group and generation in front of them do not show. A view
//! pins what it sees on disk, so it is dropped soon: a long-lived one keeps deleted rows alive.
//! Reads block and are cheap when the rows are in memory.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use crate::body::BodyRef;
use crate::engine::{Cf, Direction, Reads, RowVisitor};
use crate::ids::{GroupId, Position};
use crate::keys::{self, StateKeys};
use crate::replica::AppliedState;

/// A picture of one group's state. Clones share it.
#[derive(Clone)]
pub struct View {
    reads: Arc<dyn Reads>,
    keys: StateKeys,
}

impl View {
    pub(crate) fn new(reads: Arc<dyn Reads>, keys: StateKeys) -> Self {
        Self { reads, keys }
    }

    /// The group this is a picture of.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.keys.group
    }

    /// The last command whose changes are in the picture; `None` before the first.
    ///
    /// # Errors
    /// The disk failed.
    pub fn applied(&self) -> io::Result<Option<Position>> {
        let group = self.keys.group;
        let last = self.applied_state()?.last;
        Ok(last.map(|id| Position { group, index: id.index, term: id.leader_id.term }))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// The disk failed.
    pub fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.reads.get(Cf::State, &self.keys.row(key))
    }

    /// Visits the rows with `from <= key`, and `key < to` if `to` is given, until the visitor
    /// breaks.
    ///
    /// # Errors
    /// The disk failed, or the visitor's own error.
    pub fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        direction: Direction,
        visit: &mut RowVisitor<'_>,
    ) -> io::Result<()> {
        scan_rows(&*self.reads, self.keys, from, to, direction, visit)
    }

    /// The first `limit` rows of a scan.
    ///
    /// # Errors
    /// The disk failed.
    pub fn rows(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        direction: Direction,
        limit: usize,
    ) -> io::Result<Vec<(Bytes, Bytes)>> {
        collect_rows(limit, |visit| self.scan(from, to, direction, visit))
    }

    /// The bytes of an inline body as this picture has them; `None` for a body file or one that is
    /// gone.
    ///
    /// # Errors
    /// The disk failed.
    pub fn inline_body(&self, body: &BodyRef) -> io::Result<Option<Bytes>> {
        match body {
            BodyRef::Log { index, term, ordinal, .. } => {
                self.reads.get(Cf::Body, &keys::body(self.keys.group, *index, *term, *ordinal))
            }
            _ => Ok(None),
        }
    }

    pub(crate) fn applied_state(&self) -> io::Result<AppliedState> {
        AppliedState::load(&*self.reads, self.keys)
    }

    pub(crate) fn reads(&self) -> &dyn Reads {
        &*self.reads
    }

    pub(crate) fn keys(&self) -> StateKeys {
        self.keys
    }
}

/// Scans the state machine's rows of one generation.
pub(crate) fn scan_rows(
    reads: &dyn Reads,
    keys: StateKeys,
    from: &[u8],
    to: Option<&[u8]>,
    direction: Direction,
    visit: &mut RowVisitor<'_>,
) -> io::Result<()> {
    let from = keys.row(from);
    let to = to.map_or_else(|| keys.rows_end(), |to| keys.row(to));
    reads.scan(Cf::State, &from, &to, direction, &mut |key, value| visit(StateKeys::strip(key), value))
}

/// Runs a scan and keeps its first `limit` rows.
pub(crate) fn collect_rows(
    limit: usize,
    scan: impl FnOnce(&mut RowVisitor<'_>) -> io::Result<()>,
) -> io::Result<Vec<(Bytes, Bytes)>> {
    let mut rows = Vec::new();
    if limit == 0 {
        return Ok(rows);
    }
    scan(&mut |key, value| {
        rows.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        Ok(if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(rows)
}
