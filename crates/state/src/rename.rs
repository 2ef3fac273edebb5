//! RENAME (RFC 9051 §6.3.6): a mailbox with everything below it, or INBOX, which gives its messages to a new mailbox and stays.
//!
//! A renamed mailbox keeps its UIDs, and its UIDVALIDITY unless the new name once had a larger one: then it gets a new one, because under
//! one name UIDVALIDITY must not go back (RFC 9051 §2.3.1.1). A use goes along with the mailbox. Emptying INBOX moves a bounded number of
//! messages per command; mail that comes meanwhile stays in INBOX.

use yubin_types::{AccountId, MailboxId, MailboxName, Refusal, SpecialUse, UidSet, limits};

use crate::command::Login;
use crate::copy_move;
use crate::keys;
use crate::kv::Txn;
use crate::live;
use crate::mailboxes::{check_count, find, make, missing_ancestors, retire_name, trash_name};
use crate::opened::Opened;
use crate::reply::{More, Reply};
use crate::rows::{Account, Emptying, Mailbox, TrashQueue};
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::topic::Topic;
use crate::work::Work;

/// Renames.
pub(crate) fn rename<T: Txn>(
    work: &mut Work<'_, T>,
    login: Login,
    from: &MailboxName,
    to: &MailboxName,
) -> Outcome<Reply, T::Error> {
    let account = work.login(login)?;
    if from.is_inbox() {
        return empty_inbox(work, login.account, account, to);
    }
    let id = find(work, login.account, from)?.ok_or(Refusal::NoSuchMailbox)?;
    if to.is_below(from) {
        return Err(Refusal::InvalidName { why: "a mailbox can't be moved below itself".to_owned() }.into());
    }
    if find(work, login.account, to)?.is_some() {
        return Err(Refusal::MailboxExists.into());
    }
    rename_tree(work, login.account, account, id, (from, to))
}

fn rename_tree<T: Txn>(
    work: &mut Work<'_, T>,
    owner: AccountId,
    mut account: Account,
    top: MailboxId,
    (from, to): (&MailboxName, &MailboxName),
) -> Outcome<Reply, T::Error> {
    let below = keys::mailbox_names_below(work.id, owner, from);
    let children = work.txn.first_rows(&below, limits::MAILBOXES_PER_ACCOUNT_MAX)?;
    let mut tree = Vec::new();
    for id in std::iter::once(top).chain(children.into_iter().map(|(_, id)| id)) {
        let row = work.mailbox(owner, id)?;
        let too_long = || Refusal::InvalidName { why: "a renamed mailbox would have too long a name".to_owned() };
        let name = row.name.rebased(from, to).ok_or_else(too_long)?;
        tree.push((id, row, name));
    }
    let ancestors = missing_ancestors(work, owner, to)?;
    check_count(&account, ancestors.len())?;
    for ancestor in &ancestors {
        make(work, owner, &mut account, ancestor, None)?;
    }
    let trash = trash_name(work, owner, &account)?.map(|name| name.rebased(from, to).unwrap_or(name));
    for (id, row, name) in tree {
        let in_trash = trash.as_ref().is_some_and(|trash| name == *trash || name.is_below(trash));
        rename_one(work, owner, &mut account, (id, row), name, in_trash.then_some(SpecialUse::Trash))?;
    }
    work.save_account(owner, &account);
    work.changed(Topic::Mail(work.id, owner));
    Ok(Reply::Mailbox(top))
}

fn rename_one<T: Txn>(
    work: &mut Work<'_, T>,
    owner: AccountId,
    account: &mut Account,
    (id, mut row): (MailboxId, Mailbox),
    name: MailboxName,
    under: Option<SpecialUse>,
) -> Outcome<(), T::Error> {
    retire_name(work, owner, account, &row.name, row.uid_validity)?;
    let once = work.txn.row(&keys::retired_name(work.id, owner, &name))?;
    if once.is_some_and(|once| once > row.uid_validity) || row.uid_validity < account.uid_validity_floor {
        row.uid_validity = work.next_uid_validity();
    }
    work.txn.unset(&keys::mailbox_name(work.id, owner, &row.name));
    work.txn.set(&keys::mailbox_name(work.id, owner, &name), &id);
    row.name = name;
    let mut opened = Opened::new(id, row);
    match (opened.row.trash, under) {
        (None, Some(SpecialUse::Trash)) => {
            opened.row.trash = Some(TrashQueue { since: work.now, filed: None });
            let filed = (opened.row.messages > 0).then_some(work.now);
            opened.file(work, filed);
        }
        (Some(_), None) => {
            opened.file(work, None);
            opened.row.trash = None;
        }
        _ => {}
    }
    work.txn.set(&keys::mailbox(work.id, id), &opened.row);
    Ok(())
}

fn empty_inbox<T: Txn>(
    work: &mut Work<'_, T>,
    owner: AccountId,
    mut account: Account,
    to: &MailboxName,
) -> Outcome<Reply, T::Error> {
    let inbox = account.inbox;
    let mut source = Opened::new(inbox, work.mailbox(owner, inbox)?);
    let existing = find(work, owner, to)?;
    let emptying = match (source.row.emptying, existing) {
        (Some(emptying), Some(into)) if emptying.into == into => emptying,
        (_, Some(_)) => return Err(Refusal::MailboxExists.into()),
        (_, None) => {
            let ancestors = missing_ancestors(work, owner, to)?;
            check_count(&account, ancestors.len() + 1)?;
            for ancestor in &ancestors {
                make(work, owner, &mut account, ancestor, None)?;
            }
            let into = make(work, owner, &mut account, to, None)?;
            work.save_account(owner, &account);
            Emptying { into, below: source.row.uid_next }
        }
    };
    let limit = limits::MESSAGES_PER_COMMAND_MAX;
    let old = UidSet::range(1, emptying.below.0.saturating_sub(1));
    let found = live::among(work.txn, (work.id, inbox), &old, limit as u64, |chunk| chunk.live)?;
    let messages = copy_move::read(work, inbox, &live::first(&found, limit))?;
    let more = found.len() > limit as u64;
    source.row.emptying = more.then_some(emptying);
    let touched = messages.len() as u64;
    let target = Opened::new(emptying.into, work.mailbox(owner, emptying.into)?);
    if messages.is_empty() {
        source.save(work)?;
    } else {
        let target = copy_move::take_out(work, source, target, &messages)?;
        copy_move::insert(work, target, messages)?;
    }
    work.changed(Topic::Mail(work.id, owner));
    if more {
        return Ok(Reply::Progress { more: More::Yes, touched, next_due: None });
    }
    Ok(Reply::Mailbox(emptying.into))
}
