//! Expunged mail that a plan still keeps: what there is, and bringing it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, Hosted, StoreClient};
use yubin_state::command::DomainCommand;
use yubin_state::expunged::{ExpungedMessage, ExpungedSearch, VaultPlace};
use yubin_state::record::AccountRecord;
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{AccountId, Address, LocalPart, MailboxId, MailboxName, Timestamp, Usage, limits};

use crate::convert::address;
use crate::domains::record;
use crate::request::RequestKey;
use crate::status::{accepted, failed, unexpected};
use crate::whose::Whose;

/// What is kept of an account or, by account, of a domain.
pub(crate) async fn list(
    client: &StoreClient,
    request: api::ListExpungedRequest,
) -> Result<api::ListExpungedResponse, Status> {
    let whose = Whose::read(&request.name)?;
    let (hosted, domain) = record(client, &whose.domain).await?;
    let mut wanted = within(request.from_time_ms, request.to_time_ms);
    let mut names = Names::default();
    if let Some(local) = whose.account {
        let account = account(client, &hosted, &local).await?;
        wanted.account = Some(account.id);
        names.mailboxes = mailboxes(client, &hosted, &account).await?;
        names.accounts.insert(account.id, account.local);
    } else {
        names.accounts = accounts(client, &hosted).await?;
    }
    let of_account = wanted.account.is_some();
    let mut sums: BTreeMap<(AccountId, MailboxId), Sum> = BTreeMap::new();
    let mut next = Some(wanted.after);
    while let Some(after) = next {
        let (found, behind) = page(client, &hosted, ExpungedSearch { after, ..wanted.clone() }).await?;
        for message in found {
            let mailbox = if of_account { message.place.mailbox } else { MailboxId(0) };
            sums.entry((message.account, mailbox)).or_default().add(&message);
        }
        next = behind;
    }
    let mail = sums.into_iter().map(|(key, sum)| sum.shown(key, &names, &domain.name.to_string()));
    Ok(api::ListExpungedResponse { mail: mail.collect() })
}

/// Brings mail back, in commands of bounded size; refused before the first if there is no room for all of it.
pub(crate) async fn restore(
    client: &StoreClient,
    request: api::RestoreMailRequest,
    caller: &Caller,
) -> Result<api::RestoreMailResponse, Status> {
    RequestKey::new(&request.request_id)?;
    let Address { local, domain } = address(&request.address)?;
    let invalid = || Status::invalid_argument(format!("into: {} is no mailbox's name", request.into));
    let into = MailboxName::parse(&request.into).ok_or_else(invalid)?;
    let (hosted, domain) = record(client, &domain).await?;
    let target = account(client, &hosted, &local).await?;
    let mut wanted = within(request.from_time_ms, request.to_time_ms);
    wanted.account = Some(request.account_uid.map_or(target.id, AccountId));
    if !request.mailbox.is_empty() {
        let known = mailboxes(client, &hosted, &target).await?;
        let found = known.into_iter().find(|(_, name)| *name == request.mailbox);
        let missing = || Status::not_found(format!("there is no mailbox {}", request.mailbox));
        wanted.mailbox = Some(found.ok_or_else(missing)?.0);
    }
    let found = everything(client, &hosted, wanted).await?;
    let growth = found.iter().fold(Usage::default(), |sum, message| sum.plus(Usage::of_message(message.bytes)));
    let quota = target.quota.unwrap_or(domain.plan.account_quota);
    if !quota.admits(target.usage, growth) || !domain.effective_quota().admits(domain.usage, growth) {
        return Err(Status::resource_exhausted(format!(
            "{} messages of {} bytes don't fit into the quota of {local} or of the domain: raise it, or bring back less",
            growth.messages, growth.bytes
        )));
    }
    let mut restored = api::RestoreMailResponse::default();
    for portion in found.chunks(limits::MESSAGES_PER_COMMAND_MAX) {
        let places = portion.iter().map(|message| message.place).collect();
        let command = DomainCommand::RestoreExpunged { local: local.clone(), places, into: into.clone() };
        let reply = client.propose_once(hosted.scope(), &Command::Domain(command), caller).await.map_err(failed)?;
        if let Reply::Stored { to, .. } = accepted(reply)? {
            restored.messages += to.len();
        }
    }
    Ok(restored)
}

/// Anything that was expunged in this time.
fn within(from_time_ms: Option<u64>, to_time_ms: Option<u64>) -> ExpungedSearch {
    let after = VaultPlace::before(Timestamp(from_time_ms.unwrap_or(0)));
    ExpungedSearch { account: None, mailbox: None, after, until: Timestamp(to_time_ms.unwrap_or(u64::MAX)) }
}

/// What a search finds next, and where to go on.
async fn page(
    client: &StoreClient,
    hosted: &Arc<Hosted>,
    search: ExpungedSearch,
) -> Result<(Vec<ExpungedMessage>, Option<VaultPlace>), Status> {
    match client.query(hosted.scope(), Query::Expunged(search)).await.map_err(failed)? {
        Answer::Expunged { found, next } => Ok((found, next)),
        other => Err(unexpected(&other)),
    }
}

/// All that a search finds, if it isn't too much for one call.
async fn everything(
    client: &StoreClient,
    hosted: &Arc<Hosted>,
    wanted: ExpungedSearch,
) -> Result<Vec<ExpungedMessage>, Status> {
    let (mut all, mut next) = (Vec::new(), Some(wanted.after));
    while let Some(after) = next {
        let (found, behind) = page(client, hosted, ExpungedSearch { after, ..wanted.clone() }).await?;
        all.extend(found);
        if all.len() > limits::EXPUNGED_PER_CALL_MAX {
            let most = limits::EXPUNGED_PER_CALL_MAX;
            let why = format!("more than {most} messages: bring them back by shorter times, or by mailbox");
            return Err(Status::resource_exhausted(why));
        }
        next = behind;
    }
    Ok(all)
}

async fn account(client: &StoreClient, hosted: &Arc<Hosted>, local: &LocalPart) -> Result<AccountRecord, Status> {
    match client.query(hosted.scope(), Query::Account(local.clone())).await.map_err(failed)? {
        Answer::Account(account) => Ok(account),
        other => Err(unexpected(&other)),
    }
}

/// The domain's accounts.
async fn accounts(client: &StoreClient, hosted: &Arc<Hosted>) -> Result<BTreeMap<AccountId, LocalPart>, Status> {
    let limit = u32::try_from(limits::PAGE_SIZE_MAX).unwrap_or(u32::MAX);
    let (mut all, mut after) = (BTreeMap::new(), None);
    loop {
        let query = Query::Accounts { after: after.take(), limit };
        let Answer::Accounts(found) = client.query(hosted.scope(), query).await.map_err(failed)? else {
            return Ok(all);
        };
        let Some(last) = found.last() else { return Ok(all) };
        after = Some(last.local.clone());
        all.extend(found.into_iter().map(|account| (account.id, account.local)));
    }
}

/// An account's mailboxes; nobody sees those of one that is suspended, whose mail is then shown without their names.
async fn mailboxes(
    client: &StoreClient,
    hosted: &Arc<Hosted>,
    account: &AccountRecord,
) -> Result<BTreeMap<MailboxId, String>, Status> {
    let query = Query::Credentials(account.local.clone());
    let login = match client.query(hosted.scope(), query).await.map_err(failed)? {
        Answer::Credentials(credentials) => credentials.login,
        other => return Err(unexpected(&other)),
    };
    Ok(match client.query(hosted.scope(), Query::Mailboxes(login)).await.map_err(failed)? {
        Answer::Mailboxes { mailboxes, .. } => {
            mailboxes.into_iter().map(|mailbox| (mailbox.id, mailbox.name.as_str().to_owned())).collect()
        }
        _ => BTreeMap::new(),
    })
}

/// Names of what still exists.
#[derive(Default)]
struct Names {
    accounts: BTreeMap<AccountId, LocalPart>,
    mailboxes: BTreeMap<MailboxId, String>,
}

/// What is kept of one account or mailbox.
#[derive(Default)]
struct Sum {
    usage: Usage,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Sum {
    fn add(&mut self, message: &ExpungedMessage) {
        self.usage = self.usage.plus(Usage::of_message(message.bytes));
        self.first.get_or_insert(message.place.date);
        self.last = Some(message.place.date);
    }

    fn shown(self, (account, mailbox): (AccountId, MailboxId), names: &Names, domain: &str) -> api::ExpungedMail {
        let address = names.accounts.get(&account).map(|local| format!("{local}@{domain}"));
        api::ExpungedMail {
            account_uid: account.0,
            address: address.unwrap_or_default(),
            mailbox: names.mailboxes.get(&mailbox).cloned().unwrap_or_default(),
            messages: self.usage.messages,
            bytes: self.usage.bytes,
            first_time_ms: self.first.unwrap_or_default().millis(),
            last_time_ms: self.last.unwrap_or_default().millis(),
        }
    }
}
