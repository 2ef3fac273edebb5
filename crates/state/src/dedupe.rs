//! Remembered outcomes: a retry under the same request id gets the first reply and changes nothing.
//!
//! Kept per domain by class, with an index by expiry. An outcome is remembered at least for its class's time and until maintenance comes;
//! expiry is rounded up, so that maintenance comes for many at a time.

use bytes::Bytes;
use yubin_types::{Timestamp, limits};

use crate::command::{DedupeClass, Envelope};
use crate::keys;
use crate::kv::Txn;
use crate::reply::{More, Reply};
use crate::rows::Remembered;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};

/// The first reply to this request, if it is remembered.
pub(crate) fn recall<T: Txn>(txn: &T, envelope: &Envelope) -> Outcome<Option<Vec<u8>>, T::Error> {
    if envelope.dedupe == DedupeClass::None {
        return Ok(None);
    }
    let remembered = txn.row(&keys::request(envelope.domain, envelope.request))?;
    Ok(remembered.map(|outcome| outcome.reply.into()))
}

/// Remembers a reply.
pub(crate) fn remember<T: Txn>(txn: &mut T, envelope: &Envelope, now: Timestamp, reply: &Reply, encoded: &[u8]) {
    let seconds = match (envelope.dedupe, reply) {
        (DedupeClass::Delivery, _) => limits::DEDUPE_DELIVERY_SECONDS,
        (DedupeClass::Admin, _) => limits::DEDUPE_ADMIN_SECONDS,
        (DedupeClass::Queued, Reply::Delivered(_)) => limits::DEDUPE_QUEUED_SECONDS,
        (DedupeClass::None | DedupeClass::Queued, _) => return,
    };
    let expires = whole(now.plus_seconds(seconds));
    let outcome = Remembered { expires, reply: Bytes::copy_from_slice(encoded) };
    txn.set(&keys::request(envelope.domain, envelope.request), &outcome);
    txn.set(&keys::forget(expires, envelope.domain, envelope.request), &());
}

/// Forgets what has expired, at most [`limits::MESSAGES_PER_COMMAND_MAX`] outcomes.
pub(crate) fn forget<T: Txn>(txn: &mut T, now: Timestamp) -> Outcome<Reply, T::Error> {
    let mut touched = 0;
    let mut next_due = None;
    for key in txn.first_keys(&keys::forgets(), limits::MESSAGES_PER_COMMAND_MAX + 1)? {
        let (expires, domain, request) = keys::parse_forget(&key);
        if expires > now || touched == limits::MESSAGES_PER_COMMAND_MAX as u64 {
            next_due = Some(expires);
            break;
        }
        txn.delete(&key);
        txn.unset(&keys::request(domain, request));
        touched += 1;
    }
    let more = if next_due.is_some_and(|due| due <= now) { More::Yes } else { More::No };
    Ok(Reply::Progress { more, touched, next_due })
}

/// The next whole [`limits::FORGET_STEP_SECONDS`] at or after a time.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_seconds(at.millis().div_ceil(limits::FORGET_STEP_SECONDS * 1_000) * limits::FORGET_STEP_SECONDS)
}
