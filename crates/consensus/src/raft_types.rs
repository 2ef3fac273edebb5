//! The one place that binds the Raft library's type parameters to ours.
//!
//! Leader ids are the standard ones (one leader per term), so `(index, term)` names an entry for
//! ever. An entry's payload is a [`Command`]: the caller's bytes plus its bodies, cheap to clone,
//! *fat* while it carries inline bodies' bytes (proposed, replicated, cached) and *thin* when it
//! only knows their lengths (read back from disk for apply). Nothing outside this crate names
//! these types.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::body::{BodyRef, FileBody};
use crate::ids::{NodeId, PeerAddress};

openraft::declare_raft_types!(
    /// The type parameters of every group.
    pub(crate) TypeConfig:
        D = Command,
        R = Bytes,
        NodeId = NodeId,
        Node = PeerAddress,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>,
        AsyncRuntime = crate::runtime::Runtime,
);

pub(crate) type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<NodeId, PeerAddress>;
pub(crate) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type Payload = openraft::EntryPayload<Command, NodeId, PeerAddress>;
pub(crate) type LogEntry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(crate) type CommittedLeaderId = openraft::type_config::alias::CommittedLeaderIdOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;

/// What an entry carries: the caller's command and its bodies, in order.
#[derive(Clone)]
pub(crate) struct Command(Arc<CommandParts>);

struct CommandParts {
    bytes: Bytes,
    bodies: Vec<EntryBody>,
}

/// A body as an entry holds it.
#[derive(Clone)]
pub(crate) enum EntryBody {
    /// The bytes themselves.
    Inline(Bytes),
    /// Stored under the entry's position; only the length is known here.
    Stored {
        /// Length in bytes.
        len: u32,
    },
    /// A file, durable before the entry was appended.
    File(FileBody),
}

impl EntryBody {
    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Stored { len } => u64::from(*len),
            Self::File(file) => file.len,
        }
    }

    /// What state keeps of the body number `ordinal` of the entry at `log_id`.
    pub(crate) fn reference(&self, log_id: &LogId, ordinal: u16) -> BodyRef {
        match self {
            Self::Inline(_) | Self::Stored { .. } => BodyRef::Log {
                index: log_id.index,
                term: log_id.leader_id.term,
                ordinal,
                len: u32::try_from(self.len()).unwrap_or(u32::MAX),
            },
            Self::File(file) => (*file).into(),
        }
    }
}

impl Command {
    pub(crate) fn new(bytes: Bytes, bodies: Vec<EntryBody>) -> Self {
        Self(Arc::new(CommandParts { bytes, bodies }))
    }

    /// The caller's command.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    pub(crate) fn bodies(&self) -> &[EntryBody] {
        &self.0.bodies
    }

    /// The body files this command names.
    pub(crate) fn files(&self) -> impl Iterator<Item = FileBody> + '_ {
        self.0.bodies.iter().filter_map(|body| match body {
            EntryBody::File(file) => Some(*file),
            _ => None,
        })
    }

    /// Whether some inline body's bytes are not here.
    pub(crate) fn is_thin(&self) -> bool {
        self.0.bodies.iter().any(|body| matches!(body, EntryBody::Stored { .. }))
    }

    /// Bytes this command holds in memory and on the wire.
    pub(crate) fn weight(&self) -> usize {
        let bodies: usize = self
            .0
            .bodies
            .iter()
            .map(|body| match body {
                EntryBody::Inline(bytes) => bytes.len() + 16,
                _ => 64,
            })
            .sum();
        self.0.bytes.len() + bodies
    }
}

/// Bytes an entry holds in memory and, roughly, on the wire.
pub(crate) fn entry_weight(entry: &LogEntry) -> usize {
    const OVERHEAD: usize = 96;
    OVERHEAD
        + match &entry.payload {
            Payload::Normal(command) => command.weight(),
            _ => 0,
        }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {} bodies", self.0.bytes.len(), self.0.bodies.len())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
