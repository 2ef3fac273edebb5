//! What domains and accounts want done with mail from other servers.

use yubin_types::{AccountId, DomainId, Filtering};

use super::{Key, Table, b4, b8, key};

/// The rules of an account; the domain's own with the account id 0.
#[must_use]
pub fn filtering(domain: DomainId, account: AccountId) -> Key<Filtering> {
    key(Table::Filtering, &[&b8(domain.0), &b4(account.0)])
}
