//! From a delivery to the hosts it may be handed to: a configured smart host, an address literal, MX records, or the domain itself.
//!
//! The names come from strangers. Hosts of a preference at or behind our own are left out (RFC 5321 §5.1: mail must not come back), and
//! addresses outside [`PermittedAddresses`] are never connected to. A destination that has nothing left is refused for good if DNS says so with
//! certainty (no such domain, null MX, MX that lead to us), and waits otherwise.
//!
//! DNS is behind [`MailHosts`]: what answers it also says what TLS a host demands (DANE, MTA-STS).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use yubin_dns_auth::tls::observed::Authorities;
use yubin_session::sasl::Credentials;
use yubin_session::smtp::client::Reply;
use yubin_types::report::{AppliedPolicy, TlsResultType};
use yubin_types::{DestinationName, DomainName, TlsDemand};

use crate::profile::Family;
use crate::scope::PermittedAddresses;
use crate::tls_tally::TlsTally;

/// Hosts that are tried for one delivery.
const HOSTS_MAX: usize = 5;
/// Addresses that are tried of one host.
const ADDRESSES_PER_HOST_MAX: usize = 4;

/// What DNS knows of mail hosts.
#[async_trait::async_trait]
pub trait MailHosts: Send + Sync + 'static {
    /// Who takes the mail of a domain; ties in an order drawn from `seed`.
    async fn hosts(&self, domain: &DomainName, seed: u64) -> Result<Hosts, LookupFailure>;

    /// The addresses of a host in the order in which they are to be tried.
    async fn addresses(&self, host: &DomainName) -> Result<Vec<IpAddr>, LookupFailure>;

    /// The names that an address's PTR records have, to check our own.
    async fn names(&self, address: IpAddr) -> Result<Vec<DomainName>, LookupFailure>;

    /// What TLS a host demands, as one of a domain's.
    async fn tls_policy(&self, domain: &DomainName, host: &DomainName, port: u16) -> HostTls;
}

/// Who takes the mail of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// These, by preference, which lower is better.
    Found(Vec<(u16, DomainName)>),
    /// Nobody: null MX (RFC 7505), or MX records that name no host.
    Nobody,
}

/// Why DNS has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupFailure {
    /// There is no such name, or it has no address.
    #[error("no such host")]
    NotFound,
    /// Nobody could say, or the answer is forged.
    #[error("{0}")]
    Temporary(String),
}

/// What TLS a host demands, and what a TLS report says of that.
#[derive(Clone, Debug)]
pub struct HostTls {
    /// What it demands.
    pub demand: TlsPolicy,
    /// Under what its sessions are counted; none: they are not.
    pub counted: Option<CountedTls>,
}

/// Under what sessions are counted for TLS reports.
#[derive(Clone, Debug)]
pub struct CountedTls {
    /// The policy.
    pub policy: Arc<AppliedPolicy>,
    /// What is wrong with it, or with its proof, however the session goes.
    pub flaw: Option<TlsResultType>,
    /// By whom certificates are looked at that it doesn't demand.
    pub tested: Option<Authorities>,
}

impl From<TlsPolicy> for HostTls {
    fn from(demand: TlsPolicy) -> HostTls {
        HostTls { demand, counted: None }
    }
}

/// What TLS a host demands.
#[derive(Clone, Debug)]
pub enum TlsPolicy {
    /// TLS where it is offered, with any certificate; in clear if the handshake fails (RFC 7435).
    Opportunistic,
    /// TLS with any certificate, or no delivery (RFC 7672 §2.2).
    Encrypted,
    /// TLS with a certificate that this accepts, or no delivery (DANE, MTA-STS).
    Verified {
        /// Accepts or not.
        config: Arc<rustls::ClientConfig>,
        /// The name to ask for (SNI).
        name: DomainName,
        /// What certificates are held against, in any words: connections are shared where they are the same.
        identity: String,
    },
    /// No delivery to this host now; why.
    Deferred(String),
    /// No delivery to this host, which the policy does not name (MTA-STS); others may do.
    Excluded(String),
}

/// A configured way for some mail.
#[derive(Clone, Debug)]
pub struct SmartHost {
    /// Mail from these domains; of all if there are none.
    pub sender_domains: Vec<DomainName>,
    /// Mail to these destinations; to all if there are none.
    pub destinations: Vec<DestinationName>,
    /// Where it goes: a name or an address.
    pub host: SmartHostName,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmartHostTls,
    /// Log in with these.
    pub login: Option<Credentials>,
}

/// A smart host's name or address. Configured by the operator: no [`PermittedAddresses`] applies to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmartHostName {
    /// A name, of which addresses are looked up; MX records are not.
    Name(DomainName),
    /// An address.
    Address(IpAddr),
}

/// How the connection to a smart host is protected.
#[derive(Clone, Debug)]
pub enum SmartHostTls {
    /// STARTTLS where it is offered, with any certificate.
    Opportunistic,
    /// TLS from the first octet (RFC 8314), with a certificate that this accepts.
    Implicit(Arc<rustls::ClientConfig>),
    /// STARTTLS with a certificate that this accepts.
    StartTls(Arc<rustls::ClientConfig>),
    /// None: the network is trusted. A login goes in clear.
    Off,
}

/// A host that a delivery may be handed to.
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    /// Its name for logs, records and certificates; of an address, the address.
    pub(crate) name: String,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) protection: Protection,
    pub(crate) login: Option<Credentials>,
    pub(crate) owner: Owner,
    /// Of the destination's hosts: lower is better.
    pub(crate) preference: u16,
    /// Under what its sessions are counted.
    pub(crate) counted: Option<CountedTls>,
    /// The destination's most preferred MX hosts, which tell who takes its mail; none of a literal, or a smart host.
    pub(crate) preferred: Arc<[DomainName]>,
}

/// Whose is a host?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The destination's: its records name it.
    Destination,
    /// The operator's, or somebody's whom the operator pays.
    Operator,
}

/// How a connection is to be protected.
#[derive(Clone, Debug)]
pub(crate) enum Protection {
    Clear,
    Opportunistic,
    Encrypted,
    Verified { config: Arc<rustls::ClientConfig>, name: String, identity: String },
    Implicit(Arc<rustls::ClientConfig>),
}

/// The hosts with those of their addresses that can be reached from a source; where the system chooses the source, with those first that are
/// preferred. Or the only family of addresses that they have.
pub(crate) fn within_reach(
    mut hops: Vec<Hop>,
    from: Option<IpAddr>,
    prefers: impl Fn(&Hop) -> Family,
) -> Result<Vec<Hop>, Family> {
    let first = hops.first().and_then(|hop| hop.addresses.first()).copied();
    let of = |address: &SocketAddr| Family::of(address.ip());
    for hop in &mut hops {
        match (from, prefers(hop)) {
            (Some(own), _) => hop.addresses.retain(|address| of(address) == Family::of(own)),
            (None, preferred) => hop.addresses.sort_by_key(|address| of(address) != preferred),
        }
    }
    hops.retain(|hop| !hop.addresses.is_empty());
    match first {
        Some(first) if hops.is_empty() => Err(of(&first)),
        _ => Ok(hops),
    }
}

/// What routing is told.
pub(crate) struct Routing<'a> {
    pub(crate) hosts: &'a dyn MailHosts,
    pub(crate) smart_hosts: &'a [SmartHost],
    pub(crate) scope: &'a PermittedAddresses,
    /// Our own names, as MX records may have them.
    pub(crate) own_names: &'a [DomainName],
    pub(crate) port: u16,
    /// What the sender demands: nothing that a destination's policy says holds for mail that waives it (RFC 8689 §4.2.2).
    pub(crate) tls: TlsDemand,
    /// Counts what does not come to a session.
    pub(crate) tally: &'a TlsTally,
}

impl Routing<'_> {
    /// Hosts in the order in which they are to be tried, at least one with an address; or why there are none.
    pub(crate) async fn plan(
        &self,
        sender: Option<&DomainName>,
        destination: &DestinationName,
        seed: u64,
    ) -> Result<Vec<Hop>, Reply> {
        if let Some(smart_host) = self.smart_hosts.iter().find(|route| route.takes(sender, destination)) {
            return Ok(vec![self.smart_hop(smart_host).await?]);
        }
        match destination {
            DestinationName::Literal(address) if self.scope.permits(*address) => Ok(vec![Hop {
                name: destination.to_string(),
                addresses: vec![SocketAddr::new(*address, self.port)],
                protection: Protection::Opportunistic,
                login: None,
                owner: Owner::Destination,
                preference: 0,
                counted: None,
                preferred: Arc::default(),
            }]),
            DestinationName::Literal(_) => {
                Err(Reply::conclusion(550, (5, 7, 1), "mail is not sent to addresses of private networks"))
            }
            DestinationName::Domain(domain) => self.hops(domain, seed).await,
        }
    }

    async fn hops(&self, domain: &DomainName, seed: u64) -> Result<Vec<Hop>, Reply> {
        let found = self.hosts.hosts(domain, seed).await.map_err(|failure| no_answer(domain, &failure))?;
        let Hosts::Found(mut hosts) = found else {
            return Err(Reply::conclusion(556, (5, 1, 10), &format!("{domain} takes no mail")));
        };
        let own =
            hosts.iter().filter(|(_, host)| self.own_names.contains(host)).map(|(preference, _)| *preference).min();
        if let Some(own) = own {
            hosts.retain(|(preference, _)| *preference < own);
            if hosts.is_empty() {
                return Err(Reply::conclusion(554, (5, 4, 6), &format!("mail for {domain} loops back to this host")));
            }
        }
        let best = hosts.iter().map(|(preference, _)| *preference).min();
        let preferred = hosts.iter().filter(|(preference, _)| Some(*preference) == best);
        let preferred: Arc<[DomainName]> = preferred.map(|(_, host)| host.clone()).collect();
        let mut plan = Vec::new();
        let mut excuse = None;
        for (preference, host) in hosts.into_iter().take(HOSTS_MAX) {
            match self.hop(domain, host).await {
                Ok(hop) => plan.push(Hop { preference, preferred: Arc::clone(&preferred), ..hop }),
                // A reason to wait outweighs a reason to give up.
                Err(reply) if reply.is_transient() => excuse = Some(reply),
                Err(reply) => excuse = excuse.or(Some(reply)),
            }
        }
        if plan.is_empty() {
            let nobody = || Reply::conclusion(550, (5, 4, 4), &format!("no host takes mail for {domain}"));
            return Err(excuse.unwrap_or_else(nobody));
        }
        Ok(plan)
    }

    async fn hop(&self, domain: &DomainName, host: DomainName) -> Result<Hop, Reply> {
        let addresses = self.hosts.addresses(&host).await.map_err(|failure| no_answer(&host, &failure))?;
        let known = addresses.len();
        let mut addresses: Vec<SocketAddr> = addresses
            .into_iter()
            .filter(|address| self.scope.permits(*address))
            .map(|address| SocketAddr::new(address, self.port))
            .collect();
        addresses.truncate(ADDRESSES_PER_HOST_MAX);
        if addresses.is_empty() {
            let text = match known {
                0 => format!("{host} has no address"),
                _ => format!("{host} has only addresses of private networks or of this host"),
            };
            return Err(Reply::conclusion(550, (5, 4, 4), &text));
        }
        let HostTls { demand, counted } = match self.tls {
            // What a policy says is set aside, and counts for nobody's report.
            TlsDemand::Waived => HostTls { demand: TlsPolicy::Opportunistic, counted: None },
            TlsDemand::None | TlsDemand::Required => self.hosts.tls_policy(domain, &host, self.port).await,
        };
        if matches!(demand, TlsPolicy::Deferred(_) | TlsPolicy::Excluded(_)) {
            self.tally.unreached(counted.as_ref(), &host);
        }
        let protection = match demand {
            TlsPolicy::Opportunistic => Protection::Opportunistic,
            TlsPolicy::Encrypted => Protection::Encrypted,
            TlsPolicy::Verified { config, name, identity } => {
                Protection::Verified { config, name: name.to_string(), identity }
            }
            TlsPolicy::Deferred(why) | TlsPolicy::Excluded(why) => return Err(Reply::conclusion(451, (4, 7, 5), &why)),
        };
        let (name, owner) = (host.to_string(), Owner::Destination);
        let preferred = Arc::default();
        Ok(Hop { name, addresses, protection, login: None, owner, preference: 0, counted, preferred })
    }

    async fn smart_hop(&self, route: &SmartHost) -> Result<Hop, Reply> {
        let (name, addresses) = match &route.host {
            SmartHostName::Address(address) => (address.to_string(), vec![*address]),
            SmartHostName::Name(name) => {
                // The operator's own mistake or outage: never the sender's loss.
                let found = self.hosts.addresses(name).await.map_err(|failure| {
                    Reply::conclusion(451, (4, 4, 3), &format!("the smart host {name} can't be looked up: {failure}"))
                })?;
                (name.to_string(), found)
            }
        };
        let protection = match &route.tls {
            SmartHostTls::Opportunistic => Protection::Opportunistic,
            SmartHostTls::Implicit(config) => Protection::Implicit(Arc::clone(config)),
            SmartHostTls::StartTls(config) => Protection::Verified {
                config: Arc::clone(config),
                name: name.clone(),
                identity: "smart host".to_owned(),
            },
            SmartHostTls::Off => Protection::Clear,
        };
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, route.port)).collect();
        let (login, owner) = (route.login.clone(), Owner::Operator);
        let preferred = Arc::default();
        Ok(Hop { name, addresses, protection, login, owner, preference: 0, counted: None, preferred })
    }
}

impl SmartHost {
    fn takes(&self, sender: Option<&DomainName>, destination: &DestinationName) -> bool {
        (self.sender_domains.is_empty() || sender.is_some_and(|sender| self.sender_domains.contains(sender)))
            && (self.destinations.is_empty() || self.destinations.contains(destination))
    }
}

fn no_answer(name: &DomainName, failure: &LookupFailure) -> Reply {
    match failure {
        LookupFailure::NotFound => Reply::conclusion(550, (5, 1, 2), &format!("no such host: {name}")),
        LookupFailure::Temporary(why) => {
            Reply::conclusion(451, (4, 4, 3), &format!("{name} can't be looked up now: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use yubin_types::{DestinationName, DomainName, TlsDemand};

    use super::{
        HostTls, Hosts, LookupFailure, MailHosts, Routing, SmartHost, SmartHostName, SmartHostTls, TlsPolicy,
        within_reach,
    };
    use crate::profile::Family;
    use crate::scope::PermittedAddresses;
    use crate::tls_tally;

    /// A zone: what each domain's MX and each host's addresses are.
    #[derive(Default)]
    struct Zone {
        mx: BTreeMap<&'static str, Hosts>,
        addresses: BTreeMap<&'static str, Vec<IpAddr>>,
    }

    #[async_trait::async_trait]
    impl MailHosts for Zone {
        async fn hosts(&self, domain: &DomainName, _seed: u64) -> Result<Hosts, LookupFailure> {
            match domain.as_str() {
                "servfail.example" => Err(LookupFailure::Temporary("SERVFAIL".into())),
                name => self.mx.get(name).cloned().ok_or(LookupFailure::NotFound),
            }
        }
        async fn addresses(&self, host: &DomainName) -> Result<Vec<IpAddr>, LookupFailure> {
            self.addresses.get(host.as_str()).cloned().ok_or(LookupFailure::NotFound)
        }
        async fn names(&self, _: IpAddr) -> Result<Vec<DomainName>, LookupFailure> {
            Err(LookupFailure::NotFound)
        }
        async fn tls_policy(&self, _: &DomainName, host: &DomainName, _: u16) -> HostTls {
            match host.as_str() {
                "unproven.example" => TlsPolicy::Deferred("TLSA records can't be validated".into()).into(),
                _ => TlsPolicy::Opportunistic.into(),
            }
        }
    }

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    fn zone() -> Zone {
        let mut zone = Zone::default();
        let mx = |hosts: &[(u16, &str)]| Hosts::Found(hosts.iter().map(|(p, host)| (*p, name(host))).collect());
        zone.mx.insert("good.example", mx(&[(10, "a.example"), (20, "inside.example"), (30, "b.example")]));
        zone.mx.insert("null.example", Hosts::Nobody);
        zone.mx.insert("inside-only.example", mx(&[(10, "inside.example")]));
        zone.mx.insert("backup.example", mx(&[(10, "a.example"), (20, "us.example"), (30, "b.example")]));
        zone.mx.insert("ours.example", mx(&[(10, "us.example"), (20, "b.example")]));
        zone.mx.insert("half.example", mx(&[(10, "gone.example"), (20, "unproven.example")]));
        zone.mx.insert("gone-mx.example", mx(&[(10, "gone.example")]));
        for (host, addresses) in [
            ("a.example", vec!["8.8.8.1", "127.0.0.1"]),
            ("b.example", vec!["8.8.8.2"]),
            ("inside.example", vec!["127.0.0.1", "10.0.0.1", "9.9.9.9"]),
            ("us.example", vec!["9.9.9.9"]),
            ("unproven.example", vec!["8.8.8.3"]),
        ] {
            zone.addresses.insert(host, addresses.into_iter().map(|text| text.parse().unwrap()).collect());
        }
        zone
    }

    async fn plan(smart_hosts: &[SmartHost], destination: &str) -> Result<Vec<String>, String> {
        let zone = zone();
        let scope = PermittedAddresses { allowed: vec![], own: vec!["9.9.9.9".parse().unwrap()] };
        let own_names = [name("us.example")];
        let (tls, tally) = (TlsDemand::None, &tls_tally::NOTHING);
        let routing = Routing { hosts: &zone, smart_hosts, scope: &scope, own_names: &own_names, port: 25, tls, tally };
        let destination = DestinationName::parse(destination).unwrap();
        let hops = routing.plan(Some(&name("sender.example")), &destination, 1).await;
        let shown = |hop: super::Hop| {
            format!("{} {}", hop.name, hop.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        hops.map(|hops| hops.into_iter().map(shown).collect()).map_err(|reply| reply.to_string())
    }

    /// Attack list, item 15.
    #[tokio::test]
    async fn mail_goes_to_public_hosts_before_ourselves_only() {
        assert_eq!(plan(&[], "good.example").await.unwrap(), ["a.example 8.8.8.1:25", "b.example 8.8.8.2:25"]);
        assert_eq!(plan(&[], "backup.example").await.unwrap(), ["a.example 8.8.8.1:25"]);
        assert_eq!(plan(&[], "[8.8.4.4]").await.unwrap(), ["[8.8.4.4] 8.8.4.4:25"]);
        for (destination, start) in [
            ("ours.example", "554 5.4.6"),
            ("null.example", "556 5.1.10"),
            ("nxdomain.example", "550 5.1.2"),
            ("inside-only.example", "550 5.4.4"),
            ("gone-mx.example", "550 5.1.2"),
            ("[127.0.0.1]", "550 5.7.1"),
            ("[IPv6:::1]", "550 5.7.1"),
            ("servfail.example", "451 4.4.3"),
            // One host is gone, of the other nothing can be proven: wait.
            ("half.example", "451 4.7.5"),
        ] {
            let reply = plan(&[], destination).await.unwrap_err();
            assert!(reply.starts_with(start), "{destination}: {reply}");
        }
    }

    #[test]
    fn only_addresses_of_the_source_s_family_are_within_reach() {
        let hop = |addresses: &[&str]| super::Hop {
            name: "mx.example".to_owned(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            protection: super::Protection::Clear,
            login: None,
            owner: super::Owner::Destination,
            preference: 0,
            counted: None,
            preferred: Default::default(),
        };
        let (four, six) = ("8.8.8.1:25", "[2001:4860:4860::8888]:25");
        let reached = |hops: &[&[&str]], from: Option<&str>, prefers: Family| {
            let hops = hops.iter().map(|addresses| hop(addresses)).collect();
            let found = within_reach(hops, from.map(|text| text.parse().unwrap()), |_| prefers);
            let shown = |hop: super::Hop| hop.addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
            found.map(|hops| hops.into_iter().flat_map(shown).collect::<Vec<_>>())
        };
        assert_eq!(reached(&[&[four, six]], None, Family::V6).unwrap(), [six, four]);
        assert_eq!(reached(&[&[four, six]], None, Family::V4).unwrap(), [four, six]);
        assert_eq!(reached(&[&[four], &[four, six]], Some("::1"), Family::V4).unwrap(), [six]);
        assert_eq!(reached(&[&[six]], Some("127.0.0.1"), Family::V6), Err(Family::V6));
        assert_eq!(reached(&[], Some("127.0.0.1"), Family::V6), Ok(Vec::new()));
    }

    #[tokio::test]
    async fn smart_hosts_are_chosen_by_sender_and_destination() {
        let smart_host = |sender: &[&str], destination: &[&str], host: SmartHostName| SmartHost {
            sender_domains: sender.iter().map(|text| name(text)).collect(),
            destinations: destination.iter().map(|text| DestinationName::parse(text).unwrap()).collect(),
            host,
            port: 587,
            tls: SmartHostTls::Opportunistic,
            login: None,
        };
        let inside = SmartHostName::Address("127.0.0.1".parse().unwrap());
        let routes = [
            smart_host(&["other.example"], &[], SmartHostName::Name(name("a.example"))),
            smart_host(&["sender.example"], &["good.example"], inside),
        ];
        assert_eq!(plan(&routes, "good.example").await.unwrap(), ["127.0.0.1 127.0.0.1:587"]);
        assert_eq!(plan(&routes, "backup.example").await.unwrap(), ["a.example 8.8.8.1:25"]);
        let lost = [smart_host(&[], &[], SmartHostName::Name(name("gone.example")))];
        assert!(plan(&lost, "null.example").await.unwrap_err().starts_with("451 4.4.3"));
    }
}
