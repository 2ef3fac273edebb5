//! Between the words of the house and the messages of the API.

use crate::filtering::{reverse_dns_from, reverse_dns_to};
use crate::sending::{limits_from, limits_to};
use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_state::record::{
    AccountRecord, AliasRecord, DomainRecord, MailboxRecord, NoticeProfile, Plan, RetryTerms, Standing,
};
use yubin_types::{Address, DomainName, Limit, LocalPart, Quota, Usage, limits};

/// A domain's name.
pub(crate) fn domain_name(text: &str) -> Result<DomainName, Status> {
    DomainName::parse(text).map_err(|error| Status::invalid_argument(format!("{text}: {error}")))
}

/// An address.
pub(crate) fn address(text: &str) -> Result<Address, Status> {
    Address::parse(text).map_err(|error| Status::invalid_argument(format!("{text}: {error}")))
}

/// A page's size: 0 is the default, too many are coerced (AIP-158).
pub(crate) fn page_size(wanted: u32) -> u32 {
    let default = u32::try_from(limits::PAGE_SIZE_DEFAULT).unwrap_or(u32::MAX);
    let most = u32::try_from(limits::PAGE_SIZE_MAX).unwrap_or(u32::MAX);
    if wanted == 0 { default } else { wanted.min(most) }
}

/// The local part after which a page starts; tokens are its text.
pub(crate) fn after_local(token: &str) -> Result<Option<LocalPart>, Status> {
    let invalid = |_| Status::invalid_argument("page_token: not one of ours");
    (!token.is_empty()).then(|| LocalPart::try_from(token.to_owned()).map_err(invalid)).transpose()
}

/// The token of the page behind one that is as long as it may be; else empty.
pub(crate) fn next_page<T>(page: &[T], limit: u32, token: impl Fn(&T) -> String) -> String {
    let full = u32::try_from(page.len()).is_ok_and(|count| count >= limit);
    page.last().filter(|_| full).map(token).unwrap_or_default()
}

/// A reason within its bound.
pub(crate) fn reason(text: String) -> Result<String, Status> {
    if text.len() > limits::REASON_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Status::invalid_argument(format!(
            "reason: one line of at most {} bytes",
            limits::REASON_BYTES_MAX
        )));
    }
    Ok(text)
}

pub(crate) fn quota_from(quota: api::Quota) -> Quota {
    let limit = |bound: Option<u64>| bound.map_or(Limit::Unlimited, Limit::AtMost);
    Quota { bytes: limit(quota.bytes), messages: limit(quota.messages) }
}

pub(crate) fn quota_to(quota: Quota) -> api::Quota {
    api::Quota { bytes: quota.bytes.at_most(), messages: quota.messages.at_most() }
}

pub(crate) fn usage_to(usage: Usage) -> api::Usage {
    api::Usage { bytes: usage.bytes, messages: usage.messages }
}

/// Is there no room for one more byte or message?
pub(crate) fn is_full(quota: Quota, usage: Usage) -> bool {
    !quota.admits(usage, Usage::of_message(1))
}

fn standing_to(standing: &Standing) -> (api::State, String) {
    match standing {
        Standing::Active => (api::State::Active, String::new()),
        Standing::Suspended { reason, .. } => (api::State::Suspended, reason.clone()),
    }
}

pub(crate) fn domain_to(domain: &DomainRecord, group: u32) -> api::Domain {
    let (state, suspension_reason) = standing_to(&domain.standing);
    api::Domain {
        name: domain.name.to_string(),
        uid: domain.id.0,
        state: state.into(),
        suspension_reason,
        plan: domain.plan.name.clone(),
        quota: domain.quota.map(quota_to),
        effective_quota: Some(quota_to(domain.effective_quota())),
        usage: Some(usage_to(domain.usage)),
        accounts: domain.accounts,
        catch_all: domain.catch_all.as_ref().map(LocalPart::to_string).unwrap_or_default(),
        create_time_ms: domain.created.millis(),
        group,
    }
}

pub(crate) fn account_to(account: &AccountRecord, domain: &DomainRecord) -> api::Account {
    let (state, suspension_reason) = standing_to(&account.standing);
    let effective = account.quota.unwrap_or(domain.plan.account_quota);
    api::Account {
        address: format!("{}@{}", account.local, domain.name),
        uid: account.id.0,
        state: state.into(),
        suspension_reason,
        quota: account.quota.map(quota_to),
        effective_quota: Some(quota_to(effective)),
        usage: Some(usage_to(account.usage)),
        create_time_ms: account.created.millis(),
        over_quota: is_full(effective, account.usage),
        sending_state: if account.sending.is_some() { api::State::Suspended } else { api::State::Active }.into(),
        sending_suspension_reason: account.sending.as_ref().map(|it| it.cause.to_string()).unwrap_or_default(),
    }
}

pub(crate) fn alias_to(alias: &AliasRecord, domain: &DomainName) -> api::Alias {
    api::Alias {
        address: format!("{}@{domain}", alias.local),
        targets: alias.targets.iter().map(|target| format!("{target}@{domain}")).collect(),
    }
}

pub(crate) fn mailbox_to(mailbox: &MailboxRecord) -> api::Mailbox {
    api::Mailbox {
        name: mailbox.name.to_string(),
        messages: mailbox.messages,
        unseen: mailbox.unseen,
        bytes: mailbox.bytes,
        special_use: mailbox.special_use.map(|kind| kind.attribute().to_owned()).unwrap_or_default(),
    }
}

pub(crate) fn plan_to(plan: &Plan) -> api::Plan {
    api::Plan {
        name: plan.name.clone(),
        domain_quota: Some(quota_to(plan.domain_quota)),
        account_quota: Some(quota_to(plan.account_quota)),
        message_bytes_max: plan.message_bytes_max,
        accounts_max: plan.accounts_max.at_most(),
        trash_expiry_seconds: plan.trash_expiry_seconds,
        vault_seconds: plan.vault_seconds,
        sending: Some(limits_to(&plan.sending)),
        retry: plan.retry.as_deref().map(retry_to),
        reverse_dns: reverse_dns_to(plan.reverse_dns).into(),
    }
}

fn retry_to(terms: &RetryTerms) -> api::RetryTerms {
    let notices = match terms.notices {
        NoticeProfile::Plain => api::NoticeProfile::Unspecified,
        NoticeProfile::Qmail => api::NoticeProfile::Qmail,
        NoticeProfile::Postfix => api::NoticeProfile::Postfix,
    };
    api::RetryTerms {
        first_waits_seconds: terms.first_waits_seconds.clone(),
        wait_seconds_max: terms.wait_seconds_max,
        lifetime_seconds: terms.lifetime_seconds,
        delay_notice_seconds: terms.delay_notice_seconds,
        notices: notices.into(),
    }
}

fn retry_from(terms: api::RetryTerms) -> RetryTerms {
    let notices = match terms.notices() {
        api::NoticeProfile::Unspecified => NoticeProfile::Plain,
        api::NoticeProfile::Qmail => NoticeProfile::Qmail,
        api::NoticeProfile::Postfix => NoticeProfile::Postfix,
    };
    RetryTerms {
        first_waits_seconds: terms.first_waits_seconds,
        wait_seconds_max: terms.wait_seconds_max,
        lifetime_seconds: terms.lifetime_seconds,
        delay_notice_seconds: terms.delay_notice_seconds,
        notices,
    }
}

pub(crate) fn plan_from(plan: api::Plan) -> Result<Plan, Status> {
    let name_valid = (1..=64).contains(&plan.name.len())
        && plan.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !name_valid {
        return Err(Status::invalid_argument("plan.name: 1 to 64 of a-z 0-9 -"));
    }
    if !(1..=limits::MESSAGE_BYTES_MAX).contains(&plan.message_bytes_max) {
        return Err(Status::invalid_argument(format!("plan.message_bytes_max: 1 to {}", limits::MESSAGE_BYTES_MAX)));
    }
    let reverse_dns = reverse_dns_from(plan.reverse_dns());
    Ok(Plan {
        name: plan.name,
        domain_quota: plan.domain_quota.map(quota_from).unwrap_or_default(),
        account_quota: plan.account_quota.map(quota_from).unwrap_or_default(),
        message_bytes_max: plan.message_bytes_max,
        accounts_max: plan.accounts_max.map_or(Limit::Unlimited, Limit::AtMost),
        trash_expiry_seconds: plan.trash_expiry_seconds,
        vault_seconds: plan.vault_seconds,
        sending: Box::new(limits_from(plan.sending.unwrap_or_default())?),
        retry: plan.retry.map(retry_from).map(Box::new),
        reverse_dns,
    })
}
