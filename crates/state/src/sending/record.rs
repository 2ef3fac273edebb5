//! What rows about sending hold, and what is told of them.

use serde::{Deserialize, Serialize};
use yubin_types::{
    AccountId, AccountSending, DomainId, DomainName, Epoch, Limit, LocalPart, Refusal, SenderName, SendingLimits,
    SuspensionCause, Timestamp,
};

use super::counters::SendingCounters;

/// What was decided about an account's sending. Most accounts have none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingControl {
    /// Limits of its own.
    pub limits: AccountSending<Option<Limit>>,
    /// Set while it may send nothing.
    pub suspension: Option<SendingSuspension>,
    /// Suspensions and their ends, the last [`yubin_types::limits::SENDING_HISTORY_MAX`], oldest first.
    pub history: Vec<SendingChange>,
}

/// An account may send nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingSuspension {
    /// Why.
    pub cause: SuspensionCause,
    /// Since when.
    pub since: Timestamp,
    /// By whom: a token's id, or empty where the rules did it.
    pub by: String,
}

/// An account's sending was suspended, or resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingChange {
    /// When.
    pub at: Timestamp,
    /// By whom: a token's id, or empty where the rules did it.
    pub by: String,
    /// Why it was suspended; `None`: it was resumed.
    pub cause: Option<SuspensionCause>,
}

/// Recipients that an account has written to: hashes of their addresses, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRecipients(pub Vec<u32>);

/// The names that an account may send in beside its own; at most [`yubin_types::limits::SEND_AS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendAsGrants(pub Vec<SendAsGrant>);

/// A right to send in a name that is not the account's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendAsGrant {
    /// The name.
    pub name: SenderName,
    /// The domain that it was in: a new one of the same name has another id.
    pub domain: DomainId,
    /// What it stood for. The right is in force while it does.
    pub holder: NameHolder,
    /// When it was granted.
    pub since: Timestamp,
    /// By whom: a token's id.
    pub by: String,
}

impl SendAsGrant {
    /// The local part of the name; `None`: it is a whole domain.
    #[must_use]
    pub const fn local(&self) -> Option<&LocalPart> {
        match &self.name {
            SenderName::Address(address) => Some(&address.local),
            SenderName::Domain(_) => None,
        }
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameHolder {
    /// A whole domain.
    Domain,
    /// This account.
    Account(AccountId),
    /// An alias.
    Alias,
}

/// By what right a login sends as an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SenderRight {
    /// By none.
    Missing,
    /// It is its own: this local part, or an alias that leads only to it.
    Own(LocalPart),
    /// It was granted. If the name is in another domain, that domain must still confirm it.
    Granted(Box<SendAsGrant>),
}

/// What an account may send now. The command decides again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingAllowance {
    /// Recipients of one message.
    pub recipients_per_message: Limit,
    /// How many recipients there is room for now, and what refuses the next; `None`: any number.
    pub recipients: Option<(u64, Refusal)>,
    /// Recipients elsewhere that refused the domain's mail as unknown again and again, and are refused for a while: hashes of their
    /// addresses ([`crate::queue::dead::recipient_hash`]), at most [`yubin_types::limits::DEAD_RECIPIENTS_MAX`].
    pub dead: Vec<u64>,
}

/// Is a refusal to be counted against the account ([`super::SendingCommand::CountRefusal`])?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counting {
    /// It is for a limit of the account's own, and its plan suspends who is refused too often.
    Wanted,
    /// It says nothing about the account, or nobody asks.
    NotWanted,
}

/// An account's limits and what it has used of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingReport {
    /// What its domain's plan allows.
    pub plan: SendingLimits,
    /// What was decided about the account.
    pub control: SendingControl,
    /// What it sent.
    pub account: SendingCounters,
    /// What all accounts of the domain sent.
    pub domain: SendingCounters,
}

impl SendingReport {
    /// The account's limits in force.
    #[must_use]
    pub fn limits(&self) -> AccountSending<Limit> {
        self.control.limits.or(self.plan.account)
    }
}

/// An owner who is to be told of a suspension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingNotice {
    /// The domain.
    pub domain: DomainId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its name.
    pub name: DomainName,
    /// The account.
    pub account: AccountId,
    /// Its own name.
    pub local: LocalPart,
    /// What to tell.
    pub suspension: SendingSuspension,
}
