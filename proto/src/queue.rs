//! Calls of the outbound queue, for whoever works on it: due deliveries, leases, outcomes, bodies, and what an operator sees and does.
//!
//! Each is a query or a proposal of [`StoreClient`] with its envelope set rightly. A lease is idempotent by its request id alone; the
//! outcome of an attempt is remembered, so that a retry doesn't take its own record for somebody else's. A refusal comes as
//! [`QueueError::Refused`].

use std::collections::BTreeMap;

use bytes::Bytes;
use yubin_state::command::{DirectoryCommand, Login};
use yubin_state::queue::{
    ControlAction, ControlItem, ControlOutcome, Delivery, DeliveryKey, DeliveryResult, DueClass, DueItem, Leased,
    NewQueued, Obstacles, Postponed, QueueAnswer, QueueCommand, QueueFilter, QueueQuery, QueueReply, QueueSuspension,
    QueueTotals, QueuedMessage, SumPlace, SummaryLine, SuspensionScope, Waits,
};
use yubin_state::{Answer, Command, DedupeClass, Query, Reply};
use yubin_types::{DestinationName, DomainId, Epoch, GroupNumber, QueueId, Refusal, RequestId, Timestamp};

use crate::client::{Caller, StoreClient, unexpected};
use crate::contract::{Body, MessagePiece, MessageSource, Scope, StoreError};

/// Why a call of the queue came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// Refused: asking again changes nothing.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The store can't be reached, or the outcome is not known.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A page of deliveries, in the order of domain, message and destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryPage {
    /// The sender's domain, the message, the delivery.
    pub deliveries: Vec<(DomainId, QueuedMessage, Delivery)>,
    /// What keeps them from being tried.
    pub obstacles: Obstacles,
    /// Where to go on.
    pub next: Option<DeliveryKey>,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The sender's domain.
    pub domain: DomainId,
    /// What is sent.
    pub message: QueuedMessage,
    /// Where to, still.
    pub deliveries: Vec<Delivery>,
    /// What keeps them from being tried.
    pub obstacles: Obstacles,
}

/// A group as a whole.
#[must_use]
pub fn whole_group(group: GroupNumber) -> Scope {
    Scope { group, domain: DomainId(0), epoch: Epoch(0) }
}

/// The domain that a leased delivery is of.
#[must_use]
pub fn scope_of(group: GroupNumber, leased: &Leased) -> Scope {
    Scope { group, domain: leased.domain, epoch: leased.epoch }
}

impl StoreClient {
    /// The data groups of the cluster: each has a queue of its own.
    ///
    /// # Errors
    /// The directory can't be reached.
    pub async fn data_groups(&self) -> Result<Vec<GroupNumber>, StoreError> {
        match self.query(Scope::DIRECTORY, Query::Groups).await? {
            Answer::Groups(groups) => {
                let numbers = groups.into_iter().map(|record| record.group);
                Ok(numbers.filter(|group| *group != GroupNumber::DIRECTORY).collect())
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Queues messages of a domain; a retry under the same request id changes nothing.
    ///
    /// # Errors
    /// See [`QueueCommand::Enqueue`]; the store.
    pub async fn enqueue(
        &self,
        scope: Scope,
        login: Option<Login>,
        messages: Vec<NewQueued>,
        (request, caller): (RequestId, &Caller),
        bodies: Vec<Body>,
    ) -> Result<(), QueueError> {
        let command = Command::Queue(QueueCommand::Enqueue { login, messages });
        let reply = self.propose(scope, &command, (request, DedupeClass::Delivery), caller, bodies).await?;
        done(reply)
    }

    /// What of a group is due, by class and in the order of time, from where each class was left; where a class has as many as `limit`, there may be more.
    ///
    /// # Errors
    /// The store.
    pub async fn queue_due(
        &self,
        group: GroupNumber,
        until: Timestamp,
        after: BTreeMap<DueClass, DueItem>,
        limit: u32,
    ) -> Result<Vec<DueItem>, QueueError> {
        match self.ask_queue(whole_group(group), QueueQuery::Due { until, after, limit }).await? {
            QueueAnswer::Due(items) => Ok(items),
            other => Err(strange(other)),
        }
    }

    /// When the next delivery of a group is due after this time; `None`: nothing waits. Dearer than [`StoreClient::queue_due`].
    ///
    /// # Errors
    /// The store.
    pub async fn queue_next_due(&self, group: GroupNumber, then: Timestamp) -> Result<Option<Timestamp>, QueueError> {
        match self.ask_queue(whole_group(group), QueueQuery::NextDue(then)).await? {
            QueueAnswer::NextDue(next) => Ok(next),
            other => Err(strange(other)),
        }
    }

    /// Leases deliveries of a group for `seconds`, which count from before this call. What isn't among the answer wasn't granted.
    ///
    /// # Errors
    /// Malformed (see [`QueueCommand::Lease`]); the store. If the outcome is unknown, what was granted is due again when the lease ends.
    pub async fn lease(
        &self,
        group: GroupNumber,
        worker: &str,
        seconds: u64,
        items: Vec<DeliveryKey>,
        caller: &Caller,
    ) -> Result<Vec<Leased>, QueueError> {
        let command = QueueCommand::Lease { worker: worker.to_owned(), seconds, items };
        match self.tell_queue(group, command, DedupeClass::None, caller).await? {
            QueueReply::Leased(leased) => Ok(leased),
            other => Err(odd(other)),
        }
    }

    /// Keeps leases for `seconds` from before this call; answers the places of those that are lost.
    ///
    /// # Errors
    /// Malformed; the store.
    pub async fn renew(
        &self,
        group: GroupNumber,
        seconds: u64,
        items: Vec<(DeliveryKey, u64)>,
        caller: &Caller,
    ) -> Result<Vec<u32>, QueueError> {
        let command = QueueCommand::Renew { seconds, items };
        stale(self.tell_queue(group, command, DedupeClass::None, caller).await?)
    }

    /// Puts deliveries off, with what keeps destinations from getting their mail; answers the places of those that were left alone.
    ///
    /// # Errors
    /// Malformed; the store.
    pub async fn postpone(
        &self,
        group: GroupNumber,
        (items, why): (Vec<Postponed>, BTreeMap<DestinationName, Waits>),
        caller: &Caller,
    ) -> Result<Vec<u32>, QueueError> {
        let command = QueueCommand::Postpone { items, why };
        stale(self.tell_queue(group, command, DedupeClass::Delivery, caller).await?)
    }

    /// Records outcomes and queues their notices, whose bodies are given by ordinal; answers the places of results that were not
    /// recorded because another lease has the delivery. A caller that gets an error with an unknown outcome tries again under the
    /// same request id.
    ///
    /// # Errors
    /// Malformed (see [`QueueCommand::Record`]); the store.
    pub async fn record(
        &self,
        group: GroupNumber,
        results: Vec<DeliveryResult>,
        (request, caller): (RequestId, &Caller),
        bodies: Vec<Body>,
    ) -> Result<Vec<u32>, QueueError> {
        let command = Command::Queue(QueueCommand::Record { results });
        let request = (request, DedupeClass::Delivery);
        match self.propose(whole_group(group), &command, request, caller, bodies).await? {
            Reply::Queue(reply) => stale(reply),
            other => Err(not_done(other)),
        }
    }

    /// A piece of a queued message, prefix and body as one sequence; fewer octets than asked for come only at its end. `scope` is the
    /// sender's domain: [`scope_of`] a lease.
    ///
    /// # Errors
    /// `NotFound` if it is not queued any more; the store.
    pub async fn read_queued(&self, scope: Scope, id: QueueId, offset: u64, length: u32) -> Result<Bytes, QueueError> {
        let piece = MessagePiece { source: MessageSource::Queued(id), offset, length };
        self.read_message(scope, piece).await?.map_err(QueueError::Refused)
    }

    /// A queued message with its domain and deliveries; `scope` is a domain or a [`whole_group`].
    ///
    /// # Errors
    /// `NotFound`; the store.
    pub async fn queued_message(&self, scope: Scope, id: QueueId) -> Result<Waiting, QueueError> {
        match self.ask_queue(scope, QueueQuery::Message(id)).await? {
            QueueAnswer::Message { domain, message, deliveries, obstacles } => {
                Ok(Waiting { domain, message, deliveries, obstacles })
            }
            other => Err(strange(other)),
        }
    }

    /// Deliveries of a domain or a [`whole_group`]; a page may be short or empty and still have a next.
    ///
    /// # Errors
    /// The store.
    pub async fn list_queue(
        &self,
        scope: Scope,
        filter: QueueFilter,
        after: Option<DeliveryKey>,
        limit: u32,
    ) -> Result<DeliveryPage, QueueError> {
        match self.ask_queue(scope, QueueQuery::List { filter, after, limit }).await? {
            QueueAnswer::List { deliveries, obstacles, next } => Ok(DeliveryPage { deliveries, obstacles, next }),
            other => Err(strange(other)),
        }
    }

    /// Sums by destination and status over the rows of one answer; add them up until there is no next.
    ///
    /// # Errors
    /// The store.
    pub async fn queue_summary(
        &self,
        scope: Scope,
        after: Option<SumPlace>,
    ) -> Result<(Vec<SummaryLine>, Option<SumPlace>), QueueError> {
        match self.ask_queue(scope, QueueQuery::Summary { after }).await? {
            QueueAnswer::Summary { lines, next } => Ok((lines, next)),
            other => Err(strange(other)),
        }
    }

    /// What a domain or a [`whole_group`] has in the queue.
    ///
    /// # Errors
    /// The store.
    pub async fn queue_totals(&self, scope: Scope) -> Result<QueueTotals, QueueError> {
        match self.ask_queue(scope, QueueQuery::Totals).await? {
            QueueAnswer::Totals(totals) => Ok(totals),
            other => Err(strange(other)),
        }
    }

    /// Holds, releases, retries or cancels deliveries of a domain; answers for each item in order.
    ///
    /// # Errors
    /// Malformed; the store.
    pub async fn control_queue(
        &self,
        scope: Scope,
        items: Vec<ControlItem>,
        action: ControlAction,
        caller: &Caller,
    ) -> Result<Vec<ControlOutcome>, QueueError> {
        let command = Command::Queue(QueueCommand::Control { items, action });
        match self.propose_once(scope, &command, caller).await? {
            Reply::Queue(QueueReply::Controlled(outcomes)) => Ok(outcomes),
            other => Err(not_done(other)),
        }
    }

    /// All suspensions of queued mail; some may have expired.
    ///
    /// # Errors
    /// The directory can't be reached.
    pub async fn queue_suspensions(&self) -> Result<Vec<QueueSuspension>, StoreError> {
        match self.query(Scope::DIRECTORY, Query::QueueSuspensions).await? {
            Answer::QueueSuspensions(suspensions) => Ok(suspensions),
            other => Err(unexpected(&other)),
        }
    }

    /// Adds or changes a suspension of queued mail.
    ///
    /// # Errors
    /// Out of bounds; the store.
    pub async fn suspend_queue(&self, suspension: QueueSuspension, caller: &Caller) -> Result<(), QueueError> {
        let command = Command::Directory(DirectoryCommand::PutQueueSuspension(suspension));
        done(self.propose_once(Scope::DIRECTORY, &command, caller).await?)
    }

    /// Ends a suspension of queued mail.
    ///
    /// # Errors
    /// `NotFound`; the store.
    pub async fn resume_queue(&self, suspended: SuspensionScope, caller: &Caller) -> Result<(), QueueError> {
        let command = Command::Directory(DirectoryCommand::RemoveQueueSuspension(suspended));
        done(self.propose_once(Scope::DIRECTORY, &command, caller).await?)
    }

    pub(crate) async fn ask_queue(&self, scope: Scope, query: QueueQuery) -> Result<QueueAnswer, QueueError> {
        match self.query(scope, Query::Queue(query)).await? {
            Answer::Queue(answer) => Ok(answer),
            Answer::Refused(refusal) => Err(QueueError::Refused(refusal)),
            other => Err(unexpected(&other).into()),
        }
    }

    async fn tell_queue(
        &self,
        group: GroupNumber,
        command: QueueCommand,
        dedupe: DedupeClass,
        caller: &Caller,
    ) -> Result<QueueReply, QueueError> {
        let request = (RequestId(rand::random()), dedupe);
        match self.propose(whole_group(group), &Command::Queue(command), request, caller, Vec::new()).await? {
            Reply::Queue(reply) => Ok(reply),
            other => Err(not_done(other)),
        }
    }
}

fn done(reply: Reply) -> Result<(), QueueError> {
    if reply == Reply::Done { Ok(()) } else { Err(not_done(reply)) }
}

fn stale(reply: QueueReply) -> Result<Vec<u32>, QueueError> {
    match reply {
        QueueReply::Recorded { stale } => Ok(stale),
        other => Err(odd(other)),
    }
}

pub(crate) fn not_done(reply: Reply) -> QueueError {
    match reply {
        Reply::Refused(refusal) => QueueError::Refused(refusal),
        other => StoreError::Malformed(format!("unexpected reply: {other:?}")).into(),
    }
}

fn odd(reply: QueueReply) -> QueueError {
    not_done(Reply::Queue(reply))
}

pub(crate) fn strange(answer: QueueAnswer) -> QueueError {
    unexpected(&Answer::Queue(answer)).into()
}
