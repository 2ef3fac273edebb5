//! STORE (RFC 9051 §6.4.6) with UNCHANGEDSINCE (RFC 7162 §3.1.3).
//!
//! A message whose flags stay as they are keeps its MODSEQ. UIDs that don't exist are passed over.

use yubin_types::{FlagSet, MailboxId, ModSeq, UidSet, limits};

use crate::command::{FlagOperation, Login};
use crate::keys;
use crate::kv::Txn;
use crate::live;
use crate::opened::{Opened, too_many};
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::Read as _;
use crate::work::Work;

/// How flags change.
pub(crate) struct Change {
    pub(crate) operation: FlagOperation,
    pub(crate) flags: FlagSet,
    pub(crate) unchanged_since: Option<ModSeq>,
}

impl Change {
    fn of(&self, old: &FlagSet) -> FlagSet {
        let mut new = match self.operation {
            FlagOperation::Replace => return self.flags.clone(),
            FlagOperation::Add | FlagOperation::Remove => old.clone(),
        };
        for flag in self.flags.iter() {
            match self.operation {
                FlagOperation::Remove => new.remove(&flag),
                FlagOperation::Add | FlagOperation::Replace => new.insert(flag),
            }
        }
        new
    }
}

/// Changes flags of at most [`limits::MESSAGES_PER_COMMAND_MAX`] messages.
pub(crate) fn store<T: Txn>(
    work: &mut Work<'_, T>,
    login: Login,
    mailbox: MailboxId,
    uids: &UidSet,
    change: &Change,
) -> Outcome<Reply, T::Error> {
    work.login(login)?;
    let mut opened = Opened::new(mailbox, work.mailbox(login.account, mailbox)?);
    let limit = limits::MESSAGES_PER_COMMAND_MAX as u64;
    let live = live::among(work.txn, (work.id, mailbox), uids, limit, |chunk| chunk.live)?;
    if live.len() > limit {
        return Err(too_many("messages in one command", limit).into());
    }
    let mut modified = UidSet::new();
    let mut changes = Vec::new();
    for uid in live.iter() {
        let Some(hot) = work.txn.row(&keys::hot(work.id, mailbox, uid))? else { continue };
        if change.unchanged_since.is_some_and(|since| hot.modseq > since) {
            modified.insert(uid);
            continue;
        }
        let flags = change.of(&hot.flags);
        if flags.keywords.len() > limits::KEYWORDS_PER_MESSAGE_MAX {
            return Err(too_many("keywords on a message", limits::KEYWORDS_PER_MESSAGE_MAX as u64).into());
        }
        if flags != hot.flags {
            changes.push((uid, hot, flags));
        }
    }
    if changes.is_empty() {
        return Ok(Reply::FlagsStored { modified, modseq: None });
    }
    if change.operation != FlagOperation::Remove {
        opened.admits_keywords(&*work.txn, work.id, change.flags.keywords.iter())?;
    }
    for (uid, hot, flags) in changes {
        opened.reflag(work, uid, hot, flags)?;
    }
    opened.save(work)?;
    Ok(Reply::FlagsStored { modified, modseq: Some(work.modseq()) })
}
