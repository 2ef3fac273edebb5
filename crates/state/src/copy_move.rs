//! COPY (RFC 9051 §6.4.7) and MOVE (RFC 6851): all messages or none, within one account.
//!
//! A copy shares the body and counts against both quotas; a move changes no usage and can't fail for quota, so that a full account can
//! still be tidied. Flags, INTERNALDATE and EMAILID go along, the save date (RFC 8514) and with it Trash expiry starts anew.

use yubin_types::{MailboxId, MailboxName, Uid, UidSet, Usage, limits};

use crate::append::{open, room};
use crate::command::Login;
use crate::keys;
use crate::kv::Txn;
use crate::live;
use crate::opened::{Incoming, Opened, too_many};
use crate::record::{ColdRow, HotRow};
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::Read as _;
use crate::work::Work;

type Message = (Uid, HotRow, ColdRow);

/// Copies at most [`limits::MESSAGES_PER_COMMAND_MAX`] messages.
pub(crate) fn copy<T: Txn>(
    work: &mut Work<'_, T>,
    login: Login,
    mailbox: MailboxId,
    uids: &UidSet,
    to: &MailboxName,
) -> Outcome<Reply, T::Error> {
    let mut account = work.login(login)?;
    work.mailbox(login.account, mailbox)?;
    let target = open(work, login, to)?;
    let messages = read(work, mailbox, uids)?;
    target.admits(messages.len())?;
    let growth = messages.iter().fold(Usage::default(), |sum, (_, hot, _)| sum.plus(Usage::of_message(hot.bytes)));
    room(work, &account, growth)?;
    for (_, _, cold) in &messages {
        work.hold_body(&cold.body)?;
    }
    if !messages.is_empty() {
        work.charge(&mut account, growth);
        work.save_account(login.account, &account);
    }
    insert(work, target, messages)
}

/// Moves at most [`limits::MESSAGES_PER_COMMAND_MAX`] messages.
pub(crate) fn relocate<T: Txn>(
    work: &mut Work<'_, T>,
    login: Login,
    mailbox: MailboxId,
    uids: &UidSet,
    to: &MailboxName,
) -> Outcome<Reply, T::Error> {
    work.login(login)?;
    let source = Opened::new(mailbox, work.mailbox(login.account, mailbox)?);
    let target = open(work, login, to)?;
    let messages = read(work, mailbox, uids)?;
    target.admits(messages.len())?;
    let target = take_out(work, source, target, &messages)?;
    insert(work, target, messages)
}

/// Removes messages from a mailbox that go to another, or to new UIDs of the same.
pub(crate) fn take_out<T: Txn>(
    work: &mut Work<'_, T>,
    mut source: Opened,
    mut target: Opened,
    messages: &[Message],
) -> Outcome<Opened, T::Error> {
    if messages.is_empty() {
        return Ok(target);
    }
    for (uid, hot, _) in messages {
        source.remove(work, *uid, hot)?;
    }
    let (id, account) = (source.id, source.row.account);
    source.save(work)?;
    if target.id == id {
        target = Opened::new(id, work.mailbox(account, id)?);
    }
    Ok(target)
}

/// Puts messages into a mailbox under new UIDs.
pub(crate) fn insert<T: Txn>(
    work: &mut Work<'_, T>,
    mut target: Opened,
    messages: Vec<Message>,
) -> Outcome<Reply, T::Error> {
    let (mut from, mut to) = (UidSet::new(), UidSet::new());
    for (uid, hot, cold) in messages {
        let HotRow { flags, bytes, internal_date, email_id, .. } = hot;
        from.insert(uid);
        to.insert(target.insert(work, Incoming { flags, bytes, internal_date, email_id, cold })?);
    }
    let (mailbox, uid_validity) = (target.id, target.row.uid_validity);
    if !to.is_empty() {
        target.save(work)?;
    }
    Ok(Reply::Stored { mailbox, uid_validity, from, to, modseq: work.counters.modseq })
}

/// The messages of `uids` that exist, in UID order.
pub(crate) fn read<T: Txn>(work: &Work<'_, T>, mailbox: MailboxId, uids: &UidSet) -> Outcome<Vec<Message>, T::Error> {
    let limit = limits::MESSAGES_PER_COMMAND_MAX as u64;
    let live = live::among(work.txn, (work.id, mailbox), uids, limit, |chunk| chunk.live)?;
    if live.len() > limit {
        return Err(too_many("messages in one command", limit).into());
    }
    let mut messages = Vec::new();
    for uid in live.iter() {
        let hot = work.txn.row(&keys::hot(work.id, mailbox, uid))?;
        let cold = work.txn.row(&keys::cold(work.id, mailbox, uid))?;
        if let (Some(hot), Some(cold)) = (hot, cold) {
            messages.push((uid, hot, cold));
        }
    }
    Ok(messages)
}
