//! A bounce of forwarded mail comes back under the sender that was rewritten when the mail went on (SRS): it is queued for the sender there
//! was before, in the domain that forwarded.
//!
//! What `policy` admitted is good: made here, not too old, and a bounce. Nobody is told if it can't be delivered, since it has no sender.

use std::sync::Arc;

use yubin_policy::recipient::{BounceFacts, Transaction as Purpose, admit_bounce};
use yubin_policy::{Admission, RecipientDenial};
use yubin_proto::{Hosted, StoreError};
use yubin_state::queue::{QueueCommand, QueueSource};
use yubin_state::{Command, Reply};
use yubin_types::Address;

use super::deliver::Complete;
use super::{SmtpRim, Transaction};
use crate::driver::now;

impl SmtpRim {
    /// May a bounce go back through this recipient of a hosted domain?
    pub(super) fn admit_bounce(
        &self,
        transaction: &Transaction,
        recipient: &Address,
    ) -> Result<Admission, RecipientDenial> {
        let keys = std::slice::from_ref(&self.connection.shared.srs_key);
        let sender = transaction.sender.path();
        admit_bounce(BounceFacts { recipient, sender, keys, now: now(), transaction: transaction.purpose() })
    }

    /// Queues the bounce for its first senders.
    pub(super) async fn send_back(
        &self,
        transaction: &Transaction,
        hosted: &Arc<Hosted>,
        complete: &Complete,
    ) -> Result<Reply, StoreError> {
        let received = self.trace_fields(transaction, complete, now()).received(None);
        let queued = self.queued(transaction, complete, QueueSource::Returned, received.into());
        let command = Command::Queue(QueueCommand::Enqueue { login: None, messages: vec![queued] });
        self.propose(hosted, &command, &complete.spooled).await
    }
}

impl Transaction {
    /// What it is for already.
    pub(super) fn purpose(&self) -> Purpose<'_> {
        match (self.hosted(), self.recipients.first().map(|first| &first.admission)) {
            (Some(hosted), Some(Admission::Return(_))) => Purpose::Return(&hosted.name),
            (Some(hosted), Some(_)) => Purpose::Delivery(&hosted.name),
            _ => Purpose::Open,
        }
    }

    /// Does any of it go back to a first sender?
    pub(super) fn has_bounces(&self) -> bool {
        self.recipients.iter().any(|invited| matches!(invited.admission, Admission::Return(_)))
    }
}
