//! A connection from its first octet to its last: the proxy's header, the network's share, handshake, session, driver, and the line in
//! the log. Whatever is said of a peer anywhere is said of the client, not of the proxy that passed its connection on.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use yubin_policy::networks::{NetworkDenial, NetworkId};
use yubin_policy::refusal_text;
use yubin_policy::srs::SrsKey;
use yubin_proto::{Caller, Courier, StoreClient};
use yubin_session::imap::ImapSession;
use yubin_session::pop3::Pop3Session;
use yubin_session::smtp::{SmtpSession, Xclient};
use yubin_session::{Security, Session, imap, pop3, smtp};
use yubin_types::{Address, TraceId};

use crate::auth::Authenticator;
use crate::config::{FrontendConfig, ListenerConfig, ListenerTls, Protocol, contains};
use crate::countries::Countries;
use crate::driver::{Ended, Rim, Terms, drive, is_end};
use crate::imap::ImapRim;
use crate::listener::{Accepted, Place};
use crate::metrics::{Metrics, SessionResult};
use crate::networks::{Admitted, Networks};
use crate::places::Places;
use crate::pop3::Pop3Rim;
use crate::proxy::{self, Forwarded, HeaderError};
use crate::refusals::{Client, RefusalLog};
use crate::scan::Scanners;
use crate::signing::Signers;
use crate::smtp::SmtpRim;
use crate::spool::Spooler;
use crate::transport::Transport;

/// How long it may take to say why a connection is not served.
const DISMISSAL_TIME_MAX: Duration = Duration::from_secs(1);

/// What all connections of a process share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: FrontendConfig,
    /// Who gets mail for `<postmaster>`.
    pub(crate) postmaster: Address,
    pub(crate) store: Arc<StoreClient>,
    /// Who delivers queued mail in this process.
    pub(crate) courier: Option<Arc<dyn Courier>>,
    pub(crate) authenticator: Authenticator,
    /// Knows from where may be sent, if that matters.
    pub(crate) countries: Option<Countries>,
    pub(crate) signers: Signers,
    /// Knows senders of forwarded mail that were rewritten here.
    pub(crate) srs_key: SrsKey,
    pub(crate) spooler: Arc<Spooler>,
    pub(crate) scanners: Scanners,
    pub(crate) metrics: Metrics,
    pub(crate) networks: Arc<Networks>,
    pub(crate) refusals: Arc<RefusalLog>,
    pub(crate) drain: CancellationToken,
}

/// What all connections of a listener share.
pub(crate) struct Service {
    pub(crate) listener: ListenerConfig,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) places: Places,
    pub(crate) shared: Arc<Shared>,
}

/// One connection, as its rim sees it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) protocol: Protocol,
    pub(crate) peer: SocketAddr,
    pub(crate) trace: TraceId,
    /// Its place among those of its network.
    pub(crate) admitted: Arc<Admitted>,
}

/// A connection that is served.
struct Entered {
    stream: TcpStream,
    peer: SocketAddr,
    admitted: Admitted,
}

impl Connection {
    /// The peer's address, IPv4 as IPv4.
    pub(crate) fn peer_ip(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// Who is refused, if it is.
    pub(crate) fn client(&self) -> Client {
        Client { peer: self.peer_ip(), trace: self.trace }
    }

    /// Who calls the store, for its records.
    pub(crate) fn caller(&self, principal: &str) -> Caller {
        Caller { principal: principal.to_owned(), peer: Some(self.peer_ip()), trace: self.trace }
    }
}

impl Service {
    /// Runs a connection to its end, or turns it away.
    pub(crate) async fn serve(self: Arc<Self>, accepted: Accepted) {
        let Accepted { stream, peer: connected, place } = accepted;
        let _place = match place {
            Place::Served(permit) => permit,
            Place::TurnedAway(permit) => return Box::pin(self.turn_away(stream, connected, Some(permit))).await,
            Place::Nowhere => return Box::pin(self.turn_away(stream, connected, None)).await,
        };
        let trace = TraceId(rand::random());
        let span = tracing::info_span!(
            "session",
            listener = self.listener.name,
            protocol = self.listener.protocol.name(),
            peer.addr = tracing::field::Empty,
            proxy.addr = tracing::field::Empty,
            xclient.addr = tracing::field::Empty,
            trace.id = %trace,
        );
        async {
            let _open = self.shared.metrics.connected(&self.listener.name);
            let result = match self.enter(stream, connected, trace).await {
                Ok(entered) => {
                    let client = Client { peer: entered.peer.ip(), trace };
                    self.finish(self.run(entered, trace).await, client)
                }
                Err(result) => result,
            };
            self.shared.metrics.session_ended(&self.listener.name, result);
        }
        .instrument(span)
        .await;
    }

    fn finish(&self, ended: Ended, client: Client) -> SessionResult {
        match ended {
            Ended::Closed => {
                tracing::debug!("session closed");
                SessionResult::Closed
            }
            Ended::Failed(error) => {
                tracing::debug!(%error, "connection lost");
                SessionResult::Failed
            }
            Ended::Handshake(error) => {
                tracing::info!(%error, "TLS handshake failed");
                // A look whether the port is open is nobody's mail.
                if !is_end(&error) {
                    self.shared.refusals.connection(client, format!("TLS handshake failed: {error}"));
                }
                SessionResult::Handshake
            }
        }
    }

    /// Whose connection is it, and may they have another one?
    async fn enter(
        &self,
        mut stream: TcpStream,
        connected: SocketAddr,
        trace: TraceId,
    ) -> Result<Entered, SessionResult> {
        let peer = self.peer(&mut stream, connected).await?;
        tracing::Span::current().record("peer.addr", tracing::field::display(peer));
        let protocol = self.listener.protocol;
        let client = Client { peer: peer.ip(), trace };
        if protocol == Protocol::Lmtp && !contains(&self.shared.config.lmtp, peer.ip()) {
            tracing::info!("not one of our own machines");
            let line = refusal_text::not_our_own(peer.ip()).to_string();
            dismiss(&mut stream, &line).await;
            self.shared.refusals.connection(client, line);
            return Err(SessionResult::Refused);
        }
        match self.shared.networks.admit(peer.ip(), protocol) {
            Ok(admitted) => Ok(Entered { stream, peer, admitted }),
            Err((network, denied)) => {
                self.shared.metrics.network_refused(protocol.name(), denied.why);
                // Under attack one line a minute is enough.
                if denied.before == 0 {
                    tracing::info!(%network, result = ?denied.why, "network refused");
                } else {
                    tracing::debug!(%network, result = ?denied.why, "network refused");
                }
                let line = self.denial_line(network, denied.why);
                // Nothing is said where TLS comes first: whoever has too many connections is not worth a handshake.
                if self.listener.tls != ListenerTls::Implicit {
                    dismiss(&mut stream, &line).await;
                }
                self.shared.refusals.connection(client, line);
                Err(SessionResult::Refused)
            }
        }
    }

    /// The client, if a proxy passes on its connection.
    pub(crate) async fn peer(
        &self,
        stream: &mut TcpStream,
        connected: SocketAddr,
    ) -> Result<SocketAddr, SessionResult> {
        if !contains(&self.shared.config.proxies, connected.ip()) {
            return Ok(connected);
        }
        tracing::Span::current().record("proxy.addr", tracing::field::display(connected));
        match Box::pin(proxy::read_header(stream)).await {
            Ok(Forwarded::For(client)) => Ok(client),
            Ok(Forwarded::Own) => Ok(connected),
            // A look whether the port is open.
            Err(HeaderError::Lost(error)) => {
                tracing::debug!(%error, "connection lost");
                Err(SessionResult::Failed)
            }
            Err(error) => {
                tracing::warn!(%error, "a trusted proxy sent no PROXY header");
                Err(SessionResult::Proxy)
            }
        }
    }

    /// What is said in place of a greeting.
    fn denial_line(&self, network: NetworkId, denial: NetworkDenial) -> String {
        match self.listener.protocol {
            Protocol::Mx | Protocol::Submission | Protocol::Lmtp => {
                refusal_text::smtp_network(denial, network).to_string()
            }
            Protocol::Pop3 => format!("-ERR {}", refusal_text::pop3_network(denial, network)),
            Protocol::Imap => format!("* BYE {}", refusal_text::imap_network(denial, network)),
        }
    }

    async fn run(&self, entered: Entered, trace: TraceId) -> Ended {
        let Entered { stream, peer, admitted } = entered;
        let mut transport = Transport::Clear(stream);
        let security = match (self.listener.tls, &self.tls) {
            (ListenerTls::Implicit, Some(acceptor)) => {
                match transport.start_tls(acceptor, self.places.handshake_time_max()).await {
                    Ok(facts) => Security::Encrypted(facts),
                    Err(error) => return Ended::Handshake(error),
                }
            }
            (ListenerTls::Upgrade, Some(_)) => Security::Upgradable,
            _ => Security::Clear,
        };
        let protocol = self.listener.protocol;
        let admitted = Arc::new(admitted);
        let connection = Connection { shared: Arc::clone(&self.shared), protocol, peer, trace, admitted };
        // Boxed, so that a connection takes the memory of its own protocol and not of the largest.
        match protocol {
            Protocol::Mx => Box::pin(self.smtp(smtp::Listener::Mx, security, connection, transport)).await,
            Protocol::Submission => {
                Box::pin(self.smtp(smtp::Listener::Submission, security, connection, transport)).await
            }
            Protocol::Lmtp => Box::pin(self.smtp(smtp::Listener::Lmtp, security, connection, transport)).await,
            Protocol::Pop3 => Box::pin(self.pop3(security, connection, transport)).await,
            Protocol::Imap => Box::pin(self.imap(security, connection, transport)).await,
        }
    }

    async fn smtp(
        &self,
        listener: smtp::Listener,
        security: Security,
        connection: Connection,
        transport: Transport<TcpStream>,
    ) -> Ended {
        let trusted = contains(&self.shared.config.xclient, connection.peer_ip());
        let session = SmtpSession::new(smtp::Config {
            xclient: if trusted { Xclient::Offered } else { Xclient::Off },
            listener,
            hostname: self.shared.config.hostname.clone(),
            security,
            plaintext_login: self.listener.plaintext_login,
            tokens: self.shared.config.tokens(),
            priority_max: self.shared.config.priority_max,
            message_bytes_max: self.shared.config.message_bytes_max,
        });
        self.drive(session, SmtpRim::new(listener, connection), transport).await
    }

    async fn pop3(&self, security: Security, connection: Connection, transport: Transport<TcpStream>) -> Ended {
        let session = Pop3Session::new(pop3::Config {
            hostname: self.shared.config.hostname.clone(),
            security,
            plaintext_login: self.listener.plaintext_login,
            tokens: self.shared.config.tokens(),
        });
        self.drive(session, Pop3Rim::new(connection), transport).await
    }

    async fn imap(&self, security: Security, connection: Connection, transport: Transport<TcpStream>) -> Ended {
        let session = ImapSession::new(imap::Config {
            hostname: self.shared.config.hostname.clone(),
            security,
            plaintext_login: self.listener.plaintext_login,
            tokens: self.shared.config.tokens(),
            message_bytes_max: self.shared.config.message_bytes_max,
            utc_offset: self.shared.config.utc_offset,
        });
        self.drive(session, ImapRim::new(connection), transport).await
    }

    async fn drive<S: Session, R: Rim<S>>(&self, mut session: S, rim: R, mut transport: Transport<TcpStream>) -> Ended
    where
        S::Ask: Send,
    {
        let mut rim = Timed { rim, asks: self.shared.metrics.asks(self.listener.protocol.name()) };
        let terms = Terms { tls: self.tls.as_ref(), drain: &self.shared.drain, places: &self.places };
        let ended = drive(&mut session, &mut rim, &mut transport, terms).await;
        // A handshake that failed is told by itself.
        let fault = if matches!(ended, Ended::Handshake(_)) { None } else { session.fault() };
        Rim::<S>::close(&mut rim, fault).await;
        ended
    }
}

/// Says why. The line fits into the empty buffer of the socket: nobody is waited for who does not read.
async fn dismiss(stream: &mut TcpStream, line: &str) {
    // A peer that is gone needs no reason.
    let _ = tokio::time::timeout(DISMISSAL_TIME_MAX, stream.write_all(format!("{line}\r\n").as_bytes())).await;
}

/// A rim whose answers are timed.
struct Timed<R> {
    rim: R,
    asks: Histogram,
}

impl<S: Session, R: Rim<S>> Rim<S> for Timed<R>
where
    S::Ask: Send,
{
    async fn ask(&mut self, ask: S::Ask) -> S::Answer {
        let started = Instant::now();
        let answer = self.rim.ask(ask).await;
        self.asks.observe(started.elapsed().as_secs_f64());
        answer
    }

    fn event(&mut self) -> impl Future<Output = S::Answer> + Send {
        self.rim.event()
    }

    fn close(&mut self, fault: Option<String>) -> impl Future<Output = ()> + Send {
        self.rim.close(fault)
    }
}
