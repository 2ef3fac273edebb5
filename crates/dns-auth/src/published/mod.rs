//! What a hosted domain's owner has published, against what this system needs: right, missing or wrong, and how to mend it.
//!
//! - `zone`: everything that was asked, and what came; `gather`: asks it, within [`limits::DNS_CHECK_SECONDS_MAX`] and
//!   [`limits::DNS_CHECK_LOOKUPS_MAX`].
//! - `mx`, `spf`, `dkim`, `dmarc`, `tls`, `services`: read the zone and give [`Finding`]s. They ask nobody, so each is a function of a table.
//! - `optional`: what is published only where the operator asks for it.
//!
//! Nothing is concluded from what could not be looked up: that is [`Verdict::Unknown`], never missing. Answers are not remembered, so that
//! who mends a record sees it. It stands here and not in `policy` because it reads records with the parsers that verify with them.
//! Deliberately not checked: what a receiver thinks of a policy, DNSSEC, reverse names, and hosts that SPF's `a` and `mx` lead to.

mod dkim;
mod dmarc;
mod finding;
mod gather;
mod mx;
mod optional;
mod services;
mod spf;
mod tls;
mod zone;

use std::time::Duration;

use tokio::time::Instant;
use yubin_types::{DomainName, limits};

use crate::mta_sts::{FetchConfig, Fetcher};
use crate::resolver::{ConfigError, NameServers, Resolver, ResolverConfig};

pub use finding::{Advice, Finding, RecordType, Subject, Verdict};
pub use optional::{OptionalRecords, Record};

use gather::Gathering;
use zone::Zone;

/// What a domain is to publish.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The hosted domain.
    pub domain: DomainName,
    /// Its mail exchangers, the preferred one first.
    pub mx_hosts: Vec<DomainName>,
    /// Its SPF record (RFC 7208), at the least.
    pub spf: String,
    /// The keys that sign its mail, have signed it or are about to.
    pub keys: Vec<ExpectedKey>,
    /// What the operator asks for beside these.
    pub optional: OptionalRecords,
}

/// A DKIM key that is to be published.
#[derive(Clone, Debug)]
pub struct ExpectedKey {
    /// Its selector.
    pub selector: DomainName,
    /// Its record (RFC 6376 §3.6.1).
    pub record: String,
}

/// Asks the DNS what is published and compares.
pub struct Inspector {
    resolver: Resolver,
    policies: Fetcher,
}

impl Inspector {
    /// Asks these name servers, and fetches MTA-STS policies as configured.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(nameservers: NameServers, fetch: FetchConfig) -> Result<Inspector, ConfigError> {
        let resolver = Resolver::new(&ResolverConfig { nameservers, cache_bytes_max: 0, ..ResolverConfig::default() })?;
        let policies = Fetcher::new(fetch).map_err(|error| ConfigError::Tls(error.to_string()))?;
        Ok(Inspector { resolver, policies })
    }

    /// What is published, record by record: what must be first, then what may be.
    pub async fn check(&self, expected: &Expected) -> Vec<Finding> {
        let deadline = Instant::now() + Duration::from_secs(limits::DNS_CHECK_SECONDS_MAX);
        findings(expected, &Gathering::new(&self.resolver, &self.policies, deadline).run(expected).await)
    }

    /// What is published of the keys alone, key by key.
    pub async fn check_keys(&self, expected: &Expected) -> Vec<Finding> {
        let deadline = Instant::now() + Duration::from_secs(limits::DNS_CHECK_SECONDS_MAX);
        dkim::check(expected, &Gathering::new(&self.resolver, &self.policies, deadline).keys(expected).await)
    }
}

impl std::fmt::Debug for Inspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}

fn findings(expected: &Expected, zone: &Zone) -> Vec<Finding> {
    let mut findings = mx::check(expected, zone);
    findings.push(spf::check(expected, zone));
    findings.extend(dkim::check(expected, zone));
    findings.push(dmarc::check(expected, zone));
    findings.push(tls::mta_sts(expected, zone));
    findings.push(tls::tls_rpt(expected, zone));
    findings.extend(services::check(expected, zone));
    findings
}

/// The tags of a list like DKIM's and DMARC's (RFC 6376 §3.2), in order; a piece without `=` has an empty value.
fn tags(record: &str) -> Vec<(&str, &str)> {
    let pieces = record.split(';').map(str::trim).filter(|piece| !piece.is_empty());
    pieces.map(|piece| piece.split_once('=').map_or((piece, ""), |(name, value)| (name.trim(), value.trim()))).collect()
}

/// The value of a tag.
fn tag<'a>(tags: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    tags.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}
