//! Domains. Creating one takes four commands in two groups: the directory reserves the name, the data group makes the rows and
//! takes the DKIM keys, the directory lets the name resolve. A retry goes on where the first try stopped.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Body, Caller, Hosted, Scope, StoreClient};
use yubin_state::command::{DirectoryCommand, DomainCommand};
use yubin_state::record::{DomainRecord, Plan};
use yubin_state::reply::More;
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{DomainName, GroupNumber, LocalPart, Refusal};

use crate::convert::{domain_name, domain_to, next_page, page_size, quota_from, reason};
use crate::directory;
use crate::dns::Dns;
use crate::request::RequestKey;
use crate::status::{accepted, failed, unexpected};

/// The plan of a domain for which none is named.
const DEFAULT_PLAN: &str = "standard";

/// Where a hosted domain is.
pub(crate) async fn hosted(client: &StoreClient, name: &DomainName) -> Result<std::sync::Arc<Hosted>, Status> {
    let found = client.resolve(name).await.map_err(failed)?;
    found.ok_or_else(|| Status::not_found(format!("the domain {name} is not hosted here")))
}

/// A domain's record, looked up again if its place was out of date.
pub(crate) async fn record(
    client: &StoreClient,
    name: &DomainName,
) -> Result<(std::sync::Arc<Hosted>, DomainRecord), Status> {
    for last in [false, true] {
        let hosted = hosted(client, name).await?;
        match client.query(hosted.scope(), Query::Domain).await.map_err(failed)? {
            Answer::Domain(record) => return Ok((hosted, record)),
            Answer::Refused(Refusal::NoSuchDomain | Refusal::StaleEpoch) if !last => client.forget(name),
            other => return Err(unexpected(&other)),
        }
    }
    Err(Status::unavailable("the domain is being moved; try again"))
}

/// Proposes a command on a domain; a stale place is looked up again.
pub(crate) async fn change(
    client: &StoreClient,
    name: &DomainName,
    command: DomainCommand,
    key: RequestKey,
    caller: &Caller,
) -> Result<Reply, Status> {
    change_with(client, name, command, Vec::new(), key, caller).await
}

/// [`change`] with bodies that go into the store.
pub(crate) async fn change_with(
    client: &StoreClient,
    name: &DomainName,
    command: DomainCommand,
    bodies: Vec<Body>,
    key: RequestKey,
    caller: &Caller,
) -> Result<Reply, Status> {
    let command = Command::Domain(command);
    for last in [false, true] {
        let hosted = hosted(client, name).await?;
        let reply =
            client.propose(hosted.scope(), &command, key.step(0), caller, bodies.clone()).await.map_err(failed)?;
        match reply {
            Reply::Refused(Refusal::NoSuchDomain | Refusal::StaleEpoch) if !last => client.forget(name),
            reply => return accepted(reply),
        }
    }
    Err(Status::unavailable("the domain is being moved; try again"))
}

pub(crate) async fn create(
    client: &StoreClient,
    dns: &Dns,
    request: api::CreateDomainRequest,
    caller: &Caller,
) -> Result<api::Domain, Status> {
    let name = domain_name(&request.name)?;
    let key = RequestKey::new(&request.request_id)?;
    let plan = plan(client, &request.plan).await?;
    let group = emptiest_group(client).await?;
    let reserve = Command::Directory(DirectoryCommand::ReserveDomain { name: name.clone(), group });
    let placed = client.propose(Scope::DIRECTORY, &reserve, key.step(1), caller, Vec::new()).await.map_err(failed)?;
    let Reply::DomainPlaced { id, placement } = accepted(placed)? else {
        return Err(Status::internal("unexpected reply to a reservation"));
    };
    let scope = Scope { group: placement.group, domain: id, epoch: placement.epoch };
    let create = DomainCommand::Create { name: name.clone(), plan, quota: request.quota.map(quota_from) };
    let created = client.propose(scope, &Command::Domain(create), key.step(2), caller, Vec::new()).await;
    accepted(created.map_err(failed)?)?;
    dns.ensure_keys(client, scope, &name, caller).await?;
    let activate = Command::Directory(DirectoryCommand::ActivateDomain(id));
    let active = client.propose(Scope::DIRECTORY, &activate, key.step(3), caller, Vec::new()).await;
    accepted(active.map_err(failed)?)?;
    client.forget(&name);
    get(client, &request.name).await
}

pub(crate) async fn get(client: &StoreClient, name: &str) -> Result<api::Domain, Status> {
    let (hosted, record) = record(client, &domain_name(name)?).await?;
    Ok(domain_to(&record, hosted.placement.group.0))
}

pub(crate) async fn list(
    client: &StoreClient,
    request: api::ListDomainsRequest,
) -> Result<api::ListDomainsResponse, Status> {
    let after = (!request.page_token.is_empty()).then(|| domain_name(&request.page_token)).transpose()?;
    let limit = page_size(request.page_size);
    match client.query(Scope::DIRECTORY, Query::Domains { after, limit }).await.map_err(failed)? {
        Answer::DirectoryDomains(found) => {
            let next_page_token = next_page(&found, limit, |last| last.name.to_string());
            let entry = |domain: yubin_state::record::DirectoryDomain| api::DomainEntry {
                name: domain.name.to_string(),
                uid: domain.id.0,
                group: domain.placement.group.0,
            };
            Ok(api::ListDomainsResponse { domains: found.into_iter().map(entry).collect(), next_page_token })
        }
        other => Err(unexpected(&other)),
    }
}

pub(crate) async fn update(
    client: &StoreClient,
    request: api::UpdateDomainRequest,
    caller: &Caller,
) -> Result<api::Domain, Status> {
    let name = domain_name(&request.name)?;
    let key = RequestKey::new(&request.request_id)?;
    let plan = match request.plan.as_deref() {
        Some(plan_name) => Some(plan(client, plan_name).await?),
        None => None,
    };
    let catch_all = match request.catch_all.as_deref() {
        None => None,
        Some("") => Some(None),
        Some(local) => {
            Some(Some(LocalPart::parse(local).map_err(|error| Status::invalid_argument(error.to_string()))?))
        }
    };
    let quota = request.quota.map(|change| change.quota.map(quota_from).unwrap_or_default());
    change(client, &name, DomainCommand::Update { plan, quota, catch_all }, key, caller).await?;
    get(client, &request.name).await
}

pub(crate) async fn suspend(
    client: &StoreClient,
    request: api::SuspendDomainRequest,
    caller: &Caller,
) -> Result<api::Domain, Status> {
    let (name, key) = (domain_name(&request.name)?, RequestKey::new(&request.request_id)?);
    change(client, &name, DomainCommand::Suspend { reason: reason(request.reason)? }, key, caller).await?;
    get(client, &request.name).await
}

pub(crate) async fn resume(
    client: &StoreClient,
    request: api::ResumeDomainRequest,
    caller: &Caller,
) -> Result<api::Domain, Status> {
    let (name, key) = (domain_name(&request.name)?, RequestKey::new(&request.request_id)?);
    change(client, &name, DomainCommand::Resume, key, caller).await?;
    get(client, &request.name).await
}

/// Removes the rows step by step, then frees the name.
pub(crate) async fn delete(
    client: &StoreClient,
    request: api::DeleteDomainRequest,
    caller: &Caller,
) -> Result<api::DeleteResponse, Status> {
    let name = domain_name(&request.name)?;
    RequestKey::new(&request.request_id)?;
    let hosted = hosted(client, &name).await?;
    let mut removed = 0;
    loop {
        // Every step is another piece of work, so none may find the outcome of the last.
        let reply = client.propose_once(hosted.scope(), &Command::Domain(DomainCommand::Delete), caller).await;
        match reply.map_err(failed)? {
            Reply::Progress { more, touched, .. } => {
                removed += touched;
                if more == More::No {
                    break;
                }
            }
            // An earlier try removed the rows and stopped before the name.
            Reply::Refused(Refusal::NoSuchDomain) => break,
            other => {
                accepted(other)?;
                break;
            }
        }
    }
    let forget = Command::Directory(DirectoryCommand::RemoveDomain(hosted.id));
    accepted(client.propose_once(Scope::DIRECTORY, &forget, caller).await.map_err(failed)?)?;
    client.forget(&name);
    Ok(api::DeleteResponse { removed })
}

/// A plan by name; the empty name is the default plan.
async fn plan(client: &StoreClient, name: &str) -> Result<Plan, Status> {
    let name = if name.is_empty() { DEFAULT_PLAN } else { name };
    let plan = directory::plans(client).await?.into_iter().find(|plan| plan.name == name);
    plan.ok_or_else(|| Status::not_found(format!("there is no plan {name}; `yubin ctl plan list` shows them")))
}

async fn emptiest_group(client: &StoreClient) -> Result<GroupNumber, Status> {
    let groups = directory::groups(client).await?.into_iter();
    let emptiest = groups.filter(|group| group.group != GroupNumber::DIRECTORY).min_by_key(|group| group.domains);
    emptiest.map(|group| group.group).ok_or_else(|| Status::unavailable("the cluster is still starting; try again"))
}
