//! Nodes that come and go, and the replicas they hold.
//!
//! A call takes all steps that are quick and returns when one takes longer; the caller comes again until it is done, and may come again
//! after any failure. What is to be is in the directory: the voters recorded for a group are those it shall have, so that a node which is
//! being readmitted is known to belong to a group that does not count it at the moment.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::membership::{Joining, MembershipProgress, MembershipStep, VoterChange};
use yubin_proto::{Caller, GroupStatus, NodeStatus, Scope, StoreClient};
use yubin_state::Command;
use yubin_state::command::DirectoryCommand;
use yubin_state::record::{GroupRecord, NodeRecord};
use yubin_types::GroupNumber;

use crate::cluster;
use crate::directory;
use crate::request::RequestKey;
use crate::status::{accepted, failed};

/// How long a node that was just written down is waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// How often it is asked.
const ANSWER_LOOK: Duration = Duration::from_millis(50);

const DONE: api::MembershipProgress = api::MembershipProgress { done: true, groups_left: 0, behind: 0 };

pub(crate) async fn put_node(
    client: &StoreClient,
    request: api::PutNodeRequest,
    caller: &Caller,
) -> Result<api::Node, Status> {
    if request.id == 0 {
        return Err(Status::invalid_argument("id: 1 or more"));
    }
    for (name, address) in [("peer_address", &request.peer_address), ("store_address", &request.store_address)] {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            return Err(Status::invalid_argument(format!("{name}: host:port")));
        }
    }
    let name = match directory::nodes(client).await?.into_iter().find(|node| node.id == request.id) {
        Some(known) => known.name,
        None => format!("node-{}", request.id),
    };
    let record = NodeRecord {
        id: request.id,
        name,
        peer_address: request.peer_address,
        store_address: request.store_address,
        zone: request.zone,
    };
    let key = RequestKey::new(&request.request_id)?;
    direct(client, DirectoryCommand::PutNode(record), key, caller).await?;
    let deadline = Instant::now() + ANSWER_WAIT;
    loop {
        let listed = cluster::nodes(client).await?.nodes.into_iter().find(|node| node.id == request.id);
        let node = listed.ok_or_else(|| Status::aborted("the node was removed meanwhile"))?;
        if node.reachable || Instant::now() >= deadline {
            return Ok(node);
        }
        tokio::time::sleep(ANSWER_LOOK).await;
    }
}

pub(crate) async fn remove_node(
    client: &StoreClient,
    request: api::RemoveNodeRequest,
    caller: &Caller,
) -> Result<api::DeleteResponse, Status> {
    let key = RequestKey::new(&request.request_id)?;
    let counted = groups_counting(&statuses(client).await, &directory::groups(client).await?, request.id);
    if let Some(group) = counted.first() {
        return Err(Status::failed_precondition(format!(
            "group {group} still counts it: move its replicas first (`yubin ctl group move`)"
        )));
    }
    direct(client, DirectoryCommand::RemoveNode(request.id), key, caller).await?;
    Ok(api::DeleteResponse { removed: 1 })
}

/// Takes a replica from one node to another, or adds or removes one.
pub(crate) async fn move_replica(
    client: &StoreClient,
    request: api::MoveReplicaRequest,
    caller: &Caller,
) -> Result<api::MembershipProgress, Status> {
    let number = GroupNumber(request.group);
    let (from, to) = (Some(request.from).filter(|id| *id != 0), Some(request.to).filter(|id| *id != 0));
    if from == to {
        return Err(Status::invalid_argument("from, to: two nodes, or one of them"));
    }
    let recorded = directory::groups(client).await?.into_iter().find(|group| group.group == number);
    let recorded = recorded.ok_or_else(|| Status::not_found(format!("there is no group {number}")))?;
    let mut voters = recorded.voters.clone();
    voters.retain(|voter| Some(*voter) != from);
    voters.extend(to.filter(|to| !recorded.voters.contains(to)));
    if voters.is_empty() {
        return Err(Status::failed_precondition("a group has one voter at least"));
    }
    let join = match to {
        Some(to) => Some(joining(client, to).await?),
        None => None,
    };
    if let Some(joining) = &join {
        start_replica(client, joining.node, number).await?;
    }
    let change = VoterChange { group: number, join, leave: from };
    if let MembershipProgress::CatchingUp { behind } = client.change_voters(change).await.map_err(failed)? {
        return Ok(api::MembershipProgress { done: false, groups_left: 1, behind });
    }
    if let Some(from) = from {
        // A node that is gone keeps what it has: nobody counts it.
        if let Err(error) = client.membership(from, MembershipStep::RemoveReplica(number)).await {
            tracing::warn!(node = from, group.id = number.0, %error, "a replica that left its group stays on its disk");
        }
    }
    if voters != recorded.voters {
        let key = RequestKey::new(&[])?;
        direct(client, DirectoryCommand::PutGroup { group: number, voters }, key, caller).await?;
    }
    Ok(DONE)
}

/// Takes a node in again under its id, on a new disk: out of all groups, its old disk forgotten, and in again as a new replica.
///
/// Out first: a majority of the voters without it then holds all that was acknowledged, so what it forgot counts for nothing.
pub(crate) async fn readmit(client: &StoreClient, id: u64) -> Result<api::MembershipProgress, Status> {
    let joining = joining(client, id).await?;
    let statuses = statuses(client).await;
    let Some(node) = statuses.get(&id) else {
        return Err(Status::failed_precondition(format!("node {id} doesn't answer: start it on its empty disk first")));
    };
    let groups = directory::groups(client).await?;
    if cluster::is_strange(&statuses.values().collect::<Vec<_>>(), node) {
        let others: Vec<u64> =
            directory::nodes(client).await?.iter().map(|node| node.id).filter(|other| *other != id).collect();
        if let Some(away) = others.iter().find(|other| !statuses.contains_key(other)) {
            return Err(Status::failed_precondition(format!("node {away} doesn't answer: all others must be up")));
        }
        for group in groups_counting(&statuses, &groups, id) {
            let change = VoterChange { group, join: None, leave: Some(id) };
            client.change_voters(change).await.map_err(failed)?;
        }
        for other in others {
            client.membership(other, MembershipStep::ForgetDisk(id)).await.map_err(failed)?;
        }
    }
    let mut left = groups.iter().filter(|group| group.voters.contains(&id)).count();
    for group in groups.iter().filter(|group| group.voters.contains(&id)) {
        start_replica(client, id, group.group).await?;
        let change = VoterChange { group: group.group, join: Some(joining.clone()), leave: None };
        if let MembershipProgress::CatchingUp { behind } = client.change_voters(change).await.map_err(failed)? {
            let groups_left = u32::try_from(left).unwrap_or(u32::MAX);
            return Ok(api::MembershipProgress { done: false, groups_left, behind });
        }
        left -= 1;
    }
    Ok(DONE)
}

async fn start_replica(client: &StoreClient, node: u64, group: GroupNumber) -> Result<(), Status> {
    client.membership(node, MembershipStep::StartReplica(group)).await.map(drop).map_err(failed)
}

/// The groups that count a node as voter or learner, as their leaders say.
fn groups_counting(statuses: &BTreeMap<u64, NodeStatus>, groups: &[GroupRecord], id: u64) -> Vec<GroupNumber> {
    let counts = |status: &GroupStatus| status.voters.contains(&id) || status.learners.contains(&id);
    let numbers = groups.iter().map(|group| group.group);
    numbers.filter(|number| newest(statuses, *number).is_some_and(counts)).collect()
}

/// A group as the replica of the highest term sees it; of these, the one that applied most.
fn newest(statuses: &BTreeMap<u64, NodeStatus>, number: GroupNumber) -> Option<&GroupStatus> {
    let replicas = statuses.values().flat_map(|status| &status.groups).filter(|group| group.group == number);
    replicas.max_by_key(|status| (status.term, status.applied_index))
}

async fn joining(client: &StoreClient, id: u64) -> Result<Joining, Status> {
    let known = directory::nodes(client).await?.into_iter().find(|node| node.id == id);
    let known =
        known.ok_or_else(|| Status::not_found(format!("there is no node {id}; `yubin ctl node add` adds it")))?;
    Ok(Joining { node: id, peer_address: known.peer_address })
}

/// What the nodes that answer say of themselves.
async fn statuses(client: &StoreClient) -> BTreeMap<u64, NodeStatus> {
    let asked = client.statuses().await.into_iter();
    asked.filter_map(|(id, status)| Some((id, status.ok()?))).collect()
}

async fn direct(
    client: &StoreClient,
    command: DirectoryCommand,
    key: RequestKey,
    caller: &Caller,
) -> Result<(), Status> {
    let command = Command::Directory(command);
    let reply = client.propose(Scope::DIRECTORY, &command, key.step(0), caller, Vec::new()).await;
    accepted(reply.map_err(failed)?).map(drop)
}
