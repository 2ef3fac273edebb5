//! CREATE, DELETE and subscriptions (RFC 9051 §6.3.4 to §6.3.8, RFC 6154).
//!
//! CREATE makes missing ancestors too, so that every level exists. INBOX and mailboxes with a use can't be deleted; one with children
//! is refused. A deleted mailbox is gone and out of usage at once; its rows are swept by this command up to
//! [`limits::MESSAGES_PER_COMMAND_MAX`] messages and by maintenance beyond. Its name remembers its UIDVALIDITY (see [`crate::rename`]).

use yubin_types::{AccountId, MailboxId, MailboxName, ModSeq, Refusal, SpecialUse, Uid, UidValidity, Usage, limits};

use crate::command::{Login, Subscription};
use crate::keys;
use crate::kv::Txn;
use crate::opened::{Opened, too_many};
use crate::reply::{More, Reply};
use crate::rows::{Account, Mailbox, TrashQueue};
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::topic::Topic;
use crate::vault;
use crate::work::Work;

/// Creates a mailbox and its missing ancestors.
pub(crate) fn create<T: Txn>(
    work: &mut Work<'_, T>,
    login: Login,
    name: &MailboxName,
    special_use: Option<SpecialUse>,
) -> Outcome<Reply, T::Error> {
    let mut account = work.login(login)?;
    if find(work, login.account, name)?.is_some() {
        return Err(Refusal::MailboxExists.into());
    }
    if special_use.is_some_and(|wanted| account.has_use(wanted)) {
        return Err(Refusal::SpecialUseTaken.into());
    }
    let ancestors = missing_ancestors(work, login.account, name)?;
    check_count(&account, ancestors.len() + 1)?;
    for ancestor in &ancestors {
        make(work, login.account, &mut account, ancestor, None)?;
    }
    let id = make(work, login.account, &mut account, name, special_use)?;
    work.save_account(login.account, &account);
    work.changed(Topic::Mail(work.id, login.account));
    Ok(Reply::Mailbox(id))
}

/// Deletes a mailbox.
pub(crate) fn delete<T: Txn>(work: &mut Work<'_, T>, login: Login, name: &MailboxName) -> Outcome<Reply, T::Error> {
    let mut account = work.login(login)?;
    let id = find(work, login.account, name)?.ok_or(Refusal::NoSuchMailbox)?;
    let row = work.mailbox(login.account, id)?;
    if name.is_inbox() || row.special_use.is_some() {
        return Err(Refusal::MailboxProtected.into());
    }
    if work.txn.first_key(&keys::mailbox_names_below(work.id, login.account, name))?.is_some() {
        return Err(Refusal::MailboxHasChildren.into());
    }
    let usage = Usage { bytes: row.bytes, messages: u64::from(row.messages) };
    work.refund(&mut account, usage);
    retire_name(work, login.account, &mut account, name, row.uid_validity)?;
    account.mailboxes = account.mailboxes.saturating_sub(1);
    work.save_account(login.account, &account);
    work.txn.unset(&keys::mailbox_name(work.id, login.account, name));
    work.txn.unset(&keys::mailbox(work.id, id));
    Opened::new(id, row).file(work, None);
    vault::dig(work, login.account, id);
    let left = vault::sweep(work, limits::MESSAGES_PER_COMMAND_MAX)?;
    work.changed(Topic::Mail(work.id, login.account));
    let touched = (limits::MESSAGES_PER_COMMAND_MAX - left) as u64;
    Ok(Reply::Progress { more: More::No, touched, next_due: None })
}

/// Subscribes or unsubscribes; the mailbox need not exist.
pub(crate) fn set_subscribed<T: Txn>(
    work: &mut Work<'_, T>,
    login: Login,
    name: &MailboxName,
    subscription: Subscription,
) -> Outcome<Reply, T::Error> {
    let mut account = work.login(login)?;
    let key = keys::subscription(work.id, login.account, name);
    match (work.txn.row(&key)?, subscription) {
        (None, Subscription::Subscribed) => {
            if account.subscriptions as usize >= limits::MAILBOXES_PER_ACCOUNT_MAX {
                return Err(too_many("subscriptions", limits::MAILBOXES_PER_ACCOUNT_MAX as u64).into());
            }
            account.subscriptions += 1;
            work.txn.set(&key, &());
        }
        (Some(()), Subscription::Unsubscribed) => {
            account.subscriptions = account.subscriptions.saturating_sub(1);
            work.txn.unset(&key);
        }
        _ => return Ok(Reply::Done),
    }
    work.save_account(login.account, &account);
    work.changed(Topic::Mail(work.id, login.account));
    Ok(Reply::Done)
}

/// The mailbox of a name.
pub(crate) fn find<T: Txn>(
    work: &Work<'_, T>,
    account: AccountId,
    name: &MailboxName,
) -> Outcome<Option<MailboxId>, T::Error> {
    work.txn.row(&keys::mailbox_name(work.id, account, name))
}

/// Levels above `name` that don't exist yet, from the top.
pub(crate) fn missing_ancestors<T: Txn>(
    work: &Work<'_, T>,
    account: AccountId,
    name: &MailboxName,
) -> Outcome<Vec<MailboxName>, T::Error> {
    let mut missing = Vec::new();
    let mut parent = name.parent();
    while let Some(level) = parent {
        if find(work, account, &level)?.is_some() {
            break;
        }
        parent = level.parent();
        missing.push(level);
    }
    missing.reverse();
    Ok(missing)
}

/// Is there room for so many more mailboxes?
pub(crate) fn check_count(account: &Account, more: usize) -> Result<(), Refusal> {
    if account.mailboxes as usize + more > limits::MAILBOXES_PER_ACCOUNT_MAX {
        return Err(too_many("mailboxes", limits::MAILBOXES_PER_ACCOUNT_MAX as u64));
    }
    Ok(())
}

/// Makes one mailbox whose name is free and whose parent exists.
pub(crate) fn make<T: Txn>(
    work: &mut Work<'_, T>,
    owner: AccountId,
    account: &mut Account,
    name: &MailboxName,
    special_use: Option<SpecialUse>,
) -> Outcome<MailboxId, T::Error> {
    let in_trash = special_use == Some(SpecialUse::Trash)
        || trash_name(work, owner, account)?.is_some_and(|trash| name.is_below(&trash));
    let id = work.next_mailbox();
    let row = Mailbox {
        account: owner,
        name: name.clone(),
        special_use,
        uid_validity: work.next_uid_validity(),
        uid_next: Uid(1),
        highest_modseq: work.modseq(),
        messages: 0,
        unseen: 0,
        deleted: 0,
        bytes: 0,
        keywords: 0,
        tombstones: 0,
        floor: ModSeq(0),
        trash: in_trash.then_some(TrashQueue { since: work.now, filed: None }),
        emptying: None,
    };
    work.txn.set(&keys::mailbox(work.id, id), &row);
    work.txn.set(&keys::mailbox_name(work.id, owner, name), &id);
    account.mailboxes += 1;
    if let Some(special_use) = special_use {
        account.set_use(special_use, id);
    }
    Ok(id)
}

/// The name of an account's Trash.
pub(crate) fn trash_name<T: Txn>(
    work: &Work<'_, T>,
    owner: AccountId,
    account: &Account,
) -> Outcome<Option<MailboxName>, T::Error> {
    if !account.has_use(SpecialUse::Trash) {
        return Ok(None);
    }
    Ok(Some(work.mailbox(owner, account.mailbox_for(Some(SpecialUse::Trash)))?.name))
}

/// Remembers the UIDVALIDITY that a name had; with too many such names, remembers one bound for all.
pub(crate) fn retire_name<T: Txn>(
    work: &mut Work<'_, T>,
    owner: AccountId,
    account: &mut Account,
    name: &MailboxName,
    uid_validity: UidValidity,
) -> Outcome<(), T::Error> {
    if account.retired_names as usize >= limits::MAILBOXES_PER_ACCOUNT_MAX {
        work.txn.erase(&keys::retired_names(work.id, owner), usize::MAX)?;
        account.retired_names = 0;
        account.uid_validity_floor = UidValidity(work.counters.uid_validity);
    }
    let key = keys::retired_name(work.id, owner, name);
    if work.txn.row(&key)?.is_none() {
        account.retired_names += 1;
    }
    work.txn.set(&key, &uid_validity);
    Ok(())
}
