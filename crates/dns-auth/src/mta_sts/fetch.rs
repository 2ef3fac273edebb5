//! Fetches a policy over HTTPS (RFC 8461 §3.3).
//!
//! One GET of `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`, with a certificate that the public authorities vouch for. Redirects
//! are not followed, a reply other than 200 or of another type than text/plain is a failure, no more than
//! [`limits::MTA_STS_POLICY_BYTES_MAX`] are read, and all of it takes no longer than [`limits::MTA_STS_FETCH_SECONDS_MAX`].
//! The host is named by a stranger: by default only addresses of the public internet are connected to.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use tokio::time::timeout;
use yubin_types::{DomainName, limits};

use super::policy::{Policy, PolicyError};
use crate::https::{HttpsClient, HttpsError, Page};
use crate::resolver::{LookupError, Resolver};
use crate::scope::AddressScope;

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

impl From<HttpsError> for FetchError {
    fn from(error: HttpsError) -> FetchError {
        match error {
            HttpsError::Host(error) => FetchError::Host(error),
            HttpsError::Address => FetchError::Address,
            HttpsError::Connect(error) => FetchError::Connect(error),
            HttpsError::Tls(error) => FetchError::Tls(error),
            HttpsError::Reply(error) => FetchError::Reply(error),
            HttpsError::TooLong => FetchError::TooLong,
            HttpsError::Timeout => FetchError::Timeout,
        }
    }
}

/// Fetches policies.
pub(crate) struct Fetcher {
    port: u16,
    client: HttpsClient,
}

impl Fetcher {
    pub(crate) fn new(config: FetchConfig) -> Result<Fetcher, rustls::Error> {
        Ok(Fetcher { port: config.port, client: HttpsClient::new(config.roots, config.scope)? })
    }

    /// The policy of a domain, as it stands at its policy host now.
    pub(crate) async fn fetch(&self, resolver: &Resolver, domain: &DomainName) -> Result<Policy, FetchError> {
        let bound = Duration::from_secs(limits::MTA_STS_FETCH_SECONDS_MAX);
        match timeout(bound, Box::pin(self.get(resolver, domain))).await {
            Ok(fetched) => Ok(Policy::parse(&fetched?)?),
            Err(_) => Err(FetchError::Timeout),
        }
    }

    async fn get(&self, resolver: &Resolver, domain: &DomainName) -> Result<String, FetchError> {
        let unknown = LookupError::NoDomain(crate::resolver::Security::Unchecked);
        let host = DomainName::parse(&format!("mta-sts.{domain}")).map_err(|_| FetchError::Host(unknown))?;
        let page = Page {
            host: &host,
            port: self.port,
            path: "/.well-known/mta-sts.txt",
            types: &["text/plain"],
            bytes_max: limits::MTA_STS_POLICY_BYTES_MAX,
        };
        let text = self.client.get(resolver, page).await?;
        String::from_utf8(text.into()).map_err(|_| FetchError::Reply("it is not text".to_owned()))
    }
}
