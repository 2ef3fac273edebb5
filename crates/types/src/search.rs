//! A SEARCH program (RFC 9051 §6.4.4, RFC 7162 §3.1.5, RFC 8474, RFC 8514) as a value: parsed by the session, run in the store.

use serde::{Deserialize, Serialize};

use crate::flags::Flag;
use crate::ids::EmailId;
use crate::time::Timestamp;
use crate::uid::{ModSeq, UidSet};

/// One search key. Text is UTF-8: the session decodes the CHARSET, and knows when a day begins. Days of `Date:` headers are those since
/// 1970-01-01.
///
/// Depth and count are bounded by [`crate::limits::IMAP_SEARCH_DEPTH_MAX`] and [`crate::limits::IMAP_SEARCH_KEYS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SearchKey {
    /// Every message.
    All,
    /// All of these; the empty list matches everything.
    And(Vec<SearchKey>),
    /// One of two.
    Or(Box<SearchKey>, Box<SearchKey>),
    /// Not this.
    Not(Box<SearchKey>),
    /// Flag is set.
    Flag(Flag),
    /// UIDs; the session maps sequence numbers to them.
    Uids(UidSet),
    /// A header field contains the text; empty text: the field exists.
    Header(String, String),
    /// The body, decoded, contains the text.
    Body(String),
    /// Header or body contains the text.
    Text(String),
    /// Octets, more than.
    Larger(u64),
    /// Octets, less than.
    Smaller(u64),
    /// Internal date before this time.
    Before(Timestamp),
    /// Internal date at this time or later.
    Since(Timestamp),
    /// `Date:` header before the day.
    SentBefore(i64),
    /// `Date:` header on the day.
    SentOn(i64),
    /// `Date:` header on the day or later.
    SentSince(i64),
    /// Changed at this MODSEQ or later.
    ModSeq(ModSeq),
    /// RFC 8514: saved before this time.
    SavedBefore(Timestamp),
    /// RFC 8514: saved at this time or later.
    SavedSince(Timestamp),
    /// RFC 5032: arrived this many seconds ago at most.
    Younger(u64),
    /// RFC 5032: arrived this many seconds ago at least.
    Older(u64),
    /// RFC 8474: this very message, and its copies.
    EmailId(EmailId),
}

/// What SORT compares (RFC 5256 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SortKey {
    /// Internal date.
    Arrival,
    /// Local part of the first `Cc:`.
    Cc,
    /// `Date:` header, in UTC; the internal date where it can't be read.
    Date,
    /// Local part of the first `From:`.
    From,
    /// Octets.
    Size,
    /// Base subject (RFC 5256 §2.1).
    Subject,
    /// Local part of the first `To:`.
    To,
}

/// Which comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SortOrder {
    /// The smallest, the oldest.
    Ascending,
    /// REVERSE: the largest, the latest.
    Descending,
}

/// One criterion of SORT; those before it decide first. At most [`crate::limits::SORT_CRITERIA_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortCriterion {
    /// What is compared.
    pub key: SortKey,
    /// In which direction.
    pub order: SortOrder,
}

impl SearchKey {
    /// Must message headers or bodies be read to decide? Walks without recursion.
    #[must_use]
    pub fn reads_text(&self) -> bool {
        let mut left = vec![self];
        while let Some(key) = left.pop() {
            match key {
                SearchKey::Header(..) | SearchKey::Body(_) | SearchKey::Text(_) => return true,
                SearchKey::And(keys) => left.extend(keys),
                SearchKey::Or(a, b) => left.extend([&**a, &**b]),
                SearchKey::Not(key) => left.push(key),
                _ => {}
            }
        }
        false
    }
}
