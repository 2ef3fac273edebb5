//! The outbound queue: mail that has been accepted and has not reached its recipients yet.
//!
//! A *queued message* (what is sent, for whom, from where) lives in its sender's domain and has *deliveries*, one for each
//! destination, each with *recipients*. A worker leases a delivery, tries it and records the outcome; the lease's token, the log index
//! of its command, fences whoever comes late. Every recipient ends in exactly one final state, which becomes an *event*; a delivery
//! without recipients goes, and a message without deliveries lets its body go.
//!
//! - [`command`]: what can be proposed, and what comes back; [`record`]: what rows hold; [`query`]: what can be asked; [`due`]: when it needs a look; [`newcomer`]:
//!   what a new message becomes; [`dead`]: recipients that don't exist.
//!
//! Not here: when to try again and what a remote reply means (`policy`), who tries what (`queue`), what a notice says (`message`).
//!
//! - [`sums`]: what waits where, in numbers; [`waits`]: why; [`way`]: over which connections; [`journal`]: in which order ends came.
//!
//! Behind them, one file per verb: `enqueue`, `lease`, `outcome`, `control`, `forget` (of events), `suspend`, [`share`] and [`warm_up`] (in the
//! directory). The
//! rows change in `tray` alone.

pub mod command;
pub mod dead;
pub mod due;
pub mod journal;
pub mod newcomer;
pub mod query;
pub mod record;
pub mod rows;
pub mod share;
pub mod sums;
pub mod waits;
pub mod warm_up;
pub mod way;

pub(crate) mod control;
pub(crate) mod enqueue;
pub(crate) mod forget;
pub(crate) mod lease;
pub(crate) mod outcome;
pub(crate) mod suspend;
pub(crate) mod tray;

pub use command::{
    ControlAction, ControlItem, ControlOutcome, DeliveryKey, DeliveryResult, EnqueuedLease, Leased, NewDelivery,
    NewQueued, NewQueuedRecipient, Postponed, QueueCommand, QueueReply, RecipientOutcome, Tenant,
};
pub use due::{DueClass, DueMark, Filed, Trial};
pub use journal::EndPlace;
pub use newcomer::Lessee;
pub use query::{
    DueItem, EndFilter, EndStart, EventCursor, EventFilter, FollowedEvent, QueueAnswer, QueueFilter, QueueQuery,
    SumPlace, SummaryLine,
};
pub use record::{
    AfterLease, BodyKind, ContentFacts, DelayNotice, Delivery, DeliveryState, DeliveryStatus, Event, EventRecord,
    FinalOutcome, NoticeKind, QueueSource, QueueSuspension, QueueTotals, QueuedMessage, QueuedRecipient, Smtputf8,
    SuspensionScope,
};
pub use share::{Member, Receiver, Roster, Share, ShareReport, ShareWish, SharedLimit, Shares, Stay};
pub use waits::{Obstacles, WaitCause, Waits};
pub use warm_up::WarmUpItem;
pub use way::{RemoteReply, TlsUse, Way};
pub use yubin_types::{
    DestinationName, DsnEnvelope, DsnReturn, Handling, NotifyOn, NotifySet, QueueId, RecipientAddress, TlsDemand,
};
