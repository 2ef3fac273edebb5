//! Mailboxes, their names and subscriptions.

use yubin_types::{AccountId, DomainId, MailboxId, MailboxName, UidValidity};

use super::{Key, Span, Table, b4, b8, key, prefix};
use crate::rows::Mailbox;

/// A mailbox.
#[must_use]
pub fn mailbox(id: DomainId, mailbox: MailboxId) -> Key<Mailbox> {
    key(Table::Mailbox, &[&b8(id.0), &b4(mailbox.0)])
}

/// All mailboxes of a domain.
#[must_use]
pub fn mailboxes(id: DomainId) -> Span<Mailbox> {
    prefix(Table::Mailbox, &[&b8(id.0)])
}

/// A mailbox's id by name.
#[must_use]
pub fn mailbox_name(id: DomainId, account: AccountId, name: &MailboxName) -> Key<MailboxId> {
    key(Table::MailboxName, &[&b8(id.0), &b4(account.0), name.as_str().as_bytes()])
}

/// All mailboxes of an account by name.
#[must_use]
pub fn mailbox_names(id: DomainId, account: AccountId) -> Span<MailboxId> {
    prefix(Table::MailboxName, &[&b8(id.0), &b4(account.0)])
}

/// All mailboxes below a name.
#[must_use]
pub fn mailbox_names_below(id: DomainId, account: AccountId, name: &MailboxName) -> Span<MailboxId> {
    prefix(Table::MailboxName, &[&b8(id.0), &b4(account.0), name.as_str().as_bytes(), b"/"])
}

/// A subscription.
#[must_use]
pub fn subscription(id: DomainId, account: AccountId, name: &MailboxName) -> Key<()> {
    key(Table::Subscription, &[&b8(id.0), &b4(account.0), name.as_str().as_bytes()])
}

/// All subscriptions of an account.
#[must_use]
pub fn subscriptions(id: DomainId, account: AccountId) -> Span<()> {
    prefix(Table::Subscription, &[&b8(id.0), &b4(account.0)])
}

/// The name in a key of [`subscriptions`] or [`mailbox_names`].
#[must_use]
pub fn parse_mailbox_name(key: &[u8]) -> Option<MailboxName> {
    key.get(13..).and_then(|name| std::str::from_utf8(name).ok()).and_then(MailboxName::parse)
}

/// What UIDVALIDITY a name had last.
#[must_use]
pub fn retired_name(id: DomainId, account: AccountId, name: &MailboxName) -> Key<UidValidity> {
    key(Table::RetiredName, &[&b8(id.0), &b4(account.0), name.as_str().as_bytes()])
}

/// All such names of an account.
#[must_use]
pub fn retired_names(id: DomainId, account: AccountId) -> Span<()> {
    prefix(Table::RetiredName, &[&b8(id.0), &b4(account.0)])
}
