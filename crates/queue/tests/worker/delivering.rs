//! Mail that arrives: at receivers, in mailboxes of this cluster, over connections that are used again.

use std::time::Duration;

use yubin_queue::{Family, KnownBy, Profile, SmartHost, SmartHostName, SmartHostTls};
use yubin_state::queue::{BodyKind, FinalOutcome, NotifyOn, NotifySet};
use yubin_types::ReversePath;

use crate::lab::Lab;
use crate::sink::{Sink, Tls};

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_out_at_once_and_each_recipient_ends_once() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    let worker = lab.worker(sink.address.port(), |_| {});
    lab.send(&["a@two.example", "gone@two.example"], |_| {}).await;
    sink.wait_for(1).await;
    let received = &sink.received()[0];
    assert_eq!(
        (received.sender.as_str(), &received.recipients),
        ("ann@one.example", &vec!["a@two.example".to_owned()])
    );
    let start = "Received: by mta.one.example\r\nSubject: to a@two.example gone@two.example\r\n\r\n..dot\r\n";
    assert!(received.message.starts_with(start), "{}", received.message);

    // a, gone, and the notice of failure in the sender's mailbox.
    let events = lab.events(3).await;
    let of = |local: &str| events.iter().find(|record| record.event.recipient.local.as_str() == local).unwrap();
    assert_eq!(of("a").event.outcome, FinalOutcome::Delivered);
    let reply = of("a").event.reply.clone().unwrap();
    assert_eq!((reply.code, reply.text.as_str(), reply.host.as_str()), (250, "taken", "mx.two.example[127.0.0.2]"));
    assert_eq!(of("gone").event.outcome, FinalOutcome::Bounced);
    assert_eq!(of("ann").event.outcome, FinalOutcome::Delivered);
    let [notice] = &lab.inbox("ann").await[..] else { panic!("one notice") };
    for text in
        ["Return-Path: <>", "multipart/report", "gone@two.example", "550 5.1.1 no such user here", "Action: failed"]
    {
        assert!(notice.contains(text), "{text:?} in {notice}");
    }
    assert!(lab.queued(<[_]>::is_empty).await.is_empty());
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_used_again_and_said_goodbye_to() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    // Another domain with the same host shares its connections.
    lab.zone.mx("three.example", &[("mx.two.example", "127.0.0.2")]);
    let worker = lab.worker(sink.address.port(), |_| {});
    for number in 0..10 {
        let domain = if number % 2 == 0 { "two.example" } else { "three.example" };
        lab.send(&[&format!("a{number}@{domain}")], |_| {}).await;
        sink.wait_for(number + 1).await;
        lab.events(number + 1).await;
    }
    assert_eq!(sink.connections(), 1, "mail that follows mail needs no new connection");
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_hosts_that_are_equally_good_the_one_that_is_connected_goes_first() {
    let (mut lab, sink) = Lab::with_sink().await;
    lab.zone.equals("two.example", &["a.two.example", "b.two.example", "c.two.example"], "127.0.0.2");
    let worker = lab.worker(sink.address.port(), |_| {});
    for number in 1..=20 {
        lab.send(&[&format!("a{number}@two.example")], |_| {}).await;
        lab.events(number).await;
    }
    assert_eq!(sink.connections(), 1);
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_at_rest_ends_before_another_host_gets_one() {
    let (mut lab, sink) = Lab::with_sink().await;
    // Of one receiver, whatever its hosts are.
    let receiver = Profile {
        name: "two".to_owned(),
        domains: vec!["two.example".parse().unwrap()],
        mx_hosts: Vec::new(),
        deliveries_max: 5,
        per_minute_max: 0,
        recipients_per_transaction_max: 100,
        transactions_per_connection_max: 100,
        pause_seconds: 30,
        pause_seconds_max: 60,
        prefers: Family::V4,
        known_by: KnownBy::Profile,
    };
    let worker = lab.worker(sink.address.port(), |config| config.profiles = vec![receiver]);
    for (number, host) in (1..).zip(["a.two.example", "b.two.example", "a.two.example"]) {
        lab.zone.mx("two.example", &[(host, "127.0.0.2")]);
        lab.send(&["a@two.example"], |_| {}).await;
        lab.events(number).await;
    }
    assert_eq!((sink.connections(), sink.most_open()), (3, 1));
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_is_recorded_before_its_connection_ends() {
    let (mut lab, sink) = Lab::with_sink().await;
    sink.cling();
    let worker = lab.worker(sink.address.port(), |config| config.idle_time_max = Duration::ZERO);
    lab.send(&["a@two.example"], |_| {}).await;
    lab.events(1).await;
    assert_eq!(sink.open(), 1, "what came of it is known while goodbye is still being said");
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_to_hosted_domains_needs_no_smtp() {
    let mut lab = Lab::new().await;
    let worker = lab.worker(9, |_| {});
    lab.send(&["bob@one.example", "nobody@one.example"], |new| {
        new.deliveries[0].recipients[0].notify = NotifySet::of(&[NotifyOn::Success, NotifyOn::Failure]);
    })
    .await;
    let events = lab.events(4).await;
    let outcome = |local: &str| {
        events.iter().find(|record| record.event.recipient.local.as_str() == local).unwrap().event.outcome
    };
    assert_eq!((outcome("bob"), outcome("nobody")), (FinalOutcome::Delivered, FinalOutcome::Bounced));
    let [message] = &lab.inbox("bob").await[..] else { panic!("one message") };
    let start = "Return-Path: <ann@one.example>\r\nDelivered-To: bob@one.example\r\nReceived: by mta.one.example\r\nSubject: to";
    assert!(message.starts_with(start), "{message}");
    let notices = lab.inbox("ann").await;
    assert_eq!(notices.len(), 2);
    assert!(notices.iter().any(|notice| notice.contains("Action: delivered") && notice.contains("bob@one.example")));
    assert!(notices.iter().any(|notice| notice.contains("Action: failed") && notice.contains("nobody@one.example")));
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smart_host_takes_what_is_configured_for_it() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.3", 0, Tls::None).await;
    let port = sink.address.port();
    let worker = lab.worker(9, |config| {
        config.smart_hosts = vec![SmartHost {
            sender_domains: vec!["one.example".parse().unwrap()],
            destinations: vec![],
            host: SmartHostName::Address("127.0.0.3".parse().unwrap()),
            port,
            tls: SmartHostTls::Opportunistic,
            login: None,
        }];
    });
    lab.send(&["a@anywhere.example"], |_| {}).await;
    sink.wait_for(1).await;
    assert_eq!(lab.events(1).await[0].event.outcome, FinalOutcome::Delivered);
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_beyond_a_transaction_go_in_the_next() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    let worker = lab.worker(sink.address.port(), |config| config.recipients_per_transaction_max = 40);
    let recipients: Vec<String> = (0..100).map(|number| format!("r{number}@two.example")).collect();
    lab.send(&recipients.iter().map(String::as_str).collect::<Vec<_>>(), |_| {}).await;
    lab.events(100).await;
    let counts: Vec<usize> = sink.received().iter().map(|received| received.recipients.len()).collect();
    assert_eq!((counts, sink.connections()), (vec![40, 40, 20], 1));
    lab.stop(worker).await;
}

/// RFC 5321 §4.5.3.1.10: some servers say 552 where 452 is meant.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_server_s_552_means_the_next_transaction_unless_it_says_otherwise() {
    let (mut lab, sink) = Lab::with_sink().await;
    let worker = lab.worker(sink.address.port(), |_| {});
    lab.send(&["a@two.example", "next-1@two.example", "next-2@two.example", "large@two.example"], |new| {
        new.sender = ReversePath::Null;
    })
    .await;
    let events = lab.events(4).await;
    let bounced: Vec<_> = events
        .iter()
        .filter(|record| record.event.outcome == FinalOutcome::Bounced)
        .map(|record| &record.event)
        .collect();
    let [full] = &bounced[..] else { panic!("{events:#?}") };
    assert_eq!(full.recipient.local.as_str(), "large");
    assert!(sink.received().iter().all(|mail| mail.recipients.len() == 1) && sink.received().len() == 3);
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_bits_are_downgraded_for_a_server_that_takes_seven() {
    let mut lab = Lab::new().await;
    // After STARTTLS this receiver offers 8BITMIME, without it not.
    let sink = Sink::start("127.0.0.2", 0, Tls::Broken).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    let worker = lab.worker(sink.address.port(), |_| {});
    let body = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\u{fc}\u{df}e\r\n";
    lab.send_body(&["a@two.example"], body, |new| new.content.body = BodyKind::EightBit).await;
    sink.wait_for(1).await;
    let message = &sink.received()[0].message;
    assert!(message.contains("Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n"), "{message}");
    assert_eq!(lab.events(1).await[0].event.outcome, FinalOutcome::Delivered);
    lab.stop(worker).await;
}
