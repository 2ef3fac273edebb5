//! What is done again and again: leases are renewed, connections that have rested for too long are ended, idle destinations forgotten.
//!
//! Leases are renewed until the last delivery has ended, also while the worker drains; a group that does not answer holds up no other's.

use std::sync::Arc;

use tokio::time::Instant;
use yubin_proto::Caller;
use yubin_state::queue::DeliveryKey;
use yubin_types::{GroupNumber, limits};

use crate::connection::now;
use crate::worker::{SWEEP, Shared};

/// Ends what has rested for too long.
pub(crate) async fn tidy(shared: Arc<Shared>) {
    while !shared.drain.is_cancelled() {
        tokio::select! {
            () = shared.drain.cancelled() => {}
            () = tokio::time::sleep(SWEEP) => {}
        }
        shared.engine.connections.sweep();
        {
            let mut board = shared.board.lock();
            board.sweep(now());
            shared.engine.metrics.board(&board, shared.engine.connections.count());
        }
        shared.wake();
    }
}

/// Renews leases of one group until the worker has nothing to do any more.
pub(crate) async fn renew(shared: Arc<Shared>, group: GroupNumber) {
    let has_ended = || shared.drain.is_cancelled() && shared.delivering.is_empty();
    while !shared.abort.is_cancelled() && !has_ended() {
        let worn = shared.leases.worn(group);
        for items in worn.chunks(limits::QUEUE_ITEMS_PER_COMMAND_MAX) {
            renew_all(&shared, group, items).await;
        }
        tokio::select! {
            () = shared.abort.cancelled() => {}
            // Once the worker drains.
            () = shared.delivering.wait() => {}
            () = tokio::time::sleep(SWEEP) => {}
        }
    }
}

async fn renew_all(shared: &Shared, group: GroupNumber, items: &[(DeliveryKey, u64)]) {
    let (caller, asked) = (Caller::internal("queue"), Instant::now());
    shared.engine.metrics.command("renew");
    match shared.engine.store.renew(group, shared.leases.seconds(), items.to_vec(), &caller).await {
        Ok(lost) => shared.leases.renewed(items, &lost, asked),
        Err(error) => tracing::warn!(%error, group = group.0, "leases could not be renewed"),
    }
}
