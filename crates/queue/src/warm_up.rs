//! How much a new source address may send to each destination while receivers get to know it: a number of messages per day that grows from day
//! to day, then any number.
//!
//! Receivers judge an address by what it sent before, and hold much mail from one that they never saw for abuse; so their own guidelines ask
//! for small numbers at first, doubled every few days. Days are those of UTC. Before its first day an address sends nothing. An attempt
//! counts as a message, whatever came of it. Each worker counts for itself ([`QueueConfig::workers`] keeps a destination with one of them), and
//! goes on counting when it starts again (`ledger`).
//!
//! [`QueueConfig::workers`]: crate::QueueConfig::workers

use yubin_types::Timestamp;

/// Messages per day to each destination, from the first day on, where nothing else is configured: four weeks, in which the number grows by half
/// from day to day at first and by a fifth in the end.
pub const SCHEDULE_DEFAULT: [u32; 28] = [
    50, 75, 100, 150, 200, 300, 400, 600, 800, 1_000, 1_300, 1_700, 2_200, 2_800, 3_500, 4_400, 5_500, 6_800, 8_300,
    10_000, 12_000, 14_500, 17_500, 21_000, 25_000, 30_000, 36_000, 43_000,
];

const DAY_MS: u64 = 86_400_000;

/// How much an address may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmUp {
    /// Its first day, counted from 1970-01-01.
    pub first_day: u64,
    /// Messages to each destination on each day, from the first one on; then any number.
    pub per_day: Vec<u32>,
}

impl WarmUp {
    /// Messages to a destination today; `None`: any number.
    pub(crate) fn limit(&self, now: Timestamp) -> Option<u32> {
        match day(now).checked_sub(self.first_day) {
            None => Some(0),
            Some(passed) => usize::try_from(passed).ok().and_then(|passed| self.per_day.get(passed)).copied(),
        }
    }
}

/// What an address sent to a destination.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    day: u64,
    messages: u32,
}

impl Sent {
    /// How many on the day of `now`.
    pub(crate) fn today(self, now: Timestamp) -> u32 {
        if self.day == day(now) { self.messages } else { 0 }
    }

    /// One more is sent.
    pub(crate) fn add(&mut self, now: Timestamp) {
        *self = Sent { day: day(now), messages: self.today(now).saturating_add(1) };
    }

    /// So many more were sent on a day.
    pub(crate) fn join(&mut self, now: Timestamp, of: u64, messages: u32) {
        let before = if of == day(now) { messages } else { 0 };
        *self = Sent { day: day(now), messages: self.today(now).saturating_add(before) };
    }

    /// One was counted that is not sent.
    pub(crate) fn take_back(&mut self, now: Timestamp) {
        *self = Sent { day: day(now), messages: self.today(now).saturating_sub(1) };
    }
}

/// When the next day begins.
pub(crate) fn tomorrow(now: Timestamp) -> Timestamp {
    Timestamp((day(now) + 1).saturating_mul(DAY_MS))
}

/// The day of UTC, counted from 1970-01-01.
pub(crate) fn day(now: Timestamp) -> u64 {
    now.millis() / DAY_MS
}

#[cfg(test)]
mod tests {
    use yubin_types::Timestamp;

    use super::{DAY_MS, SCHEDULE_DEFAULT, Sent, WarmUp, tomorrow};

    #[test]
    fn an_address_sends_nothing_then_more_each_day_then_anything() {
        let warm_up = WarmUp { first_day: 20_000, per_day: vec![10, 20] };
        let limit = |day: u64, ms: u64| warm_up.limit(Timestamp(day * DAY_MS + ms));
        assert_eq!(limit(19_999, DAY_MS - 1), Some(0));
        assert_eq!((limit(20_000, 0), limit(20_000, DAY_MS - 1), limit(20_001, 0)), (Some(10), Some(10), Some(20)));
        assert_eq!(limit(20_002, 0), None);
        assert!(SCHEDULE_DEFAULT.is_sorted() && SCHEDULE_DEFAULT[0] > 0);
    }

    #[test]
    fn a_day_is_counted_for_itself() {
        let (morning, mut sent) = (Timestamp(20_000 * DAY_MS + 5), Sent::default());
        sent.add(morning);
        sent.add(morning);
        sent.take_back(morning);
        assert_eq!((sent.today(morning), sent.today(tomorrow(morning))), (1, 0));
        assert_eq!(tomorrow(morning), Timestamp(20_001 * DAY_MS));
        sent.add(tomorrow(morning));
        assert_eq!(sent.today(tomorrow(morning)), 1);
    }
}
