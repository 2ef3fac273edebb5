//! What rows hold, as far as others see it. Keys and the rest are in `keys` and the modules that own them.

use std::net::IpAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use yubin_types::{
    AccountId, DomainId, DomainName, EmailId, FlagSet, Limit, LocalPart, MailboxId, MailboxName, ModSeq, Placement,
    Quota, ReverseDnsRule, SendingLimits, SpecialUse, Timestamp, Uid, UidValidity, Usage, limits,
};

use crate::kv::BodyRef;
use crate::sending::SendingSuspension;

/// What a customer's contract allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Shared quota of a domain that sets none.
    pub domain_quota: Quota,
    /// Quota of an account that sets none.
    pub account_quota: Quota,
    /// Largest message, bytes with headers and prefix (SPPD-18 to 20).
    pub message_bytes_max: u64,
    /// Accounts of one domain.
    pub accounts_max: Limit,
    /// Seconds after the move into Trash until a message expires (SHIN-17); `None`: never.
    pub trash_expiry_seconds: Option<u64>,
    /// Seconds that expunged mail stays in the vault; 0: not kept.
    pub vault_seconds: u64,
    /// How much may be sent.
    pub sending: Box<SendingLimits>,
    /// How queued mail is tried; `None`: as the workers are configured.
    pub retry: Option<Box<RetryTerms>>,
    /// What the names of hosts that send to its domains must be; `None`: as the front ends are configured (SONET-09, SONET-10).
    pub reverse_dns: Option<ReverseDnsRule>,
}

/// How long and how often a domain's queued mail is tried, and how its senders are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryTerms {
    /// Waits after the first attempts, seconds: 1 to [`limits::RETRY_WAITS_MAX`], each at least [`limits::RETRY_WAIT_SECONDS_MIN`]. Then each
    /// is twice the one before.
    pub first_waits_seconds: Vec<u32>,
    /// The longest wait, seconds; none of the first is longer.
    pub wait_seconds_max: u32,
    /// When mail is given up, seconds after it was queued: 1 to [`limits::QUEUE_LIFETIME_SECONDS_MAX`].
    pub lifetime_seconds: u32,
    /// When senders are told that their mail still waits, seconds; `None`: never.
    pub delay_notice_seconds: Option<u32>,
    /// The words of notices.
    pub notices: NoticeProfile,
}

/// Whose words notices use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeProfile {
    /// This system's own.
    #[default]
    Plain,
    /// qmail's (NEWC-10 to NEWC-14).
    Qmail,
    /// Postfix's (SONET-18, SONET-23).
    Postfix,
}

/// Password verifiers (decisions: set-password stores both).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifiers {
    /// PHC string, Argon2id.
    pub argon2id: String,
    /// SCRAM-SHA-256 (RFC 5803).
    pub scram_sha_256: ScramVerifier,
}

/// RFC 5802 §3: what a server stores instead of a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramVerifier {
    /// Salt.
    pub salt: [u8; 16],
    /// Iteration count.
    pub iterations: u32,
    /// StoredKey.
    pub stored_key: [u8; 32],
    /// ServerKey.
    pub server_key: [u8; 32],
}

/// Active, or suspended and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// In use.
    Active,
    /// Stopped by the operator.
    Suspended {
        /// The operator's words.
        reason: String,
        /// Since when.
        since: Timestamp,
    },
}

/// A domain in the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryDomain {
    /// Its identity.
    pub id: DomainId,
    /// Its name.
    pub name: DomainName,
    /// Where it lives.
    pub placement: Placement,
    /// Does the name resolve?
    pub phase: DomainPhase,
}

/// A domain's life in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DomainPhase {
    /// Reserved; not resolvable yet.
    Creating,
    /// Resolvable.
    Active,
}

/// A domain in its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainRecord {
    /// Its identity.
    pub id: DomainId,
    /// Its name.
    pub name: DomainName,
    /// Active or suspended.
    pub standing: Standing,
    /// Its plan, as the group holds it.
    pub plan: Plan,
    /// Its own shared quota, if it has one.
    pub quota: Option<Quota>,
    /// Who gets mail for names that don't exist.
    pub catch_all: Option<LocalPart>,
    /// What all its accounts hold together.
    pub usage: Usage,
    /// Accounts.
    pub accounts: u64,
    /// When it was created.
    pub created: Timestamp,
}

impl DomainRecord {
    /// The quota in force.
    #[must_use]
    pub fn effective_quota(&self) -> Quota {
        self.quota.unwrap_or(self.plan.domain_quota)
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Its identity.
    pub id: AccountId,
    /// Its name.
    pub local: LocalPart,
    /// Active or suspended.
    pub standing: Standing,
    /// Grows whenever sessions must log in again: password, suspension, deletion, and the same of the domain.
    pub generation: u64,
    /// Its own quota, if it has one.
    pub quota: Option<Quota>,
    /// What it holds.
    pub usage: Usage,
    /// When it was created.
    pub created: Timestamp,
    /// Set while it may send nothing.
    pub sending: Option<SendingSuspension>,
}

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasRecord {
    /// Its name.
    pub local: LocalPart,
    /// Where its mail goes.
    pub targets: Vec<LocalPart>,
}

/// A mailbox with what STATUS tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxRecord {
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

/// A message's hot row: what flag scans, SELECT and POP3 listings need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotRow {
    /// Flags.
    pub flags: FlagSet,
    /// Last change.
    pub modseq: ModSeq,
    /// RFC822.SIZE: prefix and body together, bytes.
    pub bytes: u64,
    /// INTERNALDATE.
    pub internal_date: Timestamp,
    /// When it came into this mailbox (RFC 8514 SAVEDATE).
    pub save_date: Timestamp,
    /// EMAILID, and UIDL.
    pub email_id: EmailId,
}

/// Where a message's bytes are: the prefix, then the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColdRow {
    /// Goes before the body.
    pub prefix: Bytes,
    /// The body.
    pub body: BodyRef,
    /// Size of the body, bytes.
    pub body_bytes: u64,
    /// What `message` found in the body: part tree and ENVELOPE.
    pub facts: Bytes,
}

/// A store or front-end node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its identity, never reused.
    pub id: u64,
    /// A name for people.
    pub name: String,
    /// Where peers reach its Raft service, `host:port`.
    pub peer_address: String,
    /// Where front ends and tools reach its store service, `host:port`.
    pub store_address: String,
    /// Failure domain.
    pub zone: String,
}

/// A group and its voters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// Which.
    pub group: yubin_types::GroupNumber,
    /// Node ids.
    pub voters: Vec<u64>,
    /// Domains placed in it.
    pub domains: u64,
}

/// A bearer token of the admin API; the token itself is never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminToken {
    /// Its public name.
    pub id: String,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// When it was made.
    pub created: Timestamp,
    /// Where it was made from.
    pub made_from: Option<IpAddr>,
}

/// A DKIM key that is added (RFC 6376).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDkimKey {
    /// `s=`, what stands before `._domainkey`; not taken.
    pub selector: DomainName,
    /// The private key, encrypted by the proposer; at most [`limits::DKIM_SEALED_BYTES_MAX`].
    pub sealed: Bytes,
    /// The text to publish; at most [`limits::DKIM_RECORD_BYTES_MAX`].
    pub record: String,
}

/// A domain's DKIM key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DkimKey {
    /// `s=`, what stands before `._domainkey`.
    pub selector: DomainName,
    /// The private key, encrypted: the store can't open it.
    pub sealed: Bytes,
    /// The text to publish.
    pub record: String,
    /// Does it sign?
    pub state: DkimKeyState,
    /// When it was added.
    pub created: Timestamp,
    /// Since when it is in this state.
    pub since: Timestamp,
}

impl DkimKey {
    /// Until when a retiring key's record stays published.
    #[must_use]
    pub fn retired_until(&self) -> Option<Timestamp> {
        let until = self.since.plus_seconds(limits::DKIM_RETIRING_SECONDS);
        (self.state == DkimKeyState::Retiring).then_some(until)
    }
}

/// What a DKIM key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DkimKeyState {
    /// Nothing yet: its record is to be published first.
    Pending,
    /// It signs.
    Active,
    /// It signs no more; its record stays published for mail on its way.
    Retiring,
}
