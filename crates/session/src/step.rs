//! The contract between a session and its driver.
//!
//! The driver calls [`Session::next`] until it gets a step that waits, carries that out, feeds the outcome, and calls again:
//!
//! | step | the driver | then feeds |
//! |---|---|---|
//! | `Write` | queues the bytes; sends the queue before the next waiting step | nothing |
//! | `Ask` | sends the queue if the answer is not at hand, and asks the rim | [`Session::answer`] exactly once |
//! | `Read` | sends the queue, waits for bytes, an event, end of input, or the time limit (shorter where places are scarce: [`Session::scarce_seconds_max`]) | [`Session::receive`], [`Session::answer`] (an event), [`Session::end_of_input`] or [`Session::timed_out`] |
//! | `StartTls` | sends the queue, does the handshake: as server, for [`crate::smtp::client`] as client | [`Session::tls_started`] |
//! | `Close` | sends the queue, closes | nothing |
//!
//! Streams are pulled: a session asks for the next rows or the next piece of a body when it has written the last one, and hands a
//! received message over piece by piece with questions of its own.

use bytes::Bytes;
use yubin_types::Timestamp;

/// What a session wants next.
#[derive(Debug)]
pub enum Step<Ask> {
    /// Send these bytes to the peer.
    Write(Bytes),
    /// Ask the rim and feed the answer.
    Ask(Ask),
    /// Wait for the peer, for at most this many seconds.
    Read {
        /// Silence allowed, seconds.
        seconds_max: u64,
    },
    /// Send what is queued and take the TLS handshake; bytes that the peer sent before it must never be fed.
    StartTls,
    /// Send what is queued and close.
    Close,
}

/// What a handshake established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// Such as `TLSv1.3`.
    pub version: String,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The name that the client asked for (RFC 6066 §3).
    pub server_name: Option<String>,
    /// What logins can be bound to, where the connection has it.
    pub channel_binding: Option<ChannelBinding>,
}

/// What is the same on both ends of this TLS connection and on no other: `tls-exporter` (RFC 9266).
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelBinding([u8; 32]);

impl ChannelBinding {
    /// Of the connection's exported keying material: label `EXPORTER-Channel-Binding`, an empty context, 32 octets.
    #[must_use]
    pub const fn new(exported: [u8; 32]) -> ChannelBinding {
        ChannelBinding(exported)
    }

    pub(crate) const fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChannelBinding(..)")
    }
}

/// A protocol session.
pub trait Session {
    /// What it asks of the rim.
    type Ask;
    /// What the rim answers, and the events that it pushes while a session reads.
    type Answer;

    /// The next step. `now` is the wall clock, for what the session writes into messages and for its deadlines.
    fn next(&mut self, now: Timestamp) -> Step<Self::Ask>;

    /// Bytes from the peer, in order.
    fn receive(&mut self, bytes: &[u8]);

    /// The answer to the last question, or an event.
    fn answer(&mut self, answer: Self::Answer);

    /// The handshake after [`Step::StartTls`] is done. Everything learned in clear is forgotten (RFC 3207 §4.2).
    fn tls_started(&mut self, facts: TlsFacts);

    /// The peer closed its side.
    fn end_of_input(&mut self);

    /// The peer was silent for too long.
    fn timed_out(&mut self);

    /// How long the peer may be silent where places for connections are scarce, seconds; asked with [`Step::Read`]. None: as long as ever,
    /// such as a user who has logged in.
    fn scarce_seconds_max(&self, _now: Timestamp) -> Option<u64> {
        None
    }

    /// The server is shutting down: finish what was accepted, then say goodbye. Never cuts a command in the middle.
    fn drain(&mut self);

    /// What the peer did wrong so that nothing came of the session, in the words that it was told; asked when the session is over.
    fn fault(&self) -> Option<String> {
        None
    }
}
