//! The order in which recipients of a group came to their ends, over all its domains: what followers of events go on after.
//!
//! Events lie by domain and time, and two commands may have the same time; so each command that ends recipients writes one row under its own log index:
//! which events of which domains are its. A follower that names an index and a number within it ([`EndPlace`]) has seen everything before, and nothing
//! can be added there any more. Rows go with the events of their time (`forget`).

use serde::{Deserialize, Serialize};
use yubin_types::{DomainId, Timestamp, limits};

use super::forget::due;
use crate::keys;
use crate::kv::{Position, Txn, View};
use crate::reply::More;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _, go_on_while};

/// The events of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Their time.
    pub at: Timestamp,
    /// By domain: the first one's number, and the last one's.
    pub of: Vec<(DomainId, u64, u64)>,
}

/// A place in the order of a group's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EndPlace {
    /// The log index of the command.
    pub index: u64,
    /// Which of its events, from 1; 0 stands before the first.
    pub number: u64,
}

/// Gathers the events of one command.
#[derive(Debug, Default)]
pub(crate) struct Journal(Vec<(DomainId, u64, u64)>);

impl Journal {
    /// A domain has these new events, if any.
    pub(crate) fn add(&mut self, ended: Option<(DomainId, u64, u64)>) {
        self.0.extend(ended);
    }

    /// Writes them down.
    pub(crate) fn write<T: Txn>(self, txn: &mut T, position: Position, at: Timestamp) {
        if !self.0.is_empty() {
            txn.set(&keys::ends(position.index), &Ends { at, of: self.0 });
        }
    }
}

/// Forgets rows whose events are forgotten, at most `budget`.
pub(crate) fn forget<T: Txn>(txn: &mut T, now: Timestamp, budget: usize) -> Outcome<More, T::Error> {
    let mut over = Vec::new();
    if budget == 0 {
        return Ok(More::Yes);
    }
    let mut full = false;
    txn.each(&keys::all_ends(), |key, ends| {
        if due(ends.at) > now {
            return go_on_while(false);
        }
        over.push(key.to_vec());
        full = over.len() >= budget;
        go_on_while(!full)
    })?;
    over.iter().for_each(|key| txn.delete(key));
    Ok(if full { More::Yes } else { More::No })
}

/// Where to go on for what ends from then on: behind all rows of an earlier time.
pub(crate) fn since<V: View>(view: &V, then: Timestamp) -> Outcome<EndPlace, V::Error> {
    // Times ascend with indexes: by halves.
    let (mut below, mut above) = (0, u64::MAX);
    while below < above {
        let middle = below + (above - below) / 2;
        let mut first = None;
        view.each(&keys::ends_from(middle), |key, ends| {
            first = Some((keys::parse_end(key), ends.at));
            go_on_while(false)
        })?;
        match first {
            Some((index, at)) if at < then => below = index.saturating_add(1),
            _ => above = middle,
        }
    }
    Ok(EndPlace { index: below, number: 0 })
}

/// How many events an answer names at most, whatever is asked for.
pub(crate) const fn page(limit: u32) -> usize {
    let limit = limit as usize;
    if limit < limits::PAGE_SIZE_MAX { limit } else { limits::PAGE_SIZE_MAX }
}
