//! Logins by SCRAM over real TLS connections: bound and unbound, of users that exist and of users that don't.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use yubin_state::command::DomainCommand;
use yubin_types::LocalPart;

use crate::tls::secure;
use crate::world::{Client, PASSWORD, World, verifiers};

type Imap = Client<TlsStream<TcpStream>>;

const CLIENT_NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";

async fn imaps(world: &World) -> Imap {
    let mut client = secure(world, TcpStream::connect(world.address("imaps")).await.unwrap()).await;
    assert!(client.line().await.contains("AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256"));
    client
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// A client in the middle of an exchange (RFC 5802 §3).
struct Exchange {
    client: Imap,
    bare: String,
    header: Vec<u8>,
    server_first: String,
}

impl Exchange {
    /// Up to the server's challenge, with this GS2 header and channel binding.
    async fn begin(mut client: Imap, mechanism: &str, header: &str, binding: &[u8], user: &str) -> Exchange {
        let bare = format!("n={user},r={CLIENT_NONCE}");
        let first = STANDARD.encode(format!("{header}{bare}"));
        client.send(&format!("a AUTHENTICATE {mechanism} {first}")).await;
        let line = client.line().await;
        let challenge = line.trim_end().strip_prefix("+ ").unwrap_or_else(|| panic!("{line}"));
        let server_first = String::from_utf8(STANDARD.decode(challenge).unwrap()).unwrap();
        Exchange { client, bare, header: [header.as_bytes(), binding].concat(), server_first }
    }

    fn attribute(&self, name: &str) -> &str {
        self.server_first.split(',').find_map(|attribute| attribute.strip_prefix(name)).unwrap()
    }

    /// The proof, and the end: the tagged response. Checks the server's own proof.
    async fn finish(mut self, password: &str) -> String {
        let salt = STANDARD.decode(self.attribute("s=")).unwrap();
        let iterations = self.attribute("i=").parse().unwrap();
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);
        let client_key = mac(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        let last = format!("c={},r={}", STANDARD.encode(&self.header), self.attribute("r="));
        let auth_message = format!("{},{},{last}", self.bare, self.server_first);
        let signature = mac(stored_key.as_ref(), auth_message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        self.client.send(&STANDARD.encode(format!("{last},p={}", STANDARD.encode(proof)))).await;
        let line = self.client.line().await;
        let Some(server_last) = line.trim_end().strip_prefix("+ ") else { return line };
        let expected = mac(&mac(&salted, b"Server Key"), auth_message.as_bytes());
        assert_eq!(STANDARD.decode(server_last).unwrap(), format!("v={}", STANDARD.encode(expected)).into_bytes());
        self.client.send("").await;
        self.client.tagged().await
    }
}

async fn unbound(world: &World, user: &str, password: &str) -> String {
    Exchange::begin(imaps(world).await, "SCRAM-SHA-256", "n,,", b"", user).await.finish(password).await
}

async fn bound(world: &World, password: &str) -> String {
    let client = imaps(world).await;
    let binding = client.channel_binding();
    let header = "p=tls-exporter,,";
    Exchange::begin(client, "SCRAM-SHA-256-PLUS", header, &binding, "alice@example.jp").await.finish(password).await
}

#[tokio::test]
async fn a_password_is_proven_and_bound_to_the_connection() {
    let world = World::new().await;
    assert!(unbound(&world, "Alice@example.jp", PASSWORD).await.starts_with("a OK"));
    assert!(bound(&world, PASSWORD).await.starts_with("a OK"));
    for wrong in [unbound(&world, "alice@example.jp", "another").await, bound(&world, "another").await] {
        assert!(wrong.starts_with("a NO [AUTHENTICATIONFAILED]"), "{wrong}");
    }
    // Taken to another connection by somebody in between.
    let (client, other) = (imaps(&world).await, imaps(&world).await.channel_binding());
    let header = "p=tls-exporter,,";
    let stolen = Exchange::begin(client, "SCRAM-SHA-256-PLUS", header, &other, "alice@example.jp").await;
    let reply = stolen.finish(PASSWORD).await;
    assert!(reply.starts_with("a NO [AUTHENTICATIONFAILED] channel binding does not match"), "{reply}");
}

#[tokio::test]
async fn who_does_not_exist_is_answered_like_who_does() {
    let world = World::new().await;
    let salt = async |user: &str| {
        let exchange = Exchange::begin(imaps(&world).await, "SCRAM-SHA-256", "n,,", b"", user).await;
        (exchange.attribute("s=").to_owned(), exchange.attribute("i=").to_owned())
    };
    let alice = salt("alice@example.jp").await;
    let nobody = salt("nobody@example.jp").await;
    assert_eq!(salt("Nobody@EXAMPLE.jp").await, nobody, "asked again it is the same");
    let elsewhere = salt("nobody@elsewhere.test").await;
    let nameless = salt("nobody").await;
    for (one, other) in [(&alice, &nobody), (&nobody, &elsewhere), (&elsewhere, &nameless)] {
        assert_ne!(one.0, other.0);
        assert_eq!(one.0.len(), other.0.len());
        assert_eq!(one.1, other.1);
    }
    let replies = [
        unbound(&world, "alice@example.jp", "another").await,
        unbound(&world, "nobody@example.jp", PASSWORD).await,
        unbound(&world, "nobody@elsewhere.test", PASSWORD).await,
    ];
    assert!(
        replies.iter().all(|reply| *reply == replies[0] && reply.contains("[AUTHENTICATIONFAILED]")),
        "{replies:?}"
    );
}

#[tokio::test]
async fn a_changed_password_counts_at_once_and_a_suspension_is_told_after_the_proof() {
    let world = World::new().await;
    let local = || LocalPart::parse("alice").unwrap();
    // Changed between the challenge and the proof.
    let begun = Exchange::begin(imaps(&world).await, "SCRAM-SHA-256", "n,,", b"", "alice@example.jp").await;
    let change = DomainCommand::SetPassword { local: local(), verifiers: verifiers("another password") };
    world.change("example.jp", change).await;
    assert!(begun.finish(PASSWORD).await.starts_with("a NO [AUTHENTICATIONFAILED]"));
    assert!(unbound(&world, "alice@example.jp", PASSWORD).await.starts_with("a NO [AUTHENTICATIONFAILED]"));
    assert!(unbound(&world, "alice@example.jp", "another password").await.starts_with("a OK"));

    world.change("example.jp", DomainCommand::SuspendAccount { local: local(), reason: "unpaid".into() }).await;
    assert!(unbound(&world, "alice@example.jp", "another password").await.starts_with("a NO [CONTACTADMIN]"));
    assert!(unbound(&world, "alice@example.jp", PASSWORD).await.starts_with("a NO [AUTHENTICATIONFAILED]"));
}
