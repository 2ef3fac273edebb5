//! Source addresses by the mail that they are for: pools of addresses, each with the name that it says in EHLO, and which pool a message leaves
//! by.
//!
//! Plain values. A message goes by its kind first: forwards, notices and automatic replies have a pool of their own wherever one is
//! configured for them. Then its domain is asked for, then its domain's plan; what is left goes by the pool named [`DEFAULT`], and without one
//! from the address that the system chooses, by the host's own name. Each address is in one pool. A pool may name another that helps out
//! where none of its own addresses may be used: not on this machine, set aside by the receiver, or past what its warm-up allows today.

use std::net::IpAddr;

use yubin_state::queue::{QueueSource, Tenant};
use yubin_types::{DestinationName, DomainId, DomainName};

use crate::warm_up::WarmUp;

/// The pool of mail that no other one is for.
pub const DEFAULT: &str = "default";

/// Source addresses and the mail that they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Kinds of mail that leave by it, whosever they are.
    pub mail: Vec<MailKind>,
    /// Domains whose mail leaves by it.
    pub domains: Vec<DomainName>,
    /// Plans whose domains' mail leaves by it.
    pub plans: Vec<String>,
    /// The pool that helps out.
    pub fallback: Option<String>,
    /// Its addresses; at least one.
    pub addresses: Vec<SourceAddress>,
}

/// An address that mail is sent from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAddress {
    /// The address.
    pub address: IpAddr,
    /// What EHLO says: a name that leads to the address, and that the address's PTR record names.
    pub hello: DomainName,
    /// How much it may send while receivers get to know it.
    pub warm_up: Option<WarmUp>,
}

/// What sort of mail it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// What users send.
    Submission,
    /// What came in and goes on.
    Forward,
    /// What an account answers by itself.
    AutoReply,
    /// Delivery status notifications, own ones and those that go back to whom mail was forwarded for.
    Notice,
}

impl From<&QueueSource> for MailKind {
    fn from(source: &QueueSource) -> MailKind {
        match source {
            QueueSource::Submission { .. } => MailKind::Submission,
            QueueSource::Forward { .. } => MailKind::Forward,
            QueueSource::AutoReply { .. } => MailKind::AutoReply,
            QueueSource::Notice(_) | QueueSource::Returned | QueueSource::Report(_) => MailKind::Notice,
        }
    }
}

/// A pool's place among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PoolId(usize);

impl PoolId {
    /// The address that the system chooses.
    pub(crate) const SYSTEM: PoolId = PoolId(0);
}

/// A source's place among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SourceId(usize);

impl SourceId {
    /// The address that the system chooses.
    pub(crate) const SYSTEM: SourceId = SourceId(0);
}

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The address; `None`: the system chooses.
    pub(crate) address: Option<IpAddr>,
    pub(crate) hello: DomainName,
    pub(crate) warm_up: Option<WarmUp>,
    pub(crate) pool: PoolId,
}

/// All pools. The first is that of the system's own choice, with one source.
#[derive(Debug)]
pub(crate) struct Pools {
    pools: Vec<Known>,
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Known {
    pool: Pool,
    sources: Vec<SourceId>,
    fallback: Option<PoolId>,
}

impl Pools {
    /// These, and the system's choice under this name.
    pub(crate) fn new(configured: &[Pool], hostname: &DomainName) -> Pools {
        let system = Pool {
            name: String::new(),
            mail: Vec::new(),
            domains: Vec::new(),
            plans: Vec::new(),
            fallback: None,
            addresses: Vec::new(),
        };
        let own = Source { address: None, hello: hostname.clone(), warm_up: None, pool: PoolId::SYSTEM };
        let mut all = Pools {
            pools: vec![Known { pool: system, sources: vec![SourceId::SYSTEM], fallback: None }],
            sources: vec![own],
        };
        for pool in configured {
            let id = PoolId(all.pools.len());
            let first = all.sources.len();
            all.sources.extend(pool.addresses.iter().map(|one| Source {
                address: Some(one.address),
                hello: one.hello.clone(),
                warm_up: one.warm_up.clone(),
                pool: id,
            }));
            let sources = (first..all.sources.len()).map(SourceId).collect();
            let fallback = pool.fallback.as_deref().and_then(|name| place(configured, name));
            all.pools.push(Known { pool: pool.clone(), sources, fallback });
        }
        all
    }

    /// Is there any but the system's choice?
    pub(crate) fn are_configured(&self) -> bool {
        self.pools.len() > 1
    }

    /// The pool that a message leaves by.
    pub(crate) fn choose(&self, kind: MailKind, tenant: &Tenant) -> PoolId {
        let find = |fits: &dyn Fn(&Pool) -> bool| self.pools.iter().position(|known| fits(&known.pool)).map(PoolId);
        find(&|pool| pool.mail.contains(&kind))
            .or_else(|| find(&|pool| pool.domains.contains(&tenant.name)))
            .or_else(|| find(&|pool| pool.plans.contains(&tenant.plan)))
            .or_else(|| find(&|pool| pool.name == DEFAULT))
            .unwrap_or(PoolId::SYSTEM)
    }

    /// A pool's name; of the system's choice, none.
    pub(crate) fn name(&self, pool: PoolId) -> &str {
        self.pools.get(pool.0).map_or("", |known| known.pool.name.as_str())
    }

    /// A pool's sources.
    pub(crate) fn of(&self, pool: PoolId) -> &[SourceId] {
        self.pools.get(pool.0).map_or(&[], |known| known.sources.as_slice())
    }

    /// Sources in all, the system's choice too.
    pub(crate) fn count(&self) -> usize {
        self.sources.len()
    }

    /// A source.
    pub(crate) fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(id.0)
    }

    /// All sources that have an address.
    pub(crate) fn addressed(&self) -> impl Iterator<Item = (SourceId, IpAddr, &Source)> {
        let all = self.sources.iter().enumerate();
        all.filter_map(|(place, source)| Some((SourceId(place), source.address?, source)))
    }

    /// The source with this address.
    pub(crate) fn at(&self, address: IpAddr) -> Option<SourceId> {
        self.addressed().find(|(_, known, _)| *known == address).map(|(id, ..)| id)
    }

    /// A pool and those that help out, in order, none twice.
    pub(crate) fn chain(&self, first: PoolId) -> Vec<PoolId> {
        let mut chain = vec![first];
        let next = |pool: PoolId| self.pools.get(pool.0).and_then(|known| known.fallback);
        while let Some(helper) = chain.last().copied().and_then(next).filter(|helper| !chain.contains(helper)) {
            chain.push(helper);
        }
        chain
    }

    /// A pool's sources in the order in which a tenant's mail to a destination goes by them: it keeps to one while that one has room, so that
    /// receivers that put off strangers know it the next time, and tenants and destinations are spread over all.
    pub(crate) fn order(&self, pool: PoolId, tenant: DomainId, destination: &DestinationName) -> Vec<SourceId> {
        let mut sources = self.of(pool).to_vec();
        if sources.len() > 1 {
            let destination = destination.to_string();
            sources.sort_by_cached_key(|id| {
                let mut hash = blake3::Hasher::new();
                let address = self.source(*id).and_then(|source| source.address);
                hash.update(address.map(|address| address.to_string()).unwrap_or_default().as_bytes());
                hash.update(&[0]).update(&tenant.0.to_be_bytes()).update(destination.as_bytes());
                *hash.finalize().as_bytes()
            });
        }
        sources
    }
}

fn place(configured: &[Pool], name: &str) -> Option<PoolId> {
    configured.iter().position(|pool| pool.name == name).map(|place| PoolId(place + 1))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use yubin_state::queue::Tenant;
    use yubin_types::{DestinationName, DomainId, DomainName};

    use super::{DEFAULT, MailKind, Pool, PoolId, Pools, SourceAddress};

    pub(crate) fn hostname() -> DomainName {
        DomainName::parse("mta.example").unwrap()
    }

    /// A pool of these addresses, all of them called after it.
    pub(crate) fn pool(name: &str, addresses: &[&str]) -> Pool {
        let hello = DomainName::parse(&format!("{name}.example")).unwrap();
        let address =
            |text: &&str| SourceAddress { address: text.parse().unwrap(), hello: hello.clone(), warm_up: None };
        Pool {
            name: name.to_owned(),
            mail: Vec::new(),
            domains: Vec::new(),
            plans: Vec::new(),
            fallback: None,
            addresses: addresses.iter().map(address).collect(),
        }
    }

    fn chosen(pools: &Pools, kind: MailKind, domain: &str, plan: &str) -> String {
        let tenant = Tenant { name: DomainName::parse(domain).unwrap(), plan: plan.to_owned() };
        pools.name(pools.choose(kind, &tenant)).to_owned()
    }

    #[test]
    fn mail_leaves_by_its_kind_then_its_domain_then_its_plan() {
        let one = DomainName::parse("one.example").unwrap();
        let configured = [
            Pool { plans: vec!["gold".to_owned()], ..pool("trusted", &["192.0.2.1"]) },
            Pool { domains: vec![one], ..pool("dedicated", &["192.0.2.2"]) },
            Pool { mail: vec![MailKind::Forward], ..pool("forward", &["192.0.2.3"]) },
            Pool { mail: vec![MailKind::Notice, MailKind::AutoReply], ..pool("bounce", &["192.0.2.4"]) },
            pool("new", &["192.0.2.5"]),
        ];
        let without = Pools::new(&configured, &hostname());
        for (kind, domain, plan, name) in [
            (MailKind::Submission, "one.example", "gold", "dedicated"),
            (MailKind::Submission, "two.example", "gold", "trusted"),
            (MailKind::Submission, "two.example", "basic", ""),
            (MailKind::Forward, "one.example", "gold", "forward"),
            (MailKind::Notice, "one.example", "gold", "bounce"),
            (MailKind::AutoReply, "two.example", "basic", "bounce"),
        ] {
            assert_eq!(chosen(&without, kind, domain, plan), name, "{kind:?} {domain} {plan}");
        }
        let configured: Vec<Pool> = configured.into_iter().chain([pool(DEFAULT, &["192.0.2.6"])]).collect();
        let with = Pools::new(&configured, &hostname());
        assert_eq!(chosen(&with, MailKind::Submission, "two.example", "basic"), DEFAULT);
        assert_eq!(chosen(&Pools::new(&[], &hostname()), MailKind::Forward, "one.example", "gold"), "");
    }

    #[test]
    fn a_circle_of_helpers_ends() {
        let helped =
            |name: &str, by: &str, address: &str| Pool { fallback: Some(by.to_owned()), ..pool(name, &[address]) };
        let configured = [helped("a", "b", "192.0.2.1"), helped("b", "c", "192.0.2.2"), helped("c", "b", "192.0.2.3")];
        let pools = Pools::new(&configured, &hostname());
        assert_eq!(pools.chain(PoolId(1)), [PoolId(1), PoolId(2), PoolId(3)]);
        assert_eq!(pools.chain(PoolId::SYSTEM), [PoolId::SYSTEM]);
    }

    #[test]
    fn a_tenant_keeps_to_an_address_and_all_are_used() {
        let pools = Pools::new(&[pool("a", &["192.0.2.1", "192.0.2.2", "2001:db8::1"])], &hostname());
        let order = |tenant, to: &str| pools.order(PoolId(1), DomainId(tenant), &DestinationName::parse(to).unwrap());
        assert_eq!(order(1, "x.example"), order(1, "x.example"));
        let mut first = BTreeMap::new();
        (0..300).for_each(|tenant| *first.entry(order(tenant, "x.example")[0]).or_insert(0) += 1);
        assert!(first.len() == 3 && first.values().all(|count| (60..140).contains(count)), "{first:?}");
        let id = pools.at("2001:db8::1".parse().unwrap()).unwrap();
        assert_eq!(pools.source(id).unwrap().hello.as_str(), "a.example");
        assert_eq!(pools.at("192.0.2.9".parse().unwrap()), None);
    }
}
