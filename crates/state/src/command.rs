//! What can be proposed to a group.
//!
//! An [`Entry`] is encoded once by the proposer and goes unchanged through gRPC into the log of every replica. Every command names its
//! domain, carries an idempotency key and a stamp ([`Envelope`]); none touches more than
//! [`yubin_types::limits::MESSAGES_PER_COMMAND_MAX`] messages.

mod directory;
mod envelope;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use yubin_types::{
    AccountId, CountryRule, DomainName, EmailId, Filtering, FlagSet, LocalPart, MailboxId, MailboxName, ModSeq, Quota,
    ReversePath, SpecialUse, Timestamp, UidSet,
};

pub use self::directory::DirectoryCommand;
pub use self::envelope::{Actor, DedupeClass, Envelope};
use crate::auto_reply::AutoReplyCommand;
use crate::expunged::VaultPlace;
use crate::forward::{ForwardCommand, Passage};
use crate::greylist::Visit;
use crate::queue::QueueCommand;
use crate::record::{NewDkimKey, Plan, Verifiers};
use crate::sending::SendingCommand;

/// A command in its envelope: what the log holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who, when, for which domain.
    pub envelope: Envelope,
    /// What.
    pub command: Command,
}

/// Everything that changes state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Group 0 only.
    Directory(DirectoryCommand),
    /// The domain itself, its accounts and aliases.
    Domain(DomainCommand),
    /// Messages and mailboxes of an account.
    Mail(MailCommand),
    /// What the group's leader proposes on its own.
    Maintenance(MaintenanceCommand),
    /// Mail on its way out.
    Queue(QueueCommand),
}

/// Commands on a domain, its accounts and aliases. Accounts are named by local part: administration speaks of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DomainCommand {
    /// Creates the domain's rows; repeating it is harmless.
    Create {
        /// The name.
        name: DomainName,
        /// The plan, copied.
        plan: Plan,
        /// The shared quota; `None` takes the plan's.
        quota: Option<Quota>,
    },
    /// Changes what is `Some`.
    Update {
        /// Another plan, copied.
        plan: Option<Plan>,
        /// Another shared quota.
        quota: Option<Quota>,
        /// Who gets mail for names that don't exist; `Some(None)` turns the catch-all off.
        catch_all: Option<Option<LocalPart>>,
    },
    /// Stops logins and deliveries; mail is kept.
    Suspend {
        /// The operator's words, shown to whoever is refused.
        reason: String,
    },
    /// Ends a suspension.
    Resume,
    /// Deletes the next messages, then accounts, then the domain; the reply says whether there is more.
    Delete,
    /// Creates an account with INBOX and a mailbox for each special use.
    CreateAccount {
        /// Its name; must be creatable and free.
        local: LocalPart,
        /// Password verifiers.
        verifiers: Verifiers,
        /// Its own quota; `None` takes the plan's.
        quota: Option<Quota>,
    },
    /// Sets another password; sessions with the old one end.
    SetPassword {
        /// The account.
        local: LocalPart,
        /// Verifiers of the new password.
        verifiers: Verifiers,
    },
    /// Sets another quota; `None` goes back to the plan's.
    SetAccountQuota {
        /// The account.
        local: LocalPart,
        /// The quota.
        quota: Option<Quota>,
    },
    /// Stops the account's logins; mail is still delivered.
    SuspendAccount {
        /// The account.
        local: LocalPart,
        /// The operator's words.
        reason: String,
    },
    /// Ends a suspension.
    ResumeAccount {
        /// The account.
        local: LocalPart,
    },
    /// Deletes the account's next messages, then the account; the reply says whether there is more.
    DeleteAccount {
        /// The account.
        local: LocalPart,
    },
    /// Remembers a verified password as a keyed fast verifier, if the generation is still the same.
    PutFastVerifier {
        /// The account.
        account: AccountId,
        /// The generation that was verified.
        generation: u64,
        /// HMAC-SHA-256 of the password under the cluster secret.
        mac: [u8; 32],
    },
    /// Adds or replaces an alias; targets are local parts of the same domain.
    PutAlias {
        /// Its name.
        local: LocalPart,
        /// Where its mail goes.
        targets: Vec<LocalPart>,
    },
    /// Removes an alias.
    RemoveAlias {
        /// Its name.
        local: LocalPart,
    },
    /// Adds DKIM keys, all or none. They sign at once if no other does; else they wait for [`DomainCommand::ActivateDkimKeys`].
    AddDkimKeys(Vec<NewDkimKey>),
    /// The records of the keys that wait are published: they sign from now on, and those that did retire.
    ActivateDkimKeys,
    /// Forgets the key with this selector.
    RemoveDkimKey(DomainName),
    /// How much an account sends.
    Sending(SendingCommand),
    /// Where an account's mail goes on to.
    Forward(ForwardCommand),
    /// How an account answers by itself.
    AutoReply(AutoReplyCommand),
    /// Sets from which countries may be sent, or forgets it.
    SetCountries {
        /// The account; `None`: the domain's own rule.
        account: Option<LocalPart>,
        /// The rule; `None`: none.
        rule: Option<CountryRule>,
    },
    /// Sets what is wanted done with mail from other servers, or forgets it.
    SetFiltering {
        /// The account; `None`: the domain's own rules.
        account: Option<LocalPart>,
        /// The rules; `None`: none.
        rules: Option<Box<Filtering>>,
    },
    /// Strangers name recipients; what is remembered of them changes.
    Greylist(Visit),
    /// Brings expunged messages back, all or none of those that are still kept.
    RestoreExpunged {
        /// The account that gets them.
        local: LocalPart,
        /// Where they are kept; at most [`yubin_types::limits::MESSAGES_PER_COMMAND_MAX`].
        places: Vec<VaultPlace>,
        /// The mailbox that gets them; made where there is none.
        into: MailboxName,
    },
}

/// A message that is being stored. Its body is the entry's body with this ordinal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    /// Size of the body without any prefix, bytes.
    pub body_bytes: u64,
    /// The cold row: what `message` found in it, as bytes (part tree, ENVELOPE); describes the body without a prefix.
    pub cold: Bytes,
    /// INTERNALDATE.
    pub internal_date: Timestamp,
    /// The entry's body.
    pub body_ordinal: u16,
}

/// One accepted RCPT of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The local part as the peer wrote it; account, alias, subaddress or catch-all.
    pub local: LocalPart,
    /// Where it goes: INBOX, or the mailbox of this use.
    pub special_use: Option<SpecialUse>,
    /// Goes before the body: Return-Path, Delivered-To, Received. At most
    /// [`yubin_types::limits::MESSAGE_PREFIX_BYTES_MAX`].
    pub prefix: Bytes,
    /// The stored copy's identity.
    pub email_id: EmailId,
}

/// How STORE changes flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlagOperation {
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`
    Replace,
}

/// Who changes mail: refused with `StaleGeneration` when the account's credentials or state have changed since the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The account.
    pub account: AccountId,
    /// Its generation at login.
    pub generation: u64,
}

/// Commands on messages and mailboxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailCommand {
    /// Stores a message for all recipients of one domain, or for none, and queues what is forwarded of it and who answers it.
    Deliver {
        /// The account that submits; `None` for mail that nobody logged in for.
        login: Option<Login>,
        /// Envelope sender.
        sender: ReversePath,
        /// At least one.
        recipients: Vec<Recipient>,
        /// The message.
        message: NewMessage,
        /// What is known of its way.
        passage: Passage,
    },
    /// Stores messages in a mailbox (APPEND, MULTIAPPEND): all or none.
    Append {
        /// Who.
        login: Login,
        /// Where.
        mailbox: MailboxName,
        /// Each with its flags and identity.
        messages: Vec<(NewMessage, FlagSet, EmailId)>,
    },
    /// Changes flags.
    StoreFlags {
        /// Who.
        login: Login,
        /// Where.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// How.
        operation: FlagOperation,
        /// Flags.
        flags: FlagSet,
        /// RFC 7162 UNCHANGEDSINCE: messages changed after it are left alone and named in the reply.
        unchanged_since: Option<ModSeq>,
    },
    /// Copies messages; all or none.
    Copy {
        /// Who.
        login: Login,
        /// From.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// To.
        to: MailboxName,
    },
    /// Moves messages; all or none, and never over quota.
    Move {
        /// Who.
        login: Login,
        /// From.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// To.
        to: MailboxName,
    },
    /// Removes messages: of `uids` those flagged `\Deleted`, or all of them for POP3.
    Expunge {
        /// Who.
        login: Login,
        /// Where.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// Which of them.
        which: ExpungeWhich,
    },
    /// Creates a mailbox and its missing ancestors.
    CreateMailbox {
        /// Who.
        login: Login,
        /// Its name.
        name: MailboxName,
        /// RFC 6154 CREATE with USE.
        special_use: Option<SpecialUse>,
    },
    /// Removes a mailbox and its messages (bounded: the reply may say that there is more).
    DeleteMailbox {
        /// Who.
        login: Login,
        /// Its name.
        name: MailboxName,
    },
    /// Renames a mailbox and what is below it; INBOX gives its messages to the new one (RFC 9051 §6.3.6; bounded likewise).
    RenameMailbox {
        /// Who.
        login: Login,
        /// Old name.
        from: MailboxName,
        /// New name.
        to: MailboxName,
    },
    /// SUBSCRIBE and UNSUBSCRIBE.
    SetSubscribed {
        /// Who.
        login: Login,
        /// Its name; need not exist.
        name: MailboxName,
        /// Which of the two.
        subscription: Subscription,
    },
}

/// What EXPUNGE takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExpungeWhich {
    /// Messages flagged `\Deleted` (IMAP).
    FlaggedDeleted,
    /// All that are named (POP3 at QUIT, "clear mailbox").
    All,
}

/// Wanted state of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subscription {
    /// SUBSCRIBE.
    Subscribed,
    /// UNSUBSCRIBE.
    Unsubscribed,
}

/// What the leader of a group proposes on its own when something is due at the entry's stamp. Each touches a bounded number of rows;
/// the reply says whether there is more, and when the next is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MaintenanceCommand {
    /// Expires mail in Trash (SHIN-17) whose plan's time is over, in all domains of the group.
    ExpireTrash,
    /// Drops expunged mail from the vault.
    PurgeVault,
    /// Forgets outcomes of requests.
    ForgetRequests,
    /// Changes the group's copy of a plan.
    PutPlan(Plan),
    /// Forgets final outcomes of queued mail.
    ForgetEvents,
    /// Forgets strangers that were asked to come again.
    ForgetStrangers,
}
