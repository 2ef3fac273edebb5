//! What a worker signs, right before it leaves: forwarded mail and automatic replies, in the name of the domain that they come from.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use std::sync::Arc;
use yubin_dns_auth::dkim::{KeyAlgorithm, KeyName, KeySealer, PrivateKey, SelectedKey, Signer, sign_message};
use yubin_proto::Caller;
use yubin_state::command::DomainCommand;
use yubin_state::queue::{BodyKind, QueueSource};
use yubin_state::record::NewDkimKey;
use yubin_state::{Command, Reply};
use yubin_types::{AccountId, Address, DomainName, Release, ReversePath, Secret, Timestamp};

use crate::lab::{Lab, cluster_secret};
use crate::sink::{Sink, Tls};

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

/// Gives one.example a key, sealed under a secret; what signs with it.
async fn give_key(lab: &Lab, secret: &Secret, algorithm: KeyAlgorithm) -> Signer {
    let (domain, selector) = (name("one.example"), name("s1"));
    let key = PrivateKey::generate(algorithm).unwrap();
    let sealed = KeySealer::new(secret).seal(KeyName { domain: &domain, selector: &selector }, &key).unwrap().into();
    let new = NewDkimKey { selector: selector.clone(), sealed, record: key.record() };
    let add = Command::Domain(DomainCommand::AddDkimKeys(vec![new]));
    let added = lab.client.propose_once(lab.hosted.scope(), &add, &Caller::internal("test")).await.unwrap();
    assert_eq!(added, Reply::Done);
    Signer::new(domain, vec![SelectedKey { selector, key: Arc::new(key) }])
}

/// A message taken apart: its signature, and all below it.
fn signature(message: &str) -> (String, String) {
    let mut end = 0;
    for line in message.split_inclusive("\r\n") {
        if end > 0 && !line.starts_with(['\t', ' ']) {
            break;
        }
        end += line.len();
    }
    let (field, rest) = message.strip_suffix(".\r\n").expect("the end of data").split_at(end);
    assert!(field.starts_with("DKIM-Signature: "), "{message}");
    (field.to_owned(), rest.to_owned())
}

/// Signs the rest of the message at the same time: Ed25519 makes the same of the same.
async fn is_right(signer: &Signer, message: &str) -> bool {
    let (field, rest) = signature(message);
    let seconds = field.split("t=").nth(1).unwrap().split(';').next().unwrap().trim().parse().unwrap();
    let pieces = stream::iter([Ok(Bytes::from(rest))]).boxed();
    let again = sign_message(signer, &[], pieces, Timestamp::from_seconds(seconds)).await.unwrap();
    String::from_utf8(again).unwrap() == field
}

fn forward() -> QueueSource {
    QueueSource::Forward { account: AccountId(1), by: Address::parse("ann@one.example").unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn forwards_and_replies_are_signed_and_nothing_else_is() {
    let mut lab = Lab::new().await;
    let signer = give_key(&lab, &cluster_secret(), KeyAlgorithm::Ed25519).await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    let worker = lab.worker(sink.address.port(), |_| {});
    let body = "From: bob@far.example\r\nSubject: x\r\n\r\nbody\r\n";
    let reply = QueueSource::AutoReply { account: AccountId(1), by: name("one.example") };
    for (count, source) in [forward(), reply].into_iter().enumerate() {
        lab.send_body(&["a@two.example"], body, |new| {
            new.sender = ReversePath::Null;
            new.source = source;
        })
        .await;
        sink.wait_for(count + 1).await;
        let message = sink.received()[count].message.clone();
        assert!(is_right(&signer, &message).await, "{message}");
        assert!(signature(&message).1.starts_with("Received: by mta.one.example\r\nFrom: bob"), "{message}");
    }
    // What its sender had held back is signed when it is released.
    lab.send_body(&["a@two.example"], body, |new| {
        let by = Address::parse("ann@one.example").unwrap();
        new.source = QueueSource::Submission { account: AccountId(1), by };
        new.handling.release = Some(Release { at: Timestamp(1), held_for_seconds: Some(60) });
    })
    .await;
    sink.wait_for(3).await;
    let message = sink.received()[2].message.clone();
    assert!(is_right(&signer, &message).await, "{message}");
    // What nobody can sign, and what is not ours to sign, leaves as it is.
    lab.send_body(&["a@two.example"], "Subject: nobody's\r\n\r\nbody\r\n", |new| new.source = forward()).await;
    sink.wait_for(4).await;
    lab.send_body(&["a@two.example"], body, |_| {}).await;
    sink.wait_for(5).await;
    for received in &sink.received()[3..] {
        assert!(received.message.starts_with("Received: by mta.one.example\r\n"), "{}", received.message);
    }
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_downgraded_message_is_signed_as_it_leaves() {
    let mut lab = Lab::new().await;
    let signer = give_key(&lab, &cluster_secret(), KeyAlgorithm::Ed25519).await;
    // After STARTTLS this receiver offers 8BITMIME, without it not.
    let sink = Sink::start("127.0.0.2", 0, Tls::Broken).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    let worker = lab.worker(sink.address.port(), |_| {});
    let body = "From: bob@far.example\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
                Content-Transfer-Encoding: 8bit\r\n\r\n日本\r\n";
    lab.send_body(&["a@two.example"], body, |new| {
        new.source = forward();
        new.content.body = BodyKind::EightBit;
    })
    .await;
    sink.wait_for(1).await;
    let message = sink.received()[0].message.clone();
    assert!(message.is_ascii() && is_right(&signer, &message).await, "{message}");
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_open_puts_mail_off() {
    let mut lab = Lab::new().await;
    give_key(&lab, &Secret::new("another"), KeyAlgorithm::Ed25519).await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    let worker = lab.worker(sink.address.port(), |_| {});
    lab.send_body(&["a@two.example"], "From: b@far.example\r\n\r\nbody\r\n", |new| new.source = forward()).await;
    let waiting = lab.queued(|found| found.first().is_some_and(|delivery| delivery.attempts > 0)).await;
    let reply = waiting[0].last_reply.clone().or_else(|| waiting[0].recipients[0].last_reply.clone()).unwrap();
    assert_eq!((reply.code, reply.text.as_str()), (451, "the message can't be signed"));
    assert!(sink.received().is_empty());
    lab.stop(worker).await;
}

/// The set itself is verified by the tests of `dns-auth`.
#[tokio::test(flavor = "multi_thread")]
async fn forwarded_mail_is_sealed_where_it_was_verified_here_and_nothing_else_is() {
    let mut lab = Lab::new().await;
    give_key(&lab, &cluster_secret(), KeyAlgorithm::Rsa).await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    let worker = lab.worker(sink.address.port(), |config| config.arc_hosts = vec!["mx.one.example".to_owned()]);
    let found = |host: &str, more: &str| {
        format!("Authentication-Results: {host}; dmarc=pass header.from=far.example{more}\r\n")
    };
    let received = "Received: by mta.one.example\r\n";
    let verified = |host: &str, more: &str| format!("{}{received}", found(host, more));
    // What a message says in our name that came from where nobody looks for such fields, as over LMTP.
    let forged = format!("{received}{}", found("mx.one.example", ""));
    let reply = QueueSource::AutoReply { account: AccountId(1), by: name("one.example") };
    for (count, (source, fields, begins)) in [
        (forward(), verified("mx.one.example", ""), "ARC-Seal: i=1; a=rsa-sha256; "),
        (forward(), verified("mx.far.example", ""), "DKIM-Signature: "),
        (forward(), verified("mx.one.example", "; arc=fail (i=1 far.example)"), "DKIM-Signature: "),
        (forward(), forged, "DKIM-Signature: "),
        (reply, verified("mx.one.example", ""), "DKIM-Signature: "),
    ]
    .into_iter()
    .enumerate()
    {
        lab.send_body(&["a@two.example"], "From: bob@far.example\r\n\r\nbody\r\n", |new| {
            new.sender = ReversePath::Null;
            new.source = source;
            new.prefix = Bytes::from(format!("Delivered-To: ann@one.example\r\n{fields}"));
        })
        .await;
        sink.wait_for(count + 1).await;
        let sent = sink.received()[count].message.clone();
        assert!(sent.starts_with(begins), "{sent}");
        assert_eq!(sent.contains("\r\nDKIM-Signature: "), begins.starts_with("ARC"), "{sent}");
    }
    lab.stop(worker).await;
}
