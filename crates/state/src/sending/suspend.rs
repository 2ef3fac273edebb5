//! An account's sending is stopped and let go again; its limits are set; its owner is told.
//!
//! A suspension is a row of the account with its evidence, and a notice that is due: the group's leader writes it and stores it with
//! [`tell`], which happens once for each suspension, whatever dies in between. A notice that finds no room in the mailbox is given up: the
//! refusals of submissions say the same.

use yubin_types::{AccountId, AccountSending, Limit, LocalPart, Refusal, SuspensionCause, Timestamp, limits};

use super::command::SendingCommand;
use super::record::{SendingChange, SendingControl, SendingSuspension};
use super::{admit, record, send_as};
use crate::accounts::{check_reason, named};
use crate::command::{Actor, NewMessage, Recipient};
use crate::keys::{self, DueKind};
use crate::kv::Txn;
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::work::Work;
use crate::{deliver, notices};

/// Carries out a command on an account's sending.
pub(crate) fn carry_out<T: Txn>(
    work: &mut Work<'_, T>,
    command: SendingCommand,
    actor: &Actor,
) -> Outcome<Reply, T::Error> {
    match command {
        SendingCommand::SetLimits { local, limits } => set_limits(work, &local, limits),
        SendingCommand::Suspend { local, reason } => {
            check_reason(&reason)?;
            let (id, _) = named(work, &local)?;
            suspend(work, id, SuspensionCause::Operator { reason }, actor.principal.clone())?;
            Ok(Reply::Done)
        }
        SendingCommand::Resume { local } => resume(work, &local, actor),
        SendingCommand::CountRefusal(login) => admit::count_refusal(work, login),
        SendingCommand::Tell { account, since, recipient, message } => {
            tell(work, (account, since), recipient, &message)
        }
        SendingCommand::GrantSendAs { local, name, domain, holder } => {
            send_as::grant(work, &local, name, (domain, holder), actor)
        }
        SendingCommand::RevokeSendAs { local, name } => send_as::revoke(work, &local, &name),
    }
}

fn set_limits<T: Txn>(
    work: &mut Work<'_, T>,
    local: &LocalPart,
    limits: AccountSending<Option<Limit>>,
) -> Outcome<Reply, T::Error> {
    let (id, _) = named(work, local)?;
    let mut control = control(work, id)?;
    control.limits = limits;
    save(work, id, &control);
    Ok(Reply::Done)
}

/// Stops an account's sending; one that is stopped already keeps its first cause.
pub(crate) fn suspend<T: Txn>(
    work: &mut Work<'_, T>,
    account: AccountId,
    cause: SuspensionCause,
    by: String,
) -> Outcome<(), T::Error> {
    let mut control = control(work, account)?;
    if control.suspension.is_some() {
        return Ok(());
    }
    let now = work.now;
    remember(&mut control, SendingChange { at: now, by: by.clone(), cause: Some(cause.clone()) });
    control.suspension = Some(SendingSuspension { cause, since: now, by });
    save(work, account, &control);
    work.txn.set(&keys::sending_notice(work.id, account), &());
    work.due_by(DueKind::Notices, now);
    Ok(())
}

fn resume<T: Txn>(work: &mut Work<'_, T>, local: &LocalPart, actor: &Actor) -> Outcome<Reply, T::Error> {
    let (id, _) = named(work, local)?;
    let mut control = control(work, id)?;
    if control.suspension.take().is_none() {
        return Ok(Reply::Done);
    }
    remember(&mut control, SendingChange { at: work.now, by: actor.principal.clone(), cause: None });
    save(work, id, &control);
    let key = keys::sending_counters(work.id, id);
    if let Some(mut counters) = work.txn.row(&key)? {
        counters.forgive();
        work.txn.set(&key, &counters);
    }
    told(work, id)?;
    Ok(Reply::Done)
}

/// Stores a notice, if it is still the one that is due.
fn tell<T: Txn>(
    work: &mut Work<'_, T>,
    (account, since): (AccountId, Timestamp),
    recipient: Recipient,
    message: &NewMessage,
) -> Outcome<Reply, T::Error> {
    let is_due = work.txn.row(&keys::sending_notice(work.id, account))?.is_some();
    let same = control(work, account)?.suspension.is_some_and(|suspension| suspension.since == since);
    if !is_due || !same {
        return Err(Refusal::NotFound { what: "notice that is due".to_owned() }.into());
    }
    let reply = deliver::deliver(work, None, &[recipient], message, None)?;
    told(work, account)?;
    Ok(reply)
}

/// Nothing is left to be told of an account.
fn told<T: Txn>(work: &mut Work<'_, T>, account: AccountId) -> Outcome<(), T::Error> {
    work.txn.unset(&keys::sending_notice(work.id, account));
    notices::settle(work)
}

/// Removes everything about the sending of an account that goes.
pub(crate) fn forget<T: Txn>(work: &mut Work<'_, T>, account: AccountId) -> Outcome<(), T::Error> {
    work.txn.unset(&keys::sending_control(work.id, account));
    work.txn.unset(&keys::sending_counters(work.id, account));
    work.txn.unset(&keys::known_recipients(work.id, account));
    super::countries::forget(work, account);
    send_as::forget(work, account);
    if work.txn.row(&keys::sending_notice(work.id, account))?.is_some() {
        told(work, account)?;
    }
    Ok(())
}

/// Recipients of an account's mail ended: reached, or refused for good. Too many of these suspend its sending.
pub(crate) fn count_ends<T: Txn>(
    work: &mut Work<'_, T>,
    account: AccountId,
    (delivered, bounced): (u64, u64),
) -> Outcome<(), T::Error> {
    let key = keys::sending_counters(work.id, account);
    // Without a row the account sent nothing for a day, or it is gone.
    let Some(mut counters) = work.txn.row(&key)? else { return Ok(()) };
    counters.count(work.now, |counts| {
        counts.delivered += delivered;
        counts.bounced += bounced;
    });
    work.txn.set(&key, &counters);
    let Limit::AtMost(percent) = work.domain.plan.sending.suspension.bounce_percent else { return Ok(()) };
    let (delivered, bounced) = counters.ends(work.now);
    let share_exceeded = bounced.saturating_mul(100) > percent.saturating_mul(bounced.saturating_add(delivered));
    if bounced < limits::SENDING_BOUNCES_MIN || !share_exceeded {
        return Ok(());
    }
    suspend(work, account, SuspensionCause::Bounces { bounced, delivered }, String::new())
}

fn control<T: Txn>(work: &Work<'_, T>, account: AccountId) -> Outcome<SendingControl, T::Error> {
    Ok(work.txn.row(&keys::sending_control(work.id, account))?.unwrap_or_default())
}

/// Writes what was decided, or nothing where that says nothing.
fn save<T: Txn>(work: &mut Work<'_, T>, account: AccountId, control: &SendingControl) {
    let key = keys::sending_control(work.id, account);
    if *control == record::SendingControl::default() {
        work.txn.unset(&key);
    } else {
        work.txn.set(&key, control);
    }
}

fn remember(control: &mut SendingControl, change: SendingChange) {
    control.history.push(change);
    let excess = control.history.len().saturating_sub(limits::SENDING_HISTORY_MAX);
    control.history.drain(..excess);
}
