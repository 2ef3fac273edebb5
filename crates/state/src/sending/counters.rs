//! What was sent in each of the last [`limits::SENDING_HOURS`] hours: one small row for an account, one for its domain.
//!
//! Hours are full hours of UTC. An hour in which nothing happened takes no room; what is older than a day goes with the next change.

use serde::{Deserialize, Serialize};
use yubin_types::{SendingPeriod, SendingUnit, Timestamp, limits};

/// Seconds of an hour.
const HOUR: u64 = 3_600;

/// Counts by the hour, oldest first; at most [`limits::SENDING_HOURS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingCounters(Vec<HourCounts>);

/// What happened in one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourCounts {
    /// Which: hours since the epoch.
    pub hour: u64,
    /// Messages submitted.
    pub messages: u64,
    /// Their recipients.
    pub recipients: u64,
    /// Recipients to whom the account had not written before.
    pub new_recipients: u64,
    /// Messages refused for a limit of the account.
    pub refused: u64,
    /// Recipients reached.
    pub delivered: u64,
    /// Recipients refused for good by their servers.
    pub bounced: u64,
}

impl HourCounts {
    const fn of(&self, unit: SendingUnit) -> u64 {
        match unit {
            SendingUnit::Messages => self.messages,
            SendingUnit::Recipients => self.recipients,
            SendingUnit::NewRecipients => self.new_recipients,
        }
    }
}

impl SendingCounters {
    /// How many in a period that ends now.
    #[must_use]
    pub fn used(&self, unit: SendingUnit, period: SendingPeriod, now: Timestamp) -> u64 {
        self.within(hours(period), now).map(|counts| counts.of(unit)).sum()
    }

    /// When there is room for so many more under a limit: a full hour, at most a day ahead.
    #[must_use]
    pub fn room_at(
        &self,
        (unit, period): (SendingUnit, SendingPeriod),
        (limit, more): (u64, u64),
        now: Timestamp,
    ) -> Timestamp {
        let mut used = self.used(unit, period, now);
        for counts in self.within(hours(period), now) {
            used = used.saturating_sub(counts.of(unit));
            if used.saturating_add(more) <= limit {
                return Timestamp::from_seconds((counts.hour + hours(period)) * HOUR);
            }
        }
        Timestamp::from_seconds((hour(now) + hours(period)) * HOUR)
    }

    /// Messages refused in this hour.
    #[must_use]
    pub fn refused(&self, now: Timestamp) -> u64 {
        self.within(1, now).map(|counts| counts.refused).sum()
    }

    /// Recipients (reached, refused for good) in this hour and the one before.
    #[must_use]
    pub fn ends(&self, now: Timestamp) -> (u64, u64) {
        self.within(2, now)
            .fold((0, 0), |(delivered, bounced), counts| (delivered + counts.delivered, bounced + counts.bounced))
    }

    /// Adds to this hour's counts.
    pub fn count(&mut self, now: Timestamp, add: impl FnOnce(&mut HourCounts)) {
        let hour = hour(now);
        self.0.retain(|counts| counts.hour + limits::SENDING_HOURS > hour);
        // Time never goes back, so this hour is the last if it is there.
        let mut counts = match self.0.pop() {
            Some(last) if last.hour == hour => last,
            earlier => {
                self.0.extend(earlier);
                HourCounts { hour, ..HourCounts::default() }
            }
        };
        add(&mut counts);
        self.0.push(counts);
    }

    /// Forgets what is held against an account.
    pub fn forgive(&mut self) {
        for counts in &mut self.0 {
            counts.refused = 0;
            counts.delivered = 0;
            counts.bounced = 0;
        }
    }

    /// The hours, oldest first.
    pub fn hours(&self) -> impl Iterator<Item = &HourCounts> {
        self.0.iter()
    }

    /// Hours in order, each once, and none too many.
    pub(crate) fn is_sound(&self) -> bool {
        self.0.is_sorted_by(|one, next| one.hour < next.hour) && self.0.len() as u64 <= limits::SENDING_HOURS
    }

    fn within(&self, hours: u64, now: Timestamp) -> impl Iterator<Item = &HourCounts> {
        let this = hour(now);
        self.0.iter().filter(move |counts| counts.hour + hours > this)
    }
}

const fn hours(period: SendingPeriod) -> u64 {
    match period {
        SendingPeriod::Hour => 1,
        SendingPeriod::Day => limits::SENDING_HOURS,
    }
}

const fn hour(now: Timestamp) -> u64 {
    now.seconds() / HOUR
}

#[cfg(test)]
mod tests {
    use yubin_types::{SendingPeriod, SendingUnit, Timestamp};

    use super::{HOUR, SendingCounters};

    const MESSAGES: (SendingUnit, SendingPeriod) = (SendingUnit::Messages, SendingPeriod::Day);

    fn at(hour: u64) -> Timestamp {
        Timestamp::from_seconds(hour * HOUR + 1_234)
    }

    #[test]
    fn a_day_is_this_hour_and_the_23_before() {
        let mut counters = SendingCounters::default();
        for hour in 0..60 {
            counters.count(at(hour), |counts| counts.messages += 1);
            counters.count(at(hour), |counts| counts.messages += 1);
            assert!(counters.is_sound());
        }
        assert_eq!(counters.used(SendingUnit::Messages, SendingPeriod::Hour, at(59)), 2);
        assert_eq!(counters.used(SendingUnit::Messages, SendingPeriod::Day, at(59)), 48);
        assert_eq!(counters.used(SendingUnit::Messages, SendingPeriod::Day, at(82)), 2);
        assert_eq!(counters.used(SendingUnit::Messages, SendingPeriod::Day, at(83)), 0);
    }

    #[test]
    fn room_comes_when_the_hour_that_took_it_leaves_the_day() {
        let mut counters = SendingCounters::default();
        counters.count(at(10), |counts| counts.messages += 3);
        counters.count(at(12), |counts| counts.messages += 7);
        let full_hour = |hour: u64| Timestamp::from_seconds(hour * HOUR);
        assert_eq!(counters.room_at(MESSAGES, (10, 3), at(13)), full_hour(34));
        assert_eq!(counters.room_at(MESSAGES, (10, 4), at(13)), full_hour(36));
        let hourly = (SendingUnit::Messages, SendingPeriod::Hour);
        assert_eq!(counters.room_at(hourly, (7, 1), at(12)), full_hour(13));
        // Room for what was refused is there then, and not a moment before.
        let used = |now| counters.used(MESSAGES.0, MESSAGES.1, now);
        assert_eq!(used(full_hour(34)), 7);
        assert_eq!(used(Timestamp(full_hour(34).0 - 1)), 10);
    }
}
