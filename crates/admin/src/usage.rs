//! Usage: the figures that the state machine decides by, read live; and their check against the messages.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Hosted, StoreClient};
use yubin_state::record::AccountRecord;
use yubin_state::{Answer, Query};
use yubin_types::{AccountId, DomainName, LocalPart, limits};

use crate::convert::{address, domain_name, is_full, quota_to, usage_to};
use crate::domains::record;
use crate::status::{failed, unexpected};

/// Of a domain with all its accounts, or of one account.
pub(crate) async fn get(client: &StoreClient, name: &str) -> Result<api::UsageReport, Status> {
    let wanted = if name.contains('@') { Some(address(name)?) } else { None };
    let domain = match &wanted {
        Some(address) => address.domain.clone(),
        None => domain_name(name)?,
    };
    let (hosted, record) = record(client, &domain).await?;
    let report = |account: &AccountRecord| {
        let quota = account.quota.unwrap_or(record.plan.account_quota);
        api::UsageReport {
            name: format!("{}@{domain}", account.local),
            usage: Some(usage_to(account.usage)),
            quota: Some(quota_to(quota)),
            over_quota: is_full(quota, account.usage),
            accounts: Vec::new(),
        }
    };
    if let Some(address) = wanted {
        return match client.query(hosted.scope(), Query::Account(address.local)).await.map_err(failed)? {
            Answer::Account(account) => Ok(report(&account)),
            other => Err(unexpected(&other)),
        };
    }
    let accounts = all_accounts(client, &hosted).await?;
    Ok(api::UsageReport {
        name: domain.to_string(),
        usage: Some(usage_to(record.usage)),
        quota: Some(quota_to(record.effective_quota())),
        over_quota: is_full(record.effective_quota(), record.usage),
        accounts: accounts.iter().map(report).collect(),
    })
}

/// Counts the messages and compares.
pub(crate) async fn verify(client: &StoreClient, name: &str) -> Result<api::VerifyUsageResponse, Status> {
    let domain = domain_name(name)?;
    let (hosted, _) = record(client, &domain).await?;
    match client.query(hosted.scope(), Query::VerifyUsage).await.map_err(failed)? {
        Answer::UsageVerified { counted, kept, differing } => {
            let accounts = all_accounts(client, &hosted).await?;
            let difference = |(account, counted, kept)| api::UsageDifference {
                address: name_of(&accounts, account, &domain),
                counted: Some(usage_to(counted)),
                kept: Some(usage_to(kept)),
            };
            Ok(api::VerifyUsageResponse {
                counted: Some(usage_to(counted)),
                kept: Some(usage_to(kept)),
                differing: differing.into_iter().map(difference).collect(),
            })
        }
        other => Err(unexpected(&other)),
    }
}

fn name_of(accounts: &[AccountRecord], id: AccountId, domain: &DomainName) -> String {
    let found = accounts.iter().find(|account| account.id == id);
    found.map_or_else(|| format!("account {id}"), |account| format!("{}@{domain}", account.local))
}

async fn all_accounts(client: &StoreClient, hosted: &Hosted) -> Result<Vec<AccountRecord>, Status> {
    let mut all: Vec<AccountRecord> = Vec::new();
    loop {
        let after: Option<LocalPart> = all.last().map(|account| account.local.clone());
        let limit = u32::try_from(limits::PAGE_SIZE_MAX).unwrap_or(u32::MAX);
        match client.query(hosted.scope(), Query::Accounts { after, limit }).await.map_err(failed)? {
            Answer::Accounts(page) => {
                let last = page.len() < limits::PAGE_SIZE_MAX;
                all.extend(page);
                if last {
                    return Ok(all);
                }
            }
            other => return Err(unexpected(&other)),
        }
    }
}
