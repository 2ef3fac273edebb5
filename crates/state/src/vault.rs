//! Where expunged mail waits, outside every quota, until the plan's time is over; and the sweeping of what was deleted at once.
//!
//! Due = date of expunging + the plan's present value, so that a changed plan holds for mail that waits already; 0 keeps nothing.
//! A deleted mailbox or account is invisible and out of usage at once; its rows stay in a grave until they are swept, a bounded number by
//! the deleting command itself, the rest by this maintenance.

use yubin_types::{AccountId, DomainId, MailboxId, Timestamp, Uid, limits};

use crate::keys::{self, DueKind, Table};
use crate::kv::{Txn, View};
use crate::record::{ColdRow, HotRow};
use crate::reply::{More, Reply};
use crate::rows::{Grave, Vaulted};
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::work::{Topics, Work};

/// Keeps an expunged message, or lets its body go if the plan keeps nothing.
pub(crate) fn keep<T: Txn>(
    work: &mut Work<'_, T>,
    account: AccountId,
    (mailbox, uid): (MailboxId, Uid),
    hot: HotRow,
    cold: ColdRow,
) -> Outcome<(), T::Error> {
    let seconds = work.domain.plan.vault_seconds;
    if seconds == 0 {
        return work.release_body(&cold.body);
    }
    let vaulted = Vaulted { account, hot, cold };
    work.txn.set(&keys::vault(work.id, work.now, mailbox, uid), &vaulted);
    work.due_by(DueKind::Vault, work.now.plus_seconds(seconds));
    Ok(())
}

/// When the domain's vault is due next.
pub(crate) fn next_due<T: Txn>(work: &Work<'_, T>) -> Outcome<Option<Timestamp>, T::Error> {
    let first = work.txn.first_key(&keys::vaults(work.id))?;
    Ok(first.map(|key| keys::parse_dated(&key).0.plus_seconds(work.domain.plan.vault_seconds)))
}

/// Drops what is due and sweeps graves, in all domains, at most [`limits::MESSAGES_PER_COMMAND_MAX`] rows.
pub(crate) fn purge<T: Txn>(txn: &mut T, now: Timestamp, topics: &mut Topics) -> Outcome<Reply, T::Error> {
    let mut budget = limits::MESSAGES_PER_COMMAND_MAX;
    for kind in [DueKind::Graves, DueKind::Vault] {
        while let Some((due, id)) = first_due(txn, kind)?.filter(|&(due, _)| due <= now && budget > 0) {
            let Some(mut work) = Work::open(txn, id, now, &[])? else {
                txn.unset(&keys::due(kind, due, id));
                continue;
            };
            budget = match kind {
                DueKind::Graves => sweep(&mut work, budget)?,
                _ => purge_domain(&mut work, budget)?,
            };
            topics.extend(work.finish());
            budget = budget.saturating_sub(1);
        }
    }
    let graves = first_due(txn, DueKind::Graves)?;
    let vault = first_due(txn, DueKind::Vault)?;
    let next_due = [graves, vault].into_iter().flatten().map(|(due, _)| due).min();
    let more = if next_due.is_some_and(|due| due <= now) { More::Yes } else { More::No };
    Ok(Reply::Progress { more, touched: (limits::MESSAGES_PER_COMMAND_MAX - budget) as u64, next_due })
}

/// The first due time of a kind, and whose.
pub(crate) fn first_due<V: View>(view: &V, kind: DueKind) -> Outcome<Option<(Timestamp, DomainId)>, V::Error> {
    Ok(view.first_key(&keys::dues(kind))?.map(|key| keys::parse_due(&key)))
}

fn purge_domain<T: Txn>(work: &mut Work<'_, T>, budget: usize) -> Outcome<usize, T::Error> {
    let seconds = work.domain.plan.vault_seconds;
    let mut left = budget;
    for (key, vaulted) in work.txn.first_rows(&keys::vaults(work.id), budget)? {
        if keys::parse_dated(&key).0.plus_seconds(seconds) > work.now {
            break;
        }
        work.txn.delete(&key);
        work.release_body(&vaulted.cold.body)?;
        left -= 1;
    }
    let next = next_due(work)?;
    work.due_at(DueKind::Vault, next);
    Ok(left)
}

/// Digs a grave for a mailbox, or for an account where `mailbox` is 0.
pub(crate) fn dig<T: Txn>(work: &mut Work<'_, T>, account: AccountId, mailbox: MailboxId) {
    work.txn.set(&keys::grave(work.id, account, mailbox), &Grave { since: work.now });
    work.due_by(DueKind::Graves, work.now);
}

/// Sweeps the domain's graves; what is left of the budget comes back, 0 if there may be more.
pub(crate) fn sweep<T: Txn>(work: &mut Work<'_, T>, budget: usize) -> Outcome<usize, T::Error> {
    let mut left = budget;
    while left > 0 {
        let Some(key) = work.txn.first_key(&keys::graves(work.id))? else { break };
        let (account, mailbox) = keys::parse_grave(&key);
        left = match mailbox {
            MailboxId(0) => sweep_account(work, account, left)?,
            mailbox => sweep_mailbox(work, account, mailbox, left)?,
        };
        if left > 0 {
            work.txn.delete(&key);
            left -= 1;
        }
    }
    if work.txn.first_key(&keys::graves(work.id))?.is_none() {
        work.due_at(DueKind::Graves, None);
    }
    Ok(left)
}

/// Turns the mailboxes of a deleted account into graves of their own, and removes the rest of its rows.
fn sweep_account<T: Txn>(work: &mut Work<'_, T>, account: AccountId, budget: usize) -> Outcome<usize, T::Error> {
    let mailboxes = work.txn.first_rows(&keys::mailbox_names(work.id, account), budget)?;
    for (key, id) in &mailboxes {
        work.txn.delete(key);
        work.txn.set(&keys::grave(work.id, account, *id), &Grave { since: work.now });
        if let Some(row) = work.txn.row(&keys::mailbox(work.id, *id))? {
            let mut opened = crate::opened::Opened::new(*id, row);
            opened.file(work, None);
        }
        work.txn.unset(&keys::mailbox(work.id, *id));
    }
    let mut left = budget - mailboxes.len();
    for span in [keys::subscriptions(work.id, account), keys::retired_names(work.id, account)] {
        left = work.txn.erase(&span, left)?;
    }
    Ok(left)
}

/// Moves the messages of a deleted mailbox to the vault and removes the rest of its rows.
fn sweep_mailbox<T: Txn>(
    work: &mut Work<'_, T>,
    account: AccountId,
    mailbox: MailboxId,
    budget: usize,
) -> Outcome<usize, T::Error> {
    let messages = work.txn.first_rows(&keys::hot_rows(work.id, mailbox, 0, u32::MAX), budget)?;
    let mut left = budget - messages.len();
    for (key, hot) in messages {
        let uid = keys::parse_uid(&key);
        work.txn.delete(&key);
        work.txn.unset(&keys::change(work.id, mailbox, hot.modseq, uid));
        let cold_key = keys::cold(work.id, mailbox, uid);
        if let Some(cold) = work.txn.row(&cold_key)? {
            work.txn.unset(&cold_key);
            keep(work, account, (mailbox, uid), hot, cold)?;
        }
    }
    for table in [Table::Chunk, Table::Tombstone, Table::Keyword, Table::Change] {
        left = work.txn.erase(&keys::rows_of_mailbox(table, work.id, mailbox), left)?;
    }
    Ok(left)
}
