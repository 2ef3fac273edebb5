//! Leases: the right of one worker to try a delivery for a while, and putting deliveries off.
//!
//! The token is the log index of the command that granted the lease, so no two leases of a delivery have the same. A lease that ran out
//! is an attempt whose outcome nobody knows: it is counted as one and as lapsed, then the delivery is granted anew, or goes the way
//! that an operator asked for meanwhile. The commands work on a whole group; most items need no counters, so a domain is opened only
//! where a delivery is given up.

use std::collections::{BTreeMap, BTreeSet};

use yubin_types::{AccountId, DestinationName, DomainId, Epoch, Refusal, RequestId, Timestamp, limits};

use super::command::{DeliveryKey, EnqueuedLease, Leased, Postponed, QueueReply, Tenant};
use super::enqueue::invalid;
use super::journal::Journal;
use super::newcomer::Lease;
use super::record::{AfterLease, Delivery, DeliveryState, QueueSource};
use super::rows::Queued;
use super::sums::{Known, Sheet};
use super::tray::{self, Tray};
use super::waits::Waits;
use super::way::RemoteReply;
use crate::codec::Encode as _;
use crate::keys;
use crate::kv::{Position, Txn};
use crate::opened::too_many;
use crate::record::{RetryTerms, Standing};
use crate::reply::Reply;
use crate::rows::{Domain, Phase};
use crate::sending::reading;
use crate::stop::Outcome;
use crate::table::Read as _;
use crate::topic::Topic;
use crate::work::{Topics, Work};

/// What a granted message's row counts for, bytes, beside its delivery.
const MESSAGE_BYTES: usize = 1_024;

/// A lease that is asked for.
pub(crate) struct Wanted {
    pub(crate) worker: String,
    pub(crate) seconds: u64,
    pub(crate) request: RequestId,
}

impl Wanted {
    /// The lease of messages that are queued by the same command.
    pub(crate) fn with_enqueue(self, position: Position, now: Timestamp, domain: &Domain) -> Result<Lease, Refusal> {
        let (until, terms) = (self.until(now)?, domain.plan.retry.clone());
        let granted = EnqueuedLease { token: position.index, queued: now, until, terms, tenant: domain.tenant() };
        Ok(Lease { worker: self.worker, request: self.request, granted })
    }

    /// When it ends, if it is granted now.
    fn until(&self, now: Timestamp) -> Result<Timestamp, Refusal> {
        if self.worker.is_empty() || self.worker.len() > limits::OBJECT_NAME_BYTES_MAX {
            return Err(invalid(&format!("a worker's name has 1 to {} bytes", limits::OBJECT_NAME_BYTES_MAX)));
        }
        until(now, self.seconds)
    }
}

/// Grants leases.
pub(crate) fn lease<T: Txn>(
    txn: &mut T,
    position: Position,
    now: Timestamp,
    wanted: &Wanted,
    items: &[DeliveryKey],
    topics: &mut Topics,
) -> Outcome<Reply, T::Error> {
    check_count(items.len())?;
    let mut clerk = Clerk {
        position,
        now,
        until: wanted.until(now)?,
        wanted,
        domains: BTreeMap::new(),
        suspended: BTreeMap::new(),
        sheet: Sheet::default(),
        journal: Journal::default(),
    };
    let (mut granted, mut bytes, mut given_up) = (Vec::new(), 0, 0);
    // An item that is named twice is granted once: its holder is one.
    let mut seen = BTreeSet::new();
    for item in items.iter().filter(|item| seen.insert(*item)) {
        if bytes > limits::QUEUE_LEASE_BYTES_MAX || given_up > limits::QUEUE_RECIPIENTS_PER_COMMAND_MAX {
            break;
        }
        match clerk.serve(txn, item)? {
            Served::Nothing => {}
            Served::PutOff => push(topics, Topic::Queue),
            Served::GivenUp { recipients, topics: told } => {
                given_up += recipients;
                told.into_iter().for_each(|topic| push(topics, topic));
            }
            Served::Granted(leased) => {
                bytes += leased.delivery.encode().len() + MESSAGE_BYTES;
                granted.push(*leased);
            }
        }
    }
    clerk.sheet.write(txn)?;
    clerk.journal.write(txn, position, now);
    Ok(Reply::Queue(QueueReply::Leased(granted)))
}

/// What a lease command knows while it goes through its items.
struct Clerk<'a> {
    position: Position,
    now: Timestamp,
    until: Timestamp,
    wanted: &'a Wanted,
    domains: BTreeMap<DomainId, Option<InUse>>,
    /// Is the sending of an account suspended? Of those met so far.
    suspended: BTreeMap<(DomainId, AccountId), bool>,
    sheet: Sheet,
    journal: Journal,
}

impl Domain {
    /// As a worker is told of it.
    fn tenant(&self) -> Tenant {
        Tenant { name: self.name.clone(), plan: self.plan.name.clone() }
    }
}

/// What matters of a domain that is in use.
#[derive(Clone)]
struct InUse {
    epoch: Epoch,
    standing: Standing,
    terms: Option<Box<RetryTerms>>,
    tenant: Tenant,
}

/// What became of an item.
enum Served {
    Nothing,
    PutOff,
    GivenUp { recipients: usize, topics: Topics },
    Granted(Box<Leased>),
}

impl Clerk<'_> {
    fn serve<T: Txn>(&mut self, txn: &mut T, item: &DeliveryKey) -> Outcome<Served, T::Error> {
        let Some(domain) = self.domain(txn, item.domain)? else { return Ok(Served::Nothing) };
        let key = keys::delivery(item.domain, item.id, &item.destination);
        let Some(mut delivery) = txn.row(&key)? else { return Ok(Served::Nothing) };
        let known = delivery.known();
        let filed = known.filed;
        match &delivery.state {
            DeliveryState::InFlight { lease, until, .. } if *lease == self.wanted.request && *until > self.now => {
                let Some(queued) = txn.row(&keys::queued(item.domain, item.id))? else { return Ok(Served::Nothing) };
                let last_word = self.last_word(txn, item, &delivery)?;
                return Ok(granted(item.domain, domain, (queued, delivery), last_word));
            }
            DeliveryState::Held { .. } => return Ok(Served::Nothing),
            _ if filed.due > self.now => return Ok(Served::Nothing),
            DeliveryState::Scheduled => {}
            DeliveryState::InFlight { after, .. } => match after.clone() {
                AfterLease::Schedule => delivery.lapse(filed.due),
                AfterLease::Hold { reason } => {
                    delivery.lapse(filed.due);
                    delivery.state = DeliveryState::Held { reason };
                    tray::write(txn, &mut self.sheet, (item.domain, item.id), known, &delivery);
                    return Ok(Served::Nothing);
                }
                AfterLease::Cancel => {
                    delivery.lapse(filed.due);
                    return self.give_up(txn, item, known, delivery);
                }
            },
        }
        let Some(queued) = txn.row(&keys::queued(item.domain, item.id))? else { return Ok(Served::Nothing) };
        if domain.standing != Standing::Active || self.is_suspended(txn, item.domain, &queued.message.source)? {
            delivery.state = DeliveryState::Scheduled;
            delivery.next_attempt = self.now.plus_seconds(limits::QUEUE_SUSPENDED_SECONDS);
            tray::write(txn, &mut self.sheet, (item.domain, item.id), known, &delivery);
            return Ok(Served::PutOff);
        }
        delivery.token = self.position.index;
        delivery.state = DeliveryState::InFlight {
            worker: self.wanted.worker.clone(),
            until: self.until,
            lease: self.wanted.request,
            after: AfterLease::Schedule,
        };
        tray::write(txn, &mut self.sheet, (item.domain, item.id), known, &delivery);
        let last_word = self.last_word(txn, item, &delivery)?;
        Ok(granted(item.domain, domain, (queued, delivery), last_word))
    }

    /// What was heard last from a destination, for a delivery whose sender is to be told something.
    fn last_word<T: Txn>(
        &self,
        txn: &T,
        item: &DeliveryKey,
        delivery: &Delivery,
    ) -> Outcome<Option<Box<RemoteReply>>, T::Error> {
        if delivery.overdue() > self.now {
            return Ok(None);
        }
        let waits = txn.row(&keys::queue_sums(item.domain, &item.destination))?.and_then(|sums| sums.waits);
        Ok(waits.and_then(|waits| waits.heard).map(Box::new))
    }

    /// Is it mail of an account whose sending is suspended?
    fn is_suspended<T: Txn>(&mut self, txn: &T, domain: DomainId, source: &QueueSource) -> Outcome<bool, T::Error> {
        let &QueueSource::Submission { account, .. } = source else { return Ok(false) };
        if let Some(known) = self.suspended.get(&(domain, account)) {
            return Ok(*known);
        }
        let suspended = reading::suspension(txn, domain, account)?.is_some();
        self.suspended.insert((domain, account), suspended);
        Ok(suspended)
    }

    fn give_up<T: Txn>(
        &mut self,
        txn: &mut T,
        item: &DeliveryKey,
        known: Known,
        delivery: Delivery,
    ) -> Outcome<Served, T::Error> {
        let Some(mut work) = Work::open(txn, item.domain, self.now, &[])? else { return Ok(Served::Nothing) };
        let recipients = delivery.recipients.len();
        let mut tray = Tray::open(&mut work)?;
        tray.cancel(item.id, known, delivery)?;
        self.journal.add(tray.close()?);
        Ok(Served::GivenUp { recipients, topics: work.finish() })
    }

    /// A domain that is in use.
    fn domain<T: Txn>(&mut self, txn: &T, id: DomainId) -> Outcome<Option<InUse>, T::Error> {
        if let Some(known) = self.domains.get(&id) {
            return Ok(known.clone());
        }
        let domain = txn.row(&keys::domain(id))?.filter(|domain| domain.phase == Phase::Live);
        let in_use = |domain: Domain| {
            let tenant = domain.tenant();
            InUse { epoch: domain.epoch, standing: domain.standing, terms: domain.plan.retry, tenant }
        };
        let found = domain.map(in_use);
        self.domains.insert(id, found.clone());
        Ok(found)
    }
}

fn granted(
    domain: DomainId,
    in_use: InUse,
    (queued, delivery): (Queued, Delivery),
    last_word: Option<Box<RemoteReply>>,
) -> Served {
    let (InUse { epoch, terms, tenant, .. }, token) = (in_use, delivery.token);
    let message = queued.message;
    Served::Granted(Box::new(Leased { domain, epoch, token, message, delivery, terms, tenant, last_word }))
}

/// Keeps leases for longer. One that ran out and was not granted anew can still be kept.
pub(crate) fn renew<T: Txn>(
    txn: &mut T,
    now: Timestamp,
    seconds: u64,
    items: &[(DeliveryKey, u64)],
) -> Outcome<Reply, T::Error> {
    check_count(items.len())?;
    let longer = until(now, seconds)?;
    let (mut stale, mut sheet) = (Vec::new(), Sheet::default());
    for (place, (item, token)) in (0u32..).zip(items) {
        let key = keys::delivery(item.domain, item.id, &item.destination);
        let found = txn.row(&key)?.filter(|delivery| delivery.token == *token);
        let Some(mut delivery) = found.filter(|delivery| delivery.in_flight()) else {
            stale.push(place);
            continue;
        };
        let known = delivery.known();
        if let DeliveryState::InFlight { until, .. } = &mut delivery.state {
            *until = longer.max(*until);
        }
        tray::write(txn, &mut sheet, (item.domain, item.id), known, &delivery);
    }
    sheet.write(txn)?;
    Ok(Reply::Queue(QueueReply::Recorded { stale }))
}

/// Puts deliveries off without counting an attempt.
pub(crate) fn postpone<T: Txn>(
    txn: &mut T,
    (position, now): (Position, Timestamp),
    (items, why): (&[Postponed], &BTreeMap<DestinationName, Waits>),
    topics: &mut Topics,
) -> Outcome<Reply, T::Error> {
    check_count(items.len())?;
    if why.len() > items.len() {
        return Err(invalid("more destinations than deliveries").into());
    }
    let (mut stale, mut given_up, mut sheet) = (Vec::new(), 0, Sheet::default());
    let mut journal = Journal::default();
    for (place, Postponed { delivery: item, token, until }) in (0u32..).zip(items) {
        let found = txn.row(&keys::delivery(item.domain, item.id, &item.destination))?;
        let Some(mut delivery) = found.filter(|delivery| delivery.may_be_put_off(*token, now)) else {
            stale.push(place);
            continue;
        };
        let known = delivery.known();
        let after = delivery.give_back(*until, now);
        if after == AfterLease::Cancel {
            if given_up > limits::QUEUE_RECIPIENTS_PER_COMMAND_MAX {
                stale.push(place);
                continue;
            }
            given_up += delivery.recipients.len();
            let Some(mut work) = Work::open(txn, item.domain, now, &[])? else { continue };
            let mut tray = Tray::open(&mut work)?;
            tray.cancel(item.id, known, delivery)?;
            journal.add(tray.close()?);
            work.finish().into_iter().for_each(|topic| push(topics, topic));
            continue;
        }
        tray::write(txn, &mut sheet, (item.domain, item.id), known, &delivery);
        if let Some(why) = why.get(&item.destination) {
            sheet.waits(item.domain, &item.destination, why);
        }
        push(topics, Topic::Queue);
    }
    sheet.write(txn)?;
    journal.write(txn, position, now);
    Ok(Reply::Queue(QueueReply::Recorded { stale }))
}

impl Delivery {
    /// A lease ran out at `ended`: an attempt whose outcome nobody knows. Its token stays good until the next lease.
    pub(crate) fn lapse(&mut self, ended: Timestamp) {
        self.attempts = self.attempts.saturating_add(1);
        self.lapsed = self.lapsed.saturating_add(1);
        self.first_attempt.get_or_insert(ended);
        self.last_attempt = Some(ended);
    }

    /// Has a worker a lease of it, be it run out?
    pub(crate) fn in_flight(&self) -> bool {
        matches!(self.state, DeliveryState::InFlight { .. })
    }

    fn may_be_put_off(&self, token: Option<u64>, now: Timestamp) -> bool {
        match token {
            Some(token) => self.in_flight() && self.token == token,
            None => self.state == DeliveryState::Scheduled && self.next_attempt <= now,
        }
    }

    /// Ends a lease with recipients left: scheduled again, held, or to be given up by the caller.
    pub(crate) fn give_back(&mut self, next: Timestamp, now: Timestamp) -> AfterLease {
        self.token = 0;
        // A delivery whose time is over is looked at then, so that its bounce, or word of its delay, is not late.
        let looks = [self.overdue(), self.expires].into_iter().filter(|at| *at > now);
        self.next_attempt = looks.chain([next]).min().unwrap_or(next);
        let after = match &mut self.state {
            DeliveryState::InFlight { after, .. } => std::mem::take(after),
            DeliveryState::Scheduled => AfterLease::Schedule,
            DeliveryState::Held { .. } => return AfterLease::Schedule,
        };
        match &after {
            AfterLease::Schedule => self.state = DeliveryState::Scheduled,
            AfterLease::Hold { reason } => self.state = DeliveryState::Held { reason: reason.clone() },
            AfterLease::Cancel => {}
        }
        after
    }
}

/// Refuses a command without items or with too many.
pub(crate) fn check_count(items: usize) -> Result<(), Refusal> {
    if (1..=limits::QUEUE_ITEMS_PER_COMMAND_MAX).contains(&items) {
        return Ok(());
    }
    Err(too_many("deliveries in one command", limits::QUEUE_ITEMS_PER_COMMAND_MAX as u64))
}

/// Tells a topic once.
pub(crate) fn push(topics: &mut Topics, topic: Topic) {
    if !topics.contains(&topic) {
        topics.push(topic);
    }
}

fn until(now: Timestamp, seconds: u64) -> Result<Timestamp, Refusal> {
    if (1..=limits::QUEUE_LEASE_SECONDS_MAX).contains(&seconds) {
        return Ok(now.plus_seconds(seconds));
    }
    Err(invalid(&format!("a lease has 1 to {} seconds", limits::QUEUE_LEASE_SECONDS_MAX)))
}
