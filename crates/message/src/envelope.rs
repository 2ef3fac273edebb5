//! ENVELOPE (RFC 9051 §7.5.2) of a message, from its raw header fields.
//!
//! Strings are as sent: unfolded, RFC 2047 words undecoded. Address fields that occur more than once count as one
//! list (RFC 5322 §4.5); of any other field the first counts. The defaults for Sender and Reply-To are applied where
//! the ENVELOPE is written, so that what is stored is what was sent.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::address::{Address, parse_addresses};
use crate::date::DateTime;
use crate::lex::{is_space, unfold};
use yubin_types::limits::{ENVELOPE_ADDRESSES_MAX, REFERENCES_MAX};

/// The header facts of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Date field as sent.
    pub date: Option<Bytes>,
    /// Date field as an instant, if it could be read.
    pub sent: Option<DateTime>,
    /// Subject, RFC 2047 words undecoded.
    pub subject: Option<Bytes>,
    /// From.
    pub from: Vec<Address>,
    /// Sender; empty if it was not sent.
    pub sender: Vec<Address>,
    /// Reply-To; empty if it was not sent.
    pub reply_to: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Bcc.
    pub bcc: Vec<Address>,
    /// In-Reply-To as sent.
    pub in_reply_to: Option<Bytes>,
    /// Message-ID as sent, angle brackets included.
    pub message_id: Option<Bytes>,
    /// Message ids of References, angle brackets included, the last [`REFERENCES_MAX`] of them.
    pub references: Vec<Bytes>,
}

impl Envelope {
    /// No fields.
    pub const EMPTY: Envelope = Envelope {
        date: None,
        sent: None,
        subject: None,
        from: Vec::new(),
        sender: Vec::new(),
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        bcc: Vec::new(),
        in_reply_to: None,
        message_id: None,
        references: Vec::new(),
    };

    /// Takes in one field, `name` in lower case. Returns whether it is one that an ENVELOPE keeps.
    pub(crate) fn take_field(&mut self, name: &[u8], body: &[u8]) -> bool {
        match name {
            b"date" => {
                if self.date.is_none() {
                    self.date = Some(text(body));
                    self.sent = DateTime::parse_rfc5322(body);
                }
            }
            b"subject" => first(&mut self.subject, body),
            b"message-id" => first(&mut self.message_id, body),
            b"in-reply-to" => first(&mut self.in_reply_to, body),
            b"from" => add(&mut self.from, body),
            b"sender" => add(&mut self.sender, body),
            b"reply-to" => add(&mut self.reply_to, body),
            b"to" => add(&mut self.to, body),
            b"cc" => add(&mut self.cc, body),
            b"bcc" => add(&mut self.bcc, body),
            b"references" => {
                if self.references.is_empty() {
                    self.references = message_ids(body);
                }
            }
            _ => return false,
        }
        true
    }

    /// How many items beside plain strings are held.
    pub(crate) fn item_count(&self) -> usize {
        let lists = [&self.from, &self.sender, &self.reply_to, &self.to, &self.cc, &self.bcc];
        lists.iter().map(|list| list.len()).sum::<usize>() + self.references.len()
    }
}

/// The message ids in a References or In-Reply-To field: `<...>` each, the last [`REFERENCES_MAX`].
pub fn message_ids(field_body: &[u8]) -> Vec<Bytes> {
    let mut ids = Vec::new();
    let mut rest = field_body;
    while ids.len() < REFERENCES_MAX
        && let Some(close) = memchr::memrchr(b'>', rest)
    {
        let (before, _) = rest.split_at_checked(close).unwrap_or_default();
        let Some(open) = memchr::memrchr(b'<', before) else { break };
        let (left, id) = before.split_at_checked(open).unwrap_or_default();
        let mut id: Vec<u8> = id.iter().copied().filter(|&byte| !is_space(byte) && byte != 0).collect();
        id.push(b'>');
        ids.push(Bytes::from(id));
        rest = left;
    }
    ids.reverse();
    ids
}

fn first(slot: &mut Option<Bytes>, body: &[u8]) {
    if slot.is_none() {
        *slot = Some(text(body));
    }
}

/// A field that is there and empty is an empty string in the ENVELOPE, one that is not there is NIL (RFC 9051 §7.5.2).
fn text(body: &[u8]) -> Bytes {
    unfold(body).into()
}

fn add(list: &mut Vec<Address>, body: &[u8]) {
    let room = ENVELOPE_ADDRESSES_MAX.saturating_sub(list.len());
    if room > 0 {
        list.extend(parse_addresses(body).into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_one_name() {
        let mut envelope = Envelope::default();
        for (name, body) in
            [("subject", "one"), ("subject", "two"), ("to", "a@b"), ("to", "c@d, e@f"), ("date", "nonsense")]
        {
            assert!(envelope.take_field(name.as_bytes(), body.as_bytes()));
        }
        assert!(!envelope.take_field(b"received", b"x"));
        assert_eq!(envelope.subject.as_deref(), Some(&b"one"[..]));
        assert_eq!(envelope.to.len(), 3);
        assert_eq!((envelope.date.as_deref(), envelope.sent), (Some(&b"nonsense"[..]), None));
    }

    #[test]
    fn references_keep_the_nearest() {
        assert_eq!(message_ids(b"<a@b> <c@\r\n d>x<e>"), [&b"<a@b>"[..], b"<c@d>", b"<e>"]);
        assert_eq!(message_ids(b"no ids > here <"), [] as [&[u8]; 0]);
        let many: Vec<u8> = (0..1000).flat_map(|n| format!("<{n}@x> ").into_bytes()).collect();
        let ids = message_ids(&many);
        assert_eq!((ids.len(), ids.last().map(|id| &id[..])), (REFERENCES_MAX, Some(&b"<999@x>"[..])));
    }
}
