//! From the board to deliveries: leases what the board asks for, a command per group at a time, and starts what may begin.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;
use yubin_proto::Caller;
use yubin_state::queue::{DeliveryKey, Leased};
use yubin_types::GroupNumber;

use crate::assignment::Assignment;
use crate::board::{Age, Due};
use crate::connection::now;
use crate::delivery::deliver;
use crate::worker::{SWEEP, Shared};

/// Deliveries of one lease command.
const LEASE_ITEMS_MAX: usize = 500;

/// Begins what may begin, and leases what the board asks for.
pub(crate) async fn dispatch(shared: Arc<Shared>) {
    while !shared.drain.is_cancelled() {
        begin(&shared);
        let leasing = shared.leasing.lock().clone();
        let asked = if leasing.len() < shared.groups() {
            shared.board.lock().ask(crate::connection::now(), LEASE_ITEMS_MAX, |group| !leasing.contains(&group))
        } else {
            // Each of them rings the bell when it has its answer.
            Vec::new()
        };
        let mut by_group: BTreeMap<GroupNumber, Vec<Due>> = BTreeMap::new();
        for due in asked {
            by_group.entry(due.group).or_default().push(due);
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
        for (group, due) in by_group {
            shared.leasing.lock().insert(group);
            let lessee = Arc::clone(&shared);
            shared.delivering.spawn(async move {
                lease(&lessee, group, due).await;
                lessee.leasing.lock().remove(&group);
                lessee.wake();
            });
        }
    }
}

/// Starts all deliveries that may begin.
pub(crate) fn begin(shared: &Arc<Shared>) {
    while let Some(assignment) = shared.begin() {
        let deliverer = Arc::clone(shared);
        shared.delivering.spawn(async move { deliver(&deliverer, assignment).await });
    }
}

/// Leases deliveries, and starts those that may begin.
async fn lease(shared: &Arc<Shared>, group: GroupNumber, due: Vec<Due>) {
    let config = &shared.engine.config;
    let (asked, seconds) = (Instant::now(), shared.leases.seconds());
    let (caller, keys) = (Caller::internal("queue"), due.iter().map(|due| due.key.clone()).collect());
    shared.engine.metrics.command("lease");
    let granted = shared.engine.store.lease(group, &config.worker, seconds, keys, &caller).await;
    let granted = granted.unwrap_or_else(|error| {
        tracing::warn!(%error, group = group.0, "nothing could be leased");
        Vec::new()
    });
    let mut granted: BTreeMap<DeliveryKey, Leased> = granted.into_iter().map(|leased| (leased.key(), leased)).collect();
    for mut due in due {
        match granted.remove(&due.key) {
            Some(leased) => {
                // Its sender may have been told meanwhile.
                if due.age == Age::Over && leased.delivery.overdue() > now() {
                    due.age = Age::Again;
                }
                let pool = shared.pool(&leased).await;
                shared.leases.add(Assignment::new(group, leased, None), asked);
                shared.granted(due, pool);
            }
            // Somebody else has it, or it is gone.
            None => shared.board.lock().refused(&due.key),
        }
    }
    begin(shared);
}
