//! What rows about forwards hold, what is told of them, and what a delivery says about the way of its message.

use serde::{Deserialize, Serialize};
use yubin_types::{AccountId, Address, DomainId, DomainName, Epoch, LocalPart, Timestamp};

use crate::auto_reply::Answerable;
use crate::queue::{ContentFacts, Handling};

/// Where an account's mail goes on to. Most accounts have none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// At least one; in the order in which they were given.
    pub targets: Vec<ForwardTarget>,
    /// What stays in the mailbox.
    pub copy: LocalCopy,
    /// Since when it is set so.
    pub since: Timestamp,
    /// Who set it: a token's id.
    pub by: String,
}

/// What stays in the mailbox of an account that forwards (SHIN-20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LocalCopy {
    /// A copy.
    Keep,
    /// Nothing, while anything is forwarded.
    Drop,
}

/// An address that mail goes on to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardTarget {
    /// It.
    pub address: Address,
    /// Messages that it refused for good since it took the last one.
    pub refused: u32,
    /// Set while nothing is forwarded to it.
    pub pause: Option<ForwardPause>,
}

/// Nothing is forwarded to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardPause {
    /// Since when.
    pub since: Timestamp,
    /// What its server said last.
    pub reply: String,
}

impl Forward {
    /// Targets that are not paused.
    pub fn active(&self) -> impl Iterator<Item = &ForwardTarget> {
        self.targets.iter().filter(|target| target.pause.is_none())
    }

    /// Targets that are.
    pub fn paused(&self) -> impl Iterator<Item = (&Address, &ForwardPause)> {
        self.targets.iter().filter_map(|target| Some((&target.address, target.pause.as_ref()?)))
    }

    /// When the last of the pauses began.
    #[must_use]
    pub fn last_pause(&self) -> Option<Timestamp> {
        self.paused().map(|(_, pause)| pause.since).max()
    }
}

/// An owner who is to be told that targets are paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardNotice {
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
    pub forward: Forward,
}

/// What is known of a message that is delivered, for whoever sends it on or answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Its Message-ID, to be found by.
    pub message_id: Option<String>,
    /// What it asks of the servers on its way.
    pub content: ContentFacts,
    /// When and how urgently it was to be sent.
    pub handling: Box<Handling>,
    /// Delivered-To fields that it came with: how often it was forwarded.
    pub hops: u32,
    /// Local parts in those that name the recipients' domain; at most [`yubin_types::limits::FORWARD_HOPS_MAX`].
    pub visited: Vec<LocalPart>,
    /// What an automatic answer needs; `None`: the message is not to be answered by a program.
    pub answer: Option<Answerable>,
}
