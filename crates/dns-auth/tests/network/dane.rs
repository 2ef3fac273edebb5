//! DANE from the DNS to the handshake: signed TLSA records, certificates made to fit or not.

use ring::digest::{SHA256, SHA512, digest};
use rustls::pki_types::ServerName;
use tokio::io::duplex;
use tokio_rustls::TlsConnector;
use yubin_dns_auth::dane::{Decision, Target, decide};
use yubin_dns_auth::tls::{PeerCheck, client_config};
use yubin_dns_auth::tls_rpt::result_of_handshake;
use yubin_dns_auth::{LookupError, Security, TemporaryCause};
use yubin_types::DomainName;
use yubin_types::report::TlsResultType;

use crate::dns_server::{DnsServer, Signing, Zone};
use crate::tls_server::{Authority, Identity};

fn domain(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What DANE says of `mx.signed.test` when these are its TLSA records.
async fn decision(tlsa: &[String]) -> Decision {
    let mut records = "mx IN A 192.0.2.1\n".to_owned();
    for record in tlsa {
        records.push_str(&format!("_25._tcp.mx IN TLSA {record}\n"));
    }
    let server = DnsServer::start(&[Zone("signed.test.", Signing::Signed, &records)]).await;
    let (domain, host) = (domain("signed.test"), domain("mx.signed.test"));
    let target = Target { domain: &domain, mx_security: Security::Secure, host: &host, port: 25 };
    decide(&server.resolver(), target).await
}

/// A handshake of a client that these records bind with a server that shows this certificate.
async fn handshake(tlsa: &[String], identity: &Identity) -> Result<(), TlsResultType> {
    let Decision::Required(requirement) = decision(tlsa).await else { panic!("no usable record in {tlsa:?}") };
    let name = ServerName::try_from(requirement.base.to_string()).unwrap();
    let connector = TlsConnector::from(std::sync::Arc::new(client_config(PeerCheck::Dane(requirement)).unwrap()));
    let (client, server) = duplex(64 * 1024);
    let (client, _) = tokio::join!(connector.connect(name, client), identity.acceptor().accept(server));
    client
        .map(drop)
        .map_err(|error| result_of_handshake(error.get_ref().unwrap().downcast_ref::<rustls::Error>().unwrap()))
}

#[tokio::test]
async fn the_hosts_own_certificate_or_key_in_the_dns_is_enough() {
    let authority = Authority::new();
    // Neither its name nor its dates matter (RFC 7672 §3.1.1).
    let identity = authority.issue("elsewhere.example", 2000..2001);
    let (certificate, key) = (identity.chain[0].as_ref(), identity.public_key.as_slice());
    for record in [
        format!("3 1 1 {}", hex(digest(&SHA256, key).as_ref())),
        format!("3 1 2 {}", hex(digest(&SHA512, key).as_ref())),
        format!("3 1 0 {}", hex(key)),
        format!("3 0 1 {}", hex(digest(&SHA256, certificate).as_ref())),
        format!("3 0 0 {}", hex(certificate)),
    ] {
        assert_eq!(handshake(std::slice::from_ref(&record), &identity).await, Ok(()), "{record}");
        let other = authority.issue("mx.signed.test", 2000..2100);
        let refused = handshake(std::slice::from_ref(&record), &other).await;
        assert_eq!(refused, Err(TlsResultType::CertificateNotTrusted), "{record}");
    }
}

#[tokio::test]
async fn an_authority_in_the_dns_vouches_for_names_and_dates() {
    let authority = Authority::new();
    let certificate = authority.certificate();
    for record in [
        format!("2 1 1 {}", hex(digest(&SHA256, &authority.public_key()).as_ref())),
        format!("2 0 1 {}", hex(digest(&SHA256, &certificate).as_ref())),
        format!("2 0 0 {}", hex(&certificate)),
    ] {
        let record = std::slice::from_ref(&record);
        for (name, years, expected) in [
            ("mx.signed.test", 2000..2100, Ok(())),
            ("signed.test", 2000..2100, Ok(())),
            ("*.signed.test", 2000..2100, Ok(())),
            ("mx.other.test", 2000..2100, Err(TlsResultType::CertificateHostMismatch)),
            ("mx.signed.test", 2000..2001, Err(TlsResultType::CertificateExpired)),
            ("mx.signed.test", 2099..2100, Err(TlsResultType::CertificateExpired)),
        ] {
            let identity = authority.issue(name, years);
            assert_eq!(handshake(record, &identity).await, expected, "{name} by {record:?}");
        }
        let stranger = Authority::new().issue("mx.signed.test", 2000..2100);
        assert_eq!(handshake(record, &stranger).await, Err(TlsResultType::CertificateNotTrusted), "{record:?}");
    }
}

#[tokio::test]
async fn an_authority_that_is_only_named_but_did_not_sign_vouches_for_nobody() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut identity = stranger.issue("mx.signed.test", 2000..2100);
    identity.chain.push(authority.certificate());
    let record = format!("2 0 1 {}", hex(digest(&SHA256, &authority.certificate()).as_ref()));
    assert_eq!(handshake(&[record], &identity).await, Err(TlsResultType::CertificateNotTrusted));
}

#[tokio::test]
async fn one_record_that_matches_is_enough_while_keys_change() {
    let authority = Authority::new();
    let identity = authority.issue("mx.signed.test", 2000..2100);
    let old = format!("3 1 1 {}", hex(&[7; 32]));
    let new = format!("3 1 1 {}", hex(digest(&SHA256, &identity.public_key).as_ref()));
    assert_eq!(handshake(&[old, new], &identity).await, Ok(()));
}

#[tokio::test]
async fn records_that_can_not_be_used_still_demand_encryption() {
    let pkix = format!("1 1 1 {}", hex(&[7; 32]));
    assert_eq!(decision(&[pkix]).await, Decision::EncryptOnly);
    assert_eq!(decision(&[]).await, Decision::NotApplicable);
}

#[tokio::test]
async fn only_what_is_proven_counts_and_what_is_broken_waits() {
    let record = format!("IN TLSA 3 1 1 {}", hex(&[7; 32]));
    let signed = format!(
        "mx IN A 192.0.2.1\n_25._tcp.mx {record}\nalias IN CNAME mx\naway IN CNAME mx.plain.test.\n\
         broken IN A 192.0.2.2\nsilent IN A 192.0.2.3\n"
    );
    let plain = format!("mx IN A 192.0.2.1\n_25._tcp.mx {record}\n");
    let server = DnsServer::start(&[
        Zone("signed.test.", Signing::Signed, &signed),
        Zone("plain.test.", Signing::Unsigned, &plain),
        Zone("forged.test.", Signing::Forged, &plain),
    ])
    .await;
    let resolver = server.resolver();
    let decide = async |host: &str, mx_security| {
        let (domain, host) = (domain("signed.test"), domain(host));
        decide(&resolver, Target { domain: &domain, mx_security, host: &host, port: 25 }).await
    };
    let Decision::Required(requirement) = decide("mx.signed.test", Security::Secure).await else { panic!("required") };
    assert_eq!(requirement.base, domain("mx.signed.test"));
    assert_eq!(requirement.names, [domain("mx.signed.test"), domain("signed.test")]);
    let Decision::Required(requirement) = decide("alias.signed.test", Security::Secure).await else { panic!("alias") };
    assert_eq!(requirement.base, domain("mx.signed.test"), "the name behind the alias (RFC 7672 §2.2.2)");

    assert_eq!(decide("mx.signed.test", Security::Insecure).await, Decision::NotApplicable);
    assert_eq!(decide("mx.signed.test", Security::Unchecked).await, Decision::NotApplicable);
    assert_eq!(decide("mx.plain.test", Security::Secure).await, Decision::NotApplicable);
    assert_eq!(decide("away.signed.test", Security::Secure).await, Decision::NotApplicable);
    assert_eq!(decide("nothing.signed.test", Security::Secure).await, Decision::NotApplicable);
    assert_eq!(decide("mx.forged.test", Security::Secure).await, Decision::Defer(LookupError::Bogus));
    let failed = LookupError::Temporary(TemporaryCause::ServerFailure);
    assert_eq!(decide("broken.signed.test", Security::Secure).await, Decision::Defer(failed));
}
