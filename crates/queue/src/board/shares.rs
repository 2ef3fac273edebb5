//! The board of one of several workers: what it may use of each receiver's limit, what it asks for, and what the others have learned.
//!
//! Only what leaves from the address that the system chooses is shared: every other address is one worker's at a time, and so are the limits that
//! receivers have for it. What one worker learns of a shared receiver the others hear: who is asked for less slows down with it, and leaves alone what
//! it leaves alone.

use std::collections::{BTreeMap, BTreeSet};

use yubin_state::queue::{DeliveryKey, DestinationName, Receiver, ShareWish, Shares};
use yubin_types::{Timestamp, limits};

use super::{Back, Board, Due, site};
use crate::lane::Lane;
use crate::pace::Signal;
use crate::pools::{PoolId, SourceId};
use crate::rights::{Changed, Turn};

/// How long mail waits here for a share before it is left to others, milliseconds: somewhat longer than what a dead worker had is kept.
const SHUT_MS_MAX: u64 = (limits::QUEUE_SHARE_SECONDS + 10) * 1_000;

/// What was said of a shared receiver.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    /// How often it wanted less from this worker.
    own: u64,
    /// And from the others, as far as it is known.
    others: u64,
}

impl Board {
    /// The directory says what this worker may use. What may not leave from here any more is given back.
    pub(crate) fn learn(&mut self, now: Timestamp, shares: Shares) -> Vec<Back> {
        let mut back = Vec::new();
        let concerned = match self.rights.learn(shares) {
            Changed::All => self.lanes.keys().cloned().collect(),
            Changed::These(mut receivers) => {
                // Where it was waited for the answer.
                receivers.extend(self.rights.shares().into_iter().flat_map(|shares| shares.limits.keys().cloned()));
                self.destinations_of(&receivers)
            }
        };
        if let Some(shares) = self.rights.shares() {
            let granted = shares.roster.member(self.rights.worker()).map(|member| &member.addresses);
            let lost = self.sources.granted(granted.unwrap_or(&BTreeSet::new()));
            back.extend(lost.into_iter().flat_map(|source| self.strand(now, source)));
        }
        self.heard.retain(|receiver, _| self.rights.shared(receiver).is_some());
        let slower: BTreeSet<Receiver> = self.complained().into_iter().collect();
        for destination in &concerned {
            self.allot(now, destination);
        }
        for destination in self.destinations_of(&slower).iter().chain(&concerned) {
            let Some(lane) = self.lanes.get_mut(destination) else { continue };
            let receiver = receiver_of(destination, lane);
            if slower.contains(&receiver) {
                lane.path(SourceId::SYSTEM).pace.heard_slower();
            }
            let pauses = lane.path(SourceId::SYSTEM).pauses(now).is_some();
            if lane.shut.is_some() || pauses {
                back.extend(self.clear(now, destination, SourceId::SYSTEM));
            }
        }
        back
    }

    /// What this worker asks for where it may not use all, and what it holds on to. Until there is an answer it uses no more than that: the
    /// directory may have left it no more.
    pub(crate) fn wishes(&mut self, now: Timestamp) -> Vec<ShareWish> {
        let wishes = self.wanted(now);
        for wish in wishes.iter().filter(|wish| self.rights.shared(&wish.receiver).is_some()) {
            match &wish.receiver {
                Receiver::Known(name) => {
                    if let Some(site) = self.sites.get_mut(name).and_then(|known| known.get_mut(&SourceId::SYSTEM)) {
                        site.allot(now, site.share().min(wish.held.max(site.unshared())));
                    }
                }
                Receiver::Destination(destination) => {
                    if let Some(lane) = self.lanes.get_mut(destination) {
                        let pace = &mut lane.path(SourceId::SYSTEM).pace;
                        pace.allot(pace.share().min(wish.held));
                    }
                }
            }
        }
        wishes
    }

    /// What would be asked for now.
    pub(crate) fn wanted(&self, now: Timestamp) -> Vec<ShareWish> {
        let Some(shares) = self.rights.shares() else { return Vec::new() };
        let mut demands: BTreeMap<Receiver, Demand> = BTreeMap::new();
        // What it has a share of and does not use is given back.
        let own = shares.limits.iter().filter(|(_, shared)| shared.share(self.rights.worker()).is_some());
        own.for_each(|(receiver, shared)| drop(demands.insert(receiver.clone(), Demand::of(shared.limit))));
        let mut whole: BTreeMap<String, bool> = BTreeMap::new();
        for (destination, lane) in &self.lanes {
            let is_whole = match &lane.site {
                None => self.rights.is_whole(&receiver_of(destination, lane)),
                Some(profile) => *whole
                    .entry(profile.name.clone())
                    .or_insert_with(|| self.rights.is_whole(&receiver_of(destination, lane))),
            };
            if is_whole {
                continue;
            }
            let limit = lane.site.as_ref().map_or(lane.lanes_max(), |profile| profile.deliveries_max);
            let demand = demands.entry(receiver_of(destination, lane)).or_insert_with(|| Demand::of(limit));
            (demand.limit, demand.unshared) = (limit, lane.site.as_ref().map_or(0, |profile| profile.unshared()));
            self.add(now, destination, lane, demand);
        }
        let wish = |(receiver, demand)| self.wish(now, receiver, demand);
        demands.into_iter().filter_map(wish).take(limits::QUEUE_SHARED_RECEIVERS_MAX).collect()
    }

    /// What a destination adds to its receiver's demand.
    fn add(&self, now: Timestamp, destination: &DestinationName, lane: &Lane, demand: &mut Demand) {
        // Of several pools' mail it is known what the last one was.
        let counts = !self.sources.pools.are_configured() || lane.is_usual(PoolId::SYSTEM);
        demand.deliveries += if counts { lane.waiting.count() + lane.asked } else { 0 };
        if let Some(path) = lane.paths.get(&SourceId::SYSTEM) {
            demand.deliveries += path.ready.count() + path.pace.in_flight() as usize;
            let held = path.pace.in_flight().max(path.peak.within(now, self.limits.rests_ms));
            demand.held += if lane.site.is_none() { held } else { 0 };
            demand.pauses.extend(path.pauses(now).map(|until| (destination.clone(), until)));
        }
    }

    fn wish(&self, now: Timestamp, receiver: Receiver, demand: Demand) -> Option<ShareWish> {
        let Demand { limit, deliveries, mut held, mut pauses, unshared } = demand;
        if let Receiver::Known(name) = &receiver
            && let Some(site) = self.sites.get(name).and_then(|known| known.get(&SourceId::SYSTEM))
        {
            held = site.in_flight().max(site.peak.within(now, self.limits.rests_ms));
        }
        while pauses.len() > limits::QUEUE_SHARED_PAUSES_MAX {
            pauses.pop_first();
        }
        let shared = self.rights.shared(&receiver).is_some_and(|known| known.share(self.rights.worker()).is_some());
        // In steps, so that not every message is news to everybody.
        let wanted = u32::try_from(deliveries).unwrap_or(u32::MAX).min(limit);
        let wanted = if wanted == 0 { 0 } else { wanted.next_power_of_two().min(limit) };
        let owner = self.rights.owner(&receiver)?.to_owned();
        let complaints = self.heard.get(&receiver).map_or(0, |heard| heard.own);
        let wish = ShareWish { receiver, owner, limit, held, wanted, complaints, pauses };
        (shared || wanted > unshared || held > unshared).then_some(wish)
    }

    /// How long this worker leaves a delivery to others, if each waits `takeover_ms` for the one before it.
    pub(crate) fn wait_ms(&self, key: &DeliveryKey, takeover_ms: u64) -> u64 {
        if !self.rights.are_shared() {
            return 0;
        }
        let receiver = match self.profiles.of_destination(&key.destination) {
            Some(profile) => Receiver::Known(profile.name.clone()),
            None => Receiver::Destination(key.destination.clone()),
        };
        match self.rights.turn(&receiver, key.id) {
            Turn::Ours => 0,
            Turn::Anothers => takeover_ms,
            Turn::Rank(rank) => takeover_ms.saturating_mul(rank.into()),
        }
    }

    /// All connections are closed.
    pub(crate) fn forget_peaks(&mut self) {
        let paths = self.lanes.values_mut().flat_map(|lane| lane.paths.values_mut());
        paths.for_each(|path| path.peak = Default::default());
        self.sites.values_mut().flat_map(BTreeMap::values_mut).for_each(|site| site.peak = Default::default());
    }

    /// Receivers that this worker sends to and does not have for itself.
    pub(crate) fn shared_receivers(&self) -> usize {
        self.rights.shares().map_or(0, |shares| {
            shares.limits.values().filter(|shared| shared.share(self.rights.worker()).is_some()).count()
        })
    }

    /// Sets what may leave for a destination from this worker.
    pub(super) fn allot(&mut self, now: Timestamp, destination: &DestinationName) {
        if !self.rights.are_shared() {
            return;
        }
        let Some(lane) = self.lanes.get_mut(destination) else { return };
        let receiver = receiver_of(destination, lane);
        let pause = self.rights.pause(&receiver, destination);
        let share = match &lane.site {
            // The receiver's limit bounds each of its destinations.
            Some(profile) => {
                let share = self.rights.allowance(&receiver, profile.deliveries_max).max(profile.unshared());
                site(&mut self.sites, profile, SourceId::SYSTEM, now).allot(now, share);
                lane.path(SourceId::SYSTEM).pace.allot(u32::MAX);
                share
            }
            None => {
                let share = self.rights.allowance(&receiver, lane.lanes_max());
                lane.path(SourceId::SYSTEM).pace.allot(share);
                share
            }
        };
        lane.shut = if share == 0 { lane.shut.or(Some(now)) } else { None };
        if let Some(until) = pause {
            lane.path(SourceId::SYSTEM).pace.heard_pause(until);
        }
    }

    /// A delivery that had begun ends, and says this.
    pub(super) fn hear(&mut self, now: Timestamp, key: &DeliveryKey, source: SourceId, signal: Signal) {
        if !self.rights.are_shared() || source != SourceId::SYSTEM {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&key.destination) else { return };
        let (receiver, rests_ms) = (receiver_of(&key.destination, lane), self.limits.rests_ms);
        let path = lane.path(source);
        path.peak.ended(now, path.pace.in_flight(), rests_ms);
        if let Some(profile) = &lane.site {
            let site = site(&mut self.sites, profile, source, now);
            site.peak.ended(now, site.in_flight(), rests_ms);
        }
        if signal == Signal::Slower && self.rights.shared(&receiver).is_some() {
            self.heard.entry(receiver).or_default().own += 1;
        }
    }

    /// Receivers that wanted less from another worker since it was last looked.
    fn complained(&mut self) -> Vec<Receiver> {
        let Some(shares) = self.rights.shares() else { return Vec::new() };
        let mut slower = Vec::new();
        for (receiver, shared) in &shares.limits {
            let others = shared.shares.iter().filter(|share| share.worker != self.rights.worker());
            let others = others.map(|share| share.complaints).sum();
            match self.heard.get_mut(receiver) {
                Some(heard) => {
                    if others > heard.others {
                        slower.push(receiver.clone());
                    }
                    heard.others = others;
                }
                None => drop(self.heard.insert(receiver.clone(), Heard { own: 0, others })),
            }
        }
        slower
    }

    /// Where nothing may leave for too long, what waits is left to others: they find it where it was found.
    pub(super) fn leave_shut(&mut self, now: Timestamp) {
        let is_over = |lane: &Lane| lane.shut.is_some_and(|since| now.millis_since(since) > SHUT_MS_MAX);
        let over = self.lanes.iter().filter(|(_, lane)| is_over(lane) && lane.waiting.count() > 0);
        let over: Vec<DestinationName> = over.map(|(destination, _)| destination.clone()).collect();
        for destination in &over {
            let Some(lane) = self.lanes.get_mut(destination) else { continue };
            // It asks anew if there is mail again.
            lane.shut = Some(now);
            let left: Vec<Due> = lane.waiting.extract(|_| true);
            left.iter().for_each(|due| self.tally.leave(&due.key));
            self.tidy_turns(Some(destination));
        }
    }

    fn destinations_of(&self, receivers: &BTreeSet<Receiver>) -> Vec<DestinationName> {
        let known: BTreeSet<&str> = receivers.iter().filter_map(Receiver::name).collect();
        let of_known = |lane: &Lane| lane.site.as_ref().is_some_and(|profile| known.contains(profile.name.as_str()));
        let single = |receiver: &Receiver| match receiver {
            Receiver::Destination(destination) => self.lanes.contains_key(destination).then(|| destination.clone()),
            Receiver::Known(_) => None,
        };
        let mut found: Vec<DestinationName> = receivers.iter().filter_map(single).collect();
        if !known.is_empty() {
            found.extend(
                self.lanes.iter().filter(|(_, lane)| of_known(lane)).map(|(destination, _)| destination.clone()),
            );
        }
        found
    }
}

/// What a worker has for a receiver.
#[derive(Debug)]
struct Demand {
    limit: u32,
    deliveries: usize,
    held: u32,
    pauses: BTreeMap<DestinationName, Timestamp>,
    /// What it may use without asking.
    unshared: u32,
}

impl Demand {
    fn of(limit: u32) -> Demand {
        Demand { limit, deliveries: 0, held: 0, pauses: BTreeMap::new(), unshared: 0 }
    }
}

fn receiver_of(destination: &DestinationName, lane: &Lane) -> Receiver {
    match &lane.site {
        Some(profile) => Receiver::Known(profile.name.clone()),
        None => Receiver::Destination(destination.clone()),
    }
}
