//! How much an account and its whole domain may send, and why an account may send no more.
//!
//! Limits count what is submitted with a login: messages, and recipients wherever they are, those of the own domain too (SONET-44 counts
//! To, Cc and Bcc together). An hour is a full hour of UTC; a day is that hour and the 23 before it, so that a limit's end can be told.
//! A plan has [`Limit`]s; an account may have some of its own, `Option<Limit>`, in place of its plan's. Counting is `state`'s.

use serde::{Deserialize, Serialize};

use crate::quota::{Limit, QuotaScope};

/// Messages and recipients in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SendingRate<T> {
    /// Messages in this hour.
    pub messages_per_hour: T,
    /// Messages in this hour and the 23 before.
    pub messages_per_day: T,
    /// Recipients of messages in this hour.
    pub recipients_per_hour: T,
    /// Recipients of messages in this hour and the 23 before.
    pub recipients_per_day: T,
}

/// What one account may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AccountSending<T> {
    /// Recipients of one message (SONET-44).
    pub recipients_per_message: T,
    /// In a time.
    pub rate: SendingRate<T>,
    /// Recipients outside the own domain to whom the account has not written before, in this hour and the 23 before. What a stolen
    /// password is used for goes to strangers.
    pub new_recipients_per_day: T,
}

/// What a plan allows to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SendingLimits {
    /// Each account that has no limits of its own.
    pub account: AccountSending<Limit>,
    /// All accounts of a domain together.
    pub domain: SendingRate<Limit>,
    /// When an account's sending is suspended.
    pub suspension: SuspensionRules,
}

/// When an account's sending is suspended by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SuspensionRules {
    /// More refusals for the account's limits than this in one hour.
    pub refusals_per_hour: Limit,
    /// A higher share of recipients refused for good than this, percent, in this hour and the one before; of
    /// [`crate::limits::SENDING_BOUNCES_MIN`] refused ones at least.
    pub bounce_percent: Limit,
}

impl SendingLimits {
    /// What a plan allows where nobody chose: far above what people write, far below what a stolen password is used for.
    #[must_use]
    pub const fn standard() -> Self {
        SendingLimits {
            account: AccountSending {
                recipients_per_message: Limit::AtMost(100),
                rate: SendingRate {
                    messages_per_hour: Limit::AtMost(500),
                    messages_per_day: Limit::AtMost(3_000),
                    recipients_per_hour: Limit::AtMost(1_000),
                    recipients_per_day: Limit::AtMost(5_000),
                },
                new_recipients_per_day: Limit::AtMost(1_000),
            },
            domain: SendingRate {
                messages_per_hour: Limit::AtMost(5_000),
                messages_per_day: Limit::AtMost(30_000),
                recipients_per_hour: Limit::AtMost(10_000),
                recipients_per_day: Limit::AtMost(50_000),
            },
            suspension: SuspensionRules { refusals_per_hour: Limit::AtMost(100), bounce_percent: Limit::AtMost(50) },
        }
    }
}

impl SendingRate<Option<Limit>> {
    /// Its own limits, and the plan's for the rest.
    #[must_use]
    pub fn or(self, plan: SendingRate<Limit>) -> SendingRate<Limit> {
        SendingRate {
            messages_per_hour: self.messages_per_hour.unwrap_or(plan.messages_per_hour),
            messages_per_day: self.messages_per_day.unwrap_or(plan.messages_per_day),
            recipients_per_hour: self.recipients_per_hour.unwrap_or(plan.recipients_per_hour),
            recipients_per_day: self.recipients_per_day.unwrap_or(plan.recipients_per_day),
        }
    }
}

impl AccountSending<Option<Limit>> {
    /// Its own limits, and the plan's for the rest.
    #[must_use]
    pub fn or(self, plan: AccountSending<Limit>) -> AccountSending<Limit> {
        AccountSending {
            recipients_per_message: self.recipients_per_message.unwrap_or(plan.recipients_per_message),
            rate: self.rate.or(plan.rate),
            new_recipients_per_day: self.new_recipients_per_day.unwrap_or(plan.new_recipients_per_day),
        }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SendingUnit {
    /// Messages.
    Messages,
    /// Recipients of messages.
    Recipients,
    /// Recipients to whom the account has not written before.
    NewRecipients,
}

impl SendingUnit {
    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            SendingUnit::Messages => "messages",
            SendingUnit::Recipients => "recipients",
            SendingUnit::NewRecipients => "new recipients",
        }
    }
}

/// The time over which a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SendingPeriod {
    /// This hour.
    Hour,
    /// This hour and the 23 before.
    Day,
}

impl SendingPeriod {
    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            SendingPeriod::Hour => "hour",
            SendingPeriod::Day => "day",
        }
    }
}

/// Which limit, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SendingLimit {
    /// Whose.
    pub scope: QuotaScope,
    /// What it counts.
    pub unit: SendingUnit,
    /// Over which time.
    pub period: SendingPeriod,
    /// How many are allowed.
    pub limit: u64,
}

/// `500 messages per hour for this account`.
impl std::fmt::Display for SendingLimit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = match self.scope {
            QuotaScope::Account => "for this account",
            QuotaScope::Domain => "for all accounts of the domain",
        };
        write!(out, "{} {} per {} {whose}", self.limit, self.unit.text(), self.period.text())
    }
}

/// Why an account's sending is suspended: the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SuspensionCause {
    /// Somebody did it.
    Operator {
        /// The operator's words.
        reason: String,
    },
    /// It went on sending against its limits.
    Refusals {
        /// Messages refused in one hour.
        refused: u64,
        /// The limit that refused the last of them.
        limit: SendingLimit,
    },
    /// Its mail is refused wherever it goes.
    Bounces {
        /// Recipients refused for good in this hour and the one before.
        bounced: u64,
        /// Recipients reached in that time.
        delivered: u64,
    },
}

/// A sentence for people, without its full stop.
impl std::fmt::Display for SuspensionCause {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SuspensionCause::Operator { reason } => out.write_str(reason),
            SuspensionCause::Refusals { refused, limit } => {
                write!(out, "{refused} messages in one hour were refused by the limit of {limit}")
            }
            SuspensionCause::Bounces { bounced, delivered } => {
                let all = bounced.saturating_add(*delivered);
                write!(out, "{bounced} of {all} recipients were refused by their servers within two hours")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        AccountSending, Limit, QuotaScope, SendingLimit, SendingLimits, SendingPeriod, SendingUnit, SuspensionCause,
    };

    #[test]
    fn an_account_s_own_limit_replaces_its_plan_s_even_by_none() {
        let plan = SendingLimits::standard().account;
        let mut own = AccountSending::<Option<Limit>>::default();
        assert_eq!(own.or(plan), plan);
        own.rate.messages_per_hour = Some(Limit::Unlimited);
        own.recipients_per_message = Some(Limit::AtMost(7));
        let both = own.or(plan);
        assert_eq!((both.rate.messages_per_hour, both.recipients_per_message), (Limit::Unlimited, Limit::AtMost(7)));
        assert_eq!(both.rate.messages_per_day, plan.rate.messages_per_day);
    }

    #[test]
    fn evidence_reads_as_a_sentence() {
        let limit = SendingLimit {
            scope: QuotaScope::Account,
            unit: SendingUnit::Messages,
            period: SendingPeriod::Hour,
            limit: 500,
        };
        assert_eq!(
            SuspensionCause::Refusals { refused: 101, limit }.to_string(),
            "101 messages in one hour were refused by the limit of 500 messages per hour for this account"
        );
        assert_eq!(
            SuspensionCause::Bounces { bounced: 30, delivered: 10 }.to_string(),
            "30 of 40 recipients were refused by their servers within two hours"
        );
    }
}
