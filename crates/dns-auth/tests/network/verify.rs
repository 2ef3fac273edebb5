//! DKIM, DMARC and ARC of whole messages, names of addresses and DNS lists, against a DNS server of the test.

use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{Canonicalization, DkimSigner};
use mail_auth::{ArcOutput, AuthenticatedMessage};
use yubin_dns_auth::dkim::{KeyAlgorithm, PrivateKey};
use yubin_dns_auth::verify::{
    DkimCheck, DmarcQuestion, DnsList, Iprev, Listing, MessageCheck, MessageChecks, SpfCheck, Verifier,
};
use yubin_types::{AuthResult, DmarcPolicy, DomainName};

use crate::dns_server::{DnsServer, Signing, Zone};

/// RFC 8463 §A.3: the message with its two signatures.
const RFC_8463: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\nDKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n date : message-id : from : subject : date;\r\n bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\nFrom: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\nSubject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\nMessage-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

const FOOTBALL: &str = r#"
brisbane._domainkey IN TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
test._domainkey IN TXT "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
"#;

/// A message that Python's dkimpy 1.1.8 signed with a key of each kind and in every canonicalization, and sealed twice.
pub(crate) const DKIMPY: &str = include_str!("dkimpy.eml");

/// The keys it signed with.
pub(crate) const DKIMPY_KEYS: &str = r#"
pyed._domainkey IN TXT "v=DKIM1; k=ed25519; p=A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
pyrsa._domainkey IN TXT "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAoBMQPMeEwa1gOutMD6UXK4e/mzJBKhxaTgBbv8Y7Z48sXmk6vgxf04JdqL//X4Ykq85EjwVp7kzQLe1oIQf+PITIBiNcz67+jvH19hMGUvK5LszwSm6IJ1jxxd+vq97o33CUsDu9NLlTpugTOZrJY+F5paKT" "4YNvRHHUxBy+tygLcPTw4C0E7wcD7nCgAyCq50VQ91g8GQxWCmeN3FAbWhuz7TWvto3qLlYuMXgXNjmhWWgKTxoSScWumzaodH0MZjjBtcqs6rW9gA9XbPFTwWDy62enbMtaEJFKahS9Prdl4gKtzJXBQePf7FVhwaY+4xWQRv5rSP6e1YOHm/A7HwIDAQAB"
"#;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

/// A record as its strings.
pub(crate) fn long(text: &str) -> String {
    let (head, tail) = text.split_at(text.len().min(200));
    format!("\"{head}\" \"{tail}\"")
}

/// The world of most tests: keys of `a.test` in several states, policies of several domains.
struct World {
    _dns: DnsServer,
    verifier: Verifier,
    ed: PrivateKeyBytes,
    rsa: PrivateKeyBytes,
}

type PrivateKeyBytes = Vec<u8>;

async fn world() -> World {
    let (ed, rsa) =
        (PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap(), PrivateKey::generate(KeyAlgorithm::Rsa).unwrap());
    let (ed_record, rsa_record) = (long(&ed.record()), long(&rsa.record()));
    let testing = long(&format!("{}; t=y", ed.record()));
    let keys = format!(
        "ed._domainkey IN TXT {ed_record}\nrsa._domainkey IN TXT {rsa_record}\nold._domainkey IN TXT \"v=DKIM1; p=\"\n\
         trial._domainkey IN TXT {testing}\nshort._domainkey IN TXT \"v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANV0PaZ5E9aYNBnEMEa0r9qMEU3HuEE37/dvsgq4jb9gjVujfugjML8U6dHgwTtahS5fBbce3SH6luyIt8spk9ECAwEAAQ==\"\n"
    );
    let zones = [
        Zone(
            "a.test.",
            Signing::Unsigned,
            &format!(
                "{keys}{DKIMPY_KEYS}_dmarc IN TXT \"v=DMARC1; p=reject; sp=quarantine; np=none\"\nsub IN A 192.0.2.1\n"
            ),
        ),
        Zone("list.test.", Signing::Unsigned, &format!("{keys}{DKIMPY_KEYS}")),
        Zone("relay.test.", Signing::Unsigned, DKIMPY_KEYS),
        Zone(
            "strict.test.",
            Signing::Unsigned,
            "_dmarc IN TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"\nsub IN A 192.0.2.1\n",
        ),
        Zone("trial.test.", Signing::Unsigned, "_dmarc IN TXT \"v=DMARC1; p=reject; t=y; pct=0\"\n"),
        Zone(
            "two.test.",
            Signing::Unsigned,
            "_dmarc IN TXT \"v=DMARC1; p=reject\"\n_dmarc IN TXT \"v=DMARC1; p=none\"\n",
        ),
        Zone(
            "suffix.test.",
            Signing::Unsigned,
            "_dmarc IN TXT \"v=DMARC1; p=none; psd=y\"\n_dmarc.own IN TXT \"v=DMARC1; p=reject\"\nother IN A 192.0.2.1\n",
        ),
        Zone(
            "bl.test.",
            Signing::Unsigned,
            "9.2.0.192 IN A 127.0.0.2\n8.2.0.192 IN A 127.255.255.254\n7.2.0.192 IN A 192.0.2.7\n",
        ),
        Zone("wl.test.", Signing::Unsigned, "9.2.0.192 IN A 127.0.10.3\n"),
        Zone(
            "2.0.192.in-addr.arpa.",
            Signing::Unsigned,
            "1 IN PTR host.names.test.\n2 IN PTR host.names.test.\n3 IN PTR broken.test.\nbroken IN PTR x.\n",
        ),
        Zone("names.test.", Signing::Unsigned, "host IN A 192.0.2.1\n"),
        Zone("football.example.com.", Signing::Unsigned, FOOTBALL),
    ];
    let dns = DnsServer::start(&zones).await;
    let verifier = Verifier::new(dns.resolver()).unwrap();
    World { verifier, _dns: dns, ed: ed.to_pkcs8().to_vec(), rsa: rsa.to_pkcs8().to_vec() }
}

impl World {
    async fn checks(&self, message: &str) -> MessageChecks {
        let (header, body) = message.split_once("\r\n\r\n").unwrap();
        let header = format!("{header}\r\n\r\n");
        let mut check = MessageCheck::begin(header.as_bytes());
        body.as_bytes().chunks(7).for_each(|piece| check.body(piece));
        check.finish(&self.verifier).await
    }

    async fn dkim(&self, message: &str) -> Vec<AuthResult> {
        self.checks(message).await.dkim.iter().map(|check| check.result).collect()
    }
}

const HEADER: &str = "From: Ann <ann@a.test>\r\nTo: tim@example.jp\r\nSubject:  two  words\r\n\tfolded\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n";
const BODY: &str = "hello  world \r\n\r\nend\r\n\r\n\r\n";

/// How a message of a test is signed.
struct Manner<'a> {
    domain: &'a str,
    selector: &'a str,
    header: Canonicalization,
    body: Canonicalization,
    fields: &'a [&'a str],
    length: bool,
    expires: Option<u64>,
    identity: Option<&'a str>,
}

const PLAIN: Manner<'_> = Manner {
    domain: "a.test",
    selector: "ed",
    header: Canonicalization::Relaxed,
    body: Canonicalization::Relaxed,
    fields: &["From", "To", "Subject", "Date"],
    length: false,
    expires: None,
    identity: None,
};

impl World {
    /// A DKIM-Signature field over a message.
    fn signature(&self, manner: &Manner<'_>, message: &str) -> String {
        fn field<T: mail_auth::common::crypto::SigningKey<Hasher = Sha256>>(
            key: T,
            manner: &Manner<'_>,
            message: &str,
        ) -> String {
            let signer = DkimSigner::from_key(key).domain(manner.domain).selector(manner.selector);
            let mut signer = signer
                .headers(manner.fields.iter().copied())
                .header_canonicalization(manner.header)
                .body_canonicalization(manner.body)
                .body_length(manner.length);
            if let Some(seconds) = manner.expires {
                signer = signer.expiration(seconds);
            }
            if let Some(identity) = manner.identity {
                signer = signer.agent_user_identifier(identity);
            }
            signer.sign(message.as_bytes()).unwrap().to_header()
        }
        match manner.selector {
            "rsa" => field(RsaKey::<Sha256>::from_key_der(pkcs8(&self.rsa)).unwrap(), manner, message),
            _ => field(Ed25519Key::from_pkcs8_maybe_unchecked_der(&self.ed).unwrap(), manner, message),
        }
    }

    fn signed(&self, manner: &Manner<'_>) -> String {
        let message = format!("{HEADER}\r\n{BODY}");
        format!("{}{message}", self.signature(manner, &message))
    }
}

fn pkcs8(der: &[u8]) -> rustls::pki_types::PrivateKeyDer<'_> {
    rustls::pki_types::PrivatePkcs8KeyDer::from(der).into()
}

#[tokio::test]
async fn the_example_of_rfc_8463_passes_with_both_its_signatures() {
    let world = world().await;
    let checks = world.checks(RFC_8463).await;
    let found: Vec<_> = checks
        .dkim
        .iter()
        .map(|DkimCheck { result, domain, selector, tag, .. }| {
            (*result, domain.as_ref().unwrap().as_str(), selector.as_ref().unwrap().as_str(), tag.as_str())
        })
        .collect();
    let pass = AuthResult::Pass;
    assert_eq!(
        found,
        [(pass, "football.example.com", "brisbane", "/gCrinpc"), (pass, "football.example.com", "test", "F45dVWDf")]
    );
    for change in [("Joe.", "Jim."), ("dinner", "lunch"), ("joe@football", "jim@football")] {
        let changed = world.dkim(&RFC_8463.replacen(change.0, change.1, 2)).await;
        assert_eq!(changed, [AuthResult::Fail, AuthResult::Fail], "{change:?}");
    }
}

#[tokio::test]
async fn another_implementation_is_understood() {
    let world = world().await;
    let checks = world.checks(DKIMPY).await;
    let results: Vec<_> = checks.dkim.iter().map(|check| check.result).collect();
    assert_eq!(results, [AuthResult::Pass; 5]);
    assert_eq!(checks.arc.result, AuthResult::Pass);
    let sets: Vec<_> = checks.arc.sets.iter().map(|set| (set.sealer.clone(), set.dmarc_pass.clone())).collect();
    assert_eq!(sets, [(name("relay.test"), None), (name("list.test"), Some(name("a.test")))]);
    let changed = world.checks(&DKIMPY.replacen("hello", "Hello", 1)).await;
    assert!(changed.dkim.iter().all(|check| check.result == AuthResult::Fail));
    assert_eq!((changed.arc.result, changed.arc.sets.len()), (AuthResult::Fail, 0));
}

#[tokio::test]
async fn canonicalizations_forgive_what_they_say() {
    use Canonicalization::{Relaxed, Simple};
    let world = world().await;
    for (header, body) in [(Relaxed, Relaxed), (Relaxed, Simple), (Simple, Relaxed), (Simple, Simple)] {
        for selector in ["ed", "rsa"] {
            let message = world.signed(&Manner { header, body, selector, ..PLAIN });
            let relaxed = |of: Canonicalization| if of == Relaxed { AuthResult::Pass } else { AuthResult::Fail };
            assert_eq!(world.dkim(&message).await, [AuthResult::Pass], "{header:?} {body:?}");
            let trailing = format!("{message}\r\n");
            assert_eq!(world.dkim(&trailing).await, [AuthResult::Pass], "empty lines at the end");
            let spaced = message.replacen("hello  world \r\n", "hello world\r\n", 1);
            assert_eq!(world.dkim(&spaced).await, [relaxed(body)], "{body:?}");
            let cased = message.replacen("\r\nSubject:  two  words\r\n\tfolded", "\r\nSUBJECT: two words folded", 1);
            assert_eq!(world.dkim(&cased).await, [relaxed(header)], "{header:?}");
            let changed = message.replacen("Ann", "Bob", 1);
            assert_eq!(world.dkim(&changed).await, [AuthResult::Fail]);
        }
    }
}

/// Attack list, item 14: what is signed by mathematics and does not count.
#[tokio::test]
async fn what_does_not_count() {
    let world = world().await;
    let judged = async |manner: Manner<'_>| {
        let checks = world.checks(&world.signed(&manner)).await;
        checks.dkim.iter().map(|check| (check.result, check.reason.unwrap_or("-"))).next().unwrap()
    };
    assert_eq!(judged(Manner { ..PLAIN }).await, (AuthResult::Pass, "-"));
    let part = judged(Manner { length: true, ..PLAIN }).await;
    assert_eq!(part, (AuthResult::Policy, "a part of the body is signed"));
    let test = judged(Manner { selector: "trial", ..PLAIN }).await;
    assert_eq!(test, (AuthResult::Policy, "the key is under test"));
    let no_from = judged(Manner { fields: &["To", "Subject"], ..PLAIN }).await;
    assert_eq!(no_from, (AuthResult::PermError, "From is not signed"));
    let foreign = judged(Manner { identity: Some("ann@b.test"), ..PLAIN }).await;
    assert_eq!(foreign, (AuthResult::PermError, "the identity is not of the domain"));
    let below = judged(Manner { identity: Some("ann@sub.a.test"), ..PLAIN }).await;
    assert_eq!(below, (AuthResult::Pass, "-"));
    assert_eq!(judged(Manner { selector: "old", ..PLAIN }).await, (AuthResult::PermError, "the key was revoked"));
    assert_eq!(judged(Manner { selector: "none", ..PLAIN }).await, (AuthResult::PermError, "there is no such key"));
    let short = judged(Manner { selector: "short", ..PLAIN }).await;
    assert_eq!(short, (AuthResult::PermError, "the key is of no accepted kind or length"));
    let unknown = judged(Manner { domain: "broken.test", ..PLAIN }).await;
    assert_eq!(unknown, (AuthResult::TempError, "the key can't be looked up now"));

    let message = world.signed(&PLAIN);
    let sha1 = message.replacen("a=ed25519-sha256", "a=rsa-sha1", 1);
    assert_eq!(world.dkim(&sha1).await, [AuthResult::PermError]);
    let expired = message.replacen("; t=", "; x=1704067200; t=", 1);
    assert_eq!(world.dkim(&expired).await, [AuthResult::Fail]);
    assert_eq!(world.dkim(&message.replacen("v=1;", "v=2;", 1)).await, [AuthResult::Neutral]);
    assert_eq!(world.dkim(&format!("{HEADER}\r\n{BODY}")).await, []);
}

/// Attack list, item 14: A message that was made to be expensive: many signatures, many fields, signatures over many fields.
#[tokio::test]
async fn work_is_bounded() {
    let world = world().await;
    let message = format!("{HEADER}\r\n{BODY}");
    let signature = world.signature(&PLAIN, &message);
    assert_eq!(world.dkim(&format!("{}{message}", signature.repeat(1_000))).await.len(), 10);
    let unreadable = "DKIM-Signature: v=2\r\n".repeat(1_000);
    assert_eq!(world.dkim(&format!("{unreadable}{signature}{message}")).await.len(), 10);
    let fields = "X: y\r\n".repeat(20_000);
    assert_eq!(world.dkim(&format!("{signature}{fields}{message}")).await, [AuthResult::Policy]);
    let names: String = (0..5_000).map(|number| format!("x{number}:")).collect();
    let greedy = signature.replacen("h=Date", &format!("h={names}Date"), 1);
    assert_ne!(greedy, signature);
    assert_eq!(world.dkim(&format!("{greedy}{message}")).await, [AuthResult::Policy]);
    let reports = signature.replacen("v=1;", "v=1; r=y; atps=a.test; atpsh=sha256;", 1);
    assert_ne!(reports, signature);
    assert_eq!(world.dkim(&format!("{reports}{message}")).await, [AuthResult::Fail], "and nobody else is asked");
}

/// Seals a message as a forwarder does who found that DMARC had passed for `author`.
fn sealed(world: &World, message: &str, before: &ArcOutput<'_>, author: &str) -> String {
    let parsed = AuthenticatedMessage::parse(message.as_bytes()).unwrap();
    let found = mail_auth::DmarcOutput::default().with_domain(author).with_spf_result(mail_auth::DmarcResult::Pass);
    let results = mail_auth::AuthenticationResults::new("mx.list.test").with_dmarc_result(&found);
    let key = RsaKey::<Sha256>::from_key_der(pkcs8(&world.rsa)).unwrap();
    let sealer = ArcSealer::from_key(key).domain("list.test").selector("rsa").headers(["From", "To", "Subject"]);
    let set = sealer.seal(&parsed, &results, before).unwrap();
    format!("{}{message}", set.to_header())
}

#[tokio::test]
async fn a_chain_says_who_vouched_for_whom() {
    let world = world().await;
    let message = sealed(&world, &format!("{HEADER}\r\n{BODY}"), &ArcOutput::default(), "a.test");
    let arc = world.checks(&message).await.arc;
    assert_eq!(arc.result, AuthResult::Pass);
    let sets: Vec<_> = arc.sets.iter().map(|set| (set.sealer.clone(), set.dmarc_pass.clone())).collect();
    assert_eq!(sets, [(name("list.test"), Some(name("a.test")))]);

    let none = world.checks(&format!("{HEADER}\r\n{BODY}")).await.arc;
    assert_eq!((none.result, none.sets.len()), (AuthResult::None, 0));
    for (from, to) in [
        ("hello", "Hello"),
        ("header.from=a.test", "header.from=b.test"),
        ("cv=none", "cv=pass"),
        ("Subject:  two", "Subject:  three"),
        ("rsa-sha256", "rsa-sha1"),
        ("ARC-Seal:", "X-Seal:"),
    ] {
        assert!(message.contains(from), "{from}");
        let arc = world.checks(&message.replacen(from, to, 1)).await.arc;
        assert_eq!((arc.result, arc.sets.len()), (AuthResult::Fail, 0), "{from} {to}");
    }
    let unknown = world.checks(&message.replace("d=list.test", "d=broken.test")).await.arc;
    assert_eq!(unknown.result, AuthResult::TempError);
}

/// A passing or failing method for a domain.
fn signed_by(domain: &str, result: AuthResult) -> DkimCheck {
    DkimCheck { result, domain: Some(name(domain)), selector: None, tag: String::new(), reason: None }
}

#[tokio::test]
async fn what_passes_must_belong_to_the_author() {
    use AuthResult::{Fail, None, Pass, TempError};
    const REJECT: Option<DmarcPolicy> = Some(DmarcPolicy::Reject);
    const QUARANTINE: Option<DmarcPolicy> = Some(DmarcPolicy::Quarantine);
    let world = world().await;
    let (policy_none, unknown) = (Some(DmarcPolicy::None), Option::None);
    // Author, who signed, whose SPF passed or not, result, policy.
    for (author, dkim, spf, expected) in [
        ("a.test", ("a.test", Pass), ("x.test", Fail), (Pass, REJECT)),
        ("a.test", ("sub.a.test", Pass), ("x.test", Fail), (Pass, REJECT)),
        ("a.test", ("x.test", Pass), ("x.test", Pass), (Fail, REJECT)),
        ("a.test", ("ba.test", Pass), ("ba.test", Pass), (Fail, REJECT)),
        ("a.test", ("a.test", Fail), ("a.test", Pass), (Pass, REJECT)),
        ("a.test", ("a.test", Fail), ("bounce.a.test", Pass), (Pass, REJECT)),
        ("a.test", ("a.test", Fail), ("a.test", AuthResult::SoftFail), (Fail, REJECT)),
        ("a.test", ("a.test", AuthResult::Policy), ("a.test", Fail), (Fail, REJECT)),
        ("a.test", ("a.test", TempError), ("a.test", Fail), (TempError, REJECT)),
        ("a.test", ("a.test", TempError), ("a.test", Pass), (Pass, REJECT)),
        ("a.test", ("x.test", TempError), ("x.test", TempError), (Fail, REJECT)),
        // sp and np: a name that exists below a.test, and one that doesn't.
        ("sub.a.test", ("x.test", Pass), ("x.test", Pass), (Fail, QUARANTINE)),
        ("none.a.test", ("x.test", Pass), ("x.test", Pass), (Fail, policy_none)),
        ("none.a.test", ("a.test", Pass), ("x.test", Pass), (Pass, policy_none)),
        // Strict alignment.
        ("strict.test", ("strict.test", Pass), ("x.test", Pass), (Pass, REJECT)),
        ("strict.test", ("sub.strict.test", Pass), ("sub.strict.test", Pass), (Fail, REJECT)),
        ("sub.strict.test", ("strict.test", Pass), ("strict.test", Pass), (Fail, REJECT)),
        // Test mode, which pct does not change; several records; no record.
        ("trial.test", ("x.test", Pass), ("x.test", Pass), (Fail, QUARANTINE)),
        ("two.test", ("x.test", Pass), ("x.test", Pass), (None, policy_none)),
        ("names.test", ("x.test", Pass), ("x.test", Pass), (None, policy_none)),
        // A public suffix: its children are strangers to each other.
        ("own.suffix.test", ("own.suffix.test", Pass), ("x.test", Fail), (Pass, REJECT)),
        ("own.suffix.test", ("mail.own.suffix.test", Pass), ("x.test", Fail), (Pass, REJECT)),
        ("own.suffix.test", ("other.suffix.test", Pass), ("suffix.test", Pass), (Fail, REJECT)),
        ("broken.test", ("x.test", Pass), ("x.test", Pass), (TempError, unknown)),
    ] {
        let signatures = [signed_by(dkim.0, dkim.1)];
        let spf_check = SpfCheck { domain: name(spf.0), result: spf.1 };
        let author_name = name(author);
        let question = DmarcQuestion { author: &author_name, spf: Some(&spf_check), dkim: &signatures };
        let check = world.verifier.dmarc(question).await;
        assert_eq!((check.result, check.policy), expected, "{author} {dkim:?} {spf:?}");
    }
}

#[tokio::test]
async fn a_name_counts_if_it_leads_back() {
    let world = world().await;
    let iprev = async |address: &str| world.verifier.iprev(address.parse().unwrap()).await;
    assert_eq!(iprev("192.0.2.1").await, Iprev::Confirmed(name("host.names.test")));
    assert_eq!(iprev("192.0.2.2").await, Iprev::Forged(name("host.names.test")));
    assert_eq!(iprev("192.0.2.3").await, Iprev::Unknown);
    assert_eq!(iprev("192.0.2.4").await, Iprev::NoName);
}

#[tokio::test]
async fn lists_say_whom_they_know_and_a_broken_one_nothing() {
    let world = world().await;
    let list = |zone: &str| DnsList { zone: name(zone), score: 1, lookup: String::new(), answers: Vec::new() };
    let lists = [list("bl.test"), list("broken.test"), list("wl.test")];
    let said = |listings: Vec<Listing>| -> Vec<(usize, String)> {
        listings.into_iter().map(|listing| (listing.list, listing.answer.to_string())).collect()
    };
    let asked = async |address: &str| {
        let listings = world.verifier.listed(address.parse().unwrap(), &lists).await;
        (said(listings.listed), said(listings.refused))
    };
    let listed = [(0, "127.0.0.2".to_owned()), (2, "127.0.10.3".to_owned())];
    assert_eq!(asked("192.0.2.9").await, (listed.to_vec(), vec![]));
    // The list says that it does not like us; an answer from outside of its range.
    assert_eq!(asked("192.0.2.8").await, (vec![], vec![(0, "127.255.255.254".to_owned())]));
    assert_eq!(asked("192.0.2.7").await, (vec![], vec![]));
}
