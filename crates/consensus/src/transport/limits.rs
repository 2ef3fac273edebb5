//! Every bound of the transport, in one place, with its reason.
//!
//! Sizes are in bytes. Deadlines are `base + bytes / rate`: a constant for the round trip and the
//! far side's disk, and the time that the payload needs at the slowest rate we accept. openraft's own
//! option for appends is the heartbeat interval, which says nothing about a payload of megabytes.

use std::time::Duration;

/// The version of the peer protocol. Both sides of a stream must speak the same.
pub(crate) const PROTOCOL_VERSION: u32 = 2;

/// Messages are gathered into one frame up to this size; a larger message has a frame of its own.
pub(crate) const FRAME_BYTES_MAX: usize = 1 << 20;

/// The largest frame a receiver decodes: an append batch (2 to 3 MiB) plus one inline body and its
/// framing, with room to spare. tonic's default of 4 MiB would refuse a legal batch.
pub(crate) const DECODE_BYTES_MAX: usize = 8 << 20;

/// What a peer may send in one DATA frame of HTTP/2 (RFC 9113, section 4.2). The default of 16 KiB cuts each large message into many.
pub(crate) const HTTP2_FRAME_BYTES_MAX: usize = 256 << 10;

/// What may wait to be sent on one stream before senders are made to wait.
pub(crate) const OUTBOX_BYTES_MAX: usize = 8 << 20;

/// Frames handed to the wire but not taken by it yet.
pub(crate) const WIRE_FRAMES_MAX: usize = 2;

/// Appends of one group on their way to one follower. The follower's own pipeline is 64 deep.
pub(crate) const APPEND_REQUESTS_IN_FLIGHT_MAX: usize = 32;

/// Bytes of appends of one group on their way to one follower: two full batches.
pub(crate) const APPEND_BYTES_IN_FLIGHT_MAX: usize = 6 << 20;

/// The follower's queue for one append stream. A caller that overruns it breaks the protocol.
pub(crate) const APPEND_QUEUE_MAX: usize = 2 * APPEND_REQUESTS_IN_FLIGHT_MAX;

/// Requests of one control stream that are being answered at the same time.
pub(crate) const CONTROL_CALLS_MAX: usize = 4_096;

/// Bodies and snapshot rows travel in pieces of this size.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;

/// Bytes of bodies that a node keeps in memory until it has pushed them; more are read from their files.
pub(crate) const PUSH_MEMORY_BYTES_MAX: usize = 16 << 20;

/// The slowest transfer that is not given up.
pub(crate) const RATE_BYTES_PER_SEC_MIN: u64 = 1 << 20;

/// What outgoing snapshots take of the network and the receiver's disk.
pub(crate) const SNAPSHOT_BYTES_PER_SEC_MAX: u64 = 128 << 20;

/// Time for an append to be flushed and answered, apart from the time of its bytes.
pub(crate) const APPEND_DEADLINE_BASE: Duration = Duration::from_secs(2);

/// Time for a connection and the exchange of identities. A call gives up at its own deadline, which
/// may be earlier; the connection is then there for the next one.
pub(crate) const DIAL_DEADLINE: Duration = Duration::from_millis(1_500);

/// Pauses between attempts to connect double from the first to the last.
pub(crate) const REDIAL_PAUSE_MIN: Duration = Duration::from_millis(50);
/// See [`REDIAL_PAUSE_MIN`]. Short, since a restarted node should be back in its groups at once.
pub(crate) const REDIAL_PAUSE_MAX: Duration = Duration::from_millis(400);

/// Silence within a transfer after which it is given up.
pub(crate) const TRANSFER_SILENCE_MAX: Duration = Duration::from_secs(10);

/// Time to install a snapshot that has arrived: one flip, behind whatever is being applied.
pub(crate) const INSTALL_DEADLINE: Duration = Duration::from_secs(60);

/// How long a follower lets an append wait for a body that it lacks before it asks the leader to try
/// again. The fetch itself goes on. Below [`APPEND_DEADLINE_BASE`].
pub(crate) const BODY_WAIT_MAX: Duration = Duration::from_secs(1);

/// Time to fetch one body, apart from the time of its bytes.
pub(crate) const BODY_DEADLINE_BASE: Duration = Duration::from_secs(10);

/// Incoming body transfers served at the same time.
pub(crate) const BODY_TRANSFERS_MAX: usize = 64;

/// A peer that answers no ping for interval plus timeout is cut off.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// See [`KEEPALIVE_INTERVAL`].
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);

const _: () = assert!(FRAME_BYTES_MAX < DECODE_BYTES_MAX);
const _: () = assert!(CHUNK_BYTES < FRAME_BYTES_MAX);
const _: () = assert!(APPEND_REQUESTS_IN_FLIGHT_MAX < APPEND_QUEUE_MAX);
const _: () = assert!(BODY_WAIT_MAX.as_millis() < APPEND_DEADLINE_BASE.as_millis());

/// The deadline of something that carries `bytes`.
pub(crate) fn deadline(base: Duration, bytes: u64) -> Duration {
    base + Duration::from_millis(bytes.saturating_mul(1_000) / RATE_BYTES_PER_SEC_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_grows_with_the_payload() {
        let base = Duration::from_secs(2);
        assert_eq!(deadline(base, 0), base);
        assert_eq!(deadline(base, 3 * RATE_BYTES_PER_SEC_MIN), Duration::from_secs(5));
    }
}
