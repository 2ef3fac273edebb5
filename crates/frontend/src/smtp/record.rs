//! What the mail log learns of a session: who was refused and why, and where messages went, an event for each recipient.
//!
//! Refusals at MAIL are of a sender without recipients. A peer that goes on being refused fills the log no faster than it is carried: the
//! rest is lost and counted (`yubin_proto::mail_log`). Of logins and connections that never came to MAIL [`crate::refusals`] tells.

use yubin_proto::{MailEvent, MailEventKind};
use yubin_session::smtp::{Answer, Verdict};
use yubin_state::reply::StoredCopy;
use yubin_types::{Address, ReversePath, SmtpReply};

use super::deliver::Complete;
use super::{SmtpRim, Transaction};
use crate::driver::now;

/// What became of a message that was taken.
pub(super) enum Taken {
    /// Stored at once; for each recipient the copies.
    Delivered(Vec<Vec<StoredCopy>>),
    /// Queued.
    Queued,
    /// Dropped.
    Discarded,
    /// Each recipient has an answer of its own.
    Each(Answer),
}

impl SmtpRim {
    /// MAIL was refused.
    pub(super) fn record_sender(&self, sender: &ReversePath, reply: &SmtpReply) {
        self.note(MailEventKind::Rejection, sender, reply.to_string());
    }

    /// A recipient was refused.
    pub(super) fn record_recipient(&self, sender: &ReversePath, recipient: &Address, reply: &SmtpReply) {
        let event = self.event(MailEventKind::Rejection, sender, reply.to_string());
        self.connection.shared.store.note(MailEvent { recipient: recipient.to_string(), ..event });
    }

    /// The message's recipients have their answer.
    pub(super) fn record_message(
        &self,
        transaction: &Transaction,
        complete: &Complete,
        outcome: &Result<Taken, SmtpReply>,
    ) {
        let known = self.event(MailEventKind::Rejection, transaction.sender.path(), String::new());
        let known = MailEvent { message_id: complete.message_id(), bytes: complete.spooled.bytes, ..known };
        for (place, invited) in transaction.recipients.iter().enumerate() {
            let recipient = invited.admission.recipient();
            let (kind, id, text) = match outcome {
                Ok(Taken::Delivered(copies)) => {
                    let copies = copies.get(place).map(Vec::as_slice).unwrap_or_default();
                    (MailEventKind::Delivery, None, places_of(copies, complete.mailbox(recipient)))
                }
                Ok(Taken::Queued) => (MailEventKind::Reception, Some(complete.queue_id), "queued".to_owned()),
                Ok(Taken::Discarded) => (MailEventKind::Discard, None, "dropped, as a filter wanted".to_owned()),
                Ok(Taken::Each(answer)) => match verdict(transaction, place, answer) {
                    Some(Verdict::Refused(reply)) => (MailEventKind::Rejection, None, reply.to_string()),
                    Some(Verdict::Accepted) | None => (MailEventKind::Delivery, None, "stored".to_owned()),
                },
                Err(reply) => (MailEventKind::Rejection, None, reply.to_string()),
            };
            let event = MailEvent { kind, id, text, recipient: recipient.to_string(), ..known.clone() };
            self.connection.shared.store.note(event);
        }
    }

    fn note(&self, kind: MailEventKind, sender: &ReversePath, text: String) {
        self.connection.shared.store.note(self.event(kind, sender, text));
    }

    fn event(&self, kind: MailEventKind, sender: &ReversePath, text: String) -> MailEvent {
        MailEvent {
            at: now(),
            kind,
            trace: self.connection.trace,
            host: self.connection.shared.config.hostname.clone(),
            peer: self.connection.peer_ip().to_string(),
            sender: sender.bare(),
            recipient: String::new(),
            message_id: None,
            login: self.identity.as_ref().map(|identity| identity.address.to_string()).unwrap_or_default(),
            id: None,
            bytes: 0,
            count: 1,
            text,
            attempt: None,
        }
    }
}

/// What LMTP told a recipient, by its place among those that were invited.
fn verdict<'a>(transaction: &Transaction, place: usize, answer: &'a Answer) -> Option<&'a Verdict> {
    let Answer::Outcomes { verdicts, .. } = answer else { return None };
    let told = transaction.accepted.iter().position(|accepted| *accepted == place)?;
    verdicts.get(told)
}

/// Where copies are, in words.
fn places_of(copies: &[StoredCopy], mailbox: &str) -> String {
    let places: Vec<String> =
        copies.iter().map(|copy| format!("{mailbox} of {}, UID {}", copy.local, copy.uid)).collect();
    if places.is_empty() { "no copy is kept here".to_owned() } else { places.join("; ") }
}
