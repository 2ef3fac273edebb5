//! Final outcomes are kept for [`limits::EVENT_DAYS`] days, then forgotten in the order of time.
//!
//! A domain stands among the group's due times under the whole hour at which its oldest event is due, so that a group is woken once an
//! hour and not for each event.

use yubin_types::{Timestamp, limits};

use super::journal;
use crate::keys::{self, DueKind};
use crate::kv::Txn;
use crate::reply::{More, Reply};
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::vault::first_due;
use crate::work::{Topics, Work};

/// Forgets what is due in all domains, at most [`limits::MESSAGES_PER_COMMAND_MAX`] events.
pub(crate) fn forget<T: Txn>(txn: &mut T, now: Timestamp, topics: &mut Topics) -> Outcome<Reply, T::Error> {
    let mut budget = limits::MESSAGES_PER_COMMAND_MAX;
    let mut touched = 0;
    while let Some((due, id)) = first_due(txn, DueKind::Events)?.filter(|&(due, _)| due <= now && budget > 0) {
        let Some(mut work) = Work::open(txn, id, now, &[])? else {
            txn.unset(&keys::due(DueKind::Events, due, id));
            continue;
        };
        let went = forget_domain(&mut work, budget)?;
        topics.extend(work.finish());
        touched += went as u64;
        // A visit counts too, so that many domains with nothing to do stay bounded.
        budget = budget.saturating_sub(went + 1);
    }
    let journal = journal::forget(txn, now, budget)?;
    let next_due = first_due(txn, DueKind::Events)?.map(|(due, _)| due);
    let more = if next_due.is_some_and(|due| due <= now) || journal == More::Yes { More::Yes } else { More::No };
    Ok(Reply::Progress { more, touched, next_due })
}

/// When an event of this time is forgotten.
pub(crate) fn due(at: Timestamp) -> Timestamp {
    let over = at.plus_seconds(limits::EVENT_DAYS * 86_400);
    Timestamp::from_seconds(over.millis().div_ceil(limits::EVENT_STEP_SECONDS * 1_000) * limits::EVENT_STEP_SECONDS)
}

fn forget_domain<T: Txn>(work: &mut Work<'_, T>, budget: usize) -> Outcome<usize, T::Error> {
    let mut went = 0;
    let mut next = None;
    for key in work.txn.first_keys(&keys::events(work.id), budget + 1)? {
        let over = due(keys::parse_event(&key).at);
        if over > work.now || went == budget {
            next = Some(over);
            break;
        }
        work.txn.delete(&key);
        went += 1;
    }
    work.due_at(DueKind::Events, next);
    Ok(went)
}
