//! Messages, their sets, changes, tombstones, keywords and bodies.

use smallvec::SmallVec;
use yubin_types::{DomainId, Keyword, MailboxId, ModSeq, Uid};

use super::{Key, Span, Table, UIDS_PER_CHUNK, b4, b8, between, key, prefix, u32_at, u64_at};
use crate::kv::BodyRef;
use crate::record::{ColdRow, HotRow};
use crate::rows::{Chunk, KeywordCount, Tombstone};

/// A hot row.
#[must_use]
pub fn hot(id: DomainId, mailbox: MailboxId, uid: Uid) -> Key<HotRow> {
    key(Table::Hot, &[&b8(id.0), &b4(mailbox.0), &b4(uid.0)])
}

/// Hot rows of the UIDs from `first` to `last`, both included.
#[must_use]
pub fn hot_rows(id: DomainId, mailbox: MailboxId, first: u32, last: u32) -> Span<HotRow> {
    between(
        key(Table::Hot, &[&b8(id.0), &b4(mailbox.0), &b4(first)]),
        key(Table::Hot, &[&b8(id.0), &b4(mailbox.0), &b4(last), &[0]]),
    )
}

/// All hot rows of a domain.
#[must_use]
pub fn hot_rows_of(id: DomainId) -> Span<HotRow> {
    prefix(Table::Hot, &[&b8(id.0)])
}

/// The UID in a key of a hot or cold row.
#[must_use]
pub fn parse_uid(key: &[u8]) -> Uid {
    Uid(u32_at(key, 13))
}

/// A cold row.
#[must_use]
pub fn cold(id: DomainId, mailbox: MailboxId, uid: Uid) -> Key<ColdRow> {
    key(Table::Cold, &[&b8(id.0), &b4(mailbox.0), &b4(uid.0)])
}

/// All cold rows of a domain.
#[must_use]
pub fn cold_rows_of(id: DomainId) -> Span<ColdRow> {
    prefix(Table::Cold, &[&b8(id.0)])
}

/// The sets of a run of UIDs.
#[must_use]
pub fn chunk(id: DomainId, mailbox: MailboxId, number: u32) -> Key<Chunk> {
    key(Table::Chunk, &[&b8(id.0), &b4(mailbox.0), &b4(number)])
}

/// The chunks that hold the UIDs from `first` to `last`.
#[must_use]
pub fn chunks(id: DomainId, mailbox: MailboxId, first: u32, last: u32) -> Span<Chunk> {
    between(
        chunk(id, mailbox, first / UIDS_PER_CHUNK),
        key(Table::Chunk, &[&b8(id.0), &b4(mailbox.0), &b4(last / UIDS_PER_CHUNK), &[0]]),
    )
}

/// A message under its last change.
#[must_use]
pub fn change(id: DomainId, mailbox: MailboxId, modseq: ModSeq, uid: Uid) -> Key<()> {
    key(Table::Change, &[&b8(id.0), &b4(mailbox.0), &b8(modseq.0), &b4(uid.0)])
}

/// A mailbox's changes after a MODSEQ.
#[must_use]
pub fn changes_after(id: DomainId, mailbox: MailboxId, since: ModSeq) -> Span<()> {
    let mut span = prefix(Table::Change, &[&b8(id.0), &b4(mailbox.0)]);
    span.from.extend_from_slice(&b8(since.0.saturating_add(1)));
    span
}

/// MODSEQ and UID of a key of [`changes_after`].
#[must_use]
pub fn parse_change(key: &[u8]) -> (ModSeq, Uid) {
    (ModSeq(u64_at(key, 13)), Uid(u32_at(key, 21)))
}

/// What went at a MODSEQ.
#[must_use]
pub fn tombstone(id: DomainId, mailbox: MailboxId, modseq: ModSeq) -> Key<Tombstone> {
    key(Table::Tombstone, &[&b8(id.0), &b4(mailbox.0), &b8(modseq.0)])
}

/// What went after a MODSEQ.
#[must_use]
pub fn tombstones_after(id: DomainId, mailbox: MailboxId, since: ModSeq) -> Span<Tombstone> {
    let mut span = prefix(Table::Tombstone, &[&b8(id.0), &b4(mailbox.0)]);
    span.from.extend_from_slice(&b8(since.0.saturating_add(1)));
    span
}

/// The MODSEQ in a key of [`tombstones_after`].
#[must_use]
pub fn parse_tombstone(key: &[u8]) -> ModSeq {
    ModSeq(u64_at(key, 13))
}

/// A keyword in use.
#[must_use]
pub fn keyword(id: DomainId, mailbox: MailboxId, keyword: &Keyword) -> Key<KeywordCount> {
    key(Table::Keyword, &[&b8(id.0), &b4(mailbox.0), keyword.as_str().to_ascii_lowercase().as_bytes()])
}

/// All keywords in use.
#[must_use]
pub fn keywords(id: DomainId, mailbox: MailboxId) -> Span<KeywordCount> {
    prefix(Table::Keyword, &[&b8(id.0), &b4(mailbox.0)])
}

/// All rows of a mailbox in a table keyed by it.
#[must_use]
pub fn rows_of_mailbox(table: Table, id: DomainId, mailbox: MailboxId) -> Span<()> {
    prefix(table, &[&b8(id.0), &b4(mailbox.0)])
}

/// How many rows hold a body.
#[must_use]
pub fn body_count(id: DomainId, body: &BodyRef) -> Key<u32> {
    key(Table::BodyCount, &[&b8(id.0), &body.0])
}

/// All such counts of a domain.
#[must_use]
pub fn body_counts(id: DomainId) -> Span<u32> {
    prefix(Table::BodyCount, &[&b8(id.0)])
}

/// The body in a key of [`body_counts`].
#[must_use]
pub fn parse_body(key: &[u8]) -> BodyRef {
    BodyRef(SmallVec::from_slice(key.get(9..).unwrap_or_default()))
}
