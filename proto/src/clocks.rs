//! The store nodes' clocks, beside one's own.

use std::collections::BTreeMap;
use std::time::Duration;

use yubin_types::Timestamp;

use crate::client::StoreClient;

/// How long a node's clock is waited for: half of it is how wrong the reading may be.
const CLOCK_ANSWER_MAX: Duration = Duration::from_secs(1);

impl StoreClient {
    /// How far each node's clock is ahead of `clock`, milliseconds, of those that answer within a second. A clock was read in the middle
    /// between question and answer, give or take half of that time.
    pub async fn clock_offsets(&self, clock: impl Fn() -> Timestamp) -> BTreeMap<u64, i64> {
        let clock = &clock;
        let asked = self.all_nodes().into_iter().map(|(id, node)| async move {
            let asked = clock().millis();
            let status = tokio::time::timeout(CLOCK_ANSWER_MAX, node.status()).await.ok()?.ok()?;
            let middle = asked.midpoint(clock().millis());
            let ahead = i128::from(status.clock.millis()) - i128::from(middle);
            Some((id, i64::try_from(ahead).unwrap_or(i64::MAX)))
        });
        futures::future::join_all(asked).await.into_iter().flatten().collect()
    }
}
