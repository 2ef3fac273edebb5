//! Limits of receivers that several workers send to, as budgets that the directory leases (docs/rfd/0018).
//!
//! Workers stand in a *roster*, each for [`limits::QUEUE_SHARE_SECONDS`] after its last report. Nearly every receiver has one of them as its *owner* (the
//! workers compute which, from the roster), who may use all of the receiver's limit; nothing is written down for it. Where another worker sends to it, too,
//! there is a row with the *share* of each: the shares are never more than the limit together, whatever is asked for in whatever order.
//!
//! When the roster changes, receivers change their owners. The new one uses nothing before all workers have *seen* the roster; who sees it says in the
//! same report what it still holds of receivers that it lost, and that is written down as its share. A source address is one worker's at a time.
//!
//! A pure value, [`Shares`]; `share/report` reads and writes its rows. Not here: who owns what, how much a worker asks for, and what it does with it
//! (`queue`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use yubin_types::{DestinationName, Refusal, Timestamp, limits};

use super::enqueue::invalid;

mod report;

pub(crate) use report::report;

/// Whose limit it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Receiver {
    /// One that a profile knows by this name, with all its destinations.
    Known(String),
    /// A destination.
    Destination(DestinationName),
}

impl Receiver {
    /// The name by which a profile knows it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Receiver::Known(name) => Some(name),
            Receiver::Destination(_) => None,
        }
    }
}

impl std::fmt::Display for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Receiver::Known(name) => write!(f, "={name}"),
            Receiver::Destination(name) => name.fmt(f),
        }
    }
}

/// The workers that are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Grows whenever a worker comes or goes.
    pub epoch: u64,
    /// The workers.
    pub members: Vec<Member>,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub worker: String,
    /// Until when it is there without another report.
    pub until: Timestamp,
    /// The epoch with which it came.
    pub joined: u64,
    /// The epoch that it acts by.
    pub seen: u64,
    /// Its last report.
    pub number: u64,
    /// Source addresses that it alone uses.
    pub addresses: BTreeSet<IpAddr>,
}

/// A receiver that several workers send to, or sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedLimit {
    /// Deliveries at a time from all of them.
    pub limit: u32,
    /// What each may use.
    pub shares: Vec<Share>,
    /// Destinations that one of them leaves alone, and until when.
    pub pauses: BTreeMap<DestinationName, Timestamp>,
}

/// What a worker may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The worker.
    pub worker: String,
    /// Deliveries at a time.
    pub lanes: u32,
    /// How many it could use.
    pub wanted: u32,
    /// How often the receiver wanted less from it.
    pub complaints: u64,
}

/// What a worker says of itself, every few seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareReport {
    /// Its name.
    pub worker: String,
    /// Each report has a greater number than the one before: what comes late changes nothing.
    pub number: u64,
    /// The roster that it acts by.
    pub seen: u64,
    /// Does it stay?
    pub stay: Stay,
    /// Source addresses that it would use.
    pub addresses: Vec<IpAddr>,
    /// Receivers that it sends to and does not own, or has a share of; at most [`limits::QUEUE_SHARED_RECEIVERS_MAX`].
    pub wishes: Vec<ShareWish>,
}

/// Does a worker go on?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stay {
    /// Yes.
    On,
    /// It holds nothing any more.
    Gone,
}

/// What a worker asks for at a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareWish {
    /// The receiver.
    pub receiver: Receiver,
    /// Whose it is, by the roster that was seen.
    pub owner: String,
    /// The limit, as the worker is configured.
    pub limit: u32,
    /// What it holds on to: it keeps so many of its lanes.
    pub held: u32,
    /// How many it could use.
    pub wanted: u32,
    /// How often the receiver wanted less from it.
    pub complaints: u64,
    /// Destinations that it leaves alone; at most [`limits::QUEUE_SHARED_PAUSES_MAX`].
    pub pauses: BTreeMap<DestinationName, Timestamp>,
}

/// All there is: what a report is answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// The workers.
    pub roster: Roster,
    /// The receivers that are shared.
    pub limits: BTreeMap<Receiver, SharedLimit>,
}

/// How a worker came to what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// By the roster that it acted by until now.
    ByRight,
    AsGranted,
}

/// Is what a worker holds written down?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Filed {
    All,
    /// There is no room: it goes on by the roster that it knows.
    NotAll,
}

impl Roster {
    /// Do all workers act by it?
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.members.iter().all(|member| member.seen == self.epoch)
    }

    /// A worker.
    #[must_use]
    pub fn member(&self, worker: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.worker == worker)
    }

    fn names(&self) -> BTreeSet<String> {
        self.members.iter().map(|member| member.worker.clone()).collect()
    }
}

impl SharedLimit {
    /// A worker's share.
    #[must_use]
    pub fn share(&self, worker: &str) -> Option<&Share> {
        self.shares.iter().find(|share| share.worker == worker)
    }

    /// What is left to a worker if everybody gets what it could use, and where that is too much, the same.
    #[must_use]
    pub fn fair(&self, worker: &str) -> u32 {
        let mut order: Vec<&Share> = self.shares.iter().collect();
        order.sort_by_key(|share| (share.wanted, &share.worker));
        let mut left = self.limit;
        for (share, sharers) in order.iter().zip((1..=u32::try_from(order.len()).unwrap_or(u32::MAX)).rev()) {
            let part = share.wanted.min(left.div_ceil(sharers));
            if share.worker == worker {
                return part;
            }
            left -= part;
        }
        0
    }

    /// Deliveries at a time that others may have.
    fn of_others(&self, worker: &str) -> u32 {
        let others = self.shares.iter().filter(|share| share.worker != worker);
        others.fold(0, |sum, share| sum.saturating_add(share.lanes))
    }
}

impl Shares {
    /// Takes a report.
    ///
    /// # Errors
    /// It is older than what is known, or there are too many workers.
    pub fn take(&mut self, now: Timestamp, report: &ShareReport) -> Result<(), Refusal> {
        let known = self.roster.member(&report.worker).filter(|member| member.until > now);
        if known.is_some_and(|member| member.number > report.number) {
            return Err(invalid("a later report of this worker is known"));
        }
        let seen_before = known.map(|member| member.seen);
        self.assemble(now, report)?;
        if report.stay == Stay::On {
            let seen = report.seen.min(self.roster.epoch);
            // What it held by right before it acts by another roster is its own.
            let is_new = seen_before.is_some_and(|before| before < seen);
            let held = if is_new { Held::ByRight } else { Held::AsGranted };
            let mut filed = Filed::All;
            for wish in &report.wishes {
                filed = filed.max(self.grant(report, wish, held, now));
            }
            let taken: BTreeSet<IpAddr> =
                self.others(&report.worker).flat_map(|other| other.addresses.clone()).collect();
            let member = self.roster.members.iter_mut().find(|member| member.worker == report.worker);
            if let Some(member) = member {
                member.seen = if filed == Filed::All { member.seen.max(seen) } else { member.seen };
                member.number = report.number;
                member.until = now.plus_seconds(limits::QUEUE_SHARE_SECONDS);
                member.addresses = report.addresses.iter().filter(|one| !taken.contains(one)).copied().collect();
            }
        }
        self.limits.retain(|_, limit| !limit.shares.is_empty());
        Ok(())
    }

    fn others<'a>(&'a self, worker: &'a str) -> impl Iterator<Item = &'a Member> {
        self.roster.members.iter().filter(move |member| member.worker != worker)
    }

    /// Who is there now. What those had who are not there any more is free.
    fn assemble(&mut self, now: Timestamp, report: &ShareReport) -> Result<(), Refusal> {
        let before = self.roster.names();
        let stays = |member: &Member| member.until > now && (member.worker != report.worker || report.stay == Stay::On);
        let lapsed = self.roster.member(&report.worker).is_some_and(|member| member.until <= now);
        let mut members: Vec<Member> = self.roster.members.iter().filter(|member| stays(member)).cloned().collect();
        if report.stay == Stay::On && members.iter().all(|member| member.worker != report.worker) {
            if members.len() >= limits::QUEUE_WORKERS_MAX {
                return Err(invalid(&format!("there are {} workers already", limits::QUEUE_WORKERS_MAX)));
            }
            let (worker, number) = (report.worker.clone(), report.number);
            members.push(Member { worker, until: now, joined: 0, seen: 0, number, addresses: BTreeSet::new() });
        }
        self.roster.members = members;
        let names = self.roster.names();
        if names != before || lapsed {
            self.roster.epoch += 1;
            let epoch = self.roster.epoch;
            // Epochs begin with 1.
            self.roster.members.iter_mut().filter(|member| member.joined == 0).for_each(|member| member.joined = epoch);
            let stays = |share: &Share| names.contains(&share.worker) && !(lapsed && share.worker == report.worker);
            self.limits.values_mut().for_each(|limit| limit.shares.retain(stays));
        }
        Ok(())
    }

    /// Grants what a worker asks for, as far as others leave it. Says whether what it holds is written down.
    fn grant(&mut self, report: &ShareReport, wish: &ShareWish, held: Held, now: Timestamp) -> Filed {
        let (worker, owns) = (report.worker.as_str(), wish.owner == report.worker);
        // All others act by the roster that the worker computed the owner from.
        let settled = report.seen == self.roster.epoch && self.others(worker).all(|other| other.seen == report.seen);
        let Some(known) = self.limits.get_mut(&wish.receiver) else {
            let by_right = held == Held::ByRight;
            let holds = by_right && !owns && wish.held > 0;
            let asks = settled && !by_right && !owns && wish.wanted > 0 && self.roster.member(&wish.owner).is_some();
            if !holds && !asks {
                return Filed::All;
            }
            if self.limits.len() >= limits::QUEUE_SHARED_RECEIVERS_MAX {
                return if holds { Filed::NotAll } else { Filed::All };
            }
            let own = |lanes| Share { lanes, ..Share::of(worker, wish) };
            let all = Share { worker: wish.owner.clone(), lanes: wish.limit, wanted: wish.limit, complaints: 0 };
            let shares = if holds { vec![own(wish.held.min(wish.limit))] } else { vec![all, own(0)] };
            let limit = SharedLimit { limit: wish.limit, shares, pauses: wish.pauses.clone() };
            self.limits.insert(wish.receiver.clone(), limit);
            return Filed::All;
        };
        known.limit = wish.limit;
        known.pauses.retain(|_, until| *until > now);
        for (destination, until) in &wish.pauses {
            let full = known.pauses.len() >= limits::QUEUE_SHARED_PAUSES_MAX;
            if let Some(pause) = known.pauses.get_mut(destination) {
                *pause = (*pause).max(*until);
            } else if !full {
                known.pauses.insert(destination.clone(), *until);
            }
        }
        let before = known.share(worker).map_or(0, |share| share.lanes);
        known.shares.retain(|share| share.worker != worker);
        if wish.wanted > 0 || wish.held > 0 {
            known.shares.push(Share { lanes: 0, ..Share::of(worker, wish) });
            let free = wish.limit.saturating_sub(known.of_others(worker));
            let lanes = known.fair(worker).min(free).max(wish.held.min(before));
            if wish.wanted == 0 && lanes == 0 {
                known.shares.pop();
            } else if let Some(share) = known.shares.last_mut() {
                share.lanes = lanes;
            }
            known.shares.sort_by(|one, other| one.worker.cmp(&other.worker));
        }
        let alone = matches!(known.shares.as_slice(), [only] if only.worker == worker);
        if known.shares.is_empty() || (alone && owns && settled) {
            self.limits.remove(&wish.receiver);
        }
        Filed::All
    }

    /// Is anything else than before for others to know?
    fn is_news(&self, before: &Shares) -> bool {
        let facts = |member: &Member| (member.worker.clone(), member.seen, member.addresses.clone());
        self.limits != before.limits
            || self.roster.epoch != before.roster.epoch
            || !self.roster.members.iter().map(facts).eq(before.roster.members.iter().map(facts))
    }
}

impl Share {
    fn of(worker: &str, wish: &ShareWish) -> Share {
        Share { worker: worker.to_owned(), lanes: 0, wanted: wish.wanted.min(wish.limit), complaints: wish.complaints }
    }
}
