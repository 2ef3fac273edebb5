//! [`MailHosts`] as the DNS knows them: MX and addresses, and what DANE and MTA-STS demand of a host's TLS.
//!
//! DANE goes first where both apply (RFC 8461 §2); a policy in testing mode demands nothing. Where a proof is broken or can't be had, the
//! host is left alone for now: a downgrade is what an attacker would want. IPv4 addresses are tried before IPv6 ones, because receivers
//! judge IPv6 senders more severely.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use yubin_dns_auth::dane::{Decision, Target, decide};
use yubin_dns_auth::mta_sts::{FetchConfig, Mode, MtaSts, StsLookup};
use yubin_dns_auth::tls::{PeerCheck, client_config};
use yubin_dns_auth::{AddressScope, LookupError, Resolver, Route, Security, Validation};
use yubin_types::DomainName;

use crate::route::{Hosts, LookupFailure, MailHosts, TlsPolicy};

/// Where MTA-STS policies are fetched (RFC 8461 §3.3).
const HTTPS_PORT: u16 = 443;

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
}

impl Dns {
    /// Asks this resolver; `roots` vouch for hosts of MTA-STS policies and for those that serve the policies.
    ///
    /// # Errors
    /// When the TLS library refuses its configuration.
    pub fn new(resolver: Resolver, dnssec: Dnssec, roots: Arc<RootCertStore>) -> Result<Dns, rustls::Error> {
        let fetch = FetchConfig { roots: Arc::clone(&roots), port: HTTPS_PORT, scope: AddressScope::Public };
        Ok(Dns {
            mta_sts: MtaSts::new(resolver.clone(), fetch)?,
            authorities: Arc::new(client_config(PeerCheck::WebPki(roots))?),
            resolver,
            dnssec,
        })
    }

    const fn validation(&self) -> Validation {
        match self.dnssec {
            Dnssec::Validate => Validation::On,
            Dnssec::Ignore => Validation::Off,
        }
    }

    /// What DANE demands; `None`: nothing.
    async fn dane(&self, domain: &DomainName, host: &DomainName, port: u16) -> Option<TlsPolicy> {
        // Just looked up for the route, and remembered.
        let found = self.resolver.route(domain, 0, Validation::On).await;
        let mx_security = found.map_or(Security::Unchecked, |answer| answer.security);
        match decide(&self.resolver, Target { domain, mx_security, host, port }).await {
            Decision::NotApplicable => None,
            Decision::EncryptOnly => Some(TlsPolicy::Encrypted),
            Decision::Defer(error) => {
                Some(TlsPolicy::Deferred(format!("what DANE says of {host} is unknown: {error}")))
            }
            Decision::Required(requirement) => {
                let (name, identity) = (requirement.base.clone(), format!("{requirement:?}"));
                Some(match client_config(PeerCheck::Dane(requirement)) {
                    Ok(config) => TlsPolicy::Verified { config: Arc::new(config), name, identity },
                    Err(error) => TlsPolicy::Deferred(error.to_string()),
                })
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

    async fn tls_policy(&self, domain: &DomainName, host: &DomainName, port: u16) -> TlsPolicy {
        if self.dnssec == Dnssec::Validate
            && let Some(policy) = self.dane(domain, host, port).await
        {
            return policy;
        }
        match self.mta_sts.lookup(domain).await {
            StsLookup::Policy(policy) if policy.mode == Mode::Enforce => {
                if policy.permits(host) {
                    let (config, identity) = (Arc::clone(&self.authorities), "authorities".to_owned());
                    TlsPolicy::Verified { config, name: host.clone(), identity }
                } else {
                    TlsPolicy::Excluded(format!("the MTA-STS policy of {domain} does not name {host}"))
                }
            }
            StsLookup::Policy(_) | StsLookup::Nothing | StsLookup::Unavailable(_) => TlsPolicy::Opportunistic,
        }
    }
}

fn failure(error: LookupError) -> LookupFailure {
    match error {
        LookupError::NoDomain(_) | LookupError::NoData(_) => LookupFailure::NotFound,
        LookupError::Temporary(_) | LookupError::Bogus => LookupFailure::Temporary(error.to_string()),
    }
}
