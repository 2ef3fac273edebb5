//! Between the contract's values and the generated messages.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use yubin_state::command::Login;
use yubin_state::{Decode as _, Encode as _};
use yubin_types::{AccountId, DomainId, Epoch, GroupNumber, MailboxId, QueueId, Timestamp, Uid};

use crate::contract::{
    GroupHealth, GroupStatus, LockAction, MessagePiece, MessageSource, NodeStatus, Scope, StoreError, WatchEvent,
};
use crate::r#gen::store as wire;

/// A value in the log's encoding.
pub(super) fn encode<T: Serialize>(value: &T) -> Bytes {
    value.encode().into()
}

/// A value in the log's encoding, from a peer.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    T::decode(bytes).map_err(|error| StoreError::Malformed(error.to_string()))
}

impl From<Scope> for wire::Scope {
    fn from(scope: Scope) -> Self {
        wire::Scope { group: scope.group.0, domain: scope.domain.0, epoch: scope.epoch.0 }
    }
}

/// A request's scope; it must be there.
pub(super) fn scope(scope: Option<wire::Scope>) -> Result<Scope, StoreError> {
    let scope = scope.ok_or_else(|| StoreError::Malformed("no scope".to_owned()))?;
    Ok(Scope { group: GroupNumber(scope.group), domain: DomainId(scope.domain), epoch: Epoch(scope.epoch) })
}

/// The request for a piece of a message.
pub(super) fn read_request(scope: Scope, piece: MessagePiece) -> wire::ReadMessageRequest {
    use wire::read_message_request::Source;
    let source = match piece.source {
        MessageSource::Mailbox { login, mailbox, uid } => Source::Mailbox(wire::MailboxMessage {
            account: login.account.0,
            generation: login.generation,
            mailbox: mailbox.0,
            uid: uid.0,
        }),
        MessageSource::Queued(id) => Source::Queued(Bytes::copy_from_slice(&id.0)),
    };
    let (offset, length) = (piece.offset, piece.length);
    wire::ReadMessageRequest { scope: Some(scope.into()), source: Some(source), offset, length }
}

/// The piece that a request asks for; it must name a message.
pub(super) fn piece(request: &wire::ReadMessageRequest) -> Result<MessagePiece, StoreError> {
    use wire::read_message_request::Source;
    let malformed = |why: &str| StoreError::Malformed(why.to_owned());
    let source = match request.source.as_ref().ok_or_else(|| malformed("no message named"))? {
        Source::Mailbox(message) => MessageSource::Mailbox {
            login: Login { account: AccountId(message.account), generation: message.generation },
            mailbox: MailboxId(message.mailbox),
            uid: Uid(message.uid),
        },
        Source::Queued(id) => {
            MessageSource::Queued(QueueId((&id[..]).try_into().map_err(|_| malformed("a queue id has 16 bytes"))?))
        }
    };
    Ok(MessagePiece { source, offset: request.offset, length: request.length })
}

impl From<LockAction> for wire::LockAction {
    fn from(action: LockAction) -> Self {
        match action {
            LockAction::Take => wire::LockAction::Take,
            LockAction::Renew => wire::LockAction::Renew,
            LockAction::Release => wire::LockAction::Release,
        }
    }
}

/// A request's lock action; it must be a known one.
pub(super) fn lock_action(action: wire::LockAction) -> Result<LockAction, StoreError> {
    match action {
        wire::LockAction::Take => Ok(LockAction::Take),
        wire::LockAction::Renew => Ok(LockAction::Renew),
        wire::LockAction::Release => Ok(LockAction::Release),
        wire::LockAction::Unspecified => Err(StoreError::Malformed("no lock action".to_owned())),
    }
}

impl From<WatchEvent> for wire::WatchEvent {
    fn from(event: WatchEvent) -> Self {
        match event {
            WatchEvent::Changed(topics) => wire::WatchEvent { topics, resync: false },
            WatchEvent::Resync => wire::WatchEvent { topics: Vec::new(), resync: true },
        }
    }
}

impl From<wire::WatchEvent> for WatchEvent {
    fn from(event: wire::WatchEvent) -> Self {
        if event.resync { WatchEvent::Resync } else { WatchEvent::Changed(event.topics) }
    }
}

impl From<NodeStatus> for wire::StatusReply {
    fn from(status: NodeStatus) -> Self {
        let groups = status.groups.into_iter().map(|group| wire::GroupStatus {
            group: group.group.0,
            leader: group.leader,
            term: group.term,
            last_log_index: group.last_log_index,
            applied_index: group.applied_index,
            voters: group.voters,
            learners: group.learners,
            faulted: group.health == GroupHealth::Faulted,
        });
        let known = status.known_disks.into_iter().map(|(node, disk)| wire::PeerDisk { node, disk: disk_bytes(disk) });
        let nodes = status.nodes.into_iter().map(|(node, store_address)| wire::NodeAddress { node, store_address });
        wire::StatusReply {
            node: status.node,
            groups: groups.collect(),
            disk: disk_bytes(status.disk),
            known_disks: known.collect(),
            nodes: nodes.collect(),
            clock_ms: status.clock.millis(),
            clock_ahead_ms: status.clock_ahead_ms,
        }
    }
}

impl TryFrom<wire::StatusReply> for NodeStatus {
    type Error = StoreError;

    fn try_from(status: wire::StatusReply) -> Result<Self, StoreError> {
        let groups = status.groups.into_iter().map(|group| GroupStatus {
            group: GroupNumber(group.group),
            leader: group.leader,
            term: group.term,
            last_log_index: group.last_log_index,
            applied_index: group.applied_index,
            voters: group.voters,
            learners: group.learners,
            health: if group.faulted { GroupHealth::Faulted } else { GroupHealth::Healthy },
        });
        let known = status.known_disks.iter().map(|known| Ok((known.node, disk(&known.disk)?)));
        Ok(NodeStatus {
            node: status.node,
            groups: groups.collect(),
            disk: disk(&status.disk)?,
            known_disks: known.collect::<Result<_, StoreError>>()?,
            nodes: status.nodes.into_iter().map(|node| (node.node, node.store_address)).collect(),
            clock: Timestamp(status.clock_ms),
            clock_ahead_ms: status.clock_ahead_ms,
        })
    }
}

fn disk_bytes(disk: u128) -> Bytes {
    Bytes::copy_from_slice(&disk.to_be_bytes())
}

fn disk(bytes: &[u8]) -> Result<u128, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Malformed("a disk has 16 bytes".to_owned()))?;
    Ok(u128::from_be_bytes(bytes))
}
