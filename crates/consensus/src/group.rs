//! A group as the layer above uses it: propose, read, watch who leads.
//!
//! A handle stays good while the group's Raft is rebuilt underneath (`supervisor`); calls in
//! between fail with "unknown" or "stopped". Proposals take their bytes from two allowances, the
//! group's and the node's, and wait for them: that is the back pressure.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::{Instant as _, Raft};
use parking_lot::RwLock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::applier::Applier;
use crate::body::{Body, BodyRef};
use crate::body_writer::BodyWriter;
use crate::engine::Cf;
use crate::error::{ProposeError, ReadError};
use crate::fault::Fault;
use crate::ids::{GroupId, NodeId, Position};
use crate::keys;
use crate::limits::{
    BODIES_PER_COMMAND_MAX, BODY_INLINE_BYTES_MAX, BODY_READ_BYTES_MAX, COMMAND_BYTES_MAX, ELECTION_MIN,
    ENTRY_BYTES_MAX, GROUP_PROPOSAL_BYTES_MAX, PROPOSAL_TIMEOUT, PROPOSAL_WAIT_MAX,
};
use crate::raft_types::{Command, EntryBody, TypeConfig};
use crate::read_batch::ReadBatch;
use crate::replica::Replica;
use crate::transport::{Peers, on_disk};
use crate::view::View;

pub(crate) type GroupRaft = Raft<TypeConfig, Applier>;

/// One group's replica on this node. Clones are handles to the same.
#[derive(Clone)]
pub struct Group {
    pub(crate) core: Arc<GroupCore>,
}

pub(crate) struct GroupCore {
    pub(crate) id: GroupId,
    pub(crate) node: NodeId,
    pub(crate) state: RwLock<GroupState>,
    pub(crate) leadership: watch::Sender<Leadership>,
    pub(crate) peers: Arc<Peers>,
    room: Arc<Semaphore>,
    node_room: Arc<Semaphore>,
    pub(crate) reads: ReadBatch,
}

/// Whether the group runs here.
#[derive(Clone)]
pub(crate) enum GroupState {
    Running { raft: GroupRaft, replica: Arc<Replica> },
    Faulted { fault: Fault, replica: Arc<Replica> },
    Stopped { replica: Arc<Replica> },
}

/// Who leads a group, as this replica knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The leader, if known.
    pub leader: Option<NodeId>,
    /// The term this is about.
    pub term: u64,
    /// Whether this replica leads.
    pub role: Role,
}

/// What a replica is in its group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// It leads.
    Leader,
    /// It follows, votes or learns.
    #[default]
    Follower,
}

impl Leadership {
    /// Whether this replica leads.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.role == Role::Leader
    }
}

/// A proposal that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Where the command stands in the log.
    pub position: Position,
    /// What the state machine answered.
    pub reply: Bytes,
}

impl Group {
    pub(crate) fn new(
        node: NodeId,
        raft: GroupRaft,
        replica: Arc<Replica>,
        peers: Arc<Peers>,
        node_room: Arc<Semaphore>,
    ) -> Self {
        let core = GroupCore {
            id: replica.group,
            node,
            state: RwLock::new(GroupState::Running { raft, replica }),
            leadership: watch::channel(Leadership::default()).0,
            peers,
            room: Arc::new(Semaphore::new(GROUP_PROPOSAL_BYTES_MAX)),
            node_room,
            reads: ReadBatch::default(),
        };
        Self { core: Arc::new(core) }
    }

    /// The group's id.
    #[must_use]
    pub fn id(&self) -> GroupId {
        self.core.id
    }

    /// Replicates a command and gives the state machine's reply, which is readable on this replica
    /// when this returns.
    ///
    /// # Errors
    /// See [`ProposeError`]; after `Unknown` the command may still be applied.
    pub async fn propose(&self, command: Bytes, bodies: Vec<Body>) -> Result<Committed, ProposeError> {
        let raft = self.raft().map_err(|stopped| stopped.to_propose_error())?;
        let command = checked(command, bodies)?;
        self.keep_files(&command).await?;
        let _room = self.take_room(command.weight()).await?;
        let written = timeout(PROPOSAL_TIMEOUT, raft.client_write(command)).await;
        let Ok(written) = written else { return Err(ProposeError::Unknown("no quorum in time")) };
        let response = written.map_err(|error| match self.fault() {
            Some(fault) => ProposeError::Faulted(fault),
            None => ProposeError::from_raft(error),
        })?;
        let (index, term) = (response.log_id.index, response.log_id.leader_id.term);
        Ok(Committed { position: Position { group: self.core.id, index, term }, reply: response.data })
    }

    /// Starts a body that is too large to be inline. Only sensible on the leader.
    ///
    /// # Errors
    /// The disk failed, or the group does not run.
    pub async fn stage_body(&self) -> io::Result<BodyWriter> {
        BodyWriter::start(self.clone()).await
    }

    /// The state, no older than this call: the leader confirms with a quorum that it leads.
    /// Concurrent calls share the confirmation.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read_index(&self) -> Result<View, ReadError> {
        self.core.reads.read(self).await
    }

    /// The state as the leader has applied it, without asking anyone; `None` unless this replica leads and a quorum heard of
    /// that less than [`ELECTION_MIN`] ago. What it shows was acknowledged; something acknowledged since may be missing, if
    /// another leads by now.
    #[must_use]
    pub fn leader_view(&self) -> Option<View> {
        let metrics = self.raft().ok()?.metrics();
        let metrics = metrics.borrow_watched();
        let acked = metrics.last_quorum_acked.as_ref()?;
        (metrics.state.is_leader() && acked.elapsed() < ELECTION_MIN).then(|| self.view())
    }

    /// The state as it stands on this replica, which may lag.
    #[must_use]
    pub fn view(&self) -> View {
        self.replica().view()
    }

    /// Part of a body, on this replica.
    ///
    /// # Errors
    /// `NotFound` if the body is gone, `InvalidInput` for a range outside it or over
    /// [`BODY_READ_BYTES_MAX`] of a file.
    pub async fn read_body(&self, body: &BodyRef, range: Range<u64>) -> io::Result<Bytes> {
        let replica = self.replica();
        if range.start > range.end || range.end > body.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match *body {
            BodyRef::Log { index, term, ordinal, .. } => {
                let bytes = match replica.cached_body(index, term, ordinal) {
                    Some(bytes) => bytes,
                    None => {
                        let key = keys::body(self.core.id, index, term, ordinal);
                        let stored = on_disk(&replica.disk.engine, move |disk| disk.get(Cf::Body, &key)).await?;
                        stored.ok_or(io::ErrorKind::NotFound)?
                    }
                };
                let (start, end) = (to_usize(range.start)?, to_usize(range.end)?);
                if end > bytes.len() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                Ok(bytes.slice(start..end))
            }
            BodyRef::File { id, .. } => {
                if range.end - range.start > BODY_READ_BYTES_MAX {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                let group = self.core.id;
                on_disk(&replica.disk.engine, move |disk| disk.files().read(group, id, range)).await
            }
        }
    }

    /// Who leads, now and on every change.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.core.leadership.subscribe()
    }

    /// Why the group does not run on this replica, if it is the state machine's panic.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.replica().fault.get()
    }

    pub(crate) fn replica(&self) -> Arc<Replica> {
        match &*self.core.state.read() {
            GroupState::Running { replica, .. }
            | GroupState::Faulted { replica, .. }
            | GroupState::Stopped { replica } => Arc::clone(replica),
        }
    }

    pub(crate) fn raft(&self) -> Result<GroupRaft, NotRunning> {
        match &*self.core.state.read() {
            GroupState::Running { raft, .. } => Ok(raft.clone()),
            GroupState::Faulted { fault, .. } => Err(NotRunning::Faulted(fault.clone())),
            GroupState::Stopped { .. } => Err(NotRunning::Stopped),
        }
    }

    /// Makes sure that the staged bodies are still here and stay until an entry names them.
    async fn keep_files(&self, command: &Command) -> Result<(), ProposeError> {
        for file in command.files() {
            match self.core.peers.bodies().keep(self.core.id, file).await {
                Ok(true) => {}
                Ok(false) => return Err(ProposeError::BodyGone),
                Err(error) => {
                    tracing::error!(group.id = %self.core.id, %error, "a staged body could not be read");
                    return Err(ProposeError::BodyGone);
                }
            }
        }
        Ok(())
    }

    /// Waits for the bytes of a proposal, for a while.
    async fn take_room(&self, bytes: usize) -> Result<[OwnedSemaphorePermit; 2], ProposeError> {
        let bytes = u32::try_from(bytes).map_err(|_| ProposeError::TooLarge)?;
        let group = take(&self.core.room, bytes).await?;
        let node = take(&self.core.node_room, bytes).await?;
        Ok([group, node])
    }
}

/// Why there is no Raft to talk to.
pub(crate) enum NotRunning {
    Faulted(Fault),
    Stopped,
}

impl NotRunning {
    fn to_propose_error(&self) -> ProposeError {
        match self {
            Self::Faulted(fault) => ProposeError::Faulted(fault.clone()),
            Self::Stopped => ProposeError::ShuttingDown,
        }
    }

    pub(crate) fn to_read_error(&self) -> ReadError {
        match self {
            Self::Faulted(fault) => ReadError::Faulted(fault.clone()),
            Self::Stopped => ReadError::Stopped,
        }
    }
}

async fn take(room: &Arc<Semaphore>, bytes: u32) -> Result<OwnedSemaphorePermit, ProposeError> {
    if let Ok(permit) = Arc::clone(room).try_acquire_many_owned(bytes) {
        return Ok(permit);
    }
    match timeout(PROPOSAL_WAIT_MAX, Arc::clone(room).acquire_many_owned(bytes)).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) => Err(ProposeError::ShuttingDown),
        Err(_) => Err(ProposeError::Overloaded),
    }
}

/// The command as Raft takes it, if it is within the limits.
fn checked(command: Bytes, bodies: Vec<Body>) -> Result<Command, ProposeError> {
    if command.len() > COMMAND_BYTES_MAX || bodies.len() > BODIES_PER_COMMAND_MAX {
        return Err(ProposeError::TooLarge);
    }
    let bodies: Result<Vec<_>, _> = bodies
        .into_iter()
        .map(|body| match body {
            Body::Inline(bytes) if bytes.len() < BODY_INLINE_BYTES_MAX => Ok(EntryBody::Inline(bytes)),
            Body::Inline(_) => Err(ProposeError::TooLarge),
            Body::Staged(staged) => Ok(EntryBody::File(staged.file)),
        })
        .collect();
    let command = Command::new(command, bodies?);
    if command.weight() > ENTRY_BYTES_MAX { Err(ProposeError::TooLarge) } else { Ok(command) }
}

fn to_usize(value: u64) -> io::Result<usize> {
    usize::try_from(value).map_err(io::Error::other)
}
