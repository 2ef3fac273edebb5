//! A transaction from the answer that brought it to the outcome: what each recipient has come to, and the parameters of MAIL and RCPT.
//!
//! What a server can't take because of what it does not offer is known before anything is sent: a message beyond its SIZE (5.3.4), 8-bit
//! content without 8BITMIME (5.6.3), UTF-8 in addresses or header without SMTPUTF8 (5.6.7, RFC 6531 §3.5), REQUIRETLS (5.7.30), a deadline
//! by which the message is to come back without DELIVERBY (5.3.3) or with less time than the server asks for (5.4.7). All are permanent:
//! another server of the same domain, or a downgraded body, is for the caller to try.

use std::fmt::Write as _;

use yubin_types::{Deadline, LocalPart, Priority, ReversePath, Timestamp, TlsDemand};

use super::contract::{
    ConnectionState, Handover, Outcome, OutgoingMail, OutgoingRecipient, RecipientOutcome, Stage, Verdict,
};
use super::extensions::{Extension, Extensions};
use super::reply::Reply;
use crate::smtp::contract::{AddressEncoding, BodyType};
use crate::step::TlsFacts;

/// A transaction under way.
#[derive(Debug)]
pub(super) struct Transaction {
    mail: OutgoingMail,
    extensions: Extensions,
    encoding: AddressEncoding,
    /// What is known of each recipient.
    fates: Vec<Fate>,
}

/// What is known of a recipient.
#[derive(Debug)]
enum Fate {
    /// RCPT was not answered.
    Open,
    /// RCPT was accepted.
    Accepted,
    Final(RecipientOutcome),
}

impl Transaction {
    /// Checks what the server offers; the outcome if nothing can be sent at all.
    pub(super) fn new(
        mail: OutgoingMail,
        extensions: Extensions,
        tls: Option<&TlsFacts>,
        now: Timestamp,
    ) -> Result<Transaction, Outcome> {
        let mut fates: Vec<Fate> = mail.recipients.iter().map(|_| Fate::Open).collect();
        let hindrance = hindrance(&mail, extensions, tls).or_else(|| lateness(&mail, extensions, now));
        let utf8_offered = extensions.has(Extension::SmtpUtf8);
        for (fate, recipient) in fates.iter_mut().zip(&mail.recipients) {
            let reply = match &hindrance {
                Some(reply) => reply.clone(),
                None if !utf8_offered && !is_ascii(&recipient.address.local) => no_utf8(),
                None => continue,
            };
            let stage = if hindrance.is_some() { Stage::Mail } else { Stage::Rcpt };
            *fate = Fate::Final(RecipientOutcome { verdict: Verdict::Refused, stage, reply });
        }
        let ascii = mail.encoding == AddressEncoding::Ascii
            && sender_is_ascii(&mail.sender)
            && mail.recipients.iter().all(|recipient| is_ascii(&recipient.address.local));
        let encoding = if ascii || !utf8_offered { AddressEncoding::Ascii } else { AddressEncoding::Utf8 };
        let transaction = Transaction { mail, extensions, encoding, fates };
        if transaction.fates.iter().any(|fate| matches!(fate, Fate::Open)) {
            Ok(transaction)
        } else {
            Err(transaction.outcome(ConnectionState::Usable))
        }
    }

    pub(super) const fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// The next recipient from `index` that RCPT is to be said for.
    pub(super) fn next_open(&self, index: usize) -> Option<usize> {
        (index..self.fates.len()).find(|&index| matches!(self.fates.get(index), Some(Fate::Open)))
    }

    pub(super) fn any_accepted(&self) -> bool {
        self.fates.iter().any(|fate| matches!(fate, Fate::Accepted))
    }

    pub(super) fn accept(&mut self, index: usize) {
        if let Some(fate) = self.fates.get_mut(index) {
            *fate = Fate::Accepted;
        }
    }

    /// A negative reply to RCPT.
    pub(super) fn refuse(&mut self, index: usize, reply: &Reply) {
        if let Some(fate) = self.fates.get_mut(index) {
            *fate = Fate::Final(RecipientOutcome { verdict: verdict(reply), stage: Stage::Rcpt, reply: reply.clone() });
        }
    }

    /// A reply that concerns everybody who is not refused yet.
    pub(super) fn conclude(&mut self, stage: Stage, reply: &Reply) {
        self.settle(verdict(reply), stage, reply);
    }

    /// Nobody knows whether the message was taken.
    pub(super) fn lose_sight(&mut self, reply: &Reply) {
        self.settle(Verdict::Unknown, Stage::EndOfData, reply);
    }

    fn settle(&mut self, verdict: Verdict, stage: Stage, reply: &Reply) {
        for fate in &mut self.fates {
            if !matches!(fate, Fate::Final(_)) {
                *fate = Fate::Final(RecipientOutcome { verdict, stage, reply: reply.clone() });
            }
        }
    }

    pub(super) fn outcome(self, connection: ConnectionState) -> Outcome {
        let undecided = || RecipientOutcome {
            verdict: Verdict::Deferred,
            stage: Stage::Body,
            reply: Reply::conclusion(451, (4, 3, 0), "the message was not sent"),
        };
        let recipients = self.fates.into_iter().map(|fate| match fate {
            Fate::Final(outcome) => outcome,
            Fate::Open | Fate::Accepted => undecided(),
        });
        let extensions = self.extensions;
        let handover = |extension| if extensions.has(extension) { Handover::Handed } else { Handover::NotOffered };
        let (dsn, deadline) = (handover(Extension::Dsn), handover(Extension::DeliverBy));
        Outcome { recipients: recipients.collect(), connection, dsn, deadline }
    }

    /// MAIL with its parameters.
    pub(super) fn mail_command(&self, now: Timestamp) -> String {
        let mut line = match &self.mail.sender {
            ReversePath::Null => "MAIL FROM:<>".to_owned(),
            ReversePath::Address(address) => format!("MAIL FROM:<{}@{}>", wire_local(&address.local), address.domain),
        };
        if self.extensions.has(Extension::Size) {
            let _ = write!(line, " SIZE={}", self.mail.bytes);
        }
        if self.mail.body == BodyType::EightBitMime && self.extensions.has(Extension::EightBitMime) {
            line.push_str(" BODY=8BITMIME");
        }
        if self.encoding == AddressEncoding::Utf8 {
            line.push_str(" SMTPUTF8");
        }
        if self.extensions.has(Extension::Dsn) {
            if let Some(ret) = self.mail.ret {
                let _ = write!(line, " RET={ret}");
            }
            if let Some(envid) = self.mail.envid.as_deref().filter(|envid| is_parameter(envid)) {
                let _ = write!(line, " ENVID={envid}");
            }
        }
        if self.mail.tls_demand == TlsDemand::Required {
            line.push_str(" REQUIRETLS");
        }
        if self.mail.priority != Priority::NORMAL && self.extensions.has(Extension::MtPriority) {
            let _ = write!(line, " MT-PRIORITY={}", self.mail.priority);
        }
        if let Some(deadline) = self.mail.deadline.filter(|_| self.extensions.has(Extension::DeliverBy)) {
            let _ = write!(line, " BY={}", deadline.value(now));
        }
        line
    }

    /// RCPT with its parameters.
    pub(super) fn rcpt_command(&self, index: usize) -> String {
        let Some(recipient) = self.mail.recipients.get(index) else { return "NOOP".to_owned() };
        let OutgoingRecipient { address, notify, orcpt } = recipient;
        let mut line = format!("RCPT TO:<{}@{}>", wire_local(&address.local), address.destination);
        if self.extensions.has(Extension::Dsn) {
            for (keyword, value) in [("NOTIFY", notify), ("ORCPT", orcpt)] {
                if let Some(value) = value.as_deref().filter(|value| is_parameter(value)) {
                    let _ = write!(line, " {keyword}={value}");
                }
            }
        }
        line
    }
}

/// What keeps the whole message from this server.
fn hindrance(mail: &OutgoingMail, extensions: Extensions, tls: Option<&TlsFacts>) -> Option<Reply> {
    if let Some(bytes_max) = extensions.size_bytes_max().filter(|&bytes_max| mail.bytes > bytes_max) {
        let text = format!("the message has {} bytes, the server takes {bytes_max}", mail.bytes);
        return Some(Reply::conclusion(552, (5, 3, 4), &text));
    }
    if mail.tls_demand == TlsDemand::Required && (tls.is_none() || !extensions.has(Extension::RequireTls)) {
        return Some(Reply::conclusion(550, (5, 7, 30), "the sender demands TLS, which the server does not offer"));
    }
    let utf8 = mail.encoding == AddressEncoding::Utf8 || !sender_is_ascii(&mail.sender);
    if utf8 && !extensions.has(Extension::SmtpUtf8) {
        return Some(no_utf8());
    }
    if mail.body == BodyType::EightBitMime && !extensions.has(Extension::EightBitMime) {
        let text = "the message has 8-bit content, which the server does not take";
        return Some(Reply::conclusion(554, (5, 6, 3), text));
    }
    None
}

/// What keeps a message that is to come back if it is late from this server (RFC 2852 §4.1.4).
fn lateness(mail: &OutgoingMail, extensions: Extensions, now: Timestamp) -> Option<Reply> {
    let deadline = mail.deadline.filter(Deadline::returns)?;
    if !extensions.has(Extension::DeliverBy) {
        let text = "the sender wants it delivered within a time or returned, which the server does not offer";
        return Some(Reply::conclusion(550, (5, 3, 3), text));
    }
    let (left, least) = (deadline.seconds_left(now), i64::from(extensions.deliver_by_seconds_min().unwrap_or(1)));
    let text = format!("the server asks for {least} seconds at least, of which {left} are left");
    (left < least).then(|| Reply::conclusion(550, (5, 4, 7), &text))
}

fn no_utf8() -> Reply {
    let text = "addresses or header fields need SMTPUTF8, which the server does not offer";
    Reply::conclusion(553, (5, 6, 7), text)
}

/// What a reply means for a recipient. Codes that have no meaning there are a breach of the protocol: tried again.
fn verdict(reply: &Reply) -> Verdict {
    match reply.code / 100 {
        2 => Verdict::Delivered,
        5 => Verdict::Refused,
        _ => Verdict::Deferred,
    }
}

fn is_ascii(local: &LocalPart) -> bool {
    local.as_str().is_ascii()
}

fn sender_is_ascii(sender: &ReversePath) -> bool {
    match sender {
        ReversePath::Null => true,
        ReversePath::Address(address) => is_ascii(&address.local),
    }
}

/// A local part as RFC 5321 wants it: a dot-string only if its dots stand between atoms, as those of `a..b@docomo.ne.jp` don't.
fn wire_local(local: &LocalPart) -> String {
    let text = local.as_str();
    let written = local.to_string();
    let bare = text.starts_with('.') || text.ends_with('.') || text.contains("..");
    if bare && !written.starts_with('"') { format!("\"{written}\"") } else { written }
}

/// Can it stand in a command line as a parameter's value (RFC 5321 §4.1.2 esmtp-value)?
fn is_parameter(value: &str) -> bool {
    !value.is_empty() && value.len() <= 500 && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=')
}

#[cfg(test)]
mod tests {
    use yubin_types::LocalPart;

    use super::{is_parameter, wire_local};

    #[test]
    fn dots_that_no_dot_string_allows_are_quoted() {
        for (text, wire) in [
            ("a.b", "a.b"),
            ("a..b", "\"a..b\""),
            ("a.", "\"a.\""),
            (".a", "\".a\""),
            ("\"a b\"", "\"a b\""),
            ("\"a..b c\\\"\"", "\"a..b c\\\"\""),
            ("用户", "用户"),
        ] {
            assert_eq!(wire_local(&LocalPart::parse(text).unwrap()), wire);
        }
    }

    #[test]
    fn a_parameter_can_not_become_another() {
        assert!(is_parameter("rfc822;tim+2Bx@example.jp"));
        for text in ["", "a b", "a\r\nRCPT TO:<x@y>", "a=b", "é"] {
            assert!(!is_parameter(text), "{text:?}");
        }
    }
}
