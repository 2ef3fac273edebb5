//! One destination on the board: its pace, how its deliveries flow, what waits and what is leased.
//!
//! A pure value. It is leased as many deliveries as it has free lanes, and some in advance while it takes mail well; leases are asked for
//! until there are enough, then not until half of them are used up or all that wait find room, so that commands are few and large.

use yubin_types::Timestamp;

use crate::flow::Flow;
use crate::line::Line;
use crate::pace::{Leave, Pace, PaceLimits};

/// A destination.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) pace: Pace,
    pub(crate) flow: Flow,
    pub(crate) waiting: Line,
    /// Leases under way.
    pub(crate) asked: usize,
    /// Leased, and not begun.
    pub(crate) ready: Line,
    supply: Supply,
    /// The name of the receiver's profile, if it is known.
    pub(crate) site: Option<String>,
}

/// Are leases being asked for until there are enough?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supply {
    Growing,
    Enough,
}

impl Lane {
    pub(crate) fn new(limits: PaceLimits) -> Lane {
        Lane {
            pace: Pace::new(limits),
            flow: Flow::default(),
            waiting: Line::default(),
            asked: 0,
            ready: Line::default(),
            supply: Supply::Growing,
            site: None,
        }
    }

    /// How many leases there are to be that have not begun: as many as there are free lanes, and some in advance while the destination
    /// takes mail well.
    fn wanted(&self) -> usize {
        self.pace.lanes_free() + if self.pace.goes_well() { self.flow.ahead() } else { 0 }
    }

    /// May one more be leased, when all that wait are?
    pub(crate) fn has_room(&self, now: Timestamp) -> bool {
        let there = self.asked + self.ready.count();
        !matches!(self.pace.leave(now), Leave::NotBefore(_)) && there + self.waiting.count() < self.wanted()
    }

    /// Is one more to be leased?
    pub(crate) fn asks(&mut self, now: Timestamp) -> bool {
        if matches!(self.pace.leave(now), Leave::NotBefore(_)) {
            return false;
        }
        let (wanted, there) = (self.wanted(), self.asked + self.ready.count());
        if there >= wanted {
            self.supply = Supply::Enough;
        } else if there <= wanted / 2 || there + self.waiting.count() <= wanted {
            self.supply = Supply::Growing;
        }
        self.supply == Supply::Growing
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.count() + self.asked + self.ready.count() == 0
    }
}
