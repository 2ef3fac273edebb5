//! Taking messages into the queue: all of one command or none, and with a lease of all or of none.
//!
//! Refused: a suspended domain or account, a message larger than the plan allows, more than an account or its domain may send
//! ([`crate::sending`]; what nobody logged in for is not counted), a domain with too much in the queue. Queued mail is
//! not charged to an account's quota: deleting mail must not be needed to send it. An id that is queued already was enqueued by an
//! earlier attempt whose outcome was forgotten; the command then does nothing and answers as before.

use std::collections::BTreeSet;

use yubin_types::{Refusal, Timestamp, TraceId, limits};

use super::command::{NewQueued, QueueReply};
use super::newcomer::Lease;
use super::tray::Tray;
use crate::command::Login;
use crate::keys;
use crate::kv::Txn;
use crate::opened::too_many;
use crate::record::Standing;
use crate::reply::Reply;
use crate::sending::admit::{self, Load};
use crate::stop::Outcome;
use crate::table::Read as _;
use crate::work::Work;

/// Enqueues, and leases what is queued to a worker that asked for it.
pub(crate) fn enqueue<T: Txn>(
    work: &mut Work<'_, T>,
    login: Option<Login>,
    messages: Vec<NewQueued>,
    lease: Option<Lease>,
    trace: TraceId,
) -> Outcome<Reply, T::Error> {
    match (login, &work.domain.standing) {
        (Some(login), _) => {
            work.login(login)?;
        }
        (None, Standing::Suspended { reason, .. }) => {
            return Err(Refusal::DomainSuspended { reason: reason.clone() }.into());
        }
        (None, Standing::Active) => {}
    }
    check(work, &messages)?;
    let held_back = |message: &NewQueued| message.handling.begins(work.now) > work.now;
    if lease.is_some() && messages.iter().any(held_back) {
        return Err(invalid("what is held back can't be leased").into());
    }
    for message in &messages {
        if work.txn.row(&keys::queued(work.id, message.id))?.is_some() {
            return Ok(Reply::Done);
        }
    }
    let charge = match login {
        None => None,
        Some(login) => match admit::weigh(work, login.account, Load::queued(&messages, &work.domain.name))? {
            Ok(charge) => Some(charge),
            Err(refusal) => return admit::refuse(work, login.account, refusal),
        },
    };
    let mut tray = Tray::open(work)?;
    let deliveries = messages.iter().map(|message| message.deliveries.len() as u64).sum();
    if !tray.has_room(deliveries, messages.iter().map(NewQueued::bytes).fold(0, u64::saturating_add)) {
        return Err(Refusal::QueueFull.into());
    }
    for message in messages {
        let body = tray.work.body(message.body_ordinal)?;
        tray.work.take_body(message.body_ordinal);
        match &lease {
            Some(lease) => tray.insert_leased(message, body, trace, lease),
            None => tray.insert(message, body, trace),
        }
    }
    tray.close()?;
    if let Some(charge) = charge {
        charge.write(work);
    }
    Ok(lease.map_or(Reply::Done, |lease| Reply::Queue(QueueReply::Enqueued(lease.granted))))
}

fn check<T: Txn>(work: &Work<'_, T>, messages: &[NewQueued]) -> Result<(), Refusal> {
    if messages.is_empty() || messages.len() > limits::QUEUE_ITEMS_PER_COMMAND_MAX {
        return Err(too_many("messages in one command", limits::QUEUE_ITEMS_PER_COMMAND_MAX as u64));
    }
    let recipients: usize = messages.iter().map(NewQueued::recipients).sum();
    if recipients > limits::QUEUE_RECIPIENTS_PER_COMMAND_MAX {
        return Err(too_many("recipients in one command", limits::QUEUE_RECIPIENTS_PER_COMMAND_MAX as u64));
    }
    let limit_bytes = work.domain.plan.message_bytes_max;
    let mut ids = BTreeSet::new();
    for message in messages {
        message.check(work.now)?;
        work.body(message.body_ordinal)?;
        if message.bytes() > limit_bytes {
            return Err(Refusal::MessageTooBig { limit_bytes });
        }
        if !ids.insert(message.id) {
            return Err(invalid("two messages with the same id"));
        }
    }
    Ok(())
}

impl NewQueued {
    /// What it will hold, bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.body_bytes.saturating_add(self.prefix.len() as u64)
    }

    /// Recipients at all destinations.
    pub(crate) fn recipients(&self) -> usize {
        self.deliveries.iter().map(|delivery| delivery.recipients.len()).sum()
    }

    /// Refuses what is malformed in itself.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), Refusal> {
        // A day more, for clocks that differ.
        if self.handling.begins(now) > now.plus_seconds(limits::FUTURE_RELEASE_SECONDS_MAX + 86_400) {
            let days = limits::FUTURE_RELEASE_SECONDS_MAX / 86_400;
            return Err(invalid(&format!("a message is held back for at most {days} days")));
        }
        if self.prefix.len() > limits::MESSAGE_PREFIX_BYTES_MAX {
            return Err(invalid(&format!("a prefix has at most {} bytes", limits::MESSAGE_PREFIX_BYTES_MAX)));
        }
        if !(1..=limits::QUEUE_LIFETIME_SECONDS_MAX).contains(&self.lifetime_seconds) {
            return Err(invalid(&format!("a lifetime has 1 to {} seconds", limits::QUEUE_LIFETIME_SECONDS_MAX)));
        }
        if self.recipients() > limits::SMTP_RECIPIENTS_MAX {
            return Err(too_many("recipients of a message", limits::SMTP_RECIPIENTS_MAX as u64));
        }
        let mut destinations = BTreeSet::new();
        for delivery in &self.deliveries {
            if delivery.recipients.is_empty() || !destinations.insert(&delivery.destination) {
                return Err(invalid("a destination stands once in a message and has recipients"));
            }
        }
        if destinations.is_empty() {
            return Err(invalid("a message has a destination"));
        }
        let envid = self.dsn.envid.as_ref().map_or(0, bytes::Bytes::len);
        let recipients = self.deliveries.iter().flat_map(|delivery| &delivery.recipients);
        let orcpt = recipients.filter_map(|recipient| recipient.orcpt.as_ref()).map(bytes::Bytes::len).max();
        if envid > limits::ENVID_BYTES_MAX || orcpt.is_some_and(|bytes| bytes > limits::ORCPT_BYTES_MAX) {
            return Err(invalid("ENVID or ORCPT is too long"));
        }
        Ok(())
    }
}

/// A value out of its bounds.
pub(crate) fn invalid(why: &str) -> Refusal {
    Refusal::InvalidValue { why: why.to_owned() }
}
