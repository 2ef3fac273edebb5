//! What can be proposed on the queue, and what comes back.
//!
//! `Enqueue` and `Control` are on the envelope's domain. `Lease`, `Renew`, `Postpone` and `Record` work on a whole group: their envelope
//! has `DomainId(0)` and each item names its domain, so that a worker's batch needs one entry. Items that can't be served are left
//! alone and named in the reply, or, for a lease, not granted; the others go on. What is malformed in itself is refused as a whole.
//! Each command names at most [`limits::QUEUE_ITEMS_PER_COMMAND_MAX`] items.
//!
//! [`limits::QUEUE_ITEMS_PER_COMMAND_MAX`]: yubin_types::limits::QUEUE_ITEMS_PER_COMMAND_MAX

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use yubin_types::{
    DestinationName, DomainId, DomainName, DsnEnvelope, Epoch, Handling, LocalPart, NotifySet, QueueId, ReversePath,
    Timestamp,
};

use super::record::{ContentFacts, DelayNotice, Delivery, QueueSource, QueuedMessage};
use super::waits::Waits;
use super::way::RemoteReply;
use crate::command::Login;
use crate::record::RetryTerms;

/// Commands on the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueCommand {
    /// Takes messages in: all or none; the reply is `Done`. Refused if the domain or the account is suspended, a message is larger
    /// than the plan allows, or the domain has too much in the queue ([`yubin_types::Refusal::QueueFull`]). Messages whose ids are
    /// queued already were enqueued by an earlier attempt: nothing is done, and the reply is the same.
    Enqueue {
        /// The account that submits; `None` for mail that nobody logged in for (a forward, a notice).
        login: Option<Login>,
        /// At least one. Several may share a body.
        messages: Vec<NewQueued>,
    },
    /// Gives a worker the right to try deliveries. Granted is what is due and not leased, or whose lease ran out, and also what has
    /// expired: its holder doesn't try it but records that. A delivery of a suspended
    /// domain, or of an account whose sending is suspended, is put off instead. Repeated under the same request id it answers the same leases.
    Lease {
        /// The worker's name.
        worker: String,
        /// For how long: 1 to [`yubin_types::limits::QUEUE_LEASE_SECONDS_MAX`]. It counts from when the command is applied, so a worker
        /// that counts from before it proposed never holds on to a lease that has run out, whatever the clocks show.
        seconds: u64,
        /// Which.
        items: Vec<DeliveryKey>,
    },
    /// Keeps leases for longer, for deliveries that take their time.
    Renew {
        /// For how long from now, as for `Lease`; never shorter than before.
        seconds: u64,
        /// Which, with the token of the lease.
        items: Vec<(DeliveryKey, u64)>,
    },
    /// Puts deliveries off without counting an attempt: a destination that backs off, a worker that stops.
    Postpone {
        /// Which, and until when.
        items: Vec<Postponed>,
        /// Why, once for each destination that keeps its mail waiting.
        why: BTreeMap<DestinationName, Waits>,
    },
    /// Records what came of leased deliveries. The bodies of notices are the entry's bodies, each of one notice.
    Record {
        /// Of deliveries all different.
        results: Vec<DeliveryResult>,
    },
    /// An operator's hand on deliveries of the envelope's domain.
    Control {
        /// Which.
        items: Vec<ControlItem>,
        /// What to do with them.
        action: ControlAction,
    },
    /// `Enqueue` and `Lease` in one step, for a worker at hand that begins at once. The reply is [`QueueReply::Enqueued`], or that of
    /// `Enqueue` where messages were queued already: then nothing is leased.
    EnqueueLeased {
        /// As in `Enqueue`.
        login: Option<Login>,
        /// As in `Enqueue`.
        messages: Vec<NewQueued>,
        /// As in `Lease`.
        worker: String,
        /// As in `Lease`.
        seconds: u64,
    },
}

/// A message that is being queued. Its body is the entry's body with this ordinal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewQueued {
    /// Its identity, minted by the proposer.
    pub id: QueueId,
    /// Envelope sender; the null path for notices.
    pub sender: ReversePath,
    /// Where it comes from.
    pub source: QueueSource,
    /// Its Message-ID, to be found by; cut to [`yubin_types::limits::MESSAGE_ID_BYTES_MAX`].
    pub message_id: Option<String>,
    /// The entry's body.
    pub body_ordinal: u16,
    /// Its size, bytes.
    pub body_bytes: u64,
    /// Header fields that go before the body (Received, DKIM-Signature); at most
    /// [`yubin_types::limits::MESSAGE_PREFIX_BYTES_MAX`].
    pub prefix: Bytes,
    /// What it asks of the way.
    pub content: ContentFacts,
    /// What MAIL asked for.
    pub dsn: DsnEnvelope,
    /// When and how urgently it is to be sent; released at most [`yubin_types::limits::FUTURE_RELEASE_SECONDS_MAX`] from now. It can't be
    /// leased as it is queued while it is held back.
    pub handling: Handling,
    /// How long delivery is tried from its release on where the domain's plan does not say it, seconds; 1 to
    /// [`yubin_types::limits::QUEUE_LIFETIME_SECONDS_MAX`].
    pub lifetime_seconds: u64,
    /// One for each destination; at least one. Recipients of all of them together: at most
    /// [`yubin_types::limits::SMTP_RECIPIENTS_MAX`].
    pub deliveries: Vec<NewDelivery>,
}

/// A destination of a message that is being queued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDelivery {
    /// Where to; each once in a message.
    pub destination: DestinationName,
    /// At least one.
    pub recipients: Vec<NewQueuedRecipient>,
}

/// A recipient at a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewQueuedRecipient {
    /// What stands before the `@`; the destination stands behind it.
    pub local: LocalPart,
    /// NOTIFY.
    pub notify: NotifySet,
    /// ORCPT as it came: address type, `;`, xtext; at most [`yubin_types::limits::ORCPT_BYTES_MAX`] octets.
    pub orcpt: Option<Bytes>,
}

/// Names a delivery in its group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeliveryKey {
    /// The sender's domain.
    pub domain: DomainId,
    /// The message.
    pub id: QueueId,
    /// The destination.
    pub destination: DestinationName,
}

/// A delivery that is put off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postponed {
    /// Which.
    pub delivery: DeliveryKey,
    /// Of its lease; `None` for one that is due and not leased.
    pub token: Option<u64>,
    /// Until when; its expiry, if that is earlier.
    pub until: Timestamp,
}

/// What came of a leased delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryResult {
    /// Which.
    pub delivery: DeliveryKey,
    /// Of its lease. With another one nothing of this result is recorded, its notices neither.
    pub token: u64,
    /// When the attempt began, by the worker's clock.
    pub attempted: Timestamp,
    /// What speaks for all recipients that `recipients` doesn't name: they stay, and this is why.
    pub reply: Option<RemoteReply>,
    /// Outcomes by the recipient's place in the leased delivery, each named at most once.
    pub recipients: Vec<(u16, RecipientOutcome)>,
    /// When to try again, if any recipient stays; its expiry, if that is earlier; `None`: at once.
    pub next_attempt: Option<Timestamp>,
    /// `Sent` if one of the notices tells of the delay.
    pub delay_notice: DelayNotice,
    /// Queued together with the outcome, in the domain of the delivery, whatever the queue's bounds; at most
    /// [`yubin_types::limits::QUEUE_NOTICES_PER_RESULT_MAX`].
    pub notices: Vec<NewQueued>,
}

/// What came of one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecipientOutcome {
    /// The remote server took responsibility.
    Delivered(RemoteReply),
    /// Refused for good.
    Bounced(RemoteReply),
    /// Given up: the time is over. The reply is the last one heard.
    Expired(RemoteReply),
    /// To be tried again.
    Deferred(RemoteReply),
}

/// Names a delivery in the envelope's domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ControlItem {
    /// The message.
    pub id: QueueId,
    /// The destination.
    pub destination: DestinationName,
}

/// What an operator does with a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlAction {
    /// Not tried until it is released. Its time to live goes on.
    Hold {
        /// The operator's words, at most [`yubin_types::limits::REASON_BYTES_MAX`] bytes.
        reason: String,
    },
    /// Ends a hold: due now, or when its sender wants it released.
    Release,
    /// Due now, unless it is held, be it for its sender.
    Retry,
    /// Given up without a notice; each recipient becomes an event.
    Cancel,
}

/// What became of a control item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlOutcome {
    /// Done.
    Done,
    /// A worker has it: done as soon as the attempt ends without having delivered, or its lease runs out.
    AfterLease,
    /// There was nothing to do: it is held already, or not held, or a worker is trying it now.
    Unchanged,
    /// No such delivery: its outcome is final, or it never was.
    NotFound,
    /// The command had enough to do; propose it again.
    Later,
}

/// What comes back from the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueReply {
    /// `Lease`: what was granted, in the order of the items.
    Leased(Vec<Leased>),
    /// `Renew`, `Postpone`, `Record`: places of the items that were left alone, because the token was another's or the delivery was
    /// gone, not due or (without a token) leased.
    Recorded {
        /// Ascending.
        stale: Vec<u32>,
    },
    /// `Control`: for each item in order.
    Controlled(Vec<ControlOutcome>),
    /// `EnqueueLeased`: all deliveries of all messages are leased ([`NewQueued::leased`]).
    Enqueued(EnqueuedLease),
}

/// What fences deliveries that were leased as they were queued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnqueuedLease {
    /// The token of all of them.
    pub token: u64,
    /// When they were queued.
    pub queued: Timestamp,
    /// When the lease ends.
    pub until: Timestamp,
    /// How they are tried, where the domain's plan says it.
    pub terms: Option<Box<RetryTerms>>,
    /// Whose they are.
    pub tenant: Tenant,
}

/// Whose mail it is: what chooses the addresses that it leaves from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// The sender's hosted domain.
    pub name: DomainName,
    /// Its plan's name.
    pub plan: String,
}

/// A delivery granted to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// The sender's domain.
    pub domain: DomainId,
    /// Its epoch, for reading the body.
    pub epoch: Epoch,
    /// Fences this lease.
    pub token: u64,
    /// The message.
    pub message: QueuedMessage,
    /// The delivery as it is now, in flight.
    pub delivery: Delivery,
    /// How it is tried, where the domain's plan says it.
    pub terms: Option<Box<RetryTerms>>,
    /// Whose it is.
    pub tenant: Tenant,
    /// Of one that needs a word to its sender: what was heard last from its destination, by whatever mail of the domain waits for it.
    pub last_word: Option<Box<RemoteReply>>,
}

impl Leased {
    /// Its name.
    #[must_use]
    pub fn key(&self) -> DeliveryKey {
        DeliveryKey { domain: self.domain, id: self.message.id, destination: self.delivery.destination.clone() }
    }
}
