//! The way from one source address to one destination: its pace, and what is leased and will leave by it.
//!
//! A pure value. What one address learns of a destination says nothing of another: a receiver that wants less from one takes mail from the
//! next.

use yubin_types::Timestamp;

use crate::line::Line;
use crate::pace::{Leave, Pace, PaceLimits};
use crate::peak::Peak;

/// A source address at a destination.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) pace: Pace,
    /// Leased, and not begun.
    pub(crate) ready: Line,
    /// Where receivers are shared.
    pub(crate) peak: Peak,
}

impl Path {
    pub(crate) fn new(limits: PaceLimits) -> Path {
        Path { pace: Pace::new(limits), ready: Line::default(), peak: Peak::default() }
    }

    /// When its pause ends.
    pub(crate) fn pauses(&self, now: Timestamp) -> Option<Timestamp> {
        match self.pace.leave(now) {
            Leave::NotBefore(until) => Some(until),
            Leave::Granted | Leave::Full => None,
        }
    }

    /// How many leases there are to be that have not begun: as many as there are free lanes, and `ahead` while the destination takes mail
    /// well.
    pub(crate) fn wanted(&self, now: Timestamp, ahead: usize) -> usize {
        if self.pauses(now).is_some() {
            return 0;
        }
        self.pace.lanes_free() + if self.pace.goes_well() { ahead } else { 0 }
    }

    /// How many lanes are free beside those that something is leased for.
    pub(crate) fn spare(&self) -> Option<usize> {
        self.pace.lanes_free().checked_sub(self.ready.count()).filter(|spare| *spare > 0)
    }
}
