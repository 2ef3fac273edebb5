//! What the rim tells of mailboxes and messages.

use bytes::Bytes;
use yubin_types::{
    EmailId, FlagSet, Keyword, MailboxId, MailboxName, ModSeq, SpecialUse, Timestamp, Uid, UidSet, UidValidity,
};

/// A mailbox with what STATUS tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxFacts {
    /// Its identity.
    pub id: MailboxId,
    /// Its name.
    pub name: MailboxName,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// HIGHESTMODSEQ.
    pub highest_modseq: ModSeq,
    /// MESSAGES.
    pub messages: u32,
    /// UNSEEN.
    pub unseen: u32,
    /// DELETED (flagged so).
    pub deleted: u32,
    /// SIZE (RFC 8438), bytes.
    pub bytes: u64,
}

/// Everything SELECT tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedFacts {
    /// The mailbox.
    pub mailbox: MailboxFacts,
    /// All UIDs.
    pub uids: UidSet,
    /// The lowest UID without `\Seen`.
    pub first_unseen: Option<Uid>,
    /// Keywords in use, for FLAGS.
    pub keywords: Vec<Keyword>,
}

/// A message's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// UID.
    pub uid: Uid,
    /// Flags.
    pub flags: FlagSet,
    /// Last change.
    pub modseq: ModSeq,
    /// RFC822.SIZE: prefix and body together, bytes.
    pub bytes: u64,
    /// INTERNALDATE.
    pub internal_date: Timestamp,
    /// RFC 8514 SAVEDATE.
    pub save_date: Timestamp,
    /// RFC 8474 EMAILID.
    pub email_id: EmailId,
    /// The structure, if asked for.
    pub cold: Option<ColdFacts>,
}

/// A message's structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColdFacts {
    /// Size of what goes before the body, bytes; lines of a header.
    pub prefix_bytes: u64,
    /// A `yubin_message::PartTree` of the body without the prefix, as stored.
    pub facts: Bytes,
}

/// What changed in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// HIGHESTMODSEQ now.
    pub highest_modseq: ModSeq,
    /// UIDNEXT now.
    pub uid_next: Uid,
    /// New messages and changed flags, in UID order.
    pub changed: Vec<ChangedMessage>,
    /// Messages that went.
    pub vanished: UidSet,
    /// All UIDs now, where the store no longer remembers what went; `vanished` is empty then.
    pub live: Option<UidSet>,
}

/// A new message or one with changed flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedMessage {
    /// UID.
    pub uid: Uid,
    /// MODSEQ.
    pub modseq: ModSeq,
    /// Flags now.
    pub flags: FlagSet,
}
