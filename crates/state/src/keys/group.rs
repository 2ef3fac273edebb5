//! The group's own rows: its clock, due times, remembered outcomes.

use yubin_types::{DomainId, RequestId, Timestamp};

use super::{DueKind, Key, Span, Table, b8, id_at, key, prefix, u64_at};
use crate::rows::Remembered;

/// The group's last stamp.
#[must_use]
pub fn clock() -> Key<Timestamp> {
    key(Table::Clock, &[])
}

/// A domain's entry among the due times of a kind.
#[must_use]
pub fn due(kind: DueKind, at: Timestamp, domain: DomainId) -> Key<()> {
    key(Table::Due, &[&[kind as u8], &b8(at.0), &b8(domain.0)])
}

/// All due times of a kind.
#[must_use]
pub fn dues(kind: DueKind) -> Span<()> {
    prefix(Table::Due, &[&[kind as u8]])
}

/// Due time and domain of a key of [`dues`].
#[must_use]
pub fn parse_due(key: &[u8]) -> (Timestamp, DomainId) {
    (Timestamp(u64_at(key, 2)), DomainId(u64_at(key, 10)))
}

/// A remembered outcome.
#[must_use]
pub fn request(domain: DomainId, request: RequestId) -> Key<Remembered> {
    key(Table::Request, &[&b8(domain.0), &request.0])
}

/// All remembered outcomes.
#[must_use]
pub fn requests() -> Span<Remembered> {
    prefix(Table::Request, &[])
}

/// Domain and request of a key of [`requests`].
#[must_use]
pub fn parse_request(key: &[u8]) -> (DomainId, RequestId) {
    (DomainId(u64_at(key, 1)), RequestId(id_at(key, 9)))
}

/// When to forget it.
#[must_use]
pub fn forget(expires: Timestamp, domain: DomainId, request: RequestId) -> Key<()> {
    key(Table::Forget, &[&b8(expires.0), &b8(domain.0), &request.0])
}

/// All outcomes by expiry.
#[must_use]
pub fn forgets() -> Span<()> {
    prefix(Table::Forget, &[])
}

/// Expiry, domain and request of a key of [`forgets`].
#[must_use]
pub fn parse_forget(key: &[u8]) -> (Timestamp, DomainId, RequestId) {
    (Timestamp(u64_at(key, 1)), DomainId(u64_at(key, 9)), RequestId(id_at(key, 17)))
}
