//! Fetches a policy over HTTPS (RFC 8461 §3.3).
//!
//! One GET of `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`, with a certificate that the public authorities vouch for. Redirects
//! are not followed, a reply other than 200 or of another type than text/plain is a failure, no more than
//! [`limits::MTA_STS_POLICY_BYTES_MAX`] are read, and all of it takes no longer than [`limits::MTA_STS_FETCH_SECONDS_MAX`].
//! The host is named by a stranger: by default only addresses of the public internet are connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use yubin_types::{DomainName, limits};

use super::policy::{Policy, PolicyError};
use crate::resolver::{Addresses, LookupError, Resolver, Validation};
use crate::scope::{AddressScope, is_public};

/// How policies are fetched.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// Authorities that vouch for policy hosts.
    pub roots: Arc<RootCertStore>,
    /// The port they listen on: 443 on the internet.
    pub port: u16,
    /// Which addresses are connected to.
    pub scope: AddressScope,
}

/// Why a policy could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The policy host has no address, or it can't be known now.
    #[error("the policy host can't be found: {0}")]
    Host(LookupError),
    /// It has addresses, and none may be connected to.
    #[error("the policy host has no public address")]
    Address,
    /// Nobody listens, or the connection broke.
    #[error("the policy host can't be reached: {0}")]
    Connect(String),
    /// The certificate is not what it must be.
    #[error("TLS with the policy host failed: {0}")]
    Tls(String),
    /// The reply is no HTTP, another status than 200, or of another type than text/plain.
    #[error("the policy host's reply is not a policy: {0}")]
    Reply(String),
    /// Longer than a policy may be.
    #[error("the policy is too long")]
    TooLong,
    /// It took too long.
    #[error("the policy host is too slow")]
    Timeout,
    /// What came is no policy.
    #[error("{0}")]
    Policy(#[from] PolicyError),
}

/// Fetches policies.
pub(super) struct Fetcher {
    config: FetchConfig,
    tls: TlsConnector,
}

/// Addresses of one policy host that are tried.
const ADDRESSES_TRIED_MAX: usize = 4;
/// For one address to accept a connection, seconds.
const CONNECT_SECONDS_MAX: u64 = 10;

impl Fetcher {
    pub(super) fn new(config: FetchConfig) -> Result<Fetcher, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
            .with_root_certificates(Arc::clone(&config.roots))
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Fetcher { config, tls: TlsConnector::from(Arc::new(tls)) })
    }

    /// The policy of a domain, as it stands at its policy host now.
    pub(super) async fn fetch(&self, resolver: &Resolver, domain: &DomainName) -> Result<Policy, FetchError> {
        let bound = Duration::from_secs(limits::MTA_STS_FETCH_SECONDS_MAX);
        match timeout(bound, Box::pin(self.get(resolver, domain))).await {
            Ok(fetched) => Ok(Policy::parse(&fetched?)?),
            Err(_) => Err(FetchError::Timeout),
        }
    }

    async fn get(&self, resolver: &Resolver, domain: &DomainName) -> Result<String, FetchError> {
        let unknown = LookupError::NoDomain(crate::resolver::Security::Unchecked);
        let host = DomainName::parse(&format!("mta-sts.{domain}")).map_err(|_| FetchError::Host(unknown))?;
        let addresses = resolver.addresses(&host, Validation::Off).await.map_err(FetchError::Host)?;
        let stream = self.connect(&addresses.value).await?;
        let name = ServerName::try_from(host.to_string()).map_err(|error| FetchError::Tls(error.to_string()))?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| FetchError::Tls(error.to_string()))?;
        self.exchange(stream, &host).await
    }

    async fn connect(&self, addresses: &Addresses) -> Result<TcpStream, FetchError> {
        let v6 = addresses.v6.iter().copied().map(IpAddr::V6);
        let v4 = addresses.v4.iter().copied().map(IpAddr::V4);
        let allowed = v4.chain(v6).filter(|address| self.config.scope == AddressScope::Any || is_public(*address));
        let mut failure = FetchError::Address;
        for address in allowed.take(ADDRESSES_TRIED_MAX) {
            let address = SocketAddr::new(address, self.config.port);
            match timeout(Duration::from_secs(CONNECT_SECONDS_MAX), TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = FetchError::Connect(error.to_string()),
                Err(_) => failure = FetchError::Timeout,
            }
        }
        Err(failure)
    }

    async fn exchange(&self, stream: TlsStream<TcpStream>, host: &DomainName) -> Result<String, FetchError> {
        let failed = |error: hyper::Error| FetchError::Reply(error.to_string());
        let authority = match self.config.port {
            443 => host.to_string(),
            port => format!("{host}:{port}"),
        };
        let request = Request::get("/.well-known/mta-sts.txt")
            .header(HOST, authority)
            .header(USER_AGENT, "yubin")
            .body(Empty::<Bytes>::new())
            .map_err(|error| FetchError::Reply(error.to_string()))?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(limits::MTA_STS_POLICY_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        // Dropped with this future, and the connection with it.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(request).await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Reply(format!("status {}", response.status().as_u16())));
        }
        if !is_plain_text(response.headers()) {
            return Err(FetchError::Reply("it is not text/plain".to_owned()));
        }
        let body = Limited::new(response.into_body(), limits::MTA_STS_POLICY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
            Some(_) => FetchError::TooLong,
            None => FetchError::Reply(error.to_string()),
        })?;
        String::from_utf8(body.to_bytes().into()).map_err(|_| FetchError::Reply("it is not text".to_owned()))
    }
}

/// `text/plain`, whatever its parameters (RFC 8461 §3.2).
fn is_plain_text(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/plain"))
}
