//! Plans. The directory holds them, and each data group a copy of those that its domains use; a change returns when every group has it.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, Scope, StoreClient};
use yubin_state::command::{DirectoryCommand, MaintenanceCommand};
use yubin_state::{Answer, Command, Query};
use yubin_types::{DomainName, GroupNumber, Placement};

use crate::convert::{plan_from, plan_to};
use crate::directory;
use crate::request::RequestKey;
use crate::status::{accepted, failed, unexpected};

/// Domains asked at once for the plan that they use.
const DOMAINS_PER_LOOK: u32 = 100;

pub(crate) async fn put(
    client: &StoreClient,
    request: api::PutPlanRequest,
    caller: &Caller,
) -> Result<api::Plan, Status> {
    let plan = plan_from(request.plan.ok_or_else(|| Status::invalid_argument("plan: missing"))?)?;
    let key = RequestKey::new(&request.request_id)?;
    let command = Command::Directory(DirectoryCommand::PutPlan(plan.clone()));
    let reply = client.propose(Scope::DIRECTORY, &command, key.step(0), caller, Vec::new()).await;
    accepted(reply.map_err(failed)?)?;
    let groups = directory::groups(client).await?;
    let command = Command::Maintenance(MaintenanceCommand::PutPlan(plan.clone()));
    for group in groups.iter().filter(|group| group.group != GroupNumber::DIRECTORY) {
        let scope = Scope { group: group.group, ..Scope::DIRECTORY };
        let reply = client.propose(scope, &command, key.step(0), caller, Vec::new()).await;
        accepted(reply.map_err(failed)?)?;
    }
    Ok(plan_to(&plan))
}

pub(crate) async fn list(client: &StoreClient) -> Result<api::ListPlansResponse, Status> {
    let plans = directory::plans(client).await?.iter().map(plan_to).collect();
    Ok(api::ListPlansResponse { plans })
}

pub(crate) async fn delete(
    client: &StoreClient,
    request: api::DeletePlanRequest,
    caller: &Caller,
) -> Result<api::DeleteResponse, Status> {
    let key = RequestKey::new(&request.request_id)?;
    if let Some(user) = a_user(client, &request.name).await? {
        return Err(Status::failed_precondition(format!("the domain {user} uses the plan {}", request.name)));
    }
    let command = Command::Directory(DirectoryCommand::RemovePlan(request.name));
    let reply = client.propose(Scope::DIRECTORY, &command, key.step(0), caller, Vec::new()).await;
    accepted(reply.map_err(failed)?)?;
    Ok(api::DeleteResponse { removed: 0 })
}

/// A domain that uses the plan. Each domain is asked where it lives; one that takes the plan up meanwhile keeps its group's copy.
async fn a_user(client: &StoreClient, plan: &str) -> Result<Option<DomainName>, Status> {
    let mut after = None;
    loop {
        let query = Query::Domains { after, limit: DOMAINS_PER_LOOK };
        let found = match client.query(Scope::DIRECTORY, query).await.map_err(failed)? {
            Answer::DirectoryDomains(found) => found,
            other => return Err(unexpected(&other)),
        };
        let Some(last) = found.last().map(|last| last.name.clone()) else { return Ok(None) };
        let asked = found.into_iter().map(|domain| async move {
            let Placement { group, epoch, .. } = domain.placement;
            let scope = Scope { group, domain: domain.id, epoch };
            (domain.name, client.query(scope, Query::Domain).await)
        });
        for (name, answer) in futures::future::join_all(asked).await {
            match answer.map_err(failed)? {
                Answer::Domain(record) if record.plan.name == plan => return Ok(Some(name)),
                Answer::Domain(_) | Answer::Refused(_) => {}
                other => return Err(unexpected(&other)),
            }
        }
        after = Some(last);
    }
}
