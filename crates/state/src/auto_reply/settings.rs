//! An account's automatic reply is set and cleared.

use yubin_types::{AccountId, LocalPart, Refusal, limits};

use super::command::AutoReplyCommand;
use super::record::{AutoReply, AutoReplyRow};
use crate::accounts::named;
use crate::command::Actor;
use crate::keys;
use crate::kv::Txn;
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::work::Work;

/// Carries out a command on an account's automatic reply.
pub(crate) fn carry_out<T: Txn>(
    work: &mut Work<'_, T>,
    command: AutoReplyCommand,
    actor: &Actor,
) -> Outcome<Reply, T::Error> {
    match command {
        AutoReplyCommand::Set { local, reply, body_ordinal, body_bytes } => {
            check(&reply, body_bytes)?;
            let reply = AutoReply { since: work.now, by: actor.principal.clone(), ..*reply };
            set(work, &local, reply, (body_ordinal, body_bytes))
        }
        AutoReplyCommand::Clear { local } => {
            let (id, mut account) = named(work, &local)?;
            forget(work, id)?;
            account.answers = false;
            work.save_account(id, &account);
            Ok(Reply::Done)
        }
    }
}

fn set<T: Txn>(
    work: &mut Work<'_, T>,
    local: &LocalPart,
    reply: AutoReply,
    (body_ordinal, body_bytes): (u16, u64),
) -> Outcome<Reply, T::Error> {
    let (id, mut account) = named(work, local)?;
    let body = work.body(body_ordinal)?;
    let key = keys::auto_reply(work.id, id);
    if let Some(before) = work.txn.row(&key)? {
        if (&before.reply.subject, &before.reply.text) != (&reply.subject, &reply.text) {
            work.txn.unset(&keys::answered(work.id, id));
        }
        work.release_body(&before.body)?;
    }
    work.take_body(body_ordinal);
    work.txn.set(&key, &AutoReplyRow { reply, body, body_bytes });
    account.answers = true;
    work.save_account(id, &account);
    Ok(Reply::Done)
}

fn check(reply: &AutoReply, body_bytes: u64) -> Result<(), Refusal> {
    let invalid = |why: String| Err(Refusal::InvalidValue { why });
    if reply.text.is_empty() || reply.text.len() > limits::AUTO_REPLY_TEXT_BYTES_MAX {
        return invalid(format!("the text of a reply has 1 to {} bytes", limits::AUTO_REPLY_TEXT_BYTES_MAX));
    }
    if reply.subject.len() > limits::AUTO_REPLY_SUBJECT_BYTES_MAX {
        return invalid(format!("the subject of a reply has at most {} bytes", limits::AUTO_REPLY_SUBJECT_BYTES_MAX));
    }
    if body_bytes > limits::AUTO_REPLY_BODY_BYTES_MAX {
        return invalid(format!("a reply is sent as at most {} bytes", limits::AUTO_REPLY_BODY_BYTES_MAX));
    }
    if !(1..=limits::AUTO_REPLY_DAYS_MAX).contains(&reply.days) {
        return invalid(format!("a sender is answered again after 1 to {} days", limits::AUTO_REPLY_DAYS_MAX));
    }
    if let (Some(from), Some(until)) = (reply.from, reply.until)
        && until <= from
    {
        return invalid("a reply ends after it begins".to_owned());
    }
    Ok(())
}

/// Removes the automatic reply of an account, and whom it answered.
pub(crate) fn forget<T: Txn>(work: &mut Work<'_, T>, account: AccountId) -> Outcome<(), T::Error> {
    let key = keys::auto_reply(work.id, account);
    if let Some(row) = work.txn.row(&key)? {
        work.txn.unset(&key);
        work.release_body(&row.body)?;
    }
    work.txn.unset(&keys::answered(work.id, account));
    Ok(())
}

/// Erases those of a domain that is being deleted, and lets their bodies go; what is left of the budget comes back.
pub(crate) fn erase<T: Txn>(work: &mut Work<'_, T>, budget: usize) -> Outcome<usize, T::Error> {
    let rows = work.txn.first_rows(&keys::auto_replies_of(work.id), budget)?;
    let left = budget - rows.len();
    for (key, row) in rows {
        work.txn.delete(&key);
        work.release_body(&row.body)?;
    }
    Ok(left)
}
