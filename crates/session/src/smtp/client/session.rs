//! The SMTP client: its phases, and how replies, silence and the end of the connection move it on.
//!
//! A phase owns what belongs to it; a transaction exists only inside [`Phase`]. Commands are held back until the client waits, so that a
//! pipelined group goes out in one write. The opening is in [`super::opening`], the envelope in [`super::envelope`], the message in
//! [`super::transfer`].
//!
//! Bounds: one reply and one read of the driver of input, one group of commands or one piece of a message of output. Each reply has its
//! time limit, which counts from when the client began to wait for it, not from its last octet.

use bytes::BytesMut;
use yubin_types::{Timestamp, limits};

use super::contract::{Answer, Ask, ClientConfig, ConnectionState, Failure, FailureKind, Outcome, Stage, StartTls};
use super::envelope::Envelope;
use super::extensions::Extensions;
use super::opening::Opening;
use super::reply::{Lines, Reply, ReplyReader};
use super::transaction::Transaction;
use super::transcript::{Direction, Transcript, TranscriptLine};
use super::transfer::Transfer;
use crate::step::{Session, Step, TlsFacts};

/// What is gathered before it is written, bytes.
const OUTPUT_BYTES_MAX: usize = 128 * 1024;

/// An SMTP client.
#[derive(Debug)]
pub struct SmtpClient {
    pub(super) config: ClientConfig,
    pub(super) phase: Phase,
    pub(super) replies: ReplyReader,
    pub(super) output: BytesMut,
    pub(super) server: Server,
    pub(super) transcript: Transcript,
    pub(super) now: Timestamp,
    peer: Peer,
    waiting_since: Option<Timestamp>,
}

/// What is known of the server; forgotten when TLS starts (RFC 3207 §4.2).
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) extensions: Extensions,
    pub(super) tls: Option<TlsFacts>,
    pub(super) leftover: Leftover,
}

/// Does the server hold a transaction that came to nothing?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Leftover {
    #[default]
    None,
    /// RSET goes before the next MAIL.
    Open,
}

/// What the client is in the middle of.
#[derive(Debug)]
pub(super) enum Phase {
    /// Until the server is ready for a transaction.
    Opening(Opening),
    /// This is to be asked.
    Asking(Ask),
    /// Asked: Next, Outcome or Failed.
    Idle(ConnectionState),
    /// MAIL, RCPT, DATA.
    Envelope(Envelope),
    /// The message.
    Transfer(Transfer),
    /// Asked: Body.
    Pulling(Transfer),
    /// STARTTLS was answered.
    Handshake,
    /// QUIT was said: its reply tells that the server counts the connection no more (RFC 5321 §4.1.1.10).
    Leaving,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Present,
    Gone,
    Silent,
}

/// What there is of a reply.
#[derive(Debug)]
pub(super) enum Heard {
    Reply(Lines),
    /// Not yet.
    Wait(Step<Ask>),
    /// None will come.
    Never(FailureKind),
}

impl SmtpClient {
    /// A client on a fresh connection; with implicit TLS, after the handshake.
    #[must_use]
    pub fn new(config: ClientConfig) -> SmtpClient {
        let tls = match &config.tls {
            StartTls::Implicit(facts) => Some(facts.clone()),
            StartTls::Never | StartTls::WhenOffered | StartTls::Required => None,
        };
        SmtpClient {
            transcript: Transcript::new(config.transcript),
            config,
            phase: Phase::Opening(Opening::Greeting),
            replies: ReplyReader::default(),
            output: BytesMut::new(),
            server: Server { tls, ..Server::default() },
            now: Timestamp(0),
            peer: Peer::Present,
            waiting_since: None,
        }
    }

    /// What protects the connection.
    #[must_use]
    pub const fn tls(&self) -> Option<&TlsFacts> {
        self.server.tls.as_ref()
    }

    /// What the server offers; nothing before [`Ask::Next`].
    #[must_use]
    pub const fn extensions(&self) -> Extensions {
        self.server.extensions
    }

    /// Does nothing wait to be read that the server said unasked? Otherwise the next reply would be taken for another.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        self.replies.is_empty()
    }

    /// The dialogue since the last call, if it is kept.
    pub fn take_transcript(&mut self) -> Vec<TranscriptLine> {
        self.transcript.take()
    }

    /// Writes a command line that may be shown to everybody.
    pub(super) fn command(&mut self, line: &str) {
        self.transcript.add(self.now, Direction::Sent, || line.to_owned());
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// Writes a line of which only `shown` may be shown.
    pub(super) fn secret_line(&mut self, shown: &str, line: &[u8]) {
        self.transcript.add(self.now, Direction::Sent, || shown.to_owned());
        self.output.extend_from_slice(line);
        self.output.extend_from_slice(b"\r\n");
    }

    /// Has the server gone, or been silent for too long?
    pub(super) fn is_cut_off(&self) -> bool {
        self.peer != Peer::Present
    }

    /// Something for the transcript alone.
    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        self.transcript.add(self.now, Direction::Note, text);
    }

    /// The next reply, or how long to wait for it.
    pub(super) fn hear(&mut self, seconds_max: u64) -> Heard {
        match self.replies.next() {
            Ok(Some(lines)) => {
                self.waiting_since = None;
                self.transcript.add(self.now, Direction::Received, || lines.reply.to_string());
                return Heard::Reply(lines);
            }
            Ok(None) => {}
            Err(_) => {
                self.note(|| "not an SMTP reply".to_owned());
                return Heard::Never(FailureKind::Garbled);
            }
        }
        if self.peer != Peer::Present {
            self.output.clear();
        }
        if !self.output.is_empty() {
            // Waiting begins when everything is said.
            return Heard::Wait(Step::Write(self.output.split().freeze()));
        }
        let since = *self.waiting_since.get_or_insert(self.now);
        let left_ms = since.plus_seconds(seconds_max).millis_since(self.now);
        match self.peer {
            Peer::Gone => Heard::Never(FailureKind::Lost),
            Peer::Silent => Heard::Never(FailureKind::Silent),
            Peer::Present if left_ms == 0 => Heard::Never(FailureKind::Silent),
            Peer::Present => Heard::Wait(Step::Read { seconds_max: left_ms.div_ceil(1_000) }),
        }
    }

    /// The connection came to nothing.
    pub(super) fn failed(&mut self, stage: Stage, kind: FailureKind, reply: Reply) {
        if matches!(kind, FailureKind::Refused | FailureKind::NoTls | FailureKind::NoLogin) && reply.code != 421 {
            self.command("QUIT");
        }
        self.phase = Phase::Asking(Ask::Failed(Failure { stage, kind, reply }));
    }

    /// A transaction is over.
    pub(super) fn finished(&mut self, transaction: Transaction, connection: ConnectionState) {
        // A reply that nobody asked for would be taken for the next one.
        let connection = if self.replies.is_empty() { connection } else { ConnectionState::Over };
        let outcome: Outcome = transaction.outcome(connection);
        self.phase = Phase::Asking(Ask::Outcome(outcome));
    }

    /// Goes on by itself as far as it can.
    fn advance(&mut self) -> Option<Step<Ask>> {
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Opening(opening) => self.open(opening),
            Phase::Envelope(envelope) => self.envelope(envelope),
            Phase::Transfer(transfer) => self.transfer(transfer),
            Phase::Asking(ask) => {
                let state = match &ask {
                    Ask::Outcome(outcome) => outcome.connection,
                    Ask::Next(_) => ConnectionState::Usable,
                    Ask::Body | Ask::Failed(_) => ConnectionState::Over,
                };
                self.phase = Phase::Idle(state);
                Some(Step::Ask(ask))
            }
            Phase::Handshake => {
                self.phase = Phase::Handshake;
                Some(Step::StartTls)
            }
            Phase::Leaving => match self.hear(limits::QUIT_SECONDS_MAX) {
                Heard::Wait(step) => {
                    self.phase = Phase::Leaving;
                    Some(step)
                }
                Heard::Reply(_) | Heard::Never(_) => Some(Step::Close),
            },
            // `Idle` and `Pulling`: the driver owes an answer, and goes on without it.
            Phase::Idle(_) | Phase::Pulling(_) | Phase::Closed => Some(Step::Close),
        }
    }

    fn begin(&mut self, state: ConnectionState, answer: Answer) {
        match (state, answer) {
            (ConnectionState::Usable, Answer::Transaction(mail)) => {
                match Transaction::new(*mail, self.server.extensions, self.server.tls.as_ref(), self.now) {
                    Ok(transaction) => self.phase = Phase::Envelope(Envelope::new(transaction)),
                    Err(outcome) => self.phase = Phase::Asking(Ask::Outcome(outcome)),
                }
            }
            (ConnectionState::Usable, _) => {
                self.command("QUIT");
                self.phase = Phase::Leaving;
            }
            (ConnectionState::Over, _) => self.phase = Phase::Closed,
        }
    }
}

impl Session for SmtpClient {
    type Ask = Ask;
    type Answer = Answer;

    fn next(&mut self, now: Timestamp) -> Step<Ask> {
        self.now = now;
        loop {
            if self.output.len() >= OUTPUT_BYTES_MAX {
                return Step::Write(self.output.split().freeze());
            }
            match self.advance() {
                None => {}
                Some(step @ (Step::Ask(_) | Step::Write(_))) => return step,
                // All other steps wait: what was said goes first, then the step comes again.
                Some(step) if self.output.is_empty() => return step,
                Some(_) => return Step::Write(std::mem::take(&mut self.output).freeze()),
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if !matches!(self.phase, Phase::Closed | Phase::Handshake) {
            self.replies.extend(bytes);
        }
    }

    fn answer(&mut self, answer: Answer) {
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Idle(state) => self.begin(state, answer),
            Phase::Pulling(transfer) => match answer {
                Answer::Piece(piece) => self.piece(transfer, &piece),
                Answer::End(piece) => self.end(transfer, &piece),
                Answer::Broken | Answer::Quit | Answer::Transaction(_) => self.broken(transfer),
            },
            // Nothing was asked.
            phase => self.phase = phase,
        }
    }

    fn tls_started(&mut self, facts: TlsFacts) {
        self.note(|| format!("TLS: {} {}", facts.version, facts.cipher));
        self.replies.clear();
        self.server = Server { tls: Some(facts), ..Server::default() };
        self.waiting_since = None;
        self.hello();
    }

    fn end_of_input(&mut self) {
        self.peer = Peer::Gone;
    }

    fn timed_out(&mut self) {
        self.peer = Peer::Silent;
    }

    /// Whoever runs a client ends it by answering with [`Answer::Quit`]: nothing is left to do here.
    fn drain(&mut self) {}
}

/// What a failure without a reply is called.
pub(super) fn conclusion(kind: FailureKind, stage: Stage) -> Reply {
    let stage = stage.name();
    match kind {
        FailureKind::Lost => {
            Reply::conclusion(421, (4, 4, 2), &format!("lost connection while waiting for the reply to {stage}"))
        }
        FailureKind::Silent => {
            Reply::conclusion(421, (4, 4, 2), &format!("timed out while waiting for the reply to {stage}"))
        }
        FailureKind::Garbled | FailureKind::Refused | FailureKind::NoTls | FailureKind::NoLogin => {
            Reply::conclusion(421, (4, 5, 0), &format!("the server broke the protocol in its reply to {stage}"))
        }
    }
}
