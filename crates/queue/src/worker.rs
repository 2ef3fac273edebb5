//! The worker as a whole: from what is due to what is recorded, and its end.
//!
//! Scouts fill the board; the dispatcher takes from it what may begin, leases it, a command per group at a time, and starts each granted
//! delivery; recorders write down what came of them. Leases are renewed while deliveries go on. No more deliveries are leased than
//! `deliveries_max`, so memory is bounded by the configuration and not by the queue.
//!
//! Draining: nothing new is leased; deliveries under way may finish; what has not when the grace is over is cut off, and its lease given
//! back unless the message may have been taken, for which its lease runs out. Connections at rest say goodbye.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use yubin_dns_auth::tls::{PeerCheck, client_config};
use yubin_policy::retry::RetrySchedule;
use yubin_proto::StoreClient;
use yubin_state::Topic;
use yubin_state::queue::{DeliveryKey, DueItem, Postponed};
use yubin_types::{GroupNumber, Timestamp, limits};

use crate::attempt::Engine;
use crate::board::{Age, Board, Due, Offer};
use crate::config::QueueConfig;
use crate::connect::Connector;
use crate::connection::now;
use crate::connections::Connections;
use crate::dispatch::{dispatch, keep};
use crate::metrics::Metrics;
use crate::pace::Signal;
use crate::recorder::{Heard, Note, Recorder};
use crate::route::MailHosts;
use crate::scout::scout;
use crate::suspensions::Suspensions;

/// How often what rests is looked over.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);
/// How often the directory is asked for groups that came since.
const GROUPS_PAUSE: Duration = Duration::from_secs(30);

/// Why a worker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The TLS library refuses its own defaults.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Delivers queued mail.
#[derive(Debug)]
pub struct Queue;

/// A worker at work.
pub struct RunningQueue {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for RunningQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningQueue").finish_non_exhaustive()
    }
}

/// What all tasks of a worker share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) drain: CancellationToken,
    pub(crate) abort: CancellationToken,
    pub(crate) board: Mutex<Board>,
    /// Something may begin, or may be waited for otherwise than before.
    pub(crate) bell: Notify,
    pub(crate) room: Notify,
    recorders: Mutex<BTreeMap<GroupNumber, Recorder>>,
    /// Groups with a lease command under way.
    pub(crate) leasing: Mutex<BTreeSet<GroupNumber>>,
    suspensions: Mutex<Suspensions>,
    /// Leases held, for renewal.
    pub(crate) held: Mutex<BTreeMap<DeliveryKey, (GroupNumber, u64)>>,
    looking: TaskTracker,
    pub(crate) delivering: TaskTracker,
    recording: TaskTracker,
}

impl Queue {
    /// Starts a worker.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        config: QueueConfig,
        store: Arc<StoreClient>,
        hosts: Arc<dyn MailHosts>,
        registry: &mut Registry,
    ) -> Result<RunningQueue, StartError> {
        let connector = Connector {
            hello: config.hostname.to_string(),
            connect_time_max: config.connect_time_max,
            time_limits: config.time_limits,
            any_certificate: Arc::new(client_config(PeerCheck::Nothing)?),
        };
        let shared = Arc::new(Shared {
            board: Mutex::new(Board::new(config.board())),
            engine: Engine {
                connections: Connections::new(config.idle_connections_max, config.idle_time_max),
                metrics: Metrics::register(registry),
                config,
                store,
                hosts,
                connector,
            },
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            bell: Notify::new(),
            room: Notify::new(),
            recorders: Mutex::default(),
            leasing: Mutex::default(),
            suspensions: Mutex::default(),
            held: Mutex::default(),
            looking: TaskTracker::new(),
            delivering: TaskTracker::new(),
            recording: TaskTracker::new(),
        });
        shared.looking.spawn(find_groups(Arc::clone(&shared)));
        shared.looking.spawn(dispatch(Arc::clone(&shared)));
        shared.recording.spawn(keep(Arc::clone(&shared)));
        Ok(RunningQueue { shared })
    }
}

impl RunningQueue {
    /// Leases nothing more, lets deliveries under way finish for `grace`, and gives back what is left.
    pub async fn shutdown(self, grace: Duration) {
        let shared = self.shared;
        shared.drain.cancel();
        shared.looking.close();
        shared.looking.wait().await;
        shared.board.lock().clear();
        shared.delivering.close();
        if tokio::time::timeout(grace, shared.delivering.wait()).await.is_err() {
            tracing::warn!(deliveries = shared.delivering.len(), "deliveries are cut off");
            shared.abort.cancel();
            shared.delivering.wait().await;
        }
        shared.engine.connections.clear();
        shared.recorders.lock().clear();
        shared.recording.close();
        // A store that is gone can't be told; its leases run out.
        if tokio::time::timeout(grace.max(Duration::from_secs(5)), shared.recording.wait()).await.is_err() {
            tracing::warn!("outcomes of deliveries could not be recorded");
        }
    }
}

impl Shared {
    pub(crate) fn schedule(&self) -> &RetrySchedule {
        &self.engine.config.schedule
    }

    pub(crate) fn offer(&self, now: Timestamp, due: Due) -> Offer {
        if due.age != Age::Over
            && let Some(until) = self.suspensions.lock().until(&due.key, now)
        {
            return Offer::PutOff(until);
        }
        self.board.lock().offer(now, due, rand::random())
    }

    pub(crate) fn lease_seconds(&self) -> u64 {
        self.engine.config.lease.as_secs().clamp(1, limits::QUEUE_LEASE_SECONDS_MAX)
    }

    /// There may be something to begin.
    pub(crate) fn wake(&self) {
        self.bell.notify_one();
    }

    pub(crate) fn note(&self, group: GroupNumber, note: Note) {
        if let Some(recorder) = self.recorders.lock().get(&group) {
            recorder.note(note);
        }
    }

    /// How long this worker leaves a delivery to others.
    pub(crate) fn takeover_ms(&self, item: &DueItem) -> u64 {
        let config = &self.engine.config;
        if config.workers.len() < 2 {
            return 0;
        }
        let takeover_ms = u64::try_from(config.takeover.as_millis()).unwrap_or(u64::MAX);
        takeover_ms.saturating_mul(u64::from(config.rank(&item.delivery.destination.to_string())))
    }

    /// Waits until the board has room again.
    pub(crate) async fn wait_for_room(&self) {
        loop {
            let notified = self.room.notified();
            if self.board.lock().room() > 0 || self.drain.is_cancelled() {
                return;
            }
            tokio::select! {
                () = notified => {}
                () = self.drain.cancelled() => {}
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
    }

    /// A delivery has ended: makes place, and puts off what its destination can't take any more.
    pub(crate) fn ended(&self, key: &DeliveryKey, signal: Signal) {
        let back = self.board.lock().ended(now(), key, signal);
        for (due, until) in back {
            self.note(due.group, Note::PutOff(Postponed { delivery: due.key, token: None, until }));
        }
        self.wake();
        self.room.notify_waiters();
    }
}

impl Heard for Shared {
    fn recorded(&self, keys: &[DeliveryKey]) {
        let mut held = self.held.lock();
        keys.iter().for_each(|key| {
            held.remove(key);
        });
    }
}

/// Starts a scout and a recorder for each group that the directory knows, and reads suspensions.
async fn find_groups(shared: Arc<Shared>) {
    let news = shared.engine.store.subscribe(GroupNumber::DIRECTORY, &[Topic::Directory.number()]);
    let mut known = BTreeSet::new();
    while !shared.drain.is_cancelled() {
        match shared.engine.store.data_groups().await {
            Ok(groups) => {
                for group in groups {
                    if known.insert(group) {
                        let (store, metrics) = (Arc::clone(&shared.engine.store), shared.engine.metrics.clone());
                        let heard = Arc::clone(&shared) as Arc<dyn Heard>;
                        let (recorder, task) = Recorder::new(store, group, metrics, heard);
                        shared.recorders.lock().insert(group, recorder);
                        shared.recording.spawn(task);
                        shared.looking.spawn(scout(Arc::clone(&shared), group));
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the groups of the store can't be asked for"),
        }
        match shared.engine.store.queue_suspensions().await {
            Ok(all) => *shared.suspensions.lock() = Suspensions::new(all),
            Err(error) => tracing::warn!(%error, "suspensions can't be asked for"),
        }
        let pause = if known.is_empty() { SWEEP } else { GROUPS_PAUSE };
        tokio::select! {
            () = shared.drain.cancelled() => {}
            () = news.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
