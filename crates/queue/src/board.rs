//! What is due and not begun yet, in memory: by destination and tenant, bounded, handed out fairly.
//!
//! A pure value. A delivery *waits*, is *asked* for (its lease is under way), is *ready* (leased), is *under way*. Every destination has
//! its [`Pace`], which says how many may be under way, and is leased some more in advance while it takes mail well: as many as it takes
//! in some seconds, so that no lane waits for a lease and a burst is leased as it is queued. In both [`Line`]s tenants take turns. No tenant has more than half of all
//! deliveries under way, or leased in advance, so that a flood to many destinations leaves room. A destination that pauses holds nothing
//! here: what is offered for it is answered with the time to put it off to, and what it held is given back for the same. Of one that has
//! too much waiting already, more is put off to when its turn will come. So a hundred thousand messages to a dead host are one pause,
//! not a hundred thousand timers, and never in anybody's way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use yubin_state::queue::{DeliveryKey, DestinationName};
use yubin_types::{GroupNumber, Timestamp};

pub(crate) use crate::due::{Age, Back, BoardLimits, Due, Offer};
use crate::lane::Lane;
use crate::line::{Line, Passage};
use crate::pace::{Leave, Signal};
use crate::profile::{Profile, Profiles};
use crate::site::Site;
use crate::tally::{Stage, Tally};

/// Due deliveries and the pace of destinations.
#[derive(Debug)]
pub(crate) struct Board {
    limits: BoardLimits,
    lanes: BTreeMap<DestinationName, Lane>,
    /// Destinations where something waits, in turn.
    turn: VecDeque<DestinationName>,
    /// Destinations where something is ready, in turn.
    ready_turn: VecDeque<DestinationName>,
    tally: Tally,
    profiles: Arc<Profiles>,
    /// Receivers by the names of their profiles.
    sites: BTreeMap<String, Site>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nothing begins any more.
    Closed,
}

impl Board {
    pub(crate) fn new(limits: BoardLimits, profiles: Arc<Profiles>) -> Board {
        Board {
            limits,
            profiles,
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
        if self.tally.total().waiting >= self.limits.waiting_max || self.phase == Phase::Closed {
            return Offer::NoRoom;
        }
        let destination = due.key.destination.clone();
        let limits = self.limits;
        let lane = self.lane(now, &destination);
        if due.age != Age::Over {
            if let Leave::NotBefore(until) = lane.pace.leave(now) {
                return Offer::PutOff(lane.flow.returns(now, until, spread, limits.pace.pause_ms_max));
            }
            if lane.waiting.count() >= limits.waiting_per_destination_max {
                return Offer::PutOff(lane.flow.turn_comes(now, lane.waiting.count(), limits.crowded_ms_max));
            }
        }
        let is_first = lane.waiting.count() == 0;
        lane.waiting.add(due.clone());
        if is_first {
            self.turn.push_back(destination);
        }
        self.tally.enter(due.key, Stage::Waiting);
        Offer::Kept
    }

    /// Takes what is to be leased now, at most `count`, of groups that `wanted` accepts.
    pub(crate) fn ask(&mut self, now: Timestamp, count: usize, wanted: impl Fn(GroupNumber) -> bool) -> Vec<Due> {
        let mut asked = Vec::new();
        let tenant_max = (self.limits.ahead_max / 2).max(1);
        // Whoever can't go now keeps its turn for the next call.
        let mut skipped = 0;
        while asked.len() < count && self.tally.total().ahead < self.limits.ahead_max && skipped < self.turn.len() {
            let Some(destination) = self.turn.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&destination) else { continue };
            let (tally, site) = (&self.tally, lane.site.as_ref().and_then(|name| self.sites.get(name)));
            let open = lane.asks(now) && site.is_none_or(|site| site.has_room(now));
            let passage = if open { Passage::All } else { Passage::Expired };
            let due =
                lane.waiting.next(passage, |due| wanted(due.group) && tally.of(due.key.domain).ahead < tenant_max);
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
        let limits = self.limits;
        let Some(first) = keys.first() else { return false };
        let total = self.tally.total();
        let (ahead, of_tenant) = (total.ahead + keys.len(), self.tally.of(first.domain).ahead + keys.len());
        if self.phase == Phase::Closed || ahead > limits.ahead_max || of_tenant > (limits.ahead_max / 2).max(1) {
            return false;
        }
        for key in keys {
            let lane = self.lane(now, &key.destination);
            let (has_room, site) = (lane.has_room(now), lane.site.clone());
            let site = site.and_then(|name| self.sites.get(&name));
            if !has_room || site.is_some_and(|site| !site.has_room(now)) {
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

    /// What was asked for is leased now. If nothing may begin any more, or its destination pauses, it is given back.
    pub(crate) fn granted(&mut self, now: Timestamp, due: Due) -> Option<Back> {
        let Some(lane) = self.lanes.get_mut(&due.key.destination) else { return Some(Back { due, until: now }) };
        lane.asked = lane.asked.saturating_sub(1);
        let until = match lane.pace.leave(now) {
            _ if self.phase == Phase::Closed => Some(now),
            Leave::NotBefore(until) if due.age != Age::Over => Some(until),
            _ => None,
        };
        if let Some(until) = until {
            self.tally.leave(&due.key);
            return Some(Back { due, until });
        }
        if lane.ready.count() == 0 {
            self.ready_turn.push_back(due.key.destination.clone());
        }
        lane.ready.add(due);
        None
    }

    /// What was asked for is not leased.
    pub(crate) fn refused(&mut self, key: &DeliveryKey) {
        if let Some(lane) = self.lanes.get_mut(&key.destination) {
            lane.asked = lane.asked.saturating_sub(1);
        }
        self.tally.leave(key);
    }

    /// The next delivery that may begin now; it counts as under way until [`Board::ended`].
    pub(crate) fn begin(&mut self, now: Timestamp) -> Option<Due> {
        if self.phase == Phase::Closed {
            return None;
        }
        for _ in 0..self.ready_turn.len() {
            if self.tally.total().begun >= self.limits.in_flight_max {
                return None;
            }
            let destination = self.ready_turn.pop_front()?;
            let due = self.begin_at(now, &destination);
            if self.lanes.get(&destination).is_some_and(|lane| lane.ready.count() > 0) {
                self.ready_turn.push_back(destination);
            }
            if due.is_some() {
                return due;
            }
        }
        None
    }

    fn begin_at(&mut self, now: Timestamp, destination: &DestinationName) -> Option<Due> {
        let tenant_max = (self.limits.in_flight_max / 2).max(1);
        let tally = &self.tally;
        let lane = self.lanes.get_mut(destination)?;
        let mut site = lane.site.as_ref().and_then(|name| self.sites.get_mut(name));
        let open = lane.pace.leave(now) == Leave::Granted && site.as_ref().is_none_or(|site| site.has_room(now));
        let passage = if open { Passage::All } else { Passage::Expired };
        let due = lane.ready.next(passage, |due| tally.of(due.key.domain).begun < tenant_max)?;
        lane.pace.begun();
        if let Some(site) = &mut site {
            site.begun(now);
        }
        self.tally.enter(due.key.clone(), Stage::Begun);
        Some(due)
    }

    /// A delivery that had begun has ended. What its destination can't take any more is given back.
    pub(crate) fn ended(&mut self, now: Timestamp, key: &DeliveryKey, signal: Signal) -> Vec<Back> {
        if self.tally.stage(key) != Some(Stage::Begun) {
            return Vec::new();
        }
        self.tally.leave(key);
        let Some(lane) = self.lanes.get_mut(&key.destination) else { return Vec::new() };
        lane.pace.ended(now, signal);
        lane.flow.ended(now);
        if let Some(site) = lane.site.as_ref().and_then(|name| self.sites.get_mut(name)) {
            site.ended();
        }
        let Leave::NotBefore(until) = lane.pace.leave(now) else { return Vec::new() };
        let span_ms = (until.millis_since(now) / 4).max(1);
        let later = |index: u64| Timestamp(until.millis() + index * 7 % span_ms);
        let out = self.extract(|due| due.key.destination == key.destination, Some(&key.destination));
        (0_u64..).zip(out).map(|(index, due)| Back { due, until: later(index) }).collect()
    }

    /// The host that takes a destination's mail shows whose profile it falls under.
    pub(crate) fn met(&mut self, now: Timestamp, destination: &DestinationName, profile: &Arc<Profile>) {
        let Some(lane) = self.lanes.get_mut(destination).filter(|lane| lane.site.is_none()) else { return };
        let site = self.sites.entry(profile.name.clone()).or_insert_with(|| Site::new(Arc::clone(profile), now));
        site.join(lane.pace.in_flight());
        lane.pace.bound(profile.pace());
        lane.site = Some(profile.name.clone());
    }

    /// A destination's lane, under the profile that its name tells.
    fn lane(&mut self, now: Timestamp, destination: &DestinationName) -> &mut Lane {
        if !self.lanes.contains_key(destination) {
            self.lanes.insert(destination.clone(), Lane::new(self.limits.pace));
            let profiles = Arc::clone(&self.profiles);
            if let Some(profile) = profiles.of_destination(destination) {
                self.met(now, destination, profile);
            }
        }
        let pace = self.limits.pace;
        self.lanes.entry(destination.clone()).or_insert_with(|| Lane::new(pace))
    }

    /// Gives back what has not begun and is to be put off for a reason from outside; what has expired goes on to its end.
    pub(crate) fn put_off(&mut self, until: impl Fn(&DeliveryKey) -> Option<Timestamp>) -> Vec<Back> {
        let out = self.extract(|due| due.age != Age::Over && until(&due.key).is_some(), None);
        let back = |due: Due| until(&due.key).map(|until| Back { due, until });
        out.into_iter().filter_map(back).collect()
    }

    /// May the destination be tried now? For what goes whatever its destination does.
    pub(crate) fn pauses(&self, now: Timestamp, destination: &DestinationName) -> bool {
        self.lanes.get(destination).is_some_and(|lane| matches!(lane.pace.leave(now), Leave::NotBefore(_)))
    }

    /// Forgets destinations that nothing is known of any more.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        self.lanes.retain(|_, lane| !lane.is_idle() || !lane.pace.is_forgettable(now));
    }

    /// How much more may wait.
    pub(crate) fn room(&self) -> usize {
        self.limits.waiting_max.saturating_sub(self.tally.total().waiting)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.tally.total().waiting
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
        let out = self.extract(|_| true, None);
        out.into_iter().map(|due| Back { due, until: now }).collect()
    }

    /// Takes what waits or is ready out of all lines, or out of those of one destination.
    fn extract(&mut self, gone: impl Fn(&Due) -> bool, of: Option<&DestinationName>) -> Vec<Due> {
        let mut out = Vec::new();
        let lanes = match of {
            Some(destination) => self.lanes.range_mut(destination..=destination),
            None => self.lanes.range_mut::<DestinationName, _>(..),
        };
        for (_, lane) in lanes {
            out.extend(lane.waiting.extract(&gone));
            out.extend(lane.ready.extract(&gone));
        }
        out.iter().for_each(|due| self.tally.leave(&due.key));
        let left = |lines: fn(&Lane) -> &Line| {
            let lanes = &self.lanes;
            move |destination: &DestinationName| lanes.get(destination).is_some_and(|lane| lines(lane).count() > 0)
        };
        self.turn.retain(left(|lane| &lane.waiting));
        self.ready_turn.retain(left(|lane| &lane.ready));
        out
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use yubin_state::queue::{DeliveryKey, DestinationName};
    use yubin_types::{DomainId, GroupNumber, QueueId, Timestamp};

    use super::{Age, Back, Board, BoardLimits, Due, Offer};
    use crate::pace::{PaceLimits, Signal};
    use crate::profile::{Profile, Profiles};
    use crate::shipped::SHIPPED;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn board(waiting_max: usize, in_flight_max: usize) -> Board {
        let pace = PaceLimits { lanes_initial: 2, lanes_max: 4, pause_ms_min: 1_000, pause_ms_max: 8_000 };
        let limits = BoardLimits {
            waiting_max,
            waiting_per_destination_max: 50,
            ahead_max: 40,
            in_flight_max,
            pace,
            crowded_ms_max: 10_000,
        };
        Board::new(limits, Arc::new(Profiles::default()))
    }

    fn due(tenant: u64, number: u8, destination: &str) -> Due {
        let destination = DestinationName::parse(destination).unwrap();
        let key = DeliveryKey { domain: DomainId(tenant), id: QueueId([number; 16]), destination };
        Due { group: GroupNumber(1), key, age: Age::New }
    }

    fn keep(board: &mut Board, due: Due) {
        assert_eq!(board.offer(NOW, due, 0), Offer::Kept);
    }

    /// Leases and begins as many as may, in their order.
    fn take(board: &mut Board, count: usize, wanted: impl Fn(GroupNumber) -> bool) -> Vec<Due> {
        let mut begun = Vec::new();
        while begun.len() < count {
            for due in board.ask(NOW, count - begun.len(), &wanted) {
                assert_eq!(board.granted(NOW, due), None);
            }
            let Some(due) = board.begin(NOW) else { break };
            begun.push(due);
        }
        begun
    }

    #[test]
    fn tenants_take_turns_at_a_destination() {
        let mut board = board(1_000, 100);
        (0..40).for_each(|number| keep(&mut board, due(1, number, "a.example")));
        keep(&mut board, due(2, 100, "a.example"));
        let taken = take(&mut board, 10, |_| true);
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
        while let Some(due) = take(&mut board, 1, |_| true).pop() {
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
        let taken = take(&mut board, 1, |_| true);
        let back = board.ended(NOW, &taken[0].key, Signal::Unreachable);
        assert_eq!(back.len(), 1);
        assert!(back[0].until >= Timestamp(NOW.millis() + 1_000));
        for spread in 0..100_000 {
            let Offer::PutOff(until) = board.offer(NOW, due(1, 7, "dead.example"), spread) else { panic!() };
            // Not before the pause is over, and spread over the longest one.
            assert!((1_000..9_000).contains(&until.millis_since(NOW)));
        }
        assert_eq!(board.waiting(), 0);
        keep(&mut board, due(2, 2, "alive.example"));
        assert_eq!(take(&mut board, 10, |_| true)[0].key.domain, DomainId(2));
        // What has expired goes nevertheless: it must come to its end.
        keep(&mut board, Due { age: Age::Over, ..due(1, 9, "dead.example") });
        assert!(board.pauses(NOW, &DestinationName::parse("dead.example").unwrap()));
        assert_eq!(take(&mut board, 10, |_| true).len(), 1);
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
        let taken = take(&mut full, 100, |_| true);
        let of = |tenant| taken.iter().filter(|due| due.key.domain == DomainId(tenant)).count();
        assert_eq!((of(1), of(2)), (2, 2));
    }

    #[test]
    fn groups_that_are_busy_are_passed_over() {
        let mut board = board(100, 100);
        keep(&mut board, due(1, 1, "a.example"));
        keep(&mut board, Due { group: GroupNumber(2), ..due(2, 2, "a.example") });
        let taken = take(&mut board, 100, |group| group == GroupNumber(2));
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].group, GroupNumber(2));
        assert_eq!(board.waiting(), 1);
    }

    /// Two domains of one receiver, the second known by its MX host alone.
    #[test]
    fn what_a_receiver_takes_is_shared_by_all_its_destinations() {
        let mut board = board(1_000, 100);
        let profile = Profile { deliveries_max: 2, ..Profile::from(&SHIPPED[0]) };
        board.profiles = Arc::new(Profiles::new(std::slice::from_ref(&profile), &[]));
        (0..10).for_each(|number| keep(&mut board, due(1, number, "docomo.ne.jp")));
        (10..20).for_each(|number| keep(&mut board, due(1, number, "one.example")));
        let begun = take(&mut board, 20, |_| true);
        assert_eq!(begun.len(), 2 + 2, "nobody knows that it is the same");
        let stranger = due(1, 10, "one.example").key.destination;
        board.met(NOW, &stranger, &Arc::new(profile));
        let (of, others): (Vec<_>, Vec<_>) = begun.into_iter().partition(|due| due.key.destination == stranger);
        of.iter().for_each(|due| deliver(&mut board, due));
        assert_eq!(take(&mut board, 20, |_| true).len(), 0, "two are under way");
        assert!(!board.reserve(NOW, &[due(2, 99, "one.example").key]));
        deliver(&mut board, &others[0]);
        assert_eq!(take(&mut board, 20, |_| true).len(), 1);
    }

    #[test]
    fn room_is_made_for_all_deliveries_of_a_message_or_for_none() {
        let mut board = board(1_000, 100);
        let key = |number, destination: &str| due(1, number, destination).key;
        assert!(board.reserve(NOW, &[key(1, "a.example"), key(1, "b.example")]));
        assert!(board.reserve(NOW, &[key(2, "a.example")]));
        // Two lanes, and nothing in advance for a destination that has taken nothing yet.
        assert!(!board.reserve(NOW, &[key(3, "b.example"), key(3, "a.example")]));
        assert_eq!((board.ahead(), board.offer(NOW, due(1, 1, "a.example"), 0)), (3, Offer::Known));
        board.refused(&key(2, "a.example"));
        assert!(board.reserve(NOW, &[key(3, "a.example")]), "the room is there again");
        for key in [key(1, "a.example"), key(3, "a.example")] {
            assert_eq!(board.granted(NOW, Due { group: GroupNumber(1), key, age: Age::New }), None);
        }
        let begun = [board.begin(NOW).unwrap(), board.begin(NOW).unwrap()];
        deliver(&mut board, &begun[0]);
        assert!(board.reserve(NOW, &[key(4, "a.example")]));
        // Who waits goes first.
        (100..102).for_each(|number| keep(&mut board, due(2, number, "c.example")));
        assert!(!board.reserve(NOW, &[key(5, "c.example")]));
        // No tenant has more than half of what may be leased in advance.
        let room =
            (10..100).filter(|number| board.reserve(NOW, &[key(*number, &format!("d{number}.example"))])).count();
        assert_eq!((room, board.ahead()), (18, 20));
        board.ended(NOW, &begun[1].key, Signal::Unreachable);
        assert!(!board.reserve(NOW, &[due(3, 5, "a.example").key]), "it pauses");
        board.close(NOW);
        assert!(!board.reserve(NOW, &[due(3, 5, "z.example").key]));
    }

    fn deliver(board: &mut Board, due: &Due) {
        assert!(board.ended(NOW, &due.key, Signal::Fine).is_empty());
    }

    #[test]
    fn a_destination_that_takes_mail_is_leased_in_advance_and_an_unknown_one_is_not() {
        let mut board = board(1_000, 100);
        (0..50).for_each(|number| keep(&mut board, due(1, number, "a.example")));
        let first = board.ask(NOW, 100, |_| true);
        assert_eq!(first.len(), 2, "as many as there are lanes");
        first.into_iter().for_each(|due| assert_eq!(board.granted(NOW, due), None));
        let begun = [board.begin(NOW).unwrap(), board.begin(NOW).unwrap()];
        assert_eq!((board.begin(NOW), board.ask(NOW, 100, |_| true).len()), (None, 0));
        deliver(&mut board, &begun[0]);
        // One lane is free; and a tenant has no more than half of what may be leased in advance.
        let asked = board.ask(NOW, 100, |_| true);
        assert_eq!((asked.len(), board.ahead(), board.waiting()), (20, 20, 28));
        asked.into_iter().for_each(|due| assert_eq!(board.granted(NOW, due), None));
        assert!(board.begin(NOW).is_some());
        assert_eq!(board.begin(NOW), None, "leases are no lanes");
        // A newcomer's mail does not stand behind all that.
        keep(&mut board, due(2, 200, "a.example"));
        for due in board.ask(NOW, 100, |_| true) {
            assert_eq!(board.granted(NOW, due), None);
        }
        deliver(&mut board, &begun[1]);
        let next = [board.begin(NOW), board.begin(NOW)].map(|due| due.map(|due| due.key.domain.0));
        assert!(next.contains(&Some(2)), "{next:?}");
    }

    #[test]
    fn leases_are_given_back_where_nothing_may_begin() {
        let mut board = board(1_000, 100);
        (0..30).for_each(|number| keep(&mut board, due(1, number, "a.example")));
        let begun = take(&mut board, 2, |_| true);
        deliver(&mut board, &begun[0]);
        let mut asked = board.ask(NOW, 10, |_| true);
        let late = asked.pop().unwrap();
        asked.into_iter().for_each(|due| assert_eq!(board.granted(NOW, due), None));
        // The destination is gone: what waits, what is leased, and what is still being leased.
        let back = board.ended(NOW, &begun[1].key, Signal::Unreachable);
        assert_eq!(back.len(), 30 - 2 - 1);
        assert!(back.iter().all(|back| back.until >= Timestamp(NOW.millis() + 1_000)));
        let late = board.granted(NOW, late).unwrap();
        assert_eq!(late.until, Timestamp(NOW.millis() + 1_000));
        assert_eq!((board.waiting(), board.ahead(), board.in_flight()), (0, 0, 0));

        // An operator suspends a destination; what has expired goes on.
        let over = Due { age: Age::Over, ..due(1, 99, "b.example") };
        [due(1, 98, "b.example"), over.clone(), due(1, 98, "c.example")]
            .into_iter()
            .for_each(|due| keep(&mut board, due));
        let suspended = DestinationName::parse("b.example").unwrap();
        let back = board.put_off(|key| (key.destination == suspended).then_some(Timestamp(5)));
        assert_eq!(back, [Back { due: due(1, 98, "b.example"), until: Timestamp(5) }]);

        // The worker stops.
        let mut asked = board.ask(NOW, 10, |_| true);
        assert_eq!(asked.len(), 2);
        let late = asked.pop().unwrap();
        asked.into_iter().for_each(|due| assert_eq!(board.granted(NOW, due), None));
        assert_eq!(board.close(NOW).len(), 1);
        assert_eq!((board.begin(NOW), board.granted(NOW, late).is_some()), (None, true));
    }
}
