//! What accounts send: decisions, counts, notices that are due, and whom they know.
//!
//! A domain's own counts stand under the account id 0, which no account has.

use yubin_types::{AccountId, CountryRule, DomainId};

use super::{Key, Span, Table, b4, b8, key, prefix};
use crate::sending::counters::SendingCounters;
use crate::sending::record::{KnownRecipients, SendAsGrants, SendingControl};

/// What was decided about an account's sending.
#[must_use]
pub fn sending_control(domain: DomainId, account: AccountId) -> Key<SendingControl> {
    key(Table::SendingControl, &[&b8(domain.0), &b4(account.0)])
}

/// What an account sent; the whole domain with the account id 0.
#[must_use]
pub fn sending_counters(domain: DomainId, account: AccountId) -> Key<SendingCounters> {
    key(Table::SendingCounters, &[&b8(domain.0), &b4(account.0)])
}

/// All counts of a domain.
#[must_use]
pub fn sending_counters_of(domain: DomainId) -> Span<SendingCounters> {
    prefix(Table::SendingCounters, &[&b8(domain.0)])
}

/// From which countries an account may send; the whole domain with the account id 0.
#[must_use]
pub fn countries(domain: DomainId, account: AccountId) -> Key<CountryRule> {
    key(Table::Countries, &[&b8(domain.0), &b4(account.0)])
}

/// In whose names an account may send beside its own.
#[must_use]
pub fn send_as(domain: DomainId, account: AccountId) -> Key<SendAsGrants> {
    key(Table::SendAs, &[&b8(domain.0), &b4(account.0)])
}

/// An owner is to be told of a suspension.
#[must_use]
pub fn sending_notice(domain: DomainId, account: AccountId) -> Key<()> {
    key(Table::SendingNotice, &[&b8(domain.0), &b4(account.0)])
}

/// All owners of a domain who are to be told.
#[must_use]
pub fn sending_notices_of(domain: DomainId) -> Span<()> {
    prefix(Table::SendingNotice, &[&b8(domain.0)])
}

/// Whom an account has written to.
#[must_use]
pub fn known_recipients(domain: DomainId, account: AccountId) -> Key<KnownRecipients> {
    key(Table::KnownRecipients, &[&b8(domain.0), &b4(account.0)])
}
