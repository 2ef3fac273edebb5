//! Why mail waits that nobody tries: what keeps workers from a destination, and senders whose mail is left alone.
//!
//! A destination that pauses, or that has more in line than it takes, has its mail put off unattempted, message after message. Why is kept once for a
//! domain and a destination, in the row of its sums ([`super::sums`]), and goes with the domain's next success there, or its last mail; no delivery
//! is written for it. What holds up a sender stands in its domain's rows, and is read when somebody asks ([`Obstacles`]).
//!
//! Not here: that an operator suspended a destination or a domain (the directory knows), and the words for all of it (`admin`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use yubin_types::{AccountId, DestinationName, DomainId};

use super::query::SumPlace;
use super::record::QueueSource;
use super::way::RemoteReply;

/// Why a domain's mail to a destination was put off without an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// What kept a worker from it.
    pub cause: WaitCause,
    /// What was heard from there last, of this or another domain's mail: a server's words or our own (no route, no answer from the DNS).
    pub heard: Option<RemoteReply>,
}

/// What keeps workers from a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WaitCause {
    /// It is left alone for a while, because it could not be reached or wanted less.
    Paused,
    /// More is in line for it than it takes.
    Crowded,
    /// No source address may send there now: blocked there, or a new one that has sent its share of the day.
    NoSource,
}

/// What keeps mail from being tried, of the deliveries of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacles {
    /// Destinations.
    pub destinations: BTreeMap<SumPlace, Waits>,
    /// Domains (`None`) and accounts whose mail is left alone, because they are suspended.
    pub senders: BTreeSet<(DomainId, Option<AccountId>)>,
}

impl Waits {
    /// The same, with what was heard before if that is later, or nothing was heard now.
    #[must_use]
    pub(crate) fn after(self, before: Option<&Waits>) -> Self {
        let known = before.and_then(|before| before.heard.clone());
        Waits { heard: self.heard.into_iter().chain(known).max_by_key(|reply| reply.at), ..self }
    }

    /// The same within its bounds.
    #[must_use]
    pub fn bounded(self) -> Self {
        Waits { heard: self.heard.map(RemoteReply::bounded), ..self }
    }
}

impl Obstacles {
    /// What keeps a domain's mail from a destination.
    #[must_use]
    pub fn at(&self, domain: DomainId, destination: &DestinationName) -> Option<&Waits> {
        self.destinations.get(&SumPlace { domain, destination: destination.clone() })
    }

    /// Is mail of a domain that comes from there left alone?
    #[must_use]
    pub fn stop(&self, domain: DomainId, source: &QueueSource) -> bool {
        let account = match source {
            QueueSource::Submission { account, .. } => Some(*account),
            _ => None,
        };
        self.senders.contains(&(domain, None)) || account.is_some() && self.senders.contains(&(domain, account))
    }
}
