//! ARC sets of ours: a chain that begins here, and one that another implementation began, verified by our own verifier and by dkimpy.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use yubin_dns_auth::dkim::{KeyAlgorithm, PrivateKey, SelectedKey, Signer, sign_and_seal_message};
use yubin_dns_auth::verify::{MessageCheck, MessageChecks, Verifier};
use yubin_types::{AuthResult, DomainName, Timestamp};

use crate::dns_server::{DnsServer, Signing, Zone};
use crate::others::{Records, dkimpy_chain};
use crate::verify::{DKIMPY, DKIMPY_KEYS, long};

const HOST: &str = "mx.home.test";
const MESSAGE: &str = "Authentication-Results: mx.home.test; dmarc=pass (policy=reject)\r\n\
    \theader.from=a.test; spf=pass smtp.mailfrom=a.test; dkim=none\r\nReceived: from x\r\n\tby mx.home.test; now\r\nFrom: Ann <ann@a.test>\r\nTo: bob@home.test\r\n\
    Subject: hello\r\n  there\r\nDate: Mon, 23 Nov 2026 00:00:00 +0000\r\n\r\nHello  world \r\n\r\n";

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

/// A key in the DNS.
struct World {
    _dns: DnsServer,
    verifier: Verifier,
    signer: Signer,
    record: String,
}

async fn world(algorithm: KeyAlgorithm) -> World {
    let key = PrivateKey::generate(algorithm).unwrap();
    let record = key.record();
    let zones = [
        Zone("home.test.", Signing::Unsigned, &format!("s1._domainkey IN TXT {}\n", long(&record))),
        Zone("a.test.", Signing::Unsigned, DKIMPY_KEYS),
        Zone("list.test.", Signing::Unsigned, DKIMPY_KEYS),
        Zone("relay.test.", Signing::Unsigned, DKIMPY_KEYS),
    ];
    let dns = DnsServer::start(&zones).await;
    let verifier = Verifier::new(dns.resolver()).unwrap();
    let signer = Signer::new(name("home.test"), vec![SelectedKey { selector: name("s1"), key: Arc::new(key) }]);
    World { _dns: dns, verifier, signer, record }
}

impl World {
    /// As it goes on.
    async fn forward(&self, message: &str) -> String {
        let pieces = message.as_bytes().chunks(100).map(Bytes::copy_from_slice).map(Ok).collect::<Vec<_>>();
        let (hosts, now) = ([HOST.to_owned()], Timestamp::from_seconds(1_795_400_000));
        let fields = sign_and_seal_message(&self.signer, &hosts, stream::iter(pieces).boxed(), now).await.unwrap();
        format!("{}{message}", String::from_utf8(fields).unwrap())
    }

    async fn checks(&self, message: &str) -> MessageChecks {
        let (header, body) = message.split_once("\r\n\r\n").unwrap();
        let header = format!("{header}\r\n\r\n");
        let mut check = MessageCheck::begin(header.as_bytes());
        check.body(body.as_bytes());
        check.finish(&self.verifier).await
    }

    /// What dkimpy says.
    fn dkimpy(&self, message: &str) -> String {
        let mut records = Records::from([("s1._domainkey.home.test".to_owned(), self.record.clone())]);
        for line in DKIMPY_KEYS.lines().filter(|line| !line.is_empty()) {
            let (label, record) = line.split_once(" IN TXT ").unwrap();
            for zone in ["a.test", "list.test", "relay.test"] {
                records.insert(format!("{label}.{zone}"), record.replace("\" \"", "").replace('"', ""));
            }
        }
        dkimpy_chain(&records, message)
    }
}

#[tokio::test]
async fn a_chain_that_begins_here_is_verified_by_others() {
    let world = world(KeyAlgorithm::Rsa).await;
    let message = world.forward(MESSAGE).await;
    assert!(message.starts_with("ARC-Seal: i=1; "), "{message}");
    assert!(message.lines().all(|line| line.len() <= 100), "{message}");
    let checks = world.checks(&message).await;
    assert_eq!(checks.arc.result, AuthResult::Pass, "{message}");
    let sets: Vec<_> = checks.arc.sets.iter().map(|set| (set.sealer.clone(), set.dmarc_pass.clone())).collect();
    assert_eq!(sets, [(name("home.test"), Some(name("a.test")))], "the next server believes what was found here");
    assert_eq!(checks.dkim.iter().map(|check| check.result).collect::<Vec<_>>(), [AuthResult::Pass]);
    let found = world.dkimpy(&message);
    assert!(found.starts_with("pass 1 "), "{found}: {message}");
    let changed = message.replacen("world", "World", 1);
    assert_eq!(world.checks(&changed).await.arc.result, AuthResult::Fail);
    let lied = message.replacen("header.from=a.test", "header.from=b.test", 1);
    assert_eq!(world.checks(&lied).await.arc.result, AuthResult::Fail);
}

#[tokio::test]
async fn no_key_that_others_may_not_know_seals() {
    let message = world(KeyAlgorithm::Ed25519).await.forward(MESSAGE).await;
    assert!(message.starts_with("DKIM-Signature: "), "{message}");
}

#[tokio::test]
async fn a_chain_of_others_goes_on_if_it_holds() {
    let world = world(KeyAlgorithm::Rsa).await;
    let came = |found: &str| format!("Authentication-Results: mx.home.test; {found}; dkim=pass\r\n{DKIMPY}");
    let message = world.forward(&came("arc=pass (i=2 relay.test)")).await;
    let checks = world.checks(&message).await;
    assert_eq!((checks.arc.result, checks.arc.sets.len()), (AuthResult::Pass, 3), "{message}");
    assert_eq!(checks.arc.sets[0].sealer, name("home.test"));
    assert!(message.starts_with("ARC-Seal: i=3; ") && message.contains("cv=pass"), "{message}");
    let found = world.dkimpy(&message);
    assert!(found.starts_with("pass 3 "), "{found}: {message}");
    for found in ["arc=fail (i=2 relay.test)", "spf=pass smtp.mailfrom=a.test"] {
        let message = world.forward(&came(found)).await;
        assert!(message.starts_with("DKIM-Signature: "), "signed, and not sealed: {message}");
    }
}
