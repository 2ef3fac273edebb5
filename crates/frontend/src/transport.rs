//! A connection that may change from clear to TLS in the middle (RFC 3207, RFC 2595).
//!
//! Nothing is read ahead: the driver reads from the socket only when a session asks for bytes and keeps none of them, so there is no
//! buffer from which plaintext could slip behind a handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::{ProtocolVersion, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use yubin_session::{ChannelBinding, TlsFacts};

/// How long a handshake may take.
pub(crate) const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(30);

/// The peer's bytes, in clear or through TLS.
pub(crate) enum Transport<T> {
    Clear(T),
    Tls(Box<TlsStream<T>>),
    /// A handshake failed; there is nothing left to speak to.
    Broken,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport<T> {
    /// Takes the handshake as server; the peer has `time_max` for it.
    ///
    /// # Errors
    /// The peer went away, was too slow, or the two sides did not agree. The connection is of no use afterwards.
    pub(crate) async fn start_tls(&mut self, acceptor: &TlsAcceptor, time_max: Duration) -> io::Result<TlsFacts> {
        let Transport::Clear(stream) = std::mem::replace(self, Transport::Broken) else {
            return Err(io::Error::other("TLS was asked for twice"));
        };
        let handshake = tokio::time::timeout(time_max, acceptor.accept(stream));
        let stream = handshake.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let facts = facts(&stream);
        *self = Transport::Tls(Box::new(stream));
        Ok(facts)
    }
}

fn facts<T>(stream: &TlsStream<T>) -> TlsFacts {
    let (_, connection) = stream.get_ref();
    // rustls writes TLSv1_3 where everybody else writes TLSv1.3.
    let version = connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS").replace('_', ".");
    let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    let server_name = connection.server_name().map(str::to_owned);
    TlsFacts { version, cipher: cipher.to_owned(), server_name, channel_binding: channel_binding(connection) }
}

/// RFC 9266 §4.2. TLS 1.2 would need the extended master secret, and rustls does not tell whether it is in use.
fn channel_binding(connection: &ServerConnection) -> Option<ChannelBinding> {
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    let exported = connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]));
    exported.ok().map(ChannelBinding::new)
}

fn broken<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::Error::from(io::ErrorKind::NotConnected)))
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Broken => broken(),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Broken => broken(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Transport::Broken => broken(),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Transport::Clear(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
            Transport::Broken => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Broken => broken(),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Broken => Poll::Ready(Ok(())),
        }
    }
}
