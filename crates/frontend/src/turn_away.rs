//! Connections for which their service has no place: told so in place of a greeting, counted, and closed.
//!
//! What is said fits into the empty buffer of the socket, so nobody is waited for to say it. A connection is kept for a moment
//! (`TURNING_AWAY_SECONDS_MAX`) until the peer has read it: octets that came and were not read would make the system take back what was
//! said. Only so many are kept at a time (`CONNECTIONS_TURNED_AWAY_MAX`); the rest is closed at once. Where TLS comes first nothing is said:
//! a flood would make us spend handshakes.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use yubin_policy::refusal_text;
use yubin_types::{TraceId, limits};

use crate::config::{ListenerTls, Protocol};
use crate::connection::Service;
use crate::metrics::SessionResult;
use crate::refusals::Client;

/// What is read at once of what a peer says in vain, bytes.
const READ_BYTES: usize = 1_024;

impl Service {
    /// Without `kept` this waits for nothing.
    pub(crate) async fn turn_away(
        &self,
        mut stream: TcpStream,
        connected: SocketAddr,
        kept: Option<OwnedSemaphorePermit>,
    ) {
        let until = Instant::now() + Duration::from_secs(limits::TURNING_AWAY_SECONDS_MAX);
        let client = match &kept {
            Some(_) => timeout_at(until, self.peer(&mut stream, connected)).await.ok().and_then(Result::ok),
            None => Some(connected),
        };
        let line = self.full_line();
        if self.listener.tls != ListenerTls::Implicit {
            // A peer that is gone needs no reason.
            let _ = SockRef::from(&stream).send(format!("{line}\r\n").as_bytes());
        }
        self.places.say_full(self.listener.protocol);
        tracing::debug!(listener = self.listener.name, peer.addr = %client.unwrap_or(connected), "no place is free");
        self.shared.metrics.session_ended(&self.listener.name, SessionResult::Full);
        let peer = client.unwrap_or(connected).ip();
        self.shared.refusals.connection(Client { peer, trace: TraceId(rand::random()) }, line);
        if let (Some(_kept), Some(_)) = (kept, client) {
            let _ = timeout_at(until, leave(&mut stream)).await;
        }
    }

    /// What is said in place of a greeting.
    fn full_line(&self) -> String {
        match self.listener.protocol {
            Protocol::Mx | Protocol::Submission | Protocol::Lmtp => refusal_text::smtp_full().to_string(),
            Protocol::Pop3 => format!("-ERR {}", refusal_text::pop3_full()),
            Protocol::Imap => format!("* BYE {}", refusal_text::imap_full()),
        }
    }
}

/// Says nothing more, and waits until the peer does so too.
async fn leave(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.shutdown().await?;
    while stream.read(&mut [0; READ_BYTES]).await? > 0 {}
    Ok(())
}
