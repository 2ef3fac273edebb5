//! TLS as clients meet it: from the first octet, and by STARTTLS.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{Client, PASSWORD, World};

/// Connects, and asks for TLS where the service does not begin with it.
pub(crate) async fn upgrade(world: &World, service: &str) -> TcpStream {
    if service == "imaps" {
        return TcpStream::connect(world.address(service)).await.unwrap();
    }
    let mut clear = world.connect(service).await;
    let reply = match service {
        "imap" => clear.imap("STARTTLS").await,
        "pop3" => clear.pop3("STLS").await,
        _ => {
            clear.smtp("EHLO client.test").await;
            clear.smtp("STARTTLS").await
        }
    };
    assert!(["a OK", "+OK", "220"].iter().any(|yes| reply.starts_with(yes)), "{reply}");
    clear.into_inner()
}

/// A client's settings: trusts this front end, and names these protocols.
fn settings(world: &World, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = world.directory.path().join("tls/self-signed.crt.pem");
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

pub(crate) async fn secure(world: &World, stream: TcpStream) -> Client<TlsStream<TcpStream>> {
    let name = ServerName::try_from("mx.yubin.test").unwrap();
    Client::on(TlsConnector::from(settings(world, &[])).connect(name, stream).await.unwrap())
}

/// How a handshake went, once the tickets that follow it have come.
async fn shake(world: &World, service: &str, settings: &Arc<ClientConfig>) -> Result<HandshakeKind, String> {
    let name = ServerName::try_from("mx.yubin.test").unwrap();
    let connector = TlsConnector::from(Arc::clone(settings));
    let stream = connector.connect(name, upgrade(world, service).await).await.map_err(|error| error.to_string())?;
    let mut client = Client::on(stream);
    let said = match service {
        "imaps" => client.line().await,
        "imap" => client.imap("NOOP").await,
        "pop3" => client.pop3("NOOP").await,
        _ => client.smtp("NOOP").await,
    };
    assert!(!said.is_empty());
    Ok(client.into_inner().get_ref().1.handshake_kind().unwrap())
}

/// Attack list, item 3: ALPACA (CVE-2021-3618), Opossum: whoever believes to speak another protocol is told so and not served, browsers among them.
#[tokio::test]
async fn a_client_of_another_protocol_gets_no_connection() {
    let world = World::new().await;
    for (service, own) in
        [("mx", &b"smtp"[..]), ("submission", b"smtp"), ("imap", b"imap"), ("imaps", b"imap"), ("pop3", b"pop3")]
    {
        for named in [&b"http/1.1"[..], b"h2", b"smtp", b"imap", b"pop3"] {
            let outcome = shake(&world, service, &settings(&world, &[named])).await;
            assert_eq!(outcome.is_ok(), named == own, "{service}, {}: {outcome:?}", named.escape_ascii());
        }
    }
}

/// Attack list, item 3: ALPACA again: a session with one service is not gone on with at another, though both have the same certificate.
#[tokio::test]
async fn a_ticket_of_one_service_is_worth_nothing_at_another() {
    let world = World::new().await;
    let settings = settings(&world, &[]);
    assert_eq!(shake(&world, "imaps", &settings).await, Ok(HandshakeKind::Full));
    assert_eq!(shake(&world, "imaps", &settings).await, Ok(HandshakeKind::Resumed));
    assert_eq!(shake(&world, "pop3", &settings).await, Ok(HandshakeKind::Full));
    assert_eq!(shake(&world, "mx", &settings).await, Ok(HandshakeKind::Full));
}

#[tokio::test]
async fn mail_comes_in_over_starttls_and_says_so() {
    let world = World::new().await;
    let mut clear = world.connect("mx").await;
    assert!(clear.smtp("EHLO client.test").await.contains("STARTTLS"));
    assert!(clear.smtp("STARTTLS").await.starts_with("220"));
    let mut client = secure(&world, clear.into_inner()).await;
    assert!(client.smtp("MAIL FROM:<>").await.starts_with("503"), "what was said in clear is forgotten");
    assert!(!client.smtp("EHLO client.test").await.contains("STARTTLS"));
    for command in ["MAIL FROM:<>", "RCPT TO:<bob@example.jp>", "DATA"] {
        let reply = client.smtp(command).await;
        assert!(reply.starts_with(['2', '3']), "{command}: {reply}");
    }
    client.send("Subject: secret\r\n\r\nbody\r\n.").await;
    assert!(client.reply().await.starts_with("250 2.0.0"));

    let mut imaps = secure(&world, TcpStream::connect(world.address("imaps")).await.unwrap()).await;
    assert!(imaps.line().await.starts_with("* OK"));
    assert!(imaps.imap(&format!("LOGIN bob@example.jp \"{PASSWORD}\"")).await.contains("a OK"));
    imaps.imap("SELECT INBOX").await;
    let fetched = imaps.imap("FETCH 1 BODY.PEEK[HEADER.FIELDS (Received)]").await.replace("\r\n\t", " ");
    assert!(fetched.contains("with ESMTPS (TLSv1.3 TLS13_"), "{fetched}");
}

#[tokio::test]
async fn no_password_is_taken_in_clear_where_tls_is_on_offer() {
    let world = World::new().await;
    let mut mx = world.connect("mx").await;
    assert!(!mx.smtp("EHLO client.test").await.contains("AUTH"));
}
