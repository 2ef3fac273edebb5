//! Where every row is: the one place that knows the key layout (docs/formats.md).
//!
//! A key is `table byte ‖ domain (u64) ‖ …`, all integers big-endian, so that one domain's rows of a table are one range and its
//! whole state can be listed, moved or erased table by table. Text comes last in a key, so it needs no terminator. A few tables are
//! the group's own (clock, due times, outcomes to forget) and a few belong to the directory; they carry no domain or carry it last.
//! A [`Key`] knows its row's type: reading a key of one table as a row of another doesn't compile.
//!
//! The order is by mailbox, not only by domain, where the readers are: changes and tombstones are `domain ‖ mailbox ‖ MODSEQ`, so
//! that resynchronising a quiet mailbox doesn't read a busy neighbour's changes.

mod auto_reply;
mod directory;
mod domain;
mod filtering;
mod forward;
mod greylist;
mod group;
mod mailbox;
mod message;
mod queue;
mod sending;
mod waiting;

use std::marker::PhantomData;

use smallvec::SmallVec;

pub use self::auto_reply::*;
pub use self::directory::*;
pub use self::domain::*;
pub use self::filtering::*;
pub use self::forward::*;
pub use self::greylist::*;
pub use self::group::*;
pub use self::mailbox::*;
pub use self::message::*;
pub use self::queue::*;
pub use self::sending::*;
pub use self::waiting::*;

/// UIDs of one [`Chunk`](crate::rows::Chunk): a mailbox of a million messages is 245 chunks.
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
    /// Expiry, domain, kind, hash: when strangers are forgotten. What stands here for a domain that is gone goes at its time.
    GreylistForget = 0x06,
    /// Log index: recipients that came to their ends with it, of all domains.
    Ends = 0x07,
    /// Class, due time, domain, queue id, destination: what of the queue needs a look, and when.
    QueueDue = 0x05,

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
    /// Directory: suspensions of queued mail by what they suspend.
    QueueSuspension = 0x17,
    /// Directory: the workers that are there.
    QueueRoster = 0x18,
    /// Directory: receivers that several workers send to.
    SharedLimit = 0x19,
    /// Directory: day, source address, receiver: what a new address may have sent.
    WarmUp = 0x1a,
    /// Directory: ids of tokens that were revoked, which are never used again.
    RevokedToken = 0x1b,

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
    /// Selector: a DKIM key.
    DkimKey = 0x25,
    /// Account id: its own sending limits, and whether its sending is suspended.
    SendingControl = 0x26,
    /// Account id, or 0 for the whole domain: what was sent in each hour of a day.
    SendingCounters = 0x27,
    /// Account id: its owner is to be told of a suspension.
    SendingNotice = 0x28,
    /// Account id: whom it has written to.
    KnownRecipients = 0x29,
    /// Account id: where its mail goes on to.
    Forward = 0x2a,
    /// Account id: its owner is to be told of a pause.
    ForwardNotice = 0x2b,
    /// Account id: how it answers by itself.
    AutoReply = 0x2c,
    /// Account id: whom it has answered.
    Answered = 0x2d,
    /// Kind, hash: strangers that were asked to come again, and networks whose strangers did.
    Greylist = 0x2e,
    /// How many of them.
    GreylistCount = 0x2f,
    /// Mailbox id.
    Mailbox = 0x30,
    /// Account id, mailbox name: mailbox id.
    MailboxName = 0x31,
    /// Account id, mailbox name.
    Subscription = 0x32,
    /// Account id, mailbox name: the last UIDVALIDITY a name had that is not in use.
    RetiredName = 0x33,
    /// Account id, or 0 for the whole domain: from which countries it may send.
    Countries = 0x34,
    /// Account id, or 0 for the whole domain: what it wants done with mail from other servers.
    Filtering = 0x35,
    /// Account id: in whose names it may send beside its own.
    SendAs = 0x36,
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
    /// Queue id: a message on its way out.
    Queued = 0x60,
    /// Queue id, destination: a delivery of it.
    Delivery = 0x61,
    /// Queue id: how many deliveries it has left, if more than one.
    DeliveriesLeft = 0x62,
    /// What changes with every message that is queued or done.
    QueueCounters = 0x63,
    /// Stamp, sequence: a recipient's final outcome.
    Event = 0x64,
    /// Recipients that refused mail as unknown.
    DeadRecipients = 0x65,
    /// Destination: sums over its deliveries.
    QueueSums = 0x66,
}

impl Table {
    /// Every table whose keys begin with a domain and that is erased with it.
    pub const OF_DOMAIN: [Table; 40] = [
        Table::Domain,
        Table::Counters,
        Table::Name,
        Table::Account,
        Table::Credentials,
        Table::DkimKey,
        Table::SendingControl,
        Table::SendingCounters,
        Table::SendingNotice,
        Table::KnownRecipients,
        Table::Forward,
        Table::ForwardNotice,
        Table::AutoReply,
        Table::Answered,
        Table::Greylist,
        Table::GreylistCount,
        Table::Mailbox,
        Table::MailboxName,
        Table::Subscription,
        Table::RetiredName,
        Table::Countries,
        Table::Filtering,
        Table::SendAs,
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
        Table::Queued,
        Table::Delivery,
        Table::DeliveriesLeft,
        Table::QueueCounters,
        Table::QueueSums,
        Table::DeadRecipients,
        Table::Event,
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
    /// Final outcomes of queued mail are forgotten.
    Events = 4,
    /// Owners are told that their sending is suspended or their forward paused.
    Notices = 5,
}

impl DueKind {
    /// All of them.
    pub const ALL: [DueKind; 5] = [DueKind::Trash, DueKind::Vault, DueKind::Graves, DueKind::Events, DueKind::Notices];
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
    use yubin_types::{
        AccountId, DestinationName, DomainId, MailboxId, MailboxName, ModSeq, QueueId, RequestId, Timestamp, Uid,
    };

    use super::*;
    use crate::greylist::{Stranger, StrangerKind};
    use crate::queue::{DeliveryKey, DueClass, DueItem, DueMark, Filed};

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
        let stranger = Stranger { kind: StrangerKind::Network, hash: 9 };
        let forget = greylist_forget(Timestamp(5), d, stranger);
        assert_eq!(parse_greylist_forget(forget.bytes()), Some((Timestamp(5), d, stranger)));
        assert_eq!(parse_stranger(greylist(d, stranger).bytes()), Some(stranger));
        assert_eq!(parse_dated(vault(d, Timestamp(5), m, Uid(1)).bytes()), (Timestamp(5), m));
        assert_eq!(parse_grave(grave(d, AccountId(2), m).bytes()), (AccountId(2), m));
        for text in ["b.example", "[IPv6:2001:db8::1]"] {
            let (id, destination) = (QueueId([3; 16]), DestinationName::parse(text).unwrap());
            let filed = Filed { class: DueClass::Bulk, due: Timestamp(5) };
            let due = queue_due(filed, d, id, &destination);
            let delivery = DeliveryKey { domain: d, id, destination };
            let mark = DueMark::default();
            assert_eq!(parse_queue_due(due.bytes(), mark), Some(DueItem { filed, delivery, mark }));
        }
        let place = parse_event(event(d, Timestamp(5), 6).bytes());
        assert_eq!((place.domain, place.at, place.sequence), (d, Timestamp(5), 6));
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
