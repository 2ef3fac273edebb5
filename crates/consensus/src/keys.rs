//! Every key this crate writes. Integers are big-endian, so key order is log order.
//!
//! | family | key | value |
//! |---|---|---|
//! | `raft` | `group ‖ 01` | vote |
//! | `raft` | `group ‖ 02` | purge marker |
//! | `raft` | `group ‖ 03` | presence of the replica |
//! | `raft` | `group ‖ 10 ‖ index` | thin entry |
//! | `raft` | `group ‖ 20 ‖ index ‖ n:u32` | body that entry `index` dropped |
//! | `body` | `group ‖ index ‖ term ‖ ordinal:u16` | inline body |
//! | `sm` | `group ‖ generation:u16 ‖ 00 ‖ …` | what consensus keeps about the state |
//! | `sm` | `group ‖ generation:u16 ‖ 01 ‖ key` | the state machine's rows |
//! | `sm` | `group ‖ FFFF` | the active generation |

use crate::ids::GroupId;

/// The generation number that no state uses: its key holds the pointer to the active one.
pub(crate) const GENERATION_POINTER: u16 = u16::MAX;

const VOTE: u8 = 0x01;
const PURGED: u8 = 0x02;
const PRESENT: u8 = 0x03;
const ENTRY: u8 = 0x10;
const TOMBSTONE: u8 = 0x20;

const INTERNAL: u8 = 0x00;
const ROWS: u8 = 0x01;

pub(crate) type RaftKey = [u8; 5];
pub(crate) type EntryKey = [u8; 13];
pub(crate) type TombstoneKey = [u8; 17];
pub(crate) type BodyKey = [u8; 22];

/// Fills an array from parts whose lengths add up to `N`.
fn join<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut key = [0; N];
    let mut rest = key.as_mut_slice();
    for part in parts {
        let Some((head, tail)) = rest.split_at_mut_checked(part.len()) else { break };
        head.copy_from_slice(part);
        rest = tail;
    }
    key
}

fn raft(group: GroupId, kind: u8) -> RaftKey {
    join(&[&group.0.to_be_bytes(), &[kind]])
}

/// Every key of a group, in any family but that of the node: from, to. The last group number there is has no end, and is not used.
pub(crate) fn of_group(group: GroupId) -> ([u8; 4], [u8; 4]) {
    (group.0.to_be_bytes(), group.0.saturating_add(1).to_be_bytes())
}

pub(crate) fn vote(group: GroupId) -> RaftKey {
    raft(group, VOTE)
}

pub(crate) fn purged(group: GroupId) -> RaftKey {
    raft(group, PURGED)
}

pub(crate) fn present(group: GroupId) -> RaftKey {
    raft(group, PRESENT)
}

pub(crate) fn entry(group: GroupId, index: u64) -> EntryKey {
    join(&[&raft(group, ENTRY), &index.to_be_bytes()])
}

/// The index at the end of an entry's key.
pub(crate) fn entry_index(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|index| u64::from_be_bytes(*index))
}

/// Past the last entry of a group.
pub(crate) fn entries_end(group: GroupId) -> RaftKey {
    raft(group, ENTRY + 1)
}

pub(crate) fn tombstone(group: GroupId, index: u64, number: u32) -> TombstoneKey {
    join(&[&raft(group, TOMBSTONE), &index.to_be_bytes(), &number.to_be_bytes()])
}

/// The index of the entry that dropped something, in a tombstone's key.
pub(crate) fn tombstone_index(key: &[u8]) -> Option<u64> {
    key.get(5..)?.first_chunk::<8>().map(|index| u64::from_be_bytes(*index))
}

/// Past the last tombstone of a group.
pub(crate) fn tombstones_end(group: GroupId) -> RaftKey {
    raft(group, TOMBSTONE + 1)
}

/// The start of the inline bodies of entries from `index` on.
pub(crate) fn bodies_from(group: GroupId, index: u64) -> BodyKey {
    body(group, index, 0, 0)
}

pub(crate) fn body(group: GroupId, index: u64, term: u64, ordinal: u16) -> BodyKey {
    join(&[&group.0.to_be_bytes(), &index.to_be_bytes(), &term.to_be_bytes(), &ordinal.to_be_bytes()])
}

/// The index, term and ordinal in a body's key.
pub(crate) fn body_parts(key: &[u8]) -> Option<(u64, u64, u16)> {
    let rest = key.get(4..)?;
    let (index, rest) = rest.split_first_chunk::<8>()?;
    let (term, rest) = rest.split_first_chunk::<8>()?;
    let ordinal = rest.first_chunk::<2>()?;
    Some((u64::from_be_bytes(*index), u64::from_be_bytes(*term), u16::from_be_bytes(*ordinal)))
}

pub(crate) fn generation_pointer(group: GroupId) -> [u8; 6] {
    join(&[&group.0.to_be_bytes(), &GENERATION_POINTER.to_be_bytes()])
}

/// The keys of one generation of one group's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateKeys {
    pub(crate) group: GroupId,
    pub(crate) generation: u16,
}

impl StateKeys {
    fn prefix(self, table: u8) -> [u8; 7] {
        join(&[&self.group.0.to_be_bytes(), &self.generation.to_be_bytes(), &[table]])
    }

    /// Every key of the generation: from, to.
    pub(crate) fn all(self) -> ([u8; 7], [u8; 7]) {
        let to = Self { generation: self.generation.saturating_add(1), ..self };
        (self.prefix(0), to.prefix(0))
    }

    /// A key given without group and generation.
    pub(crate) fn relative(self, key: &[u8]) -> Vec<u8> {
        let mut full = Vec::with_capacity(6 + key.len());
        full.extend_from_slice(&self.group.0.to_be_bytes());
        full.extend_from_slice(&self.generation.to_be_bytes());
        full.extend_from_slice(key);
        full
    }

    /// Last applied log id and membership.
    pub(crate) fn applied(self) -> Vec<u8> {
        self.internal(b"a")
    }

    /// A body file the state may name.
    pub(crate) fn file(self, id: u128) -> Vec<u8> {
        [self.internal(b"f").as_slice(), &id.to_be_bytes()].concat()
    }

    /// Every body file: from, to.
    pub(crate) fn files(self) -> (Vec<u8>, Vec<u8>) {
        (self.internal(b"f"), self.internal(b"g"))
    }

    /// A received snapshot's inline body.
    pub(crate) fn received(self, index: u64, term: u64, ordinal: u16) -> Vec<u8> {
        let body = body(self.group, index, term, ordinal);
        [self.internal(b"r").as_slice(), body.get(4..).unwrap_or_default()].concat()
    }

    /// Every received body: from, to.
    pub(crate) fn all_received(self) -> (Vec<u8>, Vec<u8>) {
        (self.internal(b"r"), self.internal(b"s"))
    }

    /// Present while bodies that the installed snapshot does not name are still to be removed;
    /// holds the snapshot's last index.
    pub(crate) fn sweep(self) -> Vec<u8> {
        self.internal(b"s")
    }

    fn internal(self, name: &[u8]) -> Vec<u8> {
        [self.prefix(INTERNAL).as_slice(), name].concat()
    }

    /// A row of the state machine.
    pub(crate) fn row(self, key: &[u8]) -> Vec<u8> {
        let mut full = Vec::with_capacity(7 + key.len());
        full.extend_from_slice(&self.prefix(ROWS));
        full.extend_from_slice(key);
        full
    }

    /// Past the last row of the state machine.
    pub(crate) fn rows_end(self) -> Vec<u8> {
        self.prefix(ROWS + 1).to_vec()
    }

    /// The state machine's key in a row's key.
    pub(crate) fn strip(key: &[u8]) -> &[u8] {
        key.get(7..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_group_then_kind_then_index() {
        let group = GroupId(2);
        assert!(vote(group).as_slice() < entry(group, 0).as_slice());
        assert!(entry(group, 255) < entry(group, 256));
        assert!(entry(group, u64::MAX).as_slice() < entries_end(group).as_slice());
        assert!(entries_end(group).as_slice() < tombstone(group, 0, 0).as_slice());
        assert!(tombstone(group, u64::MAX, u32::MAX).as_slice() < vote(GroupId(3)).as_slice());
        assert_eq!(entry_index(&entry(group, 77)), Some(77));
        assert_eq!(tombstone_index(&tombstone(group, 77, 3)), Some(77));
        assert_eq!(body_parts(&body(group, 7, 3, 2)), Some((7, 3, 2)));
    }

    #[test]
    fn a_generations_keys_stay_inside_it() {
        let keys = StateKeys { group: GroupId(2), generation: 5 };
        let (from, to) = keys.all();
        for key in [keys.applied(), keys.file(u128::MAX), keys.sweep(), keys.row(b""), keys.row(&[255; 9])] {
            assert!(from.as_slice() <= key.as_slice() && key.as_slice() < to.as_slice());
        }
        assert!(keys.row(&[255; 9]) < keys.rows_end());
        assert!(to.as_slice() < generation_pointer(GroupId(2)).as_slice());
        assert_eq!(StateKeys::strip(&keys.row(b"abc")), b"abc");
        let (from, to) = keys.all_received();
        let received = keys.received(u64::MAX, u64::MAX, u16::MAX);
        assert!(from <= received && received < to && to <= keys.sweep());
    }
}
