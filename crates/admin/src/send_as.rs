//! In whose names accounts may send beside their own: shown, granted and revoked.
//!
//! A name may be in another hosted domain: whoever has an admin token speaks for all domains. What the name stands for is looked up here and
//! kept with the right, which is in force only while that is so.

use futures::future::try_join_all;
use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, StoreClient};
use yubin_state::command::DomainCommand;
use yubin_state::sending::{NameHolder, SendAsGrant, SendingCommand};
use yubin_state::{Answer, Query};
use yubin_types::{Address, DomainId, LocalPart, Refusal, SenderName};

use crate::convert::address;
use crate::domains::{change, hosted};
use crate::request::RequestKey;
use crate::status::{failed, refused, unexpected};

pub(crate) async fn get(client: &StoreClient, text: &str) -> Result<api::SendAsGrants, Status> {
    show(client, &address(text)?).await
}

pub(crate) async fn grant(
    client: &StoreClient,
    request: api::GrantSendAsRequest,
    caller: &Caller,
) -> Result<api::SendAsGrants, Status> {
    let (address, name, key) =
        (address(&request.address)?, sender_name(&request.name)?, RequestKey::new(&request.request_id)?);
    let (domain, held) = look_up(client, &name).await?.ok_or_else(|| not_hosted(&name))?;
    let holder = held.map_err(|refusal| match refusal {
        Refusal::NoSuchRecipient => Status::not_found(format!("{name}: no such account or alias")),
        refusal => refused(&refusal),
    })?;
    let local = address.local.clone();
    let command = DomainCommand::Sending(SendingCommand::GrantSendAs { local, name, domain, holder });
    change(client, &address.domain, command, key, caller).await?;
    show(client, &address).await
}

pub(crate) async fn revoke(
    client: &StoreClient,
    request: api::RevokeSendAsRequest,
    caller: &Caller,
) -> Result<api::SendAsGrants, Status> {
    let (address, name, key) =
        (address(&request.address)?, sender_name(&request.name)?, RequestKey::new(&request.request_id)?);
    let local = address.local.clone();
    let command = DomainCommand::Sending(SendingCommand::RevokeSendAs { local, name });
    change(client, &address.domain, command, key, caller).await?;
    show(client, &address).await
}

async fn show(client: &StoreClient, address: &Address) -> Result<api::SendAsGrants, Status> {
    let hosted = hosted(client, &address.domain).await?;
    match client.query(hosted.scope(), Query::SendAs(address.local.clone())).await.map_err(failed)? {
        Answer::SendAs(grants) => {
            let grants = grants.iter().map(|grant| grant_to(client, grant));
            Ok(api::SendAsGrants { address: address.to_string(), grants: try_join_all(grants).await? })
        }
        other => Err(unexpected(&other)),
    }
}

async fn grant_to(client: &StoreClient, grant: &SendAsGrant) -> Result<api::SendAsGrant, Status> {
    let held = look_up(client, &grant.name).await?;
    Ok(api::SendAsGrant {
        name: grant.name.to_string(),
        in_force: held == Some((grant.domain, Ok(grant.holder))),
        granted_time_ms: grant.since.millis(),
        granted_by: grant.by.clone(),
    })
}

/// What a name stands for now, or why for nothing; `None`: its domain is not hosted here.
async fn look_up(
    client: &StoreClient,
    name: &SenderName,
) -> Result<Option<(DomainId, Result<NameHolder, Refusal>)>, Status> {
    let local: Option<LocalPart> = match name {
        SenderName::Address(address) => Some(address.local.clone()),
        SenderName::Domain(_) => None,
    };
    match client.ask(name.domain(), Query::NameHolder(local)).await.map_err(failed)? {
        None => Ok(None),
        Some((hosted, Answer::NameHolder(holder))) => Ok(Some((hosted.id, Ok(holder)))),
        Some((hosted, Answer::Refused(refusal))) => Ok(Some((hosted.id, Err(refusal)))),
        Some((_, other)) => Err(unexpected(&other)),
    }
}

fn sender_name(text: &str) -> Result<SenderName, Status> {
    SenderName::parse(text).map_err(|error| Status::invalid_argument(format!("name: {text}: {error}")))
}

fn not_hosted(name: &SenderName) -> Status {
    Status::not_found(format!("the domain {} is not hosted here", name.domain()))
}
