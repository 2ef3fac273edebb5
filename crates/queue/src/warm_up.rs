//! How much a new source address may send to each destination while receivers get to know it: a number of messages per day that grows from day
//! to day, then any number.
//!
//! Receivers judge an address by what it sent before, and hold much mail from one that they never saw for abuse; so their own guidelines ask
//! for small numbers at first, doubled every few days. Days are those of UTC. Before its first day an address sends nothing. An attempt
//! counts as a message, whatever came of it.
//!
//! The directory counts for all workers together, before anything is sent: a worker has a purse for each receiver and address, with what it was granted
//! and has not used (`ledger`). So a worker that dies has sent less than was counted, never more.

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

/// How long it is believed that there is no more for today, seconds: others may give something back.
const SPENT_SECONDS: u64 = 600;
/// How long what was granted stays here unused, seconds.
const IDLE_SECONDS: u64 = 60;

/// What an address may still send to a receiver today, of what the directory granted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Purse {
    day: u64,
    left: u32,
    /// The directory had no more: not asked again before.
    spent_until: Timestamp,
    used: Timestamp,
}

/// What is in a purse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stock {
    Some,
    /// The directory has to be asked.
    Unknown,
    /// There is no more, for now.
    Spent(Timestamp),
}

impl Purse {
    pub(crate) fn stock(self, now: Timestamp) -> Stock {
        match self.today(now) {
            Purse { left: 1.., .. } => Stock::Some,
            Purse { spent_until, .. } if spent_until > now => Stock::Spent(spent_until),
            _ => Stock::Unknown,
        }
    }

    /// One message is to be sent.
    pub(crate) fn take(&mut self, now: Timestamp) {
        let today = self.today(now);
        *self = Purse { left: today.left.saturating_sub(1), used: now, ..today };
    }

    /// One is not sent after all.
    pub(crate) fn take_back(&mut self, now: Timestamp) {
        let today = self.today(now);
        *self = Purse { left: today.left.saturating_add(1), ..today };
    }

    /// How many more to ask for, where `limit` is the day's: some at once, before none are left.
    pub(crate) fn wants(self, now: Timestamp, limit: u32) -> Option<u32> {
        let some = (limit / 10).clamp(5, 200).min(limit);
        let today = self.today(now);
        (today.left <= some / 2 && today.spent_until <= now).then_some(some)
    }

    /// So many were asked for, and so many granted for a day.
    pub(crate) fn fill(&mut self, now: Timestamp, of: u64, asked: u32, granted: u32) {
        if of != day(now) {
            return;
        }
        let today = self.today(now);
        let spent_until = if granted < asked { now.plus_seconds(SPENT_SECONDS) } else { today.spent_until };
        *self = Purse { left: today.left.saturating_add(granted), spent_until, used: now, ..today };
    }

    /// Takes out what has not been used for a while.
    pub(crate) fn idle(&mut self, now: Timestamp) -> u32 {
        if self.used.plus_seconds(IDLE_SECONDS) > now { 0 } else { self.empty(now) }
    }

    /// Takes out what is left for today.
    pub(crate) fn empty(&mut self, now: Timestamp) -> u32 {
        let today = self.today(now);
        *self = Purse { left: 0, ..today };
        today.left
    }

    /// Is there nothing to know of it?
    pub(crate) fn is_over(self, now: Timestamp) -> bool {
        self.day != day(now) || (self.left == 0 && self.spent_until <= now)
    }

    fn today(self, now: Timestamp) -> Purse {
        if self.day == day(now) { self } else { Purse { day: day(now), ..Purse::default() } }
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

    use super::{DAY_MS, Purse, SCHEDULE_DEFAULT, Stock, WarmUp, tomorrow};

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
    fn a_purse_is_of_one_day() {
        let (morning, mut purse) = (Timestamp(20_000 * DAY_MS + 5), Purse::default());
        assert_eq!((purse.stock(morning), purse.wants(morning, 100)), (Stock::Unknown, Some(10)));
        purse.fill(morning, 20_000, 10, 10);
        (0..5).for_each(|_| purse.take(morning));
        assert_eq!((purse.stock(morning), purse.wants(morning, 100)), (Stock::Some, Some(10)), "before it is empty");
        purse.fill(morning, 20_000, 10, 1);
        assert_eq!(purse.wants(morning, 100), None);
        (0..6).for_each(|_| purse.take(morning));
        purse.take_back(morning);
        assert_eq!(purse.stock(morning), Stock::Some);
        purse.take(morning);
        assert_eq!(purse.stock(morning), Stock::Spent(morning.plus_seconds(600)));
        assert_eq!(purse.stock(morning.plus_seconds(600)), Stock::Unknown, "others may have given something back");
        assert_eq!(tomorrow(morning), Timestamp(20_001 * DAY_MS));
        assert_eq!((purse.stock(tomorrow(morning)), purse.wants(tomorrow(morning), 3)), (Stock::Unknown, Some(3)));
        purse.fill(tomorrow(morning), 20_000, 10, 10);
        assert_eq!(purse.stock(tomorrow(morning)), Stock::Unknown, "that was for yesterday");
        purse.fill(morning, 20_000, 5, 5);
        assert_eq!((purse.idle(morning), purse.idle(morning.plus_seconds(60)), purse.empty(morning)), (0, 5, 0));
    }
}
