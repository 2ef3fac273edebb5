//! How fast a destination takes mail: concurrent deliveries that grow while it goes well, and a pause when it does not.
//!
//! A pure value, driven by what came of deliveries. Success opens one more lane for as many successes as there are lanes (so that speed
//! doubles per round at first); 421, 4.7.x and timeouts halve the lanes, and the third without a success in between begins a pause; a
//! destination that can't be reached is left with one lane and paused at once. Pauses double while they follow each other, and one delivery probes after each. Several deliveries that fail together are
//! one failure.

use yubin_types::Timestamp;

/// Bounds of a pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaceLimits {
    /// Concurrent deliveries at first.
    pub lanes_initial: u32,
    /// Concurrent deliveries at most.
    pub lanes_max: u32,
    /// The first pause, milliseconds.
    pub pause_ms_min: u64,
    /// The longest pause, milliseconds.
    pub pause_ms_max: u64,
}

impl Default for PaceLimits {
    /// 5 and 20 lanes; 30 seconds to 30 minutes.
    fn default() -> Self {
        PaceLimits { lanes_initial: 5, lanes_max: 20, pause_ms_min: 30_000, pause_ms_max: 1_800_000 }
    }
}

/// Complaints without a success in between before a pause.
const PATIENCE: u32 = 3;

/// How long a pause is remembered after its end, so that the next one is longer, seconds.
const REMEMBERED_SECONDS: u64 = 600;

/// What an ended delivery says about its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It answers as it should, whatever it answered.
    Fine,
    /// It wants less: 421, 4.7.x, it was slow or hung up.
    Slower,
    /// It could not be reached.
    Unreachable,
    /// Nothing was learned: the delivery was not tried.
    None,
}

/// May a delivery begin?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Yes.
    Granted,
    /// When another has ended.
    Full,
    /// Not before then.
    NotBefore(Timestamp),
}

/// The pace of one destination.
#[derive(Clone, Debug)]
pub struct Pace {
    limits: PaceLimits,
    lanes: u32,
    /// What this worker may use of the destination's lanes.
    share: u32,
    in_flight: u32,
    successes: u32,
    /// Complaints since the last success.
    complaints: u32,
    /// Pauses since the last success.
    pauses: u32,
    pause_until: Option<Timestamp>,
    standing: Standing,
}

/// What the last delivery that said anything said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Unproven,
    Good,
}

impl Pace {
    /// Nothing is known of the destination.
    #[must_use]
    pub fn new(limits: PaceLimits) -> Pace {
        let lanes = limits.lanes_initial.clamp(1, limits.lanes_max.max(1));
        let standing = Standing::Unproven;
        let share = u32::MAX;
        Pace { limits, lanes, share, in_flight: 0, successes: 0, complaints: 0, pauses: 0, pause_until: None, standing }
    }

    /// May a delivery begin?
    #[must_use]
    pub fn leave(&self, now: Timestamp) -> Leave {
        match self.pause_until {
            Some(until) if now < until => Leave::NotBefore(until),
            _ if self.lanes_free() == 0 => Leave::Full,
            _ => Leave::Granted,
        }
    }

    /// How many more deliveries its lanes have room for.
    #[must_use]
    pub fn lanes_free(&self) -> usize {
        self.lanes.min(self.share).saturating_sub(self.in_flight) as usize
    }

    /// May one more be under way, whatever was learned?
    #[must_use]
    pub fn has_lane(&self) -> bool {
        self.in_flight < self.limits.lanes_max.max(1).min(self.share)
    }

    /// Other bounds are in force: what was learned stays within them.
    pub fn bound(&mut self, limits: PaceLimits) {
        self.limits = limits;
        self.lanes = self.lanes.clamp(1, limits.lanes_max.max(1));
    }

    /// This worker may use so many lanes, whatever was learned; others use the rest.
    pub fn allot(&mut self, share: u32) {
        self.share = share;
    }

    /// How many lanes this worker may use.
    #[must_use]
    pub fn share(&self) -> u32 {
        self.share
    }

    /// Another worker has learned that the destination wants less.
    pub fn heard_slower(&mut self) {
        self.lanes = (self.lanes / 2).max(1);
        self.successes = 0;
    }

    /// Another worker leaves the destination alone until then.
    pub fn heard_pause(&mut self, until: Timestamp) {
        self.pause_until = self.pause_until.max(Some(until));
    }

    /// Deliveries under way.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Did the last delivery that said anything say that all is well?
    #[must_use]
    pub fn goes_well(&self) -> bool {
        self.standing == Standing::Good
    }

    /// A delivery begins.
    pub fn begun(&mut self) {
        self.in_flight += 1;
    }

    /// A delivery has ended.
    pub fn ended(&mut self, now: Timestamp, signal: Signal) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match signal {
            Signal::None => {}
            Signal::Fine => self.standing = Standing::Good,
            Signal::Slower | Signal::Unreachable => self.standing = Standing::Unproven,
        }
        match signal {
            Signal::None => {}
            Signal::Fine => self.succeeded(),
            // It is known already.
            Signal::Slower | Signal::Unreachable if self.pause_until.is_some_and(|until| now < until) => {}
            Signal::Slower => {
                self.lanes = (self.lanes / 2).max(1);
                self.successes = 0;
                self.complaints += 1;
                if self.complaints >= PATIENCE {
                    self.pause(now);
                }
            }
            Signal::Unreachable => {
                self.lanes = 1;
                self.pause(now);
            }
        }
    }

    /// May it be forgotten? Nothing is under way, and the last pause is long over.
    #[must_use]
    pub fn is_forgettable(&self, now: Timestamp) -> bool {
        self.in_flight == 0 && self.pause_until.is_none_or(|until| until.plus_seconds(REMEMBERED_SECONDS) <= now)
    }

    fn succeeded(&mut self) {
        self.complaints = 0;
        self.pauses = 0;
        self.pause_until = None;
        self.successes += 1;
        if self.successes >= self.lanes {
            self.successes = 0;
            self.lanes = (self.lanes + 1).min(self.limits.lanes_max.max(1));
        }
    }

    fn pause(&mut self, now: Timestamp) {
        self.successes = 0;
        let pause_ms = self.limits.pause_ms_min.saturating_mul(1 << self.pauses.min(20)).min(self.limits.pause_ms_max);
        self.pauses += 1;
        self.pause_until = Some(Timestamp(now.millis().saturating_add(pause_ms)));
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::Timestamp;

    use super::{Leave, Pace, PaceLimits, Signal};

    const LIMITS: PaceLimits = PaceLimits { lanes_initial: 2, lanes_max: 4, pause_ms_min: 1_000, pause_ms_max: 4_000 };

    fn lanes(pace: &mut Pace, now: Timestamp) -> u32 {
        let mut begun = 0;
        while pace.leave(now) == Leave::Granted {
            pace.begun();
            begun += 1;
        }
        (0..begun).for_each(|_| pace.ended(now, Signal::None));
        begun
    }

    #[test]
    fn a_destination_that_takes_mail_gets_more_of_it_up_to_a_bound() {
        let (mut pace, now) = (Pace::new(LIMITS), Timestamp(0));
        assert_eq!(lanes(&mut pace, now), 2);
        for _ in 0..2 {
            pace.begun();
            pace.ended(now, Signal::Fine);
        }
        assert_eq!(lanes(&mut pace, now), 3);
        for _ in 0..100 {
            pace.begun();
            pace.ended(now, Signal::Fine);
        }
        assert_eq!(lanes(&mut pace, now), 4);
    }

    #[test]
    fn what_was_learned_stays_within_other_bounds() {
        let (mut pace, now) = (Pace::new(LIMITS), Timestamp(0));
        for _ in 0..100 {
            pace.begun();
            pace.ended(now, Signal::Fine);
        }
        pace.bound(PaceLimits { lanes_max: 3, pause_ms_min: 9_000, pause_ms_max: 9_000, ..LIMITS });
        assert_eq!(lanes(&mut pace, now), 3);
        pace.begun();
        pace.ended(now, Signal::Unreachable);
        assert_eq!(pace.leave(now), Leave::NotBefore(Timestamp(9_000)));
    }

    #[test]
    fn pauses_double_and_a_success_ends_them() {
        let (mut pace, mut now) = (Pace::new(LIMITS), Timestamp(0));
        for pause_ms in [1_000, 2_000, 4_000, 4_000] {
            pace.begun();
            pace.begun();
            pace.ended(now, Signal::Unreachable);
            // The other one says the same thing again.
            pace.ended(now, Signal::Unreachable);
            let until = Timestamp(now.millis() + pause_ms);
            assert_eq!(pace.leave(now), Leave::NotBefore(until));
            now = until;
            assert_eq!(lanes(&mut pace, now), 1, "one delivery probes");
        }
        pace.begun();
        pace.ended(now, Signal::Fine);
        assert_eq!(lanes(&mut pace, now), 2);
    }

    #[test]
    fn complaints_slow_down_and_the_third_pauses() {
        let (mut pace, now) = (Pace::new(PaceLimits { lanes_initial: 4, ..LIMITS }), Timestamp(0));
        let mut complain = |signal| {
            pace.begun();
            pace.ended(now, signal);
            match pace.leave(now) {
                Leave::Granted => Ok(lanes(&mut pace, now)),
                other => Err(other),
            }
        };
        assert_eq!(complain(Signal::Slower), Ok(2));
        assert_eq!(complain(Signal::Slower), Ok(1));
        assert_eq!(complain(Signal::Fine), Ok(2));
        assert_eq!(complain(Signal::Slower), Ok(1));
        assert_eq!(complain(Signal::Slower), Ok(1));
        assert_eq!(complain(Signal::Slower), Err(Leave::NotBefore(Timestamp(1_000))));
    }
}
