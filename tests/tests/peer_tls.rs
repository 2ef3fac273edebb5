//! Store nodes that show each other certificates: they form a cluster that keeps mail through a node's loss, and speak with nobody who has no
//! certificate of their authority.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use yubin_tests::cluster::Cluster;
use yubin_tests::crash::{PASSWORD, Target as _};
use yubin_tests::pop3::Pop3;
use yubin_tests::process::wait_until;
use yubin_tests::smtp::Smtp;
use yubin_tests::tls;

const NAME: &str = "peer.cluster.example";
const USER: &str = "u0@sealed.example";
/// How long the cluster may take to serve again after a node went.
const RECOVER_WITHIN: Duration = Duration::from_secs(60);
/// What an HTTP/2 client says first (RFC 9113, section 3.4): the preface, and empty SETTINGS.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// An authority, and what it signed.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: rcgen::Issuer::new(params, key) }
    }

    /// A certificate for nodes and its key, PEM.
    fn sign(&self) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Lines of the table `store` for nodes of this authority.
    fn lines(&self, folder: &Path) -> String {
        let (certificate, key) = self.sign();
        let authority = pem(&self.certificate);
        for (file, text) in [("peer.crt", certificate), ("peer.key", key), ("peer-ca.crt", authority)] {
            std::fs::write(folder.join(file), text).unwrap();
        }
        let path = |file: &str| folder.join(file).display().to_string();
        format!(
            "peer_tls = {{ certificate = {:?}, key = {:?}, authority = {:?}, name = {NAME:?} }}",
            path("peer.crt"),
            path("peer.key"),
            path("peer-ca.crt")
        )
    }
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::prelude::BASE64_STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// Who trusts the cluster's authority, and shows a certificate of that one.
fn client(ours: &Authority, shows: Option<&Authority>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(ours.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match shows.map(Authority::sign) {
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Is the client spoken with? Says why not.
fn meet(peer: SocketAddr, config: ClientConfig) -> Result<(), String> {
    let mut stream = tls::wrap(tls::open(peer).unwrap(), NAME, config).unwrap();
    stream.write_all(PREFACE).map_err(|error| error.to_string())?;
    stream.read_exact(&mut [0; 9]).map_err(|error| error.to_string())
}

#[test]
fn nodes_with_certificates_keep_mail_and_speak_with_no_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut cluster = Cluster::with_stores(folder.path(), &ours.lines(folder.path())).unwrap();
    cluster.admin().populate("sealed.example", 1, PASSWORD).unwrap();
    let [smtp, pop3s] = ["smtp", "pop3s"].map(|service| cluster.front_ends[0].port(service).unwrap());
    let deliver = || {
        let sent = Smtp::hello(smtp)
            .and_then(|mut smtp| smtp.send("friend@elsewhere.example", USER, b"Subject: a\r\n\r\nb\r\n"));
        sent.is_ok_and(|reply| reply.starts_with("250"))
    };
    assert!(deliver());

    for node in 0..cluster.nodes.len() {
        let peer = cluster.peer(node).unwrap();
        meet(peer, client(&ours, Some(&ours))).unwrap();
        let foreign = meet(peer, client(&ours, Some(&theirs))).unwrap_err();
        assert!(foreign.contains("alert"), "a foreign certificate: {foreign}");
        let none = meet(peer, client(&ours, None)).unwrap_err();
        assert!(none.contains("CertificateRequired"), "no certificate: {none}");
        let mut plain = tls::open(peer).unwrap();
        plain.write_all(PREFACE).unwrap();
        let mut answer = Vec::new();
        drop(plain.read_to_end(&mut answer));
        assert!(answer.first() != Some(&0), "plain text was answered: {answer:?}");
    }

    // What was acknowledged is on a majority, and the two that are left agree on what comes.
    cluster.kill(0).unwrap();
    wait_until(RECOVER_WITHIN, deliver).unwrap();
    let mut messages = 0;
    let both = || {
        messages = Pop3::login(pop3s, USER, PASSWORD).and_then(|mut pop3| pop3.stat()).map_or(0, |stat| stat.0);
        messages >= 2
    };
    wait_until(RECOVER_WITHIN, both).unwrap();
}
