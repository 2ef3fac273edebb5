//! Strangers that were asked to come again, networks, and when they are forgotten.

use yubin_types::{DomainId, Timestamp};

use super::{Key, Span, Table, b8, key, prefix, u64_at};
use crate::greylist::{Seen, Stranger, StrangerKind};

/// What is remembered of a stranger.
#[must_use]
pub fn greylist(domain: DomainId, stranger: Stranger) -> Key<Seen> {
    key(Table::Greylist, &[&b8(domain.0), &[stranger.kind as u8], &b8(stranger.hash)])
}

/// All that a domain remembers.
#[must_use]
pub fn greylist_of(domain: DomainId) -> Span<Seen> {
    prefix(Table::Greylist, &[&b8(domain.0)])
}

/// The stranger of a key of [`greylist_of`]; none if it is no such key.
#[must_use]
pub fn parse_stranger(key: &[u8]) -> Option<Stranger> {
    Some(Stranger { kind: StrangerKind::read(*key.get(9)?)?, hash: u64_at(key, 10) })
}

/// How many a domain remembers.
#[must_use]
pub fn greylist_count(domain: DomainId) -> Key<u32> {
    key(Table::GreylistCount, &[&b8(domain.0)])
}

/// When to forget one.
#[must_use]
pub fn greylist_forget(until: Timestamp, domain: DomainId, stranger: Stranger) -> Key<()> {
    key(Table::GreylistForget, &[&b8(until.0), &b8(domain.0), &[stranger.kind as u8], &b8(stranger.hash)])
}

/// All of the group by the time at which they are forgotten.
#[must_use]
pub fn greylist_forgets() -> Span<()> {
    prefix(Table::GreylistForget, &[])
}

/// Time, domain and stranger of a key of [`greylist_forgets`]; none if it is no such key.
#[must_use]
pub fn parse_greylist_forget(key: &[u8]) -> Option<(Timestamp, DomainId, Stranger)> {
    let stranger = Stranger { kind: StrangerKind::read(*key.get(17)?)?, hash: u64_at(key, 18) };
    Some((Timestamp(u64_at(key, 1)), DomainId(u64_at(key, 9)), stranger))
}
