//! Nodes and groups: what the directory records, beside what the nodes say of themselves.

use std::collections::BTreeMap;

use tonic::Status;
use yubin_proto::contract::GroupHealth;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{GroupStatus, NodeStatus, StoreClient, StoreError};
use yubin_types::GroupNumber;

use crate::directory;

type Statuses = BTreeMap<u64, Result<NodeStatus, StoreError>>;

pub(crate) async fn nodes(client: &StoreClient) -> Result<api::ListNodesResponse, Status> {
    let recorded = directory::nodes(client).await?;
    let statuses: Statuses = client.statuses().await.into_iter().collect();
    let up: Vec<&NodeStatus> = statuses.values().filter_map(|status| status.as_ref().ok()).collect();
    let node = |record: yubin_state::record::NodeRecord| {
        let status = statuses.get(&record.id);
        let own = status.and_then(|status| status.as_ref().ok());
        let groups = own.map(|own| own.groups.as_slice()).unwrap_or_default();
        let leads = groups.iter().filter(|group| group.leader == Some(record.id)).count();
        api::Node {
            id: record.id,
            name: record.name,
            peer_address: record.peer_address,
            store_address: record.store_address,
            zone: record.zone,
            reachable: matches!(status, Some(Ok(_))),
            error: match status {
                Some(Ok(_)) => String::new(),
                Some(Err(error)) => error.to_string(),
                None => "this process doesn't know how to reach it".to_owned(),
            },
            leads: u32::try_from(leads).unwrap_or(u32::MAX),
            replicas: u32::try_from(groups.len()).unwrap_or(u32::MAX),
            strange_disk: own.is_some_and(|own| is_strange(&up, own)),
            clock_ahead_ms: own.map_or(0, |own| own.clock_ahead_ms),
        }
    };
    Ok(api::ListNodesResponse { nodes: recorded.into_iter().map(node).collect() })
}

pub(crate) async fn groups(client: &StoreClient) -> Result<api::ListGroupsResponse, Status> {
    let recorded = directory::groups(client).await?;
    let statuses: Statuses = client.statuses().await.into_iter().collect();
    let domains: BTreeMap<GroupNumber, u64> = recorded.iter().map(|group| (group.group, group.domains)).collect();
    let numbers = std::iter::once(GroupNumber::DIRECTORY).chain(recorded.iter().map(|group| group.group));
    let mut numbers: Vec<GroupNumber> = numbers.collect();
    numbers.dedup();
    let group = |number: GroupNumber| {
        let replicas = replicas(&statuses, number);
        // The highest term knows the leader best.
        let newest = replicas.iter().max_by_key(|(_, status)| status.term).map(|(_, status)| *status);
        api::Group {
            group: number.0,
            leader: newest.and_then(|status| status.leader),
            voters: newest.map(|status| status.voters.clone()).unwrap_or_default(),
            term: newest.map_or(0, |status| status.term),
            domains: domains.get(&number).copied().unwrap_or(0),
            replicas: replicas.iter().map(|(node, status)| replica(*node, status)).collect(),
        }
    };
    Ok(api::ListGroupsResponse { groups: numbers.into_iter().map(group).collect() })
}

/// Is a node's disk another one than a peer knows it by?
pub(crate) fn is_strange(up: &[&NodeStatus], node: &NodeStatus) -> bool {
    let known = up.iter().flat_map(|status| &status.known_disks);
    known.into_iter().any(|(id, disk)| *id == node.node && *disk != node.disk)
}

fn replicas(statuses: &Statuses, number: GroupNumber) -> Vec<(u64, &GroupStatus)> {
    let mut found = Vec::new();
    for (node, status) in statuses {
        if let Ok(status) = status {
            found.extend(status.groups.iter().filter(|group| group.group == number).map(|group| (*node, group)));
        }
    }
    found
}

fn replica(node: u64, status: &GroupStatus) -> api::Replica {
    api::Replica {
        node,
        applied_index: status.applied_index,
        last_log_index: status.last_log_index,
        faulted: status.health == GroupHealth::Faulted,
    }
}
