//! The one loop that runs every session: carries out its steps, feeds it what came of them.
//!
//! Follows the table in [`yubin_session::step`]. Bytes are read only when the session asks for them, into a buffer on the stack that
//! exists while the socket is being read, so an idle connection holds none. Output is gathered and sent before the session waits; an
//! answer counts as at hand if it comes within [`AT_HAND`], so that a pipelined SMTP transaction is answered with one packet.
//! When the server drains, the session is told once and ends itself. Where places are scarce, silence ends sooner.
//!
//! What it doesn't do: protocol, policy, storage, closing reasons. Callers: `connection`.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use yubin_session::{Session, Step};
use yubin_types::{Timestamp, limits};

use crate::outgoing::Outgoing;
use crate::places::Places;
use crate::transport::Transport;

/// An answer that takes longer lets the peer have what was written before it.
const AT_HAND: Duration = Duration::from_millis(5);
/// What is read at once, bytes: two TLS records.
const READ_BYTES: usize = 32 * 1024;
/// How long the peer may take to see the end of the connection.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(5);

/// What answers a session's questions.
pub(crate) trait Rim<S: Session>: Send {
    /// Answers a question.
    fn ask(&mut self, ask: S::Ask) -> impl Future<Output = S::Answer> + Send;

    /// Waits for something that the session must be told unasked. May be dropped and called again at any time without losing news.
    fn event(&mut self) -> impl Future<Output = S::Answer> + Send;

    /// The session is over, perhaps by a fault of the peer: gives back what it held.
    fn close(&mut self, fault: Option<String>) -> impl Future<Output = ()> + Send;
}

/// How a connection came to its end.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The session said so.
    Closed,
    /// The socket failed, or the peer did not read.
    Failed(io::Error),
    /// TLS could not be established.
    Handshake(io::Error),
}

/// What a session has of its listener and of the process.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// Takes handshakes.
    pub(crate) tls: Option<&'a TlsAcceptor>,
    /// The server drains.
    pub(crate) drain: &'a CancellationToken,
    /// Those of the session's service.
    pub(crate) places: &'a Places,
}

/// Runs a session to its end.
pub(crate) async fn drive<S, R, T>(
    session: &mut S,
    rim: &mut R,
    transport: &mut Transport<T>,
    terms: Terms<'_>,
) -> Ended
where
    S: Session,
    R: Rim<S>,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut peer = Peer { transport, outgoing: Outgoing::default(), terms, standing: Standing::Serving };
    loop {
        let outcome = match session.next(now()) {
            Step::Write(bytes) => peer.write(bytes).await,
            Step::Ask(ask) => peer.asking(rim.ask(ask)).await.map(|answer| session.answer(answer)),
            Step::Read { seconds_max } => peer.read(session, rim, Duration::from_secs(seconds_max)).await,
            Step::StartTls => match peer.start_tls().await {
                Ok(Ok(facts)) => {
                    session.tls_started(facts);
                    Ok(())
                }
                Ok(Err(error)) => return Ended::Handshake(error),
                Err(error) => Err(error),
            },
            Step::Close => return peer.close().await,
        };
        if let Err(error) = outcome {
            return Ended::Failed(error);
        }
    }
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Has the session been told that the server drains?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Serving,
    Draining,
}

/// The other side of the connection.
struct Peer<'a, T> {
    transport: &'a mut Transport<T>,
    outgoing: Outgoing,
    terms: Terms<'a>,
    standing: Standing,
}

/// What ended a wait.
enum Woken<Answer> {
    Received,
    EndOfInput,
    Event(Answer),
    Silence,
    Drain,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<'_, T> {
    async fn write(&mut self, bytes: bytes::Bytes) -> io::Result<()> {
        self.outgoing.push(bytes);
        if self.outgoing.is_full() { self.outgoing.send(self.transport).await } else { Ok(()) }
    }

    /// Waits for an answer; what was written before goes out meanwhile unless the answer is at hand.
    async fn asking<A>(&mut self, asked: impl Future<Output = A>) -> io::Result<A> {
        let mut asked = pin!(asked);
        if self.outgoing.is_empty() {
            return Ok(asked.await);
        }
        if let Ok(answer) = tokio::time::timeout(AT_HAND, asked.as_mut()).await {
            return Ok(answer);
        }
        // The question is carried to its end even if the peer is gone: what it does may not stop half way.
        let (sent, answer) = tokio::join!(self.outgoing.send(self.transport), asked);
        sent.map(|()| answer)
    }

    async fn read<S: Session>(&mut self, session: &mut S, rim: &mut impl Rim<S>, silence: Duration) -> io::Result<()> {
        self.outgoing.send(self.transport).await?;
        let terms = self.terms;
        if self.standing == Standing::Serving && terms.drain.is_cancelled() {
            self.standing = Standing::Draining;
            session.drain();
            return Ok(());
        }
        let draining = self.standing == Standing::Draining;
        let scarce = session.scarce_seconds_max(now()).map(Duration::from_secs);
        let woken = tokio::select! {
            biased;
            received = receive(self.transport, session) => received?,
            answer = rim.event() => Woken::Event(answer),
            () = terms.drain.cancelled(), if !draining => Woken::Drain,
            () = patience(terms.places, silence, scarce) => Woken::Silence,
        };
        match woken {
            Woken::Received => {}
            Woken::EndOfInput => session.end_of_input(),
            Woken::Event(answer) => session.answer(answer),
            Woken::Silence => session.timed_out(),
            Woken::Drain => {
                self.standing = Standing::Draining;
                session.drain();
            }
        }
        Ok(())
    }

    /// The outer result is of sending, the inner one of the handshake.
    async fn start_tls(&mut self) -> io::Result<io::Result<yubin_session::TlsFacts>> {
        self.outgoing.send(self.transport).await?;
        match self.terms.tls {
            Some(acceptor) => Ok(self.transport.start_tls(acceptor, self.terms.places.handshake_time_max()).await),
            None => Ok(Err(io::Error::other("the listener has no certificate"))),
        }
    }

    async fn close(&mut self) -> Ended {
        if let Err(error) = self.outgoing.send(self.transport).await {
            return Ended::Failed(error);
        }
        // Failing to say goodbye harms nobody.
        let _ = tokio::time::timeout(CLOSE_TIME_MAX, self.transport.shutdown()).await;
        Ended::Closed
    }
}

/// Waits until the peer was silent for too long: for `longest`, or for `scarce` while places are scarce, which is looked at again and again.
async fn patience(places: &Places, longest: Duration, scarce: Option<Duration>) {
    let Some(scarce) = scarce.filter(|scarce| *scarce < longest) else { return tokio::time::sleep(longest).await };
    let started = tokio::time::Instant::now();
    let (mut look, end) = (started + scarce, started + longest);
    loop {
        tokio::time::sleep_until(look.min(end)).await;
        if look >= end || places.are_scarce() {
            return;
        }
        look += Duration::from_secs(limits::SCARCE_IDLE_SECONDS_MAX);
    }
}

/// Feeds the session what the socket has, without keeping a buffer between two polls.
async fn receive<S: Session, T: AsyncRead + AsyncWrite + Unpin>(
    transport: &mut Transport<T>,
    session: &mut S,
) -> io::Result<Woken<S::Answer>> {
    std::future::poll_fn(|cx| {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        match Pin::new(&mut *transport).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) if is_end(&error) => Poll::Ready(Ok(Woken::EndOfInput)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Ok(Woken::EndOfInput)),
            Poll::Ready(Ok(())) => {
                session.receive(buffer.filled());
                Poll::Ready(Ok(Woken::Received))
            }
        }
    })
    .await
}

/// Peers that drop the connection without TLS's close_notify, or reset it, have ended their input.
pub(crate) fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests;
