//! What is due and not begun yet, in memory: by destination and tenant, bounded, handed out fairly.
//!
//! A pure value. Every destination has its [`Pace`] and a lane of tenants, which take turns; within a tenant, mail that is tried for the
//! first time goes before mail that is tried again, but for every fourth. No tenant has more than half of all deliveries under way, so
//! that a flood to many destinations leaves room. A destination that pauses holds nothing here: what is offered for it is answered with
//! the time to put it off to, and what it held is given back for the same. Of one that has too much waiting already, more is put off to
//! when its turn will come. So a hundred thousand messages to a dead host are one pause,
//! not a hundred thousand timers, and never in anybody's way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use yubin_state::queue::{DeliveryKey, DestinationName};
use yubin_types::{DomainId, GroupNumber, Timestamp};

use crate::pace::{Leave, Pace, PaceLimits, Signal};

/// Deliveries per second that a destination is believed to take before it has shown what it takes.
const FLOW_AT_FIRST: u64 = 50;

/// Bounds of a board.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoardLimits {
    /// Due deliveries that wait in memory.
    pub(crate) waiting_max: usize,
    /// Of them, for one destination.
    pub(crate) waiting_per_destination_max: usize,
    /// Deliveries under way.
    pub(crate) in_flight_max: usize,
    /// Of each destination.
    pub(crate) pace: PaceLimits,
    /// How long deliveries that find no room at their destination are put off at most, milliseconds.
    pub(crate) crowded_ms_max: u64,
}

/// A due delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) group: GroupNumber,
    pub(crate) key: DeliveryKey,
    pub(crate) age: Age,
}

/// Has it been tried before, as far as its id and its due time tell?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    New,
    Again,
    /// Its time is over: it goes whatever its destination does.
    Over,
}

/// What becomes of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Kept,
    /// It is here already, or under way.
    Known,
    /// Put it off until then.
    PutOff(Timestamp),
    /// There is no room here: come again.
    NoRoom,
}

/// Due deliveries and the pace of destinations.
#[derive(Debug)]
pub(crate) struct Board {
    limits: BoardLimits,
    lanes: BTreeMap<DestinationName, Lane>,
    /// Destinations with something to do, in turn.
    turn: VecDeque<DestinationName>,
    waiting: BTreeSet<DeliveryKey>,
    /// Under way, with their tenants counted.
    in_flight: BTreeSet<DeliveryKey>,
    by_tenant: BTreeMap<DomainId, usize>,
}

#[derive(Debug)]
struct Lane {
    pace: Pace,
    flow: Flow,
    tenants: VecDeque<(DomainId, Waiting)>,
    waiting: usize,
}

/// How fast a destination's deliveries end, and how many stand in line behind those that wait here.
#[derive(Debug)]
struct Flow {
    per_second: u64,
    /// Put off for want of room, as far as they can't have come back yet.
    beyond: u64,
    since: Option<Timestamp>,
    ended: u64,
}

impl Default for Flow {
    fn default() -> Self {
        Flow { per_second: FLOW_AT_FIRST, beyond: 0, since: None, ended: 0 }
    }
}

impl Flow {
    /// Counts, and takes the mean of this second and what was known.
    fn ended(&mut self, now: Timestamp) {
        self.ended += 1;
        let since = *self.since.get_or_insert(now);
        let elapsed_ms = now.millis_since(since);
        if elapsed_ms >= 1_000 {
            self.per_second = (self.per_second + self.ended.saturating_mul(1_000) / elapsed_ms).div_ceil(2).max(1);
            self.beyond = self.beyond.saturating_sub(self.ended);
            (self.since, self.ended) = (Some(now), 0);
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    over: VecDeque<Due>,
    new: VecDeque<Due>,
    again: VecDeque<Due>,
    taken: u32,
}

impl Board {
    pub(crate) fn new(limits: BoardLimits) -> Board {
        Board {
            limits,
            lanes: BTreeMap::new(),
            turn: VecDeque::new(),
            waiting: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            by_tenant: BTreeMap::new(),
        }
    }

    /// A delivery is due. `spread` (any number) keeps what is put off together from coming back together.
    pub(crate) fn offer(&mut self, now: Timestamp, due: Due, spread: u64) -> Offer {
        if self.waiting.contains(&due.key) || self.in_flight.contains(&due.key) {
            return Offer::Known;
        }
        if self.waiting.len() >= self.limits.waiting_max {
            return Offer::NoRoom;
        }
        let destination = due.key.destination.clone();
        let limits = self.limits;
        let lane = self.lanes.entry(destination.clone()).or_insert_with(|| Lane::new(limits.pace));
        let later = |from: Timestamp, span_ms: u64| Timestamp(from.millis() + spread % span_ms.max(1));
        if due.age != Age::Over {
            if let Leave::NotBefore(until) = lane.pace.leave(now) {
                return Offer::PutOff(later(until, until.millis_since(now) / 4));
            }
            if lane.waiting >= limits.waiting_per_destination_max {
                return Offer::PutOff(lane.turn_comes(now, limits.crowded_ms_max));
            }
        }
        if lane.waiting == 0 {
            self.turn.push_back(destination);
        }
        self.waiting.insert(due.key.clone());
        lane.add(due);
        Offer::Kept
    }

    /// Takes what may begin now, at most `count`, of groups that `wanted` accepts; each counts as under way until [`Board::ended`].
    pub(crate) fn take(&mut self, now: Timestamp, count: usize, wanted: impl Fn(GroupNumber) -> bool) -> Vec<Due> {
        let mut taken = Vec::new();
        let tenant_max = (self.limits.in_flight_max / 2).max(1);
        // Whoever can't go now keeps its turn for the next call.
        let mut skipped = 0;
        while taken.len() < count && self.in_flight.len() < self.limits.in_flight_max && skipped < self.turn.len() {
            let Some(destination) = self.turn.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&destination) else { continue };
            let by_tenant = &self.by_tenant;
            let free =
                |due: &Due| wanted(due.group) && by_tenant.get(&due.key.domain).copied().unwrap_or(0) < tenant_max;
            let due = lane.next(lane.pace.leave(now), free);
            if lane.waiting > 0 {
                self.turn.push_back(destination);
            }
            let Some(due) = due else {
                skipped += 1;
                continue;
            };
            skipped = 0;
            lane.pace.begun();
            self.waiting.remove(&due.key);
            self.in_flight.insert(due.key.clone());
            *self.by_tenant.entry(due.key.domain).or_default() += 1;
            taken.push(due);
        }
        taken
    }

    /// A delivery that was taken has ended. What its destination can't take any more is given back, with the time to put it off to.
    pub(crate) fn ended(&mut self, now: Timestamp, key: &DeliveryKey, signal: Signal) -> Vec<(Due, Timestamp)> {
        if !self.in_flight.remove(key) {
            return Vec::new();
        }
        if let Some(count) = self.by_tenant.get_mut(&key.domain) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_tenant.remove(&key.domain);
            }
        }
        let Some(lane) = self.lanes.get_mut(&key.destination) else { return Vec::new() };
        lane.pace.ended(now, signal);
        lane.flow.ended(now);
        let mut back = Vec::new();
        if let Leave::NotBefore(until) = lane.pace.leave(now) {
            let span_ms = until.millis_since(now) / 4;
            for (index, due) in (0_u64..).zip(lane.clear()) {
                self.waiting.remove(&due.key);
                back.push((due, Timestamp(until.millis() + index * 7 % span_ms.max(1))));
            }
            self.turn.retain(|destination| *destination != key.destination);
        }
        back
    }

    /// May the destination be tried now? For what goes whatever its destination does.
    pub(crate) fn pauses(&self, now: Timestamp, destination: &DestinationName) -> bool {
        self.lanes.get(destination).is_some_and(|lane| matches!(lane.pace.leave(now), Leave::NotBefore(_)))
    }

    /// Forgets destinations that nothing is known of any more.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        self.lanes.retain(|_, lane| lane.waiting > 0 || !lane.pace.is_forgettable(now));
    }

    /// How much more may wait.
    pub(crate) fn room(&self) -> usize {
        self.limits.waiting_max.saturating_sub(self.waiting.len())
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Destinations that are remembered.
    pub(crate) fn destinations(&self) -> usize {
        self.lanes.len()
    }

    /// Nothing that waits will be begun: for the end.
    pub(crate) fn clear(&mut self) {
        self.lanes.values_mut().for_each(|lane| drop(lane.clear()));
        self.waiting.clear();
        self.turn.clear();
    }
}

impl Lane {
    fn new(limits: PaceLimits) -> Lane {
        Lane { pace: Pace::new(limits), flow: Flow::default(), tenants: VecDeque::new(), waiting: 0 }
    }

    fn add(&mut self, due: Due) {
        self.waiting += 1;
        let tenant = due.key.domain;
        let index = self.tenants.iter().position(|(domain, _)| *domain == tenant).unwrap_or_else(|| {
            self.tenants.push_back((tenant, Waiting::default()));
            self.tenants.len() - 1
        });
        let Some((_, waiting)) = self.tenants.get_mut(index) else { return };
        match due.age {
            Age::Over => waiting.over.push_back(due),
            Age::New => waiting.new.push_back(due),
            Age::Again => waiting.again.push_back(due),
        }
    }

    /// When a delivery that finds no room here comes to its turn, as far as the flow tells.
    fn turn_comes(&mut self, now: Timestamp, ms_max: u64) -> Timestamp {
        let before = u64::try_from(self.waiting).unwrap_or(u64::MAX).saturating_add(self.flow.beyond);
        self.flow.beyond += 1;
        Timestamp(now.millis() + before.saturating_mul(1_000).div_ceil(self.flow.per_second).min(ms_max))
    }

    /// The next delivery of the tenant whose turn it is.
    fn next(&mut self, leave: Leave, free: impl Fn(&Due) -> bool) -> Option<Due> {
        for _ in 0..self.tenants.len() {
            let (tenant, mut waiting) = self.tenants.pop_front()?;
            let due = waiting.next(leave, &free);
            if !waiting.is_empty() {
                self.tenants.push_back((tenant, waiting));
            }
            if due.is_some() {
                self.waiting -= 1;
                return due;
            }
        }
        None
    }

    fn clear(&mut self) -> Vec<Due> {
        self.waiting = 0;
        self.tenants
            .drain(..)
            .flat_map(|(_, waiting)| waiting.over.into_iter().chain(waiting.new).chain(waiting.again))
            .collect()
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.over.is_empty() && self.new.is_empty() && self.again.is_empty()
    }

    fn next(&mut self, leave: Leave, free: &impl Fn(&Due) -> bool) -> Option<Due> {
        if let Some(due) = self.over.pop_front_if(|due| free(due)) {
            return Some(due);
        }
        if leave != Leave::Granted {
            return None;
        }
        self.taken = self.taken.wrapping_add(1);
        let (first, second) = if self.taken.is_multiple_of(4) {
            (&mut self.again, &mut self.new)
        } else {
            (&mut self.new, &mut self.again)
        };
        first.pop_front_if(|due| free(due)).or_else(|| second.pop_front_if(|due| free(due)))
    }
}

#[cfg(test)]
mod tests {
    use yubin_state::queue::{DeliveryKey, DestinationName};
    use yubin_types::{DomainId, GroupNumber, QueueId, Timestamp};

    use super::{Age, Board, BoardLimits, Due, Offer};
    use crate::pace::{PaceLimits, Signal};

    const NOW: Timestamp = Timestamp(1_000_000);

    fn board(waiting_max: usize, in_flight_max: usize) -> Board {
        let pace = PaceLimits { lanes_initial: 2, lanes_max: 4, pause_ms_min: 1_000, pause_ms_max: 8_000 };
        Board::new(BoardLimits {
            waiting_max,
            waiting_per_destination_max: 50,
            in_flight_max,
            pace,
            crowded_ms_max: 10_000,
        })
    }

    fn due(tenant: u64, number: u8, destination: &str) -> Due {
        let destination = DestinationName::parse(destination).unwrap();
        let key = DeliveryKey { domain: DomainId(tenant), id: QueueId([number; 16]), destination };
        Due { group: GroupNumber(1), key, age: Age::New }
    }

    fn keep(board: &mut Board, due: Due) {
        assert_eq!(board.offer(NOW, due, 0), Offer::Kept);
    }

    #[test]
    fn tenants_take_turns_at_a_destination() {
        let mut board = board(1_000, 100);
        (0..40).for_each(|number| keep(&mut board, due(1, number, "a.example")));
        keep(&mut board, due(2, 100, "a.example"));
        let taken = board.take(NOW, 10, |_| true);
        // Two lanes at first: one for each.
        assert_eq!(taken.iter().map(|due| due.key.domain.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(board.offer(NOW, due(1, 0, "a.example"), 0), Offer::Known);
    }

    #[test]
    fn new_mail_goes_first_and_old_mail_is_not_starved() {
        let mut board = board(1_000, 100);
        for number in 0..20 {
            let age = if number < 10 { Age::Again } else { Age::New };
            keep(&mut board, Due { age, ..due(1, number, "a.example") });
        }
        let mut ages = Vec::new();
        while let Some(due) = board.take(NOW, 1, |_| true).pop() {
            ages.push(due.age);
            board.ended(NOW, &due.key, Signal::None);
        }
        assert_eq!(ages.len(), 20);
        let early = |age| ages[..12].iter().filter(|&&found| found == age).count();
        assert_eq!((early(Age::New), early(Age::Again)), (9, 3));
    }

    /// A hundred thousand messages to a dead destination: one pause, nothing held, nobody else delayed.
    #[test]
    fn a_dead_destination_holds_nothing_and_delays_nobody() {
        let mut board = board(1_000, 10);
        keep(&mut board, due(1, 0, "dead.example"));
        keep(&mut board, due(1, 1, "dead.example"));
        let taken = board.take(NOW, 1, |_| true);
        let back = board.ended(NOW, &taken[0].key, Signal::Unreachable);
        assert_eq!(back.len(), 1);
        assert!(back[0].1 >= Timestamp(NOW.millis() + 1_000));
        for spread in 0..100_000 {
            let Offer::PutOff(until) = board.offer(NOW, due(1, 7, "dead.example"), spread) else { panic!() };
            assert!((1_000..1_250).contains(&until.millis_since(NOW)));
        }
        assert_eq!(board.waiting(), 0);
        keep(&mut board, due(2, 2, "alive.example"));
        assert_eq!(board.take(NOW, 10, |_| true)[0].key.domain, DomainId(2));
        // What has expired goes nevertheless: it must come to its end.
        keep(&mut board, Due { age: Age::Over, ..due(1, 9, "dead.example") });
        assert!(board.pauses(NOW, &DestinationName::parse("dead.example").unwrap()));
        assert_eq!(board.take(NOW, 10, |_| true).len(), 1);
    }

    #[test]
    fn everything_is_bounded() {
        let mut full = board(60, 5);
        let (mut kept, mut put_off) = (0, Vec::new());
        for number in 0..200 {
            match full.offer(NOW, due(1, number, "big.example"), 3) {
                Offer::Kept => kept += 1,
                // The 51st comes to its turn after the 50 that wait, at 50 a second; nobody waits longer than the bound.
                Offer::PutOff(until) => put_off.push(until.millis_since(NOW)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((kept, put_off.len()), (50, 150));
        assert_eq!(put_off[..3], [1_000, 1_020, 1_040]);
        let Offer::PutOff(until) = (0..=255_u8)
            .flat_map(|tenant| (200..=255).map(move |number| (tenant, number)))
            .map(|(tenant, number)| full.offer(NOW, due(u64::from(tenant) + 9, number, "big.example"), 3))
            .last()
            .unwrap()
        else {
            panic!()
        };
        assert_eq!(until.millis_since(NOW), 10_000);
        for number in 0..10 {
            keep(&mut full, due(2, number, &format!("d{number}.example")));
        }
        assert_eq!(full.offer(NOW, due(3, 0, "x.example"), 0), Offer::NoRoom);
        // At most five under way, of which no tenant has more than half.
        let taken = full.take(NOW, 100, |_| true);
        let of = |tenant| taken.iter().filter(|due| due.key.domain == DomainId(tenant)).count();
        assert_eq!((of(1), of(2)), (2, 2));
    }

    #[test]
    fn groups_that_are_busy_are_passed_over() {
        let mut board = board(100, 100);
        keep(&mut board, due(1, 1, "a.example"));
        keep(&mut board, Due { group: GroupNumber(2), ..due(2, 2, "a.example") });
        let taken = board.take(NOW, 100, |group| group == GroupNumber(2));
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].group, GroupNumber(2));
        assert_eq!(board.waiting(), 1);
    }
}
