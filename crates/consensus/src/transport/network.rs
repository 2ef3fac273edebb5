//! What openraft calls to reach its peers.
//!
//! Three clients per follower, as openraft asks for them: heartbeats and votes on the control
//! channel, entries on the log channel, snapshots on the bulk channel. Pre-vote is asked for real: a
//! peer that can't be reached is an error, never a grant.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, Stream, StreamExt};
use openraft::errors::RPCError;
use openraft::network::{
    Backoff, NetBackoff, NetStreamAppend, NetTransferLeader, NetVote, RPCOption, RPCTypes, RaftNetworkFactory,
};
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse};

use super::append_stream::{Answer, pipelined};
use super::codec;
use super::error::CallError;
use super::limits::{REDIAL_PAUSE_MAX, REDIAL_PAUSE_MIN};
use super::peer::Body;
use super::peers::Peers;
use super::wire::Channel;
use crate::codec::CodecError;
use crate::ids::{GroupId, NodeId, PeerAddress};
use crate::raft_types::TypeConfig;

/// Makes the clients of one group.
#[derive(Clone)]
pub(crate) struct GroupNetwork {
    pub(crate) group: GroupId,
    pub(crate) peers: Arc<Peers>,
}

/// A client of one group for one peer.
pub(crate) struct PeerClient {
    pub(crate) group: GroupId,
    pub(crate) to: NodeId,
    pub(crate) peers: Arc<Peers>,
    /// Where appends go: entries on the log channel, heartbeats on the control channel.
    appends: Channel,
}

impl GroupNetwork {
    fn client(&self, to: NodeId, node: &PeerAddress, appends: Channel) -> PeerClient {
        self.peers.addresses().learn(to, &node.0);
        PeerClient { group: self.group, to, peers: Arc::clone(&self.peers), appends }
    }
}

impl RaftNetworkFactory<TypeConfig> for GroupNetwork {
    type Network = PeerClient;

    async fn new_client(&mut self, target: NodeId, node: &PeerAddress) -> PeerClient {
        self.client(target, node, Channel::Log)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &PeerAddress) -> PeerClient {
        self.client(target, node, Channel::Control)
    }

    async fn new_snapshot_client(&mut self, target: NodeId, node: &PeerAddress) -> PeerClient {
        self.client(target, node, Channel::Bulk)
    }
}

impl PeerClient {
    async fn ask(&self, body: Body, ttl: Duration) -> Result<Body, CallError> {
        self.peers.link(self.to, Channel::Control).ask(self.group, body, ttl).await
    }

    pub(crate) fn from(&self) -> NodeId {
        self.peers.identity().node
    }

    fn rpc_error(&self, action: RPCTypes) -> impl FnOnce(CallError) -> RPCError<TypeConfig> {
        let (from, to) = (self.from(), self.to);
        move |error| error.into_rpc(action, from, to)
    }

    async fn ask_vote(&self, body: Body, ttl: Duration) -> Result<VoteResponse<TypeConfig>, CallError> {
        match self.ask(body, ttl).await? {
            Body::VoteAnswer(answer) => Ok(codec::vote_answer(answer)?),
            _ => Err(CodecError::Invalid("vote answer").into()),
        }
    }

    async fn ask_transfer(&self, body: Body, ttl: Duration) -> Result<TransferLeaderResponse<TypeConfig>, CallError> {
        match self.ask(body, ttl).await? {
            Body::TransferAnswer(answer) => Ok(codec::transfer_answer(answer)?),
            _ => Err(CodecError::Invalid("transfer answer").into()),
        }
    }

    /// A heartbeat: an append without entries, one request and one answer.
    async fn heartbeat(&self, request: &AppendEntriesRequest<TypeConfig>, ttl: Duration) -> Answer {
        let asked = async {
            match self.ask(Body::Append(codec::put_append(request)?), ttl).await? {
                Body::AppendAnswer(answer) => Ok(codec::append_answer(answer)?),
                _ => Err(CallError::from(CodecError::Invalid("append answer"))),
            }
        };
        asked.await.map_err(self.rpc_error(RPCTypes::AppendEntries))
    }
}

impl NetBackoff<TypeConfig> for PeerClient {
    fn backoff(&self) -> Option<Backoff> {
        let mut pause = REDIAL_PAUSE_MIN;
        Some(Backoff::new(std::iter::from_fn(move || {
            let this = pause;
            pause = (pause * 2).min(REDIAL_PAUSE_MAX);
            Some(this)
        })))
    }
}

impl NetVote<TypeConfig> for PeerClient {
    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let asked = self.ask_vote(Body::Vote(codec::put_vote_request(&rpc)), option.soft_ttl()).await;
        asked.map_err(self.rpc_error(RPCTypes::Vote))
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let asked = self.ask_vote(Body::PreVote(codec::put_vote_request(&rpc)), option.soft_ttl()).await;
        asked.map_err(self.rpc_error(RPCTypes::Vote))
    }
}

impl NetStreamAppend<TypeConfig> for PeerClient {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Answer>, RPCError<TypeConfig>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
    {
        Box::pin(async move {
            if self.appends == Channel::Control {
                let client: &'s Self = self;
                let ttl = option.soft_ttl();
                let beats = input.then(move |request| async move { client.heartbeat(&request, ttl).await });
                return Ok(beats.boxed());
            }
            let (from, to) = (self.from(), self.to);
            Ok(pipelined(self.peers.link(to, Channel::Log), self.group, input, from, to))
        })
    }
}

impl NetTransferLeader<TypeConfig> for PeerClient {
    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let asked = self.ask_transfer(Body::TransferLeader(codec::put_transfer(&req)), option.soft_ttl()).await;
        asked.map_err(self.rpc_error(RPCTypes::TransferLeader))
    }
}
