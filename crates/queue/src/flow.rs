//! How fast a destination's deliveries end, how many stand in line behind those that wait in memory, and how many leases are worth having
//! in advance.
//!
//! A pure value. The rate is the mean of the last second and what was known before.

use yubin_types::Timestamp;

/// Deliveries per second that a destination is believed to take before it has shown what it takes.
const RATE_AT_FIRST: u64 = 50;
/// How long deliveries that are leased in advance take in all.
const AHEAD_SECONDS: u64 = 4;

/// How a destination's deliveries flow.
#[derive(Debug)]
pub(crate) struct Flow {
    per_second: u64,
    /// Put off for want of room, as far as they can't have come back yet.
    beyond: u64,
    since: Option<Timestamp>,
    ended: u64,
}

impl Default for Flow {
    fn default() -> Self {
        Flow { per_second: RATE_AT_FIRST, beyond: 0, since: None, ended: 0 }
    }
}

impl Flow {
    /// A delivery has ended.
    pub(crate) fn ended(&mut self, now: Timestamp) {
        self.ended += 1;
        let since = *self.since.get_or_insert(now);
        let elapsed_ms = now.millis_since(since);
        if elapsed_ms >= 1_000 {
            self.per_second = (self.per_second + self.ended.saturating_mul(1_000) / elapsed_ms).div_ceil(2).max(1);
            self.beyond = self.beyond.saturating_sub(self.ended);
            (self.since, self.ended) = (Some(now), 0);
        }
    }

    /// When a delivery that finds no room behind `waiting` others comes to its turn, in `ms_max` at the latest.
    pub(crate) fn turn_comes(&mut self, now: Timestamp, waiting: usize, ms_max: u64) -> Timestamp {
        let before = u64::try_from(waiting).unwrap_or(u64::MAX).saturating_add(self.beyond);
        self.beyond += 1;
        Timestamp(now.millis() + before.saturating_mul(1_000).div_ceil(self.per_second).min(ms_max))
    }

    /// What ends before a lease is renewed: nothing leased waits for longer than it would unleased, and a burst as long as this is leased as
    /// it is queued.
    pub(crate) fn ahead(&self) -> usize {
        usize::try_from(self.per_second.saturating_mul(AHEAD_SECONDS)).unwrap_or(usize::MAX)
    }
}
