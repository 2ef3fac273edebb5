//! What the board holds and what it answers.

use yubin_state::queue::{DeliveryKey, DueClass};
use yubin_types::{GroupNumber, Priority, Timestamp};

use crate::pace::PaceLimits;
use crate::profile::Family;

/// Bounds of a board.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoardLimits {
    /// Due deliveries that wait in memory; a quarter more with urgent ones (`crowd`).
    pub(crate) waiting_max: usize,
    /// Of them, for one destination.
    pub(crate) waiting_per_destination_max: usize,
    /// Deliveries leased, or asked for, that have not begun.
    pub(crate) ahead_max: usize,
    /// Deliveries under way.
    pub(crate) in_flight_max: usize,
    /// Of each destination without a profile.
    pub(crate) pace: PaceLimits,
    /// Which addresses of a destination without a profile are tried first.
    pub(crate) prefers: Family,
    /// How long deliveries that find no room at their destination are put off at most, milliseconds.
    pub(crate) crowded_ms_max: u64,
    /// How long a connection may be open after its last delivery, milliseconds.
    pub(crate) rests_ms: u64,
}

impl BoardLimits {
    /// How many may wait for one destination where there is `room` left for so many in all: as many as all others would have, so that no few
    /// destinations take all of it; but always some, because it costs a command to put one off.
    pub(crate) fn waiting_at(&self, room: usize) -> usize {
        room.clamp(self.waiting_per_destination_max.div_ceil(16), self.waiting_per_destination_max)
    }
}

/// A due delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) group: GroupNumber,
    pub(crate) key: DeliveryKey,
    pub(crate) age: Age,
    /// Before or after others of its tenant.
    pub(crate) priority: Priority,
}

impl Due {
    /// How urgent it is.
    pub(crate) fn class(&self) -> DueClass {
        DueClass::of(self.priority)
    }
}

/// Has it been tried before?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    New,
    Again,
    /// An operator wants it tried: it goes though its destination pauses.
    Asked,
    /// Its time is over: it goes though its destination pauses, or is suspended.
    Over,
}

/// What becomes of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Kept,
    /// It is here already, or under way.
    Known,
    /// Put it off until then.
    PutOff(Timestamp),
    /// It is other workers' to try: this one has none of its addresses.
    Others,
    /// There is no room here: come again.
    NoRoom,
}

/// To be given back to the store, with the time to put it off to. It may be leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Back {
    pub(crate) due: Due,
    pub(crate) until: Timestamp,
    pub(crate) whose: Whose,
}

/// Whose is what is given back?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Any worker's, this one's too.
    Anyones,
    /// Other workers': this one has none of its addresses.
    Others,
}

impl Back {
    pub(crate) fn new(due: Due, until: Timestamp) -> Back {
        Back { due, until, whose: Whose::Anyones }
    }
}
