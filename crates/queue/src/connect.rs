//! A connection to a mail host, greeted and ready for a transaction: TCP from the chosen source address, TLS as the host's policy asks.
//!
//! With an opportunistic policy a failed handshake is followed by one try in clear on a new connection (RFC 7435 §3); a policy that asks for TLS
//! forbids that. Every step has its time limit; an address that can't be connected to is followed by the next.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use yubin_dns_auth::tls::observed::Observation;
use yubin_dns_auth::tls_rpt::result_of_handshake;
use yubin_session::PlaintextLogin;
use yubin_session::smtp::client::{self as smtp, Reply, StartTls, TimeLimits};
use yubin_types::report::TlsResultType;

use crate::connection::{Connection, Ready, Stream};
use crate::dialogues::Watch;
use crate::route::{Hop, Protection};
use crate::way::Proof;

/// What connecting is told.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) connect_time_max: Duration,
    pub(crate) time_limits: TimeLimits,
    /// TLS with any certificate.
    pub(crate) any_certificate: Arc<ClientConfig>,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// The address; `None`: the system chooses.
    pub(crate) address: Option<IpAddr>,
    /// What EHLO says.
    pub(crate) hello: &'a str,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) struct NoConnection {
    pub(crate) reply: Reply,
    pub(crate) cause: Cause,
    /// What was wrong with TLS, if that was it.
    pub(crate) tls: Option<TlsResultType>,
}

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Nobody answers, or not as a mail server does.
    Unreachable,
    /// The server said no.
    Refused,
    /// TLS could not be had as the policy asks.
    Tls,
    /// Nobody: this machine does not have the source address.
    NoSource,
}

impl Connector {
    /// Connects to the first address of a host that answers.
    pub(crate) async fn connect(
        &self,
        hop: &Hop,
        source: Origin<'_>,
        watch: Option<&Watch>,
    ) -> Result<Connection, NoConnection> {
        let mut last = None;
        for &address in &hop.addresses {
            if let Some(watch) = watch {
                watch.note(format!("connecting to {} at {address}", hop.name));
            }
            match self.attempt(hop, address, (source, watch), InClear::IfHandshakeFails).await {
                Ok(connection) => return Ok(connection),
                Err(failure) => {
                    if let Some(watch) = watch {
                        watch.note(failure.reply.to_string());
                    }
                    last = Some(failure);
                }
            }
        }
        Err(last.unwrap_or_else(|| unreachable("no address to connect to")))
    }

    async fn attempt(
        &self,
        hop: &Hop,
        address: SocketAddr,
        (source, watch): (Origin<'_>, Option<&Watch>),
        clear: InClear,
    ) -> Result<Connection, NoConnection> {
        let began = Instant::now();
        let stream = self.tcp(address, source.address).await?;
        let own = stream.local_addr().ok();
        let (stream, start_tls, tls_config) = self.protect(hop, stream, clear).await?;
        let config = smtp::ClientConfig {
            hello: source.hello.to_owned(),
            tls: start_tls,
            login: hop.login.clone(),
            plaintext_login: match hop.protection {
                Protection::Clear => PlaintextLogin::Allow,
                _ => PlaintextLogin::Refuse,
            },
            time_limits: self.time_limits,
            transcript: if watch.is_some() { smtp::TranscriptKeeping::Keep } else { smtp::TranscriptKeeping::Off },
        };
        let mut connection = Connection::new(stream, smtp::SmtpClient::new(config), address, hop.name.clone());
        connection.watch = watch.cloned();
        connection.source = own.map(|own| own.ip().to_canonical());
        connection.proof = Proof::of(&hop.protection);
        let error = match connection.open(tls_config).await {
            Ready::Yes => {
                connection.taken.connecting = began.elapsed();
                return Ok(connection);
            }
            Ready::Handshake(error) => error,
            Ready::Failed(failure) if is_broken_tls(&failure) => io::Error::other(failure.reply.text().to_owned()),
            Ready::Failed(failure) => return Err(refused(failure)),
        };
        match (&hop.protection, clear) {
            (Protection::Opportunistic, InClear::IfHandshakeFails) => {
                tracing::info!(host = hop.name, %address, %error, "TLS failed; trying in clear");
                let mut connection = Box::pin(self.attempt(hop, address, (source, watch), InClear::Now)).await?;
                connection.tls_flaw = Some(result_of(&error));
                Ok(connection)
            }
            _ => Err(no_tls(&hop.name, &error)),
        }
    }

    async fn tcp(&self, address: SocketAddr, source: Option<IpAddr>) -> Result<TcpStream, NoConnection> {
        let socket = match source {
            Some(source) => bound(source).map_err(|error| {
                let cause = if is_missing(&error) { Cause::NoSource } else { Cause::Unreachable };
                let text = format!("mail can't be sent from {source}: {error}");
                NoConnection { reply: Reply::conclusion(451, (4, 4, 0), &text), cause, tls: None }
            })?,
            None => unbound(address.ip()).map_err(|error| unreachable(&error.to_string()))?,
        };
        let connecting = async {
            let stream = socket.connect(address).await?;
            stream.set_nodelay(true)?;
            io::Result::Ok(stream)
        };
        let connected = tokio::time::timeout(self.connect_time_max, connecting).await;
        connected
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| unreachable(&format!("connect to {address}: {error}")))
    }

    /// TLS from the first octet where that is asked for, and what to do about STARTTLS.
    async fn protect(
        &self,
        hop: &Hop,
        stream: TcpStream,
        clear: InClear,
    ) -> Result<(Stream, StartTls, Option<Tls>), NoConnection> {
        let tls = |config: &Arc<ClientConfig>, name: &str| Tls {
            config: Arc::clone(config),
            name: server_name(name),
            seen: None,
        };
        match &hop.protection {
            Protection::Clear => Ok((Stream::Clear(stream), StartTls::Never, None)),
            Protection::Opportunistic if clear == InClear::Now => Ok((Stream::Clear(stream), StartTls::Never, None)),
            Protection::Opportunistic => {
                let tls = watched(hop).unwrap_or_else(|| tls(&self.any_certificate, &hop.name));
                Ok((Stream::Clear(stream), StartTls::WhenOffered, Some(tls)))
            }
            Protection::Encrypted => {
                Ok((Stream::Clear(stream), StartTls::Required, Some(tls(&self.any_certificate, &hop.name))))
            }
            Protection::Verified { config, name, .. } => {
                Ok((Stream::Clear(stream), StartTls::Required, Some(tls(config, name))))
            }
            Protection::Implicit(config) => {
                let mut stream = Stream::Clear(stream);
                let facts =
                    stream.start_tls(&tls(config, &hop.name)).await.map_err(|error| no_tls(&hop.name, &error))?;
                Ok((stream, StartTls::Implicit(facts), None))
            }
        }
    }
}

/// A socket with this address.
pub(crate) fn bound(source: IpAddr) -> io::Result<TcpSocket> {
    let socket = unbound(source)?;
    // A port is free again for another server while the last connection from it is still remembered.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(source, 0))?;
    Ok(socket)
}

/// Does the machine not have the address that was asked for?
pub(crate) fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
}

fn unbound(like: IpAddr) -> io::Result<TcpSocket> {
    if like.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

/// May the connection be used without TLS?
#[derive(Clone, Copy, PartialEq, Eq)]
enum InClear {
    IfHandshakeFails,
    Now,
}

/// What a handshake needs.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: Option<ServerName<'static>>,
    /// What is seen of a certificate that any may be.
    pub(crate) seen: Option<Observation>,
}

impl Tls {
    /// What is wrong with the certificate that was seen.
    pub(crate) fn flaw(&self) -> Option<TlsResultType> {
        Some(result_of_handshake(&self.seen.as_ref()?.error()?))
    }
}

/// Any certificate, which is looked at where a policy is tested.
fn watched(hop: &Hop) -> Option<Tls> {
    let (config, seen) = hop.counted.as_ref()?.tested.as_ref()?.watch().ok()?;
    Some(Tls { config: Arc::new(config), name: server_name(&hop.name), seen: Some(seen) })
}

fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned()).ok()
}

fn unreachable(text: &str) -> NoConnection {
    NoConnection { reply: Reply::conclusion(451, (4, 4, 1), text), cause: Cause::Unreachable, tls: None }
}

fn no_tls(host: &str, error: &io::Error) -> NoConnection {
    let text = format!("TLS with {host} is required and failed: {error}");
    NoConnection { reply: Reply::conclusion(451, (4, 7, 5), &text), cause: Cause::Tls, tls: Some(result_of(error)) }
}

/// What a handshake that failed counts as.
fn result_of(error: &io::Error) -> TlsResultType {
    let known = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    known.map_or(TlsResultType::ValidationFailure, result_of_handshake)
}

/// STARTTLS was offered, and nothing sensible came of it.
fn is_broken_tls(failure: &smtp::Failure) -> bool {
    use smtp::FailureKind::{Garbled, Lost, Silent};
    failure.stage == smtp::Stage::StartTls && matches!(failure.kind, Garbled | Lost | Silent)
}

fn refused(failure: smtp::Failure) -> NoConnection {
    let cause = match failure.kind {
        smtp::FailureKind::Refused | smtp::FailureKind::NoLogin => Cause::Refused,
        smtp::FailureKind::NoTls => Cause::Tls,
        smtp::FailureKind::Lost | smtp::FailureKind::Silent | smtp::FailureKind::Garbled => Cause::Unreachable,
    };
    let tls = (failure.kind == smtp::FailureKind::NoTls).then_some(TlsResultType::StarttlsNotSupported);
    NoConnection { reply: failure.reply, cause, tls }
}
