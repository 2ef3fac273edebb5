//! Inline bodies that are read piece by piece: each is read from the disk once, and kept until its end was read.
//!
//! A stored inline body can only be read whole. Whoever asks for a piece of it asks for the next one soon (FETCH and RETR in chunks, SEARCH
//! part by part), so the whole is kept, the last ones used up to a bound. Bodies never change, so what is kept is never wrong; who may
//! read it is decided before, from the state. Bodies in files are not kept: of these a piece is read by itself.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use bytes::Bytes;
use parking_lot::Mutex;
use yubin_consensus::{BodyRef, Group, GroupId};
use yubin_types::limits;

type Name = (GroupId, BodyRef);

/// Bodies that were begun.
pub(crate) struct KeptBodies {
    bytes_max: usize,
    begun: Mutex<Begun>,
}

#[derive(Default)]
struct Begun {
    /// The last one used is the last.
    bodies: VecDeque<(Name, Bytes)>,
    bytes: usize,
}

impl KeptBodies {
    /// Room for so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        KeptBodies { bytes_max, begun: Mutex::default() }
    }

    /// Reads a range of a stored body.
    pub(crate) async fn read(&self, group: &Group, body: &BodyRef, range: Range<u64>) -> io::Result<Bytes> {
        if matches!(body, BodyRef::File { .. }) || range == (0..body.len()) {
            return group.read_body(body, range).await;
        }
        self.piece((group.id(), *body), range, || group.read_body(body, 0..body.len())).await
    }

    async fn piece<F>(&self, name: Name, range: Range<u64>, read_whole: impl FnOnce() -> F) -> io::Result<Bytes>
    where
        F: Future<Output = io::Result<Bytes>>,
    {
        let kept = self.begun.lock().take(&name);
        let whole = match kept {
            Some(whole) => whole,
            None => read_whole().await?,
        };
        let index = |at: u64| usize::try_from(at).ok().filter(|at| *at <= whole.len());
        let (Some(start), Some(end)) = (index(range.start), index(range.end)) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if start > end {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let piece = whole.slice(start..end);
        if end < whole.len() {
            self.begun.lock().put(name, whole, self.bytes_max);
        }
        Ok(piece)
    }
}

impl Begun {
    fn take(&mut self, name: &Name) -> Option<Bytes> {
        let at = self.bodies.iter().rposition(|(kept, _)| kept == name)?;
        let (_, whole) = self.bodies.remove(at)?;
        self.bytes -= whole.len();
        Some(whole)
    }

    fn put(&mut self, name: Name, whole: Bytes, bytes_max: usize) {
        // Two may have read it at the same time.
        self.take(&name);
        self.bytes += whole.len();
        self.bodies.push_back((name, whole));
        while self.bytes > bytes_max || self.bodies.len() > limits::KEPT_BODIES_MAX {
            let Some((_, gone)) = self.bodies.pop_front() else { return };
            self.bytes -= gone.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{BodyRef, Bytes, GroupId, KeptBodies, Name, Range};

    const LENGTH: u32 = 1_000;

    fn name(index: u8) -> Name {
        (GroupId(1), BodyRef::Log { index: index.into(), term: 1, ordinal: 0, len: LENGTH })
    }

    /// Reads pieces, and tells how often a whole body was read for them.
    async fn reads(kept: &KeptBodies, pieces: &[(u8, Range<usize>)]) -> usize {
        let reads = Cell::new(0);
        for (index, range) in pieces {
            let octets = (*index..=u8::MAX).cycle().take(LENGTH as usize);
            let whole: Bytes = octets.collect();
            let want = whole.slice(range.clone());
            let read = || async {
                reads.set(reads.get() + 1);
                Ok(whole)
            };
            let range = range.start as u64..range.end as u64;
            assert_eq!(kept.piece(name(*index), range, read).await.unwrap(), want);
        }
        reads.get()
    }

    #[tokio::test]
    async fn the_pieces_of_a_body_are_read_from_the_disk_once() {
        let kept = KeptBodies::new(2_000);
        assert_eq!(reads(&kept, &[(1, 0..400), (1, 400..800), (1, 800..1_000)]).await, 1);
        // Nothing is kept behind the end.
        assert_eq!(kept.begun.lock().bytes, 0);
        assert_eq!(reads(&kept, &[(1, 0..400), (2, 0..500), (1, 400..800), (2, 500..1_000)]).await, 2);
    }

    #[tokio::test]
    async fn the_one_that_was_not_used_longest_makes_room() {
        let kept = KeptBodies::new(2_000);
        assert_eq!(reads(&kept, &[(1, 0..1), (2, 0..1), (1, 1..2), (3, 0..1), (1, 2..3), (3, 1..2)]).await, 3);
        assert_eq!(reads(&kept, &[(2, 1..2)]).await, 1);
        assert_eq!(kept.begun.lock().bytes, 2_000);
        assert!(kept.piece(name(2), 0..1_001, || async { Ok(Bytes::new()) }).await.is_err());
    }
}
