//! What is due and not begun yet, in memory: by destination and tenant, bounded, handed out fairly.
//!
//! A pure value. A delivery *waits*, is *asked* for (its lease is under way), is *ready* (leased), is *under way*. Every destination has a
//! way from each source address that is used for it, with a [`Pace`](crate::pace::Pace) of its own that says how many may be under way, and
//! is leased some more in advance while it takes mail well: as many as it takes in some seconds, so that no lane waits for a lease and a
//! burst is leased as it is queued. In both lines tenants take turns. No tenant has more than half of all deliveries under way, or
//! leased in advance, so that a flood to many destinations leaves room. A destination whose ways pause holds nothing here: what is offered
//! for it is answered with the time to put it off to, and what it held is given back for the same. Of one that has too much waiting
//! already, more is put off to when its turn will come (how much depends on its priority, `crowd`, and on the room that is left: a few slow
//! destinations never fill it). So a hundred thousand messages to a dead host are one pause, not a hundred thousand
//! timers, and never in anybody's way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use yubin_state::queue::{DeliveryKey, DestinationName, DueClass, Receiver};
use yubin_types::{GroupNumber, Timestamp};

pub(crate) use crate::due::{Age, Back, BoardLimits, Due, Offer, Whose};
use crate::lane::{Lane, Outlook};
use crate::line::Passage;
use crate::pace::{Leave, Signal};
use crate::pools::{PoolId, Pools, SourceId};
use crate::profile::Profiles;
use crate::rights::Rights;
use crate::site::{Site, has_room, site};
use crate::sources::Sources;
use crate::tally::{Stage, Tally};

mod receivers;
mod shares;
mod ways;
mod words;

pub(crate) use receivers::Met;
pub(crate) use ways::{NoWay, Rerouted};

/// Destinations in turn that one call passes over at most before it ends.
const SKIPPED_MAX: usize = 64;

/// Due deliveries and the pace of destinations.
#[derive(Debug)]
pub(crate) struct Board {
    limits: BoardLimits,
    lanes: BTreeMap<DestinationName, Lane>,
    /// Destinations where something waits, in turn.
    turn: VecDeque<DestinationName>,
    /// Destinations, with sources, where something is ready, in turn.
    ready_turn: VecDeque<(DestinationName, SourceId)>,
    tally: Tally,
    profiles: Arc<Profiles>,
    /// Receivers by the names of their profiles, as each source knows them.
    sites: BTreeMap<String, BTreeMap<SourceId, Site>>,
    sources: Sources,
    /// What this worker may use of receivers' limits.
    rights: Rights,
    heard: BTreeMap<Receiver, shares::Heard>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nothing begins any more.
    Closed,
}

impl Board {
    pub(crate) fn new(limits: BoardLimits, profiles: Arc<Profiles>, pools: Arc<Pools>, rights: Rights) -> Board {
        Board {
            rights,
            heard: BTreeMap::new(),
            limits,
            profiles,
            sources: Sources::new(pools),
            sites: BTreeMap::new(),
            lanes: BTreeMap::new(),
            turn: VecDeque::new(),
            ready_turn: VecDeque::new(),
            tally: Tally::default(),
            phase: Phase::Open,
        }
    }

    /// A delivery is due. `spread` (any number) keeps what is put off together from coming back together.
    pub(crate) fn offer(&mut self, now: Timestamp, due: Due, spread: u64) -> Offer {
        if self.tally.stage(&due.key).is_some() {
            return Offer::Known;
        }
        if self.phase == Phase::Closed {
            return Offer::NoRoom;
        }
        if due.age != Age::Over && self.is_others(self.usual(&due.key)) {
            return Offer::Others;
        }
        let destination = due.key.destination.clone();
        let (limits, outlook, room) = (self.limits, self.outlook(now, &due.key), self.room(due.class()));
        let lane = self.lane(now, &destination);
        if let (Outlook::NotBefore(until), Age::New | Age::Again) = (outlook, due.age) {
            return Offer::PutOff(lane.flow.returns(now, until, spread, limits.pace.pause_ms_max));
        }
        if lane.waiting.crowd().room(limits.waiting_at(room), due.class()) == 0 {
            return Offer::PutOff(lane.flow.turn_comes(now, lane.waiting.count(), limits.crowded_ms_max));
        }
        if room == 0 {
            return Offer::NoRoom;
        }
        let is_first = lane.waiting.count() == 0;
        lane.waiting.add(due.clone());
        if is_first {
            self.turn.push_back(destination);
        }
        let stage = Stage::Waiting(due.class());
        self.tally.enter(due.key, stage);
        Offer::Kept
    }

    /// Takes what is to be leased now, at most `count`, of groups that `wanted` accepts. Ends when some destinations in turn have nothing that may
    /// be leased, although another might: the next call goes on there. A call comes with each delivery that ends, and must not look up all of ten
    /// thousand that are busy.
    pub(crate) fn ask(&mut self, now: Timestamp, count: usize, wanted: impl Fn(GroupNumber) -> bool) -> Vec<Due> {
        let mut asked = Vec::new();
        let sources = self.sources.pools.count();
        let tenant_max = (self.limits.ahead_max / 2).max(1);
        // Whoever can't go now keeps its turn for the next call.
        let mut skipped = 0;
        while asked.len() < count
            && self.tally.total().ahead < self.limits.ahead_max
            && skipped < self.turn.len().min(SKIPPED_MAX)
        {
            let Some(destination) = self.turn.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&destination) else { continue };
            let open = lane.asks(now) && has_room(&self.sites, lane, sources, now);
            let passage = if open { Passage::All } else { Passage::Pressing };
            let presses = open || lane.asked + lane.ready() < lane.lanes_max() as usize;
            // From the system's address, and there is no other.
            let shut = sources == 1 && lane.shut.is_some();
            let (tally, mut waiting) = (&self.tally, std::mem::take(&mut lane.waiting));
            let due = waiting.next(passage, |due| {
                let may_leave = || match due.age {
                    Age::Over | Age::Asked => presses,
                    Age::New | Age::Again => ways::is_open(&self.sources, &self.limits, lane, now, &due.key),
                };
                !shut && wanted(due.group) && tally.of(due.key.domain).ahead < tenant_max && may_leave()
            });
            lane.waiting = waiting;
            lane.asked += usize::from(due.is_some());
            if lane.waiting.count() > 0 {
                self.turn.push_back(destination);
            }
            let Some(due) = due else {
                skipped += 1;
                continue;
            };
            skipped = 0;
            self.tally.enter(due.key.clone(), Stage::Ahead);
            asked.push(due);
        }
        asked
    }

    /// Counts deliveries that are still to be queued as asked for, if all of them would be leased at once: there is room for what
    /// waits before them, and for them. They are granted or refused like what [`Board::ask`] gave.
    pub(crate) fn reserve(&mut self, now: Timestamp, keys: &[DeliveryKey]) -> bool {
        let (limits, sources) = (self.limits, self.sources.pools.count());
        let Some(first) = keys.first() else { return false };
        let total = self.tally.total();
        let (ahead, of_tenant) = (total.ahead + keys.len(), self.tally.of(first.domain).ahead + keys.len());
        if self.phase == Phase::Closed || ahead > limits.ahead_max || of_tenant > (limits.ahead_max / 2).max(1) {
            return false;
        }
        for key in keys {
            let lane_has_room = self.lane(now, &key.destination).has_room(now);
            let Some(lane) = self.lanes.get(&key.destination) else { return false };
            let is_open = ways::is_open(&self.sources, &self.limits, lane, now, key);
            if !lane_has_room || !is_open || !has_room(&self.sites, lane, sources, now) {
                return false;
            }
        }
        for key in keys {
            if let Some(lane) = self.lanes.get_mut(&key.destination) {
                lane.asked += 1;
            }
            self.tally.enter(key.clone(), Stage::Ahead);
        }
        true
    }

    /// What was asked for is leased now, and leaves by this pool. If nothing may begin any more, or all ways pause, it is given back.
    pub(crate) fn granted(&mut self, now: Timestamp, due: Due, pool: PoolId) -> Option<Back> {
        let Some(lane) = self.lanes.get_mut(&due.key.destination) else { return Some(Back::new(due, now)) };
        lane.asked = lane.asked.saturating_sub(1);
        if self.sources.pools.are_configured() {
            lane.leaves_by(due.key.domain, pool);
        }
        if self.phase == Phase::Closed {
            self.tally.leave(&due.key);
            return Some(Back::new(due, now));
        }
        self.place(now, due, pool)
    }

    /// What was asked for is not leased.
    pub(crate) fn refused(&mut self, key: &DeliveryKey) {
        if let Some(lane) = self.lanes.get_mut(&key.destination) {
            lane.asked = lane.asked.saturating_sub(1);
        }
        self.tally.leave(key);
    }

    /// The next delivery that may begin now, and from where; it counts as under way until [`Board::ended`].
    pub(crate) fn begin(&mut self, now: Timestamp) -> Option<(Due, SourceId)> {
        if self.phase == Phase::Closed {
            return None;
        }
        for _ in 0..self.ready_turn.len() {
            if self.tally.total().begun >= self.limits.in_flight_max {
                return None;
            }
            let (destination, source) = self.ready_turn.pop_front()?;
            let due = self.begin_at(now, &destination, source);
            let path = self.lanes.get(&destination).and_then(|lane| lane.paths.get(&source));
            if path.is_some_and(|path| path.ready.count() > 0) {
                self.ready_turn.push_back((destination, source));
            }
            if let Some(due) = due {
                return Some((due, source));
            }
        }
        None
    }

    fn begin_at(&mut self, now: Timestamp, destination: &DestinationName, source: SourceId) -> Option<Due> {
        let tenant_max = (self.limits.in_flight_max / 2).max(1);
        let tally = &self.tally;
        let lane = self.lanes.get_mut(destination)?;
        let mut site = lane.site.as_ref().map(|profile| site(&mut self.sites, profile, source, now));
        let path = lane.path(source);
        if !path.pace.has_lane() || site.as_ref().is_some_and(|site| !site.has_lane()) {
            return None;
        }
        let (leave, in_time) = (path.pace.leave(now), site.as_ref().is_none_or(|site| site.has_room(now)));
        let passage = if leave == Leave::Granted && in_time { Passage::All } else { Passage::Pressing };
        let (pauses, has_lane) = (matches!(leave, Leave::NotBefore(_)), path.pace.lanes_free() > 0);
        let may_leave = |age| match age {
            // Where it pauses no connection is opened.
            Age::Over => pauses || in_time,
            Age::Asked => has_lane && in_time,
            Age::New | Age::Again => true,
        };
        let due = path.ready.next(passage, |due| tally.of(due.key.domain).begun < tenant_max && may_leave(due.age))?;
        path.pace.begun();
        if let Some(site) = &mut site {
            site.begun(now);
        }
        self.tally.enter(due.key.clone(), Stage::Begun);
        Some(due)
    }

    /// A delivery that had begun has ended. What its destination can't take any more is given back.
    pub(crate) fn ended(&mut self, now: Timestamp, key: &DeliveryKey, source: SourceId, signal: Signal) -> Vec<Back> {
        if self.tally.stage(key) != Some(Stage::Begun) {
            return Vec::new();
        }
        self.tally.leave(key);
        self.hear(now, key, source, signal);
        let Some(lane) = self.lanes.get_mut(&key.destination) else { return Vec::new() };
        let path = lane.path(source);
        path.pace.ended(now, signal);
        let pauses = path.pauses(now).is_some();
        lane.flow.ended(now);
        if signal == Signal::Fine {
            lane.heard = None;
        }
        if let Some(profile) = &lane.site {
            site(&mut self.sites, profile, source, now).ended();
        }
        if pauses { self.clear(now, &key.destination, source) } else { Vec::new() }
    }

    /// Gives back what has not begun and is to be put off for a reason from outside; what has expired goes on to its end.
    pub(crate) fn put_off(&mut self, now: Timestamp, until: impl Fn(&DeliveryKey) -> Option<Timestamp>) -> Vec<Back> {
        let out = self.extract(now, |due| due.age != Age::Over && until(&due.key).is_some());
        let back = |due: Due| until(&due.key).map(|until| Back::new(due, until));
        out.into_iter().filter_map(back).collect()
    }

    /// Forgets destinations that nothing is known of any more.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        self.leave_shut(now);
        let rests_ms = self.limits.rests_ms;
        self.lanes.retain(|_, lane| !lane.is_forgettable(now, rests_ms));
        self.sweep_sites(now);
        self.sources.sweep(now);
    }

    /// How much more of a class may wait.
    pub(crate) fn room(&self, class: DueClass) -> usize {
        self.tally.total().waiting.room(self.limits.waiting_max, class)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.tally.total().waiting.total()
    }

    /// Leased or asked for, and not begun.
    pub(crate) fn ahead(&self) -> usize {
        self.tally.total().ahead
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.tally.total().begun
    }

    /// Destinations that are remembered.
    pub(crate) fn destinations(&self) -> usize {
        self.lanes.len()
    }

    /// Nothing begins any more; what had not is given back.
    pub(crate) fn close(&mut self, now: Timestamp) -> Vec<Back> {
        self.phase = Phase::Closed;
        let out = self.extract(now, |_| true);
        out.into_iter().map(|due| Back::new(due, now)).collect()
    }

    /// Takes what waits or is ready out of all lines.
    fn extract(&mut self, now: Timestamp, gone: impl Fn(&Due) -> bool) -> Vec<Due> {
        let mut out = Vec::new();
        for lane in self.lanes.values_mut() {
            out.extend(lane.waiting.extract(&gone));
            let sources: Vec<SourceId> = lane.paths.keys().copied().collect();
            for source in sources {
                let ready = lane.path(source).ready.extract(&gone);
                ready
                    .iter()
                    .for_each(|due| ways::returned(&mut self.sources, &self.limits, lane, now, (&due.key, source)));
                out.extend(ready);
            }
        }
        out.iter().for_each(|due| self.tally.leave(&due.key));
        self.tidy_turns(None);
        out
    }

    /// Whoever has nothing in line any more has no turn: of all destinations, or of this one. To look up each of ten thousand whenever a delivery
    /// to one of them fails would keep everybody waiting for the board.
    fn tidy_turns(&mut self, of: Option<&DestinationName>) {
        let lanes = &self.lanes;
        let another = |destination: &DestinationName| of.is_some_and(|of| of != destination);
        self.turn.retain(|destination| {
            another(destination) || lanes.get(destination).is_some_and(|lane| lane.waiting.count() > 0)
        });
        self.ready_turn.retain(|(destination, source)| {
            let path = || lanes.get(destination).and_then(|lane| lane.paths.get(source));
            another(destination) || path().is_some_and(|path| path.ready.count() > 0)
        });
    }
}

#[cfg(test)]
mod shares_model;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod ways_tests;
