//! A worker's report as a command: checked against its bounds, taken by [`Shares`], its rows written where they changed.
//!
//! That a worker is still there writes the roster's row and wakes nobody.

use std::collections::BTreeMap;

use yubin_types::{Refusal, Timestamp, limits};

use super::{Receiver, ShareReport, ShareWish, Shares};
use crate::keys;
use crate::kv::Txn;
use crate::queue::enqueue::invalid;
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _, go_on_while};
use crate::topic::Topic;
use crate::work::Topics;

/// Takes a worker's report, and answers with all there is.
pub(crate) fn report<T: Txn>(
    txn: &mut T,
    now: Timestamp,
    report: &ShareReport,
    topics: &mut Topics,
) -> Outcome<Reply, T::Error> {
    check(report)?;
    let mut before = Shares { roster: txn.row(&keys::queue_roster())?.unwrap_or_default(), limits: BTreeMap::new() };
    txn.each(&keys::shared_limits(), |key, limit| {
        before.limits.extend(keys::parse_shared_limit(key).map(|receiver| (receiver, limit)));
        go_on_while(true)
    })?;
    let mut shares = before.clone();
    shares.take(now, report)?;
    txn.set(&keys::queue_roster(), &shares.roster);
    for receiver in before.limits.keys().filter(|receiver| !shares.limits.contains_key(receiver)) {
        txn.unset(&keys::shared_limit(receiver));
    }
    for (receiver, limit) in shares.limits.iter().filter(|(receiver, limit)| before.limits.get(receiver) != Some(limit))
    {
        txn.set(&keys::shared_limit(receiver), limit);
    }
    if shares.is_news(&before) {
        topics.push(Topic::Shares);
    }
    Ok(Reply::Shares(Box::new(shares)))
}

/// Refuses what is out of bounds.
fn check(report: &ShareReport) -> Result<(), Refusal> {
    let name = |name: &str| (1..=limits::OBJECT_NAME_BYTES_MAX).contains(&name.len());
    let named = |wish: &ShareWish| match &wish.receiver {
        Receiver::Known(known) => name(known),
        Receiver::Destination(_) => true,
    };
    let sound = |wish: &ShareWish| {
        named(wish)
            && wish.owner.len() <= limits::OBJECT_NAME_BYTES_MAX
            && wish.pauses.len() <= limits::QUEUE_SHARED_PAUSES_MAX
    };
    if !name(&report.worker)
        || report.addresses.len() > limits::QUEUE_SOURCES_PER_WORKER_MAX
        || report.wishes.len() > limits::QUEUE_SHARED_RECEIVERS_MAX
        || !report.wishes.iter().all(sound)
    {
        return Err(invalid("a worker's report is out of bounds"));
    }
    Ok(())
}
