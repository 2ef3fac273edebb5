//! May this be submitted? Decided by the command that takes it, and counted with it.
//!
//! A message with more recipients than one may have is refused as such: its sender can split it. What goes over a limit in a time is
//! refused until there is room; if the limit is the account's own, the refusal is counted, and too many suspend its sending. A domain's
//! limit is not held against the account that meets it: a neighbour may have used it up.

use yubin_types::{
    AccountId, AccountSending, DomainName, Limit, QuotaScope, Refusal, SendingLimit, SendingPeriod, SendingRate,
    SendingUnit, SuspensionCause, Timestamp, limits,
};

use super::counters::SendingCounters;
use super::record::{Counting, KnownRecipients, SendingAllowance, SendingControl};
use super::suspend;
use crate::command::Login;
use crate::keys;
use crate::kv::{Txn, View};
use crate::opened::too_many;
use crate::queue::NewQueued;
use crate::reply::Reply;
use crate::rows::Domain;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::work::Work;

/// The account id under which a domain's own counts stand.
pub(crate) const WHOLE_DOMAIN: AccountId = AccountId(0);

/// What is submitted by one command.
#[derive(Default)]
pub(crate) struct Load {
    messages: u64,
    recipients: u64,
    /// Recipients of the message that has most.
    widest: u64,
    /// Hashes of recipients outside the own domain, each once.
    outside: Vec<u32>,
}

impl Load {
    /// One message within the own domain.
    pub(crate) fn within(recipients: usize) -> Self {
        let recipients = recipients as u64;
        Load { messages: 1, recipients, widest: recipients, outside: Vec::new() }
    }

    /// Messages for the queue.
    pub(crate) fn queued(messages: &[NewQueued], home: &DomainName) -> Self {
        let mut load = Load { messages: messages.len() as u64, ..Load::default() };
        for message in messages {
            let recipients = message.recipients() as u64;
            load.recipients += recipients;
            load.widest = load.widest.max(recipients);
            for delivery in message.deliveries.iter().filter(|delivery| delivery.destination.domain() != Some(home)) {
                let destination = delivery.destination.to_string();
                load.outside.extend(
                    delivery.recipients.iter().map(|recipient| address_hash(&recipient.local.key(), &destination)),
                );
            }
        }
        load.outside.sort_unstable();
        load.outside.dedup();
        load
    }
}

/// What an account has sent and may send, read for one decision.
pub(crate) struct Ledger {
    control: SendingControl,
    account: SendingCounters,
    domain: SendingCounters,
    known: KnownRecipients,
    limits: AccountSending<Limit>,
    domain_limits: SendingRate<Limit>,
    now: Timestamp,
}

impl Ledger {
    pub(crate) fn open<V: View>(
        view: &V,
        id: yubin_types::DomainId,
        domain: &Domain,
        account: AccountId,
        now: Timestamp,
    ) -> Outcome<Self, V::Error> {
        let control = view.row(&keys::sending_control(id, account))?.unwrap_or_default();
        let limits = control.limits.or(domain.plan.sending.account);
        let known = match limits.new_recipients_per_day {
            Limit::Unlimited => None,
            Limit::AtMost(_) => view.row(&keys::known_recipients(id, account))?,
        };
        Ok(Ledger {
            control,
            account: view.row(&keys::sending_counters(id, account))?.unwrap_or_default(),
            domain: view.row(&keys::sending_counters(id, WHOLE_DOMAIN))?.unwrap_or_default(),
            known: known.unwrap_or_default(),
            limits,
            domain_limits: domain.plan.sending.domain,
            now,
        })
    }

    /// Refuses an account that may send nothing.
    pub(crate) fn check_suspension(&self) -> Result<(), Refusal> {
        match &self.control.suspension {
            Some(suspension) => Err(Refusal::SendingSuspended { cause: suspension.cause.clone() }),
            None => Ok(()),
        }
    }

    /// Refuses what goes over a limit in a time.
    pub(crate) fn check_rates(&self, load: &Load, new: u64) -> Result<(), Refusal> {
        self.rates(QuotaScope::Account, (load.messages, load.recipients))?;
        self.rates(QuotaScope::Domain, (load.messages, load.recipients))?;
        let limit = self.limits.new_recipients_per_day;
        self.one(QuotaScope::Account, (SendingUnit::NewRecipients, SendingPeriod::Day), limit, new)
    }

    fn rates(&self, scope: QuotaScope, (messages, recipients): (u64, u64)) -> Result<(), Refusal> {
        let rate = match scope {
            QuotaScope::Account => self.limits.rate,
            QuotaScope::Domain => self.domain_limits,
        };
        self.one(scope, (SendingUnit::Messages, SendingPeriod::Hour), rate.messages_per_hour, messages)?;
        self.one(scope, (SendingUnit::Messages, SendingPeriod::Day), rate.messages_per_day, messages)?;
        self.one(scope, (SendingUnit::Recipients, SendingPeriod::Hour), rate.recipients_per_hour, recipients)?;
        self.one(scope, (SendingUnit::Recipients, SendingPeriod::Day), rate.recipients_per_day, recipients)
    }

    fn one(
        &self,
        scope: QuotaScope,
        (unit, period): (SendingUnit, SendingPeriod),
        limit: Limit,
        more: u64,
    ) -> Result<(), Refusal> {
        let counters = match scope {
            QuotaScope::Account => &self.account,
            QuotaScope::Domain => &self.domain,
        };
        let Limit::AtMost(limit) = limit else { return Ok(()) };
        if more == 0 || counters.used(unit, period, self.now).saturating_add(more) <= limit {
            return Ok(());
        }
        let until = counters.room_at((unit, period), (limit, more), self.now);
        Err(Refusal::SendingLimit { limit: SendingLimit { scope, unit, period, limit }, until })
    }

    /// What may be sent now, for a sender who has not named recipients yet.
    pub(crate) fn allowance(&self) -> Result<SendingAllowance, Refusal> {
        self.check_suspension()?;
        let one = Load { messages: 1, recipients: 1, ..Load::default() };
        self.check_rates(&one, 0)?;
        let rates = [(QuotaScope::Account, self.limits.rate), (QuotaScope::Domain, self.domain_limits)];
        let left = rates.into_iter().flat_map(|(scope, rate)| {
            [(SendingPeriod::Hour, rate.recipients_per_hour), (SendingPeriod::Day, rate.recipients_per_day)]
                .map(|(period, limit)| (scope, period, limit))
        });
        let left = left.filter_map(|(scope, period, limit)| {
            let counters = if scope == QuotaScope::Account { &self.account } else { &self.domain };
            let used = counters.used(SendingUnit::Recipients, period, self.now);
            let room = limit.at_most()?.saturating_sub(used);
            let refusal = self.one(scope, (SendingUnit::Recipients, period), limit, room.saturating_add(1)).err()?;
            Some((room, refusal))
        });
        Ok(SendingAllowance {
            recipients_per_message: self.limits.recipients_per_message,
            recipients: left.min_by_key(|(room, _)| *room),
            dead: Vec::new(),
        })
    }
}

/// What an admitted command counts; written when it is carried out.
pub(crate) struct Charge {
    account: AccountId,
    ledger: Ledger,
    load: Load,
    strangers: Vec<u32>,
}

impl Charge {
    /// Counts it.
    pub(crate) fn write<T: Txn>(self, work: &mut Work<'_, T>) {
        let Charge { account, mut ledger, load, strangers } = self;
        let new_recipients = strangers.len() as u64;
        for (id, counters) in [(account, &mut ledger.account), (WHOLE_DOMAIN, &mut ledger.domain)] {
            counters.count(work.now, |counts| {
                counts.messages += load.messages;
                counts.recipients += load.recipients;
                counts.new_recipients += new_recipients;
            });
            work.txn.set(&keys::sending_counters(work.id, id), counters);
        }
        if !strangers.is_empty() {
            let KnownRecipients(mut known) = ledger.known;
            known.extend(strangers);
            let excess = known.len().saturating_sub(limits::KNOWN_RECIPIENTS_MAX);
            if excess > 0 {
                known.drain(..excess.max(limits::KNOWN_RECIPIENTS_MAX / 4));
            }
            work.txn.set(&keys::known_recipients(work.id, account), &KnownRecipients(known));
        }
    }
}

/// May an account submit this? The inner refusal is one of a limit in a time, for [`refuse`].
pub(crate) fn weigh<T: Txn>(
    work: &Work<'_, T>,
    account: AccountId,
    load: Load,
) -> Outcome<Result<Charge, Refusal>, T::Error> {
    let ledger = Ledger::open(&*work.txn, work.id, &work.domain, account, work.now)?;
    ledger.check_suspension()?;
    if let Limit::AtMost(most) = ledger.limits.recipients_per_message
        && load.widest > most
    {
        return Err(too_many("recipients in one message", most).into());
    }
    let strangers: Vec<u32> = match ledger.limits.new_recipients_per_day {
        Limit::Unlimited => Vec::new(),
        Limit::AtMost(_) => load.outside.iter().copied().filter(|hash| !ledger.known.0.contains(hash)).collect(),
    };
    Ok(match ledger.check_rates(&load, strangers.len() as u64) {
        Ok(()) => Ok(Charge { account, ledger, load, strangers }),
        Err(refusal) => Err(refusal),
    })
}

/// Refuses for a limit in a time; what is counted stays, although the command is refused.
pub(crate) fn refuse<T: Txn>(work: &mut Work<'_, T>, account: AccountId, refusal: Refusal) -> Outcome<Reply, T::Error> {
    let Some((limit, most)) = held_against_account(&work.domain, &refusal) else { return Err(refusal.into()) };
    let (now, key) = (work.now, keys::sending_counters(work.id, account));
    let mut counters = work.txn.row(&key)?.unwrap_or_default();
    counters.count(now, |counts| counts.refused += 1);
    work.txn.set(&key, &counters);
    let refused = counters.refused(now);
    if refused <= most {
        return Ok(Reply::Refused(refusal));
    }
    let cause = SuspensionCause::Refusals { refused, limit };
    suspend::suspend(work, account, cause.clone(), String::new())?;
    Ok(Reply::Refused(Refusal::SendingSuspended { cause }))
}

/// Has a refusal to be counted against the account?
pub(crate) fn counting(domain: &Domain, refusal: &Refusal) -> Counting {
    if held_against_account(domain, refusal).is_some() { Counting::Wanted } else { Counting::NotWanted }
}

/// The limit of an account's own that refused, and how many such refusals its plan bears.
fn held_against_account(domain: &Domain, refusal: &Refusal) -> Option<(SendingLimit, u64)> {
    let Refusal::SendingLimit { limit, .. } = refusal else { return None };
    let most = domain.plan.sending.suspension.refusals_per_hour.at_most()?;
    (limit.scope == QuotaScope::Account).then_some((*limit, most))
}

/// Refuses and counts a submission that was refused before its message came, if it would be refused now.
pub(crate) fn count_refusal<T: Txn>(work: &mut Work<'_, T>, login: Login) -> Outcome<Reply, T::Error> {
    work.login(login)?;
    let ledger = Ledger::open(&*work.txn, work.id, &work.domain, login.account, work.now)?;
    match ledger.allowance() {
        Ok(_) => Ok(Reply::Done),
        Err(refusal) => refuse(work, login.account, refusal),
    }
}

/// FNV-1a of an address, 32 bits: a collision makes a stranger known, once in millions.
pub(crate) fn address_hash(local: &str, destination: &str) -> u32 {
    let bytes = local.bytes().chain([b'@']).chain(destination.bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
