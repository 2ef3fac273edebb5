//! Aliases: names of a domain that lead to other names of the same domain.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, StoreClient};
use yubin_state::command::DomainCommand;
use yubin_state::{Answer, Query};
use yubin_types::LocalPart;

use crate::convert::{address, after_local, alias_to, domain_name, next_page, page_size};
use crate::domains::{change, hosted};
use crate::request::RequestKey;
use crate::status::{failed, unexpected};

pub(crate) async fn put(
    client: &StoreClient,
    request: api::PutAliasRequest,
    caller: &Caller,
) -> Result<api::Alias, Status> {
    let alias = request.alias.ok_or_else(|| Status::invalid_argument("alias: missing"))?;
    let (name, key) = (address(&alias.address)?, RequestKey::new(&request.request_id)?);
    let mut targets: Vec<LocalPart> = Vec::with_capacity(alias.targets.len());
    for text in &alias.targets {
        let target = address(text)?;
        if target.domain != name.domain {
            return Err(Status::invalid_argument(format!("{text}: an alias leads to addresses of its own domain")));
        }
        targets.push(target.local);
    }
    change(client, &name.domain, DomainCommand::PutAlias { local: name.local, targets }, key, caller).await?;
    Ok(alias)
}

pub(crate) async fn list(
    client: &StoreClient,
    request: api::ListAliasesRequest,
) -> Result<api::ListAliasesResponse, Status> {
    let name = domain_name(&request.domain)?;
    let hosted = hosted(client, &name).await?;
    let limit = page_size(request.page_size);
    let query = Query::Aliases { after: after_local(&request.page_token)?, limit };
    match client.query(hosted.scope(), query).await.map_err(failed)? {
        Answer::Aliases(found) => {
            let next_page_token = next_page(&found, limit, |last| String::from(last.local.clone()));
            let aliases = found.iter().map(|alias| alias_to(alias, &name)).collect();
            Ok(api::ListAliasesResponse { aliases, next_page_token })
        }
        other => Err(unexpected(&other)),
    }
}

pub(crate) async fn delete(
    client: &StoreClient,
    request: api::DeleteAliasRequest,
    caller: &Caller,
) -> Result<api::DeleteResponse, Status> {
    let (name, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    change(client, &name.domain, DomainCommand::RemoveAlias { local: name.local }, key, caller).await?;
    Ok(api::DeleteResponse { removed: 0 })
}
