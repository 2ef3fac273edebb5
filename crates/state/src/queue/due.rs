//! When a delivery needs a look, and what the index of due times says of it without its row.
//!
//! Workers that look for what is due read the index alone, many at a time: it tells them what goes first, and what can't wait for a
//! destination that pauses. It has a part for each [`DueClass`], each in the order of time, so that what is urgent is found however much is due before
//! it, and what can wait is found, too.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use yubin_types::{Priority, Timestamp};

use super::record::{DelayNotice, Delivery, DeliveryState};

/// A part of the index of due times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DueClass {
    /// What workers try: when their leases end.
    Leased,
    /// What waits with an MT-PRIORITY above that of other mail.
    Urgent,
    /// What waits like most mail.
    Normal,
    /// What waits and may wait longer.
    Bulk,
    /// What is not tried until somebody releases it, at the end of time.
    Held,
}

impl DueClass {
    /// Those in which anything can be due, in the order in which they are read.
    pub const DUE: [DueClass; 4] = [DueClass::Leased, DueClass::Urgent, DueClass::Normal, DueClass::Bulk];

    /// Where mail of a priority waits.
    #[must_use]
    pub fn of(priority: Priority) -> DueClass {
        match priority.cmp(&Priority::NORMAL) {
            Ordering::Greater => DueClass::Urgent,
            Ordering::Equal => DueClass::Normal,
            Ordering::Less => DueClass::Bulk,
        }
    }

    /// In keys.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Of a key's number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<DueClass> {
        [DueClass::Leased, DueClass::Urgent, DueClass::Normal, DueClass::Bulk, DueClass::Held]
            .into_iter()
            .find(|class| class.number() == number)
    }
}

/// Where a delivery stands in the index of due times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Filed {
    /// In which part.
    pub class: DueClass,
    /// When it needs a look.
    pub due: Timestamp,
}

/// What the index of due times says of a delivery, so that whoever looks for work need not read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DueMark {
    /// When it is given up.
    pub expires: Timestamp,
    /// See [`Delivery::overdue`].
    pub overdue: Timestamp,
    /// MT-PRIORITY.
    pub priority: Priority,
    /// Has it been tried?
    pub trial: Trial,
}

/// Has an attempt at a delivery ended?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Trial {
    /// No.
    #[default]
    First,
    /// Yes.
    Another,
}

impl Delivery {
    /// Where it stands in the index of due times.
    #[must_use]
    pub fn filed(&self) -> Filed {
        let (class, due) = match &self.state {
            DeliveryState::Scheduled => (DueClass::of(self.handling.priority), self.next_attempt),
            DeliveryState::InFlight { until, .. } => (DueClass::Leased, *until),
            DeliveryState::Held { .. } => (DueClass::Held, Timestamp(u64::MAX)),
        };
        Filed { class, due }
    }

    /// Is it still held back for its sender (RFC 4865)?
    #[must_use]
    pub fn is_held_back(&self, now: Timestamp) -> bool {
        self.handling.release.is_some_and(|release| release.at > now)
    }

    /// By when it needs a look, whatever its destination does: when it expires, or when its sender is to be told that it is late.
    #[must_use]
    pub fn overdue(&self) -> Timestamp {
        self.delay_told().map_or(self.expires, |at| at.min(self.expires))
    }

    /// Is its sender to be told now that it is late?
    #[must_use]
    pub fn is_delayed(&self, now: Timestamp) -> bool {
        self.delay_told().is_some_and(|at| at <= now)
    }

    /// When its sender is to be told that it is late: as the plan says, or by the sender's own deadline (RFC 2852, by-mode N).
    fn delay_told(&self) -> Option<Timestamp> {
        match (self.delay_notice, self.handling.deadline) {
            (DelayNotice::Sent, _) => None,
            (DelayNotice::NotSent, Some(deadline)) if !deadline.returns() => Some(deadline.at),
            (DelayNotice::NotSent, _) => self.delay_notice_due,
        }
    }

    /// What the index of due times says of it.
    #[must_use]
    pub fn mark(&self) -> DueMark {
        DueMark {
            expires: self.expires,
            overdue: self.overdue(),
            priority: self.handling.priority,
            trial: if self.attempts == 0 { Trial::First } else { Trial::Another },
        }
    }
}
