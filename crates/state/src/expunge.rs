//! EXPUNGE, UID EXPUNGE and what POP3 deletes at QUIT: messages leave the mailbox and usage, and go to the vault.
//!
//! Always possible, however full an account is. Takes the first [`limits::MESSAGES_PER_COMMAND_MAX`] messages that qualify; the reply names
//! them, and whoever wants more proposes again.

use yubin_types::{MailboxId, UidSet, Usage, limits};

use crate::command::{ExpungeWhich, Login};
use crate::keys;
use crate::kv::Txn;
use crate::live;
use crate::opened::Opened;
use crate::reply::Reply;
use crate::rows::Account;
use crate::stop::Outcome;
use crate::table::Read as _;
use crate::vault;
use crate::work::Work;

/// Expunges.
pub(crate) fn expunge<T: Txn>(
    work: &mut Work<'_, T>,
    login: Login,
    mailbox: MailboxId,
    uids: &UidSet,
    which: ExpungeWhich,
) -> Outcome<Reply, T::Error> {
    let mut account = work.login(login)?;
    let mut opened = Opened::new(mailbox, work.mailbox(login.account, mailbox)?);
    let limit = limits::MESSAGES_PER_COMMAND_MAX;
    let found = live::among(work.txn, (work.id, mailbox), uids, limit as u64, |chunk| match which {
        ExpungeWhich::FlaggedDeleted => chunk.deleted,
        ExpungeWhich::All => chunk.live,
    })?;
    let uids = live::first(&found, limit);
    if uids.is_empty() {
        return Ok(Reply::Expunged { uids, modseq: opened.row.highest_modseq });
    }
    remove(work, &mut account, &mut opened, &uids)?;
    work.save_account(login.account, &account);
    opened.save(work)?;
    Ok(Reply::Expunged { uids, modseq: work.modseq() })
}

/// Takes existing messages out of a mailbox and out of usage, into the vault.
pub(crate) fn remove<T: Txn>(
    work: &mut Work<'_, T>,
    account: &mut Account,
    opened: &mut Opened,
    uids: &UidSet,
) -> Outcome<(), T::Error> {
    for uid in uids.iter() {
        let hot = work.txn.row(&keys::hot(work.id, opened.id, uid))?;
        let cold = work.txn.row(&keys::cold(work.id, opened.id, uid))?;
        let (Some(hot), Some(cold)) = (hot, cold) else { continue };
        opened.remove(work, uid, &hot)?;
        work.refund(account, Usage::of_message(hot.bytes));
        vault::keep(work, opened.row.account, (opened.id, uid), hot, cold)?;
    }
    Ok(())
}
