//! Workers that share receivers report to the directory every few seconds what they use, and are answered what they may use (docs/rfd/0018).
//!
//! An answer is good for a while from before its report was made, always somewhat shorter than the directory believes: then nothing begins any more,
//! and a little later what is under way is cut off, because others may use the limits from then on. A worker that has no other beside it reports
//! nothing, and none of this concerns it.
//!
//! What is reported is the board's (`board/shares`), what it means the directory's (`yubin_state::queue::share`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use yubin_proto::Caller;
use yubin_state::Topic;
use yubin_state::queue::{ShareReport, ShareWish, Shares, Stay};
use yubin_types::{GroupNumber, Timestamp, limits};

use crate::connection::now;
use crate::worker::Shared;

/// How often a worker reports at least.
const REPORT: Duration = Duration::from_secs(limits::QUEUE_SHARE_REPORT_SECONDS);
const BEGIN: Duration = Duration::from_secs(limits::QUEUE_SHARE_BEGIN_SECONDS);
const CUT: Duration = Duration::from_secs(limits::QUEUE_SHARE_CUT_SECONDS);
/// How often it looks whether it would use more or less than it reported.
const LOOK: Duration = Duration::from_millis(500);
/// How far reports stand apart at least.
const GATHER: Duration = Duration::from_millis(50);
/// How often it looks whether it has had no answer for too long.
const WATCH: Duration = Duration::from_millis(250);
/// How long to wait for the reports to end, and for the last one.
const LEAVE: Duration = Duration::from_secs(3);

/// What a worker's answer is worth.
#[derive(Debug)]
pub(crate) struct Sharing {
    /// `None`: this worker is alone.
    standing: Option<Mutex<Standing>>,
    /// The last report's number.
    number: AtomicU64,
    answered: Notify,
    /// No report follows any more, but the last.
    over: CancellationToken,
}

#[derive(Debug, Default)]
struct Standing {
    /// When the report was made that was answered last.
    asked: Option<Instant>,
    cut: CancellationToken,
}

impl Sharing {
    /// There is no other worker.
    pub(crate) fn none() -> Sharing {
        Sharing { standing: None, ..Sharing::new(Timestamp(0)) }
    }

    /// There are others. A worker that comes back goes on with greater numbers than it had.
    pub(crate) fn new(now: Timestamp) -> Sharing {
        Sharing {
            standing: Some(Mutex::default()),
            number: AtomicU64::new(now.millis()),
            answered: Notify::new(),
            over: CancellationToken::new(),
        }
    }

    /// May deliveries begin?
    pub(crate) fn may_begin(&self) -> bool {
        self.standing.as_ref().is_none_or(|standing| standing.lock().asked.is_some_and(|asked| asked.elapsed() < BEGIN))
    }

    /// Ends when what begins now has to end; never for a worker that is alone.
    pub(crate) fn cut(&self) -> impl Future<Output = ()> + use<> {
        let cut = self.standing.as_ref().map(|standing| standing.lock().cut.clone());
        async move {
            match cut {
                Some(cut) => cut.cancelled_owned().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Waits for the first answer.
    pub(crate) async fn known(&self, drain: &CancellationToken) {
        loop {
            let answered = self.answered.notified();
            if drain.is_cancelled() || self.standing.as_ref().is_none_or(|standing| standing.lock().asked.is_some()) {
                return;
            }
            tokio::select! {
                () = answered => {}
                () = drain.cancelled() => {}
            }
        }
    }

    /// A report that was made then is answered.
    fn answer(&self, asked: Instant) {
        if let Some(standing) = &self.standing {
            standing.lock().asked = Some(asked);
        }
        self.answered.notify_waiters();
    }

    /// What has to end now, if that is news.
    fn lapse(&self) -> Option<CancellationToken> {
        let mut standing = self.standing.as_ref()?.lock();
        if standing.asked.is_none_or(|asked| asked.elapsed() < CUT) {
            return None;
        }
        standing.asked = None;
        Some(std::mem::take(&mut standing.cut))
    }

    fn number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Reports until the worker has nothing under way any more.
pub(crate) async fn share(shared: Arc<Shared>) {
    let news = shared.engine.store.subscribe(GroupNumber::DIRECTORY, &[Topic::Shares.number()]);
    let has_ended = || shared.drain.is_cancelled() && shared.delivering.is_empty();
    let mut seen = 0;
    while !has_ended() {
        let began = Instant::now();
        let (sent, shares) = match report(&shared, Stay::On, seen).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "what receivers' limits leave to this worker can't be asked for");
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = shared.drain.cancelled() => tokio::time::sleep(GATHER).await,
                }
                continue;
            }
        };
        let (told, next) = (seen, next_report(&shares, &shared.engine.config.worker));
        seen = shares.roster.epoch;
        shared.learn(shares);
        shared.sharing.answer(began);
        shared.wake();
        while seen == told && began.elapsed() < next && !has_ended() {
            tokio::select! {
                () = news.changed() => break,
                () = tokio::time::sleep(LOOK) => {}
                () = shared.delivering.wait() => break,
            }
            if shared.board.lock().wanted(now()) != sent {
                break;
            }
        }
        tokio::time::sleep(GATHER).await;
    }
    shared.sharing.over.cancel();
}

/// Cuts off what is under way when there was no answer for too long.
pub(crate) async fn watch(shared: Arc<Shared>) {
    while !shared.sharing.over.is_cancelled() {
        if let Some(cut) = shared.sharing.lapse() {
            tracing::error!(
                deliveries = shared.delivering.len(),
                "the directory can't be reached: deliveries are cut off, because other workers may take their place"
            );
            cut.cancel();
            shared.engine.connections.clear();
            shared.board.lock().forget_peaks();
        }
        tokio::select! {
            () = shared.sharing.over.cancelled() => {}
            () = tokio::time::sleep(WATCH) => {}
        }
    }
}

/// Gives back what the worker had: others need not wait for it.
pub(crate) async fn leave(shared: &Arc<Shared>) {
    if shared.sharing.standing.is_none() || shared.sharing.lapse().is_some() {
        shared.sharing.over.cancel();
        return;
    }
    let left = async {
        shared.sharing.over.cancelled().await;
        report(shared, Stay::Gone, 0).await
    };
    if !matches!(tokio::time::timeout(LEAVE, left).await, Ok(Ok(_))) {
        tracing::warn!("other workers could not be told that this one ends");
    }
}

/// One report: what was asked for, and the answer.
async fn report(
    shared: &Arc<Shared>,
    stay: Stay,
    seen: u64,
) -> Result<(Vec<ShareWish>, Shares), yubin_proto::queue::QueueError> {
    let (wishes, addresses) = match stay {
        Stay::On => {
            let mut board = shared.board.lock();
            (board.wishes(now()), board.sources().here())
        }
        Stay::Gone => (Vec::new(), Vec::new()),
    };
    let worker = shared.engine.config.worker.clone();
    let number = shared.sharing.number();
    shared.engine.metrics.command("share");
    let report = ShareReport { worker, number, seen, stay, addresses, wishes: wishes.clone() };
    let shares = shared.engine.store.report_shares(report, &Caller::internal("queue")).await?;
    Ok((wishes, shares))
}

/// When to report again: in a while, or when another worker is believed to be gone whose shares would be free.
fn next_report(shares: &Shares, worker: &str) -> Duration {
    let others = shares.roster.members.iter().filter(|member| member.worker != worker);
    let soonest = others.map(|member| member.until.millis_since(now())).min().unwrap_or(u64::MAX);
    REPORT.min(Duration::from_millis(soonest.saturating_add(100)))
}
