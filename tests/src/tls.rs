//! TLS from a client's side: accepting any certificate, since a system under test made its own, or one alone.
//!
//! Blocking, because what uses it (reading mailboxes to compare them) has nothing else to do meanwhile.

use anyhow::{Context, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// How long a read or a write may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A TLS connection over TCP.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Connects and prepares TLS; the handshake happens with the first byte.
///
/// # Errors
/// When the connection is refused.
pub fn connect(address: SocketAddr) -> Result<Stream> {
    wrap(open(address)?, "localhost", config()?)
}

/// A TCP connection that gives up on a silent peer.
///
/// # Errors
/// When the connection is refused.
pub fn open(address: SocketAddr) -> Result<TcpStream> {
    let tcp = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
    tcp.set_read_timeout(Some(ANSWER_WITHIN))?;
    tcp.set_write_timeout(Some(ANSWER_WITHIN))?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// TLS over a connection, asking for the certificate of `name`; with an address in place of a name, for none. The handshake
/// happens with the first byte.
///
/// # Errors
/// When `name` is neither a name nor an address.
pub fn wrap(tcp: TcpStream, name: &str, config: ClientConfig) -> Result<Stream> {
    let name = ServerName::try_from(name.to_owned())?;
    Ok(StreamOwned::new(ClientConnection::new(Arc::new(config), name)?, tcp))
}

/// The configuration of a client that trusts this certificate and no other.
///
/// # Errors
/// When the certificate can't be read.
pub fn trusting(certificate: CertificateDer<'static>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The configuration of a client that accepts any certificate.
///
/// # Errors
/// When the provider has no usable protocol version.
pub fn config() -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let verifier = AnyCertificate { schemes: provider.signature_verification_algorithms.supported_schemes() };
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// Accepts whatever the server shows.
#[derive(Debug)]
struct AnyCertificate {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
