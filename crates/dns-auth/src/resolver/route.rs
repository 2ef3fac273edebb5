//! From a domain to the hosts that take its mail (RFC 5321 §5.1, RFC 7505).
//!
//! A domain's mail goes to its MX hosts; to the domain itself if it has no MX record (the implicit MX); nowhere if it has a null MX.
//! Address literals have no route to look up. Which of the hosts is the sender himself, which addresses are forbidden, and how often
//! to try is for the queue to say.

use hickory_resolver::proto::rr::RData;
use yubin_types::DomainName;

use super::answer::{Answer, LookupError, MailHosts, MxHost, Validation};
use super::{Resolver, host_name};

/// Where a domain's mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To these hosts, in this order; at least one. Whether they have addresses is not known yet: none of them having any is a
    /// permanent error (RFC 5321 §5.1).
    Hosts {
        /// By preference, ties in an order drawn from the seed.
        hosts: Vec<MxHost>,
        /// Where they come from: DANE and MTA-STS look at MX hosts.
        source: HostSource,
    },
    /// Nowhere: the domain takes no mail (RFC 7505; `556 5.1.10`).
    NullMx,
    /// Nowhere: there are MX records, and none names a host that can exist.
    NoUsableMx,
}

/// Where the hosts of a route come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostSource {
    /// MX records.
    Mx,
    /// The domain has none and stands for itself.
    Implicit,
}

impl Resolver {
    /// Where a domain's mail goes. The answer's security is that of the MX records, or of their proven absence; an address
    /// literal is never secure.
    ///
    /// # Errors
    /// [`LookupError::NoDomain`] (permanent: `550 5.1.2`), [`LookupError::Temporary`], [`LookupError::Bogus`]; never
    /// [`LookupError::NoData`].
    pub async fn route(
        &self,
        domain: &DomainName,
        seed: u64,
        validation: Validation,
    ) -> Result<Answer<Route>, LookupError> {
        match self.mx(domain, seed, validation).await {
            Ok(Answer { value, security }) => {
                let value = match value {
                    MailHosts::NullMx => Route::NullMx,
                    MailHosts::Hosts(hosts) if hosts.is_empty() => Route::NoUsableMx,
                    MailHosts::Hosts(hosts) => Route::Hosts { hosts, source: HostSource::Mx },
                };
                Ok(Answer { value, security })
            }
            Err(LookupError::NoData(security)) => {
                let hosts = vec![MxHost { preference: 0, name: domain.clone() }];
                Ok(Answer { value: Route::Hosts { hosts, source: HostSource::Implicit }, security })
            }
            Err(error) => Err(error),
        }
    }
}

/// Hosts of MX records in the order in which they are tried.
pub(super) fn mail_hosts(records: &[RData], seed: u64) -> MailHosts {
    let exchanges = || records.iter().filter_map(|data| if let RData::MX(mx) = data { Some(mx) } else { None });
    // A null MX stands alone; beside others it is a mistake and passed over (RFC 7505 §3).
    if exchanges().next().is_some() && exchanges().all(|mx| mx.exchange.is_root()) {
        return MailHosts::NullMx;
    }
    let mut hosts: Vec<MxHost> = exchanges()
        .filter_map(|mx| host_name(&mx.exchange).map(|name| MxHost { preference: mx.preference, name }))
        .collect();
    hosts.sort_by_cached_key(|host| (host.preference, lot(seed, host.name.as_str())));
    hosts.dedup();
    MailHosts::Hosts(hosts)
}

/// What a name draws in the lottery of a seed: FNV-1a, then the finish of SplitMix64 so that names which differ in the last letter
/// don't stay neighbours.
fn lot(seed: u64, name: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut hash = name.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use hickory_resolver::proto::rr::rdata::MX;
    use hickory_resolver::proto::rr::{Name, RData};

    use super::super::answer::MailHosts;
    use super::mail_hosts;

    fn mx(records: &[(u16, &str)]) -> Vec<RData> {
        records
            .iter()
            .map(|(preference, host)| RData::MX(MX::new(*preference, Name::from_str(host).unwrap())))
            .collect()
    }

    fn order(records: &[(u16, &str)], seed: u64) -> Vec<String> {
        match mail_hosts(&mx(records), seed) {
            MailHosts::Hosts(hosts) => hosts.into_iter().map(|host| host.name.as_str().to_owned()).collect(),
            MailHosts::NullMx => panic!("no null MX here"),
        }
    }

    #[test]
    fn lower_preference_goes_first_and_ties_are_drawn() {
        let records = [(20, "backup.example."), (10, "a.example."), (10, "b.example."), (10, "C.example.")];
        let mut firsts = std::collections::BTreeMap::<String, u32>::new();
        for seed in 0..3_000 {
            let hosts = order(&records, seed);
            assert_eq!(hosts, order(&records, seed), "one seed, one order");
            assert_eq!(hosts[3], "backup.example");
            *firsts.entry(hosts[0].clone()).or_default() += 1;
        }
        assert_eq!(firsts.len(), 3, "{firsts:?}");
        assert!(firsts.values().all(|times| (850..1_150).contains(times)), "{firsts:?}");
    }

    #[test]
    fn a_null_mx_counts_only_alone() {
        assert_eq!(mail_hosts(&mx(&[(0, ".")]), 1), MailHosts::NullMx);
        assert_eq!(order(&[(0, "."), (10, "mx.example.")], 1), ["mx.example"]);
    }

    #[test]
    fn a_name_that_no_host_can_have_is_passed_over() {
        assert_eq!(order(&[(0, "*.example."), (10, "mx.example.")], 1), ["mx.example"]);
        assert_eq!(mail_hosts(&mx(&[(0, "*.example.")]), 1), MailHosts::Hosts(vec![]));
    }
}
