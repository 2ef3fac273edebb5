//! How much waits in the outbound queue, for whoever watches the cluster: counted now and then on the leader of each group.
//!
//! From the sums by destination that the state keeps (docs/rfd/0019), and from what is applied here: a measurement may lag, and costs no round
//! of messages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use yubin_consensus::Group;
use yubin_proto::{Scope, StoreError};
use yubin_state::queue::{DeliveryStatus, QueueAnswer, QueueQuery, SummaryLine};
use yubin_state::{Answer, Query};
use yubin_types::{GroupNumber, Timestamp};

use crate::bridge::StateView;
use crate::read::answer;
use crate::service::Shared;

/// Between two counts at least.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// A pause is so many times as long as the count before it took: a large queue is counted seldom.
const PAUSE_BY_COUNT: u32 = 50;

/// What waits in the queue, of all groups that a node leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    by_status: BTreeMap<DeliveryStatus, Waiting>,
    oldest: Option<Timestamp>,
}

/// Sums over the deliveries with one status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Deliveries: messages, each counted for every one of its destinations.
    pub deliveries: u64,
    /// Recipients.
    pub recipients: u64,
    /// Bytes of the messages, each counted for every one of its deliveries.
    pub bytes: u64,
}

impl Backlog {
    /// What waits with this status.
    #[must_use]
    pub fn with(&self, status: DeliveryStatus) -> Waiting {
        self.by_status.get(&status).copied().unwrap_or_default()
    }

    /// When the oldest message was queued, to a second and a quarter of its age; `None` if nothing waits.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.oldest
    }

    fn add(&mut self, line: &SummaryLine) {
        let waiting = self.by_status.entry(line.status).or_default();
        waiting.deliveries += line.deliveries;
        waiting.recipients += line.recipients;
        waiting.bytes = waiting.bytes.saturating_add(line.bytes);
        self.oldest = Some(self.oldest.map_or(line.oldest, |oldest| oldest.min(line.oldest)));
    }
}

/// Counts for as long as the node runs.
pub(crate) async fn watch(shared: Arc<Shared>) {
    loop {
        let began = Instant::now();
        match count(&shared).await {
            Ok(backlog) => *shared.backlog().lock() = backlog,
            Err(error) => tracing::warn!(%error, "what waits in the queue can't be counted"),
        }
        tokio::time::sleep(PAUSE_MIN.max(began.elapsed() * PAUSE_BY_COUNT)).await;
    }
}

async fn count(shared: &Shared) -> Result<Backlog, StoreError> {
    let mut backlog = Backlog::default();
    for group in shared.node().groups() {
        if group.leadership().borrow().is_leader() {
            let counted = tokio::task::spawn_blocking(move || add_group(backlog, &group)).await;
            backlog = counted.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))?;
        }
    }
    Ok(backlog)
}

fn add_group(mut backlog: Backlog, group: &Group) -> Result<Backlog, StoreError> {
    let scope = Scope { group: GroupNumber(group.id().0), ..Scope::DIRECTORY };
    let mut after = None;
    loop {
        let query = Query::Queue(QueueQuery::Summary { after });
        let found = answer(&StateView(group.view()), scope, &query)?;
        let Answer::Queue(QueueAnswer::Summary { lines, next }) = found else {
            return Err(StoreError::Malformed(format!("unexpected answer: {found:?}")));
        };
        lines.iter().for_each(|line| backlog.add(line));
        if next.is_none() {
            return Ok(backlog);
        }
        after = next;
    }
}
