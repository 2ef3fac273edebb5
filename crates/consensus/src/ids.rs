//! The names of things in a cluster: nodes, groups and positions in a group's log.
//!
//! A node id belongs to one disk: a replica that forgot its vote may vote twice, so a machine that
//! lost its disk is no peer until the others were told to forget the old one. A group is one Raft log with its own state; group 0
//! is the directory by convention of the layers above, nothing here knows that.

use std::fmt;

use bytes::Bytes;

/// A process of the cluster with a disk of its own. Zero is not a valid id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for NodeId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

/// A node's disk: a random number that is written to it before it holds anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskId(pub u128);

impl DiskId {
    pub(crate) fn to_wire(self) -> Bytes {
        Bytes::copy_from_slice(&self.0.to_be_bytes())
    }

    pub(crate) fn from_wire(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A Raft group: one log, one state, a set of voters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in a group's log. With one leader per term, `(group, index, term)` names one entry
/// for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The group whose log this is.
    pub group: GroupId,
    /// The entry's index; the first entry has index 0.
    pub index: u64,
    /// The term of the leader that appended the entry.
    pub term: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}:{}.{}", self.group, self.term, self.index)
    }
}

/// Where a node's peer service listens, as replicated in every group's membership.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerAddress(pub String);

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
