//! How much new source addresses have sent today, counted for all workers together, before it is sent.
//!
//! A row for each day, address and receiver that anything was sent to: as many as there were messages at most. What a worker was granted and did not
//! use is given back, or lost for the day if it dies: an address may send less than its warm-up allows, never more. Rows of days that are over go
//! with the commands that count later ones.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use yubin_types::{Timestamp, limits};

use super::enqueue::invalid;
use super::share::Receiver;
use crate::keys;
use crate::kv::Txn;
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};

/// How long a day's rows stay after it, days: clocks differ, and messages are counted where they were leased.
const DAYS_KEPT: u32 = 2;
const DAY_SECONDS: u64 = 86_400;

/// What an address is to send to a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUpItem {
    /// The day of UTC, counted from 1970-01-01.
    pub day: u32,
    /// The source address.
    pub address: IpAddr,
    /// To whom.
    pub receiver: Receiver,
    /// Messages that are asked for.
    pub messages: u32,
    /// Messages that were granted and are not sent.
    pub returned: u32,
    /// How many it may send that day, as the worker is configured.
    pub limit: u32,
}

/// Counts, and answers with what is granted of each item.
pub(crate) fn count<T: Txn>(txn: &mut T, now: Timestamp, items: &[WarmUpItem]) -> Outcome<Reply, T::Error> {
    let named = |item: &WarmUpItem| match &item.receiver {
        Receiver::Known(name) => (1..=limits::OBJECT_NAME_BYTES_MAX).contains(&name.len()),
        Receiver::Destination(_) => true,
    };
    if items.len() > limits::QUEUE_WARM_UP_ITEMS_MAX || !items.iter().all(named) {
        return Err(invalid("the counts of new addresses are out of bounds").into());
    }
    let today = u32::try_from(now.millis() / 1_000 / DAY_SECONDS).unwrap_or(u32::MAX);
    for old in
        txn.first_keys(&keys::warm_up_before(today.saturating_sub(DAYS_KEPT)), limits::MESSAGES_PER_COMMAND_MAX)?
    {
        txn.delete(&old);
    }
    let mut granted = Vec::new();
    for item in items {
        let key = keys::warm_up(item.day, item.address, &item.receiver);
        let sent = txn.row(&key)?.unwrap_or_default().saturating_sub(item.returned);
        let more = item.messages.min(item.limit.saturating_sub(sent));
        if sent + more > 0 {
            txn.set(&key, &(sent + more));
        } else {
            txn.unset(&key);
        }
        granted.push(more);
    }
    Ok(Reply::WarmUp(granted))
}
