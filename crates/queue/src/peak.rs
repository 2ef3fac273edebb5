//! How many connections there may be to a receiver: those of deliveries under way, and those that deliveries left which ended a moment ago, because
//! connections rest for a while before they are ended.
//!
//! A pure value: for each second in which a delivery ended, how many were under way until then.

use std::collections::VecDeque;

use yubin_types::Timestamp;

/// Deliveries that ended lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peak(VecDeque<(u64, u32)>);

impl Peak {
    /// One of `count` deliveries under way ends; what ended more than `rests_ms` ago is of no matter any more.
    pub(crate) fn ended(&mut self, now: Timestamp, count: u32, rests_ms: u64) {
        let second = now.millis() / 1_000;
        while self.0.front().is_some_and(|(at, _)| is_over(*at, now, rests_ms)) {
            self.0.pop_front();
        }
        match self.0.back_mut() {
            Some((at, most)) if *at == second => *most = (*most).max(count),
            _ => self.0.push_back((second, count)),
        }
    }

    /// The most that were under way when one ended, in the last `rests_ms`.
    pub(crate) fn within(&self, now: Timestamp, rests_ms: u64) -> u32 {
        let recent = self.0.iter().filter(|(at, _)| !is_over(*at, now, rests_ms));
        recent.map(|(_, most)| *most).max().unwrap_or_default()
    }
}

fn is_over(second: u64, now: Timestamp, rests_ms: u64) -> bool {
    (second + 1) * 1_000 + rests_ms <= now.millis()
}

#[cfg(test)]
mod tests {
    use yubin_types::Timestamp;

    use super::Peak;

    #[test]
    fn connections_are_counted_until_none_can_rest_any_more() {
        let mut peak = Peak::default();
        for (at, count) in [(10_000, 3), (10_900, 7), (12_000, 2)] {
            peak.ended(Timestamp(at), count, 5_000);
        }
        let within = |at| peak.within(Timestamp(at), 5_000);
        assert_eq!((within(12_000), within(15_999), within(16_000), within(18_000)), (7, 7, 2, 0));
    }
}
