//! A delivery to a domain of this cluster: one `Deliver` command, no SMTP.
//!
//! The command's request id follows from message, destination and recipients, so that an attempt after a crash finds what the first one
//! did. `Deliver` stores for all or for none: recipients that are to blame for a refusal are taken out, and the rest is delivered by a
//! command of its own. What the recipient's server would have said is the same table's reply that SMTP clients get.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use yubin_message::{
    AnswerFields, DateTime, DeliveredTo, HeaderWriter, OriginFields, PartTree, ScanLimits, Scanner, named_recipients,
};
use yubin_policy::auto_reply::{AutoReplyFacts, may_answer};
use yubin_policy::refusal_text::{self, Stage};
use yubin_proto::{Body, BodyStream, Caller, Hosted, LargeBody, StoreError};
use yubin_session::smtp::client::{Reply, Verdict};
use yubin_state::auto_reply::Answerable;
use yubin_state::command::{MailCommand, NewMessage, Recipient};
use yubin_state::forward::Passage;
use yubin_state::queue::{Leased, QueuedRecipient, RemoteReply};
use yubin_state::{Command, DedupeClass, Reply as StoreReply};
use yubin_types::{Address, DomainName, EmailId, Refusal, RequestId, ReversePath, limits};

use crate::assignment::Assignment;
use crate::attempt::Engine;
use crate::body::{Handed, QueuedBody};
use crate::connection::{Message as _, Piece, now};
use crate::fate::{Fate, Handing, Tried, recorded};
use crate::pace::Signal;

/// A message on its way into mailboxes.
struct Parcel {
    body: Body,
    bytes: u64,
    tree: PartTree,
    delivered_to: DeliveredTo,
    origin_fields: OriginFields,
}

impl Parcel {
    /// What an account's answer to it needs; `None`: no program may answer it.
    fn answerable(&self, sender: &ReversePath, domain: &DomainName) -> Option<Answerable> {
        let header: Vec<(&str, &str)> = self.origin_fields.iter().collect();
        let permit = may_answer(&AutoReplyFacts { sender, header: &header }).ok()?;
        let message = self.tree.envelope();
        let AnswerFields { fields, subject } = AnswerFields::new(permit.to(), message, DateTime::from(now()));
        let named = named_recipients(message, &self.origin_fields, domain);
        Some(Answerable { named, fields: Bytes::from(fields), subject: Bytes::from(subject) })
    }
}

impl Engine {
    /// Delivers to a hosted domain.
    pub(crate) async fn deliver_hosted(&self, assignment: &Assignment, hosted: &Arc<Hosted>, handed: &Handed) -> Tried {
        let leased = &assignment.leased;
        let count = leased.delivery.recipients.len();
        let parcel = match parcel(QueuedBody::of(&self.store, assignment, handed)).await {
            Ok(parcel) => parcel,
            Err(why) => return Tried::all(count, &Reply::conclusion(451, (4, 3, 0), &why), Signal::None),
        };
        let mut fates: Vec<Option<Fate>> = vec![None; count];
        // Each round takes out those who are to blame, so there are few.
        loop {
            let open: Vec<usize> = (0..count).filter(|&index| matches!(fates.get(index), Some(None))).collect();
            if open.is_empty() {
                break;
            }
            let said = self.deliver_to(leased, hosted, &parcel, &open).await;
            let mut blamed = 0;
            for (&index, fate) in open.iter().zip(&said) {
                if let (Some(place), Some(fate)) = (fates.get_mut(index), fate) {
                    *place = Some(fate.clone());
                    blamed += 1;
                }
            }
            if blamed == 0 {
                break;
            }
        }
        let lost = || fate(Verdict::Deferred, &own(451, "the store gave no answer"));
        Tried {
            fates: fates.into_iter().map(|fate| fate.unwrap_or_else(lost)).collect(),
            signal: Signal::Fine,
            receiver: None,
            worn: Vec::new(),
        }
    }

    /// One command for these recipients; what it says of each, `None` where another was to blame.
    async fn deliver_to(
        &self,
        leased: &Leased,
        hosted: &Arc<Hosted>,
        parcel: &Parcel,
        open: &[usize],
    ) -> Vec<Option<Fate>> {
        let recipients: Vec<&QueuedRecipient> =
            open.iter().filter_map(|&index| leased.delivery.recipients.get(index)).collect();
        let command = Command::Mail(MailCommand::Deliver {
            login: None,
            sender: leased.message.sender.clone(),
            recipients: recipients.iter().map(|recipient| self.recipient(leased, recipient)).collect(),
            message: NewMessage {
                body_bytes: parcel.bytes,
                cold: Bytes::from(parcel.tree.to_bytes()),
                internal_date: now(),
                body_ordinal: 0,
            },
            passage: Passage {
                message_id: leased.message.message_id.clone(),
                content: leased.message.content,
                handling: Box::new(leased.delivery.handling),
                hops: parcel.delivered_to.count,
                visited: parcel.delivered_to.in_domain(&hosted.name),
                answer: parcel.answerable(&leased.message.sender, &hosted.name),
            },
        });
        let request = (request_id(leased, &recipients), DedupeClass::Queued);
        let caller = Caller { trace: leased.message.trace, ..Caller::internal("queue") };
        let bodies = vec![parcel.body.clone()];
        let all = |fate: Fate| vec![Some(fate); open.len()];
        match self.store.propose(hosted.scope(), &command, request, &caller, bodies).await {
            Ok(StoreReply::Delivered(_)) => all(fate(Verdict::Delivered, &own(250, "delivered"))),
            Ok(StoreReply::DeliveryRefused(refusals)) if refusals.iter().any(Option::is_some) => {
                refusals.into_iter().map(|refusal| refusal.map(|refusal| refused(&refusal))).collect()
            }
            Ok(StoreReply::Refused(refusal @ (Refusal::StaleEpoch | Refusal::NoSuchDomain))) => {
                // It has moved, or it is gone: the next attempt looks again.
                self.store.forget(&hosted.name);
                all(Fate { verdict: Verdict::Deferred, ..refused(&refusal) })
            }
            Ok(StoreReply::Refused(refusal)) => all(refused(&refusal)),
            Ok(_) => all(fate(Verdict::Deferred, &own(451, "the store gave an answer to another question"))),
            Err(error @ (StoreError::Unknown(_) | StoreError::Unavailable(_) | StoreError::Overloaded)) => {
                all(fate(Verdict::Deferred, &own(451, &error.to_string())))
            }
            Err(error) => {
                tracing::error!(%error, id = %leased.message.id, "a delivery is not understood by the store");
                all(fate(Verdict::Deferred, &own(451, "the store does not understand the delivery")))
            }
        }
    }

    fn recipient(&self, leased: &Leased, recipient: &QueuedRecipient) -> Recipient {
        let mut writer = HeaderWriter::new();
        let sender = leased.message.sender.address().map(Address::to_string);
        writer.return_path(sender.as_deref());
        writer.delivered_to(&leased.delivery.address(recipient).to_string());
        Recipient {
            local: recipient.local.clone(),
            special_use: None,
            prefix: Bytes::from(writer.into_bytes()),
            email_id: EmailId(rand::random()),
        }
    }
}

/// The same for the same recipients of the same delivery.
fn request_id(leased: &Leased, recipients: &[&QueuedRecipient]) -> RequestId {
    let mut hash = blake3::Hasher::new();
    hash.update(b"queue delivery").update(&leased.message.id.0);
    hash.update(leased.delivery.destination.to_string().as_bytes());
    for recipient in recipients {
        hash.update(&[0]).update(recipient.local.as_str().as_bytes());
    }
    let mut id = [0; 16];
    id.iter_mut().zip(hash.finalize().as_bytes()).for_each(|(to, from)| *to = *from);
    RequestId(id)
}

/// Small messages in memory, large ones read again from the queue as they are stored.
async fn parcel(queued: QueuedBody) -> Result<Parcel, String> {
    let bytes = queued.length();
    let inline = usize::try_from(bytes).is_ok_and(|bytes| bytes < limits::INLINE_BODY_BYTES_MAX);
    let mut scanner = Scanner::new(ScanLimits::default());
    let mut held = Vec::new();
    let mut reading = queued.rewound();
    loop {
        let (piece, last) = match reading.next().await {
            Some(Piece::Middle(piece)) => (piece, false),
            Some(Piece::Last(piece)) => (piece, true),
            None => return Err("the message could not be read".to_owned()),
        };
        scanner.feed(&piece);
        if inline {
            held.extend_from_slice(&piece);
        }
        if last {
            break;
        }
    }
    let body = if inline { Body::Inline(Bytes::from(held)) } else { Body::Large(Arc::new(queued)) };
    let (delivered_to, origin_fields) = (scanner.delivered_to().clone(), scanner.origin_fields().clone());
    Ok(Parcel { body, bytes, tree: scanner.finish(), delivered_to, origin_fields })
}

impl LargeBody for QueuedBody {
    fn length(&self) -> u64 {
        QueuedBody::length(self)
    }

    fn open(&self) -> BodyStream {
        let pieces = stream::unfold(Some(self.rewound()), |reading| async move {
            let mut reading = reading?;
            match reading.next().await {
                Some(Piece::Middle(piece)) => Some((Ok(piece), Some(reading))),
                Some(Piece::Last(piece)) => Some((Ok(piece), None)),
                None => Some((Err(std::io::Error::other("the queued message can't be read")), None)),
            }
        });
        pieces.boxed()
    }
}

fn own(code: u16, text: &str) -> RemoteReply {
    let class = if code < 300 { 2 } else { 4 };
    recorded(&Reply::conclusion(code, (class, if class == 2 { 0 } else { 3 }, 0), text), "")
}

fn fate(verdict: Verdict, reply: &RemoteReply) -> Fate {
    Fate { handing: Handing::Mailbox, ..Fate::without_server(verdict, reply.clone()) }
}

fn refused(refusal: &Refusal) -> Fate {
    let told = refusal_text::smtp(refusal, Stage::Message);
    let verdict = if told.is_permanent() { Verdict::Refused } else { Verdict::Deferred };
    let reply = RemoteReply {
        code: told.code,
        enhanced: Some(told.status),
        text: told.text().to_owned(),
        host: String::new(),
        at: now(),
        way: None,
    };
    fate(verdict, &reply.bounded())
}
