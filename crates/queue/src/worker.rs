//! The worker as a whole: from what is due to what is recorded, and its end.
//!
//! Scouts fill the board; the dispatcher leases what the board asks for, a command per group at a time; what is leased begins when its
//! destination has a free lane, mostly right when another delivery ends; recorders write down what came of them. Leases are renewed as
//! long as they are held. No more deliveries are leased than `deliveries_max` and `leased_ahead_max`, so memory is bounded by the
//! configuration and not by the queue.
//!
//! Draining: nothing new is leased or begun, and what had not begun is given back; deliveries under way may finish; what has not when the
//! grace is over is cut off, and its lease given back unless the message may have been taken, for which its lease runs out. Connections
//! at rest say goodbye.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use yubin_dns_auth::tls::{PeerCheck, client_config};
use yubin_policy::retry::RetrySchedule;
use yubin_proto::{Courier, DialogueLine, StoreClient};
use yubin_state::queue::{DeliveryKey, DueClass, Postponed, Waits};
use yubin_types::{GroupNumber, QueueId, Timestamp};

use crate::assignment::{Assignment, Room};
use crate::attempt::Engine;
use crate::board::{Age, Back, Board, Due, Offer, Whose};
use crate::config::QueueConfig;
use crate::connect::Connector;
use crate::connection::now;
use crate::connections::Connections;
use crate::desk::Desk;
use crate::dialogues::Dialogues;
use crate::dispatch::dispatch;
use crate::groups::find_groups;
use crate::keep::tidy;
use crate::leases::Leases;
use crate::ledger::{close_books, keep_books};
use crate::metrics::Metrics;
use crate::pace::Signal;
use crate::pools::{PoolId, Pools, SourceId};
use crate::presence::look_after;
use crate::profile::Profiles;
use crate::recorder::{Heard, Note, Recorder};
use crate::rights::Rights;
use crate::route::MailHosts;
use crate::sharing::{Sharing, leave, share, watch};
use crate::suspensions::Suspensions;
use crate::tls_tally::{TlsTally, keep_tally};
use crate::ways::Left;

/// What a worker takes at most to record what it delivered and to tell the others that it leaves, once the grace of its shutdown is over.
pub const LAST_RECORDS_TIME_MAX: Duration = Duration::from_secs(8);

/// How often what rests is looked over.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);

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
    /// Nothing is recorded any more.
    pub(crate) over: CancellationToken,
    pub(crate) board: Mutex<Board>,
    /// Something may begin, or may be waited for otherwise than before.
    pub(crate) bell: Notify,
    pub(crate) room: Notify,
    pub(crate) recorders: Mutex<BTreeMap<GroupNumber, Recorder>>,
    /// Groups with a lease command under way.
    pub(crate) leasing: Mutex<BTreeSet<GroupNumber>>,
    pub(crate) suspensions: Mutex<Suspensions>,
    /// What other workers may have an address for.
    pub(crate) left: Left,
    pub(crate) leases: Leases,
    /// For messages that came with their lease.
    pub(crate) at_hand: Room,
    /// With other workers.
    pub(crate) sharing: Sharing,
    pub(crate) looking: TaskTracker,
    pub(crate) delivering: TaskTracker,
    pub(crate) recording: TaskTracker,
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
            connect_time_max: config.connect_time_max,
            time_limits: config.time_limits,
            any_certificate: Arc::new(client_config(PeerCheck::Nothing)?),
        };
        let tally = TlsTally::new(config.tls_reports);
        let pools = Arc::new(Pools::new(&config.pools, &config.hostname));
        let profiles = Arc::new(Profiles::new(&config.profiles, &config.smart_hosts));
        let is_alone = config.workers.len() < 2;
        let rights = if is_alone { Rights::alone() } else { Rights::among_others(&config.worker) };
        let shared = Arc::new(Shared {
            sharing: if is_alone { Sharing::none() } else { Sharing::new(now()) },
            leases: Leases::new(config.lease),
            at_hand: Room::default(),
            board: Mutex::new(Board::new(config.board(), Arc::clone(&profiles), Arc::clone(&pools), rights)),
            engine: Engine {
                connections: Connections::new(config.idle_connections_max, config.idle_time_max),
                metrics: Metrics::register(registry),
                config,
                profiles,
                pools,
                store,
                hosts,
                connector,
                dialogues: Dialogues::default(),
                tally,
            },
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            over: CancellationToken::new(),
            bell: Notify::new(),
            room: Notify::new(),
            recorders: Mutex::default(),
            leasing: Mutex::default(),
            suspensions: Mutex::default(),
            left: Left::default(),
            looking: TaskTracker::new(),
            delivering: TaskTracker::new(),
            recording: TaskTracker::new(),
        });
        shared.looking.spawn(find_groups(Arc::clone(&shared)));
        shared.looking.spawn(dispatch(Arc::clone(&shared)));
        shared.looking.spawn(tidy(Arc::clone(&shared)));
        shared.looking.spawn(look_after(Arc::clone(&shared)));
        shared.looking.spawn(keep_books(Arc::clone(&shared)));
        shared.looking.spawn(keep_tally(Arc::clone(&shared)));
        if !is_alone {
            shared.recording.spawn(share(Arc::clone(&shared)));
            shared.recording.spawn(watch(Arc::clone(&shared)));
        }
        Ok(RunningQueue { shared })
    }
}

impl RunningQueue {
    /// For whoever queues messages in this process.
    #[must_use]
    pub fn courier(&self) -> Arc<dyn Courier> {
        Arc::new(Desk::new(Arc::clone(&self.shared)))
    }

    /// For whoever watches a message.
    #[must_use]
    pub fn dialogues(&self) -> Arc<dyn yubin_proto::Dialogues> {
        Arc::new(Watching {
            dialogues: self.shared.engine.dialogues.clone(),
            worker: self.shared.engine.config.worker.clone(),
        })
    }

    /// Leases nothing more, lets deliveries under way finish until `grace` is over, and gives back what is left. It ends at
    /// most [`LAST_RECORDS_TIME_MAX`] after `grace`.
    pub async fn shutdown(self, grace: Duration) {
        let cut = Instant::now() + grace;
        // A store that is gone can't be told; its leases run out.
        let over = self.shared.over.clone();
        if tokio::time::timeout_at(cut + LAST_RECORDS_TIME_MAX, self.finish(cut)).await.is_err() {
            tracing::warn!("outcomes of deliveries could not be recorded");
        }
        over.cancel();
    }

    async fn finish(self, cut: Instant) {
        let shared = self.shared;
        shared.drain.cancel();
        shared.looking.close();
        shared.looking.wait().await;
        let back = shared.board.lock().close(now());
        shared.give_back(back);
        shared.delivering.close();
        if tokio::time::timeout_at(cut, shared.delivering.wait()).await.is_err() {
            tracing::warn!(deliveries = shared.delivering.len(), "deliveries are cut off");
            shared.abort.cancel();
            shared.delivering.wait().await;
        }
        close_books(&shared).await;
        shared.engine.tally.write(&shared.engine.store);
        shared.engine.connections.clear();
        leave(&shared).await;
        shared.recorders.lock().clear();
        shared.recording.close();
        shared.recording.wait().await;
    }
}

/// The worker, as this process's administration sees it.
#[derive(Debug)]
struct Watching {
    dialogues: Dialogues,
    worker: String,
}

impl yubin_proto::Dialogues for Watching {
    fn worker(&self) -> &str {
        &self.worker
    }

    fn watch(&self, id: QueueId) -> Option<BoxStream<'static, DialogueLine>> {
        self.dialogues.watch(id)
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

    /// There may be something to begin.
    pub(crate) fn wake(&self) {
        self.bell.notify_one();
    }

    /// Groups that are known.
    pub(crate) fn groups(&self) -> usize {
        self.recorders.lock().len()
    }

    pub(crate) fn note(&self, group: GroupNumber, note: Note) {
        if let Some(recorder) = self.recorders.lock().get(&group) {
            recorder.note(note);
        }
    }

    /// How long this worker leaves a delivery to others.
    pub(crate) fn takeover_ms(&self, key: &DeliveryKey) -> u64 {
        let config = &self.engine.config;
        if config.workers.len() < 2 {
            return 0;
        }
        self.board.lock().wait_ms(key, u64::try_from(config.takeover.as_millis()).unwrap_or(u64::MAX))
    }

    /// Waits until the board has room for mail of a class, for a while: what is more urgent may have come.
    pub(crate) async fn wait_for_room(&self, class: DueClass) {
        let over = Instant::now() + SWEEP;
        loop {
            let notified = self.room.notified();
            if self.board.lock().room(class) > 0 || self.drain.is_cancelled() {
                return;
            }
            tokio::select! {
                () = notified => {}
                () = self.drain.cancelled() => {}
                () = tokio::time::sleep_until(over) => return,
            }
        }
    }

    /// Puts deliveries off that are here and have not begun; their leases end.
    pub(crate) fn give_back(&self, back: Vec<Back>) {
        for Back { due, until, whose } in back {
            let token = self.leases.remove(&due.key);
            if whose == Whose::Others {
                self.left.add(until, &due.key);
                if token.is_none() {
                    // It stands where others find it.
                    continue;
                }
            }
            self.note(due.group, Note::PutOff(Postponed { delivery: due.key, token, until }));
        }
    }

    /// What was asked for is leased, and leaves by this pool.
    pub(crate) fn granted(&self, due: Due, pool: PoolId) {
        let now = now();
        let suspended = self.suspensions.lock().until(&due.key, now).filter(|_| due.age != Age::Over);
        let back = {
            let mut board = self.board.lock();
            match suspended {
                Some(until) => {
                    board.refused(&due.key);
                    Some(Back::new(due, until))
                }
                None => board.granted(now, due, pool),
            }
        };
        self.give_back(back.into_iter().collect());
    }

    /// The next delivery that may begin.
    pub(crate) fn begin(&self) -> Option<Box<Assignment>> {
        if !self.sharing.may_begin() {
            return None;
        }
        loop {
            let (due, source) = self.board.lock().begin(now())?;
            match self.leases.begin(&due.key) {
                Some(mut assignment) => {
                    assignment.source = source;
                    return Some(assignment);
                }
                // Its lease is over. It is due again, here or elsewhere.
                None => self.ended(&due.key, source, Signal::None),
            }
        }
    }

    /// A delivery has ended: makes place, and puts off what its destination can't take any more.
    pub(crate) fn ended(&self, key: &DeliveryKey, source: SourceId, signal: Signal) {
        let back = self.board.lock().ended(now(), key, source, signal);
        self.give_back(back);
        self.wake();
        self.room.notify_waiters();
    }
}

impl Heard for Shared {
    fn recorded(&self, leases: &[(DeliveryKey, u64)]) {
        leases.iter().for_each(|(key, token)| self.leases.settle(key, *token));
    }

    fn why(&self, postponed: &Postponed) -> Option<Waits> {
        let (now, key) = (now(), &postponed.delivery);
        // What is given back at once doesn't wait, and of suspensions everybody knows.
        if postponed.until <= now || self.suspensions.lock().until(key, now).is_some() {
            return None;
        }
        Some(self.board.lock().waits(now, key))
    }
}
