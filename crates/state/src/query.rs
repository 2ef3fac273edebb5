//! What can be asked of a group's state, answered by pure functions over a [`crate::View`].
//!
//! Answers are bounded: lists come in pages, rows in frames of at most [`yubin_types::limits::ROWS_PER_FRAME_MAX`]; the asker goes on
//! from the last. SEARCH's metadata keys are decided here ([`SearchKey::reads_text`](yubin_types::search::SearchKey::reads_text)
//! tells when the store must read bodies).

use serde::{Deserialize, Serialize};
use yubin_types::{
    AccountId, Address, CountryRules, DomainId, DomainName, EmailId, Filtering, FilteringRules, FlagSet, LocalPart,
    MailboxId, MailboxName, ModSeq, Quota, Refusal, Timestamp, Uid, UidSet, Usage,
};

use crate::auto_reply::AutoReplyReport;
use crate::command::Login;
use crate::expunged::{ExpungedMessage, ExpungedSearch, VaultPlace};
use crate::forward::{Forward, ForwardNotice};
use crate::greylist::{Reception, Visit};
use crate::queue::{QueueAnswer, QueueQuery, QueueSuspension};
use crate::record::{
    AccountRecord, AdminToken, AliasRecord, ColdRow, DirectoryDomain, DkimKey, DomainRecord, GroupRecord, HotRow,
    MailboxRecord, NodeRecord, Plan, Verifiers,
};
use crate::sending::{Counting, NameHolder, SendAsGrant, SenderRight, SendingAllowance, SendingNotice, SendingReport};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// Directory: where does this domain live?
    ResolveDomain(DomainName),
    /// Directory: domains after this name, in order.
    Domains {
        /// Start after.
        after: Option<DomainName>,
        /// At most so many.
        limit: u32,
    },
    /// Directory: all nodes.
    Nodes,
    /// Directory: all groups.
    Groups,
    /// Directory: all plans.
    Plans,
    /// Directory: all admin tokens.
    Tokens,
    /// Directory: a setting.
    Setting(String),
    /// The domain's record.
    Domain,
    /// May mail of this size come in for this name?
    Recipient {
        /// As the peer wrote it.
        local: LocalPart,
        /// Declared size, if any.
        bytes: Option<u64>,
    },
    /// What a login needs.
    Credentials(LocalPart),
    /// One account with its record.
    Account(LocalPart),
    /// Accounts after this name, in order of their lookup keys.
    Accounts {
        /// Start after.
        after: Option<LocalPart>,
        /// At most so many.
        limit: u32,
    },
    /// Aliases after this name.
    Aliases {
        /// Start after.
        after: Option<LocalPart>,
        /// At most so many.
        limit: u32,
    },
    /// Mailboxes of an account with STATUS data, and its subscriptions.
    Mailboxes(Login),
    /// One mailbox with everything SELECT tells.
    Select {
        /// Who.
        login: Login,
        /// Which.
        name: MailboxName,
    },
    /// Message rows in UID order.
    Rows {
        /// Who.
        login: Login,
        /// Where.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// Only those changed after it.
        changed_since: Option<ModSeq>,
        /// How much of each.
        detail: RowDetail,
    },
    /// What changed in a mailbox after a MODSEQ.
    Changes {
        /// Who.
        login: Login,
        /// Where.
        mailbox: MailboxId,
        /// After.
        since: ModSeq,
    },
    /// Quotas and usage as RFC 9208 shows them.
    QuotaRoots(Login),
    /// Is the login still good? (a linearizable check)
    CheckLogin(Login),
    /// When is maintenance due next? (answered by the leader for its timers)
    NextDue,
    /// Recomputes the usage of the domain and its accounts from the messages and compares.
    VerifyUsage,
    /// Mail on its way out.
    Queue(QueueQuery),
    /// Directory: all suspensions of queued mail; some may have expired.
    QueueSuspensions,
    /// The domain's DKIM keys, sealed; front ends and the administration ask.
    DkimKeys,
    /// What may this login send, and in this name?
    Sending {
        /// Who.
        login: Login,
        /// The sender, unless it is the null one.
        sender: Option<Address>,
        /// The asker's clock; it counts where the group's is behind it.
        now: Timestamp,
    },
    /// An account's sending limits and counts.
    SendingReport(LocalPart),
    /// In whose names an account may send beside its own.
    SendAs(LocalPart),
    /// What does a name stand for, that somebody is to send in? `None`: the domain as a whole.
    NameHolder(Option<LocalPart>),
    /// Owners of the whole group who are to be told of a suspension; its leader asks.
    SendingNotices,
    /// An account's forward.
    Forward(LocalPart),
    /// Owners of the whole group who are to be told of a paused forward; its leader asks.
    ForwardNotices,
    /// An account's automatic reply.
    AutoReply(LocalPart),
    /// From which countries an account may send; `None`: the domain's rule alone.
    Countries(Option<LocalPart>),
    /// What an account wants done with mail from other servers; `None`: the domain's rules alone.
    Filtering(Option<LocalPart>),
    /// How would these strangers be received?
    Greylist {
        /// They.
        visit: Visit,
        /// The asker's clock; it counts where the group's is behind it.
        now: Timestamp,
    },
    /// Which expunged messages are still kept?
    Expunged(ExpungedSearch),
}

/// How much of a message's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowDetail {
    /// The hot row.
    Hot,
    /// Hot and cold.
    HotAndCold,
}

/// An answer; the variant follows from the question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Refused, or no such thing.
    Refused(Refusal),
    /// A domain's place.
    DirectoryDomain(DirectoryDomain),
    /// Places.
    DirectoryDomains(Vec<DirectoryDomain>),
    /// Nodes.
    Nodes(Vec<NodeRecord>),
    /// Groups.
    Groups(Vec<GroupRecord>),
    /// Plans.
    Plans(Vec<Plan>),
    /// Tokens.
    Tokens(Vec<AdminToken>),
    /// A setting.
    Setting(Option<Vec<u8>>),
    /// The domain.
    Domain(DomainRecord),
    /// The recipient is welcome.
    Recipient(RecipientFacts),
    /// What a login needs.
    Credentials(Credentials),
    /// An account.
    Account(AccountRecord),
    /// Accounts.
    Accounts(Vec<AccountRecord>),
    /// Aliases.
    Aliases(Vec<AliasRecord>),
    /// Mailboxes.
    Mailboxes {
        /// By name.
        mailboxes: Vec<MailboxRecord>,
        /// Subscribed names; some may not exist.
        subscribed: Vec<MailboxName>,
    },
    /// SELECT.
    Selected(Selected),
    /// Rows; `next` is where to go on.
    Rows {
        /// In UID order.
        rows: Vec<MessageRow>,
        /// Ask again with UIDs from here.
        next: Option<Uid>,
    },
    /// Changes.
    Changes(Changes),
    /// Quotas.
    QuotaRoots {
        /// The account's.
        account: (Quota, Usage),
        /// The shared one.
        domain: (Quota, Usage),
    },
    /// Yes.
    Ok,
    /// Due times.
    NextDue(Option<yubin_types::Timestamp>),
    /// Counted and kept usage of the domain and of each account that differs; all equal: `differing` is empty.
    UsageVerified {
        /// The domain, counted.
        counted: Usage,
        /// The domain, as kept.
        kept: Usage,
        /// Accounts whose two figures differ: (account, counted, kept).
        differing: Vec<(AccountId, Usage, Usage)>,
    },
    /// Mail on its way out.
    Queue(QueueAnswer),
    /// Suspensions.
    QueueSuspensions(Vec<QueueSuspension>),
    /// DKIM keys by selector; retired ones may be over.
    DkimKeys(Vec<DkimKey>),
    /// What may be sent.
    Sending {
        /// How much.
        allowance: SendingAllowance,
        /// By what right in the sender's name.
        right: SenderRight,
    },
    /// Nothing may be sent now.
    SendingRefused {
        /// Why.
        refusal: Refusal,
        /// Whether the asker has it counted.
        counting: Counting,
    },
    /// Limits and counts.
    SendingReport(Box<SendingReport>),
    /// Rights to send in other names.
    SendAs(Vec<SendAsGrant>),
    /// What a name stands for.
    NameHolder(NameHolder),
    /// Owners to be told.
    SendingNotices(Vec<SendingNotice>),
    /// Where mail goes on to; `None`: nowhere.
    Forward(Option<Forward>),
    /// Owners to be told.
    ForwardNotices(Vec<ForwardNotice>),
    /// How an account answers; `None`: not at all.
    AutoReply(Option<Box<AutoReplyReport>>),
    /// From where may be sent.
    Countries(CountryRules),
    /// What is wanted done with mail from other servers.
    Filtering(Box<FilteringRules>),
    /// How strangers are received, each in its place.
    Greylist(Vec<Reception>),
    /// Expunged messages.
    Expunged {
        /// In the order of expunging.
        found: Vec<ExpungedMessage>,
        /// There may be more: search again after this place.
        next: Option<VaultPlace>,
    },
}

/// A recipient that exists and has room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientFacts {
    /// Largest message the plan takes, bytes.
    pub message_bytes_max: u64,
    /// Is a message to it worth what an answer needs?
    pub answering: Answering,
    /// What it wants done with mail from other servers; `None`: as the front end is configured.
    pub filtering: Option<Box<Filtering>>,
}

/// Do accounts that a recipient leads to answer by themselves?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answering {
    /// None does.
    #[default]
    Nobody,
    /// One may.
    Somebody,
}

/// What a login needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The domain.
    pub domain: DomainId,
    /// The account and its generation.
    pub login: Login,
    /// The account's own spelling.
    pub local: LocalPart,
    /// Slow verifiers.
    pub verifiers: Verifiers,
    /// Fast verifier, if a password was verified since the generation began.
    pub fast: Option<[u8; 32]>,
    /// May it log in? Suspended accounts and domains may not: the reason.
    pub refused: Option<Refusal>,
    /// From where it may log in to send.
    pub countries: CountryRules,
}

/// Everything SELECT tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// The mailbox.
    pub mailbox: MailboxRecord,
    /// All UIDs.
    pub uids: UidSet,
    /// The lowest UID without `\Seen`.
    pub first_unseen: Option<Uid>,
    /// Keywords in use, for FLAGS.
    pub keywords: Vec<yubin_types::Keyword>,
}

/// A message's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRow {
    /// UID.
    pub uid: Uid,
    /// Hot row.
    pub hot: HotRow,
    /// Cold row, if asked for.
    pub cold: Option<ColdRow>,
}

/// What changed in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// HIGHESTMODSEQ now.
    pub highest_modseq: ModSeq,
    /// UIDNEXT now.
    pub uid_next: Uid,
    /// New messages and changed flags, in UID order.
    pub changed: Vec<ChangedMessage>,
    /// Messages that went. If the MODSEQ lies below the tombstone floor, `live` is set instead.
    pub vanished: UidSet,
    /// All UIDs now, where tombstones no longer tell: vanished is what the asker knew minus these.
    pub live: Option<UidSet>,
    /// There are more changed messages: ask again for changes since this.
    pub next: Option<ModSeq>,
}

/// A new message or one with changed flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedMessage {
    /// UID.
    pub uid: Uid,
    /// MODSEQ.
    pub modseq: ModSeq,
    /// Flags now.
    pub flags: FlagSet,
    /// Identity.
    pub email_id: EmailId,
}
