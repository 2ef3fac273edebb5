//! TLS servers of the test: certificates made by an authority of the test, and an HTTPS server that answers with what the test says.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// An authority.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub(crate) fn public_key(&self) -> Vec<u8> {
        use rcgen::PublicKeyData as _;
        self.issuer.key().subject_public_key_info()
    }

    /// A store that believes this authority.
    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate()).unwrap();
        Arc::new(roots)
    }

    /// A certificate for a name, valid in these years.
    pub(crate) fn issue(&self, name: &str, years: std::ops::Range<i32>) -> Identity {
        use rcgen::PublicKeyData as _;
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            chain: vec![certificate.der().clone(), self.certificate()],
            public_key: key.subject_public_key_info(),
            private_key: key.serialize_der(),
        }
    }
}

/// A certificate with its chain and key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) public_key: Vec<u8>,
    private_key: Vec<u8>,
}

impl Identity {
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.private_key.clone()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Heads and bodies.
type Requests = Arc<std::sync::Mutex<Vec<(String, Vec<u8>)>>>;

/// An HTTPS server that gives each connection the next of its answers, and after the last one that again.
pub(crate) struct Https {
    pub(crate) address: SocketAddr,
    requests: Requests,
    task: JoinHandle<()>,
}

impl Https {
    pub(crate) async fn start(identity: &Identity, answers: Vec<Vec<u8>>) -> Https {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = identity.acceptor();
        let requests = Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                // A client that does not like the certificate goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                        break;
                    }
                    request.push(byte[0]);
                }
                let head = String::from_utf8(request).unwrap();
                let mut body = vec![0; length(&head)];
                if stream.read_exact(&mut body).await.is_err() {
                    continue;
                }
                log.lock().unwrap().push((head, body));
                let answer = answers.get(number).or(answers.last()).unwrap();
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        });
        Https { address, requests, task }
    }

    /// The heads of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(head, _)| head.clone()).collect()
    }

    /// Their bodies.
    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        self.requests.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How long the body is that comes with this head.
fn length(head: &str) -> usize {
    let head = head.to_lowercase();
    let told = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    told.map_or(0, |told| told.trim().parse().unwrap())
}

/// An answer with this status line and type.
pub(crate) fn answer(status: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}
