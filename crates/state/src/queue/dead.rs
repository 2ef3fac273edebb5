//! Recipients elsewhere that refuse message after message as unknown: mail to them is refused at submission for a while.
//!
//! A sender who goes on writing to addresses that don't exist costs the whole domain its name at the receiver. Counted are the refusals of
//! what the domain's accounts submitted, with the code 5.1.1 alone: other refusals may be about the message. One that is taken ends the
//! count, and so does time. Kept is a hash of the address, 64 bits.
//!
//! The front end asks at MAIL and refuses at RCPT, so that the other recipients of a message get theirs. Limits: those named `DEAD_` in
//! [`limits`].

use serde::{Deserialize, Serialize};
use yubin_types::{DestinationName, DomainId, EnhancedStatus, LocalPart, Timestamp, limits};

use super::record::FinalOutcome;
use super::way::RemoteReply;
use crate::keys;
use crate::kv::{Txn, View};
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::work::Work;

/// Recipients that refused a domain's mail as unknown, by the time of their last refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadRecipients(pub Vec<DeadRecipient>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadRecipient {
    /// Hash of its address.
    pub hash: u64,
    /// Refusals in a row.
    pub refusals: u32,
    /// The last of them.
    pub last: Timestamp,
}

impl DeadRecipient {
    fn is_over(&self, now: Timestamp) -> bool {
        self.last.plus_seconds(limits::DEAD_RECIPIENT_SECONDS) <= now
    }
}

/// What an end says about its recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Unknown,
    Known,
}

/// FNV-1a of an address, 64 bits, as it is kept.
#[must_use]
pub fn recipient_hash(local: &LocalPart, destination: &DestinationName) -> u64 {
    let (local, destination) = (local.key(), destination.to_string());
    let bytes = local.bytes().chain([b'@']).chain(destination.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// What an outcome says about the recipient, if it says anything.
pub(crate) fn sign(outcome: FinalOutcome, reply: Option<&RemoteReply>) -> Option<Sign> {
    const UNKNOWN: EnhancedStatus = EnhancedStatus::new(5, 1, 1);
    match outcome {
        FinalOutcome::Delivered => Some(Sign::Known),
        FinalOutcome::Bounced if reply?.enhanced == Some(UNKNOWN) => Some(Sign::Unknown),
        FinalOutcome::Bounced | FinalOutcome::Expired | FinalOutcome::Cancelled => None,
    }
}

/// Takes signs in, in their order; how many recipients are kept afterwards. `kept` is how many there are.
pub(crate) fn note<T: Txn>(work: &mut Work<'_, T>, kept: u32, signs: &[(u64, Sign)]) -> Outcome<u32, T::Error> {
    if signs.is_empty() || (kept == 0 && signs.iter().all(|(_, sign)| *sign == Sign::Known)) {
        return Ok(kept);
    }
    let (now, key) = (work.now, keys::dead_recipients(work.id));
    let mut dead = work.txn.row(&key)?.unwrap_or_default();
    let before = dead.clone();
    dead.0.retain(|one| !one.is_over(now));
    for &(hash, sign) in signs {
        let found = dead.0.iter().position(|one| one.hash == hash).map(|place| dead.0.remove(place));
        if sign == Sign::Unknown {
            let refusals = found.map_or(0, |one| one.refusals).saturating_add(1);
            dead.0.push(DeadRecipient { hash, refusals, last: now });
        }
    }
    let too_many = dead.0.len().saturating_sub(limits::DEAD_RECIPIENTS_MAX);
    dead.0.drain(..too_many);
    if dead.0.is_empty() {
        work.txn.unset(&key);
    } else if dead != before {
        work.txn.set(&key, &dead);
    }
    Ok(u32::try_from(dead.0.len()).unwrap_or(u32::MAX))
}

/// Hashes of the recipients that a domain's mail is refused for now.
pub(crate) fn refused<V: View>(view: &V, domain: DomainId, now: Timestamp) -> Outcome<Vec<u64>, V::Error> {
    let dead = view.row(&keys::dead_recipients(domain))?.unwrap_or_default();
    let refused = |one: &DeadRecipient| one.refusals >= limits::DEAD_RECIPIENT_REFUSALS && !one.is_over(now);
    Ok(dead.0.iter().filter(|one| refused(one)).map(|one| one.hash).collect())
}
