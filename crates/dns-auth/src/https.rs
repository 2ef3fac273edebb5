//! One page over HTTPS, for what mail needs from the web: policies (RFC 8461) and keys of issuers (RFC 7517); and one that goes there: reports
//! (RFC 8460).
//!
//! One GET or POST, with a certificate that the authorities vouch for. Redirects are not followed; a reply other than 200 (2xx to a POST), or of
//! another type than was asked for, is a failure, and no more than the bound is read; of the reply to a POST nothing but its status. Who calls bounds the
//! time. Only addresses in scope are connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use yubin_types::{DomainName, limits};

use crate::resolver::{Addresses, LookupError, Resolver, Validation};
use crate::scope::{AddressScope, is_public};

/// Addresses of one host that are tried.
const ADDRESSES_TRIED_MAX: usize = 4;
/// For one address to accept a connection, seconds.
const CONNECT_SECONDS_MAX: u64 = 10;
/// The least that the library works with, octets.
const HTTP_BUFFER_BYTES_MIN: usize = 8_192;

/// What is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// From this host.
    pub host: &'a DomainName,
    /// And port.
    pub port: u16,
    /// With query, if there is one; begins with `/`.
    pub path: &'a str,
    /// Types that are taken, in lower case, without parameters.
    pub types: &'a [&'a str],
    /// At most so long.
    pub bytes_max: usize,
}

/// An `https:` address as somebody published it (RFC 3986), without userinfo and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsUrl {
    /// A name, no address.
    pub host: DomainName,
    /// 443 if none is named.
    pub port: u16,
    /// With query; begins with `/`.
    pub path: String,
}

impl HttpsUrl {
    /// Reads one of at most [`limits::HTTPS_URL_BYTES_MAX`].
    #[must_use]
    pub fn parse(text: &str) -> Option<HttpsUrl> {
        if text.len() > limits::HTTPS_URL_BYTES_MAX {
            return None;
        }
        let url: Uri = text.parse().ok().filter(|url: &Uri| url.scheme_str() == Some("https"))?;
        let authority = url.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = DomainName::parse(authority.host()).ok().filter(|host| host.as_str().parse::<IpAddr>().is_err())?;
        let path = url.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Some(HttpsUrl { host, port: authority.port_u16().unwrap_or(443), path })
    }
}

/// Why there is no page, or nobody took one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpsError {
    /// The host has no address, or it can't be known now.
    #[error("the host can't be found: {0}")]
    Host(LookupError),
    /// It has addresses, and none may be connected to.
    #[error("the host has no address in scope")]
    Address,
    /// Nobody listens, or the connection broke.
    #[error("the host can't be reached: {0}")]
    Connect(String),
    /// The certificate is not what it must be.
    #[error("TLS with the host failed: {0}")]
    Tls(String),
    /// The reply is no HTTP, of another status, or of another type.
    #[error("the host's reply can't be used: {0}")]
    Reply(String),
    /// Longer than the bound.
    #[error("the page is too long")]
    TooLong,
    /// No connection in time.
    #[error("the host is too slow")]
    Timeout,
}

/// Fetches pages, and posts them.
pub struct HttpsClient {
    scope: AddressScope,
    tls: TlsConnector,
}

impl HttpsClient {
    /// Believes these authorities, and connects to addresses of this scope.
    ///
    /// # Errors
    /// When the TLS library refuses its configuration.
    pub fn new(roots: Arc<RootCertStore>, scope: AddressScope) -> Result<HttpsClient, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(HttpsClient { scope, tls: TlsConnector::from(Arc::new(tls)) })
    }

    /// Fetches a page.
    ///
    /// # Errors
    /// See [`HttpsError`].
    pub async fn get(&self, resolver: &Resolver, page: Page<'_>) -> Result<Bytes, HttpsError> {
        let stream = self.open(resolver, page.host, page.port).await?;
        let request = Request::get(page.path).header(HOST, authority(page.host, page.port));
        // Dropped with this future, and the connection with it.
        let mut driver = JoinSet::new();
        let response = ask(&mut driver, stream, request, Bytes::new(), page.bytes_max).await?;
        read(response, page).await
    }

    /// Posts a body of this type.
    ///
    /// # Errors
    /// See [`HttpsError`].
    pub async fn post(&self, resolver: &Resolver, to: &HttpsUrl, kind: &str, body: Bytes) -> Result<(), HttpsError> {
        let stream = self.open(resolver, &to.host, to.port).await?;
        let request = Request::post(&to.path).header(HOST, authority(&to.host, to.port)).header(CONTENT_TYPE, kind);
        let mut driver = JoinSet::new();
        let response = ask(&mut driver, stream, request, body, 0).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(HttpsError::Reply(format!("status {}", status.as_u16()))),
        }
    }

    async fn open(
        &self,
        resolver: &Resolver,
        host: &DomainName,
        port: u16,
    ) -> Result<TlsStream<TcpStream>, HttpsError> {
        let addresses = resolver.addresses(host, Validation::Off).await.map_err(HttpsError::Host)?;
        let stream = self.connect(&addresses.value, port).await?;
        let name = ServerName::try_from(host.to_string()).map_err(|error| HttpsError::Tls(error.to_string()))?;
        self.tls.connect(name, stream).await.map_err(|error| HttpsError::Tls(error.to_string()))
    }

    async fn connect(&self, addresses: &Addresses, port: u16) -> Result<TcpStream, HttpsError> {
        let v6 = addresses.v6.iter().copied().map(IpAddr::V6);
        let v4 = addresses.v4.iter().copied().map(IpAddr::V4);
        let allowed = v4.chain(v6).filter(|address| self.scope == AddressScope::Any || is_public(*address));
        let mut failure = HttpsError::Address;
        for address in allowed.take(ADDRESSES_TRIED_MAX) {
            let address = SocketAddr::new(address, port);
            match timeout(Duration::from_secs(CONNECT_SECONDS_MAX), TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = HttpsError::Connect(error.to_string()),
                Err(_) => failure = HttpsError::Timeout,
            }
        }
        Err(failure)
    }
}

/// As the Host field names it.
fn authority(host: &DomainName, port: u16) -> String {
    match port {
        443 => host.to_string(),
        port => format!("{host}:{port}"),
    }
}

/// Sends a request; the head of the reply is read, and its body no further than what came along.
async fn ask(
    driver: &mut JoinSet<hyper::Result<()>>,
    stream: TlsStream<TcpStream>,
    request: Builder,
    body: Bytes,
    bytes_max: usize,
) -> Result<Response<Incoming>, HttpsError> {
    let failed = |error: hyper::Error| HttpsError::Reply(error.to_string());
    let request = request.header(USER_AGENT, "yubin").body(Full::new(body));
    let request = request.map_err(|error| HttpsError::Reply(error.to_string()))?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(bytes_max.max(HTTP_BUFFER_BYTES_MIN))
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    driver.spawn(connection);
    sender.send_request(request).await.map_err(failed)
}

async fn read(response: Response<Incoming>, page: Page<'_>) -> Result<Bytes, HttpsError> {
    if response.status() != StatusCode::OK {
        return Err(HttpsError::Reply(format!("status {}", response.status().as_u16())));
    }
    if !is_of(page.types, response.headers()) {
        return Err(HttpsError::Reply(format!("it is not {}", page.types.join(" or "))));
    }
    let body = Limited::new(response.into_body(), page.bytes_max).collect().await;
    let body = body.map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
        Some(_) => HttpsError::TooLong,
        None => HttpsError::Reply(error.to_string()),
    })?;
    Ok(body.to_bytes())
}

/// Of one of these types, whatever its parameters.
fn is_of(types: &[&str], headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|kind| types.iter().any(|wanted| kind.trim().eq_ignore_ascii_case(wanted)))
}

#[cfg(test)]
mod tests {
    use yubin_types::limits;

    use super::HttpsUrl;

    #[test]
    fn addresses_of_the_web_are_read() {
        let shown = |text: &str| HttpsUrl::parse(text).map(|url| format!("{} {} {}", url.host, url.port, url.path));
        for (text, expected) in [
            ("https://R.example", "r.example 443 /"),
            ("https://r.example:8443/v1/a?b=c#d", "r.example 8443 /v1/a?b=c"),
            ("HTTPS://r.example/v1", "r.example 443 /v1"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected));
        }
        let long = format!("https://r.example/{}", "a".repeat(limits::HTTPS_URL_BYTES_MAX));
        for text in [
            "http://r.example/",
            "https://user@r.example/",
            "https://192.0.2.1/",
            "https://[::1]/",
            "https:///v1",
            "https://r.example/a b",
            "r.example",
            &long,
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
