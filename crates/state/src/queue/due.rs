//! When a delivery needs a look, and what the index of due times says of it without its row.
//!
//! Workers that look for what is due read the index alone, many at a time: it tells them what goes first, and what can't wait for a
//! destination that pauses.

use serde::{Deserialize, Serialize};
use yubin_types::{Priority, Timestamp};

use super::record::{DelayNotice, Delivery, DeliveryState};

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
    /// Under which time it stands in the index of due times: when it needs a look.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        match &self.state {
            DeliveryState::Scheduled => self.next_attempt,
            DeliveryState::InFlight { until, .. } => *until,
            DeliveryState::Held { .. } => Timestamp(u64::MAX),
        }
    }

    /// Is it still held back for its sender (RFC 4865)?
    #[must_use]
    pub fn is_held_back(&self, now: Timestamp) -> bool {
        self.handling.release.is_some_and(|release| release.at > now)
    }

    /// By when it needs a look, whatever its destination does: when it expires, or when its sender is to be told that it is late (RFC 2852).
    #[must_use]
    pub fn overdue(&self) -> Timestamp {
        match self.handling.deadline {
            Some(deadline) if !deadline.returns() && self.delay_notice == DelayNotice::NotSent => {
                deadline.at.min(self.expires)
            }
            _ => self.expires,
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
