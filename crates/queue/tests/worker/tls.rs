//! TLS: taken where it is offered, done without where it is broken, and never done without where a policy forbids that.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use yubin_proto::queue::whole_group;
use yubin_queue::TlsPolicy;
use yubin_state::queue::{DeliveryState, EventFilter, FinalOutcome, TlsUse};

use crate::lab::{GROUP, Lab};
use crate::sink::{Sink, Tls, acceptor, certified};

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_taken_with_any_certificate_and_done_without_if_it_is_broken() {
    let mut lab = Lab::new().await;
    let good = Sink::start("127.0.0.2", 0, Tls::Works(acceptor("other.name.example"))).await;
    let broken = Sink::start("127.0.0.3", good.address.port(), Tls::Broken).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    lab.zone.mx("three.example", &[("mx.three.example", "127.0.0.3")]);
    let worker = lab.worker(good.address.port(), |_| {});
    lab.send(&["a@two.example", "b@three.example"], |_| {}).await;
    let events = lab.events(2).await;
    assert!(events.iter().all(|record| record.event.outcome == FinalOutcome::Delivered), "{events:#?}");
    assert!(good.received()[0].over_tls);
    assert!(!broken.received()[0].over_tls);
    assert_eq!(broken.connections(), 2, "one with the broken handshake, one in clear");
    // What left from where, and under what, is remembered.
    let tls_to = |to: &str| {
        let event = &events.iter().find(|record| record.event.recipient.destination.to_string() == to).unwrap().event;
        assert_eq!(event.tenant.to_string(), "one.example");
        let way = event.reply.as_ref().unwrap().way.as_ref().unwrap();
        (way.source.unwrap().to_string(), way.tls.clone())
    };
    assert_eq!(tls_to("two.example"), ("127.0.0.1".into(), TlsUse::Unverified("TLSv1.3".into())));
    assert_eq!(tls_to("three.example"), ("127.0.0.1".into(), TlsUse::Clear));
    for (source, count) in [("127.0.0.1", 2), ("127.0.0.9", 0)] {
        let filter = EventFilter { source: source.parse().ok(), ..EventFilter::default() };
        let (found, _) = lab.client.events(whole_group(GROUP), filter, None, 10).await.unwrap();
        assert_eq!(found.len(), count, "{source}");
    }
    lab.stop(worker).await;
}

/// A client that believes these certificates and no others.
fn believing(certificates: Vec<CertificateDer<'static>>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    certificates.into_iter().for_each(|certificate| roots.add(certificate).unwrap());
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// Attack list, item 16: between us and a host whose certificate must be verified stands somebody else, who strips STARTTLS, breaks the
/// handshake, or shows a certificate of another name, of another time, or of nobody that is believed. Mail waits, and is never sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_man_in_the_middle_gets_no_mail() {
    let mut lab = Lab::new().await;
    let (right, believed) = certified("mx.right.example", 2100);
    let (other, of_another) = certified("mx.elsewhere.example", 2100);
    let (late, expired) = certified("mx.late.example", 2020);
    let config = believing(vec![believed, of_another, expired]);
    let honest = Sink::start("127.0.0.2", 0, Tls::Works(right)).await;
    let port = honest.address.port();
    let mut liars = Vec::new();
    for (place, (name, tls)) in [
        ("right", None),
        ("other", Some(Tls::Works(other))),
        ("late", Some(Tls::Works(late))),
        ("stranger", Some(Tls::Works(acceptor("mx.stranger.example")))),
        ("stripped", Some(Tls::None)),
        ("broken", Some(Tls::Broken)),
    ]
    .into_iter()
    .enumerate()
    {
        let (ip, domain, host) =
            (format!("127.0.0.{}", place + 2), format!("{name}.example"), format!("mx.{name}.example"));
        lab.zone.mx(&domain, &[(&host, &ip)]);
        let name = host.parse().unwrap();
        lab.zone.policy(&host, TlsPolicy::Verified { config: Arc::clone(&config), name, identity: "MTA-STS".into() });
        if let Some(tls) = tls {
            liars.push(Sink::start(&ip, port, tls).await);
        }
    }
    let worker = lab.worker(port, |_| {});
    let recipients = [
        "a@right.example",
        "a@other.example",
        "a@late.example",
        "a@stranger.example",
        "a@stripped.example",
        "a@broken.example",
    ];
    lab.send(&recipients, |_| {}).await;
    honest.wait_for(1).await;
    assert!(honest.received()[0].over_tls);
    let way = lab.events(1).await.remove(0).event.reply.unwrap().way.unwrap();
    assert_eq!(way.tls, TlsUse::Verified("TLSv1.3".into()));
    let tried = |found: &[yubin_state::queue::Delivery]| {
        found.len() == 5
            && found.iter().all(|delivery| delivery.attempts == 1 && delivery.state == DeliveryState::Scheduled)
    };
    for delivery in lab.queued(tried).await {
        let reply = delivery.recipients[0].last_reply.as_ref().unwrap();
        assert_eq!((reply.code, reply.enhanced.map(|status| status.subject)), (451, Some(7)), "{reply:?}");
    }
    assert!(liars.iter().all(|liar| liar.received().is_empty()));
    lab.stop(worker).await;
}

/// Attack list, item 16.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_forbids_the_clear() {
    let mut lab = Lab::new().await;
    let port = {
        let stranger = Sink::start("127.0.0.2", 0, Tls::Works(acceptor("mx.two.example"))).await;
        lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
        stranger.address.port()
    };
    let without = Sink::start("127.0.0.3", port, Tls::None).await;
    let broken = Sink::start("127.0.0.4", port, Tls::Broken).await;
    lab.zone.mx("three.example", &[("mx.three.example", "127.0.0.3")]);
    lab.zone.mx("four.example", &[("mx.four.example", "127.0.0.4")]);
    lab.zone.mx("five.example", &[("mx.five.example", "127.0.0.3")]);
    // No authority is trusted, so no certificate is good.
    let (config, name) = (believing(Vec::new()), "mx.two.example".parse().unwrap());
    lab.zone.policy("mx.two.example", TlsPolicy::Verified { config, name, identity: "nobody".into() });
    lab.zone.policy("mx.three.example", TlsPolicy::Encrypted);
    lab.zone.policy("mx.four.example", TlsPolicy::Encrypted);
    lab.zone.policy("mx.five.example", TlsPolicy::Deferred("TLSA records can't be validated".into()));
    let worker = lab.worker(port, |_| {});
    let recipients = ["a@two.example", "a@three.example", "a@four.example", "a@five.example"];
    lab.send(&recipients, |_| {}).await;
    let tried = |found: &[yubin_state::queue::Delivery]| {
        found.len() == 4
            && found.iter().all(|delivery| delivery.attempts == 1 && delivery.state == DeliveryState::Scheduled)
    };
    for delivery in lab.queued(tried).await {
        let reply = delivery.recipients[0].last_reply.as_ref().unwrap();
        assert_eq!(reply.code, 451, "{reply:?}");
        assert_eq!(reply.enhanced.map(|status| status.subject), Some(7), "{reply:?}");
    }
    assert!(without.received().is_empty() && broken.received().is_empty());
    lab.stop(worker).await;
}
