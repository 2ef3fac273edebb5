//! The answering side of transfers: one stream, one body or one snapshot.

use std::sync::Arc;

use futures::stream::StreamExt;
use tokio::time::timeout;

use super::bodies::{Transfer, failed};
use super::codec;
use super::error::{CallError, Refusal, RefusalCode};
use super::limits::TRANSFER_SILENCE_MAX;
use super::peer::{Body, BodyFile, BodyHead, BodyStored};
use super::peers::Peers;
use super::snapshot_recv;
use super::wire::Wire;
use crate::body::FileBody;
use crate::codec::CodecError;
use crate::ids::{GroupId, NodeId};

/// Serves one transfer that `from` opened.
pub(crate) async fn serve(peers: Arc<Peers>, mut wire: Wire, from: NodeId) {
    let Ok(Some(Ok(frame))) = timeout(TRANSFER_SILENCE_MAX, wire.incoming.next()).await else { return };
    let Some(message) = frame.messages.into_iter().next() else { return };
    let group = GroupId(message.group);
    let mut transfer = Transfer::accepted(group, wire);
    let served = match message.body {
        Some(Body::BodyFetch(request)) => serve_fetch(&peers, &mut transfer, group, request.file).await,
        Some(Body::BodyPush(request)) => serve_push(&peers, &mut transfer, group, request.file).await,
        Some(Body::SnapshotBegin(begin)) => snapshot_recv::serve(&peers, &mut transfer, group, begin, from).await,
        _ => Err(CodecError::Invalid("first message of a transfer").into()),
    };
    let Err(error) = served else { return };
    tracing::debug!(group = group.0, peer.node = from.0, %error, "a transfer failed");
    let refusal = match error {
        CallError::Refused(refusal) => refusal,
        CallError::BadAnswer(error) => error.into(),
        CallError::Unreachable(_) | CallError::Lost | CallError::Silent(_) => Refusal::new(RefusalCode::Failed, error),
    };
    // The far side may be gone; then nobody needs to know.
    let _ = transfer.send(Body::Refusal(refusal.encode())).await;
}

async fn serve_fetch(
    peers: &Peers,
    transfer: &mut Transfer,
    group: GroupId,
    file: Option<BodyFile>,
) -> Result<(), CallError> {
    let file = named(file)?;
    let _slot = peers.body_slot()?;
    if !peers.bodies().keep(group, file).await.map_err(failed)? {
        return Err(Refusal::new(RefusalCode::BodyMissing, "this node lacks the body too").into());
    }
    transfer.send(Body::BodyHead(BodyHead { file: Some(codec::put_file(&file)) })).await?;
    peers.bodies().send_file(transfer, group, file).await
}

async fn serve_push(
    peers: &Peers,
    transfer: &mut Transfer,
    group: GroupId,
    file: Option<BodyFile>,
) -> Result<(), CallError> {
    let file = named(file)?;
    let _slot = peers.body_slot()?;
    // Bodies of groups that this node doesn't serve would never be swept.
    peers.endpoint(group)?;
    let bodies = peers.bodies();
    let Some(_claim) = bodies.claim(group, file) else {
        return Err(Refusal::new(RefusalCode::Busy, "this body is on its way already").into());
    };
    if !bodies.keep(group, file).await.map_err(failed)? {
        transfer.send(Body::BodyHead(BodyHead { file: Some(codec::put_file(&file)) })).await?;
        bodies.receive_file(transfer, group, file).await?;
    }
    transfer.send(Body::BodyStored(BodyStored {})).await
}

fn named(file: Option<BodyFile>) -> Result<FileBody, CallError> {
    let file = codec::file(&file.ok_or(CodecError::Invalid("body"))?)?;
    if file.len > crate::limits::BODY_FILE_BYTES_MAX {
        return Err(CodecError::Invalid("length of a body").into());
    }
    Ok(file)
}
