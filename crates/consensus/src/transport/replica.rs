//! A group's replica as its peers see it: openraft behind the [`Endpoint`] trait.

use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::storage::RaftStateMachine;
use openraft::{Raft, Snapshot};

use super::bodies::failed;
use super::endpoint::Endpoint;
use super::error::{Refusal, RefusalCode};
use crate::raft_types::{SnapshotMeta, TypeConfig, Vote};
use crate::replica::Replica;
use crate::snapshot::{SnapshotData, SnapshotWriter, Staged};

/// One group's openraft, whatever its state machine is.
pub(crate) struct RaftEndpoint<SM: RaftStateMachine<TypeConfig>> {
    pub(crate) raft: Raft<TypeConfig, SM>,
    pub(crate) replica: Arc<Replica>,
}

#[async_trait::async_trait]
impl<SM> Endpoint for RaftEndpoint<SM>
where
    SM: RaftStateMachine<TypeConfig, SnapshotData = SnapshotData>,
{
    async fn vote(&self, request: VoteRequest<TypeConfig>) -> Result<VoteResponse<TypeConfig>, Refusal> {
        self.raft.vote(request).await.map_err(stopped)
    }

    async fn pre_vote(&self, request: VoteRequest<TypeConfig>) -> Result<VoteResponse<TypeConfig>, Refusal> {
        self.raft.pre_vote(request).await.map_err(stopped)
    }

    async fn heartbeat(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
    ) -> Result<StreamAppendResult<TypeConfig>, Refusal> {
        let prev = request.prev_log_id;
        match self.raft.append_entries(request).await.map_err(stopped)? {
            // Nothing precedes the first entry, so nothing can be in conflict with it.
            AppendEntriesResponse::Conflict if prev.is_none() => {
                Err(Refusal::new(RefusalCode::Malformed, "conflict at the start of the log"))
            }
            answer => Ok(answer.into_stream_result(prev, prev)),
        }
    }

    fn append_stream(
        &self,
        requests: BoxStream<'static, AppendEntriesRequest<TypeConfig>>,
    ) -> BoxStream<'static, Result<StreamAppendResult<TypeConfig>, Refusal>> {
        self.raft.stream_append(requests).map(|answer| answer.map_err(stopped)).boxed()
    }

    async fn transfer_leader(
        &self,
        request: TransferLeaderRequest<TypeConfig>,
    ) -> Result<TransferLeaderResponse<TypeConfig>, Refusal> {
        self.raft.handle_transfer_leader(request).await.map_err(stopped)
    }

    async fn begin_snapshot(&self) -> Result<SnapshotWriter, Refusal> {
        SnapshotWriter::begin(&self.replica).map_err(failed)
    }

    async fn install_snapshot(&self, vote: Vote, meta: SnapshotMeta, staged: Staged) -> Result<Vote, Refusal> {
        let snapshot = Snapshot { meta, snapshot: SnapshotData::Staged(staged) };
        Ok(self.raft.install_full_snapshot(vote, snapshot).await.map_err(stopped)?.vote)
    }
}

fn stopped(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalCode::Stopped, error)
}
