//! What can go wrong for callers of a [`Group`](crate::Group) or a [`Node`](crate::Node).

use std::io;

use openraft::errors::{ClientWriteError, Fatal, LinearizableReadError, RaftError};

use crate::fault::Fault;
use crate::ids::{GroupId, NodeId};
use crate::raft_types::TypeConfig;

/// Why a proposal has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// Another node leads, or none. Nothing was done.
    #[error("not the leader (which is {leader:?})")]
    NotLeader {
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
    /// The command or its bodies exceed the limits. Nothing was done.
    #[error("the command is too large")]
    TooLarge,
    /// A staged body was held for too long and is gone. Nothing was done; it must be staged again.
    #[error("a staged body is gone")]
    BodyGone,
    /// Too much is waiting already. Nothing was done.
    #[error("too many proposals are waiting")]
    Overloaded,
    /// The command may or may not be applied, now or later. Commands carry idempotency keys for
    /// this.
    #[error("the outcome is unknown: {0}")]
    Unknown(&'static str),
    /// The group stopped on this replica.
    #[error("{0}")]
    Faulted(Fault),
    /// The node is shutting down. Nothing was done.
    #[error("the node is shutting down")]
    ShuttingDown,
}

/// Why a linearizable read was not possible.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// Another node leads, or none.
    #[error("not the leader (which is {leader:?})")]
    NotLeader {
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
    /// A quorum did not answer in time.
    #[error("no quorum answered")]
    NoQuorum,
    /// The group stopped on this replica.
    #[error("{0}")]
    Faulted(Fault),
    /// The node is shutting down, or the group is being restarted.
    #[error("the group is not running")]
    Stopped,
}

/// Why a membership change or a transfer did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Another node leads, or none.
    #[error("not the leader (which is {leader:?})")]
    NotLeader {
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
    /// There is no replica of that group here.
    #[error("no replica of group {0} here")]
    NoSuchGroup(GroupId),
    /// The change is not possible now: another one is under way, or it names an unknown node.
    #[error("{0}")]
    Refused(String),
    /// The change may or may not happen.
    #[error("the outcome is unknown: {0}")]
    Unknown(&'static str),
    /// The group is not running here.
    #[error("the group is not running")]
    Stopped,
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory belongs to another node.
    #[error("the directory belongs to node {found}, not {expected}")]
    OtherNode {
        /// The node id on disk.
        found: NodeId,
        /// The node id in the configuration.
        expected: NodeId,
    },
    /// The directory belongs to another cluster.
    #[error("the directory belongs to cluster {found:032x}, not {expected:032x}")]
    OtherCluster {
        /// The cluster on disk.
        found: u128,
        /// The cluster in the configuration.
        expected: u128,
    },
    /// A newer version of the software wrote the directory.
    #[error("the directory has format {0}, which this version does not know")]
    Format(u32),
    /// Node id 0.
    #[error("a node id is greater than 0")]
    InvalidNode,
    /// The disk or the network.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ProposeError {
    pub(crate) fn from_raft(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> Self {
        match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => Self::NotLeader { leader: to.leader_id },
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => Self::Unknown("leadership changed"),
            RaftError::APIError(_) => Self::Unknown("unexpected refusal"),
            RaftError::Fatal(_) => Self::Unknown("the group stopped"),
        }
    }
}

impl ReadError {
    pub(crate) fn from_raft(error: RaftError<TypeConfig, LinearizableReadError<TypeConfig>>) -> Self {
        match error {
            RaftError::APIError(LinearizableReadError::ForwardToLeader(to)) => Self::NotLeader { leader: to.leader_id },
            RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => Self::NoQuorum,
            RaftError::Fatal(_) => Self::Stopped,
        }
    }
}

impl AdminError {
    pub(crate) fn from_raft(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> Self {
        match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => Self::NotLeader { leader: to.leader_id },
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => Self::Unknown("leadership changed"),
            RaftError::APIError(refused) => Self::Refused(refused.to_string()),
            RaftError::Fatal(_) => Self::Stopped,
        }
    }
}

impl From<Fatal<TypeConfig>> for AdminError {
    fn from(_: Fatal<TypeConfig>) -> Self {
        Self::Stopped
    }
}
