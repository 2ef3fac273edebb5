//! How a sender wants mail handled: what is demanded of the next server, and what becomes of mail where that can't be had.

use std::sync::Arc;

use yubin_dns_auth::tls::{PeerCheck, client_config};
use yubin_queue::TlsPolicy;
use yubin_state::queue::{DelayNotice, Delivery, DeliveryState, FinalOutcome, NewQueued, NotifySet, TlsDemand};
use yubin_types::{Address, ByMode, ByTrace, Deadline, Priority, Release, ReversePath, Timestamp};

use crate::lab::Lab;
use crate::sink::{Sink, Tls, acceptor};

/// A policy under which a host's certificate counts as verified.
fn verified(host: &str) -> TlsPolicy {
    let config = Arc::new(client_config(PeerCheck::Nothing).unwrap());
    TlsPolicy::Verified { config, name: host.parse().unwrap(), identity: "any".into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn requiretls_goes_to_a_verified_host_that_offers_it_or_comes_back_as_its_header() {
    let mut lab = Lab::new().await;
    let without = Sink::start("127.0.0.2", 0, Tls::Works(acceptor("mx1.two.example"))).await;
    let port = without.address.port();
    let with = Sink::start("127.0.0.3", port, Tls::Works(acceptor("mx2.two.example"))).await;
    with.offer("REQUIRETLS");
    lab.zone.mx("two.example", &[("mx1.two.example", "127.0.0.2"), ("mx2.two.example", "127.0.0.3")]);
    lab.zone.mx("three.example", &[("mx1.two.example", "127.0.0.2")]);
    lab.zone.mx("four.example", &[("mx.four.example", "127.0.0.3")]);
    lab.zone.policy("mx1.two.example", verified("mx1.two.example"));
    lab.zone.policy("mx2.two.example", verified("mx2.two.example"));
    let worker = lab.worker(port, |_| {});
    let required = |new: &mut NewQueued| new.content.tls = TlsDemand::Required;
    lab.send(&["a@two.example"], required).await;
    with.wait_for(1).await;
    let taken = with.received().remove(0);
    assert!(taken.over_tls && taken.parameters.split(' ').any(|word| word == "REQUIRETLS"), "{taken:?}");
    assert_eq!(without.connections(), 1, "it was asked first");

    // No other host offers it; and nobody can say whose host the other one is.
    lab.send_body(&["b@three.example", "c@four.example"], "Subject: secret\r\n\r\nin confidence\r\n", required).await;
    let events = lab.events(5).await;
    let told = |local: &str| {
        let found = events.iter().find(|record| record.event.recipient.local.as_str() == local).unwrap();
        (found.event.outcome, found.event.reply.as_ref().unwrap().enhanced.unwrap().to_string())
    };
    assert_eq!(told("b"), (FinalOutcome::Bounced, "5.7.30".to_owned()));
    assert_eq!(told("c"), (FinalOutcome::Bounced, "5.7.10".to_owned()));
    let notices = lab.inbox("ann").await;
    assert_eq!(notices.len(), 2);
    for notice in notices {
        assert!(notice.contains("text/rfc822-headers") && notice.contains("Subject: secret"), "{notice}");
        assert!(!notice.contains("in confidence"), "{notice}");
    }
    assert!(without.received().is_empty());
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notice_of_mail_that_demands_tls_demands_it_too() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    let worker = lab.worker(sink.address.port(), |_| {});
    // The notice goes to a server that can't be verified: it is given up, and told to nobody.
    lab.send(&["a@two.example"], |new| {
        new.sender = ReversePath::Address(Address::parse("bob@two.example").unwrap());
        new.content.tls = TlsDemand::Required;
    })
    .await;
    let events = lab.events(2).await;
    assert!(events.iter().all(|record| record.event.outcome == FinalOutcome::Bounced), "{events:#?}");
    assert_eq!(sink.connections(), 0);
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_waives_tls_goes_where_a_policy_would_stop_it() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    for (domain, host, policy) in [
        ("two.example", "mx.two.example", TlsPolicy::Encrypted),
        ("three.example", "mx.three.example", TlsPolicy::Deferred("TLSA records can't be validated".into())),
        ("four.example", "mx.four.example", TlsPolicy::Excluded("not in the policy".into())),
        ("five.example", "mx.five.example", verified("mx.five.example")),
    ] {
        lab.zone.mx(domain, &[(host, "127.0.0.2")]);
        lab.zone.policy(host, policy);
    }
    let worker = lab.worker(sink.address.port(), |_| {});
    let to = ["a@two.example", "a@three.example", "a@four.example", "a@five.example"];
    lab.send(&to, |new| new.content.tls = TlsDemand::Waived).await;
    let events = lab.events(4).await;
    assert!(events.iter().all(|record| record.event.outcome == FinalOutcome::Delivered), "{events:#?}");
    lab.stop(worker).await;
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_millis()).unwrap())
}

fn by(seconds: u64, mode: ByMode, trace: ByTrace) -> impl FnOnce(&mut NewQueued) {
    move |new| new.handling.deadline = Some(Deadline { at: now().plus_seconds(seconds), mode, trace })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_back_reaches_nobody_before_its_release() {
    let (mut lab, sink) = Lab::with_sink().await;
    let worker = lab.worker(sink.address.port(), |_| {});
    let released = now().plus_seconds(3);
    lab.send(&["a@two.example", "bob@one.example"], |new| {
        new.handling.release = Some(Release { at: released, held_for_seconds: Some(3) });
    })
    .await;
    let waiting = lab.queued(|found| found.len() == 2).await;
    assert!(waiting.iter().all(|delivery| delivery.state == DeliveryState::Scheduled && delivery.attempts == 0));
    assert!(sink.received().is_empty() && lab.inbox("bob").await.is_empty());
    let events = lab.events(2).await;
    assert!(events.iter().all(|record| record.event.outcome == FinalOutcome::Delivered && record.at >= released));
    assert_eq!((sink.received().len(), lab.inbox("bob").await.len()), (1, 1));
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_and_deadline_are_passed_on_to_who_offers_them() {
    let (mut lab, sink) = Lab::with_sink().await;
    sink.offer("MT-PRIORITY");
    sink.offer("DELIVERBY 5");
    let worker = lab.worker(sink.address.port(), |_| {});
    lab.send(&["a@two.example"], |new| {
        new.handling.priority = Priority::new(-3).unwrap();
        by(600, ByMode::Return, ByTrace::Off)(new);
    })
    .await;
    sink.wait_for(1).await;
    let parameters = sink.received()[0].parameters.clone();
    assert!(parameters.contains(" MT-PRIORITY=-3 "), "{parameters}");
    let left: u64 = parameters.split("BY=").nth(1).unwrap().strip_suffix(";R").unwrap().parse().unwrap();
    assert!((540..600).contains(&left), "{parameters}");
    // Who follows a message hears of every server that takes it over.
    lab.send(&["b@two.example"], by(600, ByMode::Notify, ByTrace::On)).await;
    sink.wait_for(2).await;
    assert!(sink.received()[1].parameters.ends_with(";NT"), "{:?}", sink.received()[1]);
    lab.events(3).await;
    let [notice] = &lab.inbox("ann").await[..] else { panic!("one notice") };
    assert!(notice.contains("Action: relayed") && notice.contains("Deliver-By-Date: "), "{notice}");
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_nobody_takes_over_ends_here() {
    let (mut lab, sink) = Lab::with_sink().await;
    let worker = lab.worker(sink.address.port(), |_| {});
    // It must come back by then, and the next server promises nothing.
    lab.send(&["a@two.example"], by(600, ByMode::Return, ByTrace::Off)).await;
    let events = lab.events(2).await;
    let bounced = events.iter().find(|record| record.event.recipient.local.as_str() == "a").unwrap();
    assert_eq!(bounced.event.outcome, FinalOutcome::Bounced);
    assert_eq!(bounced.event.reply.as_ref().unwrap().enhanced.unwrap().to_string(), "5.3.3");
    assert!(sink.received().is_empty());
    // The sender is told that nobody will tell; but for who wants to hear nothing.
    lab.send(&["b@two.example"], by(600, ByMode::Notify, ByTrace::Off)).await;
    lab.send(&["c@two.example"], |new| {
        new.deliveries[0].recipients[0].notify = NotifySet::NEVER;
        by(600, ByMode::Notify, ByTrace::Off)(new);
    })
    .await;
    sink.wait_for(2).await;
    assert!(sink.received().iter().all(|received| !received.parameters.contains("BY=")));
    lab.events(5).await;
    let notices = lab.inbox("ann").await;
    assert_eq!(notices.iter().filter(|notice| notice.contains("Action: relayed")).count(), 1, "{notices:#?}");
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_mail_comes_back_or_its_sender_is_told_once() {
    let (mut lab, sink) = Lab::with_sink().await;
    sink.offer("DELIVERBY");
    sink.greet(Some("421 4.3.2 not today"));
    let worker = lab.worker(sink.address.port(), |_| {});
    let began = now();
    lab.send(&["a@two.example"], by(3, ByMode::Return, ByTrace::Off)).await;
    lab.send(&["b@two.example"], by(3, ByMode::Notify, ByTrace::Off)).await;
    let told = |found: &[Delivery]| {
        let is_told = |delivery: &Delivery| delivery.delay_notice == DelayNotice::Sent;
        found.iter().any(|delivery| delivery.destination.to_string() == "two.example" && is_told(delivery))
    };
    lab.queued(told).await;
    let events = lab.events(3).await;
    let returned = events.iter().find(|record| record.event.recipient.local.as_str() == "a").unwrap();
    let after = returned.at.millis_since(began);
    assert!((2_900..20_000).contains(&after), "{after} ms");
    let notices = lab.inbox("ann").await;
    let notice = |action: &str| notices.iter().filter(|notice| notice.contains(action)).collect::<Vec<_>>();
    let ([failed], [delayed]) = (&notice("Action: failed")[..], &notice("Action: delayed")[..]) else {
        panic!("{notices:#?}")
    };
    assert!(failed.contains("Status: 5.4.7") && delayed.contains("Status: 4.4.7"), "{notices:#?}");
    // It is tried further.
    sink.greet(None);
    let waiting = lab.queued(|found| found.len() == 1).await;
    assert!(waiting[0].expires > began.plus_seconds(86_400));
    lab.stop(worker).await;
}
