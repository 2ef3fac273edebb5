//! The board's choice of source addresses: from where a leased delivery leaves, and what becomes of it when that turns out not to do.

use std::collections::BTreeSet;

use yubin_state::queue::{DeliveryKey, DestinationName};
use yubin_types::{DomainId, Timestamp};

use super::{Age, Back, Board, BoardLimits, Due, Stage, Whose, site};
use crate::lane::{Lane, Outlook};
use crate::pace::Signal;
use crate::pools::{PoolId, SourceId};
use crate::profile::Family;
use crate::sources::{Presence, Sources, Traveller};

/// When to look again at what has expired and may not leave from this worker, milliseconds.
const SHUT_MS: u64 = 5_000;

/// Why a source can't be used for a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWay {
    /// The destination's hosts have only addresses of this family.
    Family(Family),
    /// This machine doesn't have the address.
    Missing,
    /// All that the destination's receiver takes at a time is under way.
    Busy,
}

/// What becomes of a delivery that can't leave from where it began.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rerouted {
    /// It will begin from elsewhere.
    Elsewhere,
    /// It is put off.
    Back(Back),
    /// There is no other way; it is still under way.
    Nowhere,
}

impl Board {
    /// What awaits a delivery, as far as can be told before it is leased.
    pub(super) fn outlook(&self, now: Timestamp, key: &DeliveryKey) -> Outlook {
        let lane = self.lanes.get(&key.destination);
        lane.map_or(Outlook::Open, |lane| outlook(&self.sources, &self.limits, lane, now, key))
    }

    /// The pool that a delivery leaves by, as far as can be told before it is leased.
    pub(super) fn usual(&self, key: &DeliveryKey) -> PoolId {
        self.lanes.get(&key.destination).and_then(|lane| lane.usual(key.domain)).unwrap_or(PoolId::SYSTEM)
    }

    /// Is a pool's mail other workers', because this one has none of its addresses?
    pub(super) fn is_others(&self, pool: PoolId) -> bool {
        self.rights.are_shared() && self.sources.lacks(pool)
    }

    /// Gives back what can't leave by its pool before then. What other workers may have an address for is due for them at once.
    fn back(&self, now: Timestamp, due: Due, until: Timestamp, pool: PoolId) -> Back {
        if self.is_others(pool) { Back { due, until: now, whose: Whose::Others } } else { Back::new(due, until) }
    }

    /// Puts a leased delivery on its way, or gives it back. What has expired goes nevertheless.
    pub(super) fn place(&mut self, now: Timestamp, due: Due, pool: PoolId) -> Option<Back> {
        let destination = due.key.destination.clone();
        let Some(lane) = self.lanes.get_mut(&destination) else {
            self.tally.leave(&due.key);
            return Some(Back::new(due, now));
        };
        let traveller = traveller(&self.limits, lane, &due.key, pool);
        self.sources.expect(now, &traveller);
        let chosen = choose(&self.sources, lane, now, &traveller);
        let source = match chosen.or_else(|until| nevertheless(&self.sources, now, &traveller, due.age).ok_or(until)) {
            Ok(source) => source,
            Err(until) => {
                self.tally.leave(&due.key);
                return Some(self.back(now, due, until, pool));
            }
        };
        if source == SourceId::SYSTEM && lane.shut.is_some() {
            self.tally.leave(&due.key);
            let later_ms = if due.age == Age::Over { SHUT_MS } else { 0 };
            return Some(Back::new(due, Timestamp(now.millis() + later_ms)));
        }
        self.sources.taken(now, source, &traveller);
        let path = lane.path(source);
        if path.ready.count() == 0 {
            self.ready_turn.push_back((destination, source));
        }
        path.ready.add(due);
        None
    }

    /// Nothing leaves from a source for a destination any more: what would have goes from others of its pool, or is given back, as is what
    /// waits for the same.
    pub(super) fn clear(&mut self, now: Timestamp, destination: &DestinationName, source: SourceId) -> Vec<Back> {
        let Some(lane) = self.lanes.get_mut(destination) else { return Vec::new() };
        let stranded = lane.paths.get_mut(&source).map(|path| path.ready.extract(|_| true)).unwrap_or_default();
        for due in &stranded {
            returned(&mut self.sources, &self.limits, lane, now, (&due.key, source));
        }
        let stuck = |tenant: &DomainId| {
            let key = DeliveryKey { domain: *tenant, ..stranger(destination) };
            matches!(outlook(&self.sources, &self.limits, lane, now, &key), Outlook::NotBefore(_))
        };
        let stuck: BTreeSet<DomainId> = lane.waiting.tenants().filter(stuck).collect();
        let waiting = lane.waiting.extract(|due| stuck.contains(&due.key.domain));
        waiting.iter().for_each(|due| self.tally.leave(&due.key));
        self.tidy_turns(Some(destination));
        let pool = self.sources.pools.source(source).map_or(PoolId::SYSTEM, |source| source.pool);
        let mut back: Vec<Back> = stranded.into_iter().filter_map(|due| self.place(now, due, pool)).collect();
        for due in waiting {
            let until = match self.outlook(now, &due.key) {
                Outlook::NotBefore(until) => until,
                Outlook::Open | Outlook::Full => now,
            };
            let pool = self.usual(&due.key);
            back.push(self.back(now, due, until, pool));
        }
        for (index, back) in (0_u64..).zip(back.iter_mut().filter(|back| back.whose == Whose::Anyones)) {
            let span_ms = (back.until.millis_since(now) / 4).max(1);
            back.until = Timestamp(back.until.millis() + index * 7 % span_ms);
        }
        back
    }

    /// A receiver blocks a source: it is set aside at the destination. Until when, if that is news; and what is given back.
    pub(crate) fn set_aside(
        &mut self,
        now: Timestamp,
        destination: &DestinationName,
        source: SourceId,
    ) -> (Option<Timestamp>, Vec<Back>) {
        let until = self.sources.set_aside(now, destination, source);
        let back = if until.is_some() { self.clear(now, destination, source) } else { Vec::new() };
        (until, back)
    }

    /// May mail of this pool leave for a destination from any other source than this one, now or after a pause?
    pub(crate) fn has_other(&self, now: Timestamp, key: &DeliveryKey, pool: PoolId, source: SourceId) -> bool {
        let Some(lane) = self.lanes.get(&key.destination) else { return false };
        let found = self.sources.candidates(now, &traveller(&self.limits, lane, key, pool));
        found.is_ok_and(|found| found.iter().any(|other| *other != source))
    }

    /// This machine has a source's address, or not. What can't leave any more is given back; `None` if that is no news.
    pub(crate) fn present(&mut self, now: Timestamp, source: SourceId, presence: Presence) -> Option<Vec<Back>> {
        if !self.sources.present(source, presence) {
            return None;
        }
        Some(if presence == Presence::Missing { self.strand(now, source) } else { Vec::new() })
    }

    /// This worker may not use a source any more: what would have left from there goes from others, or is given back.
    pub(super) fn strand(&mut self, now: Timestamp, source: SourceId) -> Vec<Back> {
        let used = |lane: &Lane| {
            lane.waiting.count() > 0 || lane.paths.get(&source).is_some_and(|path| path.ready.count() > 0)
        };
        let lanes = self.lanes.iter().filter(|(_, lane)| used(lane));
        let stranded: Vec<DestinationName> = lanes.map(|(destination, _)| destination.clone()).collect();
        stranded.iter().flat_map(|destination| self.clear(now, destination, source)).collect()
    }

    /// A delivery that began from a source can't leave from there.
    pub(crate) fn reroute(
        &mut self,
        now: Timestamp,
        due: Due,
        (pool, source): (PoolId, SourceId),
        why: NoWay,
    ) -> Rerouted {
        if let NoWay::Family(family) = why {
            self.sources.learn(now, &due.key.destination, family);
        }
        let fits = |other: &SourceId| match why {
            NoWay::Family(family) => self.sources.is_of(*other, family),
            NoWay::Missing => *other != source,
            NoWay::Busy => true,
        };
        let Some(lane) = self.lanes.get_mut(&due.key.destination) else { return Rerouted::Nowhere };
        let found = self.sources.candidates(now, &traveller(&self.limits, lane, &due.key, pool));
        let goes_on = match &found {
            Ok(found) => found.iter().any(fits),
            Err(_) => why == NoWay::Busy || (why == NoWay::Missing && due.age != Age::Over),
        };
        if !goes_on || self.tally.stage(&due.key) != Some(Stage::Begun) {
            return Rerouted::Nowhere;
        }
        returned(&mut self.sources, &self.limits, lane, now, (&due.key, source));
        let path = lane.path(source);
        path.peak.ended(now, path.pace.in_flight(), self.limits.rests_ms);
        path.pace.ended(now, Signal::None);
        if let Some(profile) = &lane.site {
            site(&mut self.sites, profile, source, now).ended();
        }
        self.tally.enter(due.key.clone(), Stage::Ahead);
        self.place(now, due, pool).map_or(Rerouted::Elsewhere, Rerouted::Back)
    }

    /// May nothing leave for the destination from a source now, because it pauses or this worker does not have the source? For what goes
    /// whatever its destination does.
    pub(crate) fn pauses(&self, now: Timestamp, destination: &DestinationName, source: SourceId) -> bool {
        let path = self.lanes.get(destination).and_then(|lane| lane.paths.get(&source));
        path.is_some_and(|path| path.pauses(now).is_some())
            || self.sources.aside_until(now, destination, source).is_some()
            || self.sources.is_absent(source)
    }

    /// What is known of sources.
    pub(crate) fn sources(&mut self) -> &mut Sources {
        &mut self.sources
    }
}

/// May a delivery be leased, as far as can be told before?
pub(super) fn is_open(sources: &Sources, limits: &BoardLimits, lane: &Lane, now: Timestamp, key: &DeliveryKey) -> bool {
    // Where there is but one source, its lanes are the destination's.
    !sources.pools.are_configured() || outlook(sources, limits, lane, now, key) == Outlook::Open
}

/// A delivery that was to leave from a source does not.
pub(super) fn returned(
    sources: &mut Sources,
    limits: &BoardLimits,
    lane: &Lane,
    now: Timestamp,
    (key, source): (&DeliveryKey, SourceId),
) {
    if sources.pools.are_configured() {
        sources.returned(now, source, &traveller(limits, lane, key, PoolId::SYSTEM));
    }
}

fn outlook(sources: &Sources, limits: &BoardLimits, lane: &Lane, now: Timestamp, key: &DeliveryKey) -> Outlook {
    let pool = match lane.usual(key.domain) {
        Some(pool) => pool,
        None if sources.pools.are_configured() => return Outlook::Open,
        None => PoolId::SYSTEM,
    };
    if pool == PoolId::SYSTEM {
        return lane.outlook(now, &[SourceId::SYSTEM]);
    }
    match sources.candidates(now, &traveller(limits, lane, key, pool)) {
        Ok(candidates) => lane.outlook(now, &candidates),
        Err(until) => Outlook::NotBefore(until),
    }
}

/// The source that a delivery leaves from: of the preferred family, unless none of it can be used before others.
fn choose(sources: &Sources, lane: &Lane, now: Timestamp, traveller: &Traveller<'_>) -> Result<SourceId, Timestamp> {
    if traveller.pool == PoolId::SYSTEM {
        return lane.choose(now, &[SourceId::SYSTEM]);
    }
    let found = sources.certain(now, traveller)?;
    let preferred = found.partition_point(|source| sources.is_of(*source, traveller.prefers));
    let (first, second) = found.split_at(preferred);
    if first.is_empty() {
        return lane.choose(now, second);
    }
    lane.choose(now, first).or_else(|until| {
        if second.is_empty() { Err(until) } else { lane.choose(now, second).map_err(|other| other.min(until)) }
    })
}

/// The source that a delivery leaves from though all pause.
fn nevertheless(sources: &Sources, now: Timestamp, traveller: &Traveller<'_>, age: Age) -> Option<SourceId> {
    let any = || sources.pools.order(traveller.pool, traveller.tenant, traveller.destination);
    let found = match age {
        Age::New | Age::Again => return None,
        Age::Asked => match sources.certain(now, traveller) {
            Ok(found) => found,
            Err(_) => vec![sources.urged(now, traveller)?],
        },
        Age::Over => sources.candidates(now, traveller).unwrap_or_else(|_| any()),
    };
    Some(found.first().copied().unwrap_or(SourceId::SYSTEM))
}

fn traveller<'a>(limits: &BoardLimits, lane: &'a Lane, key: &'a DeliveryKey, pool: PoolId) -> Traveller<'a> {
    Traveller {
        pool,
        tenant: key.domain,
        destination: &key.destination,
        site: lane.profile().map(|profile| profile.name.as_str()),
        prefers: lane.site.as_ref().map_or(limits.prefers, |profile| profile.prefers),
    }
}

/// A key of nobody's delivery to a destination.
fn stranger(destination: &DestinationName) -> DeliveryKey {
    DeliveryKey { domain: DomainId(0), id: yubin_types::QueueId([0; 16]), destination: destination.clone() }
}
