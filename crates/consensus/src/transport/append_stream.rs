//! The leader's side of replication: appends in flight to one follower, answered in order.
//!
//! Requests are taken from openraft while the window is open (by count and by bytes) and answers
//! are handed back as they come. The whole exchange is polled by openraft's replication task and by
//! nothing else: the request stream holds a lock of that task's, so dropping the answers must drop
//! the requests at once.
//!
//! Nothing waits for ever. The oldest request in flight has a deadline of the flush time plus the
//! time of all bytes in flight; an answer renews it. A deadline that passes ends the stream with
//! `Timeout`, and openraft starts another.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::FutureExt;
use futures::stream::{BoxStream, Stream, StreamExt};
use openraft::errors::RPCError;
use openraft::network::RPCTypes;
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use prost::Message as _;
use tokio::time::{Instant, sleep_until};

use super::codec;
use super::error::CallError;
use super::limits::{APPEND_BYTES_IN_FLIGHT_MAX, APPEND_DEADLINE_BASE, APPEND_REQUESTS_IN_FLIGHT_MAX, deadline};
use super::link::{Call, Link, OnDrop};
use super::outbox::Outbox;
use super::peer::Body;
use crate::codec::CodecError;
use crate::ids::{GroupId, NodeId};
use crate::raft_types::TypeConfig;

/// What openraft gets for each request.
pub(crate) type Answer = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;

/// Sends `input` to the peer that `client` is for and yields the answers. Ends after the first
/// failure, after a conflict or a higher vote, and when the input ends and all is answered.
///
/// The first request is taken before the connection is looked at: taking it is where openraft waits
/// after failures, and a peer that is away must not make it spin.
pub(crate) fn pipelined<S>(
    link: Arc<Link>,
    group: GroupId,
    mut input: S,
    from: NodeId,
    to: NodeId,
) -> BoxStream<'static, Answer>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
{
    let opened = async move {
        let Some(first) = input.next().await else { return futures::stream::empty().boxed() };
        let pipeline = match link.open(group, OnDrop::Close).await {
            Ok(call) => Pipeline::start(call, input, &first),
            Err(error) => Err(error),
        };
        match pipeline {
            Ok(pipeline) => pipeline.answers(from, to),
            Err(error) => {
                let error = error.into_rpc(RPCTypes::AppendEntries, from, to);
                futures::stream::once(async move { Err(error) }).boxed()
            }
        }
    };
    opened.flatten_stream().boxed()
}

struct Pipeline<S> {
    call: Call,
    outbox: Outbox,
    /// `None` once it has ended.
    input: Option<S>,
    /// A request that waits for room in the queue, and its size.
    waiting: Option<(Body, usize)>,
    /// The sizes of the requests that are not answered.
    in_flight: VecDeque<usize>,
    bytes: usize,
    deadline: Option<Instant>,
}

impl<S> Pipeline<S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
{
    fn start(call: Call, input: S, first: &AppendEntriesRequest<TypeConfig>) -> Result<Self, CallError> {
        let outbox = call.outbox().clone();
        let input = Some(input);
        let mut pipeline =
            Self { call, outbox, input, waiting: None, in_flight: VecDeque::new(), bytes: 0, deadline: None };
        pipeline.take(first)?;
        Ok(pipeline)
    }

    fn answers(self, from: NodeId, to: NodeId) -> BoxStream<'static, Answer> {
        let step = move |pipeline: Option<Self>| async move {
            let mut pipeline = pipeline?;
            match pipeline.next_answer().await {
                Ok(Some(Ok(matched))) => Some((Ok(Ok(matched)), Some(pipeline))),
                Ok(Some(Err(rejected))) => Some((Ok(Err(rejected)), None)),
                Ok(None) => None,
                Err(error) => Some((Err(error.into_rpc(RPCTypes::AppendEntries, from, to)), None)),
            }
        };
        futures::stream::unfold(Some(self), step).boxed()
    }

    /// Works until the next answer is there. `None` when all is done.
    async fn next_answer(&mut self) -> Result<Option<StreamAppendResult<TypeConfig>>, CallError> {
        loop {
            if self.input.is_none() && self.waiting.is_none() && self.in_flight.is_empty() {
                return Ok(None);
            }
            let waiting_bytes = self.waiting.as_ref().map(|(_, bytes)| *bytes);
            let may_pull = waiting_bytes.is_none() && self.window_is_open();
            tokio::select! {
                biased;
                answer = self.call.answer() => return self.answered(answer?).map(Some),
                () = at(self.deadline), if self.deadline.is_some() => {
                    return Err(CallError::Silent(deadline(APPEND_DEADLINE_BASE, self.bytes as u64)));
                }
                room = self.outbox.room(waiting_bytes.unwrap_or(0)), if waiting_bytes.is_some() => {
                    let room = room.map_err(|_| CallError::Lost)?;
                    if let Some((body, bytes)) = self.waiting.take() {
                        self.call.put(room, body)?;
                        self.in_flight.push_back(bytes);
                    }
                }
                request = pull(&mut self.input), if may_pull && self.input.is_some() => match request {
                    Some(request) => self.take(&request)?,
                    None => self.input = None,
                },
            }
        }
    }

    fn window_is_open(&self) -> bool {
        self.in_flight.len() < APPEND_REQUESTS_IN_FLIGHT_MAX && self.bytes < APPEND_BYTES_IN_FLIGHT_MAX
    }

    fn take(&mut self, request: &AppendEntriesRequest<TypeConfig>) -> Result<(), CallError> {
        let message = codec::put_append(request)?;
        let bytes = message.encoded_len();
        self.waiting = Some((Body::Append(message), bytes));
        self.bytes += bytes;
        if self.deadline.is_none() {
            self.renew_deadline();
        }
        Ok(())
    }

    fn answered(&mut self, body: Body) -> Result<StreamAppendResult<TypeConfig>, CallError> {
        let Body::AppendAnswer(answer) = body else { return Err(CodecError::Invalid("append answer").into()) };
        let answer = codec::append_answer(answer)?;
        let bytes = self.in_flight.pop_front().ok_or(CodecError::Invalid("answer to nothing"))?;
        self.bytes = self.bytes.saturating_sub(bytes);
        if self.in_flight.is_empty() && self.waiting.is_none() {
            self.deadline = None;
        } else {
            self.renew_deadline();
        }
        Ok(answer)
    }

    fn renew_deadline(&mut self) {
        self.deadline = Some(Instant::now() + deadline(APPEND_DEADLINE_BASE, self.bytes as u64));
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn pull<S: Stream + Unpin>(input: &mut Option<S>) -> Option<S::Item> {
    input.as_mut()?.next().await
}
