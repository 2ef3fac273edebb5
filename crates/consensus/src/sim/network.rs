//! The simulated network: frames that take time, get lost, and meet walls.
//!
//! It lives outside every node's runtime. A node's frames are handed in as they are sent and come out
//! of [`Network::deliver`] when their time has come. Streams behave as TCP does: order is kept, a
//! stream that meets a wall stands still, and when the wall falls it either goes on or breaks. Beyond
//! that, single frames may vanish, which TCP does not do: the transport claims not to mind.
//!
//! All choices come from one generator, so a seed repeats them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures::stream::StreamExt;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::ids::NodeId;
use crate::transport::peer::Frame;
use crate::transport::{Channel, Dial, Wire, WireError};

/// Steps after which a stream that stands still is broken, as keepalive pings would.
const STUCK_STEPS_MAX: u64 = 1_000;

/// What the network does to frames while no wall stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Least and most steps that a frame takes.
    pub(crate) delay: (u64, u64),
    /// Frames lost, of 10,000.
    pub(crate) loss: u32,
    /// Streams broken instead, of 10,000 frames.
    pub(crate) resets: u32,
}

impl Weather {
    pub(crate) const FINE: Self = Self { delay: (1, 2), loss: 0, resets: 0 };
}

/// A stream that `accept` takes over on the node it leads to.
pub(crate) struct Accepted {
    pub(crate) at: NodeId,
    pub(crate) wire: Wire,
    /// What the accepting node sends; moved into the network by the accepting node.
    pub(crate) pump: Pump,
}

/// Moves the frames of one side of a stream into the network.
pub(crate) struct Pump {
    network: Arc<Mutex<State>>,
    stream: u64,
    side: Side,
    frames: mpsc::Receiver<Frame>,
}

impl Pump {
    /// Runs on the sending node until it has no more to send.
    pub(crate) async fn run(mut self) {
        while let Some(frame) = self.frames.recv().await {
            self.network.lock().send(self.stream, self.side, frame);
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.network.lock().end(self.stream, self.side);
    }
}

/// A frame as it leaves its node.
pub(crate) struct Sent<'a> {
    pub(crate) step: u64,
    pub(crate) stream: u64,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) frame: &'a Frame,
}

/// What is told of each frame that a node sends.
pub(crate) type Watcher = Box<dyn FnMut(&Sent<'_>) + Send>;

/// The network of one simulated cluster.
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Dialer,
    Listener,
}

struct Stream {
    dialer: NodeId,
    listener: NodeId,
    to_listener: Lane,
    to_dialer: Lane,
}

/// One direction of a stream.
struct Lane {
    inbox: mpsc::UnboundedSender<Result<Frame, WireError>>,
    frames: VecDeque<(u64, Frame)>,
    last_due: u64,
    ended: bool,
}

struct State {
    now: u64,
    rng: StdRng,
    weather: Weather,
    up: BTreeSet<NodeId>,
    /// One-way walls.
    walls: BTreeSet<(NodeId, NodeId)>,
    streams: BTreeMap<u64, Stream>,
    next_stream: u64,
    waiting: Vec<(u64, Accepted)>,
    watcher: Option<Watcher>,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            now: 0,
            rng: StdRng::seed_from_u64(seed),
            weather: Weather::FINE,
            up: BTreeSet::new(),
            walls: BTreeSet::new(),
            streams: BTreeMap::new(),
            next_stream: 1,
            waiting: Vec::new(),
            watcher: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The dialer of `node`.
    pub(crate) fn dialer(&self, node: NodeId) -> Arc<dyn Dial> {
        Arc::new(SimDial { node, state: Arc::clone(&self.state) })
    }

    pub(crate) fn watch(&self, watcher: Watcher) {
        self.state.lock().watcher = Some(watcher);
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.state.lock().weather = weather;
    }

    /// `node` listens from now on.
    pub(crate) fn start(&self, node: NodeId) {
        self.state.lock().up.insert(node);
    }

    /// `node` is gone and its streams with it.
    pub(crate) fn stop(&self, node: NodeId) {
        let mut state = self.state.lock();
        state.up.remove(&node);
        state.streams.retain(|_, stream| stream.dialer != node && stream.listener != node);
        let waiting = std::mem::take(&mut state.waiting);
        let (gone, stay) = waiting.into_iter().partition(|(_, accepted)| accepted.at == node);
        state.waiting = stay;
        // A pump that is dropped tells the network.
        drop(state);
        drop::<Vec<(u64, Accepted)>>(gone);
    }

    /// Nothing goes from `from` to `to` any more.
    pub(crate) fn build_wall(&self, from: NodeId, to: NodeId) {
        self.state.lock().walls.insert((from, to));
    }

    /// All walls fall; streams that stood still break or go on.
    pub(crate) fn heal(&self) {
        let mut state = self.state.lock();
        let walls = std::mem::take(&mut state.walls);
        let touched: Vec<u64> = state
            .streams
            .iter()
            .filter(|(_, stream)| {
                walls.contains(&(stream.dialer, stream.listener)) || walls.contains(&(stream.listener, stream.dialer))
            })
            .map(|(id, _)| *id)
            .collect();
        for id in touched {
            if state.rng.random() {
                state.streams.remove(&id);
            }
        }
    }

    /// One step of time passes: gives the frames whose time has come to their nodes, and returns the
    /// streams that nodes have to accept.
    pub(crate) fn deliver(&self) -> Vec<Accepted> {
        let mut state = self.state.lock();
        state.now += 1;
        let now = state.now;
        state.deliver_frames();
        let (due, later) = std::mem::take(&mut state.waiting).into_iter().partition(|(due, _)| *due <= now);
        state.waiting = later;
        let due: Vec<(u64, Accepted)> = due;
        due.into_iter().map(|(_, accepted)| accepted).collect()
    }
}

impl State {
    /// A frame leaves its node.
    fn send(&mut self, id: u64, side: Side, frame: Frame) {
        let (from, to) = match self.streams.get(&id) {
            Some(stream) if side == Side::Dialer => (stream.dialer, stream.listener),
            Some(stream) => (stream.listener, stream.dialer),
            None => return,
        };
        if let Some(watcher) = &mut self.watcher {
            watcher(&Sent { step: self.now, stream: id, from, to, frame: &frame });
        }
        let weather = self.weather;
        if self.rng.random_range(0..10_000) < weather.resets {
            self.streams.remove(&id);
            return;
        }
        if self.rng.random_range(0..10_000) < weather.loss {
            return;
        }
        let due = self.now + self.rng.random_range(weather.delay.0..=weather.delay.1);
        if let Some(stream) = self.streams.get_mut(&id) {
            let lane = if side == Side::Dialer { &mut stream.to_listener } else { &mut stream.to_dialer };
            lane.last_due = lane.last_due.max(due);
            lane.frames.push_back((lane.last_due, frame));
        }
    }

    /// One side has dropped its half: what it sent still arrives, then the stream ends.
    fn end(&mut self, id: u64, side: Side) {
        if let Some(stream) = self.streams.get_mut(&id) {
            let lane = if side == Side::Dialer { &mut stream.to_listener } else { &mut stream.to_dialer };
            lane.ended = true;
        }
    }

    fn deliver_frames(&mut self) {
        let (now, walls) = (self.now, &self.walls);
        self.streams.retain(|_, stream| {
            let (dialer, listener) = (stream.dialer, stream.listener);
            let deliver = |lane: &mut Lane, from, to| {
                if walls.contains(&(from, to)) { lane.holds_out(now) } else { lane.deliver(now) }
            };
            let one = deliver(&mut stream.to_listener, dialer, listener);
            let other = deliver(&mut stream.to_dialer, listener, dialer);
            one && other
        });
    }
}

impl Lane {
    /// Behind a wall nothing is delivered. False when the stream is to be broken.
    fn holds_out(&self, now: u64) -> bool {
        self.frames.front().is_none_or(|(due, _)| now < due + STUCK_STEPS_MAX)
    }

    /// Delivers what is due. False when the stream is to be broken.
    fn deliver(&mut self, now: u64) -> bool {
        while self.frames.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, frame)) = self.frames.pop_front() else { break };
            // A receiver that is gone has dropped its half; the pump will close the rest.
            let _ = self.inbox.send(Ok(frame));
        }
        !(self.ended && self.frames.is_empty())
    }
}

struct SimDial {
    node: NodeId,
    state: Arc<Mutex<State>>,
}

impl SimDial {
    /// A new stream, or `None` if a wall swallows the attempt.
    fn connect(&self, to: NodeId) -> Result<Option<(Wire, Pump)>, WireError> {
        let mut state = self.state.lock();
        if state.walls.contains(&(self.node, to)) || state.walls.contains(&(to, self.node)) {
            return Ok(None);
        }
        if !state.up.contains(&to) {
            return Err(WireError(format!("nobody listens on node {to}")));
        }
        let id = state.next_stream;
        state.next_stream += 1;
        let (to_listener, listener_in) = mpsc::unbounded_channel();
        let (to_dialer, dialer_in) = mpsc::unbounded_channel();
        let lane = |inbox| Lane { inbox, frames: VecDeque::new(), last_due: 0, ended: false };
        let stream =
            Stream { dialer: self.node, listener: to, to_listener: lane(to_listener), to_dialer: lane(to_dialer) };
        state.streams.insert(id, stream);
        let half = |side, incoming| {
            let (outgoing, frames) = mpsc::channel(2);
            let incoming = UnboundedReceiverStream::new(incoming).boxed();
            (Wire { outgoing, incoming }, Pump { network: Arc::clone(&self.state), stream: id, side, frames })
        };
        let (wire, pump) = half(Side::Listener, listener_in);
        let due = state.now + state.weather.delay.0;
        state.waiting.push((due, Accepted { at: to, wire, pump }));
        Ok(Some(half(Side::Dialer, dialer_in)))
    }
}

#[async_trait::async_trait]
impl Dial for SimDial {
    async fn dial(&self, to: NodeId, _: Channel) -> Result<Wire, WireError> {
        match self.connect(to)? {
            Some((wire, pump)) => {
                tokio::spawn(pump.run());
                Ok(wire)
            }
            None => std::future::pending().await,
        }
    }
}
