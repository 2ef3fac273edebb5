//! The cases of the openspf.org test suite for RFC 7208, which other implementations of SPF are held against, too.
//!
//! A sender that is no address comes to no check here: the session refuses it before. Such cases are passed over.

use std::collections::HashMap;
use std::net::IpAddr;

use yubin_dns_auth::verify::{SpfQuestion, Verifier};
use yubin_types::{Address, AuthResult};

use crate::dns_server::{DnsServer, Signing, Zone};

const CASES: &str = include_str!("openspf/cases.txt");

/// Where we decide otherwise: `foo:bar/baz.example.com` is a name by the letter of the grammar, and no host has such a name.
const OTHERWISE: [(&str, &str); 4] = [
    ("a-colon-domain", "permerror"),
    ("a-colon-domain-ip4mapped", "permerror"),
    ("mx-colon-domain", "permerror"),
    ("mx-colon-domain-ip4mapped", "permerror"),
];

/// Cases that share a zone.
#[derive(Default)]
struct Scenario<'a> {
    name: &'a str,
    records: String,
    /// Names of which only what is in the zone is answered, by the types that are.
    failing: HashMap<String, Vec<String>>,
    tests: Vec<Vec<&'a str>>,
}

fn scenarios() -> Vec<Scenario<'static>> {
    let mut scenarios: Vec<Scenario<'static>> = Vec::new();
    let mut types: HashMap<String, Vec<String>> = HashMap::new();
    for line in CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        if let ["zone", name] = fields[..] {
            types.clear();
            scenarios.push(Scenario { name, ..Scenario::default() });
            continue;
        }
        let scenario = scenarios.last_mut().unwrap();
        match fields[..] {
            ["test", ..] => scenario.tests.push(fields),
            [name, "fails"] => {
                scenario.failing.insert(name.to_lowercase(), types.get(name).cloned().unwrap_or_default());
            }
            [name, kind, data] => {
                types.entry(name.to_owned()).or_default().push(kind.to_owned());
                scenario.records += &format!("{name} IN {kind} {data}\n");
            }
            _ => panic!("{line}"),
        }
    }
    scenarios
}

async fn result(verifier: &Verifier, helo: &str, peer: &str, sender: Option<&Address>) -> AuthResult {
    let peer: IpAddr = peer.parse().unwrap();
    let question = SpfQuestion { peer, helo, sender, host: "receiver.com" };
    verifier.spf(question).await.sender().map_or(AuthResult::None, |check| check.result)
}

#[tokio::test]
async fn the_cases_of_the_openspf_suite_come_out_as_it_says() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for scenario in scenarios() {
        let zone = Zone(".", Signing::Unsigned, &scenario.records);
        let server = DnsServer::failing(&[zone], scenario.failing).await;
        let verifier = Verifier::new(server.resolver()).unwrap();
        for test in scenario.tests {
            let [_, name, helo, peer, from, expected] = test[..] else { panic!("{test:?}") };
            let sender = match (from, Address::parse(from)) {
                ("", _) => None,
                (_, Ok(address)) => Some(address),
                (_, Err(_)) => continue,
            };
            checked += 1;
            let found = result(&verifier, helo, peer, sender.as_ref()).await.name();
            let expected = OTHERWISE.iter().find(|(known, _)| *known == name).map_or(expected, |(_, ours)| ours);
            if !expected.split(',').any(|allowed| allowed == found) {
                wrong.push(format!("{}: {name}: {found}, not {expected}", scenario.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 190, "{checked}");
}
