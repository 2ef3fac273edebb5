//! Where every row is: the one place that knows the key layout (docs/formats.md).
//!
//! A key is `table byte ‖ domain (u64) ‖ …`, all integers big-endian, so that one domain's rows of a table are one range and its
//! whole state can be listed, moved or erased table by table. Text comes last in a key, so it needs no terminator. A few tables are
//! the group's own (clock, due times, outcomes to forget) and a few belong to the directory; they carry no domain or carry it last.
//! A [`Key`] knows its row's type: reading a key of one table as a row of another doesn't compile.
//!
//! The order is by mailbox, not only by domain, where the readers are: changes and tombstones are `domain ‖ mailbox ‖ MODSEQ`, so
//! that resynchronising a quiet mailbox doesn't read a busy neighbour's changes.

use std::marker::PhantomData;

use smallvec::SmallVec;
use yubin_types::{
    AccountId, DomainId, DomainName, GroupNumber, Keyword, MailboxId, MailboxName, ModSeq, RequestId, Timestamp, Uid,
};

use crate::kv::BodyRef;
use crate::record::{AdminToken, ColdRow, DirectoryDomain, HotRow, NodeRecord, Plan};
use crate::rows::{
    Account, Chunk, Counters, Credentials, Domain, Grave, KeywordCount, Mailbox, Name, Remembered, Tombstone, Vaulted,
};

/// UIDs of one [`Chunk`]: a mailbox of a million messages is 245 chunks.
pub const UIDS_PER_CHUNK: u32 = 4_096;

/// The first byte of a key. Values are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// The group's last stamp.
    Clock = 0x01,
    /// Kind, due time, domain: what maintenance looks at.
    Due = 0x02,
    /// Domain, request id: remembered outcomes. They outlive their domain until they are forgotten.
    Request = 0x03,
    /// Expiry, domain, request id.
    Forget = 0x04,

    /// Directory: domains by id.
    DirectoryDomain = 0x10,
    /// Directory: domain ids by name.
    DirectoryName = 0x11,
    /// Directory: nodes by id; a removed node leaves `None`, so that its id is never used again.
    Node = 0x12,
    /// Directory: groups.
    Group = 0x13,
    /// Directory: plans by name.
    Plan = 0x14,
    /// Directory: tokens by id.
    Token = 0x15,
    /// Directory: settings by key.
    Setting = 0x16,

    /// What an operator sets on a domain.
    Domain = 0x20,
    /// What changes with every message.
    Counters = 0x21,
    /// Lookup key of a local part: account or alias.
    Name = 0x22,
    /// Account id.
    Account = 0x23,
    /// Account id: password verifiers.
    Credentials = 0x24,
    /// Mailbox id.
    Mailbox = 0x30,
    /// Account id, mailbox name: mailbox id.
    MailboxName = 0x31,
    /// Account id, mailbox name.
    Subscription = 0x32,
    /// Account id, mailbox name: the last UIDVALIDITY a name had that is not in use.
    RetiredName = 0x33,
    /// Mailbox id, UID: what flag scans need.
    Hot = 0x40,
    /// Mailbox id, UID: where the bytes are.
    Cold = 0x41,
    /// Mailbox id, UID / [`UIDS_PER_CHUNK`]: sets of UIDs.
    Chunk = 0x42,
    /// Mailbox id, MODSEQ, UID: each message under its last change.
    Change = 0x43,
    /// Mailbox id, MODSEQ: UIDs that went.
    Tombstone = 0x44,
    /// Mailbox id, keyword in lower case: how many messages have it.
    Keyword = 0x45,
    /// Body reference: how many rows hold it, if more than one.
    BodyCount = 0x46,
    /// Date, mailbox id: Trash mailboxes by the date their oldest message came, or earlier.
    Trash = 0x50,
    /// Date, mailbox id, UID: expunged mail.
    Vault = 0x51,
    /// Account id, mailbox id or 0: what was deleted and is still to be swept.
    Grave = 0x52,
}

impl Table {
    /// Every table whose keys begin with a domain and that is erased with it.
    pub const OF_DOMAIN: [Table; 19] = [
        Table::Domain,
        Table::Counters,
        Table::Name,
        Table::Account,
        Table::Credentials,
        Table::Mailbox,
        Table::MailboxName,
        Table::Subscription,
        Table::RetiredName,
        Table::Hot,
        Table::Cold,
        Table::Chunk,
        Table::Change,
        Table::Tombstone,
        Table::Keyword,
        Table::BodyCount,
        Table::Trash,
        Table::Vault,
        Table::Grave,
    ];
}

/// What a due time is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum DueKind {
    /// Mail in Trash expires.
    Trash = 1,
    /// Mail in the vault is dropped.
    Vault = 2,
    /// Rows of deleted mailboxes and accounts are swept.
    Graves = 3,
}

/// Where a row of type `R` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<R> {
    bytes: SmallVec<[u8; 64]>,
    row: PhantomData<fn() -> R>,
}

impl<R> Key<R> {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A range of rows of type `R`: `from <= key < to`.
#[derive(Clone, Debug)]
pub struct Span<R> {
    /// First key.
    pub from: Vec<u8>,
    /// First key behind it.
    pub to: Vec<u8>,
    row: PhantomData<fn() -> R>,
}

impl<R> Span<R> {
    /// The same range without what lies at or before `key`.
    #[must_use]
    pub fn after(mut self, key: &[u8]) -> Self {
        let mut from = key.to_vec();
        from.push(0);
        self.from = from.max(self.from);
        self
    }
}

fn key<R>(table: Table, parts: &[&[u8]]) -> Key<R> {
    let mut bytes = SmallVec::new();
    bytes.push(table as u8);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Key { bytes, row: PhantomData }
}

fn prefix<R>(table: Table, parts: &[&[u8]]) -> Span<R> {
    let from = key::<R>(table, parts).bytes.to_vec();
    let mut to = from.clone();
    while let Some(last) = to.pop() {
        if let Some(next) = last.checked_add(1) {
            to.push(next);
            break;
        }
    }
    Span { from, to, row: PhantomData }
}

fn between<R>(from: Key<R>, to: Key<R>) -> Span<R> {
    Span { from: from.bytes.into_vec(), to: to.bytes.into_vec(), row: PhantomData }
}

fn b8(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn b4(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

// The group's own.

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

// The directory.

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
pub fn group(group: GroupNumber) -> Key<crate::record::GroupRecord> {
    key(Table::Group, &[&b4(group.0)])
}

/// All groups.
#[must_use]
pub fn groups() -> Span<crate::record::GroupRecord> {
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

/// A setting.
#[must_use]
pub fn setting(name: &str) -> Key<Vec<u8>> {
    key(Table::Setting, &[name.as_bytes()])
}

// A domain and its names.

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

// Mailboxes.

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
pub fn retired_name(id: DomainId, account: AccountId, name: &MailboxName) -> Key<yubin_types::UidValidity> {
    key(Table::RetiredName, &[&b8(id.0), &b4(account.0), name.as_str().as_bytes()])
}

/// All such names of an account.
#[must_use]
pub fn retired_names(id: DomainId, account: AccountId) -> Span<()> {
    prefix(Table::RetiredName, &[&b8(id.0), &b4(account.0)])
}

// Messages.

/// A hot row.
#[must_use]
pub fn hot(id: DomainId, mailbox: MailboxId, uid: Uid) -> Key<HotRow> {
    key(Table::Hot, &[&b8(id.0), &b4(mailbox.0), &b4(uid.0)])
}

/// Hot rows of the UIDs from `first` to `last`, both included.
#[must_use]
pub fn hot_rows(id: DomainId, mailbox: MailboxId, first: u32, last: u32) -> Span<HotRow> {
    between(
        key(Table::Hot, &[&b8(id.0), &b4(mailbox.0), &b4(first)]),
        key(Table::Hot, &[&b8(id.0), &b4(mailbox.0), &b4(last), &[0]]),
    )
}

/// All hot rows of a domain.
#[must_use]
pub fn hot_rows_of(id: DomainId) -> Span<HotRow> {
    prefix(Table::Hot, &[&b8(id.0)])
}

/// The UID in a key of a hot or cold row.
#[must_use]
pub fn parse_uid(key: &[u8]) -> Uid {
    Uid(u32_at(key, 13))
}

/// A cold row.
#[must_use]
pub fn cold(id: DomainId, mailbox: MailboxId, uid: Uid) -> Key<ColdRow> {
    key(Table::Cold, &[&b8(id.0), &b4(mailbox.0), &b4(uid.0)])
}

/// All cold rows of a domain.
#[must_use]
pub fn cold_rows_of(id: DomainId) -> Span<ColdRow> {
    prefix(Table::Cold, &[&b8(id.0)])
}

/// The sets of a run of UIDs.
#[must_use]
pub fn chunk(id: DomainId, mailbox: MailboxId, number: u32) -> Key<Chunk> {
    key(Table::Chunk, &[&b8(id.0), &b4(mailbox.0), &b4(number)])
}

/// The chunks that hold the UIDs from `first` to `last`.
#[must_use]
pub fn chunks(id: DomainId, mailbox: MailboxId, first: u32, last: u32) -> Span<Chunk> {
    between(
        chunk(id, mailbox, first / UIDS_PER_CHUNK),
        key(Table::Chunk, &[&b8(id.0), &b4(mailbox.0), &b4(last / UIDS_PER_CHUNK), &[0]]),
    )
}

/// A message under its last change.
#[must_use]
pub fn change(id: DomainId, mailbox: MailboxId, modseq: ModSeq, uid: Uid) -> Key<()> {
    key(Table::Change, &[&b8(id.0), &b4(mailbox.0), &b8(modseq.0), &b4(uid.0)])
}

/// A mailbox's changes after a MODSEQ.
#[must_use]
pub fn changes_after(id: DomainId, mailbox: MailboxId, since: ModSeq) -> Span<()> {
    let mut span = prefix(Table::Change, &[&b8(id.0), &b4(mailbox.0)]);
    span.from.extend_from_slice(&b8(since.0.saturating_add(1)));
    span
}

/// MODSEQ and UID of a key of [`changes_after`].
#[must_use]
pub fn parse_change(key: &[u8]) -> (ModSeq, Uid) {
    (ModSeq(u64_at(key, 13)), Uid(u32_at(key, 21)))
}

/// What went at a MODSEQ.
#[must_use]
pub fn tombstone(id: DomainId, mailbox: MailboxId, modseq: ModSeq) -> Key<Tombstone> {
    key(Table::Tombstone, &[&b8(id.0), &b4(mailbox.0), &b8(modseq.0)])
}

/// What went after a MODSEQ.
#[must_use]
pub fn tombstones_after(id: DomainId, mailbox: MailboxId, since: ModSeq) -> Span<Tombstone> {
    let mut span = prefix(Table::Tombstone, &[&b8(id.0), &b4(mailbox.0)]);
    span.from.extend_from_slice(&b8(since.0.saturating_add(1)));
    span
}

/// The MODSEQ in a key of [`tombstones_after`].
#[must_use]
pub fn parse_tombstone(key: &[u8]) -> ModSeq {
    ModSeq(u64_at(key, 13))
}

/// A keyword in use.
#[must_use]
pub fn keyword(id: DomainId, mailbox: MailboxId, keyword: &Keyword) -> Key<KeywordCount> {
    key(Table::Keyword, &[&b8(id.0), &b4(mailbox.0), keyword.as_str().to_ascii_lowercase().as_bytes()])
}

/// All keywords in use.
#[must_use]
pub fn keywords(id: DomainId, mailbox: MailboxId) -> Span<KeywordCount> {
    prefix(Table::Keyword, &[&b8(id.0), &b4(mailbox.0)])
}

/// All rows of a mailbox in a table keyed by it.
#[must_use]
pub fn rows_of_mailbox(table: Table, id: DomainId, mailbox: MailboxId) -> Span<()> {
    prefix(table, &[&b8(id.0), &b4(mailbox.0)])
}

/// How many rows hold a body.
#[must_use]
pub fn body_count(id: DomainId, body: &BodyRef) -> Key<u32> {
    key(Table::BodyCount, &[&b8(id.0), &body.0])
}

/// All such counts of a domain.
#[must_use]
pub fn body_counts(id: DomainId) -> Span<u32> {
    prefix(Table::BodyCount, &[&b8(id.0)])
}

/// The body in a key of [`body_counts`].
#[must_use]
pub fn parse_body(key: &[u8]) -> BodyRef {
    BodyRef(SmallVec::from_slice(key.get(9..).unwrap_or_default()))
}

// What waits.

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

fn id_at(key: &[u8], at: usize) -> [u8; 16] {
    key.get(at..at + 16).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
}

fn u64_at(key: &[u8], at: usize) -> u64 {
    key.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn u32_at(key: &[u8], at: usize) -> u32 {
    key.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order_of_what_they_name_and_can_be_read_back() {
        let (d, m) = (DomainId(7), MailboxId(3));
        assert!(hot(d, m, Uid(255)).bytes() < hot(d, m, Uid(256)).bytes());
        assert!(change(d, m, ModSeq(2), Uid(9)).bytes() < change(d, m, ModSeq(10), Uid(1)).bytes());
        assert_eq!(parse_uid(hot(d, m, Uid(9)).bytes()), Uid(9));
        assert_eq!(parse_second(hot(d, m, Uid(9)).bytes()), 3);
        assert_eq!(parse_change(change(d, m, ModSeq(5), Uid(9)).bytes()), (ModSeq(5), Uid(9)));
        assert_eq!(parse_due(due(DueKind::Vault, Timestamp(5), d).bytes()), (Timestamp(5), d));
        let request = RequestId([4; 16]);
        assert_eq!(parse_forget(forget(Timestamp(5), d, request).bytes()), (Timestamp(5), d, request));
        assert_eq!(parse_dated(vault(d, Timestamp(5), m, Uid(1)).bytes()), (Timestamp(5), m));
        assert_eq!(parse_grave(grave(d, AccountId(2), m).bytes()), (AccountId(2), m));
    }

    #[test]
    fn a_span_ends_where_the_next_prefix_begins() {
        let span = prefix::<()>(Table::Hot, &[&[0xff, 0xff]]);
        assert_eq!(span.to, [Table::Hot as u8 + 1]);
        let a = AccountId(1);
        let name = |text| MailboxName::parse(text).unwrap();
        let below = mailbox_names_below(DomainId(1), a, &name("a"));
        let inside = |text| {
            let key = mailbox_name(DomainId(1), a, &name(text));
            below.from.as_slice() <= key.bytes() && key.bytes() < below.to.as_slice()
        };
        assert!(inside("a/b") && inside("a/b/c"));
        assert!(!inside("a") && !inside("ab") && !inside("a-b"));
    }
}
