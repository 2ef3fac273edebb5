//! A DNS server of the test: zones from text, on a random port of 127.0.0.1, signed where the test says so.
//!
//! Every zone is a child of the zone `test.`, which is signed with the key that [`DnsServer::anchor`] returns. It plays the recursive
//! name server: the same socket answers for parent and children. Names with a label `broken` get SERVFAIL,
//! those that start with `silent.` nothing at all.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_server::proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_server::proto::dnssec::{DigestType, DnssecSigner, PublicKey as _, SigningKey as _};
use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::rdata::{MX, NS, PTR};
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordType};
use hickory_server::proto::serialize::txt::Parser;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, MessageResponseBuilder, ZoneType};
use tokio::net::{TcpListener, UdpSocket};
use yubin_dns_auth::{NameServers, Resolver, ResolverConfig, TrustAnchor};

use hickory_server::dnssec::NxProofKind;

/// How a zone stands to its parent.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Signing {
    /// Signed, and the parent says with which key.
    Signed,
    /// Not signed, and the parent proves that there is no key.
    Unsigned,
    /// Signed with another key than the parent says.
    Forged,
}

/// A zone: its name, how it is signed, and its records beside SOA and NS.
pub(crate) struct Zone<'a>(pub &'a str, pub Signing, pub &'a str);

pub(crate) struct DnsServer {
    pub(crate) address: SocketAddr,
    anchor: String,
    asked: Arc<Mutex<Vec<String>>>,
    _server: Server<Handler>,
}

impl DnsServer {
    pub(crate) async fn start(zones: &[Zone<'_>]) -> DnsServer {
        DnsServer::failing(zones, HashMap::new()).await
    }

    /// The same, with names of which it knows these types alone, and gives SERVFAIL for all others.
    pub(crate) async fn failing(zones: &[Zone<'_>], failing: HashMap<String, Vec<String>>) -> DnsServer {
        let parent = name("test.");
        let parent_key = Key::new();
        let mut parent_zone = parse(&parent, "");
        let mut children = Catalog::new();
        for Zone(origin, signing, records) in zones {
            let origin = name(origin);
            let mut zone = parse(&origin, records);
            let key = Key::new();
            // The reverse tree lies elsewhere.
            if parent.zone_of(&origin) {
                let ns = RData::NS(NS(name("ns.test.")));
                parent_zone.upsert_mut(Record::from_rdata(origin.clone(), 60, ns), 0);
            }
            let announced = if *signing == Signing::Forged { Key::new().dnskey } else { key.dnskey.clone() };
            if *signing != Signing::Unsigned {
                parent_zone.upsert_mut(Record::from_rdata(origin.clone(), 60, ds(&announced, &origin)), 0);
                key.sign(&mut zone, &origin);
            }
            children.upsert(LowerName::new(&origin), vec![Arc::new(zone)]);
        }
        let anchor = format!("test. 60 IN DNSKEY {}\n", parent_key.dnskey);
        parent_key.sign(&mut parent_zone, &parent);
        let parent_zone = Arc::new(parent_zone);
        let mut parents = Catalog::new();
        parents.upsert(LowerName::new(&parent), vec![parent_zone.clone()]);
        children.upsert(LowerName::new(&parent), vec![parent_zone]);

        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut server = Server::new(Handler { parents, children, failing, asked: Arc::clone(&asked) });
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 64);
        DnsServer { address, anchor, asked, _server: server }
    }

    /// The key that signs `test.`, as a line of a zone file.
    pub(crate) fn anchor(&self) -> String {
        self.anchor.clone()
    }

    /// What was asked so far, as `name type`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// A resolver that asks this server and believes its key.
    pub(crate) fn resolver(&self) -> Resolver {
        let config = ResolverConfig {
            nameservers: NameServers::Addresses(vec![self.address]),
            trust_anchor: TrustAnchor::Keys(self.anchor()),
            timeout: Duration::from_secs(10),
            attempt_timeout: Duration::from_millis(500),
            retries: 1,
            ..ResolverConfig::default()
        };
        Resolver::new(&config).unwrap()
    }
}

struct Handler {
    parents: Catalog,
    children: Catalog,
    failing: HashMap<String, Vec<String>>,
    asked: Arc<Mutex<Vec<String>>>,
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut response: R) -> ResponseInfo {
        let info = request.request_info().unwrap();
        let (name, kind) = (info.query.name().to_string().to_lowercase(), info.query.query_type());
        self.asked.lock().unwrap().push(format!("{name} {kind}"));
        if name.starts_with("silent.") {
            std::future::pending::<()>().await;
        }
        let unknown = self.failing.get(&name).is_some_and(|known| !known.contains(&kind.to_string()));
        if unknown || name.starts_with("broken.") || name.contains(".broken.") {
            let reply = MessageResponseBuilder::new(&request.queries, None);
            return response.send_response(reply.error_msg(&request.metadata, ResponseCode::ServFail)).await.unwrap();
        }
        // The parent side of a zone cut answers for DS (RFC 4035 §3.1.4.1).
        let catalog = if kind == RecordType::DS { &self.parents } else { &self.children };
        catalog.handle_request::<R, T>(request, response).await
    }
}

struct Key {
    key: Ed25519SigningKey,
    dnskey: DNSKEY,
}

impl Key {
    fn new() -> Key {
        let key = Ed25519SigningKey::from_pkcs8(&Ed25519SigningKey::generate_pkcs8().unwrap()).unwrap();
        let dnskey = DNSKEY::from_key(&key.to_public_key().unwrap());
        Key { key, dnskey }
    }

    fn sign(self, zone: &mut InMemoryZoneHandler, origin: &Name) {
        let week = Duration::from_secs(7 * 86_400);
        let signer = DnssecSigner::new(self.dnskey, Box::new(self.key), origin.clone(), week);
        zone.add_zone_signing_key_mut(signer).unwrap();
        zone.secure_zone_mut().unwrap();
    }
}

fn ds(dnskey: &DNSKEY, origin: &Name) -> RData {
    let digest = dnskey.to_digest(origin, DigestType::SHA256).unwrap();
    let tag = dnskey.calculate_key_tag().unwrap();
    let algorithm = dnskey.public_key().algorithm();
    RData::DNSSEC(DNSSECRData::DS(DS::new(tag, algorithm, DigestType::SHA256, digest.as_ref().to_vec())))
}

fn parse(origin: &Name, records: &str) -> InMemoryZoneHandler {
    let (odd, plain): (Vec<&str>, Vec<&str>) = records.lines().partition(|line| is_odd(line));
    let plain = plain.join("\n");
    let text = format!("$TTL 60\n@ IN SOA ns.test. admin.test. 1 3600 600 86400 60\n@ IN NS ns.test.\n{plain}\n");
    let (_, records) = Parser::new(text, None, Some(origin.clone())).parse().unwrap();
    let (kind, nsec) = (ZoneType::Primary, Some(NxProofKind::Nsec));
    let mut zone = InMemoryZoneHandler::new(origin.clone(), records, kind, AxfrPolicy::Deny, nsec).unwrap();
    for line in odd {
        let fields: Vec<&str> = line.split(' ').collect();
        let data = match fields[1..] {
            ["IN", "A", address] => RData::A(address.parse().unwrap()),
            ["IN", "MX", preference, host] => RData::MX(MX::new(preference.parse().unwrap(), raw_name(host))),
            ["IN", "PTR", host] => RData::PTR(PTR(raw_name(host))),
            _ => panic!("{line}"),
        };
        let owner = if fields[0].ends_with('.') {
            raw_name(fields[0])
        } else {
            raw_name(fields[0]).append_domain(origin).unwrap()
        };
        zone.upsert_mut(Record::from_rdata(owner, 60, data), 0);
    }
    zone
}

/// Has a name in it octets that the parser takes in no form?
fn is_odd(line: &str) -> bool {
    let fields: Vec<&str> = line.split(' ').collect();
    let named = match fields[..] {
        [owner, "IN", "MX" | "PTR", ..] => [owner, fields.last().unwrap_or(&"")],
        [owner, ..] => [owner, ""],
        [] => ["", ""],
    };
    named.iter().any(|name| name.contains('\\'))
}

/// A name of any octets, some of them as `\\DDD`.
fn raw_name(text: &str) -> Name {
    let label = |label: &str| {
        let mut parts = label.split('\\');
        let mut octets = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            octets.push(part[..3].parse().unwrap());
            octets.extend_from_slice(&part.as_bytes()[3..]);
        }
        octets
    };
    let labels: Vec<Vec<u8>> = text.trim_end_matches('.').split('.').map(label).collect();
    let mut name = Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap();
    name.set_fqdn(text.ends_with('.'));
    name
}

fn name(text: &str) -> Name {
    Name::from_str(text).unwrap()
}

/// One port for both; TCP may find it taken, then another is tried.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}
