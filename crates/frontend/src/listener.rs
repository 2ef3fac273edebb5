//! Accept loops: one per listener, each under its service's bound on connections.
//!
//! Every connection is accepted, and then takes a place of its service if one is free; if none is, it is turned away rather than left to
//! wait unanswered in the system's queue. What is turned away is bounded as well: see [`Place`]. When the process is out of file descriptors or memory, accepting pauses and says so, and never spins. Draining closes the socket at once, so that a
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

use crate::places::Places;

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
    /// Connections that may be kept until they have read why they are turned away.
    pub(crate) turned_away: Arc<Semaphore>,
    /// Running connections.
    pub(crate) connections: TaskTracker,
    /// Stop accepting; sessions end when they can.
    pub(crate) drain: CancellationToken,
    /// End now.
    pub(crate) abort: CancellationToken,
}

/// Where a connection may stay. The place is free for another one when the permit is dropped.
#[derive(Debug)]
pub(crate) enum Place {
    /// Among those that are served.
    Served(OwnedSemaphorePermit),
    /// All places were taken: among those that are turned away.
    TurnedAway(OwnedSemaphorePermit),
    /// Not even there: it is to be closed without waiting for anything.
    Nowhere,
}

/// An accepted connection and its place.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) place: Place,
}

/// What a listener's connections have of the process.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    /// The listener.
    pub(crate) name: String,
    /// Its service's places.
    pub(crate) places: Places,
}

/// Accepts until the server drains; `serve` runs one connection to its end, or turns it away.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    entrance: Entrance,
    shared: Acceptance,
    serve: impl Fn(Accepted) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut pause = PAUSE_MIN;
    while let Some(next) = shared.drain.run_until_cancelled(next(&listener)).await {
        match next {
            Ok((stream, peer)) => {
                pause = PAUSE_MIN;
                let accepted = Accepted { stream, peer, place: place(&entrance.places, &shared.turned_away) };
                // Whoever has no place waits for nothing, and is gone before the next one comes.
                let is_over = matches!(accepted.place, Place::Nowhere);
                let (abort, serving) = (shared.abort.clone(), serve(accepted));
                if is_over {
                    serving.await;
                    continue;
                }
                shared.connections.spawn(async move {
                    abort.run_until_cancelled(serving).await;
                });
            }
            // The peer was gone before we came; nothing is wrong here.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(listener = entrance.name, %error, "accepting connections pauses");
                shared.drain.run_until_cancelled(tokio::time::sleep(pause)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

fn place(places: &Places, turned_away: &Arc<Semaphore>) -> Place {
    match places.take() {
        Some(permit) => Place::Served(permit),
        None => Arc::clone(turned_away).try_acquire_owned().map_or(Place::Nowhere, Place::TurnedAway),
    }
}

async fn next(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // Answers are gathered before they are sent; waiting for more would only delay them.
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&keepalive())?;
    Ok((stream, peer))
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

    use super::{Acceptance, Accepted, Entrance, Place, accept, bind, next};
    use crate::places::Places;

    fn entrance(places: usize) -> Entrance {
        Entrance { name: "test".into(), places: Places::new(places) }
    }

    fn shared(turned_away: usize) -> Acceptance {
        Acceptance {
            turned_away: Arc::new(Semaphore::new(turned_away)),
            connections: TaskTracker::new(),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
        }
    }

    /// Says where the connection is; then waits for the end of input, if it may.
    async fn greet(mut accepted: Accepted) {
        let (greeting, waits) = match &accepted.place {
            Place::Served(_) => (b"hello", true),
            Place::TurnedAway(_) => (b"later", true),
            Place::Nowhere => (b"never", false),
        };
        accepted.stream.write_all(greeting).await.unwrap();
        if waits {
            let _ = accepted.stream.read(&mut [0; 1]).await;
        }
    }

    async fn greeted(stream: &mut TcpStream, expected: &[u8]) {
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).await.unwrap();
        assert_eq!(greeting, expected);
    }

    #[tokio::test]
    async fn connections_over_the_bound_are_turned_away_and_so_are_those_beyond_that() {
        let (entrance, shared) = (entrance(1), shared(1));
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, entrance.clone(), shared.clone(), greet));
        let mut open = Vec::new();
        for greeting in [b"hello", b"later", b"never", b"never"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            greeted(&mut stream, greeting).await;
            open.push(stream);
        }
        // Those that have no place at all are nobody's any more.
        assert_eq!(shared.connections.len(), 2);
        drop(open);
        while entrance.places.take().is_none() {
            tokio::task::yield_now().await;
        }
        let mut next = TcpStream::connect(address).await.unwrap();
        greeted(&mut next, b"hello").await;
        drop(next);
        shared.drain.cancel();
        accepting.await.unwrap();
    }

    #[tokio::test]
    async fn quiet_connections_are_kept_alive() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = next(&listener).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        // NAT of homes and mobile networks forgets connections after five minutes of silence.
        assert!(socket.tcp_keepalive_time().unwrap() < Duration::from_secs(5 * 60));
    }

    #[tokio::test]
    async fn draining_closes_the_socket_and_abort_ends_what_is_left() {
        let shared = shared(1);
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, entrance(10), shared.clone(), greet));
        let mut open = TcpStream::connect(address).await.unwrap();
        greeted(&mut open, b"hello").await;
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
