//! Steps by which replicas of a group come and go. Every step may be taken again after any failure.
//!
//! A replica joins in three steps: it is started, empty, on its node; the group's leader lets it receive the log; once it is level, it
//! votes. It leaves in two: the group goes on without its vote, then its node removes what it has. Who takes the steps in which order is the
//! administration's business; what each may do safely is said here.

use serde::{Deserialize, Serialize};
use yubin_types::GroupNumber;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MembershipStep {
    /// Asked of the node: starts an empty replica that is to join; nothing if there is one.
    StartReplica(GroupNumber),
    /// Asked of the node: removes its replica and all it holds. The group must have left it out before.
    RemoveReplica(GroupNumber),
    /// Asked of every other node: forgets the disk that this node was known by. It must vote in no group.
    ForgetDisk(u64),
    /// Asked of the group's leader: changes who votes.
    ChangeVoters(VoterChange),
}

/// A change of a group's voters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoterChange {
    /// The group.
    pub group: GroupNumber,
    /// Who is to vote from now on.
    pub join: Option<Joining>,
    /// Who is to vote no more.
    pub leave: Option<u64>,
}

/// A node whose replica is to vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joining {
    /// Its id.
    pub node: u64,
    /// Where peers reach it, `host:port`.
    pub peer_address: String,
}

/// How far a step got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MembershipProgress {
    /// It is done.
    Done,
    /// The new replica still receives the log or a snapshot; the same step goes on with it.
    CatchingUp {
        /// Entries that it lacks.
        behind: u64,
    },
}
