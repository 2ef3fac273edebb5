//! Automatic replies of accounts, and whom they answered.

use yubin_types::{AccountId, DomainId};

use super::{Key, Span, Table, b4, b8, key, prefix};
use crate::auto_reply::record::{Answered, AutoReplyRow};

/// An account's automatic reply.
#[must_use]
pub fn auto_reply(domain: DomainId, account: AccountId) -> Key<AutoReplyRow> {
    key(Table::AutoReply, &[&b8(domain.0), &b4(account.0)])
}

/// Those of all accounts of a domain.
#[must_use]
pub fn auto_replies_of(domain: DomainId) -> Span<AutoReplyRow> {
    prefix(Table::AutoReply, &[&b8(domain.0)])
}

/// Whom an account has answered.
#[must_use]
pub fn answered(domain: DomainId, account: AccountId) -> Key<Answered> {
    key(Table::Answered, &[&b8(domain.0), &b4(account.0)])
}
