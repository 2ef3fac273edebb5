//! The follower's side of replication: the append streams of all groups on one log stream.
//!
//! Each call is a stream of appends for one group, fed to openraft in order and answered in order
//! once durable. Before an append reaches openraft, every body file that its entries name is durable
//! here (invariant I1): what is missing is fetched from the leader, and if that takes too long the
//! stream ends with a refusal that asks the leader to try again, while the fetch goes on.
//!
//! The reader of the connection never waits for a group: a caller keeps to its window, and one that
//! doesn't loses the stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::StreamExt;
use openraft::raft::AppendEntriesRequest;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::codec;
use super::endpoint::EndpointRef;
use super::error::{Refusal, RefusalCode};
use super::limits::{APPEND_QUEUE_MAX, CONTROL_CALLS_MAX};
use super::outbox::Outbox;
use super::peer::{Append, Body, Message};
use super::peers::Peers;
use crate::body::FileBody;
use crate::ids::{GroupId, NodeId};
use crate::raft_types::{Payload, TypeConfig};

/// The streams of one connection.
pub(crate) struct AppendStreams {
    peers: Arc<Peers>,
    from: NodeId,
    outbox: Outbox,
    /// By call; `None` is a stream that has ended here and that the caller has not closed yet.
    streams: BTreeMap<u64, Option<mpsc::Sender<Append>>>,
    work: JoinSet<u64>,
}

impl AppendStreams {
    pub(crate) fn new(peers: Arc<Peers>, from: NodeId, outbox: Outbox) -> Self {
        Self { peers, from, outbox, streams: BTreeMap::new(), work: JoinSet::new() }
    }

    /// Waits until a stream has ended and forgets its queue. Never returns while there is none.
    pub(crate) async fn reap(&mut self) {
        match self.work.join_next().await {
            Some(Ok(call)) => {
                if let Some(queue) = self.streams.get_mut(&call) {
                    *queue = None;
                }
            }
            Some(Err(error)) => tracing::error!(%error, "an append stream failed"),
            None => std::future::pending().await,
        }
    }

    /// Hands a message to its stream; the first of a call opens it.
    pub(crate) fn receive(&mut self, message: Message) {
        let Message { group, call, body } = message;
        match body {
            Some(Body::Append(append)) => {
                if !self.streams.contains_key(&call) {
                    self.open(GroupId(group), call);
                }
                let overrun = match self.streams.get(&call) {
                    Some(Some(queue)) => matches!(queue.try_send(append), Err(mpsc::error::TrySendError::Full(_))),
                    _ => false,
                };
                if overrun {
                    self.end(group, call, Refusal::new(RefusalCode::Malformed, "more appends than the window"));
                }
            }
            Some(Body::Close(_)) => {
                self.streams.remove(&call);
            }
            _ => self.end(group, call, Refusal::new(RefusalCode::Malformed, "not an append")),
        }
    }

    fn open(&mut self, group: GroupId, call: u64) {
        let replica = match self.peers.endpoint(group) {
            Ok(replica) if self.streams.len() < CONTROL_CALLS_MAX => replica,
            Ok(_) => return self.end(group.0, call, Refusal::new(RefusalCode::Busy, "too many streams")),
            Err(refusal) => return self.end(group.0, call, refusal),
        };
        let (queue, appends) = mpsc::channel(APPEND_QUEUE_MAX);
        self.streams.insert(call, Some(queue));
        let stream = AppendStream { peers: Arc::clone(&self.peers), from: self.from, group };
        let outbox = self.outbox.clone();
        self.work.spawn(async move {
            stream.run(replica, appends, call, outbox).await;
            call
        });
    }

    fn end(&mut self, group: u32, call: u64, refusal: Refusal) {
        self.streams.insert(call, None);
        self.outbox.send_now(Message { group, call, body: Some(Body::Refusal(refusal.encode())) });
    }
}

#[derive(Clone)]
struct AppendStream {
    peers: Arc<Peers>,
    from: NodeId,
    group: GroupId,
}

impl AppendStream {
    async fn run(&self, replica: EndpointRef, appends: mpsc::Receiver<Append>, call: u64, outbox: Outbox) {
        let group = self.group.0;
        let refused = Arc::new(Mutex::new(None));
        let requests = {
            let (stream, refused) = (self.clone(), Arc::clone(&refused));
            futures::stream::unfold((appends, stream, refused), |(mut appends, stream, refused)| async move {
                match stream.admit(appends.recv().await?).await {
                    Ok(request) => Some((request, (appends, stream, refused))),
                    Err(refusal) => {
                        *refused.lock() = Some(refusal);
                        None
                    }
                }
            })
        };
        let mut answers = replica.append_stream(requests.boxed());
        while let Some(answer) = answers.next().await {
            let body = match answer {
                Ok(answer) => Body::AppendAnswer(codec::put_append_answer(&answer)),
                Err(refusal) => Body::Refusal(refusal.encode()),
            };
            if outbox.send(Message { group, call, body: Some(body) }).await.is_err() {
                return;
            }
        }
        let refusal: Option<Refusal> = refused.lock().take();
        if let Some(refusal) = refusal {
            outbox.send_now(Message { group, call, body: Some(Body::Refusal(refusal.encode())) });
        }
    }

    /// Checks an append and makes sure of I1.
    async fn admit(&self, append: Append) -> Result<AppendEntriesRequest<TypeConfig>, Refusal> {
        let request = codec::append(append)?;
        let files = files_of(&request);
        if !files.is_empty() {
            self.peers.bodies().ensure(&self.peers, self.group, files, self.from).await?;
        }
        Ok(request)
    }
}

fn files_of(request: &AppendEntriesRequest<TypeConfig>) -> Vec<FileBody> {
    let mut files = Vec::new();
    for entry in &request.entries {
        if let Payload::Normal(command) = &entry.payload {
            files.extend(command.files());
        }
    }
    files
}
