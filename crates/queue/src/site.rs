//! A receiver that is known: how many deliveries to all its destinations are under way, and how many may begin per minute.
//!
//! A pure value: a bucket that fills by the minute's rate and holds what a second gives, at least one delivery.

use std::collections::BTreeMap;
use std::sync::Arc;

use yubin_types::Timestamp;

use crate::lane::Lane;
use crate::peak::Peak;
use crate::pools::SourceId;
use crate::profile::{KnownBy, Profile};

const MINUTE_MS: u64 = 60_000;

/// A receiver.
#[derive(Debug)]
pub(crate) struct Site {
    profile: Arc<Profile>,
    begun: u32,
    /// What this worker may use of the receiver's limits.
    share: u32,
    pub(crate) peak: Peak,
    filled: u64,
    at: Timestamp,
}

impl Site {
    pub(crate) fn new(profile: Arc<Profile>, now: Timestamp) -> Site {
        let share = u32::MAX;
        let mut site = Site { profile, begun: 0, share, peak: Peak::default(), filled: 0, at: now };
        site.filled = site.capacity();
        site
    }

    /// This worker may use so many of the receiver's deliveries at a time, and as much of its rate; others use the rest.
    pub(crate) fn allot(&mut self, now: Timestamp, share: u32) {
        let filled = self.filled(now);
        // Who had nothing has saved nothing.
        self.filled = if self.lanes() == 0 { 0 } else { filled };
        (self.share, self.at) = (share, now);
        self.filled = self.filled.min(self.capacity());
    }

    /// What this worker may use.
    pub(crate) fn share(&self) -> u32 {
        self.share
    }

    /// May one more be under way, whatever the rate?
    pub(crate) fn has_lane(&self) -> bool {
        self.begun < self.lanes()
    }

    /// Deliveries under way.
    pub(crate) fn in_flight(&self) -> u32 {
        self.begun
    }

    /// May one more begin?
    pub(crate) fn has_room(&self, now: Timestamp) -> bool {
        self.has_lane() && (self.profile.per_minute_max == 0 || self.filled(now) >= self.delivery())
    }

    /// One begins, whether there is room or not.
    pub(crate) fn begun(&mut self, now: Timestamp) {
        self.filled = self.filled(now).saturating_sub(self.delivery());
        self.begun += 1;
        self.at = now;
    }

    /// So many are under way that were not known to be its.
    pub(crate) fn join(&mut self, count: u32) {
        self.begun += count;
    }

    /// So many that are under way are another receiver's.
    pub(crate) fn leave(&mut self, count: u32) {
        self.begun = self.begun.saturating_sub(count);
    }

    /// Is anything under way, or at rest?
    pub(crate) fn is_in_use(&self, now: Timestamp, rests_ms: u64) -> bool {
        self.begun > 0 || self.peak.within(now, rests_ms) > 0
    }

    /// Deliveries at a time that this worker may have without a share.
    pub(crate) fn unshared(&self) -> u32 {
        self.profile.unshared()
    }

    /// Does a profile know it?
    pub(crate) fn is_profiled(&self) -> bool {
        self.profile.known_by == KnownBy::Profile
    }

    /// One has ended.
    pub(crate) fn ended(&mut self) {
        self.begun = self.begun.saturating_sub(1);
    }

    /// Deliveries at a time from this worker.
    pub(crate) fn lanes(&self) -> u32 {
        self.profile.deliveries_max.min(self.share)
    }

    /// What a delivery takes out of the bucket.
    fn delivery(&self) -> u64 {
        MINUTE_MS * u64::from(self.profile.deliveries_max)
    }

    /// Drops of a millisecond: so that whole numbers are enough, a minute's deliveries are [`Site::delivery`] of each millisecond's drops, if all of
    /// the receiver's lanes are ours.
    fn drops(&self) -> u64 {
        u64::from(self.profile.per_minute_max).saturating_mul(self.lanes().into())
    }

    fn filled(&self, now: Timestamp) -> u64 {
        let since = now.millis_since(self.at).saturating_mul(self.drops());
        self.filled.saturating_add(since).min(self.capacity())
    }

    fn capacity(&self) -> u64 {
        self.drops().saturating_mul(1_000).max(self.delivery())
    }
}

/// A receiver, as a source knows it.
pub(crate) fn site<'a>(
    sites: &'a mut BTreeMap<String, BTreeMap<SourceId, Site>>,
    profile: &Arc<Profile>,
    source: SourceId,
    now: Timestamp,
) -> &'a mut Site {
    if !sites.contains_key(&profile.name) {
        sites.insert(profile.name.clone(), BTreeMap::new());
    }
    let known = sites.entry(profile.name.clone()).or_default();
    known.entry(source).or_insert_with(|| Site::new(Arc::clone(profile), now))
}

/// May a delivery begin at a destination's receiver, from any of so many sources?
pub(crate) fn has_room(
    sites: &BTreeMap<String, BTreeMap<SourceId, Site>>,
    lane: &Lane,
    sources: usize,
    now: Timestamp,
) -> bool {
    let Some(known) = lane.site.as_ref().and_then(|profile| sites.get(&profile.name)) else { return true };
    known.len() < sources || known.values().any(|site| site.has_room(now))
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
    fn a_share_of_the_lanes_is_the_same_share_of_the_rate() {
        let mut sites = [site(10, 300), site(10, 300), site(10, 300)];
        for (site, share) in sites.iter_mut().zip([0, 7, 3]) {
            site.allot(Timestamp(0), 0);
            site.allot(Timestamp(0), share);
        }
        let mut begun = [0; 3];
        for now in (0..60_000).step_by(7).map(Timestamp) {
            for (site, begun) in sites.iter_mut().zip(&mut begun) {
                while site.has_room(now) {
                    site.begun(now);
                    site.ended();
                    *begun += 1;
                }
            }
        }
        assert_eq!(begun, [0, 209, 89]);
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
