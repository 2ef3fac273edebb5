//! How fast a destination's deliveries end, how many stand in line behind those that wait in memory, and how many leases are worth having
//! in advance.
//!
//! What is put off because the destination pauses comes back one after the other: if thousands came at the end of each pause, to put them
//! off again would cost more than everything that is delivered meanwhile.
//!
//! A pure value. The rate is the mean of the last second and what was known before.

use yubin_types::Timestamp;

/// Deliveries per second that a destination is believed to take before it has shown what it takes.
const RATE_AT_FIRST: u64 = 50;
/// Between two deliveries that come back after a pause, milliseconds, in the mean.
const RETURN_MS: u64 = 5;
/// They come back in groups that stand so far apart, milliseconds: a group that is put off again is one command and one sync, and everybody
/// else's mail waits for those.
const RETURN_TOGETHER_MS: u64 = 500;
/// How long deliveries that are leased in advance take in all.
const AHEAD_SECONDS: u64 = 4;

/// How a destination's deliveries flow.
#[derive(Debug)]
pub(crate) struct Flow {
    per_second: u64,
    /// Put off for want of room, as far as they can't have come back yet.
    beyond: u64,
    /// Put off to the end of this pause so far.
    returning: (Timestamp, u64),
    since: Option<Timestamp>,
    ended: u64,
}

impl Default for Flow {
    fn default() -> Self {
        Flow { per_second: RATE_AT_FIRST, beyond: 0, returning: (Timestamp(0), 0), since: None, ended: 0 }
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

    /// When a delivery comes back that finds its destination pausing until `pause_ends`: within a quarter of the pause, or one after the
    /// other if they are many, in `ms_max` after the pause at the latest. `spread` (any number) tells those apart that come together.
    pub(crate) fn returns(&mut self, now: Timestamp, pause_ends: Timestamp, spread: u64, ms_max: u64) -> Timestamp {
        let (of, before) = self.returning;
        let before = if of == pause_ends { before } else { 0 };
        self.returning = (pause_ends, before + 1);
        let together = spread % (pause_ends.millis_since(now) / 4).max(1);
        let in_line = before.saturating_mul(RETURN_MS);
        let after = if in_line < ms_max { together.max(in_line) } else { spread % ms_max.max(1) };
        grouped(pause_ends, after)
    }

    /// What ends before a lease is renewed: nothing leased waits for longer than it would unleased, and a burst as long as this is leased as
    /// it is queued.
    pub(crate) fn ahead(&self) -> usize {
        usize::try_from(self.per_second.saturating_mul(AHEAD_SECONDS)).unwrap_or(usize::MAX)
    }
}

/// When the group comes back, of whatever destinations, to which a delivery belongs that is to come so long after its destination's pause:
/// then or somewhat before, but never within the pause.
fn grouped(pause_ends: Timestamp, after_ms: u64) -> Timestamp {
    let at = pause_ends.millis().saturating_add(after_ms);
    Timestamp(at - at % RETURN_TOGETHER_MS).max(pause_ends)
}

#[cfg(test)]
mod tests {
    use yubin_types::Timestamp;

    use super::Flow;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn after(flow: &mut Flow, pause_ends: Timestamp, spread: u64) -> u64 {
        flow.returns(NOW, pause_ends, spread, 1_800_000).millis_since(pause_ends)
    }

    #[test]
    fn few_come_back_soon_after_a_pause_and_many_one_after_the_other() {
        let mut flow = Flow::default();
        let pause = Timestamp(NOW.millis() + 30_000);
        let first: Vec<u64> = (0..1_000).map(|spread| after(&mut flow, pause, spread * 7_919)).collect();
        assert!(first.iter().all(|after| *after < 7_500), "{first:?}");
        let mut by_second = [0_u32; 2_000];
        for number in 1_000..400_000_u64 {
            by_second[usize::try_from(after(&mut flow, pause, number * 7_919) / 1_000).unwrap()] += 1;
        }
        // Two hundred a second, and whoever comes too late for that is spread over the whole time.
        assert!(by_second[10..1_800].iter().all(|count| (150..300).contains(count)), "{by_second:?}");
        assert_eq!(by_second[1_800..].iter().sum::<u32>(), 0);
        assert!(first.iter().all(|after| after % 500 == 0), "in groups: {first:?}");
        let odd = Timestamp(NOW.millis() + 45_100);
        assert!(
            (0..1_000).all(|spread| [0, 400].contains(&(after(&mut flow, odd, spread) % 500))),
            "of all destinations"
        );
        // The next pause begins anew.
        assert!(after(&mut flow, Timestamp(NOW.millis() + 60_000), 3) < 15_000);
    }
}
