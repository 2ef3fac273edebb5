//! Where mail that is queued in this process is handed over: room is made on the board before, the lease comes with the command that queues.
//!
//! Only what would be leased at once is taken on: there is room for it and for all that wait at its destination, nobody has
//! suspended it, and no other worker goes before this one. Everything else takes the way through the store, where all are equal.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;
use yubin_proto::{Commission, Content, Courier, Scope};
use yubin_state::queue::{DeliveryKey, Leased, NewQueued};
use yubin_types::GroupNumber;

use crate::assignment::Assignment;
use crate::board::{Age, Due};
use crate::connection::now;
use crate::dispatch::begin;
use crate::pools::PoolId;
use crate::worker::Shared;

/// The worker, as this process's front end sees it.
pub(crate) struct Desk {
    shared: Arc<Shared>,
}

impl Desk {
    pub(crate) fn new(shared: Arc<Shared>) -> Desk {
        Desk { shared }
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Courier for Desk {
    fn take_on(&self, scope: Scope, message: &NewQueued) -> Option<Box<dyn Commission>> {
        let shared = &self.shared;
        let (now, asked) = (now(), Instant::now());
        let key = |destination| DeliveryKey { domain: scope.domain, id: message.id, destination };
        let keys: Vec<_> = message.deliveries.iter().map(|delivery| key(delivery.destination.clone())).collect();
        let others =
            |key: &DeliveryKey| shared.takeover_ms(key) > 0 || shared.suspensions.lock().until(key, now).is_some();
        if shared.drain.is_cancelled() || keys.iter().any(others) || !shared.board.lock().reserve(now, &keys) {
            return None;
        }
        Some(Box::new(Reserved { shared: Arc::clone(shared), group: scope.group, keys, asked }))
    }
}

/// Room on the board.
struct Reserved {
    shared: Arc<Shared>,
    group: GroupNumber,
    /// What was asked for and is neither leased nor given up.
    keys: Vec<DeliveryKey>,
    /// From when leases count.
    asked: Instant,
}

impl Commission for Reserved {
    fn worker(&self) -> &str {
        &self.shared.engine.config.worker
    }

    fn seconds(&self) -> u64 {
        self.shared.leases.seconds()
    }

    fn begin(mut self: Box<Self>, leased: Vec<Leased>, content: Content) {
        let (shared, group) = (Arc::clone(&self.shared), self.group);
        let content = shared.at_hand.keep(content);
        shared.engine.metrics.handed_over(leased.len());
        let asked = self.asked;
        let assigned: Vec<Assignment> =
            leased.into_iter().map(|leased| Assignment::new(group, leased, content.clone())).collect();
        let granted: BTreeSet<DeliveryKey> = assigned.iter().map(|one| one.leased.key()).collect();
        self.keys.retain(|asked| !granted.contains(asked));
        if !shared.engine.pools.are_configured() {
            assigned.into_iter().for_each(|one| grant(&shared, one, PoolId::SYSTEM, asked));
            return begin(&shared);
        }
        let grantor = Arc::clone(&shared);
        shared.delivering.spawn(async move {
            for one in assigned {
                let pool = grantor.pool(&one.leased).await;
                grant(&grantor, one, pool, asked);
            }
            begin(&grantor);
        });
    }
}

fn grant(shared: &Arc<Shared>, assignment: Assignment, pool: PoolId, asked: Instant) {
    let priority = assignment.leased.delivery.handling.priority;
    let due = Due { group: assignment.group, key: assignment.leased.key(), age: Age::New, priority };
    shared.leases.add(assignment, asked);
    shared.granted(due, pool);
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        {
            let mut board = self.shared.board.lock();
            self.keys.iter().for_each(|key| board.refused(key));
        }
        self.shared.wake();
    }
}
