//! A domain, its names and its accounts; and ranges over any domain's table.

use yubin_types::{AccountId, DomainId, DomainName};

use super::{Key, Span, Table, b4, b8, key, prefix, u32_at, u64_at};
use crate::record::DkimKey;
use crate::rows::{Account, Counters, Credentials, Domain, Name};

/// A domain's settings.
#[must_use]
pub fn domain(id: DomainId) -> Key<Domain> {
    key(Table::Domain, &[&b8(id.0)])
}

/// All domains of the group.
#[must_use]
pub fn domains() -> Span<Domain> {
    prefix(Table::Domain, &[])
}

/// The domain in a key of any domain's table.
#[must_use]
pub fn parse_domain(key: &[u8]) -> DomainId {
    DomainId(u64_at(key, 1))
}

/// All rows of a table, whatever they hold.
#[must_use]
pub fn all_rows(table: Table) -> Span<()> {
    prefix(table, &[])
}

/// All rows of a domain in a table, whatever they hold.
#[must_use]
pub fn rows_of(table: Table, id: DomainId) -> Span<()> {
    prefix(table, &[&b8(id.0)])
}

/// A domain's counters.
#[must_use]
pub fn counters(id: DomainId) -> Key<Counters> {
    key(Table::Counters, &[&b8(id.0)])
}

/// A name by its lookup key.
#[must_use]
pub fn name(id: DomainId, lookup: &str) -> Key<Name> {
    key(Table::Name, &[&b8(id.0), lookup.as_bytes()])
}

/// All names of a domain.
#[must_use]
pub fn names(id: DomainId) -> Span<Name> {
    prefix(Table::Name, &[&b8(id.0)])
}

/// An account.
#[must_use]
pub fn account(id: DomainId, account: AccountId) -> Key<Account> {
    key(Table::Account, &[&b8(id.0), &b4(account.0)])
}

/// All accounts of a domain.
#[must_use]
pub fn accounts(id: DomainId) -> Span<Account> {
    prefix(Table::Account, &[&b8(id.0)])
}

/// The account in a key of [`accounts`], or the mailbox in one of [`mailboxes`], [`hot_rows_of`] and their like.
#[must_use]
pub fn parse_second(key: &[u8]) -> u32 {
    u32_at(key, 9)
}

/// An account's verifiers.
#[must_use]
pub fn credentials(id: DomainId, account: AccountId) -> Key<Credentials> {
    key(Table::Credentials, &[&b8(id.0), &b4(account.0)])
}

/// A DKIM key by its selector.
#[must_use]
pub fn dkim_key(id: DomainId, selector: &DomainName) -> Key<DkimKey> {
    key(Table::DkimKey, &[&b8(id.0), selector.as_str().as_bytes()])
}

/// All DKIM keys of a domain.
#[must_use]
pub fn dkim_keys(id: DomainId) -> Span<DkimKey> {
    prefix(Table::DkimKey, &[&b8(id.0)])
}
