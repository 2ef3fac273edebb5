//! What can be asked about the queue and its events.
//!
//! Questions other than `Message` and `Body` may be put to one domain (the asker's scope names it) or, with `DomainId(0)`, to the whole
//! group. Lists read a bounded number of rows for each answer ([`limits::QUEUE_ROWS_PER_ANSWER_MAX`]): an answer may be short or empty
//! and still say where to go on.
//!
//! [`limits::QUEUE_ROWS_PER_ANSWER_MAX`]: yubin_types::limits::QUEUE_ROWS_PER_ANSWER_MAX

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use yubin_types::{DestinationName, DomainId, QueueId, RecipientAddress, Timestamp};

use super::command::DeliveryKey;
use super::due::{DueClass, DueMark, Filed};
use super::journal::EndPlace;
use super::record::{Delivery, DeliveryStatus, EventRecord, FinalOutcome, QueueTotals, QueuedMessage};
use super::waits::Obstacles;
use crate::record::ColdRow;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueQuery {
    /// What is due: by [`DueClass`], leases that ran out included, and in the order of time. Of the whole group only. Costs as much as what it finds.
    Due {
        /// Due until then.
        until: Timestamp,
        /// In its class, go on after this.
        after: BTreeMap<DueClass, DueItem>,
        /// At most so many of each class.
        limit: u32,
    },
    /// A message and its deliveries. With `DomainId(0)` all domains of the group are searched.
    Message(QueueId),
    /// Where a message's bytes are. Of a domain only.
    Body(QueueId),
    /// Deliveries in the order of domain, message and destination.
    List {
        /// Which.
        filter: QueueFilter,
        /// Go on after this.
        after: Option<DeliveryKey>,
        /// At most so many.
        limit: u32,
    },
    /// Sums by destination and status, as they are kept: costs as much as there are destinations, and leases that ran out. An answer covers the rows that it
    /// read: add them up until `next` is `None`.
    Summary {
        /// Go on after this.
        after: Option<SumPlace>,
    },
    /// What a domain has in the queue, from its counters; the sum over the group with `DomainId(0)`.
    Totals,
    /// Final outcomes, in the order of domain and time.
    Events {
        /// Which.
        filter: EventFilter,
        /// Go on after this.
        after: Option<EventCursor>,
        /// At most so many.
        limit: u32,
    },
    /// Final outcomes of all domains in the order in which they came to be.
    Ends {
        /// Which.
        filter: EndFilter,
        /// From where on.
        start: EndStart,
        /// At most so many.
        limit: u32,
    },
    /// When the next delivery is due after this time. Of the whole group only. Passes over the marks of all leases that ended before their time
    /// and are not merged away yet, so it is asked when there is nothing else to do.
    NextDue(Timestamp),
}

/// A delivery in the index of due times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DueItem {
    /// When it is due, and where that stands.
    pub filed: Filed,
    /// Which.
    pub delivery: DeliveryKey,
    /// What is known of it without reading it; of no matter where this says where to go on.
    pub mark: DueMark,
}

/// A domain's deliveries to a destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SumPlace {
    /// The sender's domain.
    pub domain: DomainId,
    /// The destination.
    pub destination: DestinationName,
}

/// Which deliveries; all that is `Some` must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueFilter {
    /// To this destination.
    pub destination: Option<DestinationName>,
    /// In this status.
    pub status: Option<DeliveryStatus>,
    /// Of this sender: an address without angle brackets, compared without regard to case; empty for the null sender.
    pub sender: Option<String>,
    /// With this recipient, compared as lookups do.
    pub recipient: Option<RecipientAddress>,
}

/// Which events; all that is `Some` must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFilter {
    /// From then.
    pub from: Option<Timestamp>,
    /// Before then.
    pub to: Option<Timestamp>,
    /// Of this message.
    pub id: Option<QueueId>,
    /// With this Message-ID.
    pub message_id: Option<String>,
    /// Sender or recipient: an address without angle brackets, compared without regard to case.
    pub address: Option<String>,
    /// With this end.
    pub outcome: Option<FinalOutcome>,
    /// Whose last word came over a connection from this address of ours.
    pub source: Option<IpAddr>,
}

/// Which final outcomes are followed; all that is `Some` must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndFilter {
    /// At this destination.
    pub destination: Option<DestinationName>,
    /// With this end.
    pub outcome: Option<FinalOutcome>,
}

/// From where on final outcomes are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndStart {
    /// Behind this place.
    After(EndPlace),
    /// From this time on.
    From(Timestamp),
}

/// A final outcome with its place in its group's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedEvent {
    /// Where it stands.
    pub place: EndPlace,
    /// What.
    pub record: EventRecord,
}

/// A place among events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EventCursor {
    /// The domain.
    pub domain: DomainId,
    /// The time.
    pub at: Timestamp,
    /// The number.
    pub sequence: u64,
}

/// An answer; the variant follows from the question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueAnswer {
    /// Due deliveries by class, in the order of time; where a class has as many as were asked for, there may be more.
    Due(Vec<DueItem>),
    /// A message.
    Message {
        /// Its domain.
        domain: DomainId,
        /// What is sent.
        message: QueuedMessage,
        /// Where to, still.
        deliveries: Vec<Delivery>,
        /// What keeps them from being tried.
        obstacles: Obstacles,
    },
    /// Prefix and body; no facts.
    Body(ColdRow),
    /// Deliveries.
    List {
        /// In order: the domain, the message, the delivery.
        deliveries: Vec<(DomainId, QueuedMessage, Delivery)>,
        /// What keeps them from being tried.
        obstacles: Obstacles,
        /// Where to go on.
        next: Option<DeliveryKey>,
    },
    /// Sums over the rows that were read.
    Summary {
        /// By destination and status, each pair once.
        lines: Vec<SummaryLine>,
        /// Where to go on.
        next: Option<SumPlace>,
    },
    /// Totals.
    Totals(QueueTotals),
    /// Events.
    Events {
        /// In order.
        events: Vec<EventRecord>,
        /// Where to go on.
        next: Option<EventCursor>,
    },
    /// Final outcomes in their order.
    Ends {
        /// Those that were wanted.
        events: Vec<FollowedEvent>,
        /// Where to go on.
        next: EndPlace,
        /// Is there more already?
        more: bool,
    },
    /// The next due time; `None`: nothing waits.
    NextDue(Option<Timestamp>),
}

/// A sum over deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryLine {
    /// The destination.
    pub destination: DestinationName,
    /// The status.
    pub status: DeliveryStatus,
    /// Deliveries.
    pub deliveries: u64,
    /// Recipients.
    pub recipients: u64,
    /// Bytes of the messages, each counted for every one of its deliveries.
    pub bytes: u64,
    /// When the oldest message to the destination was queued, whatever its status: never later than that, and earlier by a second and a quarter of its age at most.
    pub oldest: Timestamp,
}
