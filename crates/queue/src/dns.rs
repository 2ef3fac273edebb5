//! [`MailHosts`] as the DNS knows them: MX and addresses, and what DANE and MTA-STS demand of a host's TLS.
//!
//! DANE goes first where both apply (RFC 8461 §2); a policy in testing mode demands nothing, and its sessions are counted by what it would have said. Where a proof is broken or can't be had, the
//! host is left alone for now: a downgrade is what an attacker would want. IPv4 addresses are tried before IPv6 ones, because receivers
//! judge IPv6 senders more severely.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use yubin_dns_auth::dane::{Decision, Target, decide};
use yubin_dns_auth::mta_sts::{FetchConfig, Mode, MtaSts, Policy, StsLookup};
use yubin_dns_auth::tls::observed::Authorities;
use yubin_dns_auth::tls::{PeerCheck, client_config};
use yubin_dns_auth::tls_rpt::result_of_fetch;
use yubin_dns_auth::{LookupError, Resolver, Route, Security, Validation};
use yubin_types::report::{AppliedPolicy, TlsPolicyType, TlsResultType};
use yubin_types::{DomainName, limits};

use crate::route::{CountedTls, HostTls, Hosts, LookupFailure, MailHosts, TlsPolicy};

/// Are answers validated?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dnssec {
    /// Yes, and DANE is honoured.
    Validate,
    /// No: the name servers can't be asked for proofs.
    Ignore,
}

/// The DNS.
pub struct Dns {
    resolver: Resolver,
    dnssec: Dnssec,
    mta_sts: MtaSts,
    /// Certificates that an authority vouches for.
    authorities: Arc<ClientConfig>,
    /// The same, for certificates that are only looked at.
    tested: Option<Authorities>,
}

impl Dns {
    /// Asks this resolver, and fetches MTA-STS policies as configured; the same authorities vouch for the hosts that policies name.
    ///
    /// # Errors
    /// When the TLS library refuses its configuration.
    pub fn new(resolver: Resolver, dnssec: Dnssec, fetch: FetchConfig) -> Result<Dns, rustls::Error> {
        let roots = Arc::clone(&fetch.roots);
        Ok(Dns {
            mta_sts: MtaSts::new(resolver.clone(), fetch)?,
            tested: Authorities::new(Arc::clone(&roots)),
            authorities: Arc::new(client_config(PeerCheck::WebPki(roots))?),
            resolver,
            dnssec,
        })
    }

    /// Keeps MTA-STS policies in this folder, so that a restart forgets none.
    ///
    /// # Errors
    /// When the folder can't be made or read.
    pub fn keeping_policies_in(mut self, folder: PathBuf) -> io::Result<Dns> {
        self.mta_sts = self.mta_sts.kept_in(folder)?;
        Ok(self)
    }

    const fn validation(&self) -> Validation {
        match self.dnssec {
            Dnssec::Validate => Validation::On,
            Dnssec::Ignore => Validation::Off,
        }
    }

    /// Under what sessions are counted of a policy that is only tested. Without authorities nobody can say what is wrong.
    fn tested(&self, domain: &DomainName, policy: &Policy, host: &DomainName) -> Option<CountedTls> {
        let flaw = (!policy.permits(host)).then_some(TlsResultType::ValidationFailure);
        let tested = Some(self.tested.clone()?);
        Some(CountedTls { tested, ..of_sts(domain, policy, flaw) })
    }

    /// What DANE demands; `None`: nothing.
    async fn dane(&self, domain: &DomainName, host: &DomainName, port: u16) -> Option<HostTls> {
        // Just looked up for the route, and remembered.
        let found = self.resolver.route(domain, 0, Validation::On).await;
        let mx_security = found.map_or(Security::Unchecked, |answer| answer.security);
        match decide(&self.resolver, Target { domain, mx_security, host, port }).await {
            Decision::NotApplicable => None,
            Decision::EncryptOnly => {
                let counted = of_dane(domain, host, Vec::new(), Some(TlsResultType::TlsaInvalid));
                Some(HostTls { demand: TlsPolicy::Encrypted, counted: Some(counted) })
            }
            Decision::Defer(error) => {
                // Nobody's fault but a name server's is no news.
                let bogus = error == LookupError::Bogus;
                let counted = of_dane(domain, host, Vec::new(), bogus.then_some(TlsResultType::DnssecInvalid));
                let demand = TlsPolicy::Deferred(format!("what DANE says of {host} is unknown: {error}"));
                Some(HostTls { demand, counted: Some(counted) })
            }
            Decision::Required(requirement) => {
                let counted = of_dane(domain, host, requirement.records.strings(), None);
                let (name, identity) = (requirement.base.clone(), format!("{requirement:?}"));
                let demand = match client_config(PeerCheck::Dane(requirement)) {
                    Ok(config) => TlsPolicy::Verified { config: Arc::new(config), name, identity },
                    Err(error) => TlsPolicy::Deferred(error.to_string()),
                };
                Some(HostTls { demand, counted: Some(counted) })
            }
        }
    }
}

#[async_trait::async_trait]
impl MailHosts for Dns {
    async fn hosts(&self, domain: &DomainName, seed: u64) -> Result<Hosts, LookupFailure> {
        let route = self.resolver.route(domain, seed, self.validation()).await.map_err(failure)?;
        Ok(match route.value {
            Route::Hosts { hosts, .. } => {
                Hosts::Found(hosts.into_iter().map(|host| (host.preference, host.name)).collect())
            }
            Route::NullMx | Route::NoUsableMx => Hosts::Nobody,
        })
    }

    async fn addresses(&self, host: &DomainName) -> Result<Vec<IpAddr>, LookupFailure> {
        let found = self.resolver.addresses(host, self.validation()).await.map_err(failure)?.value;
        Ok(found.v4.into_iter().map(IpAddr::V4).chain(found.v6.into_iter().map(IpAddr::V6)).collect())
    }

    async fn names(&self, address: IpAddr) -> Result<Vec<DomainName>, LookupFailure> {
        Ok(self.resolver.ptr(address, Validation::Off).await.map_err(failure)?.value)
    }

    async fn tls_policy(&self, domain: &DomainName, host: &DomainName, port: u16) -> HostTls {
        if self.dnssec == Dnssec::Validate
            && let Some(policy) = self.dane(domain, host, port).await
        {
            return policy;
        }
        match self.mta_sts.lookup(domain).await {
            StsLookup::Policy(policy) if policy.mode == Mode::Enforce => {
                if policy.permits(host) {
                    let (config, identity) = (Arc::clone(&self.authorities), "authorities".to_owned());
                    let demand = TlsPolicy::Verified { config, name: host.clone(), identity };
                    HostTls { demand, counted: Some(of_sts(domain, &policy, None)) }
                } else {
                    let flaw = Some(TlsResultType::ValidationFailure);
                    let why = format!("the MTA-STS policy of {domain} does not name {host}");
                    HostTls { demand: TlsPolicy::Excluded(why), counted: Some(of_sts(domain, &policy, flaw)) }
                }
            }
            StsLookup::Policy(policy) => {
                HostTls { demand: TlsPolicy::Opportunistic, counted: self.tested(domain, &policy, host) }
            }
            StsLookup::Nothing => HostTls {
                demand: TlsPolicy::Opportunistic,
                counted: Some(counted(domain, TlsPolicyType::NoPolicyFound, (Vec::new(), Vec::new()), None)),
            },
            StsLookup::Unavailable(error) => {
                let flaw = Some(result_of_fetch(&error));
                let counted = counted(domain, TlsPolicyType::Sts, (Vec::new(), Vec::new()), flaw);
                HostTls { demand: TlsPolicy::Opportunistic, counted: Some(counted) }
            }
        }
    }
}

fn of_dane(domain: &DomainName, host: &DomainName, records: Vec<String>, flaw: Option<TlsResultType>) -> CountedTls {
    counted(domain, TlsPolicyType::Tlsa, (records, vec![host.to_string()]), flaw)
}

fn of_sts(domain: &DomainName, policy: &Policy, flaw: Option<TlsResultType>) -> CountedTls {
    let hosts = policy.mx.iter().map(ToString::to_string).collect();
    counted(domain, TlsPolicyType::Sts, (policy.lines(), hosts), flaw)
}

fn counted(
    domain: &DomainName,
    kind: TlsPolicyType,
    (mut strings, mut mx_hosts): (Vec<String>, Vec<String>),
    flaw: Option<TlsResultType>,
) -> CountedTls {
    strings.truncate(limits::TLS_RPT_STRINGS_MAX);
    mx_hosts.truncate(limits::TLS_RPT_STRINGS_MAX);
    let policy = Arc::new(AppliedPolicy { domain: domain.clone(), kind, strings, mx_hosts });
    CountedTls { policy, flaw, tested: None }
}

fn failure(error: LookupError) -> LookupFailure {
    match error {
        LookupError::NoDomain(_) | LookupError::NoData(_) => LookupFailure::NotFound,
        LookupError::Temporary(_) | LookupError::Bogus => LookupFailure::Temporary(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use yubin_dns_auth::mta_sts::{FetchConfig, Policy};
    use yubin_dns_auth::{AddressScope, Resolver, ResolverConfig};
    use yubin_types::DomainName;
    use yubin_types::report::TlsResultType;

    use super::{Dns, Dnssec};

    #[test]
    fn sessions_under_a_policy_that_is_tested_are_counted_if_somebody_can_say_what_is_wrong() {
        let certificate = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap().cert.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let dns = |roots: RootCertStore| {
            let resolver = Resolver::new(&ResolverConfig::default()).unwrap();
            let fetch = FetchConfig { roots: Arc::new(roots), port: 443, scope: AddressScope::Public };
            Dns::new(resolver, Dnssec::Ignore, fetch).unwrap()
        };
        let policy = Policy::parse("version: STSv1\nmode: testing\nmx: mx.a.example\nmax_age: 86400\n").unwrap();
        let name = |text: &str| DomainName::parse(text).unwrap();
        let dns_of_one = dns(roots);
        for (host, flaw) in [("mx.a.example", None), ("mx.b.example", Some(TlsResultType::ValidationFailure))] {
            let counted = dns_of_one.tested(&name("a.example"), &policy, &name(host)).unwrap();
            assert!(counted.tested.is_some());
            assert_eq!((counted.flaw, counted.policy.mx_hosts.as_slice()), (flaw, &["mx.a.example".to_owned()][..]));
        }
        assert!(dns(RootCertStore::empty()).tested(&name("a.example"), &policy, &name("mx.a.example")).is_none());
    }
}
