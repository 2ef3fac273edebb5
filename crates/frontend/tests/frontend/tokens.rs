//! Logins by token: OAUTHBEARER and XOAUTH2, by an issuer of the test whose keys are a file.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::RootCertStore;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use yubin_dns_auth::https::HttpsClient;
use yubin_dns_auth::{AddressScope, NameServers, Resolver, ResolverConfig};
use yubin_frontend::{GuessingRule, IssuerConfig, IssuersConfig, KeySource, TokenRule};
use yubin_state::command::DomainCommand;
use yubin_types::{DomainName, LocalPart};

use crate::tls::{secure, upgrade};
use crate::world::{Client, PASSWORD, World};

/// `{"status":"invalid_token"}`
const INVALID: &str = "+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n";

/// An issuer that may name the users of `example.jp`.
struct Issuer {
    key: Ed25519KeyPair,
    folder: tempfile::TempDir,
}

impl Issuer {
    fn new() -> Issuer {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let issuer =
            Issuer { key: Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap(), folder: tempfile::tempdir().unwrap() };
        let x = URL_SAFE_NO_PAD.encode(issuer.key.public_key());
        let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x }] });
        std::fs::write(issuer.file(), keys.to_string()).unwrap();
        issuer
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("keys.json")
    }

    async fn world(&self) -> World {
        self.guarded_world(None).await
    }

    async fn guarded_world(&self, guessing: Option<GuessingRule>) -> World {
        let rule =
            TokenRule { issuer: "https://login.test".into(), audience: "yubin".into(), address_claim: "email".into() };
        let domains = vec![DomainName::parse("example.jp").unwrap()];
        // Keys in a file need neither names nor the web.
        let nameservers = NameServers::Addresses(vec!["127.0.0.1:9".parse().unwrap()]);
        let client = HttpsClient::new(Arc::new(RootCertStore::empty()), AddressScope::Any).unwrap();
        let issuers = IssuersConfig {
            issuers: vec![IssuerConfig { rule, keys: KeySource::File(self.file()), domains }],
            resolver: Resolver::new(&ResolverConfig { nameservers, ..ResolverConfig::default() }).unwrap(),
            client: Arc::new(client),
        };
        World::trusting(issuers, guessing).await
    }

    /// A token for this address, with other claims in place of the good ones.
    fn token(&self, address: &str, other: &Value) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let expiry = (now + Duration::from_secs(300)).as_secs();
        let mut claims = json!({ "iss": "https://login.test", "aud": "yubin", "exp": expiry, "email": address });
        for (name, value) in other.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "EdDSA", "kid": "1" })), part(&claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes())))
    }
}

fn oauthbearer(user: &str, token: &str) -> String {
    STANDARD.encode(format!("n,a={user},\x01host=mx.yubin.test\x01port=143\x01auth=Bearer {token}\x01\x01"))
}

fn xoauth2(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"))
}

/// Connects under TLS.
async fn connect(world: &World, service: &str) -> Client<TlsStream<TcpStream>> {
    secure(world, upgrade(world, service).await).await
}

/// Over IMAP: the tagged response to a token.
async fn log_in(world: &World, user: &str, token: &str) -> String {
    connect(world, "imap").await.imap(&format!("AUTHENTICATE OAUTHBEARER {}", oauthbearer(user, token))).await
}

/// Over IMAP: the tagged response to a token that is no good, which is told in the mechanism's own message first.
async fn refused(world: &World, user: &str, token: &str) -> String {
    let mut imap = connect(world, "imap").await;
    imap.send(&format!("a AUTHENTICATE OAUTHBEARER {}", oauthbearer(user, token))).await;
    assert_eq!(imap.line().await, INVALID);
    imap.send("AQ==").await;
    imap.tagged().await
}

#[tokio::test]
async fn a_token_lets_in_whom_it_names_over_every_protocol() {
    let issuer = Issuer::new();
    let world = issuer.world().await;
    let token = issuer.token("alice@example.jp", &json!({}));
    let user = "Alice@EXAMPLE.jp";
    let mut imap = connect(&world, "imap").await;
    let reply = imap.imap(&format!("AUTHENTICATE OAUTHBEARER {}", oauthbearer(user, &token))).await;
    assert!(reply.starts_with("a OK [CAPABILITY"), "{reply}");
    assert!(imap.imap("SELECT INBOX").await.contains("a OK"));
    let mut smtp = connect(&world, "submission").await;
    assert!(
        smtp.smtp("EHLO client.test")
            .await
            .contains("250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN")
    );
    assert!(smtp.smtp(&format!("AUTH XOAUTH2 {}", xoauth2(user, &token))).await.starts_with("235"));
    assert!(smtp.smtp("MAIL FROM:<alice@example.jp>").await.starts_with("250"));
    let mut pop3 = connect(&world, "pop3").await;
    assert!(pop3.pop3(&format!("AUTH OAUTHBEARER {}", oauthbearer(user, &token))).await.starts_with("+OK Maildrop"));
}

#[tokio::test]
async fn tokens_that_are_no_good_are_refused_with_the_mechanism_s_own_message() {
    let issuer = Issuer::new();
    let world = issuer.world().await;
    let alice = "alice@example.jp";
    let good = json!({});
    for (user, token) in [
        (alice, issuer.token(alice, &json!({ "exp": 1_700_000_000 }))),
        (alice, issuer.token(alice, &json!({ "aud": "somebody else" }))),
        (alice, issuer.token(alice, &json!({ "iss": "https://evil.test" }))),
        (alice, Issuer::new().token(alice, &good)),
        (alice, "no-token".to_owned()),
        // The token names somebody else, nobody, or a user of a domain that is none of the issuer's.
        ("bob@example.jp", issuer.token(alice, &good)),
        ("nobody@example.jp", issuer.token("nobody@example.jp", &good)),
        ("carol@example.org", issuer.token("carol@example.org", &good)),
    ] {
        let reply = refused(&world, user, &token).await;
        assert!(reply.starts_with("a NO [AUTHENTICATIONFAILED] The token is not valid"), "{user}: {reply}");
    }
    let mut smtp = connect(&world, "submission").await;
    smtp.smtp("EHLO client.test").await;
    let reply = smtp.smtp(&format!("AUTH XOAUTH2 {}", xoauth2(alice, "no-token"))).await;
    assert_eq!(
        STANDARD.decode(reply.trim_end().strip_prefix("334 ").unwrap()).unwrap(),
        br#"{"status":"401","schemes":"bearer"}"#
    );
    assert!(smtp.smtp("").await.starts_with("535 5.7.8 The token is not valid"));
    assert!(smtp.smtp("MAIL FROM:<alice@example.jp>").await.starts_with("530"));
}

#[tokio::test]
async fn a_good_token_opens_no_suspended_account() {
    let issuer = Issuer::new();
    let world = issuer.world().await;
    let local = LocalPart::parse("alice").unwrap();
    world.change("example.jp", DomainCommand::SuspendAccount { local, reason: "unpaid".into() }).await;
    let token = issuer.token("alice@example.jp", &json!({}));
    // The token is good: the client is not sent for another one.
    let reply = log_in(&world, "alice@example.jp", &token).await;
    assert!(reply.starts_with("a NO [CONTACTADMIN]"), "{reply}");
}

#[tokio::test]
async fn keys_that_can_not_be_had_are_no_bad_token() {
    let issuer = Issuer::new();
    std::fs::remove_file(issuer.file()).unwrap();
    let world = issuer.world().await;
    let reply = log_in(&world, "alice@example.jp", &issuer.token("alice@example.jp", &json!({}))).await;
    assert!(reply.starts_with("a NO [UNAVAILABLE]"), "{reply}");
}

#[tokio::test]
async fn tokens_are_neither_offered_nor_taken_in_clear() {
    let issuer = Issuer::new();
    let world = issuer.world().await;
    let shown = oauthbearer("alice@example.jp", &issuer.token("alice@example.jp", &json!({})));
    let mut smtp = world.connect("submission").await;
    assert!(smtp.smtp("EHLO client.test").await.contains("250-AUTH SCRAM-SHA-256 PLAIN LOGIN"));
    assert!(smtp.smtp(&format!("AUTH OAUTHBEARER {shown}")).await.starts_with("504"));
    let mut imap = world.connect("imap").await;
    assert!(!imap.imap("CAPABILITY").await.contains("OAUTH"));
    assert!(imap.imap(&format!("AUTHENTICATE OAUTHBEARER {shown}")).await.starts_with("a NO"));
    let mut pop3 = world.connect("pop3").await;
    assert!(!pop3.pop3_lines("CAPA").await.contains("OAUTH"));
    assert!(pop3.pop3(&format!("AUTH OAUTHBEARER {shown}")).await.starts_with("-ERR"));
}

#[tokio::test]
async fn bad_tokens_count_as_wrong_passwords_do() {
    let issuer = Issuer::new();
    let rule = GuessingRule {
        trusted: Vec::new(),
        failures_per_account: 2,
        failures_per_network: 100,
        window_seconds: 3_600,
        ipv4_prefix_bits: 32,
        ipv6_prefix_bits: 64,
    };
    let world = issuer.guarded_world(Some(rule)).await;
    let alice = "alice@example.jp";
    let expired = issuer.token(alice, &json!({ "exp": 1_700_000_000 }));
    for _ in 0..3 {
        // The same one again counts once.
        refused(&world, alice, &expired).await;
    }
    refused(&world, alice, "guessed").await;
    let reply = log_in(&world, alice, &issuer.token(alice, &json!({}))).await;
    assert!(reply.starts_with("a NO [UNAVAILABLE] Too many"), "{reply}");
    let reply = world.connect("imap").await.imap(&format!("LOGIN {alice} \"{PASSWORD}\"")).await;
    assert!(reply.starts_with("a NO [UNAVAILABLE] Too many"), "{reply}");
    assert!(log_in(&world, "bob@example.jp", &issuer.token("bob@example.jp", &json!({}))).await.starts_with("a OK"));
}
