//! When a message that could not be delivered is tried again, and when it is given up.
//!
//! A schedule is a plan's: a list of first waits, then each wait twice the one before up to a bound, until the message expires
//! (RFC 5321 §4.5.4.1: at least 30 minutes between attempts is advised in general, sooner for the first; give up after 4 to 5 days).
//! Each wait grows by up to a quarter, so that what failed together is not tried together; how much follows from an id, so the same
//! facts give the same time. The last attempt is made when the message expires, not before.
//!
//! Not here: how fast a destination may be tried (a destination's back-off only makes an attempt later), and the clock.

use yubin_types::{Timestamp, limits};

/// When to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    first_waits_seconds: Vec<u64>,
    wait_seconds_max: u64,
    lifetime_seconds: u64,
}

/// What a schedule can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The first waits: none, too many, or one that is too short.
    #[error(
        "a schedule has 1 to {} first waits of at least {} seconds",
        limits::RETRY_WAITS_MAX,
        limits::RETRY_WAIT_SECONDS_MIN
    )]
    FirstWaits,
    /// The longest wait is shorter than a first wait.
    #[error("the longest wait is at least as long as the first waits")]
    LongestWait,
    /// The lifetime is out of bounds.
    #[error("mail is tried for 1 second to {} seconds", limits::QUEUE_LIFETIME_SECONDS_MAX)]
    Lifetime,
}

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct FailedAttempt {
    /// Which one it was: 1 for the first.
    pub attempts: u32,
    /// When it ended.
    pub ended: Timestamp,
    /// When the message expires.
    pub expires: Timestamp,
    /// The message's or the delivery's id: spreads attempts.
    pub id: u128,
}

/// What comes after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Another attempt.
    At(Timestamp),
    /// The message has expired: it goes back to its sender.
    Expired,
}

impl Default for RetrySchedule {
    /// 1, 5, 15, 30 minutes, then twice as long each time up to 4 hours; 5 days.
    fn default() -> Self {
        RetrySchedule {
            first_waits_seconds: limits::RETRY_FIRST_WAITS_SECONDS_DEFAULT.to_vec(),
            wait_seconds_max: limits::RETRY_WAIT_SECONDS_MAX_DEFAULT,
            lifetime_seconds: limits::QUEUE_LIFETIME_SECONDS_DEFAULT,
        }
    }
}

impl RetrySchedule {
    /// A plan's schedule.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn new(
        first_waits_seconds: Vec<u64>,
        wait_seconds_max: u64,
        lifetime_seconds: u64,
    ) -> Result<Self, ScheduleError> {
        let counted = (1..=limits::RETRY_WAITS_MAX).contains(&first_waits_seconds.len());
        if !counted || first_waits_seconds.iter().any(|wait| *wait < limits::RETRY_WAIT_SECONDS_MIN) {
            return Err(ScheduleError::FirstWaits);
        }
        if first_waits_seconds.iter().any(|wait| *wait > wait_seconds_max) {
            return Err(ScheduleError::LongestWait);
        }
        if !(1..=limits::QUEUE_LIFETIME_SECONDS_MAX).contains(&lifetime_seconds) {
            return Err(ScheduleError::Lifetime);
        }
        Ok(RetrySchedule { first_waits_seconds, wait_seconds_max, lifetime_seconds })
    }

    /// When a message that is queued now expires.
    #[must_use]
    pub fn expires(&self, queued: Timestamp) -> Timestamp {
        queued.plus_seconds(self.lifetime_seconds)
    }

    /// What comes after a failed attempt.
    #[must_use]
    pub fn next(&self, failed: &FailedAttempt) -> Retry {
        if failed.ended >= failed.expires {
            return Retry::Expired;
        }
        let wait_ms = self.wait_seconds(failed.attempts).saturating_mul(1_000);
        let spread_ms = (wait_ms / 4).saturating_mul(quarter_part(failed.id, failed.attempts)) >> 16;
        let at = Timestamp(failed.ended.millis().saturating_add(wait_ms).saturating_add(spread_ms));
        Retry::At(at.min(failed.expires))
    }

    /// The wait after the attempt of this number, without spread.
    fn wait_seconds(&self, attempts: u32) -> u64 {
        let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        if let Some(wait) = self.first_waits_seconds.get(index) {
            return *wait;
        }
        let last = self.first_waits_seconds.last().copied().unwrap_or(self.wait_seconds_max);
        let doublings = (index + 1).saturating_sub(self.first_waits_seconds.len()).min(63);
        last.saturating_mul(1_u64 << doublings).min(self.wait_seconds_max)
    }
}

/// 0 to 65,535, evenly over ids and attempts (the finaliser of SplitMix64).
fn quarter_part(id: u128, attempts: u32) -> u64 {
    let low = u64::try_from(id & u128::from(u64::MAX)).unwrap_or_default();
    let high = u64::try_from(id >> 64).unwrap_or_default();
    let mut mixed = low ^ high.rotate_left(32) ^ (u64::from(attempts) << 17);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) >> 48
}

#[cfg(test)]
mod tests {
    use yubin_types::Timestamp;

    use super::{FailedAttempt, Retry, RetrySchedule, ScheduleError};

    const QUEUED: Timestamp = Timestamp(1_800_000_000_000);

    /// Attempts that each fail at once: their times after queueing in seconds, until the message is given up.
    fn run(schedule: &RetrySchedule, id: u128) -> Vec<u64> {
        let expires = schedule.expires(QUEUED);
        let mut times = vec![0];
        let mut ended = QUEUED;
        for attempts in 1..1_000 {
            match schedule.next(&FailedAttempt { attempts, ended, expires, id }) {
                Retry::At(at) => {
                    assert!(at > ended);
                    times.push(at.millis_since(QUEUED) / 1_000);
                    ended = at;
                }
                Retry::Expired => return times,
            }
        }
        panic!("never given up");
    }

    #[test]
    fn waits_grow_as_planned_and_the_last_attempt_is_at_the_end() {
        let waits_s = [60, 300, 900, 1_800, 3_600, 7_200, 14_400, 14_400, 14_400];
        for id in [0, 1, u128::MAX, 0x0197_3a5c_1d2e_7f00_8a1b_2c3d_4e5f_6071] {
            let times = run(&RetrySchedule::default(), id);
            for (pair, wait_s) in times.windows(2).zip(waits_s) {
                let waited_s = pair[1] - pair[0];
                assert!((wait_s..=wait_s * 5 / 4 + 1).contains(&waited_s), "{waited_s} for {wait_s}");
            }
            assert_eq!(times.last(), Some(&(5 * 86_400)));
            assert!((26..=37).contains(&times.len()), "{} attempts in five days", times.len());
        }
    }

    #[test]
    fn what_failed_together_is_not_tried_together() {
        let schedule = RetrySchedule::default();
        let expires = schedule.expires(QUEUED);
        let mut quarters = [0; 4];
        for id in 0..4_000_u128 {
            let failed = FailedAttempt { attempts: 4, ended: QUEUED, expires, id: id << 64 | 7 };
            let Retry::At(at) = schedule.next(&failed) else { panic!("expired") };
            assert_eq!(schedule.next(&failed), Retry::At(at));
            let spread_ms = at.millis_since(QUEUED) - 1_800_000;
            quarters[usize::try_from(spread_ms * 4 / 450_000).unwrap()] += 1;
        }
        assert!(quarters.iter().all(|count| (900..1_100).contains(count)), "{quarters:?}");
    }

    #[test]
    fn a_message_expires() {
        let schedule = RetrySchedule::default();
        let expires = schedule.expires(QUEUED);
        let last = FailedAttempt { attempts: 30, ended: expires, expires, id: 1 };
        assert_eq!(schedule.next(&last), Retry::Expired);
        let short = RetrySchedule::new(vec![60], 60, 3_600).unwrap();
        assert_eq!(run(&short, 9).last(), Some(&3_600));
    }

    #[test]
    fn schedules_that_would_flood_or_never_end_are_refused() {
        for (waits, max, lifetime, error) in [
            (vec![], 60, 60, ScheduleError::FirstWaits),
            (vec![60, 0], 60, 60, ScheduleError::FirstWaits),
            (vec![60; 17], 60, 60, ScheduleError::FirstWaits),
            (vec![61], 60, 60, ScheduleError::LongestWait),
            (vec![60], 60, 0, ScheduleError::Lifetime),
            (vec![60], 60, 31 * 86_400, ScheduleError::Lifetime),
        ] {
            assert_eq!(RetrySchedule::new(waits, max, lifetime), Err(error));
        }
    }
}
