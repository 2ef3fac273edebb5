//! Quotas and usage. Bytes are octets as stored, prefix and body together; 1 MB in presets is 1,048,576 (hosting rules, A5).

use serde::{Deserialize, Serialize};

/// A bound that may be absent. "Unlimited" is a value of its own, never 0 (SPPD-09).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Limit {
    /// No bound.
    #[default]
    Unlimited,
    /// At most this many.
    AtMost(u64),
}

impl Limit {
    /// Does `total` stay within the bound?
    #[must_use]
    pub const fn admits(self, total: u64) -> bool {
        match self {
            Limit::Unlimited => true,
            Limit::AtMost(most) => total <= most,
        }
    }

    /// The bound, if there is one.
    #[must_use]
    pub const fn at_most(self) -> Option<u64> {
        match self {
            Limit::Unlimited => None,
            Limit::AtMost(most) => Some(most),
        }
    }

    /// The lower of the two.
    #[must_use]
    pub fn min(self, other: Limit) -> Limit {
        match (self, other) {
            (Limit::AtMost(a), Limit::AtMost(b)) => Limit::AtMost(a.min(b)),
            (Limit::Unlimited, bound) | (bound, Limit::Unlimited) => bound,
        }
    }
}

/// What an account or a domain may hold (RFC 9208 STORAGE and MESSAGE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quota {
    /// Bytes.
    pub bytes: Limit,
    /// Messages.
    pub messages: Limit,
}

impl Quota {
    /// May `usage` grow by `growth`? Lowering a quota below the usage only stops growth.
    #[must_use]
    pub fn admits(&self, usage: Usage, growth: Usage) -> bool {
        let after = usage.plus(growth);
        (growth.bytes == 0 || self.bytes.admits(after.bytes))
            && (growth.messages == 0 || self.messages.admits(after.messages))
    }
}

/// What an account or a domain holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

impl Usage {
    /// One message of this size.
    #[must_use]
    pub const fn of_message(bytes: u64) -> Usage {
        Usage { bytes, messages: 1 }
    }

    /// The sum, saturating.
    #[must_use]
    pub const fn plus(self, other: Usage) -> Usage {
        Usage { bytes: self.bytes.saturating_add(other.bytes), messages: self.messages.saturating_add(other.messages) }
    }

    /// The difference; `None` where it would be negative, which is a broken counter.
    #[must_use]
    pub fn minus(self, other: Usage) -> Option<Usage> {
        Some(Usage {
            bytes: self.bytes.checked_sub(other.bytes)?,
            messages: self.messages.checked_sub(other.messages)?,
        })
    }
}

/// Whose quota is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum QuotaScope {
    /// The account's own.
    Account,
    /// The one all accounts of the domain share (SONET-20).
    Domain,
}

#[cfg(test)]
mod tests {
    use super::{Limit, Quota, Usage};

    #[test]
    fn a_quota_stops_growth_only() {
        let quota = Quota { bytes: Limit::AtMost(10), messages: Limit::AtMost(2) };
        let full = Usage { bytes: 12, messages: 1 };
        assert!(quota.admits(full, Usage::default()));
        assert!(!quota.admits(full, Usage::of_message(1)));
        assert!(quota.admits(Usage { bytes: 5, messages: 1 }, Usage::of_message(5)));
        assert!(!quota.admits(Usage { bytes: 5, messages: 2 }, Usage::of_message(5)));
    }
}
