//! A wire: a bidirectional stream of frames to one peer, and the ways to open one.
//!
//! Everything in this transport but this trait's implementation is the same over HTTP/2
//! (`tonic_wire.rs`) and in the simulator, which drops, delays and cuts. A wire keeps the order of
//! frames; nothing here relies on a frame's arrival.

use std::fmt;

use futures::stream::BoxStream;
use tokio::sync::mpsc;

use super::peer::Frame;
use crate::ids::NodeId;

/// What a stream is for. Each has a TCP connection of its own, because HTTP/2 streams share a
/// window: a body must not hold up a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel {
    /// Votes, heartbeats, transfers of leadership.
    Control,
    /// Entries.
    Log,
    /// Bodies and snapshots, one stream each.
    Bulk,
}

impl Channel {
    /// The number that stands for it in `Hello`.
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Control => 1,
            Self::Log => 2,
            Self::Bulk => 3,
        }
    }

    /// The inverse of [`code`](Self::code).
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Control),
            2 => Some(Self::Log),
            3 => Some(Self::Bulk),
            _ => None,
        }
    }
}

/// Why a wire could not be opened or has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireError(pub(crate) String);

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WireError {}

/// Both ends of an open stream.
pub(crate) struct Wire {
    /// Frames to the peer. Dropping it ends our half of the stream.
    pub(crate) outgoing: mpsc::Sender<Frame>,
    /// Frames from the peer. Ends, or yields one error and ends, when the stream does.
    pub(crate) incoming: BoxStream<'static, Result<Frame, WireError>>,
}

/// Opens wires. Implemented over HTTP/2 and by the simulator.
#[async_trait::async_trait]
pub(crate) trait Dial: Send + Sync + 'static {
    /// A new stream to `to`, before any identity has been exchanged.
    ///
    /// # Errors
    /// When no address is known, nobody listens there, or TLS fails.
    async fn dial(&self, to: NodeId, channel: Channel) -> Result<Wire, WireError>;
}
