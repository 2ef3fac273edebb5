//! What waits for maintenance: Trash, vault, graves.

use yubin_types::{AccountId, DomainId, MailboxId, Timestamp, Uid};

use super::{Key, Span, Table, b4, b8, key, prefix, u32_at, u64_at};
use crate::expunged::VaultPlace;
use crate::rows::{Grave, Vaulted};

/// A Trash mailbox by date.
#[must_use]
pub fn trash(id: DomainId, date: Timestamp, mailbox: MailboxId) -> Key<()> {
    key(Table::Trash, &[&b8(id.0), &b8(date.0), &b4(mailbox.0)])
}

/// A domain's Trash mailboxes by date.
#[must_use]
pub fn trashes(id: DomainId) -> Span<()> {
    prefix(Table::Trash, &[&b8(id.0)])
}

/// Date and mailbox of a key of [`trashes`] or [`vaults`].
#[must_use]
pub fn parse_dated(key: &[u8]) -> (Timestamp, MailboxId) {
    (Timestamp(u64_at(key, 9)), MailboxId(u32_at(key, 17)))
}

/// An expunged message.
#[must_use]
pub fn vault(id: DomainId, date: Timestamp, mailbox: MailboxId, uid: Uid) -> Key<Vaulted> {
    key(Table::Vault, &[&b8(id.0), &b8(date.0), &b4(mailbox.0), &b4(uid.0)])
}

/// A domain's expunged messages by date.
#[must_use]
pub fn vaults(id: DomainId) -> Span<Vaulted> {
    prefix(Table::Vault, &[&b8(id.0)])
}

/// The place of a key of [`vaults`].
#[must_use]
pub fn parse_vault(key: &[u8]) -> VaultPlace {
    let (date, mailbox) = parse_dated(key);
    VaultPlace { date, mailbox, uid: Uid(u32_at(key, 21)) }
}

/// A deleted mailbox, or account where `mailbox` is 0.
#[must_use]
pub fn grave(id: DomainId, account: AccountId, mailbox: MailboxId) -> Key<Grave> {
    key(Table::Grave, &[&b8(id.0), &b4(account.0), &b4(mailbox.0)])
}

/// A domain's graves.
#[must_use]
pub fn graves(id: DomainId) -> Span<Grave> {
    prefix(Table::Grave, &[&b8(id.0)])
}

/// Account and mailbox of a key of [`graves`].
#[must_use]
pub fn parse_grave(key: &[u8]) -> (AccountId, MailboxId) {
    (AccountId(u32_at(key, 9)), MailboxId(u32_at(key, 13)))
}
