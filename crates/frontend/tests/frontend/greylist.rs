//! Strangers are asked to come again, welcome when they do, and whoever is known elsewhere is welcome at once.

use std::time::Duration;

use yubin_dns_auth::verify::{DnsList, Verifier};
use yubin_frontend::{GreylistTerms, GreylistingConfig, InboundConfig, SpfWelcome};
use yubin_types::DomainName;

use crate::dns_server::{DnsServer, Signing, Zone};
use crate::verification::{enforced, send};
use crate::world::World;

const TERMS: GreylistTerms =
    GreylistTerms { delay_seconds: 1, retry_seconds: 86_400, welcome_seconds: 86_400, network_passes: 2 };
const ALICE: &str = "alice@example.jp";
const BOB: &str = "bob@example.jp";
const MESSAGE: &str = "From: a@x.test\r\nSubject: x\r\n\r\nhello";

async fn world(change: impl FnOnce(&mut InboundConfig, &mut GreylistingConfig)) -> (World, DnsServer) {
    let dns = DnsServer::start(&[
        Zone("good.test.", Signing::Unsigned, "@ IN TXT \"v=spf1 ip4:127.0.0.1 -all\"\n"),
        Zone("x.test.", Signing::Unsigned, "a IN A 192.0.2.1\n"),
        Zone("0.0.127.in-addr.arpa.", Signing::Unsigned, "2 IN PTR host.x.test.\n"),
        Zone("names.test.", Signing::Unsigned, "host IN A 127.0.0.1\n"),
        Zone("wl.test.", Signing::Unsigned, "1.0.0.127 IN A 127.0.0.2\n"),
    ])
    .await;
    let mut inbound = enforced(Verifier::new(dns.resolver()).unwrap());
    let mut greylisting = GreylistingConfig { terms: TERMS, spf_pass: SpfWelcome::Wait, domains: Vec::new() };
    change(&mut inbound, &mut greylisting);
    inbound.greylisting = Some(greylisting);
    (World::verifying(Some(inbound)).await, dns)
}

/// Comes again until it is welcome.
async fn come_again(world: &World, to: &str, sender: &str) -> String {
    let trying = async {
        loop {
            let reply = send(world, to, sender, MESSAGE).await;
            if !reply.starts_with("451") {
                return reply;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), trying).await.unwrap()
}

#[tokio::test]
async fn a_stranger_waits_and_a_network_that_comes_again_is_known() {
    let (world, _dns) = world(|_, _| {}).await;
    let first = send(&world, ALICE, "a@x.test", MESSAGE).await;
    assert!(first.starts_with("451 4.7.1 <alice@example.jp>: Greylisted") && first.contains("in 1 second"), "{first}");
    assert!(come_again(&world, ALICE, "a@x.test").await.starts_with("250"));
    assert!(send(&world, ALICE, "a@x.test", MESSAGE).await.starts_with("250"), "and is welcome from then on");
    assert!(send(&world, BOB, "a@x.test", MESSAGE).await.starts_with("451"), "to others it is a stranger");
    assert!(come_again(&world, BOB, "a@x.test").await.starts_with("250"));
    assert!(send(&world, BOB, "new@x.test", MESSAGE).await.starts_with("250"), "two of its strangers came again");
}

#[tokio::test]
async fn bounces_and_unknown_recipients_are_not_asked() {
    let (world, _dns) = world(|_, _| {}).await;
    assert!(send(&world, ALICE, "", MESSAGE).await.starts_with("250"));
    assert!(send(&world, "nobody@example.jp", "a@x.test", MESSAGE).await.starts_with("550"));
}

#[tokio::test]
async fn whoever_is_known_elsewhere_is_welcome_at_once() {
    let (waits, _dns) = world(|_, _| {}).await;
    assert!(send(&waits, ALICE, "a@good.test", MESSAGE).await.starts_with("451"), "SPF alone means nothing");
    let (spf, _dns) = world(|_, greylisting| greylisting.spf_pass = SpfWelcome::Welcome).await;
    assert!(send(&spf, ALICE, "a@good.test", MESSAGE).await.starts_with("250"), "unless it is configured");
    assert!(send(&spf, ALICE, "a@x.test", MESSAGE).await.starts_with("451"));
    let zone = DomainName::parse("wl.test").unwrap();
    let trusted = |inbound: &mut InboundConfig, _: &mut GreylistingConfig| {
        inbound.lists.push(DnsList { zone, score: -5, lookup: String::new(), answers: Vec::new() });
    };
    let (listed, _dns) = world(trusted).await;
    assert!(send(&listed, ALICE, "a@x.test", MESSAGE).await.starts_with("250"), "a list of trusted hosts");
    let elsewhere = DomainName::parse("other.example").unwrap();
    let (other, _dns) = world(|_, greylisting| greylisting.domains.push(elsewhere)).await;
    assert!(send(&other, ALICE, "a@x.test", MESSAGE).await.starts_with("250"), "a domain that doesn't want it");
}
