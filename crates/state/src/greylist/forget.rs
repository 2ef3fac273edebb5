//! Strangers whose time is over are forgotten, in the order of time and of all domains of the group.

use std::collections::BTreeMap;

use yubin_types::{DomainId, Timestamp, limits};

use crate::keys;
use crate::kv::{Txn, View};
use crate::reply::{More, Reply};
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};

/// Forgets what is due, at most [`limits::MESSAGES_PER_COMMAND_MAX`] rows.
pub(crate) fn forget<T: Txn>(txn: &mut T, now: Timestamp) -> Outcome<Reply, T::Error> {
    let mut touched = 0;
    let mut gone: BTreeMap<DomainId, u32> = BTreeMap::new();
    for key in txn.first_keys(&keys::greylist_forgets(), limits::MESSAGES_PER_COMMAND_MAX)? {
        let Some((until, id, stranger)) = keys::parse_greylist_forget(&key) else { continue };
        if until > now {
            break;
        }
        txn.delete(&key);
        touched += 1;
        let row = keys::greylist(id, stranger);
        // Of a domain that is gone only this is left.
        if txn.row(&row)?.is_some_and(|seen| seen.until == until) {
            txn.unset(&row);
            *gone.entry(id).or_default() += 1;
        }
    }
    for (id, gone) in gone {
        let count = txn.row(&keys::greylist_count(id))?.unwrap_or_default().saturating_sub(gone);
        match count {
            0 => txn.unset(&keys::greylist_count(id)),
            count => txn.set(&keys::greylist_count(id), &count),
        }
    }
    let next_due = next_due(txn)?;
    let more = if next_due.is_some_and(|due| due <= now) { More::Yes } else { More::No };
    Ok(Reply::Progress { more, touched, next_due })
}

/// When the next is due.
pub(crate) fn next_due<V: View>(view: &V) -> Outcome<Option<Timestamp>, V::Error> {
    let first = view.first_key(&keys::greylist_forgets())?;
    Ok(first.and_then(|key| keys::parse_greylist_forget(&key)).map(|(due, _, _)| due))
}
