//! The board's receivers: which destinations share the limits of one, as it is learned before each attempt.
//!
//! A destination is counted for the receiver that its last attempt found. With it go the deliveries that are under way; what is leased and has not
//! begun waits until the receiver has room. A receiver that is known by its MX hosts alone is forgotten with its last destination.

use std::collections::BTreeSet;
use std::sync::Arc;

use yubin_state::queue::DestinationName;
use yubin_types::Timestamp;

use super::{Board, Site, site};
use crate::lane::Lane;
use crate::pools::SourceId;
use crate::profile::Profile;

/// May an attempt go on that found out who the receiver is?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    GoesOn,
    /// Others are under way, as many as the receiver takes at a time.
    Waits,
}

impl Board {
    /// An attempt from a source has found who takes a destination's mail. A destination that a profile knows by its name stays with that.
    pub(crate) fn met(
        &mut self,
        now: Timestamp,
        destination: &DestinationName,
        source: SourceId,
        receiver: &Arc<Profile>,
    ) -> Met {
        let Some(lane) = self.lanes.get(destination) else { return Met::GoesOn };
        if self.profiles.of_destination(destination).is_some() {
            return Met::GoesOn;
        }
        if lane.site.as_ref().is_none_or(|known| known.name != receiver.name) {
            self.join(now, destination, receiver);
        }
        let Some(site) = self.sites.get(&receiver.name).and_then(|known| known.get(&source)) else {
            return Met::GoesOn;
        };
        if site.in_flight() > site.lanes() { Met::Waits } else { Met::GoesOn }
    }

    /// A destination's mail counts for this receiver from now on.
    fn join(&mut self, now: Timestamp, destination: &DestinationName, receiver: &Arc<Profile>) {
        let Some(lane) = self.lanes.get_mut(destination) else { return };
        for (source, path) in &lane.paths {
            let count = path.pace.in_flight();
            if let Some(before) = &lane.site {
                site(&mut self.sites, before, *source, now).leave(count);
            }
            site(&mut self.sites, receiver, *source, now).join(count);
        }
        lane.know(receiver, self.limits.pace);
        self.allot(now, destination);
    }

    /// A destination's lane, under the profile that its name tells.
    pub(super) fn lane(&mut self, now: Timestamp, destination: &DestinationName) -> &mut Lane {
        let (pace, sources) = (self.limits.pace, self.sources.pools.count());
        if !self.lanes.contains_key(destination) {
            self.lanes.insert(destination.clone(), Lane::new(pace, sources));
            let profiles = Arc::clone(&self.profiles);
            if let Some(profile) = profiles.of_destination(destination) {
                self.join(now, destination, profile);
            } else {
                self.allot(now, destination);
            }
        }
        self.lanes.entry(destination.clone()).or_insert_with(|| Lane::new(pace, sources))
    }

    /// Forgets receivers that no profile knows, and no destination is counted for.
    pub(super) fn sweep_sites(&mut self, now: Timestamp) {
        let rests_ms = self.limits.rests_ms;
        let used: BTreeSet<&str> =
            self.lanes.values().filter_map(|lane| Some(lane.site.as_ref()?.name.as_str())).collect();
        self.sites.retain(|name, known| {
            let is_needed = used.contains(name.as_str()) || known.values().any(|site| site.is_in_use(now, rests_ms));
            is_needed || known.values().any(Site::is_profiled)
        });
    }
}
