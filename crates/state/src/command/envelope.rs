//! What every command carries: whose it is, when, and under which key it may be repeated.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use yubin_types::{DomainId, Epoch, RequestId, Timestamp, TraceId};

/// What every command carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The domain; `DomainId(0)` in the directory and for maintenance of a whole group.
    pub domain: DomainId,
    /// The domain's epoch as the proposer knows it; a stale one is refused with `StaleEpoch`.
    pub epoch: Epoch,
    /// Idempotency key.
    pub request: RequestId,
    /// How long the outcome is remembered under that key.
    pub dedupe: DedupeClass,
    /// The proposer's clock; apply uses max(stamp, last stamp).
    pub stamp: Timestamp,
    /// On whose behalf.
    pub actor: Actor,
    /// Follows the work through logs and traces.
    pub trace: TraceId,
}

/// How long the outcome of a request is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DedupeClass {
    /// Not at all: the command is idempotent by itself.
    None,
    /// [`yubin_types::limits::DEDUPE_DELIVERY_SECONDS`].
    Delivery,
    /// [`yubin_types::limits::DEDUPE_ADMIN_SECONDS`].
    Admin,
    /// [`yubin_types::limits::DEDUPE_QUEUED_SECONDS`], if the message was delivered; a refusal is not remembered, because queued mail is
    /// tried again when there is room.
    Queued,
}

/// On whose behalf a command is proposed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Token id, account address, `mx`, or the name of a sweeper.
    pub principal: String,
    /// The peer's address, where there is one.
    pub peer: Option<IpAddr>,
}
