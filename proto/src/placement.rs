//! Where domains live: a bounded cache in front of the directory.
//!
//! A hit may be stale; that is harmless, because every request carries the epoch and the group refuses a stale one. A miss is never
//! trusted: the directory is asked with a linearizable read before anybody is told that a domain doesn't exist.

use std::sync::Arc;

use quick_cache::sync::Cache;
use yubin_types::{DomainId, DomainName, Placement};

use crate::contract::Scope;

/// Domains that one process remembers; about 200 bytes each.
const DOMAINS_CACHED_MAX: usize = 100_000;

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
}

impl Placements {
    pub(crate) fn new() -> Self {
        Placements { known: Cache::new(DOMAINS_CACHED_MAX) }
    }

    pub(crate) fn get(&self, name: &DomainName) -> Option<Arc<Hosted>> {
        self.known.get(name)
    }

    pub(crate) fn learn(&self, hosted: Hosted) -> Arc<Hosted> {
        let hosted = Arc::new(hosted);
        self.known.insert(hosted.name.clone(), Arc::clone(&hosted));
        hosted
    }

    pub(crate) fn forget(&self, name: &DomainName) {
        self.known.remove(name);
    }
}
