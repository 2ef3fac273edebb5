//! Attack list, items 14 and 15: messages and zones that are made to cost much, and name servers that answer nonsense. What is asked of the
//! DNS for a message is bounded, whatever its sender and their zones say, and no answer brings the resolver down.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::net::UdpSocket;
use yubin_dns_auth::verify::{DmarcQuestion, MessageCheck, MessageChecks, SpfQuestion, Verifier};
use yubin_dns_auth::{Answer, LookupError, MailHosts, NameServers, Resolver, ResolverConfig, Validation};
use yubin_types::{Address, AuthResult, DomainName};

use crate::dns_server::{DnsServer, Signing, Zone};

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 250));

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

async fn spf(verifier: &Verifier, sender: &str) -> AuthResult {
    let sender = Address::parse(sender).unwrap();
    let question = SpfQuestion { peer: PEER, helo: "[192.0.2.250]", sender: Some(&sender), host: "mx.yubin.test" };
    verifier.spf(question).await.sender().unwrap().result
}

async fn checks(verifier: &Verifier, message: &str) -> MessageChecks {
    let (header, body) = message.split_once("\r\n\r\n").unwrap();
    let header = format!("{header}\r\n\r\n");
    let mut check = MessageCheck::begin(header.as_bytes());
    check.body(body.as_bytes());
    check.finish(verifier).await
}

/// Attack list, item 14: a zone whose records ask for one lookup too many, or for as many as the rules allow.
#[tokio::test]
async fn an_evil_spf_zone_gets_few_answers() {
    let mut records = String::new();
    for number in 0..12 {
        writeln!(
            records,
            "t{number} IN A 192.0.2.1\nchain{number} IN TXT \"v=spf1 include:chain{}.evil.test ?all\"",
            number + 1
        )
        .unwrap();
        let hosts: String = (0..10).map(|host| format!("mx{number} IN MX {host} h{host}.m{number}\n")).collect();
        let addresses: String = (0..10).map(|host| format!("h{host}.m{number} IN A 192.0.2.2\n")).collect();
        records += &(hosts + &addresses);
    }
    let terms = |kind: &str, count: usize| (0..count).map(|n| format!(" {kind}{n}.evil.test")).collect::<String>();
    for (name, record) in [
        ("eleven", format!("v=spf1{} +all", terms("a:t", 11))),
        ("exchanges", format!("v=spf1{} +all", terms("mx:mx", 10))),
        ("exchange", format!("v=spf1{} -all", terms("mx:mx", 2))),
    ] {
        let (head, tail) = record.split_at(record.len().min(200));
        writeln!(records, "{name} IN TXT \"{head}\" \"{tail}\"").unwrap();
    }
    let server = DnsServer::start(&[Zone("evil.test.", Signing::Unsigned, &records)]).await;
    let verifier = Verifier::new(server.resolver()).unwrap();
    for (zone, expected, questions) in [
        ("eleven", AuthResult::PermError, 20),
        ("chain0", AuthResult::PermError, 20),
        // Ten times ten hosts are within the letter of RFC 7208 §4.6.4, and a hundred questions for one message.
        ("exchanges", AuthResult::PermError, 40),
        ("exchange", AuthResult::Fail, 40),
    ] {
        let (before, started) = (server.asked().len(), Instant::now());
        assert_eq!(spf(&verifier, &format!("x@{zone}.evil.test")).await, expected, "{zone}");
        let asked = server.asked().len() - before;
        assert!(asked <= questions, "{zone}: {asked} questions");
        assert!(started.elapsed() < Duration::from_secs(20), "{zone}: {:?}", started.elapsed());
    }
}

/// Attack list, item 14: a thousand signatures with a thousand keys, sixty sets of ARC.
#[tokio::test]
async fn a_thousand_signatures_ask_for_ten_keys() {
    let server = DnsServer::start(&[Zone("a.test.", Signing::Unsigned, "@ IN A 192.0.2.1\n")]).await;
    let verifier = Verifier::new(server.resolver()).unwrap();
    let tags = "v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.test; h=from; bh=AAAA; b=AAAA";
    let signatures: String = (0..1_000).map(|number| format!("DKIM-Signature: {tags}; s=s{number}\r\n")).collect();
    let found = checks(&verifier, &format!("{signatures}From: x@a.test\r\n\r\nbody\r\n")).await;
    assert_eq!(found.dkim.len(), 10);
    assert!(server.asked().len() <= 10, "{:?}", server.asked());

    let sets: String = (1..=60)
        .rev()
        .map(|number| {
            format!(
                "ARC-Seal: i={number}; a=rsa-sha256; cv=pass; d=a.test; s=seal{number}; b=AAAA\r\n\
                 ARC-Message-Signature: i={number}; {}; s=sign{number}\r\n\
                 ARC-Authentication-Results: i={number}; a.test; dmarc=pass header.from=a.test\r\n",
                tags.trim_start_matches("v=1; ")
            )
        })
        .collect();
    let before = server.asked().len();
    let found = checks(&verifier, &format!("{sets}From: x@a.test\r\n\r\nbody\r\n")).await;
    assert_ne!(found.arc.result, AuthResult::Pass);
    assert!(found.arc.sets.is_empty());
    assert!(server.asked().len() - before <= 10, "{:?}", server.asked());
}

/// An RSA public key of so many bits as a record holds it: its numbers are of no worth, only its length counts.
fn rsa_record(bits: usize) -> String {
    use base64::Engine as _;
    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut out = vec![tag];
        match length {
            0..0x80 => out.push(u8::try_from(length).unwrap()),
            _ => out.extend([&[0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat()),
        }
        out.extend_from_slice(content);
        out
    }
    let modulus = [vec![0], vec![0xc5; bits / 8]].concat();
    let key = tlv(0x30, &[tlv(0x02, &modulus), tlv(0x02, &[1, 0, 1])].concat());
    // rsaEncryption (RFC 8017 §A.1).
    let algorithm = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let public = tlv(0x30, &[algorithm.to_vec(), tlv(0x03, &[vec![0], key].concat())].concat());
    let text = format!("v=DKIM1; k=rsa; p={}", base64::engine::general_purpose::STANDARD.encode(public));
    let strings: Vec<String> =
        text.as_bytes().chunks(200).map(|part| format!("\"{}\"", String::from_utf8_lossy(part))).collect();
    strings.join(" ")
}

/// Attack list, item 14: a key that takes seconds to compute with, and ones that anybody can factor, are no keys.
#[tokio::test]
async fn keys_too_long_or_too_short_are_not_computed_with() {
    let sizes = [512, 768, 1_024, 2_048, 16_384];
    let keys: String = sizes.iter().map(|bits| format!("k{bits}._domainkey IN TXT {}\n", rsa_record(*bits))).collect();
    let server = DnsServer::start(&[Zone("a.test.", Signing::Unsigned, &keys)]).await;
    let verifier = Verifier::new(server.resolver()).unwrap();
    for bits in sizes {
        let signature = format!(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.test; s=k{bits}; h=from;\r\n\
             \tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
        );
        let started = Instant::now();
        let found = checks(&verifier, &format!("{signature}From: x@a.test\r\n\r\n")).await;
        let reason = found.dkim[0].reason;
        let refused = reason == Some("the key is of no accepted kind or length");
        assert_eq!(refused, !(1_024..=8_192).contains(&bits), "{bits} bits: {reason:?}");
        assert_ne!(found.dkim[0].result, AuthResult::Pass);
        assert!(started.elapsed() < Duration::from_secs(2), "{bits} bits: {:?}", started.elapsed());
    }
}

/// Attack list, item 14: an author's domain of a hundred labels.
#[tokio::test]
async fn a_tree_walk_asks_about_eight_names() {
    let server = DnsServer::start(&[Zone("walk.test.", Signing::Unsigned, "@ IN A 192.0.2.1\n")]).await;
    let verifier = Verifier::new(server.resolver()).unwrap();
    let author = name(&format!("{}walk.test", "a.".repeat(100)));
    let check = verifier.dmarc(DmarcQuestion { author: &author, spf: None, dkim: &[] }).await;
    assert_eq!(check.result, AuthResult::None);
    let asked = server.asked();
    assert!(asked.len() <= 8 && asked.iter().all(|question| question.starts_with("_dmarc.")), "{asked:?}");
}

/// Attack list, item 14: names that lead to each other end as "nobody knows", for SPF, keys and policies alike.
#[tokio::test]
async fn circles_of_aliases_end() {
    let circle = "one IN CNAME two\ntwo IN CNAME one\n_dmarc IN CNAME _dmarc.b\n_dmarc.b IN CNAME _dmarc\n\
                  s._domainkey IN CNAME t._domainkey\nt._domainkey IN CNAME s._domainkey\n\
                  mail IN TXT \"v=spf1 a:one.circle.test -all\"\n";
    let server = DnsServer::start(&[Zone("circle.test.", Signing::Unsigned, circle)]).await;
    let verifier = Verifier::new(server.resolver()).unwrap();
    assert_eq!(spf(&verifier, "x@one.circle.test").await, AuthResult::TempError);
    assert_eq!(spf(&verifier, "x@mail.circle.test").await, AuthResult::TempError);
    let author = name("circle.test");
    let check = verifier.dmarc(DmarcQuestion { author: &author, spf: None, dkim: &[] }).await;
    assert_eq!(check.result, AuthResult::TempError);
    let signature = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=circle.test; s=s; h=from;\r\n\
                     \tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n";
    let found = checks(&verifier, &format!("{signature}From: x@circle.test\r\n\r\n")).await;
    assert_eq!(found.dkim[0].result, AuthResult::TempError);
    assert!(server.asked().len() <= 100, "{} questions", server.asked().len());
}

/// A name server that answers each question for MX with a good answer in which something is wrong, which depends on the name; names that
/// begin with `good` get it whole.
struct Liar {
    address: SocketAddr,
}

impl Liar {
    async fn start() -> Liar {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut question = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                for answer in lies(&question[..length]) {
                    drop(socket.send_to(&answer, from).await);
                }
            }
        });
        Liar { address }
    }

    fn resolver(&self) -> Resolver {
        let config = ResolverConfig {
            nameservers: NameServers::Addresses(vec![self.address]),
            timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_millis(300),
            retries: 0,
            ..ResolverConfig::default()
        };
        Resolver::new(&config).unwrap()
    }
}

/// The true answer to a question for MX: one record, of a host by a pointer into the question.
fn truth(question: &[u8]) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
    let header = [&question[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]].concat();
    // Name by pointer, MX, IN, 60 s, 9 octets: preference 10, `host` and a pointer.
    let record = [&[0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 9, 0, 10, 4][..], b"host", &[0xc0, 12]].concat();
    [&header[..], &question[12..end], &record].concat()
}

/// What is sent back.
fn lies(question: &[u8]) -> Vec<Vec<u8>> {
    let label = String::from_utf8_lossy(&question[13..13 + usize::from(question[12])]).to_ascii_lowercase();
    let mut answer = truth(question);
    let record = answer.len() - 21;
    match label.as_str() {
        "empty" => answer.clear(),
        "header" => answer.truncate(12),
        "cut" => answer.truncate(record + 8),
        // CVE of 2026: preference and nothing behind it, then a length beyond the end.
        "short" => answer.splice(record + 10.., [0, 2, 0, 10]).for_each(drop),
        "beyond" => answer[record + 10..record + 12].copy_from_slice(&[0xff, 0xff]),
        // Names that point at themselves, at each other, and out of the message.
        "loop" => {
            let itself = [0xc0, u8::try_from(record).unwrap()];
            answer[record..record + 2].copy_from_slice(&itself);
        }
        "pointer" => {
            let last = answer.len() - 2;
            let itself = [0xc0, u8::try_from(last).unwrap()];
            answer[last..].copy_from_slice(&itself);
        }
        "outside" => answer.splice(record..record + 2, [0xff, 0xff]).for_each(drop),
        "counts" => answer[6..12].fill(0xff),
        "other" => answer[0] ^= 0x55,
        "question" => answer[13] ^= 0x01,
        "asking" => answer[2] &= 0x7f,
        "label" => answer.splice(record + 14..=record + 14, [0x40]).for_each(drop),
        "trailing" => answer.extend([0xaa; 1_000]),
        _ if label.starts_with("noise") => return vec![noise(&label, &answer)],
        _ => {}
    }
    // The question itself, and then what was made of the answer.
    if label == "echo" { vec![question.to_vec(), answer] } else { vec![answer] }
}

/// The answer with some octets behind the id changed, as the label wants it.
fn noise(label: &str, answer: &[u8]) -> Vec<u8> {
    let mut state = label
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    let mut noisy = answer.to_vec();
    for _ in 0..=next() % 4 {
        let place = 2 + next() % (noisy.len() - 2);
        noisy[place] = u8::try_from(next() % 256).unwrap();
    }
    if next().is_multiple_of(4) {
        noisy.truncate(12 + next() % (noisy.len() - 11));
    }
    noisy
}

fn hosts(answer: &Result<Answer<MailHosts>, LookupError>) -> Vec<String> {
    match answer {
        Ok(Answer { value: MailHosts::Hosts(hosts), .. }) => hosts.iter().map(|host| host.name.to_string()).collect(),
        _ => Vec::new(),
    }
}

/// Attack list, item 15: whatever comes back, a question ends in time, nothing is concluded from nonsense, and the next answer is read.
#[tokio::test]
async fn a_name_server_that_answers_nonsense_is_no_name_server() {
    let liar = Liar::start().await;
    let resolver = liar.resolver();
    let mx = async |label: String| (resolver.mx(&name(&format!("{label}.test")), 1, Validation::Off).await, label);
    assert_eq!(hosts(&mx("good1".into()).await.0), ["host.good1.test"]);
    let lies = [
        "empty", "header", "cut", "short", "beyond", "loop", "pointer", "outside", "counts", "other", "question",
        "asking", "label",
    ];
    for (answer, label) in join_all(lies.map(|label| mx(label.into()))).await {
        assert_eq!(hosts(&answer), [""; 0], "{label}: {answer:?}");
    }
    let started = Instant::now();
    let noisy = join_all((0..500).map(|number| mx(format!("noise{number}")))).await;
    for (answer, label) in &noisy {
        // What could still be read names a host, and never a strange one as long as a pointer leads back to the question.
        assert!(hosts(answer).len() <= 1, "{label}: {answer:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    for label in ["good2", "trailing", "echo"] {
        let (answer, _) = mx(label.into()).await;
        assert!(label != "good2" || hosts(&answer) == ["host.good2.test"], "{label}: {answer:?}");
    }
    assert_eq!(hosts(&mx("good3".into()).await.0), ["host.good3.test"]);
}
