//! What rows about automatic replies hold, and what a delivery says about the answer to its message.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use yubin_types::{LocalPart, Timestamp, limits};

use crate::kv::BodyRef;

/// How an account answers by itself. Most accounts don't.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoReply {
    /// On or off.
    pub switch: ReplySwitch,
    /// From when on, if not at once.
    pub from: Option<Timestamp>,
    /// Until when, if not for ever; later than `from`.
    pub until: Option<Timestamp>,
    /// The subject; empty: that of the answered message behind `Auto:`. At most [`limits::AUTO_REPLY_SUBJECT_BYTES_MAX`] bytes.
    pub subject: String,
    /// The text; at most [`limits::AUTO_REPLY_TEXT_BYTES_MAX`] bytes, never empty.
    pub text: String,
    /// Days between two answers to one sender: 1 to [`limits::AUTO_REPLY_DAYS_MAX`].
    pub days: u16,
    /// Which mail is answered.
    pub to: ReplyTo,
    /// What becomes of the account's forward meanwhile.
    pub forwarding: Forwarding,
    /// Since when it is set so.
    pub since: Timestamp,
    /// Who set it: a token's id.
    pub by: String,
}

impl AutoReply {
    /// Is mail answered at this time?
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        let begun = self.from.is_none_or(|from| from <= now);
        self.switch == ReplySwitch::On && begun && self.until.is_none_or(|until| now < until)
    }

    /// Time between two answers to one sender, seconds.
    #[must_use]
    pub fn interval_seconds(&self) -> u64 {
        (u64::from(self.days) * 86_400).max(limits::AUTO_REPLY_SECONDS_MIN)
    }
}

/// Is an automatic reply switched on?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplySwitch {
    /// Yes.
    #[default]
    On,
    /// No; what was written is kept.
    Off,
}

/// Which mail is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplyTo {
    /// Mail that names an address of the account in To, Cc or Bcc (RFC 3834 §2): its own, an alias that leads to it, a subaddress.
    #[default]
    Named,
    /// All mail that may be answered.
    Everything,
}

/// What becomes of an account's forward while it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Forwarding {
    /// Mail goes on as ever.
    #[default]
    Continues,
    /// Mail stays in the mailbox (SONET-27).
    Rests,
}

/// An account's automatic reply as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoReplyRow {
    /// How it is set.
    pub reply: AutoReply,
    /// Subject and text as they are sent.
    pub body: BodyRef,
    /// Their size, bytes.
    pub body_bytes: u64,
}

/// Whom an account has answered and must not answer again yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Hashes of addresses and when each was answered, the oldest first; at most [`limits::AUTO_REPLIES_REMEMBERED_MAX`].
    pub senders: Vec<(u32, Timestamp)>,
}

/// How an account answers, and how much it has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoReplyReport {
    /// How it is set.
    pub reply: AutoReply,
    /// Senders that were answered and are not answered again yet.
    pub answered: u32,
}

/// A message that may be answered by a program, and what its answer takes from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answerable {
    /// Local parts of the recipients' domain that its header names; at most [`limits::AUTO_REPLY_NAMED_MAX`].
    pub named: Vec<LocalPart>,
    /// Header fields of an answer: Date, To, In-Reply-To, References. With `subject` at most [`limits::AUTO_REPLY_FIELDS_BYTES_MAX`] bytes.
    pub fields: Bytes,
    /// The Subject field of an answer without a subject of its own.
    pub subject: Bytes,
}
