//! Runs an SMTP client on a socket: carries out its steps, as the front end's driver does for servers.
//!
//! Bytes are read only when the client asks for them, so that nothing said in clear can slip behind a handshake. When writing fails, what
//! the server had said before it closed is read first: a refusal in the middle of a message is worth more than a broken pipe.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use yubin_session::smtp::client::{Answer, Ask, ConnectionState, Failure, Outcome, OutgoingMail, SmtpClient};
use yubin_session::{Session as _, Step, TlsFacts};
use yubin_types::report::TlsResultType;
use yubin_types::{Timestamp, limits};

use crate::connect::Tls;
use crate::dialogues::Watch;
use crate::way::{Proof, Taken};

/// How long a handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(30);
/// How long the server may take to read a piece of what is written to it (RFC 5321 §4.5.3.2.5).
const WRITE_TIME_MAX: Duration = Duration::from_secs(180);
/// How long a server that closed in the middle is listened to.
const LAST_WORD_TIME_MAX: Duration = Duration::from_secs(2);
/// What is read at once, bytes.
const READ_BYTES: usize = 4 * 1024;

/// A message that is read while it is sent.
pub(crate) trait Message: Send {
    /// The next piece; the last one is marked.
    fn next(&mut self) -> impl Future<Output = Option<Piece>> + Send;
}

/// A piece of a message.
#[derive(Debug)]
pub(crate) enum Piece {
    Middle(Bytes),
    Last(Bytes),
}

/// A connection with its client.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    client: SmtpClient,
    /// Where bytes are read to.
    space: Vec<u8>,
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    /// Transactions so far.
    pub(crate) transactions: u32,
    /// Those who watch what is said.
    pub(crate) watch: Option<Watch>,
    /// Our address that it comes from.
    pub(crate) source: Option<IpAddr>,
    /// Does its certificate prove who the host is?
    pub(crate) proof: Proof,
    pub(crate) taken: Taken,
    /// What is wrong with the certificate where a policy is tested, or why it is in clear though TLS was offered.
    pub(crate) tls_flaw: Option<TlsResultType>,
}

/// What became of an opening.
#[derive(Debug)]
pub(crate) enum Ready {
    Yes,
    Failed(Failure),
    Handshake(io::Error),
}

/// No message is sent while a connection opens or closes.
struct NoMessage;

impl Message for NoMessage {
    async fn next(&mut self) -> Option<Piece> {
        None
    }
}

/// What a client came to.
enum Came {
    Ready,
    Outcome(Outcome),
    Failed(Failure),
    Closed,
}

impl Connection {
    pub(crate) fn new(stream: Stream, client: SmtpClient, address: SocketAddr, host: String) -> Connection {
        let space = vec![0; READ_BYTES];
        let (source, proof, taken) = (None, Proof::default(), Taken::default());
        let (transactions, watch, tls_flaw) = (0, None, None);
        Connection { stream, client, space, address, host, transactions, watch, source, proof, taken, tls_flaw }
    }

    /// Greets, protects, logs in.
    pub(crate) async fn open(&mut self, tls: Option<Tls>) -> Ready {
        match self.run(&mut NoMessage, tls.as_ref()).await {
            Ok(Came::Ready) => {
                self.tls_flaw = tls.as_ref().and_then(Tls::flaw);
                Ready::Yes
            }
            Ok(Came::Failed(failure)) => {
                self.client.answer(Answer::Quit);
                // What is left to say is QUIT, to a server that may not listen.
                let _ = tokio::time::timeout(LAST_WORD_TIME_MAX, self.run(&mut NoMessage, None)).await;
                Ready::Failed(failure)
            }
            Ok(Came::Outcome(_) | Came::Closed) => Ready::Handshake(io::ErrorKind::NotConnected.into()),
            Err(error) => Ready::Handshake(error),
        }
    }

    /// One transaction. `None`: the client had nothing to report, which is a fault of its own.
    pub(crate) async fn send(&mut self, mail: OutgoingMail, message: &mut impl Message) -> Option<Outcome> {
        self.transactions += 1;
        self.client.answer(Answer::Transaction(Box::new(mail)));
        let began = Instant::now();
        let came = self.run(message, None).await;
        self.taken.sending = began.elapsed();
        match came {
            Ok(Came::Outcome(outcome)) => Some(outcome),
            _ => None,
        }
    }

    /// Says goodbye after a transaction that left the connection usable.
    pub(crate) async fn quit(mut self) {
        self.client.answer(Answer::Quit);
        let _ = tokio::time::timeout(LAST_WORD_TIME_MAX, self.run(&mut NoMessage, None)).await;
    }

    /// Has the server been quiet since the last transaction? What it said unasked, or that it closed, makes a connection useless.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        let mut space = [0; 1];
        let mut buffer = ReadBuf::new(&mut space);
        let looked =
            std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))).await;
        looked.is_pending() && self.client.is_in_step()
    }

    /// What protects it.
    pub(crate) fn tls(&self) -> Option<&TlsFacts> {
        self.client.tls()
    }

    /// Carries out steps until the client has something to say to us.
    async fn run(&mut self, message: &mut impl Message, tls: Option<&Tls>) -> io::Result<Came> {
        let came = self.carry_out(message, tls).await;
        self.tell();
        came
    }

    /// Tells those who watch what was said meanwhile.
    fn tell(&mut self) {
        if let Some(watch) = &self.watch {
            watch.tell(self.client.take_transcript());
        }
    }

    async fn carry_out(&mut self, message: &mut impl Message, tls: Option<&Tls>) -> io::Result<Came> {
        let mut pending: Vec<Bytes> = Vec::new();
        let mut pending_bytes = 0;
        loop {
            match self.client.next(now()) {
                Step::Write(bytes) => {
                    pending_bytes += bytes.len();
                    pending.push(bytes);
                    if pending_bytes >= 64 * 1024 {
                        self.flush(&mut pending).await;
                        pending_bytes = 0;
                    }
                }
                Step::Ask(Ask::Body) => {
                    let answer = match message.next().await {
                        Some(Piece::Middle(bytes)) => Answer::Piece(bytes),
                        Some(Piece::Last(bytes)) => Answer::End(bytes),
                        None => Answer::Broken,
                    };
                    self.client.answer(answer);
                }
                Step::Ask(Ask::Next(_)) => return Ok(Came::Ready),
                Step::Ask(Ask::Outcome(outcome)) => {
                    if outcome.connection == ConnectionState::Over {
                        self.stream.close().await;
                    }
                    return Ok(Came::Outcome(outcome));
                }
                Step::Ask(Ask::Failed(failure)) => return Ok(Came::Failed(failure)),
                Step::Read { seconds_max } => {
                    self.flush(&mut pending).await;
                    pending_bytes = 0;
                    self.tell();
                    self.read(Duration::from_secs(seconds_max)).await;
                }
                Step::StartTls => {
                    self.flush(&mut pending).await;
                    let Some(tls) = tls else { return Err(io::ErrorKind::Unsupported.into()) };
                    let facts = self.stream.start_tls(tls).await?;
                    self.client.tls_started(facts);
                }
                Step::Close => {
                    self.flush(&mut pending).await;
                    self.stream.close().await;
                    return Ok(Came::Closed);
                }
            }
        }
    }

    /// Sends what is gathered. A failure is told to the client, after the server's last word.
    async fn flush(&mut self, pending: &mut Vec<Bytes>) {
        for bytes in pending.drain(..) {
            let written = tokio::time::timeout(WRITE_TIME_MAX, self.stream.write_all(&bytes)).await;
            if !matches!(written, Ok(Ok(()))) {
                self.hear_last_word().await;
                break;
            }
        }
        pending.clear();
        // TLS may hold back what it was given.
        let flushed = tokio::time::timeout(WRITE_TIME_MAX, self.stream.flush()).await;
        if !matches!(flushed, Ok(Ok(()))) {
            self.hear_last_word().await;
        }
    }

    async fn hear_last_word(&mut self) {
        let Connection { stream, client, space, .. } = self;
        let listening = async {
            let mut heard = 0;
            while heard < limits::LAST_WORD_BYTES_MAX
                && let Ok(count @ 1..) = stream.read(space).await
            {
                heard += count;
                client.receive(space.get(..count).unwrap_or_default());
            }
        };
        let _ = tokio::time::timeout(LAST_WORD_TIME_MAX, listening).await;
        self.client.end_of_input();
    }

    async fn read(&mut self, silence: Duration) {
        let Connection { stream, client, space, .. } = self;
        match tokio::time::timeout(silence, stream.read(space)).await {
            Ok(Ok(count @ 1..)) => client.receive(space.get(..count).unwrap_or_default()),
            Ok(Ok(_) | Err(_)) => client.end_of_input(),
            Err(_) => client.timed_out(),
        }
    }
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The server's bytes, in clear or through TLS.
#[derive(Debug)]
pub(crate) enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Closed, or a handshake failed.
    Gone,
}

impl Stream {
    /// Takes the handshake as client.
    pub(crate) async fn start_tls(&mut self, tls: &Tls) -> io::Result<TlsFacts> {
        let Stream::Clear(stream) = std::mem::replace(self, Stream::Gone) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let name = tls.name.clone().ok_or_else(|| io::Error::other("the host has no name for TLS"))?;
        let connector = TlsConnector::from(std::sync::Arc::clone(&tls.config));
        let handshake = tokio::time::timeout(HANDSHAKE_TIME_MAX, connector.connect(name, stream));
        let stream = handshake.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let (_, session) = stream.get_ref();
        let version =
            session.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS").replace('_', ".");
        let cipher = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
        let facts = TlsFacts { version, cipher: cipher.to_owned(), server_name: None, channel_binding: None };
        *self = Stream::Tls(Box::new(stream));
        Ok(facts)
    }

    async fn close(&mut self) {
        // Failing to say goodbye harms nobody.
        let _ = tokio::time::timeout(LAST_WORD_TIME_MAX, self.shutdown()).await;
        *self = Stream::Gone;
    }
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Gone => gone(),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Gone => gone(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Gone => gone(),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Gone => Poll::Ready(Ok(())),
        }
    }
}
