//! What rows of the queue hold, as others see them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use yubin_types::{
    AccountId, Address, Deadline, DestinationName, DomainId, DomainName, DsnEnvelope, Handling, LocalPart, NotifySet,
    QueueId, RecipientAddress, RequestId, ReversePath, Timestamp, TlsDemand, TraceId,
};

use super::way::RemoteReply;

/// A message on its way out. What changes while it is tried is in its deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedMessage {
    /// Its identity.
    pub id: QueueId,
    /// Envelope sender.
    pub sender: ReversePath,
    /// Where it comes from.
    pub source: QueueSource,
    /// Its Message-ID.
    pub message_id: Option<String>,
    /// Size of prefix and body together, bytes: what is sent.
    pub bytes: u64,
    /// What it asks of the way.
    pub content: ContentFacts,
    /// What MAIL asked for.
    pub dsn: DsnEnvelope,
    /// When it was queued.
    pub queued: Timestamp,
    /// Follows it through logs and events; a notice has that of the message it is about.
    pub trace: TraceId,
    /// Deliveries that it began with.
    pub deliveries: u32,
}

/// Where a queued message comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueSource {
    /// An account submitted it.
    Submission {
        /// Which.
        account: AccountId,
        /// Its address.
        by: Address,
    },
    /// Mail that came in for an account goes on to somewhere else.
    Forward {
        /// Which.
        account: AccountId,
        /// Its address: where the message leaves the cluster its sender is rewritten into that domain (SRS).
        by: Address,
    },
    /// A notice of ours.
    Notice(NoticeKind),
    /// Another server's notice about forwarded mail goes back to the first sender.
    Returned,
    /// An account answers by itself.
    AutoReply {
        /// Which.
        account: AccountId,
        /// Its domain, in whose name the answer is signed.
        by: DomainName,
    },
    /// This domain reports to another one on mail in its name or TLS with its hosts, and signs that.
    Report(DomainName),
}

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeKind {
    /// Recipients failed.
    Failure,
    /// Recipients are not reached yet.
    Delay,
    /// Recipients were reached, or lost from sight (RFC 3461 §5.2.2 `relayed`).
    Success,
}

/// What a message asks of the servers on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentFacts {
    /// Octets.
    pub body: BodyKind,
    /// RFC 6531.
    pub smtputf8: Smtputf8,
    /// RFC 8689.
    pub tls: TlsDemand,
}

/// What a body's octets need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BodyKind {
    /// Nothing.
    #[default]
    SevenBit,
    /// 8BITMIME (RFC 6152), or a downgrade.
    EightBit,
    /// BINARYMIME (RFC 3030), or a downgrade.
    Binary,
}

/// Does the header or an address need SMTPUTF8?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Smtputf8 {
    /// No.
    #[default]
    NotNeeded,
    /// Yes.
    Needed,
}

/// A message and one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Where to.
    pub destination: DestinationName,
    /// What is happening to it.
    pub state: DeliveryState,
    /// When it is due; of one in flight, when it was.
    pub next_attempt: Timestamp,
    /// Attempts that ended, leases that ran out among them.
    pub attempts: u32,
    /// Attempts whose outcome nobody knows, because the lease ran out: the remote server may have taken the message.
    pub lapsed: u32,
    /// When the first attempt that ended began.
    pub first_attempt: Option<Timestamp>,
    /// When the last attempt that ended began; of one whose lease ran out, when that was.
    pub last_attempt: Option<Timestamp>,
    /// When it is given up.
    pub expires: Timestamp,
    /// Of the lease whose outcome may still be recorded: its log index; 0 if there is none. A lease that ran out keeps its token until
    /// the next one is granted, because a late outcome is better than none.
    pub token: u64,
    /// Why it isn't delivered yet, for all recipients that have no reply of their own.
    pub last_reply: Option<RemoteReply>,
    /// When the sender is told of a delay, by the plan at the time it was queued; `None`: never.
    pub delay_notice_due: Option<Timestamp>,
    /// Was the sender told of a delay?
    pub delay_notice: DelayNotice,
    /// When and how urgently the sender wants it sent; the same for all deliveries of a message.
    pub handling: Handling,
    /// Size of its message, bytes.
    pub bytes: u64,
    /// Who is still to be reached; never nobody.
    pub recipients: Vec<QueuedRecipient>,
}

impl Delivery {
    /// A delivery that is due when it may be sent, and given up so long after; or by its deadline, if it is to come back then.
    pub(crate) fn new(
        destination: DestinationName,
        recipients: Vec<QueuedRecipient>,
        handling: Handling,
        bytes: u64,
        (now, lifetime_seconds): (Timestamp, u64),
    ) -> Self {
        let begins = handling.begins(now);
        let expires = begins.plus_seconds(lifetime_seconds);
        let deadline = handling.deadline.filter(Deadline::returns).map(|deadline| deadline.at);
        Delivery {
            destination,
            state: DeliveryState::Scheduled,
            next_attempt: begins,
            attempts: 0,
            lapsed: 0,
            first_attempt: None,
            last_attempt: None,
            expires: deadline.map_or(expires, |deadline| deadline.min(expires)),
            token: 0,
            last_reply: None,
            delay_notice_due: None,
            delay_notice: DelayNotice::NotSent,
            handling,
            bytes,
            recipients,
        }
    }

    /// What is happening to it, in a word.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> DeliveryStatus {
        match &self.state {
            DeliveryState::Scheduled => DeliveryStatus::Scheduled,
            DeliveryState::InFlight { until, .. } if *until > now => DeliveryStatus::InFlight,
            DeliveryState::InFlight { .. } => DeliveryStatus::MaybeDelivered,
            DeliveryState::Held { .. } => DeliveryStatus::Held,
        }
    }

    /// A recipient's address.
    #[must_use]
    pub fn address(&self, recipient: &QueuedRecipient) -> RecipientAddress {
        RecipientAddress { local: recipient.local.clone(), destination: self.destination.clone() }
    }
}

/// What is happening to a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryState {
    /// Waits for its next attempt.
    Scheduled,
    /// A worker tries it.
    InFlight {
        /// Which.
        worker: String,
        /// Its lease ends then; if nothing was recorded, it may have been delivered.
        until: Timestamp,
        /// The request that granted it.
        lease: RequestId,
        /// What an operator wants of it.
        after: AfterLease,
    },
    /// Not tried until it is released.
    Held {
        /// The operator's words.
        reason: String,
    },
}

/// What happens when an attempt ends and recipients stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterLease {
    /// It is scheduled again.
    #[default]
    Schedule,
    /// It is held.
    Hold {
        /// The operator's words.
        reason: String,
    },
    /// It is given up.
    Cancel,
}

/// [`DeliveryState`] in a word, for filters and sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DeliveryStatus {
    /// Waits for its next attempt.
    Scheduled,
    /// A worker tries it.
    InFlight,
    /// Its worker's lease ran out.
    MaybeDelivered,
    /// Held by an operator.
    Held,
}

/// Was the sender told of a delay?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DelayNotice {
    /// No.
    #[default]
    NotSent,
    /// Yes; it is told once.
    Sent,
}

/// A recipient that is still to be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedRecipient {
    /// What stands before the `@`.
    pub local: LocalPart,
    /// NOTIFY.
    pub notify: NotifySet,
    /// ORCPT.
    pub orcpt: Option<bytes::Bytes>,
    /// Why it isn't reached yet, if the last attempt had a word for it alone.
    pub last_reply: Option<RemoteReply>,
}

impl QueueSource {
    /// The account that it is from, by its address.
    #[must_use]
    pub fn account(&self) -> Option<&Address> {
        match self {
            QueueSource::Submission { by, .. } | QueueSource::Forward { by, .. } => Some(by),
            QueueSource::Notice(_) | QueueSource::Returned | QueueSource::AutoReply { .. } | QueueSource::Report(_) => {
                None
            }
        }
    }
}

/// A recipient's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The message.
    pub id: QueueId,
    /// Its Message-ID.
    pub message_id: Option<String>,
    /// Its envelope sender.
    pub sender: ReversePath,
    /// Where it came from.
    pub source: QueueSource,
    /// The hosted domain whose mail it is.
    pub tenant: DomainName,
    /// Its recipient.
    pub recipient: RecipientAddress,
    /// How it ended.
    pub outcome: FinalOutcome,
    /// What the remote server said last, and over which connection.
    pub reply: Option<RemoteReply>,
    /// Attempts, the last one too.
    pub attempts: u32,
    /// When it was queued.
    pub queued: Timestamp,
    /// Its size, bytes.
    pub bytes: u64,
    /// Follows it through logs.
    pub trace: TraceId,
}

/// How a recipient ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FinalOutcome {
    /// The remote server took responsibility.
    Delivered,
    /// Refused for good.
    Bounced,
    /// Its time was over.
    Expired,
    /// An operator gave it up.
    Cancelled,
}

/// An event in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// The sender's domain.
    pub domain: DomainId,
    /// When, by the group's clock.
    pub at: Timestamp,
    /// Its number within the domain, ascending.
    pub sequence: u64,
    /// What.
    pub event: Event,
}

/// What a domain has in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueTotals {
    /// Messages.
    pub messages: u64,
    /// Their bytes, prefixes and bodies.
    pub bytes: u64,
    /// Deliveries.
    pub deliveries: u64,
}

/// Mail that workers leave alone for a while (group 0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSuspension {
    /// Which mail.
    pub scope: SuspensionScope,
    /// The operator's words, or a server's, at most [`limits::REASON_BYTES_MAX`] bytes.
    pub reason: String,
    /// Since when; set when it is stored.
    pub since: Timestamp,
    /// Until when; `None`: until it is removed.
    pub expires: Option<Timestamp>,
}

/// Which mail is suspended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SuspensionScope {
    /// To a destination.
    Destination(DestinationName),
    /// From a domain.
    Tenant(DomainId),
    /// To a destination from one of our addresses, which its servers block.
    Source {
        /// The destination.
        destination: DestinationName,
        /// The address.
        address: IpAddr,
    },
}
