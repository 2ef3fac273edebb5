//! What a worker looks at: the data groups that the directory knows, and what is suspended in them.
//!
//! Each group has a scout, a recorder, and leases that are renewed. Before anything is looked at, the worker knows what it may use of limits that it
//! shares, and which source addresses are set aside.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use yubin_state::Topic;
use yubin_types::{GroupNumber, Timestamp};

use crate::connection::now;
use crate::keep::renew;
use crate::recorder::{Heard, Recorder};
use crate::scout::scout;
use crate::suspensions::Suspensions;
use crate::worker::{SWEEP, Shared};

/// How often the directory is asked for groups that came since.
const GROUPS_PAUSE: Duration = Duration::from_secs(30);

/// Starts a scout and a recorder for each group that the directory knows, and reads suspensions.
pub(crate) async fn find_groups(shared: Arc<Shared>) {
    let news = shared.engine.store.subscribe(GroupNumber::DIRECTORY, &[Topic::Directory.number()]);
    let mut known = BTreeSet::new();
    // What may leave from here, and from where, is known before anything is looked at.
    shared.sharing.known(&shared.drain).await;
    while !shared.drain.is_cancelled() {
        match shared.engine.store.queue_suspensions().await {
            // Those that ended lately, too: how long the last time was decides on the next.
            Ok(all) => {
                shared.suspend(Suspensions::new(all), Timestamp(0));
                break;
            }
            Err(error) => tracing::warn!(%error, "suspensions can't be asked for"),
        }
        tokio::select! {
            () = shared.drain.cancelled() => {}
            () = tokio::time::sleep(SWEEP) => {}
        }
    }
    while !shared.drain.is_cancelled() {
        match shared.engine.store.data_groups().await {
            Ok(groups) => {
                for group in groups {
                    if known.insert(group) {
                        let (store, metrics) = (Arc::clone(&shared.engine.store), shared.engine.metrics.clone());
                        let heard = Arc::clone(&shared) as Arc<dyn Heard>;
                        let (recorder, task) = Recorder::new(store, group, metrics, (heard, shared.over.clone()));
                        shared.recorders.lock().insert(group, recorder);
                        shared.recording.spawn(task);
                        shared.recording.spawn(renew(Arc::clone(&shared), group));
                        shared.looking.spawn(scout(Arc::clone(&shared), group));
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the groups of the store can't be asked for"),
        }
        match shared.engine.store.queue_suspensions().await {
            Ok(all) => shared.suspend(Suspensions::new(all), now()),
            Err(error) => tracing::warn!(%error, "suspensions can't be asked for"),
        }
        let pause = if known.is_empty() { SWEEP } else { GROUPS_PAUSE };
        tokio::select! {
            () = shared.drain.cancelled() => {}
            () = news.changed() => shared.engine.store.directory_changed(),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Shared {
    /// Other suspensions are in force: they hold what has not begun.
    fn suspend(&self, suspensions: Suspensions, sources_after: Timestamp) {
        let now = now();
        let mut current = self.suspensions.lock();
        *current = suspensions;
        let back = {
            let mut board = self.board.lock();
            board.sources().keep(now, &current.sources(now, sources_after));
            board.put_off(now, |key| current.until(key, now))
        };
        self.give_back(back);
    }
}
