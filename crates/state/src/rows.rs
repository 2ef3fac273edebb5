//! What rows hold that only this crate reads and writes; what others see of them is in [`crate::record`].
//!
//! Rows that change with every message (`Counters`, `Account`, `Mailbox`, `Chunk`) are small and apart from what rarely changes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use yubin_types::{
    AccountId, DomainId, DomainName, Epoch, Keyword, LocalPart, MailboxId, MailboxName, ModSeq, Quota, SpecialUse,
    Timestamp, Uid, UidSet, UidValidity, Usage,
};

use crate::record::{AccountRecord, ColdRow, DomainRecord, HotRow, MailboxRecord, Plan, Standing, Verifiers};
use crate::sending::SendingSuspension;

/// What an operator sets on a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Its name.
    pub name: DomainName,
    /// Its placement's epoch: commands with another are refused.
    pub epoch: Epoch,
    /// In use, or being deleted.
    pub phase: Phase,
    /// Active or suspended.
    pub standing: Standing,
    /// Its plan, copied.
    pub plan: Plan,
    /// Its own shared quota.
    pub quota: Option<Quota>,
    /// Who gets mail for names that don't exist.
    pub catch_all: Option<LocalPart>,
    /// When it was created.
    pub created: Timestamp,
    /// Grows when all its sessions must log in again; added to each account's own.
    pub generation: u64,
    /// Has a row of its own about mail from other servers: most have none, and a recipient needn't look.
    pub filters: bool,
}

/// A domain's life in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// In use.
    Live,
    /// Invisible; its rows are going.
    Deleting,
}

/// What changes with every message of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// What all accounts hold together.
    pub usage: Usage,
    /// Accounts.
    pub accounts: u64,
    /// The last MODSEQ.
    pub modseq: ModSeq,
    /// The last UIDVALIDITY.
    pub uid_validity: u32,
    /// The last account id.
    pub account: u32,
    /// The last mailbox id.
    pub mailbox: u32,
    /// Under which time the domain stands among the due times of Trash: its first expiry, or earlier.
    pub due_trash: Option<Timestamp>,
    /// Likewise for the vault.
    pub due_vault: Option<Timestamp>,
    /// Likewise for graves.
    pub due_graves: Option<Timestamp>,
    /// Likewise for events of the queue.
    pub due_events: Option<Timestamp>,
    /// Likewise for notices to owners.
    pub due_notices: Option<Timestamp>,
}

/// Who a local part is. Accounts and aliases share one name space (SONET-45).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Name {
    /// An account.
    Account(AccountId),
    /// An alias.
    Alias {
        /// Its spelling.
        local: LocalPart,
        /// Where its mail goes.
        targets: Vec<LocalPart>,
    },
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub local: LocalPart,
    /// Active or suspended.
    pub standing: Standing,
    /// Its own part of the generation.
    pub generation: u64,
    /// Its own quota.
    pub quota: Option<Quota>,
    /// What it holds.
    pub usage: Usage,
    /// When it was created.
    pub created: Timestamp,
    /// INBOX.
    pub inbox: MailboxId,
    /// Mailboxes by use, in the order of [`SpecialUse::ALL`].
    pub uses: [Option<MailboxId>; 5],
    /// How many mailboxes.
    pub mailboxes: u32,
    /// How many subscriptions.
    pub subscriptions: u32,
    /// How many names with a remembered UIDVALIDITY.
    pub retired_names: u32,
    /// UIDVALIDITY that any mailbox must exceed that comes to another name.
    pub uid_validity_floor: UidValidity,
    /// Has a row of its own about forwarding: most have none, and a delivery needn't look.
    pub forwards: bool,
    /// The same about automatic replies.
    pub answers: bool,
    /// The same about mail from other servers.
    pub filters: bool,
}

impl Account {
    /// The quota in force.
    pub(crate) fn effective_quota(&self, domain: &Domain) -> Quota {
        self.quota.unwrap_or(domain.plan.account_quota)
    }

    /// The mailbox of a use.
    pub(crate) fn mailbox_for(&self, special_use: Option<SpecialUse>) -> MailboxId {
        special_use.and_then(|wanted| self.use_slot(wanted)).unwrap_or(self.inbox)
    }

    fn use_slot(&self, wanted: SpecialUse) -> Option<MailboxId> {
        SpecialUse::ALL.iter().zip(&self.uses).find(|(one, _)| **one == wanted).and_then(|(_, id)| *id)
    }

    /// Has a mailbox of this use?
    pub(crate) fn has_use(&self, wanted: SpecialUse) -> bool {
        self.use_slot(wanted).is_some()
    }

    /// Gives a use to a mailbox.
    pub(crate) fn set_use(&mut self, wanted: SpecialUse, mailbox: MailboxId) {
        for (one, slot) in SpecialUse::ALL.iter().zip(&mut self.uses) {
            if *one == wanted {
                *slot = Some(mailbox);
            }
        }
    }

    /// What others see.
    pub(crate) fn record(&self, id: AccountId, domain: &Domain, sending: Option<SendingSuspension>) -> AccountRecord {
        AccountRecord {
            id,
            local: self.local.clone(),
            standing: self.standing.clone(),
            generation: self.generation + domain.generation,
            quota: self.quota,
            usage: self.usage,
            created: self.created,
            sending,
        }
    }
}

/// An account's password verifiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Slow ones.
    pub verifiers: Verifiers,
    /// The keyed fast one, of the same password, and the generation that it is bound to.
    pub fast: Option<(u64, [u8; 32])>,
}

/// A mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Whose.
    pub account: AccountId,
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
    /// Messages.
    pub messages: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// Bytes.
    pub bytes: u64,
    /// Different keywords in use.
    pub keywords: u32,
    /// Tombstone rows.
    pub tombstones: u32,
    /// Below this MODSEQ tombstones no longer tell everything.
    pub floor: ModSeq,
    /// Set for Trash and what is below it.
    pub trash: Option<TrashQueue>,
    /// Set while RENAME empties INBOX into another mailbox.
    pub emptying: Option<Emptying>,
}

impl Mailbox {
    /// What others see.
    pub(crate) fn record(&self, id: MailboxId) -> MailboxRecord {
        MailboxRecord {
            id,
            name: self.name.clone(),
            special_use: self.special_use,
            uid_validity: self.uid_validity,
            uid_next: self.uid_next,
            highest_modseq: self.highest_modseq,
            messages: self.messages,
            unseen: self.unseen,
            deleted: self.deleted,
            bytes: self.bytes,
        }
    }
}

/// How a Trash mailbox waits for its next expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrashQueue {
    /// Since when the mailbox is in Trash: older mail counts from then.
    pub since: Timestamp,
    /// Under which date it stands in the index, if it holds mail: that of its oldest message, or earlier.
    pub filed: Option<Timestamp>,
}

/// RENAME of INBOX that needs several commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emptying {
    /// Where to.
    pub into: MailboxId,
    /// Only messages below this UID: what came later stays.
    pub below: Uid,
}

/// UIDs of a run of [`crate::keys::UIDS_PER_CHUNK`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// All.
    pub live: UidSet,
    /// Those without `\Seen`.
    pub unseen: UidSet,
    /// Those with `\Deleted`.
    pub deleted: UidSet,
}

/// UIDs that went from a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone(pub UidSet);

/// A keyword in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeywordCount {
    /// As first written.
    pub keyword: Keyword,
    /// On how many messages.
    pub messages: u32,
}

/// An expunged message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vaulted {
    /// Whose it was.
    pub account: AccountId,
    /// Its hot row.
    pub hot: HotRow,
    /// Its cold row.
    pub cold: ColdRow,
}

/// A deleted mailbox or account whose rows are still to be swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grave {
    /// Since when.
    pub since: Timestamp,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Until when it is remembered.
    pub expires: Timestamp,
    /// The reply, encoded.
    pub reply: Bytes,
}

impl Domain {
    /// What others see.
    pub(crate) fn record(&self, id: DomainId, counters: &Counters) -> DomainRecord {
        DomainRecord {
            id,
            name: self.name.clone(),
            standing: self.standing.clone(),
            plan: self.plan.clone(),
            quota: self.quota,
            catch_all: self.catch_all.clone(),
            usage: counters.usage,
            accounts: counters.accounts,
            created: self.created,
        }
    }

    /// The shared quota in force.
    pub(crate) fn effective_quota(&self) -> Quota {
        self.quota.unwrap_or(self.plan.domain_quota)
    }
}
