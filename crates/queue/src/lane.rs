//! One destination on the board: the ways to it, how its deliveries flow, what waits and what is asked for.
//!
//! A pure value. It is leased as many deliveries as its ways have free lanes, and some in advance while it takes mail well; leases are asked for
//! until there are enough, then not until half of them are used up or all that wait find room, so that commands are few and large.
//!
//! Which address a delivery leaves from is known when it is leased: what kind of mail it is stands in its message. Until then a tenant's mail is
//! taken for what its last one at this destination was, so that what can't leave is not leased; of a tenant that is new here, the first is.

use std::collections::BTreeMap;
use std::sync::Arc;

use yubin_state::queue::RemoteReply;
use yubin_types::{DomainId, Timestamp, limits};

use crate::flow::Flow;
use crate::line::Line;
use crate::pace::PaceLimits;
use crate::path::Path;
use crate::pools::{PoolId, SourceId};
use crate::profile::{KnownBy, Profile};

/// A destination.
#[derive(Debug)]
pub(crate) struct Lane {
    limits: PaceLimits,
    pub(crate) paths: BTreeMap<SourceId, Path>,
    /// How many sources there are that might be tried.
    sources: usize,
    pub(crate) flow: Flow,
    pub(crate) waiting: Line,
    /// Leases under way.
    pub(crate) asked: usize,
    supply: Supply,
    /// The pool of each tenant's last delivery.
    usual: BTreeMap<DomainId, PoolId>,
    /// The receiver, if it is known.
    pub(crate) site: Option<Arc<Profile>>,
    /// Since when nothing may leave from this worker, because others use all of the receiver's limit.
    pub(crate) shut: Option<Timestamp>,
    /// The last thing that was heard from there, if it gives trouble.
    pub(crate) heard: Option<RemoteReply>,
}

/// Are leases being asked for until there are enough?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supply {
    Growing,
    Enough,
}

/// What awaits a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// It may be leased.
    Open,
    /// When others have ended.
    Full,
    /// Not before then.
    NotBefore(Timestamp),
}

impl Lane {
    /// A destination that mail may go to from so many sources.
    pub(crate) fn new(limits: PaceLimits, sources: usize) -> Lane {
        Lane {
            limits,
            paths: BTreeMap::new(),
            sources,
            flow: Flow::default(),
            waiting: Line::default(),
            asked: 0,
            supply: Supply::Growing,
            usual: BTreeMap::new(),
            site: None,
            shut: None,
            heard: None,
        }
    }

    /// The way from a source.
    pub(crate) fn path(&mut self, source: SourceId) -> &mut Path {
        self.paths.entry(source).or_insert_with(|| Path::new(self.limits))
    }

    /// The pool that a tenant's last delivery left from.
    pub(crate) fn usual(&self, tenant: DomainId) -> Option<PoolId> {
        self.usual.get(&tenant).copied()
    }

    /// Did any tenant's last delivery leave from there?
    pub(crate) fn is_usual(&self, pool: PoolId) -> bool {
        self.usual.values().any(|usual| *usual == pool)
    }

    /// Deliveries at a time to it alone.
    pub(crate) fn lanes_max(&self) -> u32 {
        self.limits.lanes_max.max(1)
    }

    /// A tenant's delivery leaves from this pool. Only a hint for the next one, so that a large receiver's lane does not grow with the cluster.
    pub(crate) fn leaves_by(&mut self, tenant: DomainId, pool: PoolId) {
        if self.usual.len() >= limits::QUEUE_TENANTS_REMEMBERED_MAX {
            self.usual.clear();
        }
        self.usual.insert(tenant, pool);
    }

    /// The receiver is known: what was learned stays within its bounds. Those of a destination of no known receiver are `unknown`.
    pub(crate) fn know(&mut self, profile: &Arc<Profile>, unknown: PaceLimits) {
        self.limits = profile.pace(unknown);
        self.paths.values_mut().for_each(|path| path.pace.bound(self.limits));
        self.site = Some(Arc::clone(profile));
    }

    /// The profile that knows its receiver.
    pub(crate) fn profile(&self) -> Option<&Profile> {
        self.site.as_deref().filter(|site| site.known_by == KnownBy::Profile)
    }

    /// How many leases there are to be that have not begun. A source that nothing left from yet has the lanes of a beginner.
    fn wanted(&self, now: Timestamp) -> usize {
        let ahead = self.flow.ahead();
        let tried: usize = self.paths.values().map(|path| path.wanted(now, ahead)).sum();
        tried + if self.paths.len() < self.sources { self.limits.lanes_initial as usize } else { 0 }
    }

    /// How many there are; those that stand before a way that is full don't keep others from being leased.
    fn there(&self, now: Timestamp) -> usize {
        let ahead = self.flow.ahead();
        self.asked + self.paths.values().map(|path| path.ready.count().min(path.wanted(now, ahead))).sum::<usize>()
    }

    /// May one more be leased, when all that wait are?
    pub(crate) fn has_room(&self, now: Timestamp) -> bool {
        self.there(now) + self.waiting.count() < self.wanted(now)
    }

    /// Is one more to be leased?
    pub(crate) fn asks(&mut self, now: Timestamp) -> bool {
        let (wanted, there) = (self.wanted(now), self.there(now));
        if there >= wanted {
            self.supply = Supply::Enough;
        } else if there <= wanted / 2 || there + self.waiting.count() <= wanted {
            self.supply = Supply::Growing;
        }
        self.supply == Supply::Growing
    }

    /// What awaits a delivery that may leave from any of these.
    pub(crate) fn outlook(&self, now: Timestamp, candidates: &[SourceId]) -> Outlook {
        let ahead = self.flow.ahead();
        let mut outlook = None;
        for source in candidates {
            let Some(path) = self.paths.get(source) else { return Outlook::Open };
            outlook = match (path.pauses(now), outlook) {
                (None, _) if path.ready.count() < path.wanted(now, ahead) => return Outlook::Open,
                (None, _) | (_, Some(Outlook::Full)) => Some(Outlook::Full),
                (Some(until), Some(Outlook::NotBefore(soonest))) => Some(Outlook::NotBefore(until.min(soonest))),
                (Some(until), _) => Some(Outlook::NotBefore(until)),
            };
        }
        outlook.unwrap_or(Outlook::Open)
    }

    /// The source that a delivery leaves from, of these: the first with a lane that is free, or the one with the shortest line of those that
    /// don't pause; or when the first pause ends.
    pub(crate) fn choose(&self, now: Timestamp, candidates: &[SourceId]) -> Result<SourceId, Timestamp> {
        let mut shortest: Option<(usize, SourceId)> = None;
        let mut soonest: Option<Timestamp> = None;
        for source in candidates {
            let Some(path) = self.paths.get(source) else { return Ok(*source) };
            if let Some(until) = path.pauses(now) {
                soonest = Some(soonest.map_or(until, |soonest| soonest.min(until)));
            } else if path.spare().is_some() {
                return Ok(*source);
            } else if shortest.is_none_or(|(count, _)| path.ready.count() < count) {
                shortest = Some((path.ready.count(), *source));
            }
        }
        shortest.map(|(_, source)| source).ok_or(soonest.unwrap_or(now))
    }

    /// Leased, and not begun.
    pub(crate) fn ready(&self) -> usize {
        self.paths.values().map(|path| path.ready.count()).sum()
    }

    /// Is nothing here, and nothing known that is worth to be remembered?
    pub(crate) fn is_forgettable(&self, now: Timestamp, rests_ms: u64) -> bool {
        let idle = self.waiting.count() + self.asked + self.ready() == 0;
        let rests = |path: &Path| path.peak.within(now, rests_ms) > 0;
        idle && self.paths.values().all(|path| path.pace.is_forgettable(now) && !rests(path))
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::{DomainId, limits};

    use super::Lane;
    use crate::pace::PaceLimits;
    use crate::pools::PoolId;

    #[test]
    fn a_large_receiver_remembers_a_bounded_number_of_tenants() {
        let mut lane = Lane::new(PaceLimits::default(), 1);
        for tenant in 1..=3 * limits::QUEUE_TENANTS_REMEMBERED_MAX as u64 {
            lane.leaves_by(DomainId(tenant), PoolId::SYSTEM);
            assert!(lane.usual.len() <= limits::QUEUE_TENANTS_REMEMBERED_MAX);
            assert_eq!(lane.usual(DomainId(tenant)), Some(PoolId::SYSTEM));
        }
    }
}
