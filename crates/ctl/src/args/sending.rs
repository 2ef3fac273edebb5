//! The command line of `yubin ctl` for sending limits, of plans and of accounts. 0 is unlimited.
//!
//! A plan that is put without them gets those of the standard plan: who doesn't think of limits has some.

use clap::Args;
use yubin_proto::r#gen::admin as api;
use yubin_types::{Limit, SendingLimits};

/// An account's own limits.
#[derive(Args)]
pub(crate) struct AccountLimitArgs {
    /// Its address.
    pub(crate) address: String,
    /// Recipients of one message.
    #[arg(long)]
    recipients_per_message: Option<u64>,
    /// Messages in this hour (UTC).
    #[arg(long)]
    messages_per_hour: Option<u64>,
    /// Messages in this hour and the 23 before.
    #[arg(long)]
    messages_per_day: Option<u64>,
    /// Recipients in this hour.
    #[arg(long)]
    recipients_per_hour: Option<u64>,
    /// Recipients in this hour and the 23 before.
    #[arg(long)]
    recipients_per_day: Option<u64>,
    /// Recipients in this hour and the 23 before to whom the account has not written earlier.
    #[arg(long)]
    new_recipients_per_day: Option<u64>,
}

impl AccountLimitArgs {
    pub(crate) fn limits(&self) -> api::AccountSendingLimits {
        api::AccountSendingLimits {
            recipients_per_message: self.recipients_per_message,
            messages_per_hour: self.messages_per_hour,
            messages_per_day: self.messages_per_day,
            recipients_per_hour: self.recipients_per_hour,
            recipients_per_day: self.recipients_per_day,
            new_recipients_per_day: self.new_recipients_per_day,
        }
    }
}

/// A plan's limits.
#[derive(Args)]
#[command(next_help_heading = "Sending limits (0: unlimited)")]
pub(crate) struct PlanSendingArgs {
    /// Recipients of one message.
    #[arg(long, default_value_t = most(STANDARD.account.recipients_per_message))]
    recipients_per_message: u64,
    /// Messages of an account in this hour (UTC).
    #[arg(long, default_value_t = most(STANDARD.account.rate.messages_per_hour))]
    messages_per_hour: u64,
    /// Messages of an account in this hour and the 23 before.
    #[arg(long, default_value_t = most(STANDARD.account.rate.messages_per_day))]
    messages_per_day: u64,
    /// Recipients of an account in this hour.
    #[arg(long, default_value_t = most(STANDARD.account.rate.recipients_per_hour))]
    recipients_per_hour: u64,
    /// Recipients of an account in this hour and the 23 before.
    #[arg(long, default_value_t = most(STANDARD.account.rate.recipients_per_day))]
    recipients_per_day: u64,
    /// Recipients in this hour and the 23 before to whom an account has not written earlier.
    #[arg(long, default_value_t = most(STANDARD.account.new_recipients_per_day))]
    new_recipients_per_day: u64,
    /// Messages of a domain in this hour.
    #[arg(long, default_value_t = most(STANDARD.domain.messages_per_hour))]
    domain_messages_per_hour: u64,
    /// Messages of a domain in this hour and the 23 before.
    #[arg(long, default_value_t = most(STANDARD.domain.messages_per_day))]
    domain_messages_per_day: u64,
    /// Recipients of a domain in this hour.
    #[arg(long, default_value_t = most(STANDARD.domain.recipients_per_hour))]
    domain_recipients_per_hour: u64,
    /// Recipients of a domain in this hour and the 23 before.
    #[arg(long, default_value_t = most(STANDARD.domain.recipients_per_day))]
    domain_recipients_per_day: u64,
    /// Suspend the sending of an account that is refused more often than this in an hour; 0: never.
    #[arg(long, default_value_t = most(STANDARD.suspension.refusals_per_hour))]
    suspend_above_refusals_per_hour: u64,
    /// Suspend the sending of an account of whose recipients more than this many percent refuse for good within two hours; 0: never.
    #[arg(long, default_value_t = most(STANDARD.suspension.bounce_percent))]
    suspend_above_bounce_percent: u64,
}

const STANDARD: SendingLimits = SendingLimits::standard();

const fn most(limit: Limit) -> u64 {
    match limit {
        Limit::Unlimited => 0,
        Limit::AtMost(most) => most,
    }
}

impl PlanSendingArgs {
    pub(crate) fn limits(&self) -> api::SendingLimits {
        api::SendingLimits {
            account: Some(api::AccountSendingLimits {
                recipients_per_message: Some(self.recipients_per_message),
                messages_per_hour: Some(self.messages_per_hour),
                messages_per_day: Some(self.messages_per_day),
                recipients_per_hour: Some(self.recipients_per_hour),
                recipients_per_day: Some(self.recipients_per_day),
                new_recipients_per_day: Some(self.new_recipients_per_day),
            }),
            domain: Some(api::DomainSendingLimits {
                messages_per_hour: Some(self.domain_messages_per_hour),
                messages_per_day: Some(self.domain_messages_per_day),
                recipients_per_hour: Some(self.domain_recipients_per_hour),
                recipients_per_day: Some(self.domain_recipients_per_day),
            }),
            suspend_above_refusals_per_hour: Some(self.suspend_above_refusals_per_hour),
            suspend_above_bounce_percent: Some(self.suspend_above_bounce_percent),
        }
    }
}
