//! Accept loops: one per listener, all under one bound on connections.
//!
//! A place is taken before a connection is accepted, so that what exceeds the bound waits in the system's queue. When the process is
//! out of file descriptors or memory, accepting pauses and says so, and never spins. Draining closes the socket at once, so that a
//! load balancer sees it; connections end themselves (see `driver`). Quiet connections are kept alive (TCP keepalive), so that routers
//! on the way don't forget them and peers that are gone without a word are noticed.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use yubin_types::limits;

/// Connections that the system may hold before they are accepted.
const BACKLOG: u32 = 4_096;
/// First pause after a failed accept; doubled up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Binds an address.
///
/// # Errors
/// The address is taken, or not ours.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted process takes its port back although old connections linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What accept loops share.
#[derive(Clone, Debug)]
pub(crate) struct Acceptance {
    /// Places for connections.
    pub(crate) places: Arc<Semaphore>,
    /// Running connections.
    pub(crate) connections: TaskTracker,
    /// Stop accepting; sessions end when they can.
    pub(crate) drain: CancellationToken,
    /// End now.
    pub(crate) abort: CancellationToken,
}

/// An accepted connection and its place.
#[derive(Debug)]
pub(crate) struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
}

impl Accepted {
    /// The place is free for another connection when its permit is dropped.
    pub(crate) fn into_parts(self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        (self.stream, self.peer, self.place)
    }
}

/// Accepts until the server drains; `serve` runs one connection to its end.
pub(crate) async fn accept<F>(listener: TcpListener, name: &str, shared: Acceptance, serve: impl Fn(Accepted) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut pause = PAUSE_MIN;
    while let Some(next) = shared.drain.run_until_cancelled(next(&listener, &shared.places)).await {
        match next {
            Ok(accepted) => {
                pause = PAUSE_MIN;
                let (abort, serving) = (shared.abort.clone(), serve(accepted));
                shared.connections.spawn(async move {
                    abort.run_until_cancelled(serving).await;
                });
            }
            // The peer was gone before we came; nothing is wrong here.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(listener = name, %error, "accepting connections pauses");
                shared.drain.run_until_cancelled(tokio::time::sleep(pause)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

async fn next(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Answers are gathered before they are sent; waiting for more would only delay them.
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&keepalive())?;
    Ok(Accepted { stream, peer, place })
}

const fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(limits::KEEPALIVE_AFTER_SECONDS))
        .with_interval(Duration::from_secs(limits::KEEPALIVE_INTERVAL_SECONDS))
        .with_retries(limits::KEEPALIVE_PROBES_MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use socket2::SockRef;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::Semaphore;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::{Acceptance, accept, bind, next};

    fn shared(places: usize) -> Acceptance {
        Acceptance {
            places: Arc::new(Semaphore::new(places)),
            connections: TaskTracker::new(),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
        }
    }

    /// Greets, then waits for the end of input.
    async fn greet(mut accepted: super::Accepted) {
        accepted.stream.write_all(b"hello").await.unwrap();
        let _ = accepted.stream.read(&mut [0; 1]).await;
    }

    async fn greeted(stream: &mut TcpStream) {
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"hello");
    }

    #[tokio::test]
    async fn a_connection_over_the_bound_waits_for_a_place() {
        let shared = shared(1);
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, "test", shared.clone(), greet));
        let mut first = TcpStream::connect(address).await.unwrap();
        greeted(&mut first).await;
        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!(shared.places.available_permits(), 0);
        assert_eq!(shared.connections.len(), 1);
        drop(first);
        greeted(&mut second).await;
        drop(second);
        shared.drain.cancel();
        accepting.await.unwrap();
    }

    #[tokio::test]
    async fn quiet_connections_are_kept_alive() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, ..) = next(&listener, &shared(1).places).await.unwrap().into_parts();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        // NAT of homes and mobile networks forgets connections after five minutes of silence.
        assert!(socket.tcp_keepalive_time().unwrap() < Duration::from_secs(5 * 60));
    }

    #[tokio::test]
    async fn draining_closes_the_socket_and_abort_ends_what_is_left() {
        let shared = shared(10);
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, "test", shared.clone(), greet));
        let mut open = TcpStream::connect(address).await.unwrap();
        greeted(&mut open).await;
        shared.drain.cancel();
        accepting.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
        assert_eq!(shared.connections.len(), 1);
        shared.connections.close();
        shared.abort.cancel();
        shared.connections.wait().await;
        assert_eq!(open.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
