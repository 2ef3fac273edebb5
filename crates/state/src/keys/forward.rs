//! Forwards of accounts, and notices about them that are due.

use yubin_types::{AccountId, DomainId};

use super::{Key, Span, Table, b4, b8, key, prefix};
use crate::forward::record::Forward;

/// An account's forward.
#[must_use]
pub fn forward(domain: DomainId, account: AccountId) -> Key<Forward> {
    key(Table::Forward, &[&b8(domain.0), &b4(account.0)])
}

/// An owner is to be told of a pause.
#[must_use]
pub fn forward_notice(domain: DomainId, account: AccountId) -> Key<()> {
    key(Table::ForwardNotice, &[&b8(domain.0), &b4(account.0)])
}

/// All owners of a domain who are to be told.
#[must_use]
pub fn forward_notices_of(domain: DomainId) -> Span<()> {
    prefix(Table::ForwardNotice, &[&b8(domain.0)])
}
