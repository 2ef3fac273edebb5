//! A certificate that is looked at and taken whatever it is: what a policy that is only tested (RFC 8461 §5) would have said of it.
//!
//! One configuration for one connection, which resumes no other: a resumed session shows no certificate.

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Authorities by which certificates are looked at.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<WebPkiServerVerifier>);

impl Authorities {
    /// Those that vouch for somebody; none of them, if there are none.
    #[must_use]
    pub fn new(roots: Arc<RootCertStore>) -> Option<Authorities> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        WebPkiServerVerifier::builder_with_provider(roots, provider).build().ok().map(Authorities)
    }

    /// The configuration for one connection, and what is seen there.
    ///
    /// # Errors
    /// When the TLS library refuses it.
    pub fn watch(&self) -> Result<(ClientConfig, Observation), Error> {
        let observation = Observation::default();
        let verifier = Observer { check: Arc::clone(&self.0), observation: observation.clone() };
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok((config, observation))
    }
}

/// What a handshake showed.
#[derive(Clone, Debug, Default)]
pub struct Observation(Arc<Mutex<Option<Error>>>);

impl Observation {
    /// What was wrong with the certificate, or with the proof that the host has its key.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        self.0.lock().clone()
    }

    fn note(&self, error: Error) {
        self.0.lock().get_or_insert(error);
    }
}

/// Takes any certificate, and notes what is wrong with it.
#[derive(Debug)]
struct Observer {
    check: Arc<WebPkiServerVerifier>,
    observation: Observation,
}

impl Observer {
    fn proven(&self, checked: Result<HandshakeSignatureValid, Error>) -> HandshakeSignatureValid {
        checked.unwrap_or_else(|error| {
            self.observation.note(error);
            HandshakeSignatureValid::assertion()
        })
    }
}

impl ServerCertVerifier for Observer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Err(error) = self.check.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            self.observation.note(error);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(self.proven(self.check.verify_tls12_signature(message, cert, dss)))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(self.proven(self.check.verify_tls13_signature(message, cert, dss)))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.check.supported_verify_schemes()
    }
}
