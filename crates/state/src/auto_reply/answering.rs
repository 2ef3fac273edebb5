//! Whether an account answers a message that is delivered to it: decided while the delivery is weighed, queued when it is stored.
//!
//! An answer has the null sender, so nobody is told if it can't be delivered (RFC 3834 §3.3). Its id follows from the delivery's, so that
//! applying is the same everywhere. Who was answered is one bounded row of the account: a sender's hash and a time, dropped when the
//! interval is over and another sender is answered.

use std::collections::BTreeMap;

use bytes::Bytes;
use yubin_types::{
    AccountId, Address, DsnEnvelope, Handling, LocalPart, NotifySet, QueueId, ReversePath, SpecialUse, Timestamp,
    TlsDemand, limits,
};

use super::record::{Answerable, Answered, AutoReply, AutoReplyRow, ReplyTo};
use crate::command::Recipient;
use crate::forward::onward::{Onward, Purpose, queue_id};
use crate::keys;
use crate::kv::Txn;
use crate::queue::tray::Tray;
use crate::queue::{BodyKind, ContentFacts, NewDelivery, NewQueued, NewQueuedRecipient, QueueSource, Smtputf8};
use crate::record::Standing;
use crate::resolve;
use crate::rows::{Account, Name};
use crate::sending::admit::address_hash;
use crate::stop::{Outcome, Stop};
use crate::table::{Read as _, Write as _};
use crate::work::Work;

/// An answer that an account gives.
pub(crate) struct Reply {
    /// Which of the delivery's recipients led to it.
    recipient: usize,
    by: Address,
    row: AutoReplyRow,
    to: Address,
    /// Whom the account has answered, this sender among them.
    answered: Answered,
}

/// The answer that an account gives to what is delivered to it, if it gives one.
pub(crate) fn reply<T: Txn>(
    work: &Work<'_, T>,
    (id, account): (AccountId, &Account),
    (index, recipient): (usize, &Recipient),
    onward: Option<&Onward<'_>>,
) -> Outcome<Option<Reply>, T::Error> {
    let Some(Onward { sender: ReversePath::Address(to), passage, .. }) = onward else { return Ok(None) };
    let Some(answerable) = &passage.answer else { return Ok(None) };
    if answerable.fields.len() + answerable.subject.len() > limits::AUTO_REPLY_FIELDS_BYTES_MAX {
        return Ok(None);
    }
    let own = account.local.key();
    if !account.answers
        || account.standing != Standing::Active
        || recipient.special_use == Some(SpecialUse::Junk)
        || passage.visited.iter().any(|visited| visited.key() == own)
    {
        return Ok(None);
    }
    let Some(row) = work.txn.row(&keys::auto_reply(work.id, id))?.filter(|row| row.reply.is_in_force(work.now)) else {
        return Ok(None);
    };
    let control = work.txn.row(&keys::sending_control(work.id, id))?;
    if control.is_some_and(|control| control.suspension.is_some()) || is_own(work, id, to)? {
        return Ok(None);
    }
    if row.reply.to == ReplyTo::Named && !is_named(work, id, answerable)? {
        return Ok(None);
    }
    let Some(answered) = remember(work, id, &row.reply, to)? else { return Ok(None) };
    let by = Address { local: account.local.clone(), domain: work.domain.name.clone() };
    Ok(Some(Reply { recipient: index, by, row, to: to.clone(), answered }))
}

/// Does the account write to itself?
fn is_own<T: Txn>(work: &Work<'_, T>, id: AccountId, sender: &Address) -> Outcome<bool, T::Error> {
    Ok(sender.domain == work.domain.name && leads_to(work, &sender.local, id)?)
}

/// Does the message name the account?
fn is_named<T: Txn>(work: &Work<'_, T>, id: AccountId, answerable: &Answerable) -> Outcome<bool, T::Error> {
    for local in answerable.named.iter().take(limits::AUTO_REPLY_NAMED_MAX) {
        if leads_to(work, local, id)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Is it a name of the account: its own, an alias that leads to it, a subaddress? The catch-all is nobody's name.
fn leads_to<T: Txn>(work: &Work<'_, T>, local: &LocalPart, id: AccountId) -> Outcome<bool, T::Error> {
    match resolve::existing(work.txn, work.id, local) {
        Ok(Some(Name::Account(account))) => Ok(account == id),
        Ok(Some(Name::Alias { local, targets })) => match resolve::expand(work.txn, work.id, &local, targets) {
            Ok(reached) => Ok(reached.contains(&id)),
            Err(Stop::Refused(_)) => Ok(false),
            Err(disk) => Err(disk),
        },
        Ok(None) => Ok(false),
        Err(stop) => Err(stop),
    }
}

/// Whom the account has answered once it answers this sender; `None`: not again yet, or too many are remembered.
fn remember<T: Txn>(
    work: &Work<'_, T>,
    id: AccountId,
    reply: &AutoReply,
    to: &Address,
) -> Outcome<Option<Answered>, T::Error> {
    let now = work.now;
    let mut answered = work.txn.row(&keys::answered(work.id, id))?.unwrap_or_default();
    let again = |at: Timestamp| at.plus_seconds(reply.interval_seconds()) <= now;
    answered.senders.retain(|&(_, at)| !again(at));
    let hash = address_hash(&to.local.key(), to.domain.as_str());
    let known = answered.senders.iter().any(|&(sender, _)| sender == hash);
    if known || answered.senders.len() >= limits::AUTO_REPLIES_REMEMBERED_MAX {
        return Ok(None);
    }
    answered.senders.push((hash, now));
    Ok(Some(answered))
}

/// Queues the answers, as far as there is room.
pub(crate) fn queue<T: Txn>(
    work: &mut Work<'_, T>,
    replies: BTreeMap<AccountId, Reply>,
    recipients: &[Recipient],
    onward: &Onward<'_>,
) -> Outcome<(), T::Error> {
    let Some(answerable) = &onward.passage.answer else { return Ok(()) };
    if replies.is_empty() {
        return Ok(());
    }
    // It quotes what it answers.
    let tls = onward.passage.content.tls.of_answer();
    let mut tray = Tray::open(work)?;
    for (account, reply) in replies.into_iter().take(limits::AUTO_REPLIES_PER_DELIVERY_MAX) {
        let Some(recipient) = recipients.get(reply.recipient) else { continue };
        let id = queue_id(tray.work.now.millis(), recipient, account, Purpose::Answer);
        let Reply { answered, row, .. } = &reply;
        let new = queued(id, account, &reply, (answerable, tls));
        let room = tray.has_room(1, new.bytes());
        if !room || tray.work.txn.row(&keys::queued(tray.work.id, id))?.is_some() {
            continue;
        }
        tray.work.hold_body(&row.body)?;
        tray.work.txn.set(&keys::answered(tray.work.id, account), answered);
        tray.insert(new, row.body.clone(), onward.trace);
    }
    tray.close().map(|_| ())
}

fn queued(id: QueueId, account: AccountId, reply: &Reply, (answerable, tls): (&Answerable, TlsDemand)) -> NewQueued {
    let Reply { by, row, to, .. } = reply;
    let message_id = format!("<{id}@{}>", by.domain);
    let mut prefix =
        format!("From: <{by}>\r\nMessage-ID: {message_id}\r\nAuto-Submitted: auto-replied\r\n").into_bytes();
    prefix.extend_from_slice(&answerable.fields);
    if row.reply.subject.is_empty() {
        prefix.extend_from_slice(&answerable.subject);
    }
    let content = if prefix.is_ascii() {
        ContentFacts { tls, ..ContentFacts::default() }
    } else {
        ContentFacts { body: BodyKind::EightBit, smtputf8: Smtputf8::Needed, tls }
    };
    let recipient = NewQueuedRecipient { local: to.local.clone(), notify: NotifySet::NEVER, orcpt: None };
    NewQueued {
        id,
        sender: ReversePath::Null,
        source: QueueSource::AutoReply { account, by: by.domain.clone() },
        message_id: Some(message_id),
        body_ordinal: 0,
        body_bytes: row.body_bytes,
        prefix: Bytes::from(prefix),
        content,
        dsn: DsnEnvelope::default(),
        handling: Handling::default(),
        lifetime_seconds: limits::QUEUE_LIFETIME_SECONDS_DEFAULT,
        deliveries: vec![NewDelivery { destination: to.domain.clone().into(), recipients: vec![recipient] }],
    }
}
