//! What an IMAP session asks of the rim, and what the rim answers.
//!
//! Each question is answered exactly once, by the variant named at it, or by [`Answer::Refused`] (a reply of the store or of policy),
//! [`Answer::Unavailable`] (nobody could say: no quorum, a time limit) or [`Answer::LoginRevoked`]. The three are never mixed: a wrong
//! password is not an outage and an outage is not a wrong password. [`Answer::Changed`] and [`Answer::LoginRevoked`] also come
//! unasked, as events, while a session reads.
//!
//! The shapes mirror what the store answers, in the words of `types`, so that the glue is thin. The rim knows the login and the
//! connection; a session names mailboxes and messages only. Questions name at most
//! [`MESSAGES_PER_COMMAND_MAX`](yubin_types::limits::MESSAGES_PER_COMMAND_MAX) messages where they change something.

mod facts;

use bytes::Bytes;
use yubin_types::search::{SearchKey, SortCriterion};
use yubin_types::{
    FlagSet, MailboxId, MailboxName, ModSeq, Quota, SpecialUse, Timestamp, Uid, UidSet, UidValidity, Usage,
};

pub use self::facts::{ChangedMessage, Changes, ColdFacts, MailboxFacts, MessageRow, SelectedFacts};
use crate::sasl::{self, Claim};

/// A question.
#[derive(Debug)]
pub enum Ask {
    /// In the middle of AUTHENTICATE: [`Answer::Sasl`] or [`Answer::AuthenticationFailed`].
    Sasl(sasl::Question),
    /// LOGIN or AUTHENTICATE: [`Answer::LoggedIn`] or [`Answer::AuthenticationFailed`].
    Authenticate(Claim),
    /// ID (RFC 2971), for the log and for shedding background downloads: [`Answer::Done`], or refused.
    ClientId(Vec<(String, String)>),
    /// All mailboxes with STATUS data, and subscriptions: [`Answer::Mailboxes`].
    Mailboxes,
    /// Everything SELECT tells: [`Answer::Selected`].
    Select(MailboxName),
    /// From now on say [`Answer::Changed`] while the session reads whenever the mailbox has moved past `since`: [`Answer::Done`].
    Watch {
        /// Which.
        mailbox: MailboxId,
        /// What the session knows already.
        since: ModSeq,
    },
    /// No more of that: [`Answer::Done`].
    Unwatch,
    /// What changed after a MODSEQ: [`Answer::Changes`]. The refusal `NONEXISTENT` (the mailbox was deleted) ends the session.
    Changes {
        /// Where.
        mailbox: MailboxId,
        /// After.
        since: ModSeq,
    },
    /// Rows in UID order, a frame at a time: [`Answer::Rows`]. UIDs that don't exist are left out.
    Rows {
        /// Where.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// Only those changed after it.
        changed_since: Option<ModSeq>,
        /// How much of each.
        detail: RowDetail,
    },
    /// Octets of messages; each range lies within its message, all together are at most
    /// [`BODY_CHUNK_BYTES`](yubin_types::limits::BODY_CHUNK_BYTES): [`Answer::Octets`].
    Octets {
        /// Where.
        mailbox: MailboxId,
        /// Which; answered in this order.
        ranges: Vec<OctetRange>,
    },
    /// Runs a search over messages of the mailbox: [`Answer::Found`].
    Search {
        /// Where.
        mailbox: MailboxId,
        /// What.
        program: SearchKey,
    },
    /// Runs a search whose answer is in an order: [`Answer::Sorted`].
    Sort {
        /// Where.
        mailbox: MailboxId,
        /// The first decides first; at least one.
        criteria: Vec<SortCriterion>,
        /// What.
        program: SearchKey,
    },
    /// Changes flags: [`Answer::FlagsStored`].
    StoreFlags {
        /// Where.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// How.
        operation: FlagOperation,
        /// Flags.
        flags: FlagSet,
        /// Messages changed after it are left alone and named in the answer (RFC 7162 §3.1.3).
        unchanged_since: Option<ModSeq>,
    },
    /// Copies messages, all or none: [`Answer::Stored`].
    Copy {
        /// From.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// To.
        to: MailboxName,
    },
    /// Moves messages, all or none: [`Answer::Stored`].
    Move {
        /// From.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// To.
        to: MailboxName,
    },
    /// Removes messages: [`Answer::Done`].
    Expunge {
        /// Where.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// Which of them.
        which: ExpungeWhich,
    },
    /// CREATE: [`Answer::Created`].
    CreateMailbox {
        /// Its name; missing ancestors are created too.
        name: MailboxName,
        /// RFC 6154 §3.
        special_use: Option<SpecialUse>,
    },
    /// DELETE: [`Answer::Done`].
    DeleteMailbox(MailboxName),
    /// RENAME: [`Answer::Done`].
    RenameMailbox {
        /// Old name.
        from: MailboxName,
        /// New name.
        to: MailboxName,
    },
    /// SUBSCRIBE and UNSUBSCRIBE: [`Answer::Done`].
    SetSubscribed {
        /// Its name; need not exist.
        name: MailboxName,
        /// Which of the two.
        subscription: Subscription,
    },
    /// GETQUOTA and GETQUOTAROOT: [`Answer::Quotas`].
    Quotas,
    /// APPEND begins: may a message of this size come into this mailbox? [`Answer::Done`], or refused before an octet is sent.
    AppendBegin(NewMessage),
    /// The next octets of the message: [`Answer::Done`].
    AppendOctets(Bytes),
    /// All octets came: store it. [`Answer::Stored`] with the UID in `to`.
    AppendEnd,
    /// The client broke off: forget it. [`Answer::Done`].
    AppendAbort,
}

/// An answer or an event.
#[derive(Debug)]
pub enum Answer {
    /// Refused: nothing was changed.
    Refused(Refusal),
    /// Nobody could say; the outcome of a change is unknown.
    Unavailable,
    /// The password, the account or its domain changed: the session ends. Also an event.
    LoginRevoked,
    /// Event: the watched mailbox changed.
    Changed,
    /// Done; there is nothing to tell.
    Done,
    /// CREATE.
    Created(MailboxId),
    /// To a question of a SASL exchange.
    Sasl(sasl::Reply),
    /// The password is right and the account may log in.
    LoggedIn,
    /// No such account, or not its password: never said which.
    AuthenticationFailed,
    /// All mailboxes.
    Mailboxes {
        /// By name.
        mailboxes: Vec<MailboxFacts>,
        /// Subscribed names; some may not exist.
        subscribed: Vec<MailboxName>,
    },
    /// SELECT.
    Selected(SelectedFacts),
    /// Changes.
    Changes(Changes),
    /// Rows.
    Rows {
        /// In UID order.
        rows: Vec<MessageRow>,
        /// Ask again with UIDs from here.
        next: Option<Uid>,
    },
    /// Octets, in the order of the question; `None` where the message is gone.
    Octets(Vec<Option<Bytes>>),
    /// SEARCH.
    Found {
        /// Which match.
        uids: UidSet,
        /// The highest MODSEQ among them, if the program has a [`SearchKey::ModSeq`].
        highest_modseq: Option<ModSeq>,
    },
    /// SORT.
    Sorted {
        /// Which match, in order.
        uids: Vec<Uid>,
        /// As in `Found`.
        highest_modseq: Option<ModSeq>,
    },
    /// STORE.
    FlagsStored {
        /// Messages that UNCHANGEDSINCE left alone.
        modified: UidSet,
        /// The MODSEQ that the changed ones have now; `None` if none changed.
        modseq: Option<ModSeq>,
    },
    /// APPEND, COPY or MOVE (RFC 4315 APPENDUID, COPYUID).
    Stored {
        /// The target.
        mailbox: MailboxId,
        /// Its UIDVALIDITY.
        uid_validity: UidValidity,
        /// Source UIDs; APPEND has none.
        from: UidSet,
        /// Target UIDs in the same order.
        to: UidSet,
    },
    /// Quotas and usage.
    Quotas {
        /// The account's.
        account: (Quota, Usage),
        /// The one all accounts of the domain share.
        domain: (Quota, Usage),
    },
}

/// A refusal as IMAP shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Response code without brackets, such as `OVERQUOTA` (RFC 5530).
    pub code: Option<String>,
    /// Text for people.
    pub text: String,
}

/// How much of a message's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowDetail {
    /// Flags, MODSEQ, size, dates.
    Hot,
    /// And the structure.
    HotAndCold,
}

/// A range of a message as it is shown: prefix, then body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OctetRange {
    /// Which message.
    pub uid: Uid,
    /// From, bytes from the start of the prefix.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// How STORE changes flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagOperation {
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`
    Replace,
}

/// What [`Ask::Expunge`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpungeWhich {
    /// Those flagged `\Deleted`.
    FlaggedDeleted,
    /// All that are named: takes back a COPY that failed half way.
    All,
}

/// Wanted state of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// SUBSCRIBE.
    Subscribed,
    /// UNSUBSCRIBE.
    Unsubscribed,
}

/// A message that a client appends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Where to.
    pub mailbox: MailboxName,
    /// Its size, bytes: exactly so many are sent.
    pub bytes: u64,
    /// Its flags.
    pub flags: FlagSet,
    /// INTERNALDATE; `None`: now.
    pub internal_date: Option<Timestamp>,
}
