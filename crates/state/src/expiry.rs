//! Trash expiry (SHIN-17): mail in Trash and in mailboxes below it goes when the plan's time is over since it came there.
//!
//! In one mailbox the UID order is the order of save dates, so the index holds one row per Trash mailbox, under the date of its oldest
//! message or earlier, and one row per domain among the group's due times; both are put right when they are reached. Due = date + the
//! plan's present value. A mailbox that is renamed into Trash starts its time then. Expired mail goes the way of expunged mail.

use yubin_types::{MailboxId, Timestamp, UidSet, limits};

use crate::expunge;
use crate::keys::{self, DueKind};
use crate::kv::Txn;
use crate::opened::Opened;
use crate::reply::{More, Reply};
use crate::rows::TrashQueue;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::vault::first_due;
use crate::work::{Topics, Work};

/// Expires what is due in all domains, at most [`limits::MESSAGES_PER_COMMAND_MAX`] messages.
pub(crate) fn expire_trash<T: Txn>(txn: &mut T, now: Timestamp, topics: &mut Topics) -> Outcome<Reply, T::Error> {
    let mut budget = limits::MESSAGES_PER_COMMAND_MAX;
    let mut touched = 0;
    while let Some((due, id)) = first_due(txn, DueKind::Trash)?.filter(|&(due, _)| due <= now && budget > 0) {
        let Some(mut work) = Work::open(txn, id, now, &[])? else {
            txn.unset(&keys::due(DueKind::Trash, due, id));
            continue;
        };
        let went = expire_domain(&mut work, budget)?;
        topics.extend(work.finish());
        touched += went as u64;
        // A visit counts too, so that many domains with nothing to do stay bounded.
        budget = budget.saturating_sub(went + 1);
    }
    let next_due = first_due(txn, DueKind::Trash)?.map(|(due, _)| due);
    let more = if next_due.is_some_and(|due| due <= now) { More::Yes } else { More::No };
    Ok(Reply::Progress { more, touched, next_due })
}

/// When the domain's Trash is due next.
pub(crate) fn next_due<T: Txn>(work: &Work<'_, T>) -> Outcome<Option<Timestamp>, T::Error> {
    let Some(seconds) = work.domain.plan.trash_expiry_seconds else { return Ok(None) };
    let first = work.txn.first_key(&keys::trashes(work.id))?;
    Ok(first.map(|key| keys::parse_dated(&key).0.plus_seconds(seconds)))
}

fn expire_domain<T: Txn>(work: &mut Work<'_, T>, budget: usize) -> Outcome<usize, T::Error> {
    let Some(seconds) = work.domain.plan.trash_expiry_seconds else {
        work.due_at(DueKind::Trash, None);
        return Ok(0);
    };
    let (mut went, mut visits) = (0, 0);
    while went + visits < budget {
        let Some(key) = work.txn.first_key(&keys::trashes(work.id))? else { break };
        let (date, mailbox) = keys::parse_dated(&key);
        if date.plus_seconds(seconds) > work.now {
            break;
        }
        went += expire_mailbox(work, (date, mailbox), seconds, budget - went - visits)?;
        visits += 1;
    }
    let next = next_due(work)?;
    work.due_at(DueKind::Trash, next);
    Ok(went)
}

/// Expires the oldest messages of a mailbox and files it under the date of what is left.
fn expire_mailbox<T: Txn>(
    work: &mut Work<'_, T>,
    (filed, mailbox): (Timestamp, MailboxId),
    seconds: u64,
    budget: usize,
) -> Outcome<usize, T::Error> {
    let row = work.txn.row(&keys::mailbox(work.id, mailbox))?;
    let Some((row, queue)) = row.and_then(|row| row.trash.map(|queue| (row, queue))) else {
        // Nothing stands here rightly; whatever happens, a sweep must get on.
        work.txn.unset(&keys::trash(work.id, filed, mailbox));
        return Ok(0);
    };
    let owner = row.account;
    let mut opened = Opened::new(mailbox, row);
    let Some(mut account) = work.txn.row(&keys::account(work.id, owner))? else {
        // Its account is in a grave: the sweeper takes the mailbox.
        opened.file(work, None);
        let key = keys::mailbox(work.id, mailbox);
        work.txn.set(&key, &opened.row);
        return Ok(0);
    };
    let mut expired = UidSet::new();
    let mut left = None;
    for (key, hot) in work.txn.first_rows(&keys::hot_rows(work.id, mailbox, 0, u32::MAX), budget + 1)? {
        let from = counts_from(queue, hot.save_date);
        if from.plus_seconds(seconds) > work.now || expired.len() == budget as u64 {
            left = Some(from);
            break;
        }
        expired.insert(keys::parse_uid(&key));
    }
    opened.file(work, left);
    if expired.is_empty() {
        work.txn.set(&keys::mailbox(work.id, mailbox), &opened.row);
        return Ok(0);
    }
    expunge::remove(work, &mut account, &mut opened, &expired)?;
    work.save_account(owner, &account);
    opened.save(work)?;
    Ok(usize::try_from(expired.len()).unwrap_or(budget))
}

/// From when a message's time counts.
fn counts_from(queue: TrashQueue, save_date: Timestamp) -> Timestamp {
    save_date.max(queue.since)
}
