//! Several boards and one directory, for some minutes of made-up time in which workers are killed, cut off, end and come back, and reports are lost, late
//! and out of order. A seed gives the same run again.
//!
//! At all times: no more connections to a receiver than its limit, from all workers that live together, those that rest counted; no more deliveries
//! begun in a minute than its rate. And large receivers are served by several workers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use yubin_state::queue::{DeliveryKey, Receiver, Share, ShareReport, Shares, Stay};
use yubin_types::{DomainId, GroupNumber, Priority, QueueId, Timestamp, limits};

use super::{Age, Due, Offer};
use crate::pace::{Leave, Signal};
use crate::pools::{PoolId, SourceId};

mod worker;

use worker::{
    DESTINATIONS, Delivery, LANES_MAX, RECEIVERS, RESTS_MS, SITE_BURST, SITE_PER_MINUTE, TAKEOVER_MS, Worker, limit,
    name, receiver, to,
};

const STEP_MS: u64 = 50;
/// A made-up network.
const LATE_MS_MAX: u64 = 8_000;

struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next(count) == 0
    }
}

/// What is under way in the network.
enum Letter {
    Report(Box<ShareReport>, u64),
    Answer(usize, u64, u64, Box<Shares>),
}

struct World {
    random: Random,
    now: u64,
    stamp: u64,
    directory: Shares,
    network: Vec<(u64, Letter)>,
    workers: Vec<Option<Worker>>,
    back_at: Vec<u64>,
    /// Due mail, since when, and who has it.
    mail: BTreeMap<DeliveryKey, (u64, Option<usize>)>,
    /// When deliveries to the known receiver began.
    begun: VecDeque<u64>,
    /// Who began deliveries to which receiver lately.
    served: BTreeMap<(&'static str, usize), u64>,
    faults: bool,
}

impl World {
    fn new(seed: u64, workers: usize) -> World {
        World {
            random: Random(seed * 2_654_435_769 + 1),
            now: 1_000_000,
            stamp: 0,
            directory: Shares::default(),
            network: Vec::new(),
            workers: (0..workers).map(|place| Some(Worker::new(place, 1_000_000))).collect(),
            back_at: vec![0; workers],
            mail: BTreeMap::new(),
            begun: VecDeque::new(),
            served: BTreeMap::new(),
            faults: true,
        }
    }

    fn step(&mut self) {
        self.now += STEP_MS;
        if self.faults {
            self.trouble();
        }
        self.carry();
        for place in 0..self.workers.len() {
            self.work(place);
        }
        self.check();
    }

    /// Mail for receivers, so that none has nothing to do.
    fn supply(&mut self, destination: &str, count: usize) {
        while self.mail.keys().filter(|key| key.destination == to(destination)).count() < count {
            let id: [u8; 16] = std::array::from_fn(|_| u8::try_from(self.random.next(256)).unwrap());
            let key = DeliveryKey {
                domain: DomainId(self.random.next(5) + 1),
                id: QueueId(id),
                destination: to(destination),
            };
            self.mail.insert(key, (self.now, None));
        }
    }

    fn trouble(&mut self) {
        let place = usize::try_from(self.random.next(self.workers.len() as u64)).unwrap();
        if self.workers[place].is_none() {
            if self.now >= self.back_at[place] {
                self.workers[place] = Some(Worker::new(place, self.now));
            }
            return;
        }
        match self.random.next(4_000) {
            0..3 => self.kill(place),
            3..10 => self.workers[place].as_mut().unwrap().ends = true,
            10..20 => self.workers[place].as_mut().unwrap().cut_off_until = self.now + self.random.next(60_000),
            _ => {}
        }
    }

    fn kill(&mut self, place: usize) {
        self.workers[place] = None;
        self.back_at[place] = self.now + self.random.next(40_000);
        self.mail.values_mut().filter(|(_, holder)| *holder == Some(place)).for_each(|(_, holder)| *holder = None);
    }

    /// Letters arrive, in any order.
    fn carry(&mut self) {
        let now = self.now;
        let (arrived, rest): (Vec<_>, Vec<_>) = self.network.drain(..).partition(|(at, _)| *at <= now);
        self.network = rest;
        for (_, letter) in arrived {
            match letter {
                Letter::Report(report, asked) => {
                    // Leaders' clocks differ by up to two seconds; the group's time never goes back.
                    let skew = if self.faults { self.random.next(2_000) } else { 0 };
                    self.stamp = self.stamp.max(now + skew);
                    let taken = self.directory.take(Timestamp(self.stamp), &report);
                    for (receiver, shared) in &self.directory.limits {
                        let granted: u32 = shared.shares.iter().map(|share| share.lanes).sum();
                        assert!(granted <= shared.limit, "{receiver}: {shared:?}");
                    }
                    let place = usize::from(report.worker.as_bytes()[7] - b'0');
                    if taken.is_ok() && !self.is_lost() {
                        let at = now + self.delay();
                        let answer = Letter::Answer(place, report.number, asked, Box::new(self.directory.clone()));
                        self.network.push((at, answer));
                    }
                }
                Letter::Answer(place, number, asked, shares) => {
                    let Some(worker) = &mut self.workers[place] else { continue };
                    if worker.waits != Some((asked, number)) {
                        continue;
                    }
                    worker.waits = None;
                    worker.asked = Some(asked);
                    worker.seen = shares.roster.epoch;
                    let back = worker.board.learn(Timestamp(now), *shares);
                    self.mail.extend(back.into_iter().map(|back| (back.due.key, (now, None))));
                }
            }
        }
    }

    fn is_lost(&mut self) -> bool {
        self.faults && self.random.one_in(10)
    }

    fn delay(&mut self) -> u64 {
        if self.faults && self.random.one_in(20) { self.random.next(LATE_MS_MAX) } else { self.random.next(50) }
    }

    /// What one worker does in a step.
    fn work(&mut self, place: usize) {
        let now = self.now;
        let Some(mut worker) = self.workers[place].take() else { return };
        worker.board.sweep(Timestamp(now));
        worker.resting.values_mut().for_each(|resting| resting.retain(|until| *until > now));
        if worker.has_lapsed(now) {
            worker.asked = None;
            worker.deliveries.iter_mut().for_each(|delivery| delivery.ends = now);
            worker.resting.clear();
            worker.board.forget_peaks();
        }
        let cut = worker.asked.is_none();
        for delivery in worker.deliveries.extract_if(.., |delivery| delivery.ends <= now) {
            let signal = if cut { Signal::None } else { Signal::Fine };
            worker.board.ended(Timestamp(now), &delivery.key, delivery.source, signal);
            let of = receiver(&delivery.key.destination);
            if cut {
                self.mail.insert(delivery.key, (now, None));
            } else {
                self.mail.remove(&delivery.key);
                worker.resting.entry(of).or_default().push(now + RESTS_MS);
            }
        }
        self.report(place, &mut worker);
        if worker.ends && worker.deliveries.is_empty() && worker.waits.is_none() {
            // All connections are closed, and it says that it ends.
            let (name, number) = (name(place), worker.reported + 1);
            let stay = Stay::Gone;
            let report = ShareReport { worker: name, number, seen: 0, stay, addresses: Vec::new(), wishes: Vec::new() };
            let at = now + self.delay();
            self.network.push((at, Letter::Report(Box::new(report), now)));
            return self.kill(place);
        }
        self.deliver(place, &mut worker);
        self.workers[place] = Some(worker);
    }

    fn report(&mut self, place: usize, worker: &mut Worker) {
        let now = self.now;
        if worker.waits.is_some_and(|(since, _)| now - since >= 3_000) {
            worker.waits = None;
        }
        let since = worker.asked.map_or(u64::MAX, |asked| now.saturating_sub(asked));
        let is_new = worker.seen != self.directory.roster.epoch && self.random.one_in(4);
        if worker.waits.is_some() || !(since >= 4_000 || is_new || self.random.one_in(10)) {
            return;
        }
        worker.reported += 1;
        let report = ShareReport {
            worker: name(place),
            number: worker.reported,
            seen: worker.seen,
            stay: Stay::On,
            addresses: Vec::new(),
            wishes: worker.board.wishes(Timestamp(now)),
        };
        worker.waits = Some((now, worker.reported));
        if now >= worker.cut_off_until && !self.is_lost() {
            let at = now + self.delay();
            self.network.push((at, Letter::Report(Box::new(report), now)));
        }
    }

    fn deliver(&mut self, place: usize, worker: &mut Worker) {
        let now = self.now;
        for (key, (since, holder)) in &self.mail {
            if holder.is_none() && now - since >= worker.board.wait_ms(key, TAKEOVER_MS) {
                let due = Due { group: GroupNumber(1), key: key.clone(), age: Age::New, priority: Priority::NORMAL };
                assert!(matches!(
                    worker.board.offer(Timestamp(now), due, 0),
                    Offer::Kept | Offer::Known | Offer::PutOff(_)
                ));
            }
        }
        for due in worker.board.ask(Timestamp(now), 100, |_| true) {
            match self.mail.get_mut(&due.key) {
                Some((_, holder @ None)) => {
                    *holder = Some(place);
                    if let Some(back) = worker.board.granted(Timestamp(now), due, PoolId::SYSTEM) {
                        self.mail.insert(back.due.key, (now, None));
                    }
                }
                _ => worker.board.refused(&due.key),
            }
        }
        while worker.may_begin(now)
            && let Some((due, source)) = worker.board.begin(Timestamp(now))
        {
            let of = receiver(&due.key.destination);
            // The one that was used last, as `connections` does it: those that are not needed come to their end.
            worker.resting.entry(of).or_default().pop();
            if of == RECEIVERS[2] {
                self.begun.push_back(now);
            }
            self.served.insert((of, place), now);
            let takes = if self.random.one_in(100) { 20_000 } else { 400 };
            worker.deliveries.push(Delivery { key: due.key, source, ends: now + 20 + self.random.next(takes) });
        }
    }

    fn check(&mut self) {
        for of in RECEIVERS {
            let by: Vec<usize> = self.workers.iter().flatten().map(|worker| worker.connections(of)).collect();
            assert!(by.iter().sum::<usize>() <= limit(of), "{of} at {}: {by:?} {:#?}", self.now, self.directory);
        }
        while self.begun.front().is_some_and(|at| self.now - at >= 60_000) {
            self.begun.pop_front();
        }
        assert!(self.begun.len() <= SITE_PER_MINUTE as usize + SITE_BURST, "{} in a minute", self.begun.len());
    }

    /// Workers that began deliveries to a receiver in the last seconds.
    fn serving(&self, of: &str, seconds: u64) -> BTreeSet<usize> {
        let lately = self.served.iter().filter(|((to, _), at)| *to == of && self.now - **at <= seconds * 1_000);
        lately.map(|((_, place), _)| *place).collect()
    }

    fn run(&mut self, seconds: u64, crowd: usize) {
        for _ in 0..seconds * 1_000 / STEP_MS {
            for destination in DESTINATIONS {
                self.supply(destination, crowd);
            }
            self.step();
        }
    }
}

#[test]
fn limits_hold_whatever_becomes_of_workers_and_their_reports() {
    let seeds = std::env::var("YUBIN_FUZZ_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    for seed in 1..=seeds {
        let mut world = World::new(seed, 2 + usize::try_from(seed % 3).unwrap());
        world.run(240, 30);
        // What comes when all is well again.
        world.faults = false;
        let now = world.now;
        let places = world.workers.iter_mut().enumerate().filter(|(_, worker)| worker.is_none());
        places.for_each(|(place, worker)| *worker = Some(Worker::new(place, now)));
        world.workers.iter_mut().flatten().for_each(|worker| worker.ends = false);
        world.run(90, 30);
        for of in RECEIVERS {
            let serving = world.serving(of, 40);
            assert!(serving.len() > 1, "seed {seed}: {of} is served by {serving:?}: {:#?}", world.directory);
        }
    }
}

#[test]
fn a_dead_worker_s_share_is_used_by_the_others_when_its_time_is_over() {
    let mut world = World::new(7, 2);
    world.faults = false;
    world.run(60, 30);
    assert!(RECEIVERS.iter().all(|of| world.serving(of, 30).len() == 2));
    world.kill(0);
    world.back_at[0] = u64::MAX;
    let connections = |world: &World| world.workers[1].as_ref().unwrap().connections(RECEIVERS[0]);
    world.run(limits::QUEUE_SHARE_SECONDS - limits::QUEUE_SHARE_REPORT_SECONDS - 1, 30);
    assert!(connections(&world) < LANES_MAX, "what the dead worker had is still its own");
    world.run(limits::QUEUE_SHARE_REPORT_SECONDS + 4, 30);
    assert_eq!(connections(&world), LANES_MAX);
    assert!(world.directory.limits.is_empty(), "nothing is shared any more: {:#?}", world.directory);
}

#[test]
fn small_receivers_cost_the_directory_nothing() {
    let mut world = World::new(3, 3);
    world.faults = false;
    world.run(5, 0);
    for _ in 0..2_400 {
        for destination in DESTINATIONS {
            world.supply(destination, 1);
        }
        world.step();
        assert!(world.directory.limits.is_empty(), "{:#?}", world.directory.limits);
    }
    for of in RECEIVERS {
        assert_eq!(world.serving(of, 120).len(), 1, "{of}: {:?}", world.served);
    }
}

#[test]
fn what_one_worker_learns_the_others_hear() {
    let mut world = World::new(5, 2);
    world.faults = false;
    world.run(60, 30);
    let (a, later) = (to(DESTINATIONS[0]), Timestamp(world.now + 60_000));
    let pace = |world: &mut World, place: usize| {
        let board = &mut world.workers[place].as_mut().unwrap().board;
        let path = board.lanes.get_mut(&to(DESTINATIONS[0])).unwrap().path(SourceId::SYSTEM);
        (path.pace.leave(Timestamp(world.now)), path.pace.lanes_free() + path.pace.in_flight() as usize)
    };
    assert_ne!(pace(&mut world, 1).0, Leave::NotBefore(later));
    let first = world.workers[0].as_mut().unwrap();
    // A success would end the pause.
    for Delivery { key, source, .. } in first.deliveries.extract_if(.., |one| one.key.destination == a) {
        first.board.ended(Timestamp(world.now), &key, source, Signal::Unreachable);
        world.mail.remove(&key);
    }
    first.board.lanes.get_mut(&a).unwrap().path(SourceId::SYSTEM).pace.heard_pause(later);
    world.run(6, 30);
    assert_eq!(pace(&mut world, 1).0, Leave::NotBefore(later));

    // A receiver that wants less from one.
    let (now, mut shares) = (world.now, world.directory.clone());
    let second = &mut world.workers[1].as_mut().unwrap().board;
    second.learn(Timestamp(now), shares.clone());
    let shared = shares.limits.get_mut(&Receiver::Destination(a)).unwrap();
    shared.shares.retain(|share| share.worker == name(0));
    shared.shares.push(Share { worker: name(1), lanes: 4, wanted: 4, complaints: 0 });
    second.learn(Timestamp(now), shares.clone());
    let before = pace(&mut world, 1).1;
    let second = &mut world.workers[1].as_mut().unwrap().board;
    shares.limits.values_mut().for_each(|shared| shared.shares[0].complaints += 2);
    second.learn(Timestamp(now), shares.clone());
    second.learn(Timestamp(now), shares);
    let after = pace(&mut world, 1).1;
    assert!((2..=4).contains(&before) && after == before / 2, "{before} lanes, {after} afterwards");
}
