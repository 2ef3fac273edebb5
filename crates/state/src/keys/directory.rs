//! The directory's rows.

use yubin_types::{DomainId, DomainName, GroupNumber, Timestamp};

use super::{Key, Span, Table, b4, b8, key, prefix};
use crate::record::{AdminToken, DirectoryDomain, GroupRecord, NodeRecord, Plan};

/// A domain by id.
#[must_use]
pub fn directory_domain(id: DomainId) -> Key<DirectoryDomain> {
    key(Table::DirectoryDomain, &[&b8(id.0)])
}

/// A domain's id by name.
#[must_use]
pub fn directory_name(name: &DomainName) -> Key<DomainId> {
    key(Table::DirectoryName, &[name.as_str().as_bytes()])
}

/// All domain names in order.
#[must_use]
pub fn directory_names() -> Span<DomainId> {
    prefix(Table::DirectoryName, &[])
}

/// A node.
#[must_use]
pub fn node(id: u64) -> Key<Option<NodeRecord>> {
    key(Table::Node, &[&b8(id)])
}

/// All nodes, removed ones too.
#[must_use]
pub fn nodes() -> Span<Option<NodeRecord>> {
    prefix(Table::Node, &[])
}

/// A group.
#[must_use]
pub fn group(group: GroupNumber) -> Key<GroupRecord> {
    key(Table::Group, &[&b4(group.0)])
}

/// All groups.
#[must_use]
pub fn groups() -> Span<GroupRecord> {
    prefix(Table::Group, &[])
}

/// A plan.
#[must_use]
pub fn plan(name: &str) -> Key<Plan> {
    key(Table::Plan, &[name.as_bytes()])
}

/// All plans.
#[must_use]
pub fn plans() -> Span<Plan> {
    prefix(Table::Plan, &[])
}

/// A token.
#[must_use]
pub fn token(id: &str) -> Key<AdminToken> {
    key(Table::Token, &[id.as_bytes()])
}

/// All tokens.
#[must_use]
pub fn tokens() -> Span<AdminToken> {
    prefix(Table::Token, &[])
}

/// When a token was revoked.
#[must_use]
pub fn revoked_token(id: &str) -> Key<Timestamp> {
    key(Table::RevokedToken, &[id.as_bytes()])
}

/// A setting.
#[must_use]
pub fn setting(name: &str) -> Key<Vec<u8>> {
    key(Table::Setting, &[name.as_bytes()])
}
