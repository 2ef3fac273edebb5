//! Suspensions of destinations and tenants, and of source addresses at destinations that block them, kept in the directory: workers read
//! them and leave such mail alone, or send it from elsewhere. Workers set source addresses aside by themselves: those have a bound of their own, so
//! that there is always room for what an operator wants.
//!
//! One that has expired counts for nothing and goes with the next that is added; readers compare with their own clock.

use yubin_types::{Refusal, Timestamp, limits};

use super::record::{QueueSuspension, SuspensionScope};
use crate::accounts::check_reason;
use crate::keys;
use crate::kv::{Txn, View};
use crate::opened::too_many;
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _, go_on_while};

/// Adds or changes a suspension; a change keeps the time since when it is in force.
pub(crate) fn put<T: Txn>(txn: &mut T, now: Timestamp, mut new: QueueSuspension) -> Outcome<Reply, T::Error> {
    check_reason(&new.reason)?;
    if new.expires.is_some_and(|expires| expires <= now) {
        return Err(Refusal::InvalidValue { why: "the suspension would be over already".to_owned() }.into());
    }
    let all = list(txn)?;
    let (over, in_force): (Vec<_>, Vec<_>) = all.into_iter().partition(|known| known.is_over(now));
    let known = in_force.iter().find(|known| known.scope == new.scope);
    let max = if new.scope.is_source() { limits::QUEUE_SOURCES_ASIDE_MAX } else { limits::QUEUE_SUSPENSIONS_MAX };
    let like_it = in_force.iter().filter(|known| known.scope.is_source() == new.scope.is_source());
    if known.is_none() && like_it.count() >= max {
        return Err(too_many("suspensions", max as u64).into());
    }
    new.since = known.map_or(now, |known| known.since);
    over.iter().for_each(|old| txn.unset(&keys::queue_suspension(&old.scope)));
    txn.set(&keys::queue_suspension(&new.scope), &new);
    Ok(Reply::Done)
}

/// Removes a suspension.
pub(crate) fn remove<T: Txn>(txn: &mut T, now: Timestamp, scope: &SuspensionScope) -> Outcome<Reply, T::Error> {
    let key = keys::queue_suspension(scope);
    if txn.row(&key)?.is_none_or(|known| known.is_over(now)) {
        return Err(Refusal::NotFound { what: "suspension".to_owned() }.into());
    }
    txn.unset(&key);
    Ok(Reply::Done)
}

/// All suspensions, expired ones too; at most [`limits::QUEUE_SUSPENSIONS_MAX`], and [`limits::QUEUE_SOURCES_ASIDE_MAX`] of source addresses.
pub(crate) fn list<V: View>(view: &V) -> Outcome<Vec<QueueSuspension>, V::Error> {
    let mut all = Vec::new();
    view.each(&keys::queue_suspensions(), |_, suspension| {
        all.push(suspension);
        go_on_while(true)
    })?;
    Ok(all)
}

impl SuspensionScope {
    /// Is it one of our addresses at a destination?
    #[must_use]
    pub const fn is_source(&self) -> bool {
        matches!(self, SuspensionScope::Source { .. })
    }
}

impl QueueSuspension {
    /// Has it expired?
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}
