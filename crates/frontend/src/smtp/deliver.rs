//! The message is complete: one command, `Deliver` or `Enqueue`, and what its reply means to the peer.

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;
use yubin_dns_auth::verify::SpfChecks;
use yubin_policy::inbound::{Disposition, JunkReason};
use yubin_policy::refusal_text::{self, Stage};
use yubin_policy::spam::handling::SpamVerdict;
use yubin_policy::{Admission, DeliverPermit};
use yubin_proto::{Hosted, StoreError};
use yubin_session::smtp::{AddressEncoding, Answer, Listener, MessageFacts, Origin};
use yubin_state::command::{Login, MailCommand, NewMessage, Recipient};
use yubin_state::forward::Passage;
use yubin_state::queue::{BodyKind, ContentFacts, Smtputf8, TlsDemand};
use yubin_state::{Command, DedupeClass, Reply};
use yubin_types::{
    Address, DomainName, EmailId, NotifyOn, QueueId, Refusal, RequestId, SmtpReply, SpecialUse, Timestamp, limits,
};

use super::assessment::{Assessed, Assessment};
use super::completion::HeaderFacts;
use super::record::Taken;
use super::trace::TraceFields;
use super::verification::Verified;
use super::{Incoming, Invited, SmtpRim, Transaction, out_of_order, reason, spool_failed, unavailable};
use crate::driver::now;
use crate::metrics::DeliveryResult;
use crate::spool::{Octets, Spooled};

impl SmtpRim {
    /// Stores or queues the message, for all recipients or for none.
    pub(super) async fn store(
        &mut self,
        transaction: Transaction,
        incoming: Incoming,
        last: Bytes,
        facts: MessageFacts,
    ) -> Result<Answer, SmtpReply> {
        let hostname = self.connection.shared.config.hostname.clone();
        let mut complete = incoming.complete(last, &hostname).await.map_err(|error| spool_failed(&error))?;
        let outcome = self.take(&transaction, &mut complete, facts).await;
        self.record_message(&transaction, &complete, &outcome);
        if matches!(outcome, Ok(Taken::Delivered(_) | Taken::Queued)) {
            self.note_report(&complete);
        }
        match outcome? {
            Taken::Each(answer) => Ok(answer),
            Taken::Delivered(_) | Taken::Queued | Taken::Discarded => Ok(Answer::Stored { id: self.connection.trace }),
        }
    }

    /// What becomes of the message.
    async fn take(
        &mut self,
        transaction: &Transaction,
        complete: &mut Complete,
        facts: MessageFacts,
    ) -> Result<Taken, SmtpReply> {
        if facts.hops > limits::HOPS_MAX {
            return Err(self.refused(&Refusal::TooManyHops, Stage::Message));
        }
        complete.authors = Box::pin(self.admit_authors(transaction, complete)).await?;
        Box::pin(self.take_out_own_fields(complete)).await?;
        // On the heap: every connection has room for its largest future, and few are verifying.
        complete.verified = Box::pin(self.verify(transaction, complete)).await?;
        match Box::pin(self.assess(transaction, complete)).await? {
            Assessed::Taken(assessment) => complete.assessed = assessment,
            Assessed::Discarded => {
                log(transaction, complete, &"discarded");
                return Ok(Taken::Discarded);
            }
        }
        if self.listener == Listener::Lmtp {
            let answer = self.deliver_each(transaction, complete).await;
            log(transaction, complete, &answer);
            return Ok(Taken::Each(answer));
        }
        let outcome = match (transaction.hosted(), deliverable(transaction)) {
            (Some(hosted), Some(permits)) => {
                let command = self.delivery(transaction, hosted, &permits, complete);
                self.propose(hosted, &command, &complete.spooled).await
            }
            (Some(hosted), None) if transaction.has_bounces() => self.send_back(transaction, hosted, complete).await,
            _ => self.enqueue(transaction, complete).await,
        };
        let result = match &outcome {
            Ok(Reply::Delivered(_)) => DeliveryResult::Stored,
            Ok(Reply::Done) => DeliveryResult::Queued,
            Ok(_) => DeliveryResult::Refused,
            Err(_) => DeliveryResult::Unavailable,
        };
        self.connection.shared.metrics.delivery(result);
        log(transaction, complete, &result);
        match outcome.map_err(|error| unavailable(&error))? {
            Reply::Delivered(copies) => Ok(Taken::Delivered(copies)),
            Reply::Done => Ok(Taken::Queued),
            Reply::DeliveryRefused(refusals) => Err(self.late_refusal(transaction, refusals)),
            Reply::Refused(refusal) => Err(self.refused(&refusal, Stage::Message)),
            _ => Err(out_of_order()),
        }
    }

    pub(super) fn delivery(
        &self,
        transaction: &Transaction,
        hosted: &Hosted,
        permits: &[&DeliverPermit],
        complete: &Complete,
    ) -> Command {
        let received = now();
        let prefixes = self.trace_fields(transaction, complete, received).prefixes(permits);
        let recipient = |(permit, prefix): (&&DeliverPermit, Bytes)| Recipient {
            local: permit.recipient().local.clone(),
            special_use: complete.is_junk(permit.recipient()).then_some(SpecialUse::Junk),
            prefix,
            email_id: EmailId(rand::random()),
        };
        Command::Mail(MailCommand::Deliver {
            login: self.submitter(),
            sender: transaction.sender.path().clone(),
            recipients: permits.iter().zip(prefixes).map(recipient).collect(),
            message: NewMessage {
                body_bytes: complete.spooled.bytes,
                cold: Bytes::from(complete.spooled.tree.to_bytes()),
                internal_date: received,
                body_ordinal: 0,
            },
            passage: complete.passage(hosted, transaction),
        })
    }

    pub(super) fn trace_fields<'a>(
        &'a self,
        transaction: &'a Transaction,
        complete: &'a Complete,
        now: Timestamp,
    ) -> TraceFields<'a> {
        TraceFields {
            sender: transaction.sender.path(),
            origin: &complete.origin,
            peer: self.connection.peer_ip(),
            hostname: &self.connection.shared.config.hostname,
            id: self.connection.trace,
            now,
            verified: complete.verified.as_ref(),
            assessed: complete.assessed.as_ref(),
        }
    }

    /// Proposes under one request id, and once more in the domain's new place if it has moved since RCPT.
    pub(super) async fn propose(
        &self,
        hosted: &Arc<Hosted>,
        command: &Command,
        spooled: &Spooled,
    ) -> Result<Reply, StoreError> {
        let store = &self.connection.shared.store;
        let request = (RequestId(rand::random()), DedupeClass::Delivery);
        let caller = self.connection.caller(&self.principal());
        let reply = store.propose(hosted.scope(), command, request, &caller, vec![spooled.body.clone()]).await?;
        if !has_moved(&reply) {
            return Ok(reply);
        }
        store.forget(&hosted.name);
        match store.resolve(&hosted.name).await? {
            Some(moved) => store.propose(moved.scope(), command, request, &caller, vec![spooled.body.clone()]).await,
            None => Ok(reply),
        }
    }

    /// The account whose sending this is, if somebody logged in to submit.
    fn submitter(&self) -> Option<Login> {
        let identity = self.identity.as_ref().filter(|_| self.listener == Listener::Submission)?;
        Some(identity.login)
    }

    /// On whose behalf: the account that logged in, or the world.
    pub(super) fn principal(&self) -> String {
        match (&self.identity, self.listener) {
            (Some(identity), Listener::Submission) => identity.address.to_string(),
            (_, Listener::Lmtp) => "lmtp".to_owned(),
            _ => "mx".to_owned(),
        }
    }

    /// Something changed between RCPT and the end of the message, and nothing was stored.
    fn late_refusal(&self, transaction: &Transaction, refusals: Vec<Option<Refusal>>) -> SmtpReply {
        let blamed: Vec<Refusal> = refusals.into_iter().flatten().collect();
        self.connection.shared.metrics.reject(blamed.first().map_or("other", reason));
        refusal_text::delivery(transaction.recipients.len(), &blamed)
    }
}

/// The message's line in the log.
fn log(transaction: &Transaction, complete: &Complete, result: &dyn std::fmt::Debug) {
    tracing::info!(
        from = %transaction.sender.path(),
        to = transaction.recipients.first().map(|first| tracing::field::display(first.admission.recipient())),
        recipients = transaction.recipients.len(),
        bytes = complete.spooled.bytes,
        result = ?result,
        "message"
    );
}

/// Was the command refused because its domain is not where it was believed to be?
pub(super) fn has_moved(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused(Refusal::StaleEpoch | Refusal::NoSuchDomain))
}

/// A message whose octets have all come.
pub(super) struct Complete {
    pub(super) origin: Origin,
    pub(super) header: HeaderFacts,
    /// Of a user's message: the domains of its authors that the user may send as.
    pub(super) authors: Vec<DomainName>,
    pub(super) spooled: Spooled,
    /// What it is called in the queue, if it gets there.
    pub(super) queue_id: QueueId,
    /// Of a stranger's message: what was asked for.
    pub(super) spf: Option<AbortOnDropHandle<SpfChecks>>,
    /// Of a stranger's message: what was found.
    pub(super) verified: Option<Verified>,
    /// What its content is to its recipients, if it was looked at.
    pub(super) assessed: Option<Assessment>,
}

impl Complete {
    /// Does it go to Junk?
    fn is_junk(&self, recipient: &Address) -> bool {
        let assessed = self.assessed.as_ref();
        let verdict = assessed.and_then(|assessed| assessed.of(recipient)).map(|handled| handled.verdict);
        let forged = match self.verified.as_ref().map(|verified| verified.disposition) {
            Some(Disposition::Inbox) | None => false,
            // A recipient's allowed sender may be on lists.
            Some(Disposition::Junk(JunkReason::Listed)) => verdict != Some(SpamVerdict::Allowed),
            Some(Disposition::Junk(_)) => true,
        };
        forged || assessed.is_some_and(|assessed| assessed.is_junk(recipient))
    }

    /// Where its copies are filed.
    pub(super) fn mailbox(&self, recipient: &Address) -> &'static str {
        if self.is_junk(recipient) { "Junk" } else { "INBOX" }
    }

    /// What is known of it for whoever sends it on from a hosted domain, or answers it.
    fn passage(&self, hosted: &Hosted, transaction: &Transaction) -> Passage {
        let delivered_to = &self.spooled.delivered_to;
        let body = self.body_kind();
        let needs_utf8 = transaction.encoding == AddressEncoding::Utf8 && body == BodyKind::EightBit;
        let smtputf8 = if needs_utf8 { Smtputf8::Needed } else { Smtputf8::NotNeeded };
        // It goes no further, wherever it is filed: others would take it, and its tag, for ours.
        let spam = self.assessed.as_ref().is_some_and(Assessment::is_spam_to_all);
        Passage {
            message_id: self.message_id(),
            content: ContentFacts { body, smtputf8, tls: self.tls_demand(transaction) },
            handling: Box::new(transaction.handling),
            hops: if spam { limits::FORWARD_HOPS_MAX } else { delivered_to.count },
            visited: delivered_to.in_domain(&hosted.name),
            answer: transaction
                .may_be_answered()
                .then(|| self.answerable(transaction.sender.path(), &hosted.name))
                .flatten(),
        }
    }

    /// Its Message-ID, as it came or as it was given.
    pub(super) fn message_id(&self) -> Option<String> {
        let sent = || {
            let text = self.spooled.tree.envelope().message_id.as_deref().filter(|text| !text.is_empty())?;
            let kept = text.get(..limits::MESSAGE_ID_BYTES_MAX).unwrap_or(text);
            Some(String::from_utf8_lossy(kept).into_owned())
        };
        self.header.message_id.clone().or_else(sent)
    }

    /// What its sender demands of TLS on its way (RFC 8689 §4.1).
    pub(super) fn tls_demand(&self, transaction: &Transaction) -> TlsDemand {
        transaction.tls.with_field(self.spooled.origin_fields.first("TLS-Required"))
    }

    pub(super) fn body_kind(&self) -> BodyKind {
        match self.spooled.octets {
            Octets::Ascii => BodyKind::SevenBit,
            Octets::Any => BodyKind::EightBit,
        }
    }
}

impl Incoming {
    async fn complete(mut self, last: Bytes, hostname: &str) -> std::io::Result<Complete> {
        self.push(last, hostname).await?;
        if let Some(mut completion) = self.completion.take() {
            self.take_header(completion.finish(hostname)).await?;
        }
        Ok(Complete {
            origin: self.origin,
            header: self.header,
            authors: Vec::new(),
            spooled: self.spool.finish().await?,
            queue_id: QueueId(uuid::Uuid::now_v7().into_bytes()),
            spf: self.spf,
            verified: None,
            assessed: None,
        })
    }
}

/// The permits, if all recipients are delivered to at once. Who is to be told of success is told by the queue, and what is held back waits
/// there for everybody.
fn deliverable(transaction: &Transaction) -> Option<Vec<&DeliverPermit>> {
    if transaction.handling.release.is_some() {
        return None;
    }
    let permit = |invited| match invited {
        &Invited { admission: Admission::Deliver(ref permit), notify, .. } if !notify.wants(NotifyOn::Success) => {
            Some(permit)
        }
        _ => None,
    };
    transaction.recipients.iter().map(permit).collect()
}
