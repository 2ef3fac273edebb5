//! What a delivery becomes on its way on: decided while it is weighed, queued when it is stored.
//!
//! A forwarding account's queued message is the delivered one with the account's Delivered-To before it, by which its return is known, and
//! without the Return-Path, which the last server writes. All its targets share it. Its id follows from the delivery's, so that applying
//! is the same everywhere. The sender is told of failures only: that it takes long is none of a stranger's concern.

use std::collections::BTreeMap;

use bytes::Bytes;
use yubin_types::{
    AccountId, Address, DestinationName, DsnEnvelope, NotifyOn, NotifySet, QueueId, Refusal, ReversePath, SpecialUse,
    TraceId, limits,
};

use super::record::{LocalCopy, Passage};
use crate::auto_reply::{self, Forwarding};
use crate::command::{NewMessage, Recipient};
use crate::keys;
use crate::kv::Txn;
use crate::queue::tray::Tray;
use crate::queue::{NewDelivery, NewQueued, NewQueuedRecipient, QueueSource, Smtputf8};
use crate::record::Standing;
use crate::rows::Account;
use crate::stop::Outcome;
use crate::table::Read as _;
use crate::work::Work;

/// What forwarding needs of a delivery beside the message.
pub(crate) struct Onward<'a> {
    pub(crate) sender: &'a ReversePath,
    pub(crate) passage: &'a Passage,
    pub(crate) trace: TraceId,
}

/// Where a message for an account goes.
pub(crate) struct Way {
    pub(crate) copy: LocalCopy,
    pub(crate) targets: Vec<Address>,
}

/// Decides it. Nothing goes on while the account answers by itself and wants that (SONET-27).
pub(crate) fn way<T: Txn>(
    work: &Work<'_, T>,
    (id, account): (AccountId, &Account),
    recipient: &Recipient,
    onward: Option<&Onward<'_>>,
) -> Outcome<Way, T::Error> {
    let stay = Way { copy: LocalCopy::Keep, targets: Vec::new() };
    let Some(Onward { passage, .. }) = onward else { return Ok(stay) };
    if !account.forwards || recipient.special_use == Some(SpecialUse::Junk) || account.standing != Standing::Active {
        return Ok(stay);
    }
    let own = account.local.key();
    if passage.hops >= limits::FORWARD_HOPS_MAX || passage.visited.iter().any(|visited| visited.key() == own) {
        return Ok(stay);
    }
    if auto_reply::reading::forwarding(work.txn, work.id, (id, account), work.now)? == Forwarding::Rests {
        return Ok(stay);
    }
    let Some(forward) = work.txn.row(&keys::forward(work.id, id))? else { return Ok(stay) };
    let targets: Vec<Address> = forward.active().map(|target| target.address.clone()).collect();
    if targets.is_empty() { Ok(stay) } else { Ok(Way { copy: forward.copy, targets }) }
}

/// A message that goes on for an account.
pub(crate) struct Forwarded {
    /// Which of the delivery's recipients led to it.
    pub(crate) recipient: usize,
    pub(crate) by: Address,
    pub(crate) targets: Vec<Address>,
}

impl Forwarded {
    fn destinations(&self) -> BTreeMap<DestinationName, Vec<&Address>> {
        let mut by_destination: BTreeMap<DestinationName, Vec<&Address>> = BTreeMap::new();
        for target in &self.targets {
            by_destination.entry(target.domain.clone().into()).or_default().push(target);
        }
        by_destination
    }
}

/// Is there no room in the queue for all of these?
pub(crate) fn check_room<T: Txn>(
    work: &mut Work<'_, T>,
    forwards: &BTreeMap<AccountId, Forwarded>,
    message: &NewMessage,
) -> Outcome<Result<(), Refusal>, T::Error> {
    if forwards.is_empty() {
        return Ok(Ok(()));
    }
    let deliveries = forwards.values().map(|forwarded| forwarded.destinations().len() as u64).sum();
    let bytes = message.body_bytes.saturating_add(limits::MESSAGE_PREFIX_BYTES_MAX as u64);
    let has_room = Tray::open(work)?.has_room(deliveries, bytes.saturating_mul(forwards.len() as u64));
    Ok(if has_room { Ok(()) } else { Err(Refusal::QueueFull) })
}

/// Queues them all.
pub(crate) fn queue<T: Txn>(
    work: &mut Work<'_, T>,
    forwards: BTreeMap<AccountId, Forwarded>,
    recipients: &[Recipient],
    message: &NewMessage,
    onward: &Onward<'_>,
) -> Outcome<(), T::Error> {
    if forwards.is_empty() {
        return Ok(());
    }
    let body = work.body(message.body_ordinal)?;
    let mut tray = Tray::open(work)?;
    for (account, forwarded) in forwards {
        let Some(recipient) = recipients.get(forwarded.recipient) else { continue };
        let id = queue_id(tray.work.now.millis(), recipient, account, Purpose::Forward);
        if tray.work.txn.row(&keys::queued(tray.work.id, id))?.is_some() {
            continue;
        }
        tray.work.take_body(message.body_ordinal);
        tray.insert(queued(id, account, forwarded, recipient, message, onward), body.clone(), onward.trace);
    }
    tray.close().map(|_| ())
}

fn queued(
    id: QueueId,
    account: AccountId,
    forwarded: Forwarded,
    recipient: &Recipient,
    message: &NewMessage,
    onward: &Onward<'_>,
) -> NewQueued {
    let by = forwarded.by.to_string();
    // Names that can be created are xtext as they are.
    let orcpt = Some(Bytes::from(format!("rfc822;{by}")));
    let notify = NotifySet::of(&[NotifyOn::Failure]);
    let to = |target: &Address| NewQueuedRecipient { local: target.local.clone(), notify, orcpt: orcpt.clone() };
    let delivery = |(destination, targets): (DestinationName, Vec<&Address>)| NewDelivery {
        destination,
        recipients: targets.into_iter().map(to).collect(),
    };
    let mut content = onward.passage.content;
    let addresses = forwarded.targets.iter().map(ToString::to_string).chain([onward.sender.to_string()]);
    if addresses.into_iter().any(|address| !address.is_ascii()) {
        content.smtputf8 = Smtputf8::Needed;
    }
    NewQueued {
        id,
        sender: onward.sender.clone(),
        message_id: onward.passage.message_id.clone(),
        body_ordinal: message.body_ordinal,
        body_bytes: message.body_bytes,
        prefix: prefix(&by, &recipient.prefix),
        content,
        dsn: DsnEnvelope::default(),
        handling: onward.passage.handling.onward(),
        lifetime_seconds: limits::QUEUE_LIFETIME_SECONDS_DEFAULT,
        deliveries: forwarded.destinations().into_iter().map(delivery).collect(),
        source: QueueSource::Forward { account, by: forwarded.by },
    }
}

/// The delivery's fields without Return-Path, behind those of forwarding.
fn prefix(by: &str, delivered: &[u8]) -> Bytes {
    let rest = if delivered.get(..RETURN_PATH.len()).is_some_and(|name| name.eq_ignore_ascii_case(RETURN_PATH)) {
        delivered.get(field_end(delivered)..).unwrap_or_default()
    } else {
        delivered
    };
    let own = format!("Delivered-To: {by}\r\n");
    let mut fields = format!("X-Forwarded-For: {by}\r\n").into_bytes();
    if !rest.starts_with(own.as_bytes()) {
        fields.extend_from_slice(own.as_bytes());
    }
    fields.extend_from_slice(rest);
    Bytes::from(fields)
}

const RETURN_PATH: &[u8] = b"Return-Path:";

/// Where the first field ends, folded lines and all.
fn field_end(fields: &[u8]) -> usize {
    let line_ends = fields.windows(2).enumerate().filter(|(_, pair)| pair == b"\r\n").map(|(at, _)| at + 2);
    let unfolded = |end: &usize| !matches!(fields.get(*end), Some(b' ' | b'\t'));
    line_ends.into_iter().find(unfolded).unwrap_or(fields.len())
}

/// For what a message is queued by a delivery: an account may do both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Forward,
    Answer,
}

/// A UUIDv7 that the delivery determines.
pub(crate) fn queue_id(now_ms: u64, recipient: &Recipient, account: AccountId, purpose: Purpose) -> QueueId {
    let mut id = recipient.email_id.0;
    if let (Purpose::Answer, Some(byte)) = (purpose, id.get_mut(9)) {
        *byte ^= 0xff;
    }
    let [_, _, time @ ..] = now_ms.to_be_bytes();
    id.iter_mut().zip(time).for_each(|(to, from)| *to = from);
    id.iter_mut().rev().zip(account.0.to_le_bytes()).for_each(|(to, from)| *to ^= from);
    if let Some(version) = id.get_mut(6) {
        *version = (*version & 0x0f) | 0x70;
    }
    if let Some(variant) = id.get_mut(8) {
        *variant = (*variant & 0x3f) | 0x80;
    }
    QueueId(id)
}

#[cfg(test)]
mod tests {
    use super::prefix;

    #[test]
    fn the_account_is_named_once_and_the_return_path_goes() {
        let text = |by: &str, delivered: &str| String::from_utf8(prefix(by, delivered.as_bytes()).to_vec()).unwrap();
        let delivered = "Return-Path: <a@b.example>\r\nDelivered-To: ann@one.example\r\nReceived: from x\r\n\tby y\r\n";
        assert_eq!(
            text("ann@one.example", delivered),
            "X-Forwarded-For: ann@one.example\r\nDelivered-To: ann@one.example\r\nReceived: from x\r\n\tby y\r\n"
        );
        // An alias led to it.
        assert_eq!(
            text("tim@one.example", "Return-Path:\r\n\t<a@b.example>\r\nDelivered-To: info@one.example\r\n"),
            "X-Forwarded-For: tim@one.example\r\nDelivered-To: tim@one.example\r\nDelivered-To: info@one.example\r\n"
        );
        assert_eq!(text("t@o.example", ""), "X-Forwarded-For: t@o.example\r\nDelivered-To: t@o.example\r\n");
    }
}
