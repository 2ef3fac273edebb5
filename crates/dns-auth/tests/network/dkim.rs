//! Signatures of ours, verified by a library against records in a DNS server of the test.

use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator};
use yubin_dns_auth::dkim::{KeyAlgorithm, PrivateKey, SelectedKey, Signer};
use yubin_types::{DomainName, Timestamp};

use crate::dns_server::{DnsServer, Signing, Zone};
use crate::others::{Records, dkimpy_signatures, opendkim};

fn domain(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

fn keys() -> [SelectedKey; 2] {
    [("rsa1", KeyAlgorithm::Rsa), ("ed1", KeyAlgorithm::Ed25519)].map(|(selector, algorithm)| SelectedKey {
        selector: domain(selector),
        key: Arc::new(PrivateKey::generate(algorithm).unwrap()),
    })
}

/// A signer with an RSA and an Ed25519 key, and a verifier that finds both published.
async fn setup() -> (DnsServer, Signer, MessageAuthenticator) {
    let keys = keys();
    let mut records = String::new();
    for SelectedKey { selector, key } in &keys {
        let record = key.record();
        let (head, tail) = record.split_at(record.len().min(250));
        records.push_str(&format!("{selector}._domainkey IN TXT \"{head}\" \"{tail}\"\n"));
    }
    let dns = DnsServer::start(&[Zone("signed.test.", Signing::Signed, &records)]).await;
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = dns.address.port();
        connection
    });
    let server = NameServerConfig::new(dns.address.ip(), true, connections.into());
    let config = ResolverConfig::from_name_servers(vec![server]);
    let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap();
    (dns, Signer::new(domain("signed.test"), keys.into()), MessageAuthenticator(resolver))
}

fn sign(signer: &Signer, header: &str, body: &str) -> String {
    let mut signing = signer.begin(header.as_bytes()).unwrap();
    body.as_bytes().chunks(7).for_each(|piece| signing.body(piece));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    String::from_utf8(signing.finish(Timestamp::from_seconds(now)).unwrap()).unwrap()
}

/// The results of all signatures, true where one passes.
async fn verify(authenticator: &MessageAuthenticator, message: &str) -> Vec<bool> {
    let message = AuthenticatedMessage::parse(message.as_bytes()).unwrap();
    let output = authenticator.verify_dkim(&message).await;
    output.iter().map(|signature| *signature.result() == DkimResult::Pass).collect()
}

const HEADER: &str = "Received: from x by y; Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: =?utf-8?B?5pel?= <a@signed.test>\r\n\
    To: b@example.jp,\r\n\tc@example.jp\r\nSubject:  two   spaces \t and a fold\r\n  here \r\n\
    Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@signed.test>\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\nX-Mailer: none\r\nfrom: second@signed.test\r\n";

#[tokio::test]
async fn both_signatures_pass_whatever_the_body() {
    let (_dns, signer, authenticator) = setup().await;
    for body in
        ["", "\r\n", "hello\r\n", "no end", "a  b \t c \r\n\r\n\r\n", " \r\n \r\nx\r\n", &"line\r\n".repeat(50_000)]
    {
        let fields = sign(&signer, HEADER, body);
        let message = format!("{fields}{HEADER}\r\n{body}");
        assert_eq!(verify(&authenticator, &message).await, [true, true], "{body:.40?}");
    }
}

#[tokio::test]
async fn what_may_change_on_the_way_and_what_may_not() {
    let (_dns, signer, authenticator) = setup().await;
    let body = "hello  world\r\n\r\n";
    let message = format!("{}{HEADER}\r\n{body}", sign(&signer, HEADER, body));
    let unharmed = [
        ("two   spaces", "two spaces"),
        ("hello  world\r\n\r\n", "hello world \r\n"),
        ("Received: from x", "Received: from elsewhere"),
        ("X-Mailer: none", "X-Mailer: other"),
        ("\r\nSubject:", "\r\nSUBJECT:"),
    ];
    for (from, to) in unharmed {
        assert_eq!(verify(&authenticator, &message.replace(from, to)).await, [true, true], "{to:?}");
    }
    let broken = [
        ("hello", "Hello"),
        ("world\r\n", "world\r\nmore\r\n"),
        ("<a@signed.test>", "<x@signed.test>"),
        ("b@example.jp", "x@example.jp"),
        ("MIME-Version: 1.0\r\n", ""),
        ("Received:", "From: forged@signed.test\r\nReceived:"),
        ("Received:", "Cc: added@example.jp\r\nReceived:"),
        ("Received:", "Subject: added\r\nReceived:"),
        ("X-Mailer: none\r\n", "X-Mailer: none\r\nSubject: added\r\n"),
    ];
    for (from, to) in broken {
        assert_eq!(verify(&authenticator, &message.replacen(from, to, 1)).await, [false, false], "{to:?}");
    }
}

/// Those with whom our users correspond use neither our library nor our verifier.
#[test]
fn other_implementations_verify_both_signatures() {
    let keys = keys();
    let name = |key: &SelectedKey| format!("{}._domainkey.signed.test", key.selector);
    let records: Records = keys.iter().map(|key| (name(key), key.key.record())).collect();
    let [rsa, ed25519] = keys;
    let (both, rsa) = (vec![rsa.clone(), ed25519], vec![rsa]);
    let signers = [both, rsa].map(|keys| Signer::new(domain("signed.test"), keys));
    // dkimpy takes a second From field for a forgery.
    let header = HEADER.replace("from: second@signed.test\r\n", "");
    for body in ["", "hello\r\n", "a  b \t c \r\n\r\n\r\n", "8 bits: 日本語\r\n", ". dots\r\n..\r\n"] {
        let [both, rsa] = signers.each_ref().map(|signer| format!("{}{header}\r\n{body}", sign(signer, &header, body)));
        assert_eq!(dkimpy_signatures(&records, &both), "[True, True]", "{both}");
        assert_eq!(dkimpy_signatures(&records, &both.replacen("b@example.jp", "x@example.jp", 1)), "[False, False]");
        // opendkim of today knows no Ed25519.
        let found = opendkim(&records, &rsa);
        assert!(found.contains("2048-bit key") && found.contains("succeeded"), "{found}{rsa}");
        let found = opendkim(&records, &rsa.replacen("b@example.jp", "x@example.jp", 1));
        assert!(found.contains("signature verification failed"), "{found}");
    }
}
