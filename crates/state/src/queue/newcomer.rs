//! What a new message becomes: its row and its deliveries, waiting for a worker or leased to one from the beginning.
//!
//! The same for the machine that stores them and for the worker that asked for the lease: it knows what it proposed, so the reply names
//! no more than the lease's token and times ([`EnqueuedLease`]).

use yubin_types::{DomainId, Epoch, RequestId, ReversePath, Timestamp, TraceId, limits};

use super::command::{EnqueuedLease, Leased, NewDelivery, NewQueued};
use super::record::{AfterLease, Delivery, DeliveryState, QueuedMessage, QueuedRecipient};
use super::way::cut;
use crate::record::RetryTerms;

/// The lease under which a message is queued.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) worker: String,
    pub(crate) request: RequestId,
    pub(crate) granted: EnqueuedLease,
}

/// Who asked for a lease with its messages, in which domain.
#[derive(Clone, Debug)]
pub struct Lessee {
    /// The domain of the messages.
    pub domain: DomainId,
    /// Its epoch.
    pub epoch: Epoch,
    /// The worker's name.
    pub worker: String,
    /// The request that asked.
    pub request: RequestId,
    /// Under which trace.
    pub trace: TraceId,
}

impl NewQueued {
    /// The deliveries that [`super::QueueCommand::EnqueueLeased`] granted of this message.
    #[must_use]
    pub fn leased(mut self, lessee: Lessee, granted: EnqueuedLease) -> Vec<Leased> {
        let Lessee { domain, epoch, worker, request, trace } = lessee;
        let message = self.message(granted.queued, trace);
        let lease = Lease { worker, request, granted };
        let EnqueuedLease { token, queued, terms, tenant, .. } = &lease.granted;
        let deliveries = self.take_deliveries(*queued, terms.as_deref(), Some(&lease)).into_iter();
        let leased = |delivery| {
            let (message, terms, tenant) = (message.clone(), terms.clone(), tenant.clone());
            Leased { domain, epoch, token: *token, message, delivery, terms, tenant, last_word: None }
        };
        deliveries.map(leased).collect()
    }

    /// The message as it is queued now.
    pub(crate) fn message(&self, now: Timestamp, trace: TraceId) -> QueuedMessage {
        QueuedMessage {
            id: self.id,
            sender: self.sender.clone(),
            source: self.source.clone(),
            message_id: self.message_id.clone().map(|mut text| {
                cut(&mut text, limits::MESSAGE_ID_BYTES_MAX);
                text
            }),
            bytes: self.bytes(),
            content: self.content,
            dsn: self.dsn.clone(),
            queued: now,
            trace,
            deliveries: u32::try_from(self.deliveries.len()).unwrap_or(u32::MAX),
        }
    }

    /// Its deliveries as they begin, on the terms of the domain's plan.
    pub(crate) fn take_deliveries(
        &mut self,
        now: Timestamp,
        terms: Option<&RetryTerms>,
        lease: Option<&Lease>,
    ) -> Vec<Delivery> {
        let lifetime_seconds = terms.map_or(self.lifetime_seconds, |terms| terms.lifetime_seconds.into());
        let (handling, bytes) = (self.handling, self.bytes());
        let delay_notice_due = self.delay_notice_due(now, terms);
        let begin = |NewDelivery { destination, recipients }| {
            let recipients = recipients.into_iter().map(|recipient| QueuedRecipient {
                local: recipient.local,
                notify: recipient.notify,
                orcpt: recipient.orcpt,
                last_reply: None,
            });
            let mut delivery =
                Delivery::new(destination, recipients.collect(), handling, bytes, (now, lifetime_seconds));
            delivery.delay_notice_due = delay_notice_due;
            if let Some(Lease { worker, request, granted }) = lease {
                delivery.token = granted.token;
                delivery.state = DeliveryState::InFlight {
                    worker: worker.clone(),
                    until: granted.until,
                    lease: *request,
                    after: AfterLease::Schedule,
                };
            }
            delivery
        };
        std::mem::take(&mut self.deliveries).into_iter().map(begin).collect()
    }

    /// When its sender is told that it is late. Nobody is told of mail from the null sender (RFC 5321 §6.1).
    fn delay_notice_due(&self, now: Timestamp, terms: Option<&RetryTerms>) -> Option<Timestamp> {
        let seconds = match terms {
            Some(terms) => terms.delay_notice_seconds.map(u64::from),
            None => Some(limits::DELAY_NOTICE_SECONDS_DEFAULT),
        };
        let seconds = seconds.filter(|_| self.sender != ReversePath::Null);
        seconds.map(|seconds| self.handling.begins(now).plus_seconds(seconds))
    }
}
