//! Where domains live: a bounded cache in front of the directory.
//!
//! A hit may be stale; that is harmless, because every request carries the epoch and the group refuses a stale one. A miss is never
//! trusted: the directory is asked with a linearizable read before anybody is told that a domain doesn't exist. Who tells nobody, because
//! mail then goes elsewhere, may go by what the directory said a moment ago.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;
use yubin_types::{DomainId, DomainName, Placement};

use crate::contract::Scope;

/// Domains that one process remembers; about 200 bytes each.
const DOMAINS_CACHED_MAX: usize = 100_000;

/// Names that one process remembers not to be hosted.
const ELSEWHERE_CACHED_MAX: usize = 10_000;
/// How long it remembers that.
const ELSEWHERE_FOR: Duration = Duration::from_secs(2);

/// A hosted domain and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosted {
    /// Its name.
    pub name: DomainName,
    /// Its identity.
    pub id: DomainId,
    /// Its place.
    pub placement: Placement,
}

impl Hosted {
    /// What requests carry.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { group: self.placement.group, domain: self.id, epoch: self.placement.epoch }
    }
}

/// The cache.
#[derive(Debug)]
pub(crate) struct Placements {
    known: Cache<DomainName, Arc<Hosted>>,
    /// When the directory was asked that said no.
    elsewhere: Cache<DomainName, Instant>,
}

impl Placements {
    pub(crate) fn new() -> Self {
        Placements { known: Cache::new(DOMAINS_CACHED_MAX), elsewhere: Cache::new(ELSEWHERE_CACHED_MAX) }
    }

    pub(crate) fn get(&self, name: &DomainName) -> Option<Arc<Hosted>> {
        self.known.get(name)
    }

    pub(crate) fn learn(&self, hosted: Hosted) -> Arc<Hosted> {
        let hosted = Arc::new(hosted);
        self.known.insert(hosted.name.clone(), Arc::clone(&hosted));
        hosted
    }

    /// The directory, asked at `asked`, says that the domain is not hosted.
    pub(crate) fn learn_elsewhere(&self, name: DomainName, asked: Instant) {
        self.elsewhere.insert(name, asked);
    }

    pub(crate) fn is_elsewhere(&self, name: &DomainName) -> bool {
        self.elsewhere.get(name).is_some_and(|asked| asked.elapsed() < ELSEWHERE_FOR)
    }

    pub(crate) fn forget_elsewhere(&self) {
        self.elsewhere.clear();
    }

    pub(crate) fn forget(&self, name: &DomainName) {
        self.known.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use yubin_types::DomainName;

    use super::Placements;

    #[tokio::test(start_paused = true)]
    async fn that_a_domain_is_elsewhere_is_believed_for_a_moment() {
        let (placements, name) = (Placements::new(), DomainName::parse("b.example").unwrap());
        assert!(!placements.is_elsewhere(&name));
        placements.learn_elsewhere(name.clone(), Instant::now());
        assert!(placements.is_elsewhere(&name));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!placements.is_elsewhere(&name));
        placements.learn_elsewhere(name.clone(), Instant::now());
        placements.forget_elsewhere();
        assert!(!placements.is_elsewhere(&name));
    }
}
