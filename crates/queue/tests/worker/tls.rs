//! TLS: taken where it is offered, done without where it is broken, and never done without where a policy forbids that.

use std::sync::Arc;

use rustls::ClientConfig;
use yubin_queue::TlsPolicy;
use yubin_state::queue::{DeliveryState, FinalOutcome};

use crate::lab::Lab;
use crate::sink::{Sink, Tls, acceptor};

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
    lab.stop(worker).await;
}

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
    let nobody = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let (config, name) = (Arc::new(nobody), "mx.two.example".parse().unwrap());
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
