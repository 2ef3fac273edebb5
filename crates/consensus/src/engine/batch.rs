//! A list of changes that the engine applies atomically.
//!
//! Keys and small values live in one arena, large values (bodies, which arrive as shared buffers)
//! are kept as they are and copied once, into the engine's own batch.

use bytes::Bytes;

use super::Cf;

/// Values shorter than this are copied into the arena rather than kept as a reference.
const SHARED_BYTES_MIN: usize = 512;

/// A list of changes, applied in order.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    arena: Vec<u8>,
    ops: Vec<Stored>,
    shared_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    len: u32,
}

#[derive(Debug, Clone)]
enum Stored {
    Put { cf: Cf, key: Span, value: Span },
    PutShared { cf: Cf, key: Span, value: Bytes },
    Delete { cf: Cf, key: Span },
    DeleteRange { cf: Cf, from: Span, to: Span },
}

/// One change of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    Put { cf: Cf, key: &'a [u8], value: &'a [u8] },
    Delete { cf: Cf, key: &'a [u8] },
    DeleteRange { cf: Cf, from: &'a [u8], to: &'a [u8] },
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Bytes of keys and values.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.arena.len() + self.shared_bytes + self.ops.len() * 16
    }

    /// Sets a key.
    pub fn put(&mut self, cf: Cf, key: &[u8], value: &[u8]) {
        let (key, value) = (self.store(key), self.store(value));
        self.ops.push(Stored::Put { cf, key, value });
    }

    /// Sets a key to a value that may be shared with others.
    pub fn put_shared(&mut self, cf: Cf, key: &[u8], value: Bytes) {
        if value.len() < SHARED_BYTES_MIN {
            return self.put(cf, key, &value);
        }
        let key = self.store(key);
        self.shared_bytes += value.len();
        self.ops.push(Stored::PutShared { cf, key, value });
    }

    /// Sets a key to what `write` appends.
    pub(crate) fn put_with(&mut self, cf: Cf, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let key = self.store(key);
        let start = self.arena.len();
        write(&mut self.arena);
        let value = span(start, self.arena.len() - start);
        self.ops.push(Stored::Put { cf, key, value });
    }

    /// Removes a key.
    pub fn delete(&mut self, cf: Cf, key: &[u8]) {
        let key = self.store(key);
        self.ops.push(Stored::Delete { cf, key });
    }

    /// Removes the keys with `from <= key < to`.
    pub fn delete_range(&mut self, cf: Cf, from: &[u8], to: &[u8]) {
        let (from, to) = (self.store(from), self.store(to));
        self.ops.push(Stored::DeleteRange { cf, from, to });
    }

    /// The changes, in order.
    pub(crate) fn ops(&self) -> impl Iterator<Item = Op<'_>> {
        self.ops.iter().map(|op| match op {
            Stored::Put { cf, key, value } => Op::Put { cf: *cf, key: self.load(*key), value: self.load(*value) },
            Stored::PutShared { cf, key, value } => Op::Put { cf: *cf, key: self.load(*key), value },
            Stored::Delete { cf, key } => Op::Delete { cf: *cf, key: self.load(*key) },
            Stored::DeleteRange { cf, from, to } => {
                Op::DeleteRange { cf: *cf, from: self.load(*from), to: self.load(*to) }
            }
        })
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        span(start, bytes.len())
    }

    fn load(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.arena.get(start..start + span.len as usize).unwrap_or_default()
    }
}

/// Batches stay far below 4 GiB: commands, entries and snapshot frames are all bounded.
fn span(start: usize, len: usize) -> Span {
    Span { start: u32::try_from(start).unwrap_or(u32::MAX), len: u32::try_from(len).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_in_order() {
        let mut batch = Batch::new();
        let large = Bytes::from(vec![7; SHARED_BYTES_MIN]);
        batch.put(Cf::State, b"a", b"1");
        batch.put_shared(Cf::Body, b"b", large.clone());
        batch.put_with(Cf::Raft, b"c", |out| out.extend_from_slice(b"33"));
        batch.delete(Cf::State, b"a");
        batch.delete_range(Cf::State, b"a", b"z");
        let ops: Vec<_> = batch.ops().collect();
        assert_eq!(
            ops,
            [
                Op::Put { cf: Cf::State, key: b"a", value: b"1" },
                Op::Put { cf: Cf::Body, key: b"b", value: &large },
                Op::Put { cf: Cf::Raft, key: b"c", value: b"33" },
                Op::Delete { cf: Cf::State, key: b"a" },
                Op::DeleteRange { cf: Cf::State, from: b"a", to: b"z" },
            ]
        );
        assert!(batch.weight() >= SHARED_BYTES_MIN);
    }
}
