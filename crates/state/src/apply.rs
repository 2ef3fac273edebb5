//! The way of an entry: decode, stamp, find an earlier outcome, fence by epoch, carry out, remember.
//!
//! Refusals are replies. `Err` means that the disk failed; the host then throws the transaction away. Time is max(stamp, last stamp), so
//! it never goes back; whether a proposer's clock may be believed is the proposer's check, because a group that rested for a week can't
//! be told from a clock that jumped. Only a stamp that no clock shows is refused here: it would spoil the group's time for good.
//!
//! What is remembered: every outcome of a handler, refusals too, because a duplicate that comes late must not succeed after its sender was
//! told no. Not remembered: refusals of the envelope, which ask for a retry, and "there is more", which asks for a repeat.

use smallvec::SmallVec;
use yubin_types::{Refusal, Timestamp, TraceId, limits};

use crate::codec::{Decode as _, Encode as _};
use crate::command::{Actor, Command, DomainCommand, Entry, Envelope, MailCommand, MaintenanceCommand};
use crate::forward::{onward::Onward, settings};
use crate::kv::{BodyRef, Position, Txn};
use crate::queue::{QueueCommand, control, enqueue, forget, lease, outcome};
use crate::reply::{More, Reply};
use crate::rows::Phase;
use crate::sending::{countries, suspend};
use crate::stop::{Outcome, Stop};
use crate::table::{Read as _, Write as _};
use crate::topic::Topic;
use crate::work::{Topics, Work};
use crate::{
    accounts, aliases, append, auto_reply, copy_move, dedupe, deliver, directory, dkim, domain, expiry, expunge,
    expunged, filtering, flags, greylist, keys, mailboxes, rename, vault,
};

/// What an entry came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The reply, encoded ([`Reply`]).
    pub reply: Vec<u8>,
    /// What changed.
    pub topics: SmallVec<[Topic; 2]>,
}

/// Applies an entry whose bodies are stored already. Deterministic: the same entries in the same order give the same rows and replies.
///
/// # Errors
/// The disk failed; nothing of the entry may be kept.
///
/// # Panics
/// A row is damaged, a counter is broken, or the entry can't be decoded: the group must stop on this replica, which would differ from
/// the others if it went on. Proposers decode what they propose, so an entry like that comes from a newer build.
pub fn apply<T: Txn>(txn: &mut T, position: Position, entry: &[u8], bodies: &[BodyRef]) -> Result<Applied, T::Error> {
    match step(txn, position, decoded(entry), bodies) {
        Ok(applied) => Ok(applied),
        Err(Stop::Refused(refusal)) => {
            bodies.iter().for_each(|body| txn.drop_body(body));
            Ok(Applied { reply: Reply::Refused(refusal).encode(), topics: Topics::new() })
        }
        Err(Stop::Disk(error)) => Err(error),
    }
}

#[expect(clippy::panic, reason = "an entry of a newer build must stop this replica, see above")]
fn decoded(entry: &[u8]) -> Entry {
    match Entry::decode(entry) {
        Ok(entry) => entry,
        Err(error) => panic!("an entry can't be read: {error}"),
    }
}

fn step<T: Txn>(txn: &mut T, position: Position, entry: Entry, bodies: &[BodyRef]) -> Outcome<Applied, T::Error> {
    let Entry { envelope, command } = entry;
    if envelope.stamp.millis() > limits::STAMP_MS_MAX {
        return Err(Refusal::ClockOutOfBounds.into());
    }
    let last = txn.row(&keys::clock())?.unwrap_or_default();
    let now = last.max(envelope.stamp);
    if let Some(reply) = dedupe::recall(txn, &envelope)? {
        bodies.iter().for_each(|body| txn.drop_body(body));
        return Ok(Applied { reply, topics: Topics::new() });
    }
    let mut topics = Topics::new();
    let reply = match carry_out(txn, position, &envelope, command, now, bodies, &mut topics) {
        Ok(reply) => reply,
        Err(Stop::Refused(refusal)) => {
            bodies.iter().for_each(|body| txn.drop_body(body));
            Reply::Refused(refusal)
        }
        Err(disk) => return Err(disk),
    };
    if now != last {
        txn.set(&keys::clock(), &now);
    }
    let encoded = reply.encode();
    if is_final(&reply) {
        dedupe::remember(txn, &envelope, now, &reply, &encoded);
    }
    Ok(Applied { reply: encoded, topics })
}

fn is_final(reply: &Reply) -> bool {
    let again = matches!(
        reply,
        Reply::Progress { more: More::Yes, .. } | Reply::Refused(Refusal::StaleEpoch | Refusal::DomainFrozen)
    );
    !again
}

fn carry_out<T: Txn>(
    txn: &mut T,
    position: Position,
    envelope: &Envelope,
    command: Command,
    now: Timestamp,
    bodies: &[BodyRef],
    topics: &mut Topics,
) -> Outcome<Reply, T::Error> {
    let reply = match command {
        Command::Domain(DomainCommand::Create { name, plan, quota }) => {
            domain::create(txn, envelope, now, domain::New { name, plan, quota })?
        }
        Command::Domain(DomainCommand::Delete) => domain::delete(txn, envelope, now, topics)?,
        Command::Domain(command) => {
            return on_domain(txn, envelope, now, bodies, topics, |work| administer(work, command, &envelope.actor));
        }
        Command::Mail(command) => {
            return on_domain(txn, envelope, now, bodies, topics, |work| mail(work, command, envelope.trace));
        }
        Command::Directory(command) => directory::carry_out(txn, position, now, command, topics)?,
        Command::Maintenance(command) => maintain(txn, command, now, topics)?,
        Command::Queue(QueueCommand::Enqueue { login, messages }) => {
            return on_domain(txn, envelope, now, bodies, topics, |work| {
                enqueue::enqueue(work, login, messages, None, envelope.trace)
            });
        }
        Command::Queue(QueueCommand::EnqueueLeased { login, messages, worker, seconds }) => {
            let wanted = lease::Wanted { worker, seconds, request: envelope.request };
            return on_domain(txn, envelope, now, bodies, topics, |work| {
                let lease = wanted.with_enqueue(position, now, &work.domain)?;
                enqueue::enqueue(work, login, messages, Some(lease), envelope.trace)
            });
        }
        Command::Queue(QueueCommand::Record { results }) => {
            return outcome::record(txn, (position, now), results, bodies, topics);
        }
        Command::Queue(QueueCommand::Control { items, action }) => {
            return on_domain(txn, envelope, now, bodies, topics, |work| {
                control::control(work, position, &items, &action)
            });
        }
        Command::Queue(command) => leases(txn, position, envelope, command, now, topics)?,
    };
    // Only mail, in and out, takes bodies.
    bodies.iter().for_each(|body| txn.drop_body(body));
    Ok(reply)
}

/// Opens the envelope's domain, checks its epoch, runs the handler and finishes.
fn on_domain<'t, T: Txn>(
    txn: &'t mut T,
    envelope: &Envelope,
    now: Timestamp,
    bodies: &'t [BodyRef],
    topics: &mut Topics,
    handler: impl FnOnce(&mut Work<'t, T>) -> Outcome<Reply, T::Error>,
) -> Outcome<Reply, T::Error> {
    // An unknown id has moved or is gone: only the directory knows which.
    let mut work = Work::open(txn, envelope.domain, now, bodies)?.ok_or(Refusal::StaleEpoch)?;
    if work.domain.epoch != envelope.epoch {
        return Err(Refusal::StaleEpoch.into());
    }
    if work.domain.phase == Phase::Deleting {
        return Err(Refusal::NoSuchDomain.into());
    }
    let reply = handler(&mut work)?;
    *topics = work.finish();
    Ok(reply)
}

fn administer<T: Txn>(work: &mut Work<'_, T>, command: DomainCommand, actor: &Actor) -> Outcome<Reply, T::Error> {
    match command {
        // Both are handled before a domain is opened.
        DomainCommand::Create { .. } | DomainCommand::Delete => Err(Refusal::Unsupported.into()),
        DomainCommand::Update { plan, quota, catch_all } => domain::update(work, plan, quota, catch_all),
        DomainCommand::Suspend { reason } => domain::suspend(work, reason),
        DomainCommand::Resume => domain::resume(work),
        DomainCommand::CreateAccount { local, verifiers, quota } => accounts::create(work, local, verifiers, quota),
        DomainCommand::SetPassword { local, verifiers } => accounts::set_password(work, &local, verifiers),
        DomainCommand::SetAccountQuota { local, quota } => accounts::set_quota(work, &local, quota),
        DomainCommand::SuspendAccount { local, reason } => accounts::suspend(work, &local, reason),
        DomainCommand::ResumeAccount { local } => accounts::resume(work, &local),
        DomainCommand::DeleteAccount { local } => accounts::delete(work, &local),
        DomainCommand::PutFastVerifier { account, generation, mac } => {
            accounts::put_fast_verifier(work, crate::command::Login { account, generation }, mac)
        }
        DomainCommand::PutAlias { local, targets } => aliases::put(work, local, targets),
        DomainCommand::RemoveAlias { local } => aliases::remove(work, &local),
        DomainCommand::AddDkimKeys(keys) => dkim::add(work, keys),
        DomainCommand::ActivateDkimKeys => dkim::activate(work),
        DomainCommand::RemoveDkimKey(selector) => dkim::remove(work, &selector),
        DomainCommand::Sending(command) => suspend::carry_out(work, command, actor),
        DomainCommand::Forward(command) => settings::carry_out(work, command, actor),
        DomainCommand::AutoReply(command) => auto_reply::settings::carry_out(work, command, actor),
        DomainCommand::SetCountries { account, rule } => countries::set(work, account.as_ref(), rule.as_ref()),
        DomainCommand::SetFiltering { account, rules } => filtering::set(work, account.as_ref(), rules.as_deref()),
        DomainCommand::Greylist(visit) => greylist::visit(work, &visit),
        DomainCommand::RestoreExpunged { local, places, into } => expunged::restore(work, &local, &places, &into),
    }
}

fn mail<T: Txn>(work: &mut Work<'_, T>, command: MailCommand, trace: TraceId) -> Outcome<Reply, T::Error> {
    match command {
        MailCommand::Deliver { login, sender, recipients, message, passage } => {
            let onward = Onward { sender: &sender, passage: &passage, trace };
            deliver::deliver(work, login, &recipients, &message, Some(&onward))
        }
        MailCommand::Append { login, mailbox, messages } => append::append(work, login, &mailbox, messages),
        MailCommand::StoreFlags { login, mailbox, uids, operation, flags, unchanged_since } => {
            let change = flags::Change { operation, flags, unchanged_since };
            flags::store(work, login, mailbox, &uids, &change)
        }
        MailCommand::Copy { login, mailbox, uids, to } => copy_move::copy(work, login, mailbox, &uids, &to),
        MailCommand::Move { login, mailbox, uids, to } => copy_move::relocate(work, login, mailbox, &uids, &to),
        MailCommand::Expunge { login, mailbox, uids, which } => expunge::expunge(work, login, mailbox, &uids, which),
        MailCommand::CreateMailbox { login, name, special_use } => mailboxes::create(work, login, &name, special_use),
        MailCommand::DeleteMailbox { login, name } => mailboxes::delete(work, login, &name),
        MailCommand::RenameMailbox { login, from, to } => rename::rename(work, login, &from, &to),
        MailCommand::SetSubscribed { login, name, subscription } => {
            mailboxes::set_subscribed(work, login, &name, subscription)
        }
    }
}

fn maintain<T: Txn>(
    txn: &mut T,
    command: MaintenanceCommand,
    now: Timestamp,
    topics: &mut Topics,
) -> Outcome<Reply, T::Error> {
    match command {
        MaintenanceCommand::ExpireTrash => expiry::expire_trash(txn, now, topics),
        MaintenanceCommand::PurgeVault => vault::purge(txn, now, topics),
        MaintenanceCommand::ForgetRequests => dedupe::forget(txn, now),
        MaintenanceCommand::PutPlan(plan) => domain::put_plan(txn, now, &plan, topics),
        MaintenanceCommand::ForgetEvents => forget::forget(txn, now, topics),
        MaintenanceCommand::ForgetStrangers => greylist::forget(txn, now),
    }
}

/// Leases on deliveries of any domain of the group.
fn leases<T: Txn>(
    txn: &mut T,
    position: Position,
    envelope: &Envelope,
    command: QueueCommand,
    now: Timestamp,
    topics: &mut Topics,
) -> Outcome<Reply, T::Error> {
    match command {
        QueueCommand::Lease { worker, seconds, items } => {
            let wanted = lease::Wanted { worker, seconds, request: envelope.request };
            lease::lease(txn, position, now, &wanted, &items, topics)
        }
        QueueCommand::Renew { seconds, items } => lease::renew(txn, now, seconds, &items),
        QueueCommand::Postpone { items, why } => lease::postpone(txn, (position, now), (&items, &why), topics),
        // These are handled where their domain is opened.
        QueueCommand::Enqueue { .. }
        | QueueCommand::EnqueueLeased { .. }
        | QueueCommand::Record { .. }
        | QueueCommand::Control { .. } => Err(Refusal::Unsupported.into()),
    }
}
