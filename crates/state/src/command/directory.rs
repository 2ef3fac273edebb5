//! Commands of group 0: nodes, groups, where domains live, plans, tokens, settings, suspensions of queued mail.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use yubin_types::{DomainId, DomainName, GroupNumber};

use crate::queue::{QueueSuspension, ShareReport, SuspensionScope, WarmUpItem};
use crate::record::{AdminToken, NodeRecord, Plan};

/// Commands of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirectoryCommand {
    /// Adds a node or changes its addresses. Node ids are never reused.
    PutNode(NodeRecord),
    /// Forgets a node that holds no replica.
    RemoveNode(u64),
    /// Records a group and its voters (node ids).
    PutGroup {
        /// The group.
        group: GroupNumber,
        /// Its voters.
        voters: Vec<u64>,
    },
    /// Takes a name and a group for a new domain; the reply is its id and placement. Taken names answer `NameTaken`,
    /// unless the reservation is still `Creating`, which answers the same id again.
    ReserveDomain {
        /// The name.
        name: DomainName,
        /// The group, chosen by the proposer.
        group: GroupNumber,
    },
    /// The domain exists in its group: the name resolves from now on.
    ActivateDomain(DomainId),
    /// Frees the name of a domain whose rows are gone.
    RemoveDomain(DomainId),
    /// Adds or changes a plan.
    PutPlan(Plan),
    /// Removes a plan no domain uses.
    RemovePlan(String),
    /// Adds an admin token. The name of another one answers `NameTaken`, that of a revoked one `InvalidValue`.
    PutToken(AdminToken),
    /// Revokes an admin token; the only one answers `InUse`.
    RemoveToken(String),
    /// Sets a cluster setting (`format`, `cluster-name`, …).
    PutSetting {
        /// Key, at most 64 octets.
        key: String,
        /// Value, at most 64 KiB.
        value: Bytes,
    },
    /// Adds or changes a suspension of queued mail; `since` is set when it is stored.
    PutQueueSuspension(QueueSuspension),
    /// Ends a suspension of queued mail.
    RemoveQueueSuspension(SuspensionScope),
    /// A worker is there, and says what it would use of receivers' limits; the reply is [`crate::Reply::Shares`].
    ReportShares(Box<ShareReport>),
    /// Counts what new source addresses are to send, before they do; the reply says how much of each is granted. At most
    /// [`yubin_types::limits::QUEUE_WARM_UP_ITEMS_MAX`] items.
    CountWarmUp(Vec<WarmUpItem>),
}
