//! An allowance that grows back evenly: a number of times within a window, kept as one time.
//!
//! Each time costs a share of the window. Whoever has used everything up waits until one more has grown back. Time comes in.

use yubin_types::Timestamp;

/// An allowance that is partly used: the time at which it will be whole again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowance {
    whole_at: Timestamp,
}

/// What was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// One, and there are more.
    One,
    /// One, and it was the last.
    Last,
}

impl Allowance {
    /// How long until one more may be taken.
    pub(crate) fn wait_ms(self, now: Timestamp, window_ms: u64, cost_ms: u64) -> u64 {
        self.whole_at.millis_since(now).saturating_add(cost_ms).saturating_sub(window_ms)
    }

    /// Takes one; never owes more than the window, however many are taken at once.
    pub(crate) fn take(&mut self, now: Timestamp, window_ms: u64, cost_ms: u64) -> Taken {
        let before = self.wait_ms(now, window_ms, cost_ms);
        let used_ms = self.whole_at.millis_since(now).saturating_add(cost_ms).min(window_ms);
        self.whole_at = Timestamp(now.0.saturating_add(used_ms));
        let after = self.wait_ms(now, window_ms, cost_ms);
        if before == 0 && after > 0 { Taken::Last } else { Taken::One }
    }
}
