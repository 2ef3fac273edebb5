//! Proposing: the leader stamps the envelope, reads what it is about to propose as every replica will, puts bodies where they go, and
//! waits for the reply.

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::StreamExt as _;
use yubin_consensus::{Body as StoredBody, Group, ProposeError, StagedBody};
use yubin_proto::{Body, LargeBody, Proposal, StoreError};
use yubin_state::{Decode as _, Encode as _, Entry, Envelope, Reply};
use yubin_types::{Refusal, Timestamp};

use crate::body;

/// Proposes and decodes the reply.
pub(crate) async fn propose(group: &Group, now: Timestamp, proposal: Proposal) -> Result<Reply, StoreError> {
    let leadership = *group.leadership().borrow();
    if !leadership.is_leader() {
        return Err(StoreError::NotLeader { leader: leadership.leader.map(|node| node.0) });
    }
    let entry = stamped(proposal.envelope, now, &proposal.command);
    if Entry::decode(&entry).is_err() {
        return Ok(Reply::Refused(Refusal::Unsupported));
    }
    let mut bodies = Vec::with_capacity(proposal.bodies.len());
    for body in proposal.bodies {
        bodies.push(match body {
            Body::Inline(octets) => StoredBody::Inline(body::seal(&octets)),
            Body::Large(large) => StoredBody::Staged(stage(group, &*large).await?),
        });
    }
    let committed = group.propose(entry, bodies).await.map_err(|error| propose_error(&error))?;
    Reply::decode(&committed.reply).map_err(|error| StoreError::Malformed(error.to_string()))
}

/// The entry: the envelope with its stamp, and the command's bytes as they came.
fn stamped(mut envelope: Envelope, now: Timestamp, command: &Bytes) -> Bytes {
    envelope.stamp = now;
    let envelope = envelope.encode();
    let mut entry = BytesMut::with_capacity(envelope.len() + command.len());
    entry.put_slice(&envelope);
    entry.put_slice(command);
    entry.freeze()
}

/// Writes a large body to this replica's disk and to the other voters', before anything names it.
async fn stage(group: &Group, large: &dyn LargeBody) -> Result<StagedBody, StoreError> {
    let failed = |error: std::io::Error| StoreError::Unavailable(format!("storing the body: {error}"));
    let mut writer = group.stage_body().await.map_err(failed)?;
    writer.write(body::header()).await.map_err(failed)?;
    let mut left = large.length();
    let mut pieces = large.open();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(failed)?;
        left = left
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| StoreError::Malformed("more than declared".to_owned()))?;
        writer.write(piece).await.map_err(failed)?;
    }
    if left > 0 {
        return Err(StoreError::Malformed("the body ended early".to_owned()));
    }
    writer.finish().await.map_err(failed)
}

fn propose_error(error: &ProposeError) -> StoreError {
    match error {
        ProposeError::NotLeader { leader } => StoreError::NotLeader { leader: leader.map(|node| node.0) },
        ProposeError::TooLarge => StoreError::Malformed(error.to_string()),
        ProposeError::Overloaded => StoreError::Overloaded,
        ProposeError::Unknown(why) => StoreError::Unknown((*why).to_owned()),
        ProposeError::BodyGone | ProposeError::Faulted(_) | ProposeError::ShuttingDown => {
            StoreError::Unavailable(error.to_string())
        }
    }
}
