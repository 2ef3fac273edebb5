//! A forward is set, cleared, paused and resumed; its owner is told.
//!
//! A target is paused by the command that records one refusal too many ([`limits::FORWARD_REFUSALS_MAX`] one after the other, for good);
//! one message that it takes begins the count anew. A pause is told once, as a suspension of sending is.

use yubin_types::{AccountId, Address, LocalPart, RecipientAddress, Refusal, Timestamp, limits};

use super::command::ForwardCommand;
use super::record::{Forward, ForwardPause, ForwardTarget, LocalCopy};
use crate::accounts::named;
use crate::command::{Actor, NewMessage, Recipient};
use crate::keys::{self, DueKind};
use crate::kv::Txn;
use crate::opened::too_many;
use crate::queue::{FinalOutcome, RemoteReply};
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::work::Work;
use crate::{deliver, notices};

/// Carries out a command on an account's forward.
pub(crate) fn carry_out<T: Txn>(
    work: &mut Work<'_, T>,
    command: ForwardCommand,
    actor: &Actor,
) -> Outcome<Reply, T::Error> {
    match command {
        ForwardCommand::Set { local, targets, copy } => set(work, &local, targets, copy, actor),
        ForwardCommand::Clear { local } => clear(work, &local),
        ForwardCommand::Resume { local } => resume(work, &local),
        ForwardCommand::Tell { account, since, recipient, message } => {
            tell(work, (account, since), recipient, &message)
        }
    }
}

fn set<T: Txn>(
    work: &mut Work<'_, T>,
    local: &LocalPart,
    targets: Vec<Address>,
    copy: LocalCopy,
    actor: &Actor,
) -> Outcome<Reply, T::Error> {
    let (id, mut account) = named(work, local)?;
    check(work, &account.local, &targets)?;
    let key = keys::forward(work.id, id);
    let mut known = work.txn.row(&key)?.map(|forward| forward.targets).unwrap_or_default();
    let target = |address: Address| match known.iter().position(|target| same(&target.address, &address)) {
        Some(place) => ForwardTarget { address, ..known.swap_remove(place) },
        None => ForwardTarget { address, refused: 0, pause: None },
    };
    let targets = targets.into_iter().map(target).collect();
    let forward = Forward { targets, copy, since: work.now, by: actor.principal.clone() };
    if forward.last_pause().is_none() {
        told(work, id)?;
    }
    work.txn.set(&key, &forward);
    account.forwards = true;
    work.save_account(id, &account);
    Ok(Reply::Done)
}

fn check<T: Txn>(work: &Work<'_, T>, own: &LocalPart, targets: &[Address]) -> Result<(), Refusal> {
    let invalid = |why: &str| Err(Refusal::InvalidValue { why: why.to_owned() });
    if targets.is_empty() {
        return invalid("a forward has a target");
    }
    if targets.len() > limits::FORWARD_TARGETS_MAX {
        return Err(too_many("targets of a forward", limits::FORWARD_TARGETS_MAX as u64));
    }
    let own = Address { local: own.clone(), domain: work.domain.name.clone() };
    for (place, target) in targets.iter().enumerate() {
        if same(target, &own) {
            return invalid("an account can't forward to itself");
        }
        if targets.iter().take(place).any(|before| same(before, target)) {
            return invalid(&format!("{target} is named twice"));
        }
    }
    Ok(())
}

fn clear<T: Txn>(work: &mut Work<'_, T>, local: &LocalPart) -> Outcome<Reply, T::Error> {
    let (id, mut account) = named(work, local)?;
    forget(work, id)?;
    account.forwards = false;
    work.save_account(id, &account);
    Ok(Reply::Done)
}

fn resume<T: Txn>(work: &mut Work<'_, T>, local: &LocalPart) -> Outcome<Reply, T::Error> {
    let (id, _) = named(work, local)?;
    let key = keys::forward(work.id, id);
    let mut forward = work.txn.row(&key)?.ok_or_else(|| Refusal::NotFound { what: "forward".to_owned() })?;
    for target in &mut forward.targets {
        target.refused = 0;
        target.pause = None;
    }
    work.txn.set(&key, &forward);
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
    let is_due = work.txn.row(&keys::forward_notice(work.id, account))?.is_some();
    let forward = work.txn.row(&keys::forward(work.id, account))?;
    if !is_due || forward.and_then(|forward| forward.last_pause()) != Some(since) {
        return Err(Refusal::NotFound { what: "notice that is due".to_owned() }.into());
    }
    let reply = deliver::deliver(work, None, &[recipient], message, None)?;
    told(work, account)?;
    Ok(reply)
}

/// Nothing is left to be told of an account's forward.
fn told<T: Txn>(work: &mut Work<'_, T>, account: AccountId) -> Outcome<(), T::Error> {
    let key = keys::forward_notice(work.id, account);
    if work.txn.row(&key)?.is_some() {
        work.txn.unset(&key);
        notices::settle(work)?;
    }
    Ok(())
}

/// Removes the forward of an account.
pub(crate) fn forget<T: Txn>(work: &mut Work<'_, T>, account: AccountId) -> Outcome<(), T::Error> {
    work.txn.unset(&keys::forward(work.id, account));
    told(work, account)
}

/// A forwarded message ended at a target: taken, or refused for good. Too many refusals pause it.
pub(crate) fn count_end<T: Txn>(
    work: &mut Work<'_, T>,
    account: AccountId,
    recipient: &RecipientAddress,
    outcome: FinalOutcome,
    reply: Option<&RemoteReply>,
) -> Outcome<(), T::Error> {
    let key = keys::forward(work.id, account);
    // It may have been cleared since, or set to other targets.
    let Some(mut forward) = work.txn.row(&key)? else { return Ok(()) };
    let Some(target) = forward.targets.iter_mut().find(|target| is(&target.address, recipient)) else {
        return Ok(());
    };
    match outcome {
        FinalOutcome::Delivered if target.refused > 0 && target.pause.is_none() => target.refused = 0,
        FinalOutcome::Bounced => target.refused = target.refused.saturating_add(1),
        FinalOutcome::Delivered | FinalOutcome::Expired | FinalOutcome::Cancelled => return Ok(()),
    }
    if target.refused >= limits::FORWARD_REFUSALS_MAX && target.pause.is_none() {
        target.pause = Some(ForwardPause { since: work.now, reply: reply.map(said).unwrap_or_default() });
        work.txn.set(&keys::forward_notice(work.id, account), &());
        work.due_by(DueKind::Notices, work.now);
    }
    work.txn.set(&key, &forward);
    Ok(())
}

fn said(reply: &RemoteReply) -> String {
    match reply.enhanced {
        Some(enhanced) => format!("{} {enhanced} {}", reply.code, reply.text),
        None => format!("{} {}", reply.code, reply.text),
    }
}

fn same(a: &Address, b: &Address) -> bool {
    a.domain == b.domain && a.local.key() == b.local.key()
}

fn is(address: &Address, recipient: &RecipientAddress) -> bool {
    recipient.destination.domain() == Some(&address.domain) && recipient.local.key() == address.local.key()
}
