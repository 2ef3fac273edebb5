//! Asks for everything that a check reads, at once where nothing depends on an answer.
//!
//! Bounded twice: no question begins after the deadline or beyond [`limits::DNS_CHECK_LOOKUPS_MAX`] of them. A question that is cut off or not asked is
//! unknown. SPF records are followed through `include` and `redirect`, as far as they can be known without a message.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::time::{Instant, timeout_at};
use yubin_types::{DomainName, limits};

use super::zone::{Host, Looked, Zone};
use super::{Expected, dkim, dmarc, services, spf, tls};
use crate::mta_sts::{FetchError, Fetcher, announced_id};
use crate::resolver::{LookupError, Resolver, TemporaryCause, Validation};

/// One check under way.
pub(super) struct Gathering<'a> {
    resolver: &'a Resolver,
    policies: &'a Fetcher,
    deadline: Instant,
    asked: AtomicUsize,
}

impl<'a> Gathering<'a> {
    pub(super) fn new(resolver: &'a Resolver, policies: &'a Fetcher, deadline: Instant) -> Gathering<'a> {
        Gathering { resolver, policies, deadline, asked: AtomicUsize::new(0) }
    }

    pub(super) async fn run(self, expected: &Expected) -> Zone {
        let domain = expected.domain.as_str();
        let mut zone = Zone::default();
        let mut texts =
            vec![domain.to_owned(), tls::mta_sts_name(&expected.domain), tls::tls_rpt_name(&expected.domain)];
        texts.extend(dkim::names(expected));
        texts.extend(dmarc::names_of(expected));
        let (exchanges, ()) =
            tokio::join!(self.ask(self.resolver.published_exchanges(domain)), self.texts(&mut zone, texts));
        zone.exchanges.insert(domain.to_owned(), Looked::new(exchanges));
        let (hosts, services, policy) =
            tokio::join!(self.hosts(&zone, expected), self.services(expected), self.policy(&zone, expected));
        (zone.hosts, zone.services, zone.policy) =
            (hosts.into_iter().collect(), services.into_iter().collect(), policy);
        loop {
            let mut wanted = spf::unasked(expected, &zone);
            wanted.extend(dmarc::unasked(expected, &zone));
            if wanted.is_empty() || !self.may_ask() {
                return zone;
            }
            self.texts(&mut zone, wanted).await;
        }
    }

    /// What stands where keys are to stand, and nothing else.
    pub(super) async fn keys(self, expected: &Expected) -> Zone {
        let mut zone = Zone::default();
        self.texts(&mut zone, dkim::names(expected)).await;
        zone
    }

    async fn texts(&self, zone: &mut Zone, names: Vec<String>) {
        let asked = names.into_iter().map(async |name| {
            let texts = self.ask(self.resolver.texts_at(&name)).await;
            let texts =
                texts.map(|texts| texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect());
            (name, Looked::new(texts))
        });
        zone.texts.extend(join_all(asked).await);
    }

    async fn hosts(&self, zone: &Zone, expected: &Expected) -> Vec<(String, Host)> {
        let exchanges = match zone.exchanges(expected.domain.as_str()) {
            Looked::Found(exchanges) => exchanges,
            Looked::Nothing | Looked::Unknown(_) => Vec::new(),
        };
        let exchanges = exchanges.into_iter().map(|(_, name)| name).take(limits::DNS_CHECK_HOSTS_MAX);
        join_all(exchanges.chain(services::hosts(expected)).map(async |name| {
            let host = self.host(&name).await;
            (name, host)
        }))
        .await
    }

    async fn host(&self, name: &str) -> Host {
        let Ok(parsed) = DomainName::parse(name) else { return Host::Nowhere };
        match self.ask(self.resolver.addresses(&parsed, Validation::Off)).await {
            Ok(addresses) => match addresses.value.canonical {
                Some(canonical) if canonical != parsed => Host::Alias(canonical.to_string()),
                _ => Host::Sound,
            },
            Err(LookupError::NoDomain(_) | LookupError::NoData(_)) => Host::Nowhere,
            Err(error) => Host::Unknown(error.to_string()),
        }
    }

    async fn services(&self, expected: &Expected) -> Vec<(String, Looked<(u16, String)>)> {
        join_all(services::names(expected).into_iter().map(async |name| {
            let found = Looked::new(self.ask(self.resolver.services_at(&name)).await);
            (name, found)
        }))
        .await
    }

    async fn policy(&self, zone: &Zone, expected: &Expected) -> Option<Result<crate::mta_sts::Policy, FetchError>> {
        let Looked::Found(texts) = zone.texts(&tls::mta_sts_name(&expected.domain)) else { return None };
        announced_id(&texts)?;
        let fetch = self.policies.fetch(self.resolver, &expected.domain);
        Some(timeout_at(self.deadline, Box::pin(fetch)).await.unwrap_or(Err(FetchError::Timeout)))
    }

    /// One lookup, if there is room for it, until the deadline.
    async fn ask<T>(&self, lookup: impl Future<Output = Result<T, LookupError>>) -> Result<T, LookupError> {
        let unknown = Err(LookupError::Temporary(TemporaryCause::Timeout));
        if !self.may_ask() {
            return unknown;
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        timeout_at(self.deadline, Box::pin(lookup)).await.unwrap_or(unknown)
    }

    fn may_ask(&self) -> bool {
        self.asked.load(Ordering::Relaxed) < limits::DNS_CHECK_LOOKUPS_MAX && Instant::now() < self.deadline
    }
}
