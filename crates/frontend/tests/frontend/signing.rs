//! Mail that leaves a domain is signed with its keys: what waits in the queue is verified by a library.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::TokioResolver;
use mail_auth::hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use mail_auth::hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt};
use prometheus_client::encoding::text::encode;
use yubin_dns_auth::dkim::{KeyAlgorithm, KeyName, KeySealer, PrivateKey};
use yubin_state::command::DomainCommand;
use yubin_state::queue::{QueueAnswer, QueueFilter, QueueQuery};
use yubin_state::record::NewDkimKey;
use yubin_state::sending::{NameHolder, SendingCommand};
use yubin_state::{Answer, Query, Reply};
use yubin_types::{DomainName, LocalPart, Secret, SenderName};

use crate::submission::submitter;
use crate::world::{SECRET, World};

/// Records by name, as a verifier that looked them up before remembers them.
#[derive(Default)]
struct Published(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Published {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(name).cloned()
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

/// Gives example.jp a key of each kind, sealed under a secret, and publishes them.
async fn give_keys(world: &World, secret: [u8; 32], number: u32) -> Published {
    let mut published = Published::default();
    give_domain_keys(world, "example.jp", secret, number, &mut published).await;
    published
}

async fn give_domain_keys(world: &World, domain: &str, secret: [u8; 32], number: u32, published: &mut Published) {
    let (sealer, domain) = (KeySealer::new(&Secret::new(secret)), name(domain));
    let mut keys = Vec::new();
    for algorithm in [KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let selector = name(&format!("{algorithm:?}{number}").to_lowercase());
        let record = DomainKey::parse(key.record().as_bytes()).unwrap();
        published.0.insert(format!("{selector}._domainkey.{domain}.").into(), Txt::DomainKey(Arc::new(record)));
        let sealed = sealer.seal(KeyName { domain: &domain, selector: &selector }, &key).unwrap().into();
        keys.push(NewDkimKey { selector, sealed, record: key.record() });
    }
    assert_eq!(world.change(domain.as_str(), DomainCommand::AddDkimKeys(keys)).await, Reply::Done);
}

/// Submits a message to another domain; the answer.
async fn submit(world: &World, message: &str) -> String {
    submit_with(world, "", message).await
}

/// The same with these parameters of MAIL.
async fn submit_with(world: &World, parameters: &str, message: &str) -> String {
    let mut client = submitter(world, "alice@example.jp").await;
    let mail = client.smtp(&format!("MAIL FROM:<alice@example.jp>{parameters}")).await;
    assert!(mail.starts_with("250"), "{mail}");
    assert!(client.smtp("RCPT TO:<someone@elsewhere.test>").await.starts_with("250"));
    client.smtp("DATA").await;
    client.send(&format!("{message}\r\n.")).await;
    client.reply().await
}

/// The messages in the queue of example.jp as they would be sent.
async fn sent(world: &World) -> Vec<Vec<u8>> {
    let home = world.store.resolve(&name("example.jp")).await.unwrap().unwrap();
    let ask = async |query| match world.store.query(home.scope(), Query::Queue(query)).await.unwrap() {
        Answer::Queue(answer) => answer,
        other => panic!("{other:?}"),
    };
    let list = QueueQuery::List { filter: QueueFilter::default(), after: None, limit: 100 };
    let QueueAnswer::List { deliveries, .. } = ask(list).await else { panic!() };
    let mut messages = Vec::new();
    for (_, message, _) in deliveries {
        let QueueAnswer::Body(cold) = ask(QueueQuery::Body(message.id)).await else { panic!() };
        messages.push([&cold.prefix[..], &world.node.body(&cold.body)].concat());
    }
    messages
}

/// How many signatures pass.
async fn passing(message: &[u8], published: &Published) -> usize {
    let nowhere = NameServerConfig::new([127, 0, 0, 1].into(), true, vec![ConnectionConfig::udp()]);
    let config = ResolverConfig::from_name_servers(vec![nowhere]);
    let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap();
    let message = AuthenticatedMessage::parse(message).unwrap();
    let authenticator = MessageAuthenticator(resolver);
    let verified = authenticator.verify_dkim(Parameters::new(&message).with_txt_cache(published)).await;
    verified.iter().filter(|signature| *signature.result() == DkimResult::Pass).count()
}

fn counted(world: &World, line: &str) -> bool {
    let mut text = String::new();
    encode(&mut text, &world.registry).unwrap();
    text.contains(line)
}

/// RFC 7489 §3.1: From is what has to be aligned, whatever the envelope says.
#[tokio::test]
async fn the_domains_of_authors_sign_too() {
    let world = World::new().await;
    let mut published = give_keys(&world, SECRET, 1).await;
    give_domain_keys(&world, "example.org", SECRET, 2, &mut published).await;
    let grant = SendingCommand::GrantSendAs {
        local: LocalPart::parse("alice").unwrap(),
        name: SenderName::parse("@example.org").unwrap(),
        domain: world.domain("example.org"),
        holder: NameHolder::Domain,
    };
    world.change("example.jp", DomainCommand::Sending(grant)).await;
    let signed_by = async |from: &str, parameters: &str| {
        let message = format!("From: {from}\r\nSubject: x\r\n\r\nhello\r\n");
        assert!(submit_with(&world, parameters, &message).await.starts_with("250"));
        let message = sent(&world).await.pop().unwrap();
        let passing = passing(&message, &published).await;
        let text = String::from_utf8(message).unwrap();
        let by = |domain: &str| text.matches(&format!(" d={domain};")).count();
        (by("example.jp"), by("example.org"), passing)
    };
    assert_eq!(signed_by("alice@example.jp", "").await, (2, 0, 2));
    assert_eq!(signed_by("carol@example.org", "").await, (2, 2, 4));
    assert_eq!(signed_by("somebody@elsewhere.test", "").await, (2, 0, 2));
    // What is held is signed for its sender when it is released.
    assert_eq!(signed_by("alice@example.jp", " HOLDFOR=3600").await, (0, 0, 0));
    assert_eq!(signed_by("carol@example.org", " HOLDFOR=3600").await, (0, 2, 2));
}

#[tokio::test]
async fn what_is_queued_carries_signatures_that_verify() {
    let world = World::new().await;
    let published = give_keys(&world, SECRET, 1).await;
    let large = format!("From: alice@example.jp\r\nSubject: large\r\n\r\n{}", "a line  of text \r\n".repeat(200_000));
    for message in ["From: alice@example.jp\r\nTo: someone@elsewhere.test\r\nSubject: hi\r\n\r\nhello\r\n\r\n", &large]
    {
        let reply = submit(&world, message).await;
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    let messages = sent(&world).await;
    assert_eq!(messages.len(), 2);
    for message in messages {
        assert!(message.starts_with(b"DKIM-Signature: v=1; a="));
        assert_eq!(passing(&message, &published).await, 2, "both keys sign");
        let forged = String::from_utf8(message).unwrap().replacen("alice@", "bob@", 1);
        assert_eq!(passing(forged.as_bytes(), &published).await, 0);
    }
    assert!(counted(&world, "yubin_dkim_messages_total{result=\"signed\"} 2"));
}

#[tokio::test]
async fn a_domain_without_keys_sends_unsigned_mail_and_it_is_counted() {
    let world = World::new().await;
    assert!(submit(&world, "From: alice@example.jp\r\n\r\nhello").await.starts_with("250"));
    let messages = sent(&world).await;
    assert!(messages[0].starts_with(b"Received: "));
    assert!(counted(&world, "yubin_dkim_messages_total{result=\"no_key\"} 1"));
}

#[tokio::test]
async fn mail_that_can_t_be_signed_is_not_sent() {
    let world = World::new().await;
    give_keys(&world, SECRET, 1).await;
    let anonymous = submit(&world, "Subject: who\r\n\r\nhello").await;
    assert!(anonymous.starts_with("554 5.6.0"), "{anonymous}");
    assert!(sent(&world).await.is_empty());

    let other = World::new().await;
    give_keys(&other, [8; 32], 1).await;
    let sealed = submit(&other, "From: alice@example.jp\r\n\r\nhello").await;
    assert!(sealed.starts_with("451 "), "{sealed}");
    assert!(sent(&other).await.is_empty());
    assert!(counted(&other, "yubin_dkim_messages_total{result=\"failed\"} 1"));
}

#[tokio::test]
async fn keys_that_wait_sign_nothing() {
    let world = World::new().await;
    let published = give_keys(&world, SECRET, 1).await;
    give_keys(&world, SECRET, 2).await;
    assert!(submit(&world, "From: alice@example.jp\r\n\r\nhello").await.starts_with("250"));
    assert_eq!(passing(&sent(&world).await[0], &published).await, 2);
    assert!(!String::from_utf8(sent(&world).await.remove(0)).unwrap().contains("rsa2"));
}
