//! Posts reports to `https:` addresses (RFC 8460 §3, §5.3): beside the reporter, which never waits for a server of somebody else.
//!
//! The store knows nothing of what was posted. A report is taken once in the life of a process, whoever is interrupted; it is tried again with
//! growing pauses for a day ([`limits::REPORT_LIFETIME_SECONDS`]), and forgotten when the process ends: a report that is lost is missed by nobody, one that
//! comes twice has the same id. Both its number and its bytes are bounded; what is too much is dropped and counted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use yubin_dns_auth::Resolver;
use yubin_dns_auth::https::{HttpsClient, HttpsError, HttpsUrl};
use yubin_dns_auth::reports::tls::PACKED_TYPE;
use yubin_types::report::ReportKind;
use yubin_types::{DomainName, Timestamp, limits};

use crate::metrics::Metrics;

/// A report to be posted.
pub(crate) struct Post {
    pub(crate) to: HttpsUrl,
    /// On whom.
    pub(crate) domain: DomainName,
    /// What tells it from all others.
    pub(crate) id: String,
    /// When its period ended.
    pub(crate) end: Timestamp,
    /// JSON, packed.
    pub(crate) body: Bytes,
}

/// Posts reports.
pub(crate) struct Poster {
    client: HttpsClient,
    resolver: Resolver,
    /// The first pause.
    retry: Duration,
    metrics: Metrics,
    /// Ends of periods, ids and addresses of what was taken.
    taken: Mutex<BTreeSet<(Timestamp, String, String)>>,
    room: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    at_once: Semaphore,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Room for a report.
type Room = (OwnedSemaphorePermit, OwnedSemaphorePermit);

impl Poster {
    pub(crate) fn new(client: HttpsClient, resolver: Resolver, retry: Duration, metrics: Metrics) -> Arc<Poster> {
        Arc::new(Poster {
            client,
            resolver,
            retry,
            metrics,
            taken: Mutex::default(),
            room: Arc::new(Semaphore::new(limits::REPORT_POSTS_MAX)),
            bytes: Arc::new(Semaphore::new(limits::REPORT_POSTS_BYTES_MAX)),
            at_once: Semaphore::new(limits::REPORT_POSTS_AT_ONCE),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Posts a report soon, unless it was taken before or there is no room.
    pub(crate) fn take(self: &Arc<Self>, post: Post) {
        if !self.is_new(&post) {
            return;
        }
        let Some(room) = self.room(post.body.len()) else {
            tracing::warn!(domain.name = %post.domain, "too many reports wait to be posted; one is dropped");
            return self.metrics.done(ReportKind::Tls, "not_posted");
        };
        let poster = Arc::clone(self);
        self.tasks.spawn(async move {
            let stop = poster.stop.clone();
            stop.run_until_cancelled(poster.deliver(post)).await;
            drop(room);
        });
    }

    /// Gives up what waits.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn is_new(&self, post: &Post) -> bool {
        let mut taken = self.taken.lock();
        let over = Timestamp(post.end.0.saturating_sub(2 * 86_400_000));
        taken.retain(|(end, ..)| *end >= over);
        taken.insert((post.end, post.id.clone(), format!("{:?}", post.to)))
    }

    fn room(&self, bytes: usize) -> Option<Room> {
        let bytes = u32::try_from(bytes).ok()?;
        let one = Arc::clone(&self.room).try_acquire_owned().ok()?;
        Some((one, Arc::clone(&self.bytes).try_acquire_many_owned(bytes).ok()?))
    }

    async fn deliver(&self, post: Post) {
        let begun = Instant::now();
        let mut pause = self.retry;
        loop {
            let Err(error) = self.attempt(&post).await else {
                tracing::info!(domain.name = %post.domain, report.id = post.id, host = %post.to.host, "report posted");
                return self.metrics.done(ReportKind::Tls, "posted");
            };
            if begun.elapsed() + pause > Duration::from_secs(limits::REPORT_LIFETIME_SECONDS) {
                tracing::info!(domain.name = %post.domain, host = %post.to.host, %error, "a report is not posted");
                return self.metrics.done(ReportKind::Tls, "not_posted");
            }
            tracing::debug!(domain.name = %post.domain, host = %post.to.host, %error, "a report will be posted again");
            sleep(pause).await;
            pause *= 2;
        }
    }

    async fn attempt(&self, post: &Post) -> Result<(), HttpsError> {
        let _permit = self.at_once.acquire().await.map_err(|_| HttpsError::Timeout)?;
        let posting = self.client.post(&self.resolver, &post.to, PACKED_TYPE, post.body.clone());
        timeout(Duration::from_secs(limits::REPORT_POST_SECONDS_MAX), posting).await.unwrap_or(Err(HttpsError::Timeout))
    }
}
