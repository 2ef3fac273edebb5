//! Holds a mail host's certificate against its TLSA records, as rustls asks for it (RFC 7671 §5, RFC 7672 §3).
//!
//! DANE-EE: the certificate, or its key, is the one in the DNS; nothing else of it is looked at. DANE-TA: a certificate that the host
//! sent along, or the record itself holds whole, is the authority; the host's certificate is signed down from it, valid now and for
//! TLS servers, and carries one of the names. Public authorities play no part. That the host has the key is proven by the handshake.
//!
//! A bare authority key in the DNS (2 1 0) finds its authority only among the certificates sent.

use std::sync::Arc;

use rustls::DigitallySignedStruct;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::{CertificateError, Error, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::Requirement;
use super::records::{Matching, Selector, Usage};

/// A verifier for one host.
#[derive(Debug)]
pub struct DaneVerifier {
    requirement: Requirement,
    provider: Arc<CryptoProvider>,
}

impl DaneVerifier {
    /// A verifier of what this host must show.
    #[must_use]
    pub fn new(requirement: Requirement, provider: Arc<CryptoProvider>) -> DaneVerifier {
        DaneVerifier { requirement, provider }
    }

    /// Is the certificate signed down from an authority that a record vouches for, and does it carry the right name?
    fn verify_authority(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let records = || self.requirement.records.of(Usage::DaneTa);
        let sent = intermediates.iter().filter(|sent| records().any(|record| record.matches(sent)));
        let in_dns: Vec<CertificateDer<'_>> = records()
            .filter(|record| (record.selector, record.matching) == (Selector::Cert, Matching::Full))
            .map(|record| CertificateDer::from(record.data.as_slice()))
            .collect();
        let anchors: Vec<TrustAnchor<'_>> =
            sent.chain(&in_dns).filter_map(|authority| anchor_from_trusted_cert(authority).ok()).collect();
        if anchors.is_empty() {
            return Err(unknown());
        }
        let certificate = EndEntityCert::try_from(end_entity).map_err(refused)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let usage = KeyUsage::server_auth();
        certificate.verify_for_usage(algorithms, &anchors, intermediates, now, usage, None, None).map_err(refused)?;
        let mut names = self.requirement.names.iter().filter_map(|name| ServerName::try_from(name.as_str()).ok());
        if names.any(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok()) {
            Ok(())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }
}

impl ServerCertVerifier for DaneVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.requirement.records.of(Usage::DaneEe).any(|record| record.matches(end_entity)) {
            return Ok(ServerCertVerified::assertion());
        }
        self.verify_authority(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// No record vouches for this certificate.
fn unknown() -> Error {
    CertificateError::UnknownIssuer.into()
}

fn refused(error: webpki::Error) -> Error {
    match error {
        webpki::Error::CertExpired { .. } => CertificateError::Expired.into(),
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet.into(),
        webpki::Error::UnknownIssuer => unknown(),
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature.into(),
        webpki::Error::BadDer | webpki::Error::BadDerTime => CertificateError::BadEncoding.into(),
        _ => CertificateError::ApplicationVerificationFailure.into(),
    }
}
