//! Plans. The directory holds them, and each data group a copy of those that its domains use; a change returns when every group has it.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, Scope, StoreClient};
use yubin_state::command::{DirectoryCommand, MaintenanceCommand};
use yubin_state::{Answer, Command, Query};
use yubin_types::GroupNumber;

use crate::convert::{plan_from, plan_to};
use crate::request::RequestKey;
use crate::status::{accepted, failed, unexpected};

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
    let groups = match client.query(Scope::DIRECTORY, Query::Groups).await.map_err(failed)? {
        Answer::Groups(groups) => groups,
        other => return Err(unexpected(&other)),
    };
    let command = Command::Maintenance(MaintenanceCommand::PutPlan(plan.clone()));
    for group in groups.iter().filter(|group| group.group != GroupNumber::DIRECTORY) {
        let scope = Scope { group: group.group, ..Scope::DIRECTORY };
        let reply = client.propose(scope, &command, key.step(0), caller, Vec::new()).await;
        accepted(reply.map_err(failed)?)?;
    }
    Ok(plan_to(&plan))
}

pub(crate) async fn list(client: &StoreClient) -> Result<api::ListPlansResponse, Status> {
    match client.query(Scope::DIRECTORY, Query::Plans).await.map_err(failed)? {
        Answer::Plans(plans) => Ok(api::ListPlansResponse { plans: plans.iter().map(plan_to).collect() }),
        other => Err(unexpected(&other)),
    }
}

pub(crate) async fn delete(
    client: &StoreClient,
    request: api::DeletePlanRequest,
    caller: &Caller,
) -> Result<api::DeleteResponse, Status> {
    let key = RequestKey::new(&request.request_id)?;
    let command = Command::Directory(DirectoryCommand::RemovePlan(request.name));
    let reply = client.propose(Scope::DIRECTORY, &command, key.step(0), caller, Vec::new()).await;
    accepted(reply.map_err(failed)?)?;
    Ok(api::DeleteResponse { removed: 0 })
}
