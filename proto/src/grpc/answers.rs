//! Answers the calls of one stream (the other side of `calls`): each in a task of its own, so that a long one keeps no other waiting.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tonic::Streaming;
use yubin_types::GroupNumber;

use super::convert::{decode, encode, scope};
use super::gather;
use super::server::Stop;
use crate::contract::{Body, Proposal, StoreError, StoreNode};
use crate::r#gen::store as wire;

/// Calls of one stream that are under way or whose answers wait to be sent; no more are read beyond.
const UNDER_WAY_MAX: usize = 1024;

/// Takes the calls of a stream until no more come or `stop` is over; ends when all that it took are answered.
pub(super) fn answer_all(
    node: Arc<dyn StoreNode>,
    calls: Streaming<wire::CallBatch>,
    stop: Stop,
) -> impl Stream<Item = wire::AnswerBatch> + Send + 'static {
    let (sender, answers) = mpsc::channel(UNDER_WAY_MAX);
    tokio::spawn(take(node, calls, stop, sender));
    gather::groups(answers, size).map(|answers| wire::AnswerBatch { answers })
}

async fn take(
    node: Arc<dyn StoreNode>,
    mut calls: Streaming<wire::CallBatch>,
    mut stop: Stop,
    answers: mpsc::Sender<wire::CallAnswer>,
) {
    loop {
        let batch = tokio::select! {
            batch = calls.message() => batch,
            () = &mut stop => return,
        };
        let Ok(Some(batch)) = batch else { return };
        for call in batch.calls {
            // Fails when the caller has gone: nobody waits for the rest.
            let Ok(place) = answers.clone().reserve_owned().await else { return };
            let node = Arc::clone(&node);
            tokio::spawn(async move { place.send(answer(&*node, call).await) });
        }
    }
}

async fn answer(node: &dyn StoreNode, call: wire::Call) -> wire::CallAnswer {
    use wire::call_answer::Outcome;
    let outcome = match call.call {
        Some(wire::call::Call::Propose(request)) => propose(node, request).await,
        Some(wire::call::Call::Query(request)) => query(node, request).await,
        None => Err(StoreError::Malformed("no call".to_owned())),
    };
    let outcome = match outcome.and_then(fitting) {
        Ok(value) => Outcome::Value(value),
        Err(error) => Outcome::Failure(encode(&error)),
    };
    wire::CallAnswer { id: call.id, outcome: Some(outcome) }
}

async fn propose(node: &dyn StoreNode, mut request: wire::ProposeRequest) -> Result<Bytes, StoreError> {
    let bodies = std::mem::take(&mut request.bodies).into_iter().map(Body::Inline).collect();
    propose_with(node, request, bodies).await
}

/// Proposes what a request says, with these bodies.
pub(super) async fn propose_with(
    node: &dyn StoreNode,
    request: wire::ProposeRequest,
    bodies: Vec<Body>,
) -> Result<Bytes, StoreError> {
    let envelope = decode(&request.envelope)?;
    let proposal = Proposal { group: GroupNumber(request.group), envelope, command: request.command, bodies };
    Ok(encode(&node.propose(proposal).await?))
}

async fn query(node: &dyn StoreNode, request: wire::QueryRequest) -> Result<Bytes, StoreError> {
    let scope = scope(request.scope)?;
    let query = decode(&request.query)?;
    Ok(encode(&node.query(scope, query).await?))
}

/// An answer that no message can hold fails alone, and not with all others of its stream.
fn fitting(value: Bytes) -> Result<Bytes, StoreError> {
    if value.len() > super::CALL_VALUE_BYTES_MAX {
        return Err(StoreError::Malformed(format!("an answer of {} bytes", value.len())));
    }
    Ok(value)
}

fn size(answer: &wire::CallAnswer) -> usize {
    use wire::call_answer::Outcome;
    match &answer.outcome {
        Some(Outcome::Value(bytes) | Outcome::Failure(bytes)) => bytes.len(),
        None => 0,
    }
}
