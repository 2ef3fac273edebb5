//! Random commands on the queue against a simple model of what should happen. After each: all invariants (see [`crate::lab`]), the
//! model's deliveries are the state's, and every recipient that was queued is either still queued or has exactly one end. No lease is
//! granted while another one of the same delivery lasts. At the end a replay gives the same state.

// Random bits decide what happens: naming each would say no more.
#![allow(clippy::fn_params_excessive_bools)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use yubin_state::command::{DomainCommand, MaintenanceCommand};
use yubin_state::memory::Memory;
use yubin_state::queue::{
    AfterLease, ControlAction, ControlItem, ControlOutcome, DelayNotice, Delivery, DeliveryKey, DeliveryResult,
    DeliveryState, EnqueuedLease, FinalOutcome, Lessee, NewQueued, Postponed, QueueAnswer, QueueCommand, QueueFilter,
    QueueId, QueueQuery, QueueReply, RecipientOutcome,
};
use yubin_state::reply::More;
use yubin_state::{Command, DedupeClass, Encode as _, Envelope, Reply, apply};
use yubin_types::{DomainId, RecipientAddress, Refusal, ReversePath, Timestamp, limits};

use crate::lab::{D1, D2, DAY, EPOCH, Lab, plan};
use crate::queue::{GROUP, destination, enqueued, message, notice, said};

const HOSTS: [&str; 3] = ["b.example", "c.example", "[192.0.2.1]"];
const USERS: [&str; 3] = ["x", "y", "z"];

#[derive(Clone, Debug)]
enum Step {
    /// A message to so many users at each host.
    Enqueue {
        second: bool,
        users: [usize; 3],
        repeat: bool,
        /// Leased to a worker at hand, for so many seconds?
        lease: Option<u64>,
    },
    /// Some of what there is; `again` repeats the last lease's request.
    Lease {
        mask: u64,
        seconds: u64,
        again: bool,
    },
    /// Outcomes for some of what was ever leased, from late to early.
    Record {
        from: usize,
        count: usize,
        kinds: [usize; 3],
        next: u64,
        notice: bool,
        repeat: bool,
    },
    Renew {
        from: usize,
        seconds: u64,
    },
    Postpone {
        from: usize,
        with_token: bool,
        seconds: u64,
    },
    Control {
        mask: u64,
        action: usize,
    },
    Wait {
        seconds: u64,
    },
    Forget,
    Domain {
        second: bool,
        kind: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let users = || prop::array::uniform3(0usize..3);
    prop_oneof![
        4 => (any::<bool>(), users(), any::<bool>(), prop::option::of(1u64..120))
            .prop_map(|(second, users, repeat, lease)| Step::Enqueue { second, users, repeat, lease }),
        6 => (any::<u64>(), 1u64..120, prop::bool::weighted(0.2)).prop_map(|(mask, seconds, again)| Step::Lease { mask, seconds, again }),
        6 => (0usize..6, 1usize..4, prop::array::uniform3(0usize..5), 0u64..300, any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(from, count, kinds, next, notice, repeat)| Step::Record { from, count, kinds, next, notice, repeat }),
        1 => (0usize..4, 1u64..120).prop_map(|(from, seconds)| Step::Renew { from, seconds }),
        2 => (0usize..4, any::<bool>(), 0u64..300).prop_map(|(from, with_token, seconds)| Step::Postpone { from, with_token, seconds }),
        4 => (any::<u64>(), 0usize..4).prop_map(|(mask, action)| Step::Control { mask, action }),
        5 => prop_oneof![0u64..90, 0u64..3_000, 0u64..40_000].prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Forget),
        1 => (any::<bool>(), 0usize..4).prop_map(|(second, kind)| Step::Domain { second, kind }),
    ]
}

/// A delivery as the model has it.
#[derive(Clone, Debug, PartialEq)]
struct Modelled {
    users: Vec<String>,
    state: Standing,
    next: Timestamp,
    expires: Timestamp,
    overdue: Timestamp,
    /// The token whose outcome would be recorded.
    open: u64,
    attempts: u32,
}

#[derive(Clone, Debug, PartialEq)]
enum Standing {
    Waiting,
    Flying { until: Timestamp, request: [u8; 16], after: AfterLease },
    Held,
}

impl Modelled {
    fn of(delivery: &Delivery) -> Self {
        Modelled {
            users: delivery.recipients.iter().map(|recipient| recipient.local.as_str().to_owned()).collect(),
            state: match &delivery.state {
                DeliveryState::Scheduled => Standing::Waiting,
                DeliveryState::Held { .. } => Standing::Held,
                DeliveryState::InFlight { until, lease, after, .. } => {
                    Standing::Flying { until: *until, request: lease.0, after: after.clone() }
                }
            },
            next: delivery.next_attempt,
            expires: delivery.expires,
            overdue: delivery.overdue(),
            open: delivery.token,
            attempts: delivery.attempts,
        }
    }

    fn give_back(&mut self, next: Timestamp, now: Timestamp) -> AfterLease {
        self.open = 0;
        self.next = [self.overdue, self.expires].into_iter().filter(|at| *at > now).fold(next, Timestamp::min);
        let Standing::Flying { after, .. } = self.state.clone() else { return AfterLease::Schedule };
        match after {
            AfterLease::Schedule => self.state = Standing::Waiting,
            AfterLease::Hold { .. } => self.state = Standing::Held,
            AfterLease::Cancel => {}
        }
        after
    }
}

struct Model {
    lab: Lab,
    queued: BTreeMap<DeliveryKey, Modelled>,
    ends: BTreeMap<(QueueId, RecipientAddress), Vec<FinalOutcome>>,
    /// All recipients ever queued, by domain.
    accepted: BTreeMap<(QueueId, RecipientAddress), DomainId>,
    suspended: BTreeMap<DomainId, bool>,
    deleted: Vec<DomainId>,
    /// Everything that was ever granted.
    granted: Vec<(DeliveryKey, u64)>,
    last_lease: Option<(Envelope, Command)>,
    last_record: Option<(Envelope, Command, Reply)>,
    messages: u8,
}

fn id(number: u8) -> QueueId {
    QueueId([number; 16])
}

impl Model {
    fn new() -> Self {
        let mut lab = Lab::new();
        lab.create_domain(D2, "two.example", plan());
        Model {
            lab,
            queued: BTreeMap::new(),
            ends: BTreeMap::new(),
            accepted: BTreeMap::new(),
            suspended: BTreeMap::new(),
            deleted: Vec::new(),
            granted: Vec::new(),
            last_lease: None,
            last_record: None,
            messages: 0,
        }
    }

    fn next_index(&self) -> u64 {
        self.lab.log.len() as u64 + 1
    }

    fn insert(&mut self, domain: DomainId, new: &NewQueued) {
        for delivery in &new.deliveries {
            let key = DeliveryKey { domain, id: new.id, destination: delivery.destination.clone() };
            let users: Vec<_> = delivery.recipients.iter().map(|one| one.local.as_str().to_owned()).collect();
            for recipient in &delivery.recipients {
                let destination = delivery.destination.clone();
                let address = RecipientAddress { local: recipient.local.clone(), destination };
                self.accepted.insert((new.id, address), domain);
            }
            let (next, expires) = (self.lab.now, self.lab.now.plus_seconds(new.lifetime_seconds));
            let patience =
                if new.sender == ReversePath::Null { DAY * 99 } else { limits::DELAY_NOTICE_SECONDS_DEFAULT };
            let (state, overdue) = (Standing::Waiting, expires.min(next.plus_seconds(patience)));
            self.queued.insert(key, Modelled { users, state, next, expires, overdue, open: 0, attempts: 0 });
        }
    }

    fn end(&mut self, key: &DeliveryKey, user: &str, outcome: FinalOutcome) {
        let address = RecipientAddress { local: crate::lab::local(user), destination: key.destination.clone() };
        self.ends.entry((key.id, address)).or_default().push(outcome);
    }

    fn cancel(&mut self, key: &DeliveryKey) {
        let gone = self.queued.remove(key).unwrap();
        gone.users.iter().for_each(|user| self.end(key, user, FinalOutcome::Cancelled));
    }

    fn enqueue(&mut self, second: bool, users: [usize; 3], repeat: bool, lease: Option<u64>) {
        let domain = if second { D2 } else { D1 };
        let to: Vec<String> = HOSTS
            .iter()
            .zip(users)
            .flat_map(|(host, count)| USERS[..count].iter().map(move |user| format!("{user}@{host}")))
            .collect();
        if to.is_empty() || self.messages > 200 {
            return;
        }
        self.messages += 1;
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let new = NewQueued { lifetime_seconds: 20_000, ..message(self.messages, &to) };
        let messages = vec![new.clone()];
        let command = match lease {
            None => QueueCommand::Enqueue { login: None, messages },
            Some(seconds) => QueueCommand::EnqueueLeased { login: None, messages, worker: "w".to_owned(), seconds },
        };
        let envelope = self.lab.envelope(domain, DedupeClass::None);
        let (token, now) = (self.next_index(), self.lab.now);
        let reply = self.lab.propose(envelope.clone(), Command::Queue(command.clone()));
        let granted = lease.map(|seconds| enqueued(domain, token, now, seconds));
        let expected = match self.suspended.get(&domain) {
            _ if self.deleted.contains(&domain) => Reply::Refused(Refusal::StaleEpoch),
            Some(true) => Reply::Refused(Refusal::DomainSuspended { reason: String::new() }),
            _ => granted.clone().map_or(Reply::Done, |granted| Reply::Queue(QueueReply::Enqueued(granted))),
        };
        assert_eq!(reply, expected);
        if matches!(reply, Reply::Refused(_)) {
            return;
        }
        self.insert(domain, &new);
        granted.into_iter().for_each(|granted| self.begin_leased(domain, new.clone(), granted, &envelope));
        if repeat {
            assert_eq!(self.lab.queue(domain, command), Reply::Done);
        }
    }

    /// Deliveries are leased from the beginning, as the worker that asked for it believes.
    fn begin_leased(&mut self, domain: DomainId, new: NewQueued, granted: EnqueuedLease, envelope: &Envelope) {
        let (worker, request) = ("w".to_owned(), envelope.request);
        let lessee = Lessee { domain, epoch: EPOCH, worker, request, trace: envelope.trace };
        let leased = new.leased(lessee, granted);
        let asked = self.lab.ask_queue(domain, QueueQuery::Message(leased[0].message.id));
        let QueueAnswer::Message { message, deliveries, .. } = asked else { panic!() };
        assert!(leased.iter().all(|leased| leased.message == message && deliveries.contains(&leased.delivery)));
        for leased in leased {
            self.queued.insert(leased.key(), Modelled::of(&leased.delivery));
            self.granted.push((leased.key(), leased.token));
        }
    }

    fn lease(&mut self, mask: u64, seconds: u64, again: bool) {
        let items: Vec<_> = self.masked(mask).collect();
        let fresh = (
            self.lab.envelope(GROUP, DedupeClass::None),
            Command::Queue(QueueCommand::Lease { worker: "w".to_owned(), seconds, items }),
        );
        let (envelope, command) = self.last_lease.clone().filter(|_| again).unwrap_or(fresh);
        let envelope = Envelope { stamp: self.lab.now, ..envelope };
        let Command::Queue(QueueCommand::Lease { seconds, items, .. }) = &command else { panic!() };
        if items.is_empty() {
            return;
        }
        self.last_lease = Some((envelope.clone(), command.clone()));
        let mut expected = Vec::new();
        for item in items {
            expected.extend(self.lease_one(item, envelope.request.0, *seconds).map(|token| (item.clone(), token)));
        }
        let Reply::Queue(QueueReply::Leased(leased)) = self.lab.propose(envelope, command) else { panic!() };
        let granted: Vec<_> = leased.iter().map(|leased| (leased.key(), leased.token)).collect();
        assert_eq!(granted, expected);
        self.granted.extend(granted);
    }

    /// The token under which the model grants a delivery.
    fn lease_one(&mut self, item: &DeliveryKey, request: [u8; 16], seconds: u64) -> Option<u64> {
        let (now, token) = (self.lab.now, self.next_index());
        let mut found = self.queued.get(item)?.clone();
        match found.state.clone() {
            Standing::Held => return None,
            Standing::Waiting if found.next > now => return None,
            Standing::Waiting => {}
            Standing::Flying { until, request: by, .. } if until > now => return (by == request).then_some(found.open),
            Standing::Flying { after, .. } => {
                found.attempts += 1;
                match after {
                    AfterLease::Schedule => {}
                    AfterLease::Hold { .. } => {
                        found.state = Standing::Held;
                        self.queued.insert(item.clone(), found);
                        return None;
                    }
                    AfterLease::Cancel => {
                        self.cancel(item);
                        return None;
                    }
                }
            }
        }
        let suspended = self.suspended.get(&item.domain).copied().unwrap_or(false);
        if suspended {
            found.state = Standing::Waiting;
            found.next = now.plus_seconds(limits::QUEUE_SUSPENDED_SECONDS);
        } else {
            let (until, after) = (now.plus_seconds(seconds), AfterLease::Schedule);
            found.state = Standing::Flying { until, request, after };
            found.open = token;
        }
        self.queued.insert(item.clone(), found);
        (!suspended).then_some(token)
    }

    fn record(&mut self, from: usize, count: usize, kinds: [usize; 3], next: u64, notices: bool) {
        let now = self.lab.now;
        let mut picked = BTreeMap::new();
        for (item, token) in self.granted.iter().rev().skip(from) {
            if picked.len() < count {
                picked.entry(item.clone()).or_insert(*token);
            }
        }
        if picked.is_empty() || self.messages > 200 {
            return;
        }
        let next = now.plus_seconds(next);
        let mut results = Vec::new();
        for (ordinal, (delivery, token)) in (0u16..).zip(picked) {
            // Some results name a recipient that isn't there any more.
            let recipients = (0u16..).zip(kinds).filter_map(|(place, kind)| Some((place, outcome(kind)?))).collect();
            self.messages += 1;
            let notices = if notices { vec![notice(self.messages, ordinal)] } else { Vec::new() };
            results.push(DeliveryResult {
                delivery,
                token,
                attempted: now,
                reply: Some(said(421)),
                recipients,
                next_attempt: Some(next),
                delay_notice: DelayNotice::NotSent,
                notices,
            });
        }
        let mut stale = Vec::new();
        for (place, result) in (0u32..).zip(&results) {
            if !self.record_one(result, next) {
                stale.push(place);
            }
        }
        let envelope = self.lab.envelope(GROUP, DedupeClass::Delivery);
        let command = Command::Queue(QueueCommand::Record { results });
        let reply = self.lab.propose(envelope.clone(), command.clone());
        assert_eq!(reply, Reply::Queue(QueueReply::Recorded { stale }));
        self.last_record = Some((envelope, command, reply));
    }

    fn record_one(&mut self, result: &DeliveryResult, next: Timestamp) -> bool {
        let key = result.delivery.clone();
        let Some(mut found) = self.queued.get(&key).cloned() else { return false };
        let beyond = result.recipients.iter().any(|(place, _)| usize::from(*place) >= found.users.len());
        if found.open != result.token || beyond {
            return false;
        }
        if matches!(found.state, Standing::Flying { .. }) {
            found.attempts += 1;
        }
        let mut stay = Vec::new();
        for (place, user) in (0u16..).zip(std::mem::take(&mut found.users)) {
            let named = result.recipients.iter().find(|(named, _)| *named == place).map(|(_, outcome)| outcome);
            match named {
                Some(RecipientOutcome::Delivered(_)) => self.end(&key, &user, FinalOutcome::Delivered),
                Some(RecipientOutcome::Bounced(_)) => self.end(&key, &user, FinalOutcome::Bounced),
                Some(RecipientOutcome::Expired(_)) => self.end(&key, &user, FinalOutcome::Expired),
                Some(RecipientOutcome::Deferred(_)) | None => stay.push(user),
            }
        }
        found.users = stay;
        if found.users.is_empty() {
            self.queued.remove(&key);
        } else {
            let after = found.give_back(next, self.lab.now);
            self.queued.insert(key.clone(), found);
            if after == AfterLease::Cancel {
                self.cancel(&key);
            }
        }
        result.notices.iter().for_each(|notice| self.insert(key.domain, notice));
        true
    }

    fn renew(&mut self, from: usize, seconds: u64) {
        let Some((item, token)) = self.granted.iter().rev().nth(from).cloned() else { return };
        let longer = self.lab.now.plus_seconds(seconds);
        let found = self.queued.get_mut(&item).filter(|found| found.open == token);
        let kept = match found.map(|found| &mut found.state) {
            Some(Standing::Flying { until, .. }) => {
                *until = longer.max(*until);
                true
            }
            _ => false,
        };
        let reply = self.lab.queue(GROUP, QueueCommand::Renew { seconds, items: vec![(item, token)] });
        assert_eq!(crate::queue::stale(&reply).is_empty(), kept);
    }

    fn postpone(&mut self, from: usize, with_token: bool, seconds: u64) {
        let (now, until) = (self.lab.now, self.lab.now.plus_seconds(seconds));
        let leased = self.granted.iter().rev().nth(from).cloned();
        let any = self.queued.keys().nth(from).map(|key| (key.clone(), 0));
        let Some((delivery, token)) = (if with_token { leased } else { any }) else { return };
        let mut done = false;
        if let Some(mut found) = self.queued.get(&delivery).cloned() {
            done = match &found.state {
                Standing::Flying { .. } => with_token && found.open == token,
                Standing::Waiting => !with_token && found.next <= now,
                Standing::Held => false,
            };
            if done {
                let after = found.give_back(until, now);
                self.queued.insert(delivery.clone(), found);
                if after == AfterLease::Cancel {
                    self.cancel(&delivery);
                }
            }
        }
        let items = vec![Postponed { delivery, token: with_token.then_some(token), until }];
        let reply = self.lab.queue(GROUP, QueueCommand::Postpone { items, why: BTreeMap::new() });
        assert_eq!(crate::queue::stale(&reply).is_empty(), done);
    }

    fn control(&mut self, mask: u64, action: usize) {
        let hold = ControlAction::Hold { reason: "why".to_owned() };
        let action = [hold, ControlAction::Release, ControlAction::Retry, ControlAction::Cancel][action].clone();
        for domain in [D1, D2] {
            let keys: Vec<_> = self.masked(mask).filter(|key| key.domain == domain).collect();
            if keys.is_empty() {
                continue;
            }
            let expected: Vec<_> = keys.iter().map(|key| self.control_one(key, &action)).collect();
            let item = |key: &DeliveryKey| ControlItem { id: key.id, destination: key.destination.clone() };
            let items = keys.iter().map(item).collect();
            let reply = self.lab.queue(domain, QueueCommand::Control { items, action: action.clone() });
            assert_eq!(reply, Reply::Queue(QueueReply::Controlled(expected)));
        }
    }

    fn control_one(&mut self, key: &DeliveryKey, action: &ControlAction) -> ControlOutcome {
        let now = self.lab.now;
        let Some(found) = self.queued.get_mut(key) else { return ControlOutcome::NotFound };
        if let Standing::Flying { until, after, .. } = &mut found.state
            && (*until > now || *action == ControlAction::Release)
        {
            let wished = match action {
                ControlAction::Hold { reason } => AfterLease::Hold { reason: reason.clone() },
                ControlAction::Release => AfterLease::Schedule,
                ControlAction::Cancel => AfterLease::Cancel,
                ControlAction::Retry => return ControlOutcome::Unchanged,
            };
            if *after == AfterLease::Cancel || *after == wished {
                return ControlOutcome::Unchanged;
            }
            *after = wished;
            let now = *after == AfterLease::Schedule;
            return if now { ControlOutcome::Done } else { ControlOutcome::AfterLease };
        }
        match (&found.state, action) {
            (_, ControlAction::Cancel) => {
                self.cancel(key);
                return ControlOutcome::Done;
            }
            (Standing::Held, ControlAction::Release) | (Standing::Waiting, ControlAction::Retry) => {
                found.state = Standing::Waiting;
                found.next = found.next.min(now);
            }
            (Standing::Waiting, ControlAction::Hold { .. }) => found.state = Standing::Held,
            (Standing::Flying { after, .. }, ControlAction::Hold { .. }) if *after != AfterLease::Cancel => {
                found.attempts += 1;
                found.state = Standing::Held;
            }
            _ => return ControlOutcome::Unchanged,
        }
        ControlOutcome::Done
    }

    fn domain(&mut self, second: bool, kind: usize) {
        let domain = if second { D2 } else { D1 };
        if self.deleted.contains(&domain) {
            return;
        }
        let command = match kind {
            0 => DomainCommand::Suspend { reason: String::new() },
            1 | 2 => DomainCommand::Resume,
            _ if second => DomainCommand::Delete,
            _ => return,
        };
        self.suspended.insert(domain, kind == 0);
        while let Reply::Progress { more: More::Yes, .. } = self.lab.run(domain, Command::Domain(command.clone())) {}
        if command == DomainCommand::Delete {
            self.deleted.push(domain);
            self.queued.retain(|key, _| key.domain != domain);
            let accepted = &self.accepted;
            self.ends.retain(|of, _| accepted.get(of) != Some(&domain));
            self.accepted.retain(|_, of| *of != domain);
        }
    }

    /// Deliveries whose bit is set, and one that never was.
    fn masked(&self, mask: u64) -> impl Iterator<Item = DeliveryKey> {
        let ghost = DeliveryKey { domain: D1, id: id(0xff), destination: destination(HOSTS[0]) };
        let keys: Vec<_> = self.queued.keys().cloned().chain([ghost]).collect();
        keys.into_iter().enumerate().filter(move |(bit, _)| mask >> (bit % 64) & 1 == 1).map(|(_, key)| key)
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Enqueue { second, users, repeat, lease } => self.enqueue(second, users, repeat, lease),
            Step::Lease { mask, seconds, again } => self.lease(mask, seconds, again),
            Step::Record { repeat: true, .. } => {
                if let Some((envelope, command, reply)) = self.last_record.clone() {
                    assert_eq!(self.lab.propose(envelope, command), reply, "a repeat is not stale");
                }
            }
            Step::Record { from, count, kinds, next, notice, .. } => self.record(from, count, kinds, next, notice),
            Step::Renew { from, seconds } => self.renew(from, seconds),
            Step::Postpone { from, with_token, seconds } => self.postpone(from, with_token, seconds),
            Step::Control { mask, action } => self.control(mask, action),
            Step::Wait { seconds } => self.lab.wait(seconds),
            Step::Forget => {
                self.lab.maintain(MaintenanceCommand::ForgetEvents);
            }
            Step::Domain { second, kind } => self.domain(second, kind),
        }
        self.compare();
    }

    fn compare(&self) {
        let query = QueueQuery::List { filter: QueueFilter::default(), after: None, limit: 1_000 };
        let QueueAnswer::List { deliveries, next: None, .. } = self.lab.ask_queue(GROUP, query) else { panic!() };
        let real: BTreeMap<_, _> = deliveries
            .iter()
            .map(|(domain, message, delivery)| {
                let destination = delivery.destination.clone();
                (DeliveryKey { domain: *domain, id: message.id, destination }, Modelled::of(delivery))
            })
            .collect();
        assert_eq!(real, self.queued);
        let mut told: BTreeMap<_, Vec<FinalOutcome>> = BTreeMap::new();
        for record in self.lab.events() {
            told.entry((record.event.id, record.event.recipient)).or_default().push(record.event.outcome);
        }
        assert_eq!(told, self.ends);
        for ((id, address), domain) in &self.accepted {
            let key = DeliveryKey { domain: *domain, id: *id, destination: address.destination.clone() };
            let waits = real.get(&key).is_some_and(|it| it.users.iter().any(|user| user == address.local.as_str()));
            let ends = told.get(&(*id, address.clone())).map_or(0, Vec::len);
            assert_eq!(usize::from(waits) + ends, 1, "{id:?} {address} is queued or has one end");
        }
    }
}

/// An outcome by number; none for 0, that recipient isn't named.
fn outcome(kind: usize) -> Option<RecipientOutcome> {
    Some(match kind {
        0 => return None,
        1 => RecipientOutcome::Delivered(said(250)),
        2 => RecipientOutcome::Bounced(said(550)),
        3 => RecipientOutcome::Expired(said(451)),
        _ => RecipientOutcome::Deferred(said(451)),
    })
}

fn run(steps: &[Step]) {
    let mut model = Model::new();
    steps.iter().for_each(|step| model.step(step));
    let mut state = Memory::default();
    for (logged, reply) in model.lab.log.iter().zip(model.lab.replies()) {
        let Ok(applied) = apply(&mut state, logged.position, &logged.entry.encode(), &logged.bodies);
        assert_eq!(applied.reply, reply);
    }
    assert_eq!(state, model.lab.state);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_recipient_ends_once_and_no_delivery_has_two_holders(steps in prop::collection::vec(step(), 1..60)) {
        run(&steps);
    }
}
