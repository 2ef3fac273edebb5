//! What the layer above supplies: how a command changes a group's state.
//!
//! Every replica applies the same commands in the same order and must come to the same rows and
//! the same replies, on any machine and in any later version: no clock, no randomness, no
//! configuration, no order of a hash map. What such a function needs travels in the command.

use std::io;

use bytes::Bytes;

use crate::body::BodyRef;
use crate::ids::{GroupId, Position};
use crate::txn::Txn;

/// The outcome of one applied command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// What the proposer gets; refusals are replies, not errors.
    pub reply: Bytes,
    /// What changed, in the caller's own numbering, for [`StateMachine::visible`].
    pub topics: Vec<u64>,
}

impl Applied {
    /// A reply without topics.
    #[must_use]
    pub fn reply(reply: impl Into<Bytes>) -> Self {
        Self { reply: reply.into(), topics: Vec::new() }
    }
}

/// The replicated state machine of every group of a node.
pub trait StateMachine: Send + Sync + 'static {
    /// Applies one command. Deterministic. `bodies` are the references of the command's bodies, in
    /// order; a body whose reference is kept nowhere must be dropped with [`Txn::drop_body`].
    ///
    /// A panic marks the group as faulted on this replica and stops it there.
    ///
    /// # Errors
    /// Only when the disk failed, as told by `txn`.
    fn apply(&self, txn: &mut Txn<'_>, position: Position, command: &[u8], bodies: &[BodyRef]) -> io::Result<Applied>;

    /// Called when an entry's changes can be read, in order, with the topics its apply gave. Must
    /// not block.
    fn visible(&self, group: GroupId, index: u64, topics: &[u64]);

    /// Called when a received snapshot has replaced the group's whole state, which now stands at
    /// `index`: whatever was remembered about the group is void. Must not block.
    fn replaced(&self, group: GroupId, index: u64);
}
