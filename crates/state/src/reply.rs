//! What a proposal comes back with. A refusal is a reply like any other.

use serde::{Deserialize, Serialize};
use yubin_types::{
    AccountId, DomainId, LocalPart, MailboxId, ModSeq, Placement, Refusal, Timestamp, Uid, UidSet, UidValidity,
};

use crate::greylist::Reception;
use crate::queue::{QueueReply, Shares};

/// The outcome of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done; there is nothing to tell.
    Done,
    /// Refused: nothing was changed.
    Refused(Refusal),
    /// A domain has its place.
    DomainPlaced {
        /// Identity.
        id: DomainId,
        /// Place.
        placement: Placement,
    },
    /// An account exists.
    AccountCreated(AccountId),
    /// A delivery: for each recipient in order, where its mail is now. An account that several recipients reach has one copy, which is
    /// named for each of them.
    Delivered(Vec<Vec<StoredCopy>>),
    /// A delivery that stored nothing: for each recipient in order, why not, if it was to blame.
    DeliveryRefused(Vec<Option<Refusal>>),
    /// APPEND, COPY or MOVE (RFC 4315 APPENDUID, COPYUID).
    Stored {
        /// The target.
        mailbox: MailboxId,
        /// Its UIDVALIDITY.
        uid_validity: UidValidity,
        /// Source and target UIDs in the same order; APPEND has only targets.
        from: UidSet,
        /// Target UIDs, ascending and consecutive.
        to: UidSet,
        /// The domain's MODSEQ afterwards.
        modseq: ModSeq,
    },
    /// STORE.
    FlagsStored {
        /// Messages that UNCHANGEDSINCE left alone.
        modified: UidSet,
        /// The MODSEQ that the changed ones have now; `None` if none changed.
        modseq: Option<ModSeq>,
    },
    /// EXPUNGE: the first [`yubin_types::limits::MESSAGES_PER_COMMAND_MAX`] that qualified; with as many, propose again for more.
    Expunged {
        /// Which are gone.
        uids: UidSet,
        /// MODSEQ of their going.
        modseq: ModSeq,
    },
    /// A mailbox was created or renamed.
    Mailbox(MailboxId),
    /// A bounded piece of larger work was done.
    Progress {
        /// Must the same command be proposed again?
        more: More,
        /// Rows that went.
        touched: u64,
        /// When the next is due, for maintenance.
        next_due: Option<Timestamp>,
    },
    /// A command on the queue.
    Queue(QueueReply),
    /// How strangers are received, each in its place.
    Greylist(Vec<Reception>),
    /// What workers may use of receivers' limits.
    Shares(Box<Shares>),
    /// How many messages of each item are granted.
    WarmUp(Vec<u32>),
}

/// Is there more to do?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum More {
    /// Propose the same command again.
    Yes,
    /// Finished.
    No,
}

/// Where a delivered copy went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCopy {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub local: LocalPart,
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The UID.
    pub uid: Uid,
}
