//! How much accounts send: limits and counts, and stopping and resuming an account's sending.
//!
//! In the API 0 is unlimited, so that a client without optional fields can say it; inside, unlimited is a value of its own.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, StoreClient};
use yubin_state::command::DomainCommand;
use yubin_state::sending::counters::SendingCounters;
use yubin_state::sending::{SendingChange, SendingCommand, SendingReport};
use yubin_state::{Answer, Query};
use yubin_types::{
    AccountSending, Address, Limit, SendingLimits, SendingPeriod, SendingRate, SendingUnit, SuspensionRules, Timestamp,
};

use crate::convert::{address, reason};
use crate::domains::{change, hosted};
use crate::queue::{now, release_suspended};
use crate::request::RequestKey;
use crate::status::{failed, unexpected};

pub(crate) async fn get(client: &StoreClient, text: &str) -> Result<api::AccountSending, Status> {
    show(client, &address(text)?).await
}

pub(crate) async fn set_limits(
    client: &StoreClient,
    request: api::SetSendingLimitsRequest,
    caller: &Caller,
) -> Result<api::AccountSending, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let limits = own_from(request.limits.unwrap_or_default());
    let command = SendingCommand::SetLimits { local: address.local.clone(), limits };
    change(client, &address.domain, DomainCommand::Sending(command), key, caller).await?;
    show(client, &address).await
}

pub(crate) async fn suspend(
    client: &StoreClient,
    request: api::SuspendSendingRequest,
    caller: &Caller,
) -> Result<api::AccountSending, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let command = SendingCommand::Suspend { local: address.local.clone(), reason: reason(request.reason)? };
    change(client, &address.domain, DomainCommand::Sending(command), key, caller).await?;
    show(client, &address).await
}

pub(crate) async fn resume(
    client: &StoreClient,
    request: api::ResumeSendingRequest,
    caller: &Caller,
) -> Result<api::AccountSending, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let command = SendingCommand::Resume { local: address.local.clone() };
    change(client, &address.domain, DomainCommand::Sending(command), key, caller).await?;
    let scope = hosted(client, &address.domain).await?.scope();
    match client.query(scope, Query::Account(address.local.clone())).await.map_err(failed)? {
        Answer::Account(account) => release_suspended(client, scope, account.id, caller).await?,
        other => return Err(unexpected(&other)),
    }
    show(client, &address).await
}

/// A plan's limits.
pub(crate) fn limits_from(limits: api::SendingLimits) -> Result<SendingLimits, Status> {
    let suspension = SuspensionRules {
        refusals_per_hour: limit(limits.suspend_above_refusals_per_hour),
        bounce_percent: limit(limits.suspend_above_bounce_percent),
    };
    if suspension.bounce_percent.at_most().is_some_and(|most| most > 100) {
        return Err(Status::invalid_argument("plan.sending.suspend_above_bounce_percent: at most 100"));
    }
    let domain = limits.domain.unwrap_or_default();
    Ok(SendingLimits {
        account: own_from(limits.account.unwrap_or_default()).or(AccountSending::default()),
        domain: SendingRate {
            messages_per_hour: limit(domain.messages_per_hour),
            messages_per_day: limit(domain.messages_per_day),
            recipients_per_hour: limit(domain.recipients_per_hour),
            recipients_per_day: limit(domain.recipients_per_day),
        },
        suspension,
    })
}

/// A plan's limits.
pub(crate) fn limits_to(limits: &SendingLimits) -> api::SendingLimits {
    api::SendingLimits {
        account: Some(account_to(limits.account)),
        domain: Some(domain_to(limits.domain)),
        suspend_above_refusals_per_hour: limits.suspension.refusals_per_hour.at_most(),
        suspend_above_bounce_percent: limits.suspension.bounce_percent.at_most(),
    }
}

async fn show(client: &StoreClient, address: &Address) -> Result<api::AccountSending, Status> {
    let hosted = hosted(client, &address.domain).await?;
    let report =
        match client.query(hosted.scope(), Query::SendingReport(address.local.clone())).await.map_err(failed)? {
            Answer::SendingReport(report) => report,
            other => return Err(unexpected(&other)),
        };
    Ok(report_to(address, &report, now()))
}

fn report_to(address: &Address, report: &SendingReport, now: Timestamp) -> api::AccountSending {
    let suspension = report.control.suspension.as_ref();
    let (delivered_lately, bounced_lately) = report.account.ends(now);
    api::AccountSending {
        address: address.to_string(),
        state: if suspension.is_some() { api::State::Suspended } else { api::State::Active }.into(),
        suspension_reason: suspension.map(|suspension| suspension.cause.to_string()).unwrap_or_default(),
        suspended_since_ms: suspension.map(|suspension| suspension.since.millis()),
        suspended_by: suspension.map(|suspension| suspension.by.clone()).unwrap_or_default(),
        own_limits: Some(own_to(report.control.limits)),
        limits: Some(account_to(report.limits())),
        domain_limits: Some(domain_to(report.plan.domain)),
        used: Some(counts_to(&report.account, now)),
        domain_used: Some(counts_to(&report.domain, now)),
        refused_this_hour: report.account.refused(now),
        delivered_lately,
        bounced_lately,
        history: report.control.history.iter().map(change_to).collect(),
    }
}

fn change_to(change: &SendingChange) -> api::SendingChange {
    api::SendingChange {
        time_ms: change.at.millis(),
        state: if change.cause.is_some() { api::State::Suspended } else { api::State::Active }.into(),
        reason: change.cause.as_ref().map(ToString::to_string).unwrap_or_default(),
        by: change.by.clone(),
    }
}

fn counts_to(counters: &SendingCounters, now: Timestamp) -> api::SendingCounts {
    let used = |unit, period| counters.used(unit, period, now);
    api::SendingCounts {
        messages_this_hour: used(SendingUnit::Messages, SendingPeriod::Hour),
        messages_this_day: used(SendingUnit::Messages, SendingPeriod::Day),
        recipients_this_hour: used(SendingUnit::Recipients, SendingPeriod::Hour),
        recipients_this_day: used(SendingUnit::Recipients, SendingPeriod::Day),
        new_recipients_this_day: used(SendingUnit::NewRecipients, SendingPeriod::Day),
    }
}

/// 0 and nothing are no limit.
fn limit(most: Option<u64>) -> Limit {
    most.filter(|most| *most > 0).map_or(Limit::Unlimited, Limit::AtMost)
}

/// Nothing is the plan's, 0 is no limit.
fn own_from(limits: api::AccountSendingLimits) -> AccountSending<Option<Limit>> {
    let own = |most: Option<u64>| most.map(|most| limit(Some(most)));
    AccountSending {
        recipients_per_message: own(limits.recipients_per_message),
        rate: SendingRate {
            messages_per_hour: own(limits.messages_per_hour),
            messages_per_day: own(limits.messages_per_day),
            recipients_per_hour: own(limits.recipients_per_hour),
            recipients_per_day: own(limits.recipients_per_day),
        },
        new_recipients_per_day: own(limits.new_recipients_per_day),
    }
}

fn own_to(limits: AccountSending<Option<Limit>>) -> api::AccountSendingLimits {
    let own = |most: Option<Limit>| most.map(|most| most.at_most().unwrap_or(0));
    api::AccountSendingLimits {
        recipients_per_message: own(limits.recipients_per_message),
        messages_per_hour: own(limits.rate.messages_per_hour),
        messages_per_day: own(limits.rate.messages_per_day),
        recipients_per_hour: own(limits.rate.recipients_per_hour),
        recipients_per_day: own(limits.rate.recipients_per_day),
        new_recipients_per_day: own(limits.new_recipients_per_day),
    }
}

fn account_to(limits: AccountSending<Limit>) -> api::AccountSendingLimits {
    api::AccountSendingLimits {
        recipients_per_message: limits.recipients_per_message.at_most(),
        messages_per_hour: limits.rate.messages_per_hour.at_most(),
        messages_per_day: limits.rate.messages_per_day.at_most(),
        recipients_per_hour: limits.rate.recipients_per_hour.at_most(),
        recipients_per_day: limits.rate.recipients_per_day.at_most(),
        new_recipients_per_day: limits.new_recipients_per_day.at_most(),
    }
}

fn domain_to(rate: SendingRate<Limit>) -> api::DomainSendingLimits {
    api::DomainSendingLimits {
        messages_per_hour: rate.messages_per_hour.at_most(),
        messages_per_day: rate.messages_per_day.at_most(),
        recipients_per_hour: rate.recipients_per_hour.at_most(),
        recipients_per_day: rate.recipients_per_day.at_most(),
    }
}
