//! Is this node's clock right? Everything that expires (Trash, the vault, grants, what is remembered of requests) is decided from the
//! stamps of the leader, and a group's time never goes back: one stamp from a clock that is years ahead would empty every Trash at once.
//!
//! So each node asks all store nodes for their clocks once a second. One that is farther than [`CLOCK_OFF_MS_MAX`] from the median
//! stamps nothing and hands its leaderships over. Between two looks the monotonic clock tells a jump. Fewer than three clocks
//! convict nobody: a node alone believes its own, and where too few answer the last verdict stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use yubin_consensus::NodeId;
use yubin_proto::{StoreClient, StoreError};
use yubin_types::Timestamp;
use yubin_types::limits::CLOCK_OFF_MS_MAX;

use crate::membership;
use crate::service::Shared;
use crate::settings::Clock;

/// How often a node looks at the others' clocks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Clocks, this node's among them, that it takes to tell which one is wrong.
const CLOCKS_MIN: usize = 3;

/// The wall clock, and what the other nodes' clocks say of it.
pub(crate) struct GuardedClock {
    clock: Clock,
    verdict: Mutex<Verdict>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Too few clocks were ever seen.
    None,
    /// It was right at this moment.
    Right { wall: Timestamp, since: Instant },
    /// It is so far ahead of the others, milliseconds; negative: behind.
    Off { ahead_ms: i64 },
}

impl GuardedClock {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, verdict: Mutex::new(Verdict::None) }
    }

    /// What the clock shows, right or wrong.
    pub(crate) fn read(&self) -> Timestamp {
        (self.clock)()
    }

    /// The time that an entry may be stamped with.
    ///
    /// # Errors
    /// The clock is not to be believed.
    pub(crate) fn stamp(&self) -> Result<Timestamp, StoreError> {
        let now = self.read();
        match self.ahead_ms(now) {
            0 => Ok(now),
            ahead => Err(StoreError::Unavailable(format!("this node's clock is {ahead} ms ahead of its peers'"))),
        }
    }

    /// How far the clock is ahead of the others, if that is too far for stamps, milliseconds; negative: behind; 0: as it should be.
    pub(crate) fn off_ms(&self) -> i64 {
        self.ahead_ms(self.read())
    }

    fn ahead_ms(&self, now: Timestamp) -> i64 {
        match *self.verdict.lock() {
            Verdict::None => 0,
            Verdict::Off { ahead_ms } => ahead_ms,
            Verdict::Right { wall, since } => {
                let jumped = ahead(now, wall).saturating_sub(i64::try_from(since.elapsed().as_millis()).unwrap_or(0));
                if jumped.unsigned_abs() > CLOCK_OFF_MS_MAX { jumped } else { 0 }
            }
        }
    }

    /// Takes over what the clocks say, and tells the log when that is news.
    fn judge(&self, median_ms: i64) {
        let verdict = if median_ms.unsigned_abs() > CLOCK_OFF_MS_MAX {
            Verdict::Off { ahead_ms: median_ms.saturating_neg() }
        } else {
            Verdict::Right { wall: self.read(), since: Instant::now() }
        };
        let before = std::mem::replace(&mut *self.verdict.lock(), verdict);
        match (before, verdict) {
            (Verdict::Off { .. }, Verdict::Right { .. }) => tracing::info!("this node's clock is right again"),
            (Verdict::None | Verdict::Right { .. }, Verdict::Off { ahead_ms }) => tracing::error!(
                clock.ahead_ms = ahead_ms,
                "this node's clock is off its peers': it stamps nothing and leads no group until that is mended"
            ),
            _ => {}
        }
    }
}

fn ahead(this: Timestamp, that: Timestamp) -> i64 {
    i64::try_from(i128::from(this.millis()) - i128::from(that.millis())).unwrap_or(i64::MAX)
}

/// Watches the clocks for as long as the node runs.
pub(crate) async fn watch(shared: Arc<Shared>, client: Arc<StoreClient>) {
    loop {
        let offsets = client.clock_offsets(|| shared.clock().read()).await;
        let median = median(&offsets);
        if let Some(median) = median {
            shared.clock().judge(median);
        }
        if shared.clock().stamp().is_err() {
            give_up_leading(&shared, &near(&offsets, median)).await;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// How far the clock in the middle is ahead of this node's; of two in the middle the one that is nearer to it.
fn median(offsets: &BTreeMap<u64, i64>) -> Option<i64> {
    let mut sorted: Vec<i64> = offsets.values().copied().collect();
    sorted.sort_unstable();
    let middle = [(sorted.len().saturating_sub(1)) / 2, sorted.len() / 2];
    let in_the_middle = middle.iter().filter_map(|index| sorted.get(*index)).copied();
    in_the_middle.min_by_key(|offset| offset.unsigned_abs()).filter(|_| sorted.len() >= CLOCKS_MIN)
}

/// The nodes whose clocks are near the median; all that answered, if there is none.
fn near(offsets: &BTreeMap<u64, i64>, median: Option<i64>) -> BTreeSet<NodeId> {
    let is_near = |offset: i64| median.is_none_or(|median| offset.abs_diff(median) <= CLOCK_OFF_MS_MAX);
    offsets.iter().filter(|(_, offset)| is_near(**offset)).map(|(node, _)| NodeId(*node)).collect()
}

/// Hands every group that this node leads to one of `heirs`.
async fn give_up_leading(shared: &Shared, heirs: &BTreeSet<NodeId>) {
    for group in shared.node().groups() {
        let now = group.metrics();
        if !now.leadership.is_leader() {
            continue;
        }
        if let Err(error) = membership::hand_over(shared.node(), group.id(), &now, |voter| heirs.contains(&voter)).await
        {
            tracing::warn!(%error, group.id = group.id().0, "the group keeps a leader whose clock is off");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn offsets(of_others: &[i64]) -> BTreeMap<u64, i64> {
        (1..).zip(std::iter::once(0).chain(of_others.iter().copied())).collect()
    }

    #[test]
    fn the_many_tell_who_is_wrong() {
        assert_eq!(median(&offsets(&[])), None);
        assert_eq!(median(&offsets(&[60_000])), None, "one of two is wrong, and nobody knows which");
        assert_eq!(median(&offsets(&[20, 60_000])), Some(20));
        assert_eq!(median(&offsets(&[60_000, 60_010])), Some(60_000));
        assert_eq!(median(&offsets(&[10, 60_000, 60_010])), Some(10), "two against two convict nobody");
        let far = offsets(&[60_000, 60_010]);
        assert_eq!(near(&far, median(&far)), BTreeSet::from([NodeId(2), NodeId(3)]));
    }

    #[test]
    fn a_clock_that_is_off_or_jumps_stamps_nothing() {
        let hand = Arc::new(AtomicU64::new(1_000_000));
        let shown = Arc::clone(&hand);
        let clock = GuardedClock::new(Arc::new(move || Timestamp(shown.load(Ordering::Relaxed))));
        hand.store(9_000_000, Ordering::Relaxed);
        assert_eq!(clock.stamp(), Ok(Timestamp(9_000_000)), "nobody said anything against it");

        clock.judge(500);
        assert!(clock.stamp().is_ok());
        hand.store(9_000_000 + 86_400_000, Ordering::Relaxed);
        assert!(clock.stamp().is_err(), "a jump is known before the others are asked");
        assert!((86_390_000..=86_400_000).contains(&clock.off_ms()));
        clock.judge(0);
        assert!(clock.stamp().is_ok(), "the others went along");

        clock.judge(-5_000);
        assert_eq!(clock.off_ms(), 5_000);
        assert!(matches!(clock.stamp(), Err(StoreError::Unavailable(_))));
        clock.judge(3);
        assert!(clock.stamp().is_ok());
    }
}
