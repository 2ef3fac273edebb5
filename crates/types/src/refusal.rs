//! Why a request that was understood is not carried out. A refusal is a reply, not an error.
//!
//! The state machine and `policy` answer with these; `policy` holds the one table that turns them into SMTP, IMAP and POP3 text.

use serde::{Deserialize, Serialize};

use crate::quota::QuotaScope;
use crate::sending::{SendingLimit, SuspensionCause};
use crate::time::Timestamp;

/// A reason, with what the reader needs to act on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The domain is not hosted here.
    #[error("no such domain")]
    NoSuchDomain,
    /// The domain moved or was created anew; ask the directory again and retry.
    #[error("the domain has moved")]
    StaleEpoch,
    /// The domain is being moved; retry soon.
    #[error("the domain is being moved")]
    DomainFrozen,
    /// The operator suspended the domain.
    #[error("the domain is suspended: {reason}")]
    DomainSuspended {
        /// The operator's words.
        reason: String,
    },
    /// No account, alias or catch-all takes this address.
    #[error("no such recipient")]
    NoSuchRecipient,
    /// No such account.
    #[error("no such account")]
    NoSuchAccount,
    /// The operator suspended the account.
    #[error("the account is suspended")]
    AccountSuspended,
    /// The session's view of the account's credentials is out of date: log in again.
    #[error("the account changed; log in again")]
    StaleGeneration,
    /// Storing this would exceed a quota.
    #[error("over quota")]
    OverQuota {
        /// Whose quota.
        scope: QuotaScope,
    },
    /// The message is larger than the plan allows.
    #[error("message too big: at most {limit_bytes} bytes")]
    MessageTooBig {
        /// The plan's limit, bytes.
        limit_bytes: u64,
    },
    /// No such mailbox.
    #[error("no such mailbox")]
    NoSuchMailbox,
    /// The mailbox exists already.
    #[error("the mailbox exists already")]
    MailboxExists,
    /// INBOX or a mailbox with a fixed role can't be deleted or renamed so.
    #[error("this mailbox can't be deleted or renamed")]
    MailboxProtected,
    /// The mailbox has children and can't be removed alone.
    #[error("the mailbox has children")]
    MailboxHasChildren,
    /// A bound of the product was reached.
    #[error("too many {what}: at most {limit}")]
    TooMany {
        /// What there are too many of.
        what: String,
        /// The bound.
        limit: u64,
    },
    /// The name is taken; `owner` says by what.
    #[error("the name is taken by {owner}")]
    NameTaken {
        /// The object that holds it, such as `alias` or `account` (SONET-45).
        owner: String,
    },
    /// The name does not follow the rules for creating one.
    #[error("invalid name: {why}")]
    InvalidName {
        /// The rule that it breaks.
        why: String,
    },
    /// The value is out of its bounds.
    #[error("invalid value: {why}")]
    InvalidValue {
        /// The bound that it breaks.
        why: String,
    },
    /// No such object (plan, alias, node, group).
    #[error("no such {what}")]
    NotFound {
        /// The kind of object.
        what: String,
    },
    /// Something still refers to the object.
    #[error("still in use: {why}")]
    InUse {
        /// What refers to it.
        why: String,
    },
    /// Mail is looping.
    #[error("too many hops")]
    TooManyHops,
    /// Relaying is not allowed for this client.
    #[error("relaying denied")]
    RelayDenied,
    /// The sender is not an address of the account that logged in.
    #[error("sender address not owned by the login")]
    SenderNotOwned,
    /// The POP3 lock was lost or is held by another session.
    #[error("the mailbox is in use by another session")]
    MailboxLocked,
    /// A stamp too far ahead of its group's clock.
    #[error("clock out of bounds")]
    ClockOutOfBounds,
    /// The command needs a newer format than the group has.
    #[error("not supported by this version")]
    Unsupported,
    /// The domain has too much mail in the queue; it drains.
    #[error("too much mail of the domain waits to be sent")]
    QueueFull,
    /// The message can't be signed, now or later (DKIM, RFC 6376 §5.4).
    #[error("the message can't be signed: {why}")]
    NotSignable {
        /// What is wrong with it.
        why: String,
    },
    /// As much was sent as may be sent in a time.
    #[error("sending limit reached: {limit}")]
    SendingLimit {
        /// Which.
        limit: SendingLimit,
        /// When there is room again.
        until: Timestamp,
    },
    /// The account may send nothing until somebody ends that; it reads and receives.
    #[error("sending is suspended: {cause}")]
    SendingSuspended {
        /// Why.
        cause: SuspensionCause,
    },
    /// Another mailbox of the account has this special use (RFC 6154).
    #[error("another mailbox has this use")]
    SpecialUseTaken,
}
