//! DKIM keys through the admin service: made for domains that have none, rotated, and opened again by who has the cluster's secret.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "shared with the tests of the queue")]
mod api;

use yubin_dns_auth::dkim::{KeyAlgorithm, KeyName, KeySealer, OpenError};
use yubin_proto::r#gen::admin as wire;
use yubin_proto::r#gen::admin::admin_server::Admin as _;
use yubin_state::record::DkimKey;
use yubin_state::{Answer, Query};
use yubin_types::{DomainName, Secret};

use api::{SECRET, World};

const DOMAIN: &str = "a.example";

fn request<T>(world: &World, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {}", world.token).parse().unwrap());
    request
}

async fn dns(world: &World) -> Vec<wire::DnsRecord> {
    let asked = wire::GetDomainDnsRequest { name: DOMAIN.to_owned() };
    world.service.get_domain_dns(request(world, asked)).await.unwrap().into_inner().records
}

async fn rotate(world: &World) -> Vec<wire::DnsRecord> {
    let asked = wire::RotateDkimRequest { name: DOMAIN.to_owned(), ..Default::default() };
    world.service.rotate_dkim(request(world, asked)).await.unwrap().into_inner().records
}

async fn stored(world: &World) -> Vec<DkimKey> {
    match world.client.query(world.domains[DOMAIN], Query::DkimKeys).await.unwrap() {
        Answer::DkimKeys(keys) => keys,
        other => panic!("{other:?}"),
    }
}

fn selectors(records: &[wire::DnsRecord]) -> Vec<&str> {
    records.iter().map(|record| record.selector.as_str()).filter(|selector| !selector.is_empty()).collect()
}

#[tokio::test]
async fn a_domain_from_before_there_were_keys_gets_them_when_it_is_asked_for_its_records() {
    let world = World::new(&[(DOMAIN, 1)]).await;
    assert_eq!(stored(&world).await, []);
    let records = dns(&world).await;
    assert_eq!(selectors(&records), ["yubin1-ed25519", "yubin1-rsa"]);
    assert_eq!(dns(&world).await, records, "they are made once");

    let domain = DomainName::parse(DOMAIN).unwrap();
    let keys = stored(&world).await;
    for (key, algorithm) in keys.iter().zip([KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa]) {
        let name = KeyName { domain: &domain, selector: &key.selector };
        let opened = KeySealer::new(&Secret::new(SECRET)).open(name, &key.sealed).unwrap();
        assert_eq!((opened.algorithm(), opened.record()), (algorithm, key.record.clone()));
        assert!(records.iter().any(|record| record.value == key.record));
        let foreign = KeySealer::new(&Secret::new([8; 32])).open(name, &key.sealed);
        assert_eq!(foreign.unwrap_err(), OpenError::Foreign);
    }
}

#[tokio::test]
async fn a_rotation_begins_where_there_are_no_keys_and_waits_where_there_are() {
    let world = World::new(&[(DOMAIN, 1)]).await;
    assert_eq!(selectors(&rotate(&world).await), ["yubin1-ed25519", "yubin1-rsa"]);
    let waiting = rotate(&world).await;
    assert_eq!(selectors(&waiting), ["yubin1-ed25519", "yubin1-rsa", "yubin2-ed25519", "yubin2-rsa"]);
    let states: Vec<i32> = waiting.iter().map(|record| record.dkim).filter(|state| *state != 0).collect();
    let (active, pending): (i32, i32) = (wire::DkimState::Active.into(), wire::DkimState::Pending.into());
    assert_eq!(states, [active, active, pending, pending]);
    assert_eq!(rotate(&world).await, waiting);
}

/// Nobody answers, so nothing is said to be missing.
#[tokio::test]
async fn what_can_not_be_looked_up_is_said_to_be_unknown() {
    let world = World::new(&[(DOMAIN, 1)]).await;
    let asked = wire::CheckDomainDnsRequest { name: DOMAIN.to_owned() };
    let findings = world.service.check_domain_dns(request(&world, asked)).await.unwrap().into_inner().findings;
    let subjects: Vec<_> = findings.iter().map(wire::DnsFinding::subject).collect();
    use wire::DnsSubject::{Dkim, Dmarc, MtaSts, Mx, Spf, TlsRpt};
    assert_eq!(subjects, [Mx, Spf, Dkim, Dkim, Dmarc, MtaSts, TlsRpt]);
    for finding in findings {
        assert_eq!(finding.verdict(), wire::DnsVerdict::Unknown, "{finding:?}");
        assert!(finding.faults[0].what.contains("can't be looked up now"), "{finding:?}");
    }
}

/// What nobody can see is not signed with, unless the caller knows better.
#[tokio::test]
async fn keys_that_can_not_be_looked_up_are_not_activated() {
    let world = World::new(&[(DOMAIN, 1)]).await;
    rotate(&world).await;
    rotate(&world).await;
    let activate = |unchecked| wire::ActivateDkimRequest { name: DOMAIN.to_owned(), unchecked, ..Default::default() };
    let refused = world.service.activate_dkim(request(&world, activate(false))).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains("yubin2-rsa._domainkey.a.example"), "{refused}");
    let active = world.service.activate_dkim(request(&world, activate(true))).await.unwrap().into_inner();
    let states: Vec<i32> = active.records.iter().map(|record| record.dkim).filter(|state| *state != 0).collect();
    let (retiring, active): (i32, i32) = (wire::DkimState::Retiring.into(), wire::DkimState::Active.into());
    assert_eq!(states, [retiring, retiring, active, active]);
}
