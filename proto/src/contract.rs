//! What a store node offers. Every call names its group; a node that doesn't lead it answers [`StoreError::NotLeader`], and
//! [`crate::StoreClient`] follows. Reads are linearizable.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use serde::{Deserialize, Serialize};
use yubin_state::command::Login;
use yubin_state::{Answer, Envelope, Query, Reply};
use yubin_types::report::ReportFact;
use yubin_types::search::{SearchKey, SortCriterion};
use yubin_types::{
    AccountId, DomainId, Epoch, GroupNumber, MailboxId, ModSeq, QueueId, Refusal, Timestamp, Uid, UidSet,
};

use crate::mail_log::{LogEntry, MailEvent, MailLogSearch};
use crate::membership::{MembershipProgress, MembershipStep};
use crate::report_facts::FactsQuery;

/// Why a call failed. A refusal is not a failure: it comes as a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum StoreError {
    /// This node doesn't lead the group; `leader` does, if it is known.
    #[error("not the leader of the group")]
    NotLeader {
        /// Node id.
        leader: Option<u64>,
    },
    /// Nothing was done: no majority, no leader, the node is starting or stopping.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The outcome is not known; the same request id may be tried again and finds it out.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// Nothing was done: too much is under way.
    #[error("overloaded")]
    Overloaded,
    /// The peer sent what can't be understood; a bug or a version too far apart.
    #[error("malformed: {0}")]
    Malformed(String),
}

/// A domain in its group, as the caller believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Group.
    pub group: GroupNumber,
    /// Domain; `DomainId(0)` for the directory.
    pub domain: DomainId,
    /// Fences stale routing.
    pub epoch: Epoch,
}

impl Scope {
    /// The directory itself.
    pub const DIRECTORY: Scope = Scope { group: GroupNumber::DIRECTORY, domain: DomainId(0), epoch: Epoch(0) };
}

/// A command on its way. The leader sets the envelope's stamp.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The group.
    pub group: GroupNumber,
    /// The envelope, its stamp still 0.
    pub envelope: Envelope,
    /// The command, encoded without a format byte: it follows the envelope in the log entry.
    pub command: Bytes,
    /// Bodies by ordinal.
    pub bodies: Vec<Body>,
}

/// A body on its way.
#[derive(Clone)]
pub enum Body {
    /// Below [`yubin_types::limits::INLINE_BODY_BYTES_MAX`].
    Inline(Bytes),
    /// At or above it: read piece by piece, again for a retry.
    Large(Arc<dyn LargeBody>),
}

/// The pieces of a body.
pub type BodyStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// A body that isn't held in memory.
pub trait LargeBody: Send + Sync + 'static {
    /// Its length, bytes.
    fn length(&self) -> u64;
    /// Its pieces from the start.
    fn open(&self) -> BodyStream;
}

impl Body {
    /// Its length, bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Body::Inline(bytes) => bytes.len() as u64,
            Body::Large(large) => large.length(),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Body::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            Body::Large(body) => write!(f, "Large({} bytes)", body.length()),
        }
    }
}

/// SEARCH in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchRequest {
    /// Who.
    pub login: Login,
    /// Where.
    pub mailbox: MailboxId,
    /// Only among these.
    pub among: UidSet,
    /// What.
    pub key: SearchKey,
    /// In which order it is told, if in any (RFC 5256).
    pub sort: Vec<SortCriterion>,
}

/// What SEARCH found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SearchOutcome {
    /// Messages, and the highest MODSEQ among them.
    Found {
        /// UIDs.
        uids: UidSet,
        /// RFC 7162 §3.1.5.
        highest_modseq: ModSeq,
    },
    /// Refused.
    Refused(Refusal),
    /// As `Found`, in the order that was asked for.
    Sorted {
        /// UIDs.
        uids: Vec<Uid>,
        /// RFC 7162 §3.1.6.
        highest_modseq: ModSeq,
    },
}

/// Which octets of a message: prefix and body count as one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessagePiece {
    /// Of which message.
    pub source: MessageSource,
    /// From.
    pub offset: u64,
    /// At most this many; fewer come only at the end of the message.
    pub length: u32,
}

/// Where a message is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageSource {
    /// A mailbox.
    Mailbox {
        /// Who.
        login: Login,
        /// Where.
        mailbox: MailboxId,
        /// Which.
        uid: Uid,
    },
    /// The outbound queue of the scope's domain.
    Queued(QueueId),
}

/// What to do with an account's exclusive lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockAction {
    /// Take it; granted if it is free or already held under the same token.
    Take,
    /// Keep it for another [`yubin_types::limits::POP3_LOCK_SECONDS`].
    Renew,
    /// Give it back.
    Release,
}

/// News of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// These topics changed.
    Changed(Vec<u64>),
    /// News were lost, or may have been: everything may have changed.
    Resync,
}

/// News as they come.
pub type WatchStream = Pin<Box<dyn Stream<Item = WatchEvent> + Send>>;

/// Where a node stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its id.
    pub node: u64,
    /// Its replicas.
    pub groups: Vec<GroupStatus>,
    /// Its disk: a random number that it was given when it was empty.
    pub disk: u128,
    /// The disks that its peers are known by.
    pub known_disks: Vec<(u64, u128)>,
    /// Store addresses of the nodes, as this node's own, perhaps older, copy of the directory lists them.
    pub nodes: Vec<(u64, String)>,
    /// What its clock shows.
    pub clock: Timestamp,
    /// How far its clock is ahead of the other nodes' (negative: behind), milliseconds, if that is more than
    /// [`yubin_types::limits::CLOCK_OFF_MS_MAX`]; else 0.
    pub clock_ahead_ms: i64,
}

/// A group as one of its replicas sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// Which.
    pub group: GroupNumber,
    /// Leader, if one is known.
    pub leader: Option<u64>,
    /// Term.
    pub term: u64,
    /// Last log index.
    pub last_log_index: u64,
    /// Applied index.
    pub applied_index: u64,
    /// Voters.
    pub voters: Vec<u64>,
    /// Learners.
    pub learners: Vec<u64>,
    /// Did apply panic here?
    pub health: GroupHealth,
}

/// Is a replica in working order?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupHealth {
    /// Yes.
    Healthy,
    /// It stopped applying; an operator must look.
    Faulted,
}

/// What a store node offers.
#[async_trait::async_trait]
pub trait StoreNode: Send + Sync + 'static {
    /// Proposes a command; the reply comes when a majority has it on disk and it is applied.
    async fn propose(&self, proposal: Proposal) -> Result<Reply, StoreError>;

    /// Answers a query from a state that holds every command acknowledged before the call.
    async fn query(&self, scope: Scope, query: Query) -> Result<Answer, StoreError>;

    /// Runs a SEARCH.
    async fn search(&self, scope: Scope, request: SearchRequest) -> Result<SearchOutcome, StoreError>;

    /// Reads a piece of a message.
    async fn read_message(&self, scope: Scope, piece: MessagePiece) -> Result<Result<Bytes, Refusal>, StoreError>;

    /// Tells what a group applies from now on. Any replica may answer.
    async fn watch(&self, group: GroupNumber) -> Result<WatchStream, StoreError>;

    /// The exclusive lock of an account's INBOX; answers whether the caller holds it now (after a release: `false`).
    async fn lock(
        &self,
        scope: Scope,
        account: AccountId,
        token: [u8; 16],
        action: LockAction,
    ) -> Result<bool, StoreError>;

    /// Takes a step in a change of who holds a group. Voters change on the group's leader only.
    async fn membership(&self, step: MembershipStep) -> Result<MembershipProgress, StoreError>;

    /// Keeps entries of the mail log on this node's disk, not synced.
    async fn log_mail(&self, entries: Arc<[LogEntry]>) -> Result<(), StoreError>;

    /// Events of the mail log that this node keeps, the latest first.
    async fn search_mail_log(&self, search: &MailLogSearch) -> Result<Vec<MailEvent>, StoreError>;

    /// Facts for reports that this node keeps, in the order of their places.
    async fn report_facts(&self, query: &FactsQuery) -> Result<Vec<ReportFact>, StoreError>;

    /// Where this node stands.
    async fn status(&self) -> Result<NodeStatus, StoreError>;
}
