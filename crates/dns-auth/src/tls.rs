//! TLS towards mail hosts: one configuration for each way of checking who answers.
//!
//! | what holds for the host | check |
//! |---|---|
//! | nothing, or DANE without usable records | [`PeerCheck::Nothing`]: encryption against listeners, no more (RFC 7435) |
//! | MTA-STS that is only tested | [`observed`]: any certificate, and what is wrong with it |
//! | MTA-STS, or a route that asks for it | [`PeerCheck::WebPki`]: public authorities, the host's name |
//! | DANE | [`PeerCheck::Dane`] |
//!
//! TLS 1.2 and 1.3. Making a configuration costs little; its sessions are resumed only among connections that share it.

pub mod observed;

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::dane::{DaneVerifier, Requirement};

/// What a mail host's certificate must prove.
#[derive(Clone, Debug)]
pub enum PeerCheck {
    /// Nothing: any certificate will do.
    Nothing,
    /// That one of these authorities knows it by the name connected to.
    WebPki(Arc<RootCertStore>),
    /// That the DNS vouches for it.
    Dane(Requirement),
}

/// The configuration for one way of checking.
///
/// # Errors
/// When the TLS library refuses it.
pub fn client_config(check: PeerCheck) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(rustls::DEFAULT_VERSIONS)?;
    let builder = match check {
        PeerCheck::WebPki(roots) => builder.with_root_certificates(roots),
        PeerCheck::Dane(requirement) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(DaneVerifier::new(requirement, provider)))
        }
        PeerCheck::Nothing => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate { provider }))
        }
    };
    Ok(builder.with_no_client_auth())
}

/// The authorities that this machine trusts. Certificates that can't be read are left out; none at all is an empty store, which
/// vouches for nobody.
#[must_use]
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Takes any certificate. Whoever could forge the signature of the handshake could as well show a certificate of his own, so that is
/// not checked either: certificates too odd to be read don't cost the encryption.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
