//! Small calls to a store node, all on one stream.
//!
//! A stream of HTTP/2 for each RCPT and each message costs more than what the node does for it. So one stream is kept open for as long
//! as it lasts, opened by the first call and by the first one after it broke; calls carry numbers, and each is answered when it is
//! done, in any order. A call that was given to a stream which broke has an unknown outcome: the caller asks again under its request
//! id. A call that was given up is still answered, to nobody.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tonic::transport::Channel;

use super::convert::decode;
use super::errors::from_status;
use super::gather;
use crate::contract::StoreError;
use crate::r#gen::store as wire;

/// Largest command with bodies that goes on the stream, bytes: a longer one would keep others waiting.
pub(super) const CALL_BYTES_MAX: u64 = 128 * 1024;
/// Calls that wait to be sent. Further callers wait for room.
const WAITING_MAX: usize = 1024;

/// The stream of calls to one node.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    client: wire::store_client::StoreClient<Channel>,
    line: Arc<Mutex<Option<mpsc::Sender<Call>>>>,
}

/// What a call brings back.
type Outcome = Result<Bytes, StoreError>;

#[derive(Debug)]
struct Call {
    content: wire::call::Call,
    answer: oneshot::Sender<Outcome>,
}

impl Calls {
    pub(super) fn new(client: wire::store_client::StoreClient<Channel>) -> Self {
        Calls { client, line: Arc::default() }
    }

    /// Makes a call. One that no message can hold fails here, and not with all others of the stream.
    pub(super) async fn call(&self, content: wire::call::Call) -> Outcome {
        let size = size(&content);
        if size > super::CALL_VALUE_BYTES_MAX {
            return Err(StoreError::Malformed(format!("a call of {size} bytes")));
        }
        let (answer, answered) = oneshot::channel();
        let unsent = self.line().send(Call { content, answer }).await;
        unsent.map_err(|_| StoreError::Unavailable("the connection broke".to_owned()))?;
        answered.await.unwrap_or_else(|_| Err(StoreError::Unknown("the connection broke".to_owned())))
    }

    /// Where calls are given to be sent: the open stream, or a new one.
    fn line(&self) -> mpsc::Sender<Call> {
        let mut line = self.line.lock();
        match line.as_ref().filter(|line| !line.is_closed()) {
            Some(open) => open.clone(),
            None => {
                let (sender, calls) = mpsc::channel(WAITING_MAX);
                tokio::spawn(carry(self.client.clone(), calls));
                line.insert(sender).clone()
            }
        }
    }
}

/// Calls under way on a stream, until it broke.
#[derive(Default)]
struct Pending {
    next: u64,
    /// `None`: nothing will be answered any more.
    answers: Option<HashMap<u64, oneshot::Sender<Outcome>>>,
}

impl Pending {
    /// Notes who waits for the answer, unless there won't be any.
    fn number(&mut self, call: Call) -> Option<wire::Call> {
        let answers = self.answers.as_mut()?;
        self.next += 1;
        answers.insert(self.next, call.answer);
        Some(wire::Call { id: self.next, call: Some(call.content) })
    }

    fn answer(&mut self, answer: wire::CallAnswer) {
        let waiting = self.answers.as_mut().and_then(|answers| answers.remove(&answer.id));
        if let Some(waiting) = waiting {
            // Whoever gave up does not listen.
            waiting.send(outcome(answer.outcome)).ok();
        }
    }
}

/// Sends calls and hands answers out until the stream breaks; then all that wait learn of it.
async fn carry(mut client: wire::store_client::StoreClient<Channel>, calls: mpsc::Receiver<Call>) {
    let pending = Arc::new(Mutex::new(Pending { next: 0, answers: Some(HashMap::new()) }));
    let numbering = Arc::clone(&pending);
    let batches = gather::groups(calls, |call| size(&call.content)).map(move |calls| {
        let mut pending = numbering.lock();
        wire::CallBatch { calls: calls.into_iter().filter_map(|call| pending.number(call)).collect() }
    });
    let broken = match client.calls(batches).await {
        Ok(answers) => receive(answers.into_inner(), &pending).await,
        Err(status) => from_status(&status),
    };
    let unanswered = pending.lock().answers.take().unwrap_or_default();
    for waiting in unanswered.into_values() {
        waiting.send(Err(broken.clone())).ok();
    }
}

/// Hands answers out; ends with why there are no more.
async fn receive(mut answers: tonic::Streaming<wire::AnswerBatch>, pending: &Mutex<Pending>) -> StoreError {
    loop {
        match answers.message().await {
            Ok(Some(batch)) => {
                let mut pending = pending.lock();
                batch.answers.into_iter().for_each(|answer| pending.answer(answer));
            }
            Ok(None) => return StoreError::Unknown("the node closed the stream".to_owned()),
            Err(status) => return from_status(&status),
        }
    }
}

fn outcome(outcome: Option<wire::call_answer::Outcome>) -> Outcome {
    use wire::call_answer::Outcome;
    match outcome {
        Some(Outcome::Value(value)) => Ok(value),
        Some(Outcome::Failure(failure)) => Err(decode(&failure)?),
        None => Err(StoreError::Malformed("no outcome".to_owned())),
    }
}

/// Bytes of a call's parts.
fn size(call: &wire::call::Call) -> usize {
    match call {
        wire::call::Call::Propose(request) => {
            let bodies: usize = request.bodies.iter().map(Bytes::len).sum();
            request.envelope.len() + request.command.len() + bodies
        }
        wire::call::Call::Query(request) => request.query.len(),
    }
}
