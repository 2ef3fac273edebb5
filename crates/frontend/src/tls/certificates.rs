//! Loaded certificates and which of them answers a name.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::client::verify_server_name;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{CertificateFiles, TlsError};

/// All certificates, the default first; exchanged as a whole.
#[derive(Debug)]
pub(crate) struct Certificates {
    current: ArcSwap<Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    pub(crate) fn load(files: &[CertificateFiles]) -> Result<Self, TlsError> {
        let loaded = files.iter().map(load_one).collect::<Result<Vec<_>, _>>()?;
        if loaded.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        Ok(Certificates { current: ArcSwap::from_pointee(loaded) })
    }

    pub(crate) fn replace(&self, fresh: Certificates) {
        self.current.store(fresh.current.into_inner());
    }

    /// The certificate that holds the name, or the default.
    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.load();
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let holder = name.and_then(|name| current.iter().find(|certificate| holds(certificate, &name)));
        holder.or_else(|| current.first()).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

fn holds(certificate: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed = certificate.end_entity_cert().and_then(ParsedCertificate::try_from);
    parsed.is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
}

fn load_one(files: &CertificateFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let content = |path: &Path, reason: String| TlsError::Content { path: path.to_owned(), reason };
    let chain = CertificateDer::pem_slice_iter(&read(&files.certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(content(&files.certificate, "holds no certificate".to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|error| content(&files.key, error.to_string()))?;
    let key = any_supported_type(&key).map_err(|error| content(&files.key, error.to_string()))?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|error| content(&files.key, error.to_string()))?;
    Ok(Arc::new(certified))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::File { path: path.to_owned(), error })
}

/// When the files were written and how long they are: tells a change without reading them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<Option<(SystemTime, u64)>>);

impl Stamp {
    pub(crate) fn of(files: &[CertificateFiles]) -> Self {
        let stamp = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Stamp(files.iter().flat_map(|files| [stamp(&files.certificate), stamp(&files.key)]).collect())
    }
}
