//! From the board to deliveries: leases what may begin, a command per group at a time, starts what was granted, and keeps leases while
//! deliveries go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;
use yubin_proto::Caller;
use yubin_state::queue::{DeliveryKey, Postponed};
use yubin_types::{GroupNumber, limits};

use crate::connection::now;
use crate::delivery::deliver;
use crate::pace::Signal;
use crate::recorder::Note;
use crate::worker::{SWEEP, Shared};

/// Deliveries of one lease command.
const LEASE_ITEMS_MAX: usize = 200;

/// Takes from the board what may begin, and leases it.
pub(crate) async fn dispatch(shared: Arc<Shared>) {
    while !shared.drain.is_cancelled() {
        let taken = {
            let leasing = shared.leasing.lock().clone();
            let mut board = shared.board.lock();
            board.take(now(), LEASE_ITEMS_MAX, |group| !leasing.contains(&group))
        };
        let mut by_group: BTreeMap<GroupNumber, Vec<DeliveryKey>> = BTreeMap::new();
        for due in taken {
            by_group.entry(due.group).or_default().push(due.key);
        }
        if by_group.is_empty() {
            tokio::select! {
                () = shared.drain.cancelled() => {}
                () = shared.bell.notified() => {}
                // The end of a pause rings no bell.
                () = tokio::time::sleep(SWEEP) => {}
            }
            continue;
        }
        shared.room.notify_waiters();
        for (group, keys) in by_group {
            shared.leasing.lock().insert(group);
            let lessee = Arc::clone(&shared);
            shared.delivering.spawn(async move {
                lease(&lessee, group, keys).await;
                lessee.leasing.lock().remove(&group);
                lessee.wake();
            });
        }
    }
}

/// Leases deliveries and starts those that were granted.
async fn lease(shared: &Arc<Shared>, group: GroupNumber, keys: Vec<DeliveryKey>) {
    let config = &shared.engine.config;
    let seconds = shared.lease_seconds();
    let caller = Caller::internal("queue");
    let granted = shared.engine.store.lease(group, &config.worker, seconds, keys.clone(), &caller).await;
    let granted = granted.unwrap_or_else(|error| {
        tracing::warn!(%error, group = group.0, "nothing could be leased");
        Vec::new()
    });
    let mut left: BTreeSet<DeliveryKey> = keys.into_iter().collect();
    for leased in granted {
        let key = leased.key();
        left.remove(&key);
        if shared.drain.is_cancelled() {
            // Granted too late: given back untried.
            let postponed = Postponed { delivery: key.clone(), token: Some(leased.token), until: now() };
            shared.note(group, Note::PutOff(postponed));
            shared.ended(&key, Signal::None);
            continue;
        }
        shared.held.lock().insert(key, (group, leased.token));
        let deliverer = Arc::clone(shared);
        shared.delivering.spawn(async move { deliver(&deliverer, group, leased).await });
    }
    // Somebody else has the others, or they are gone.
    left.iter().for_each(|key| shared.ended(key, Signal::None));
}

/// Renews leases, ends connections that have rested for too long, forgets idle destinations.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let renewal = shared.engine.config.lease / 3;
    let mut renewed = Instant::now();
    loop {
        tokio::select! {
            () = shared.drain.cancelled() => break,
            () = tokio::time::sleep(SWEEP) => {}
        }
        shared.engine.connections.sweep();
        {
            let mut board = shared.board.lock();
            board.sweep(now());
            let resting = shared.engine.connections.count();
            shared.engine.metrics.board(board.waiting(), board.in_flight(), board.destinations(), resting);
        }
        shared.wake();
        if renewed.elapsed() >= renewal {
            renewed = Instant::now();
            renew(&shared).await;
        }
    }
    // While deliveries finish, their leases must last.
    while !shared.delivering.is_empty() && !shared.abort.is_cancelled() {
        renew(&shared).await;
        tokio::select! {
            () = shared.delivering.wait() => break,
            () = shared.abort.cancelled() => break,
            () = tokio::time::sleep(renewal) => {}
        }
    }
}

async fn renew(shared: &Shared) {
    let mut by_group: BTreeMap<GroupNumber, Vec<(DeliveryKey, u64)>> = BTreeMap::new();
    for (key, (group, token)) in shared.held.lock().iter() {
        by_group.entry(*group).or_default().push((key.clone(), *token));
    }
    let caller = Caller::internal("queue");
    for (group, items) in by_group {
        for items in items.chunks(limits::QUEUE_ITEMS_PER_COMMAND_MAX) {
            let renewed = shared.engine.store.renew(group, shared.lease_seconds(), items.to_vec(), &caller).await;
            if let Err(error) = renewed {
                tracing::warn!(%error, group = group.0, "leases could not be renewed");
            }
        }
    }
}
