//! The calling side: one connection per peer and channel, shared by all groups.
//!
//! A link connects when it is first used and again after it broke, with a pause that doubles while
//! the peer can't be reached; during the pause calls fail at once. The first messages on a
//! connection exchange identities: a node that answers at the right address but is not the node that
//! was meant, has another disk than it used to have, or belongs to another cluster, is never spoken to.
//!
//! Calls are numbered by connection. When the connection ends, every call on it ends with `Lost`.
//! Dropping a [`Call`] forgets it; a stream of requests is closed at the far side too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, Shared};
use futures::stream::StreamExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::acquaintance::Acquaintances;
use super::error::{CallError, Refusal, RefusalCode};
use super::limits::{DIAL_DEADLINE, PROTOCOL_VERSION, REDIAL_PAUSE_MAX, REDIAL_PAUSE_MIN};
use super::outbox::{Outbox, Room};
use super::peer::{Body, Close, Frame, Hello, Message};
use super::wire::{Channel, Dial, Wire};
use crate::codec::CodecError;
use crate::ids::{DiskId, GroupId, NodeId};

/// Who this node is to its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The cluster, chosen at random when it was created.
    pub(crate) cluster: u128,
    /// This node.
    pub(crate) node: NodeId,
    /// Its disk.
    pub(crate) disk: DiskId,
}

impl Identity {
    /// How this node introduces itself to `to`.
    pub(crate) fn hello(&self, to: NodeId, channel: Channel) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            cluster: Bytes::copy_from_slice(&self.cluster.to_be_bytes()),
            from: self.node.0,
            to: to.0,
            channel: channel.code(),
            disk: self.disk.to_wire(),
        }
    }
}

/// The way to one peer on one channel.
pub(crate) struct Link {
    to: NodeId,
    channel: Channel,
    identity: Identity,
    known: Arc<Acquaintances>,
    dial: Arc<dyn Dial>,
    runtime: Handle,
    state: Mutex<State>,
}

type Dialing = Shared<BoxFuture<'static, Result<Arc<Connection>, CallError>>>;

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    dialing: Option<Dialing>,
    pause: Duration,
    not_before: Option<Instant>,
}

impl Link {
    pub(crate) fn new(
        to: NodeId,
        channel: Channel,
        identity: Identity,
        known: Arc<Acquaintances>,
        dial: Arc<dyn Dial>,
        runtime: Handle,
    ) -> Arc<Self> {
        Arc::new(Self { to, channel, identity, known, dial, runtime, state: Mutex::default() })
    }

    /// One request, one answer.
    pub(crate) async fn ask(self: &Arc<Self>, group: GroupId, body: Body, ttl: Duration) -> Result<Body, CallError> {
        let asked = async {
            let mut call = self.open(group, OnDrop::Forget).await?;
            call.send(body).await?;
            call.answer().await
        };
        timeout(ttl, asked).await.map_err(|_| CallError::Silent(ttl))?
    }

    /// Exchanges identities if that was not done yet.
    pub(crate) async fn greet(self: &Arc<Self>) -> Result<(), CallError> {
        self.connection().await.map(drop)
    }

    /// A call of several messages.
    pub(crate) async fn open(self: &Arc<Self>, group: GroupId, on_drop: OnDrop) -> Result<Call, CallError> {
        self.connection().await?.open(group, on_drop)
    }

    async fn connection(self: &Arc<Self>) -> Result<Arc<Connection>, CallError> {
        let dialing = {
            let mut state = self.state.lock();
            if let Some(connection) = &state.connection {
                if !connection.is_closed() {
                    return Ok(Arc::clone(connection));
                }
                state.connection = None;
            }
            match &state.dialing {
                Some(dialing) => dialing.clone(),
                None => {
                    if state.not_before.is_some_and(|until| Instant::now() < until) {
                        return Err(CallError::Unreachable(format!("node {} did not answer just now", self.to)));
                    }
                    let dialing = self.start_dialing();
                    state.dialing = Some(dialing.clone());
                    dialing
                }
            }
        };
        dialing.await
    }

    /// Dials in a task of its own: a call that gives up must not undo the work of connecting.
    fn start_dialing(self: &Arc<Self>) -> Dialing {
        let link = Arc::clone(self);
        let task = self.runtime.spawn(async move {
            let result = match timeout(DIAL_DEADLINE, link.dial_and_greet()).await {
                Ok(result) => result,
                Err(_) => Err(CallError::Unreachable(format!("no connection within {DIAL_DEADLINE:?}"))),
            };
            link.dialed(&result);
            result
        });
        task.map(|joined| joined.unwrap_or_else(|error| Err(CallError::Unreachable(error.to_string()))))
            .boxed()
            .shared()
    }

    fn dialed(&self, result: &Result<Arc<Connection>, CallError>) {
        let mut state = self.state.lock();
        state.dialing = None;
        match result {
            Ok(connection) => {
                state.connection = Some(Arc::clone(connection));
                state.pause = Duration::ZERO;
                state.not_before = None;
                tracing::debug!(peer.node = self.to.0, channel = ?self.channel, "connected to peer");
            }
            Err(error) => {
                state.pause = (state.pause * 2).clamp(REDIAL_PAUSE_MIN, REDIAL_PAUSE_MAX);
                state.not_before = Some(Instant::now() + state.pause);
                self.tell(error);
            }
        }
    }

    /// That a peer is away is common; that it is not who it should be needs the operator.
    fn tell(&self, error: &CallError) {
        match error {
            CallError::Refused(refusal) if refusal.code == RefusalCode::Identity => {
                tracing::error!(peer.node = self.to.0, channel = ?self.channel, %refusal, "no connection to a peer");
            }
            _ => tracing::debug!(peer.node = self.to.0, channel = ?self.channel, %error, "peer can't be reached"),
        }
    }

    async fn dial_and_greet(&self) -> Result<Arc<Connection>, CallError> {
        let (wire, disk) = greeted(&*self.dial, &self.identity, self.to, self.channel).await?;
        self.known.meet(self.to, disk).await?;
        Ok(Connection::start(wire, &self.runtime))
    }
}

/// Opens a stream to `to` and exchanges identities on it; gives the far side's disk.
pub(crate) async fn greeted(
    dial: &dyn Dial,
    identity: &Identity,
    to: NodeId,
    channel: Channel,
) -> Result<(Wire, DiskId), CallError> {
    let mut wire = dial.dial(to, channel).await.map_err(|error| CallError::Unreachable(error.to_string()))?;
    let hello = Body::Hello(identity.hello(to, channel));
    let hello = Message { group: 0, call: 0, body: Some(hello) };
    wire.outgoing.send(Frame { messages: vec![hello] }).await.map_err(|_| CallError::Lost)?;
    match wire.incoming.next().await {
        Some(Ok(frame)) => match frame.messages.into_iter().next().and_then(|message| message.body) {
            Some(Body::Welcome(welcome)) => match DiskId::from_wire(&welcome.disk) {
                Some(disk) => Ok((wire, disk)),
                None => Err(CodecError::Invalid("disk").into()),
            },
            Some(Body::Refusal(refusal)) => Err(Refusal::decode(refusal).into()),
            _ => Err(CodecError::Invalid("welcome").into()),
        },
        Some(Err(error)) => Err(CallError::Unreachable(error.to_string())),
        None => Err(CallError::Lost),
    }
}

/// What the far side is told when a call is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDrop {
    /// Nothing: there was one request, and its answer will be ignored.
    Forget,
    /// That no more requests come, so that it forgets the call too.
    Close,
}

/// A connection whose identities have been exchanged.
pub(crate) struct Connection {
    outbox: Outbox,
    calls: Arc<Mutex<Calls>>,
    work: AbortHandle,
}

/// Ordered, so that calls end in the order in which they began.
#[derive(Default)]
struct Calls {
    open: BTreeMap<u64, mpsc::UnboundedSender<Body>>,
    last: u64,
    closed: bool,
}

impl Connection {
    fn start(wire: Wire, runtime: &Handle) -> Arc<Self> {
        let (outbox, sending) = Outbox::new(wire.outgoing);
        let calls = Arc::new(Mutex::new(Calls::default()));
        let receiving = receive(wire.incoming, Arc::clone(&calls));
        let ended = Arc::clone(&calls);
        let work = runtime.spawn(async move {
            tokio::select! {
                biased;
                () = receiving => {}
                () = sending => {}
            }
            let mut calls = ended.lock();
            calls.closed = true;
            calls.open.clear();
        });
        Arc::new(Self { outbox, calls, work: work.abort_handle() })
    }

    fn is_closed(&self) -> bool {
        self.calls.lock().closed
    }

    fn open(self: Arc<Self>, group: GroupId, on_drop: OnDrop) -> Result<Call, CallError> {
        let (sender, answers) = mpsc::unbounded_channel();
        let id = {
            let mut calls = self.calls.lock();
            if calls.closed {
                return Err(CallError::Lost);
            }
            calls.last += 1;
            let id = calls.last;
            calls.open.insert(id, sender);
            id
        };
        Ok(Call { connection: self, group, id, on_drop, answers })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// Hands each answer to its call. Calls bound what they have in flight, and so the answers.
async fn receive(
    mut incoming: futures::stream::BoxStream<'static, Result<Frame, super::wire::WireError>>,
    calls: Arc<Mutex<Calls>>,
) {
    while let Some(Ok(frame)) = incoming.next().await {
        let calls = calls.lock();
        for message in frame.messages {
            if let (Some(call), Some(body)) = (calls.open.get(&message.call), message.body) {
                // A call that was just dropped no longer wants its answer.
                let _ = call.send(body);
            }
        }
    }
}

/// One call on a connection.
pub(crate) struct Call {
    connection: Arc<Connection>,
    group: GroupId,
    id: u64,
    on_drop: OnDrop,
    answers: mpsc::UnboundedReceiver<Body>,
}

impl Call {
    /// Sends a message, after waiting for room in the queue.
    pub(crate) async fn send(&self, body: Body) -> Result<(), CallError> {
        self.connection.outbox.send(self.message(body)).await.map_err(|_| CallError::Lost)
    }

    /// The queue that this call's messages go through.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.connection.outbox
    }

    /// Sends the message that `room` was made for.
    pub(crate) fn put(&self, room: Room, body: Body) -> Result<(), CallError> {
        self.connection.outbox.put(room, self.message(body)).map_err(|_| CallError::Lost)
    }

    /// The next answer; a refusal is an error.
    pub(crate) async fn answer(&mut self) -> Result<Body, CallError> {
        match self.answers.recv().await {
            Some(Body::Refusal(refusal)) => Err(Refusal::decode(refusal).into()),
            Some(body) => Ok(body),
            None => Err(CallError::Lost),
        }
    }

    fn message(&self, body: Body) -> Message {
        Message { group: self.group.0, call: self.id, body: Some(body) }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let known = self.connection.calls.lock().open.remove(&self.id).is_some();
        if known && self.on_drop == OnDrop::Close {
            self.connection.outbox.send_now(self.message(Body::Close(Close {})));
        }
    }
}
