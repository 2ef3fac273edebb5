//! Accounts and their mailboxes. Passwords are turned into verifiers here, off the runtime and few at a time; none is kept or logged.

use tokio::sync::Semaphore;
use tonic::Status;
use yubin_password::{Salts, derive};
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, Hosted, StoreClient};
use yubin_state::command::{DomainCommand, ExpungeWhich, Login, MailCommand};
use yubin_state::record::{AccountRecord, MailboxRecord, Verifiers};
use yubin_state::reply::More;
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{Address, MailboxName, Secret, UidSet, limits};

use crate::convert::{
    account_to, address, after_local, domain_name, mailbox_to, next_page, page_size, quota_from, reason,
};
use crate::domains::{change, record};
use crate::request::RequestKey;
use crate::status::{accepted, failed, unexpected};

/// Password computations at a time: each takes tens of milliseconds of a core and 19 MiB.
const HASHING_MAX: usize = 1;

static HASHING: Semaphore = Semaphore::const_new(HASHING_MAX);

pub(crate) async fn create(
    client: &StoreClient,
    request: api::CreateAccountRequest,
    caller: &Caller,
) -> Result<api::Account, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let verifiers = verifiers(request.password).await?;
    let quota = request.quota.map(quota_from);
    let command = DomainCommand::CreateAccount { local: address.local.clone(), verifiers, quota };
    change(client, &address.domain, command, key, caller).await?;
    show(client, &address).await
}

pub(crate) async fn get(client: &StoreClient, text: &str) -> Result<api::Account, Status> {
    show(client, &address(text)?).await
}

pub(crate) async fn list(
    client: &StoreClient,
    request: api::ListAccountsRequest,
) -> Result<api::ListAccountsResponse, Status> {
    let (hosted, domain) = record(client, &domain_name(&request.domain)?).await?;
    let limit = page_size(request.page_size);
    let query = Query::Accounts { after: after_local(&request.page_token)?, limit };
    match client.query(hosted.scope(), query).await.map_err(failed)? {
        Answer::Accounts(found) => {
            let next_page_token = next_page(&found, limit, |last| String::from(last.local.clone()));
            let accounts = found.iter().map(|account| account_to(account, &domain)).collect();
            Ok(api::ListAccountsResponse { accounts, next_page_token })
        }
        other => Err(unexpected(&other)),
    }
}

pub(crate) async fn set_password(
    client: &StoreClient,
    request: api::SetPasswordRequest,
    caller: &Caller,
) -> Result<api::Account, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let verifiers = verifiers(request.password).await?;
    let command = DomainCommand::SetPassword { local: address.local.clone(), verifiers };
    change(client, &address.domain, command, key, caller).await?;
    show(client, &address).await
}

pub(crate) async fn set_quota(
    client: &StoreClient,
    request: api::SetAccountQuotaRequest,
    caller: &Caller,
) -> Result<api::Account, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let quota = request.quota.map(quota_from);
    let command = DomainCommand::SetAccountQuota { local: address.local.clone(), quota };
    change(client, &address.domain, command, key, caller).await?;
    show(client, &address).await
}

pub(crate) async fn suspend(
    client: &StoreClient,
    request: api::SuspendAccountRequest,
    caller: &Caller,
) -> Result<api::Account, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let command = DomainCommand::SuspendAccount { local: address.local.clone(), reason: reason(request.reason)? };
    change(client, &address.domain, command, key, caller).await?;
    show(client, &address).await
}

pub(crate) async fn resume(
    client: &StoreClient,
    request: api::ResumeAccountRequest,
    caller: &Caller,
) -> Result<api::Account, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let command = DomainCommand::ResumeAccount { local: address.local.clone() };
    change(client, &address.domain, command, key, caller).await?;
    show(client, &address).await
}

/// Removes the account's messages step by step, then the account.
pub(crate) async fn delete(
    client: &StoreClient,
    request: api::DeleteAccountRequest,
    caller: &Caller,
) -> Result<api::DeleteResponse, Status> {
    let address = address(&request.address)?;
    RequestKey::new(&request.request_id)?;
    let (hosted, _) = record(client, &address.domain).await?;
    let command = Command::Domain(DomainCommand::DeleteAccount { local: address.local });
    let mut removed = 0;
    loop {
        match accepted(client.propose_once(hosted.scope(), &command, caller).await.map_err(failed)?)? {
            Reply::Progress { more: More::Yes, touched, .. } => removed += touched,
            Reply::Progress { touched, .. } => return Ok(api::DeleteResponse { removed: removed + touched }),
            _ => return Ok(api::DeleteResponse { removed }),
        }
    }
}

pub(crate) async fn list_mailboxes(
    client: &StoreClient,
    request: api::ListMailboxesRequest,
) -> Result<api::ListMailboxesResponse, Status> {
    let (_, _, mailboxes) = mailboxes(client, &address(&request.address)?).await?;
    Ok(api::ListMailboxesResponse { mailboxes: mailboxes.iter().map(mailbox_to).collect() })
}

/// Removes all messages of one mailbox, or of every one (SPPD-15).
pub(crate) async fn clear(
    client: &StoreClient,
    request: api::ClearMailboxRequest,
    caller: &Caller,
) -> Result<api::DeleteResponse, Status> {
    RequestKey::new(&request.request_id)?;
    let (hosted, login, mailboxes) = mailboxes(client, &address(&request.address)?).await?;
    let named = |mailbox: &&MailboxRecord| request.mailbox.is_empty() || mailbox.name.as_str() == request.mailbox;
    let wanted: Vec<&MailboxRecord> = mailboxes.iter().filter(named).collect();
    if wanted.is_empty() {
        return Err(Status::not_found(format!("there is no mailbox {}", request.mailbox)));
    }
    let mut removed = 0;
    for mailbox in wanted {
        removed += clear_one(client, &hosted, login, &mailbox.name, caller).await?;
    }
    Ok(api::DeleteResponse { removed })
}

async fn clear_one(
    client: &StoreClient,
    hosted: &Hosted,
    login: Login,
    name: &MailboxName,
    caller: &Caller,
) -> Result<u64, Status> {
    let select = Query::Select { login, name: name.clone() };
    let selected = match client.query(hosted.scope(), select).await.map_err(failed)? {
        Answer::Selected(selected) => selected,
        other => return Err(unexpected(&other)),
    };
    let mut removed = 0;
    let mut left = selected.uids;
    while !left.is_empty() {
        let batch: UidSet = left.iter().take(limits::MESSAGES_PER_COMMAND_MAX).collect();
        left = left.difference(&batch);
        let expunge =
            MailCommand::Expunge { login, mailbox: selected.mailbox.id, uids: batch, which: ExpungeWhich::All };
        let reply = client.propose_once(hosted.scope(), &Command::Mail(expunge), caller).await.map_err(failed)?;
        if let Reply::Expunged { uids, .. } = accepted(reply)? {
            removed += uids.len();
        }
    }
    Ok(removed)
}

async fn mailboxes(
    client: &StoreClient,
    address: &Address,
) -> Result<(std::sync::Arc<Hosted>, Login, Vec<MailboxRecord>), Status> {
    let (hosted, _) = record(client, &address.domain).await?;
    let query = Query::Credentials(address.local.clone());
    let login = match client.query(hosted.scope(), query).await.map_err(failed)? {
        Answer::Credentials(credentials) => credentials.login,
        other => return Err(unexpected(&other)),
    };
    match client.query(hosted.scope(), Query::Mailboxes(login)).await.map_err(failed)? {
        Answer::Mailboxes { mailboxes, .. } => Ok((hosted, login, mailboxes)),
        other => Err(unexpected(&other)),
    }
}

async fn show(client: &StoreClient, address: &Address) -> Result<api::Account, Status> {
    let (hosted, domain) = record(client, &address.domain).await?;
    let account: AccountRecord =
        match client.query(hosted.scope(), Query::Account(address.local.clone())).await.map_err(failed)? {
            Answer::Account(account) => account,
            other => return Err(unexpected(&other)),
        };
    Ok(account_to(&account, &domain))
}

async fn verifiers(password: String) -> Result<Verifiers, Status> {
    let bounds = limits::PASSWORD_BYTES_MIN..=limits::PASSWORD_BYTES_MAX;
    if !bounds.contains(&password.len()) {
        return Err(Status::invalid_argument(format!("password: {} to {} bytes", bounds.start(), bounds.end())));
    }
    let password = Secret::new(password);
    let salts = Salts { argon2id: *uuid::Uuid::new_v4().as_bytes(), scram: *uuid::Uuid::new_v4().as_bytes() };
    let _permit = HASHING.acquire().await.map_err(|error| Status::internal(error.to_string()))?;
    let derived = tokio::task::spawn_blocking(move || derive(&password, &salts)).await;
    derived.map_err(|error| Status::internal(error.to_string()))?.map_err(|error| Status::internal(error.to_string()))
}
