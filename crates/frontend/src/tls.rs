//! TLS: certificates from files, chosen by the name that a client asks for, exchanged while connections run.
//!
//! rustls with ring; TLS 1.2 and 1.3. A certificate serves the names written in it; a client that asks for another name, or for none,
//! gets the first one. ALPN is offered by protocol (RFC 7595 names), so that a connection meant for one protocol is never taken by
//! another (ALPACA). Files are looked at every [`RELOAD_SECONDS`]; a change that can't be used is reported and the old certificate
//! stays. Keys never leave this module and are never printed.
//!
//! What it doesn't do: ask for certificates (ACME), verify clients.

mod certificates;
mod self_signed;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ServerConfig, version};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::Protocol;
use certificates::{Certificates, Stamp};

/// How often certificate files are looked at.
const RELOAD_SECONDS: u64 = 5;

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// Files; the first serves whoever asks for no known name. Never empty.
    Files(Vec<CertificateFiles>),
    /// One that this process signs itself on its first start and keeps: for trying out and for tests.
    SelfSigned {
        /// Where it is kept; created if missing.
        directory: PathBuf,
        /// The names in it.
        names: Vec<String>,
    },
}

/// A certificate chain and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why TLS can't be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Content {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No certificate is configured.
    #[error("no certificate is configured")]
    NoCertificate,
    /// The library refused: a bug, or a machine without randomness.
    #[error("TLS can't be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// The certificates of this process.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    files: Arc<[CertificateFiles]>,
    certificates: Arc<Certificates>,
}

impl Tls {
    /// Loads all certificates; makes the self-signed one if that is configured and there is none.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub(crate) fn load(source: &TlsSource) -> Result<(Self, Stamp), TlsError> {
        let files = match source {
            TlsSource::Files(files) => files.clone(),
            TlsSource::SelfSigned { directory, names } => vec![self_signed::prepare(directory, names)?],
        };
        let stamp = Stamp::of(&files);
        let certificates = Arc::new(Certificates::load(&files)?);
        Ok((Tls { files: files.into(), certificates }, stamp))
    }

    /// What takes handshakes on listeners of a protocol.
    ///
    /// # Errors
    /// [`TlsError::Library`].
    pub(crate) fn acceptor(&self, protocol: Protocol) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.certificates) as Arc<_>);
        config.alpn_protocols = vec![protocol.alpn().to_vec()];
        config.ticketer = ring::Ticketer::new()?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Takes up changed files until the server stops.
    pub(crate) async fn keep_fresh(self, mut loaded: Stamp, stop: CancellationToken) {
        let pause = Duration::from_secs(RELOAD_SECONDS);
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            self.reload_if_changed(&mut loaded).await;
        }
    }

    async fn reload_if_changed(&self, loaded: &mut Stamp) {
        let files = Arc::clone(&self.files);
        let known = loaded.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let stamp = Stamp::of(&files);
            (stamp != known).then(|| (stamp, Certificates::load(&files)))
        });
        match looked.await {
            Ok(Some((stamp, Ok(fresh)))) => {
                self.certificates.replace(fresh);
                *loaded = stamp;
                tracing::info!("certificates reloaded");
            }
            Ok(Some((stamp, Err(error)))) => {
                // Said once for each state of the files: the next change is looked at again.
                *loaded = stamp;
                tracing::error!(%error, "changed certificates can't be used, the old ones stay");
            }
            Ok(None) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
