//! A receiver whose profile is known: how many deliveries to all its destinations are under way, and how many may begin per minute.
//!
//! A pure value: a bucket that fills by the minute's rate and holds what a second gives, at least one delivery.

use std::sync::Arc;

use yubin_types::Timestamp;

use crate::profile::Profile;

/// What a delivery takes out of the bucket.
const DELIVERY: u64 = 60_000;

/// A receiver.
#[derive(Debug)]
pub(crate) struct Site {
    profile: Arc<Profile>,
    begun: u32,
    filled: u64,
    at: Timestamp,
}

impl Site {
    pub(crate) fn new(profile: Arc<Profile>, now: Timestamp) -> Site {
        let mut site = Site { profile, begun: 0, filled: 0, at: now };
        site.filled = site.capacity();
        site
    }

    /// May one more begin?
    pub(crate) fn has_room(&self, now: Timestamp) -> bool {
        self.begun < self.profile.deliveries_max && (self.profile.per_minute_max == 0 || self.filled(now) >= DELIVERY)
    }

    /// One begins, whether there is room or not.
    pub(crate) fn begun(&mut self, now: Timestamp) {
        self.begun += 1;
        self.filled = self.filled(now).saturating_sub(DELIVERY);
        self.at = now;
    }

    /// So many are under way that were not known to be its.
    pub(crate) fn join(&mut self, count: u32) {
        self.begun += count;
    }

    /// One has ended.
    pub(crate) fn ended(&mut self) {
        self.begun = self.begun.saturating_sub(1);
    }

    /// A minute's deliveries are `DELIVERY` of each millisecond's drops, so that whole numbers are enough.
    fn filled(&self, now: Timestamp) -> u64 {
        let since = now.millis_since(self.at).saturating_mul(u64::from(self.profile.per_minute_max));
        self.filled.saturating_add(since).min(self.capacity())
    }

    fn capacity(&self) -> u64 {
        u64::from(self.profile.per_minute_max).saturating_mul(1_000).max(DELIVERY)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use yubin_types::Timestamp;

    use super::Site;
    use crate::profile::Profile;
    use crate::shipped::SHIPPED;

    fn site(deliveries_max: u32, per_minute_max: u32) -> Site {
        let profile = Profile { deliveries_max, per_minute_max, ..Profile::from(&SHIPPED[0]) };
        Site::new(Arc::new(profile), Timestamp(0))
    }

    #[test]
    fn no_more_are_under_way_than_the_profile_says() {
        let (mut site, now) = (site(2, 0), Timestamp(0));
        site.begun(now);
        site.join(1);
        assert!(!site.has_room(now));
        site.ended();
        assert!(site.has_room(now));
    }

    #[test]
    fn no_more_begin_in_a_minute_than_the_profile_says() {
        let mut site = site(1_000, 300);
        let mut begun = Vec::new();
        for now in (0..60_000).step_by(7).map(Timestamp) {
            while site.has_room(now) {
                site.begun(now);
                site.ended();
                begun.push(now.millis());
            }
        }
        // What the bucket held at first comes on top.
        assert!((300..=305).contains(&begun.len()), "{}", begun.len());
        assert_eq!(begun.iter().filter(|at| **at < 1_000).count(), 9);
    }
}
