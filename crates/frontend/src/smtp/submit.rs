//! A user's message to anybody outside the own domain: queued in that domain for all recipients, in one command.
//!
//! Recipients of the own domain and of other hosted domains are queued like those elsewhere; who delivers finds the way. So a
//! submission is accepted once, as a whole, however many domains it names. It is signed before ([`crate::signing`]).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use yubin_proto::StoreError;
use yubin_session::smtp::AddressEncoding;
use yubin_state::queue::{
    ContentFacts, NewDelivery, NewQueued, NewQueuedRecipient, QueueCommand, QueueSource, Smtputf8,
};
use yubin_state::{Command, Reply};
use yubin_types::{DestinationName, DomainName, Priority, Refusal, ReversePath, limits};

use super::deliver::{Complete, has_moved};
use super::{Invited, SmtpRim, Transaction};
use crate::driver::now;
use crate::metrics::SignatureResult;
use crate::signing::{Signatures, SigningError};

impl SmtpRim {
    /// Queues the message for all recipients.
    pub(super) async fn enqueue(&self, transaction: &Transaction, complete: &Complete) -> Result<Reply, StoreError> {
        let Some(identity) = &self.identity else { return Ok(Reply::Refused(Refusal::RelayDenied)) };
        let home = self.connection.shared.store.resolve(&identity.address.domain).await?;
        let Some(home) = home else { return Ok(Reply::Refused(Refusal::StaleGeneration)) };
        let prefix = match self.prefix(transaction, complete, &identity.address.domain).await {
            Ok(prefix) => prefix,
            Err(SigningError::Refused(refusal)) => return Ok(Reply::Refused(refusal)),
            Err(SigningError::Store(error)) => return Err(error),
            Err(error) => {
                tracing::error!(sender = %transaction.sender.path(), %error, "a message can't be signed");
                return Err(StoreError::Unavailable("the message can't be signed".to_owned()));
            }
        };
        let (account, by) = (identity.login.account, identity.address.clone());
        let source = QueueSource::Submission { account, by };
        let mut queued = self.queued(transaction, complete, source, prefix);
        // A header may ask for what MAIL did not (RFC 6758 §4.1): nobody but a user is believed.
        if queued.handling.priority == Priority::NORMAL
            && let Some(told) = complete.spooled.origin_fields.first("MT-Priority")
            && let Some(asked) = Priority::parse(told.trim().as_bytes())
        {
            queued.handling.priority = asked.min(self.connection.shared.config.priority_max);
        }
        if transaction.handling.release.is_none()
            && let Some(courier) = &self.connection.shared.courier
            && let Some(commission) = courier.take_on(home.scope(), &queued)
        {
            let (store, login) = (&self.connection.shared.store, Some(identity.login));
            let told = (complete.spooled.body.clone(), &self.connection.caller(&self.principal()));
            let reply = store.enqueue_leased(home.scope(), login, queued.clone(), told, commission).await?;
            // If the domain has moved, room was made for the wrong place.
            if !has_moved(&reply) {
                return Ok(reply);
            }
        }
        let command = Command::Queue(QueueCommand::Enqueue { login: Some(identity.login), messages: vec![queued] });
        self.propose(&home, &command, &complete.spooled).await
    }

    /// What goes before the message: the signatures of its sender's domain and of its authors', then Received, which they don't cover. Who
    /// sends in the name of another domain has that one's signatures, which its DMARC record asks for.
    async fn prefix(
        &self,
        transaction: &Transaction,
        complete: &Complete,
        home: &DomainName,
    ) -> Result<Bytes, SigningError> {
        let sender = transaction.sender.path().address().map_or(home, |sender| &sender.domain);
        let mut domains = vec![sender];
        domains.extend(&complete.authors);
        let mut seen = BTreeSet::new();
        domains.retain(|domain| seen.insert(*domain));
        let received = self.trace_fields(transaction, complete, now()).received(sole(transaction).as_deref());
        let held = transaction.handling.release.is_some();
        let mut prefix = Vec::new();
        for domain in domains {
            let signatures = self.signatures(domain, &received, complete).await?;
            // The worker signs for the sender when it is released, with a key that is in use then. For whom else the user may send is
            // known here alone.
            if !held || domain != sender {
                prefix.extend(signatures);
            }
        }
        prefix.extend(received);
        Ok(prefix.into())
    }

    /// A domain's signatures; none where it has no key in use.
    async fn signatures(
        &self,
        domain: &DomainName,
        received: &[u8],
        complete: &Complete,
    ) -> Result<Vec<u8>, SigningError> {
        let shared = &self.connection.shared;
        let signed = shared.signers.sign(domain, received, &complete.spooled.body).await;
        shared.metrics.signature(match &signed {
            Ok(Signatures::Fields(_)) => SignatureResult::Signed,
            Ok(Signatures::NoKey) => SignatureResult::NoKey,
            Err(_) => SignatureResult::Failed,
        });
        Ok(match signed? {
            Signatures::Fields(fields) => fields,
            Signatures::NoKey => Vec::new(),
        })
    }

    /// The message for the queue, with a delivery for each domain.
    pub(super) fn queued(
        &self,
        transaction: &Transaction,
        complete: &Complete,
        source: QueueSource,
        prefix: Bytes,
    ) -> NewQueued {
        NewQueued {
            id: complete.queue_id,
            sender: transaction.sender.path().clone(),
            source,
            message_id: complete.message_id(),
            body_ordinal: 0,
            body_bytes: complete.spooled.bytes,
            prefix,
            content: content(transaction, complete),
            dsn: transaction.dsn.clone(),
            handling: transaction.handling,
            lifetime_seconds: limits::QUEUE_LIFETIME_SECONDS_DEFAULT,
            deliveries: deliveries(transaction),
        }
    }
}

/// The recipient, if there is one alone: naming several would disclose them.
fn sole(transaction: &Transaction) -> Option<String> {
    match &transaction.recipients[..] {
        [alone] => Some(alone.admission.recipient().to_string()),
        _ => None,
    }
}

/// One delivery for each domain.
fn deliveries(transaction: &Transaction) -> Vec<NewDelivery> {
    let mut by_destination: BTreeMap<DestinationName, Vec<NewQueuedRecipient>> = BTreeMap::new();
    for Invited { admission, notify, orcpt, .. } in &transaction.recipients {
        let address = admission.goes_to();
        by_destination.entry(address.domain.clone().into()).or_default().push(NewQueuedRecipient {
            local: address.local.clone(),
            notify: *notify,
            orcpt: orcpt.clone(),
        });
    }
    by_destination.into_iter().map(|(destination, recipients)| NewDelivery { destination, recipients }).collect()
}

fn content(transaction: &Transaction, complete: &Complete) -> ContentFacts {
    let addresses_ascii =
        transaction.recipients.iter().all(|invited| invited.admission.goes_to().to_string().is_ascii())
            && match transaction.sender.path() {
                ReversePath::Null => true,
                ReversePath::Address(address) => address.to_string().is_ascii(),
            };
    let declared = transaction.encoding == AddressEncoding::Utf8;
    let needs_utf8 = declared && (!addresses_ascii || complete.header.encoding == AddressEncoding::Utf8);
    ContentFacts {
        body: complete.body_kind(),
        smtputf8: if needs_utf8 { Smtputf8::Needed } else { Smtputf8::NotNeeded },
        tls: complete.tls_demand(transaction),
    }
}
