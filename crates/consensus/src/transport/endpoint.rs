//! What the server calls when a peer's message names a group.
//!
//! One implementation stands on openraft (`replica.rs`), whatever the group's state machine is; the
//! server holds it as a trait object and so needs no type parameters.

use std::sync::Arc;

use futures::stream::BoxStream;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::error::Refusal;
use crate::raft_types::{SnapshotMeta, TypeConfig, Vote};
use crate::snapshot::{SnapshotWriter, Staged};

/// This node's replica of one group, as its peers see it.
#[async_trait::async_trait]
pub(crate) trait Endpoint: Send + Sync + 'static {
    /// Asks for this replica's vote.
    async fn vote(&self, request: VoteRequest<TypeConfig>) -> Result<VoteResponse<TypeConfig>, Refusal>;

    /// Asks whether this replica would vote; changes nothing.
    async fn pre_vote(&self, request: VoteRequest<TypeConfig>) -> Result<VoteResponse<TypeConfig>, Refusal>;

    /// An append without entries.
    async fn heartbeat(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
    ) -> Result<StreamAppendResult<TypeConfig>, Refusal>;

    /// Appends, answered in order once durable. Ends after the first that is rejected.
    fn append_stream(
        &self,
        requests: BoxStream<'static, AppendEntriesRequest<TypeConfig>>,
    ) -> BoxStream<'static, Result<StreamAppendResult<TypeConfig>, Refusal>>;

    /// The leader wants this replica to lead.
    async fn transfer_leader(
        &self,
        request: TransferLeaderRequest<TypeConfig>,
    ) -> Result<TransferLeaderResponse<TypeConfig>, Refusal>;

    /// A place for a snapshot that a peer is about to send.
    async fn begin_snapshot(&self) -> Result<SnapshotWriter, Refusal>;

    /// Makes a received snapshot the state, if `vote` is not outdated; the answer is this replica's
    /// vote.
    async fn install_snapshot(&self, vote: Vote, meta: SnapshotMeta, staged: Staged) -> Result<Vote, Refusal>;
}

/// How the server holds it.
pub(crate) type EndpointRef = Arc<dyn Endpoint>;
