//! The changes of the commands that are being applied, over the state as it is on disk.
//!
//! One [`Changes`] gathers the rows that a run of commands writes; a row written twice reaches the
//! disk once. Each command sees it through a [`Txn`]: reads find the command's own and its
//! predecessors' writes first. Everything becomes one batch together with the applied index.

use std::collections::BTreeMap;
use std::io;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use crate::body::BodyRef;
use crate::engine::{Batch, Cf, Direction, Reads, RowVisitor};
use crate::ids::Position;
use crate::keys::{self, StateKeys};
use crate::limits::KEY_BYTES_MAX;
use crate::view::{collect_rows, scan_rows};

/// What a run of commands changes.
pub(crate) struct Changes {
    keys: StateKeys,
    /// Removed before `rows` are written.
    ranges: Vec<(Vec<u8>, Vec<u8>)>,
    /// Written rows; `None` is removed.
    rows: BTreeMap<Vec<u8>, Option<Bytes>>,
    /// Tombstones and the register of body files.
    bodies: Batch,
    weight: usize,
}

impl Changes {
    pub(crate) fn new(keys: StateKeys) -> Self {
        Self { keys, ranges: Vec::new(), rows: BTreeMap::new(), bodies: Batch::new(), weight: 0 }
    }

    /// Roughly the bytes of the batch this will be.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Registers a body file that an applied command names.
    pub(crate) fn register_file(&mut self, body: &BodyRef) {
        if let BodyRef::File { id, len, hash } = body {
            self.bodies.put(Cf::State, &self.keys.file(*id), &[&len.to_be_bytes()[..], hash].concat());
        }
    }

    /// The batch, with the applied position in it.
    pub(crate) fn into_batch(self, applied: &[u8]) -> Batch {
        let mut batch = self.bodies;
        for (from, to) in &self.ranges {
            batch.delete_range(Cf::State, &self.keys.row(from), &self.keys.row(to));
        }
        for (key, value) in self.rows {
            match value {
                Some(value) => batch.put_shared(Cf::State, &self.keys.row(&key), value),
                None => batch.delete(Cf::State, &self.keys.row(&key)),
            }
        }
        batch.put(Cf::State, &self.keys.applied(), applied);
        batch
    }

    /// What is known of a key without the disk.
    fn find(&self, key: &[u8]) -> Option<Option<Bytes>> {
        if let Some(value) = self.rows.get(key) {
            return Some(value.clone());
        }
        self.is_in_removed_range(key).then_some(None)
    }

    fn is_in_removed_range(&self, key: &[u8]) -> bool {
        self.ranges.iter().any(|(from, to)| from.as_slice() <= key && key < to.as_slice())
    }
}

/// One command's access to the state.
pub struct Txn<'a> {
    changes: &'a mut Changes,
    reads: &'a dyn Reads,
    position: Position,
    tombstones: u32,
}

impl<'a> Txn<'a> {
    pub(crate) fn new(changes: &'a mut Changes, reads: &'a dyn Reads, position: Position) -> Self {
        Self { changes, reads, position, tombstones: 0 }
    }

    /// Where the command stands in the log.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The value of a key, with everything written so far.
    ///
    /// # Errors
    /// The disk failed.
    pub fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        match self.changes.find(key) {
            Some(value) => Ok(value),
            None => self.reads.get(Cf::State, &self.changes.keys.row(key)),
        }
    }

    /// Sets a key. Keys have at most [`KEY_BYTES_MAX`] bytes.
    pub fn put(&mut self, key: &[u8], value: impl Into<Bytes>) {
        debug_assert!(key.len() <= KEY_BYTES_MAX, "a key of {} bytes", key.len());
        let value = value.into();
        self.changes.weight += key.len() + value.len() + 32;
        self.changes.rows.insert(key.to_vec(), Some(value));
    }

    /// Removes a key.
    pub fn delete(&mut self, key: &[u8]) {
        self.changes.weight += key.len() + 32;
        self.changes.rows.insert(key.to_vec(), None);
    }

    /// Removes the keys with `from <= key < to`.
    pub fn delete_range(&mut self, from: &[u8], to: &[u8]) {
        if from >= to {
            return;
        }
        let inside = (Bound::Included(from), Bound::Excluded(to));
        let doomed: Vec<_> = self.changes.rows.range::<[u8], _>(inside).map(|(key, _)| key.clone()).collect();
        for key in doomed {
            self.changes.rows.remove(&key);
        }
        self.changes.weight += from.len() + to.len() + 32;
        self.changes.ranges.push((from.to_vec(), to.to_vec()));
    }

    /// Says that nothing refers to a body any more. Its bytes go when no replica can need them.
    pub fn drop_body(&mut self, body: &BodyRef) {
        let key = keys::tombstone(self.position.group, self.position.index, self.tombstones);
        self.tombstones += 1;
        self.changes.weight += 100;
        self.changes.bodies.put_with(Cf::Raft, &key, |out| body.encode(out));
        if let BodyRef::File { id, .. } = body {
            let registered = self.changes.keys.file(*id);
            self.changes.bodies.delete(Cf::State, &registered);
        }
    }

    /// Visits rows as [`View::scan`](crate::View::scan) does, with everything written so far.
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
        if to.is_some_and(|to| from >= to) {
            return Ok(());
        }
        let upper = to.map_or(Bound::Unbounded, Bound::Excluded);
        let mut written =
            Written { rows: self.changes.rows.range::<[u8], _>((Bound::Included(from), upper)), direction, next: None };
        written.advance();
        let mut ended = ControlFlow::Continue(());
        scan_rows(self.reads, self.changes.keys, from, to, direction, &mut |key, value| {
            ended = written.visit_before(key, visit)?;
            if ended.is_continue() && !written.replaces(key) && !self.changes.is_in_removed_range(key) {
                ended = visit(key, value)?;
            }
            Ok(ended)
        })?;
        if ended.is_continue() {
            written.visit_rest(visit)?;
        }
        Ok(())
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
}

/// The written rows of a scan, in its direction, one ahead.
struct Written<'a> {
    rows: std::collections::btree_map::Range<'a, Vec<u8>, Option<Bytes>>,
    direction: Direction,
    next: Option<(&'a Vec<u8>, &'a Option<Bytes>)>,
}

impl Written<'_> {
    fn advance(&mut self) {
        self.next = match self.direction {
            Direction::Forward => self.rows.next(),
            Direction::Backward => self.rows.next_back(),
        };
    }

    /// Visits the written rows that come before `key`.
    fn visit_before(&mut self, key: &[u8], visit: &mut RowVisitor<'_>) -> io::Result<ControlFlow<()>> {
        while let Some((written, value)) = self.next {
            let before = match self.direction {
                Direction::Forward => written.as_slice() < key,
                Direction::Backward => written.as_slice() > key,
            };
            if !before {
                break;
            }
            self.advance();
            if let Some(value) = value
                && visit(written, value)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the next written row is `key` itself; it will be visited in its turn.
    fn replaces(&self, key: &[u8]) -> bool {
        self.next.is_some_and(|(written, _)| written.as_slice() == key)
    }

    fn visit_rest(&mut self, visit: &mut RowVisitor<'_>) -> io::Result<()> {
        while let Some((written, value)) = self.next {
            self.advance();
            if let Some(value) = value
                && visit(written, value)?.is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, SimEngine};
    use crate::ids::GroupId;
    use proptest::prelude::*;
    use std::sync::Arc;

    const KEYS: StateKeys = StateKeys { group: GroupId(1), generation: 0 };
    const AT: Position = Position { group: GroupId(1), index: 9, term: 1 };

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, u8),
        Delete(u8),
        DeleteRange(u8, u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0u8..12;
        prop_oneof![
            (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
            key.clone().prop_map(Step::Delete),
            (key.clone(), key).prop_map(|(from, to)| Step::DeleteRange(from, to)),
        ]
    }

    fn run(steps: &[Step], txn: &mut Txn<'_>, model: &mut BTreeMap<u8, u8>) {
        for step in steps {
            match *step {
                Step::Put(key, value) => {
                    txn.put(&[key], vec![value]);
                    model.insert(key, value);
                }
                Step::Delete(key) => {
                    txn.delete(&[key]);
                    model.remove(&key);
                }
                Step::DeleteRange(from, to) => {
                    txn.delete_range(&[from], &[to]);
                    model.retain(|key, _| !(from..to).contains(key));
                }
            }
        }
    }

    fn commit(engine: &Arc<SimEngine>, changes: Changes) {
        engine.write(&[changes.into_batch(b"")]).unwrap();
    }

    proptest! {
        #[test]
        fn a_transaction_reads_like_a_map_and_writes_what_it_read(
            first in prop::collection::vec(step(), 0..20),
            second in prop::collection::vec(step(), 0..20),
            from in 0u8..12, to in 0u8..12, limit in 0usize..5,
        ) {
            let engine = SimEngine::new(1);
            let mut model = BTreeMap::new();
            let mut changes = Changes::new(KEYS);
            run(&first, &mut Txn::new(&mut changes, &*engine, AT), &mut model);
            commit(&engine, changes);
            let mut changes = Changes::new(KEYS);
            let mut txn = Txn::new(&mut changes, &*engine, AT);
            run(&second, &mut txn, &mut model);
            for key in 0..12 {
                prop_assert_eq!(txn.get(&[key]).unwrap().map(|value| value[0]), model.get(&key).copied());
            }
            let expected: Vec<_> = model.iter().filter(|(key, _)| (from..to).contains(*key)).map(|(k, v)| (*k, *v)).collect();
            let plain = |rows: Vec<(Bytes, Bytes)>| rows.iter().map(|(key, value)| (key[0], value[0])).collect::<Vec<_>>();
            let forward = plain(txn.rows(&[from], Some(&[to]), Direction::Forward, limit).unwrap());
            prop_assert_eq!(&forward, &expected.iter().take(limit).copied().collect::<Vec<_>>());
            let backward = plain(txn.rows(&[from], Some(&[to]), Direction::Backward, limit).unwrap());
            prop_assert_eq!(&backward, &expected.iter().rev().take(limit).copied().collect::<Vec<_>>());
            commit(&engine, changes);
            let view = crate::view::View::new(engine.snapshot(), KEYS);
            let all = plain(view.rows(&[], None, Direction::Forward, 100).unwrap());
            prop_assert_eq!(all, model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_dropped_file_leaves_the_register_and_a_tombstone() {
        let engine = SimEngine::new(1);
        let file = BodyRef::File { id: 5, len: 9, hash: [1; 32] };
        let mut changes = Changes::new(KEYS);
        changes.register_file(&file);
        Txn::new(&mut changes, &*engine, AT).drop_body(&file);
        commit(&engine, changes);
        assert_eq!(engine.get(Cf::State, &KEYS.file(5)).unwrap(), None);
        let tombstone = engine.get(Cf::Raft, &keys::tombstone(GroupId(1), 9, 0)).unwrap().unwrap();
        assert_eq!(BodyRef::decode(&mut &tombstone[..]), Ok(file));
    }
}
