//! What the directory records of nodes, groups and plans.

use tonic::Status;
use yubin_proto::{Scope, StoreClient};
use yubin_state::record::{GroupRecord, NodeRecord, Plan};
use yubin_state::{Answer, Query};

use crate::status::{failed, unexpected};

/// Every node, whether it answers or not.
pub(crate) async fn nodes(client: &StoreClient) -> Result<Vec<NodeRecord>, Status> {
    match client.query(Scope::DIRECTORY, Query::Nodes).await.map_err(failed)? {
        Answer::Nodes(nodes) => Ok(nodes),
        other => Err(unexpected(&other)),
    }
}

/// Every group, the directory's own among them.
pub(crate) async fn groups(client: &StoreClient) -> Result<Vec<GroupRecord>, Status> {
    match client.query(Scope::DIRECTORY, Query::Groups).await.map_err(failed)? {
        Answer::Groups(groups) => Ok(groups),
        other => Err(unexpected(&other)),
    }
}

/// Every plan.
pub(crate) async fn plans(client: &StoreClient) -> Result<Vec<Plan>, Status> {
    match client.query(Scope::DIRECTORY, Query::Plans).await.map_err(failed)? {
        Answer::Plans(plans) => Ok(plans),
        other => Err(unexpected(&other)),
    }
}
