use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::DuplexStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use yubin_session::TlsFacts;

use super::{CertificateFiles, Tls, TlsError, TlsSource, self_signed};
use crate::config::Protocol;
use crate::transport::Transport;

fn certificate(directory: &Path, name: &str) -> CertificateFiles {
    self_signed::prepare(&directory.join(name), &[name.to_owned()]).unwrap()
}

/// Connects as a client that trusts these certificates only.
async fn connect(
    tls: &Tls,
    trusted: &[&CertificateFiles],
    name: &str,
) -> Result<(TlsStream<DuplexStream>, TlsFacts), String> {
    let mut roots = RootCertStore::empty();
    for files in trusted {
        roots.add(CertificateDer::from_pem_file(&files.certificate).unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"imap".to_vec()];
    let (near, far) = tokio::io::duplex(64 * 1024);
    let acceptor = tls.acceptor(Protocol::Imap).unwrap();
    let server = tokio::spawn(async move {
        let mut transport = Transport::Clear(far);
        transport.start_tls(&acceptor, crate::transport::HANDSHAKE_TIME_MAX).await
    });
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = TlsConnector::from(Arc::new(config)).connect(name, near).await.map_err(|error| error.to_string())?;
    Ok((client, server.await.unwrap().unwrap()))
}

#[tokio::test]
async fn a_client_gets_the_certificate_of_the_name_it_asks_for() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (certificate(directory.path(), "one.example"), certificate(directory.path(), "two.example"));
    let (tls, _) = Tls::load(&TlsSource::Files(vec![one.clone(), two.clone()])).unwrap();
    for (name, files) in [("one.example", &one), ("two.example", &two)] {
        let (client, facts) = connect(&tls, &[files], name).await.unwrap();
        assert_eq!(facts.version, "TLSv1.3");
        assert_eq!(facts.server_name.as_deref(), Some(name));
        assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"imap"[..]));
    }
    // Any other name gets the first certificate, which does not hold it.
    let error = connect(&tls, &[&one, &two], "three.example").await.unwrap_err();
    assert!(error.contains("NotValidForName") || error.contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn changed_files_are_taken_up_and_broken_ones_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (certificate(directory.path(), "old.example"), certificate(directory.path(), "new.example"));
    let live = certificate(directory.path(), "live.example");
    let install = |files: &CertificateFiles| {
        fs::copy(&files.certificate, &live.certificate).unwrap();
        fs::copy(&files.key, &live.key).unwrap();
    };
    install(&old);
    let (tls, mut stamp) = Tls::load(&TlsSource::Files(vec![live.clone()])).unwrap();
    connect(&tls, &[&old], "old.example").await.unwrap();

    install(&new);
    tls.reload_if_changed(&mut stamp).await;
    connect(&tls, &[&new], "new.example").await.unwrap();

    fs::write(&live.key, "not a key").unwrap();
    tls.reload_if_changed(&mut stamp).await;
    connect(&tls, &[&new], "new.example").await.unwrap();
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (certificate(directory.path(), "one.example"), certificate(directory.path(), "two.example"));
    let mixed = CertificateFiles { certificate: one.certificate, key: two.key };
    assert!(matches!(Tls::load(&TlsSource::Files(vec![mixed])), Err(TlsError::Content { .. })));
    assert!(matches!(Tls::load(&TlsSource::Files(Vec::new())), Err(TlsError::NoCertificate)));
}

#[test]
fn a_self_signed_certificate_is_made_once_and_its_key_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let source = TlsSource::SelfSigned { directory: directory.path().join("tls"), names: vec!["localhost".to_owned()] };
    Tls::load(&source).unwrap();
    let key = directory.path().join("tls/self-signed.key.pem");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let first = fs::read(&key).unwrap();
    Tls::load(&source).unwrap();
    assert_eq!(fs::read(&key).unwrap(), first);
}
