//! Nodes that lose their disk, replicas that leave and come back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::{Cluster, GROUP, PATIENCE, open_when_free};
use crate::engine::{Cf, Direction};
use crate::ids::{GroupId, NodeId, PeerAddress};
use crate::janitor::LogBounds;
use crate::keys;
use crate::limits::HEARTBEAT;
use crate::node::Node;
use crate::transport::AddressBook;

/// A replica that forgot its vote and what it acknowledged must not take part as if nothing had happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_disk_is_no_peer_until_it_is_taken_in_again() {
    let mut cluster = Cluster::start(LogBounds::default()).await;
    let large = Bytes::from(vec![7; 200_000]);
    let before = cluster.propose(vec![large.clone(), Bytes::from_static(b"small")]).await.position.index;
    cluster.check_equal(before).await;
    let everybody: BTreeSet<NodeId> = (1..=3).map(NodeId).collect();
    let lost = *everybody.iter().find(|node| !cluster.group(**node).leadership().borrow().is_leader()).unwrap();
    let others: BTreeSet<NodeId> = everybody.iter().copied().filter(|node| *node != lost).collect();
    acquainted(&cluster).await;

    cluster.nodes.remove(&lost).unwrap().shutdown().await;
    cluster.dirs.insert(lost, tempfile::tempdir().unwrap());
    cluster.open(lost).await;
    let voters = everybody.iter().map(|voter| (*voter, PeerAddress::default())).collect();
    cluster.nodes[&lost].bootstrap([GROUP].into_iter(), voters).await.unwrap();
    // The others go on without it; a heartbeat later it still has nothing.
    let meanwhile = cluster.propose(vec![large]).await.position.index;
    let raft = cluster.group(lost).raft().ok().unwrap();
    assert!(raft.wait(Some(HEARTBEAT * 10)).applied_index_at_least(Some(before), "nothing").await.is_err());

    let leader = cluster.leader().await;
    cluster.nodes[&leader].change_membership(GROUP, others.clone()).await.unwrap();
    for node in &others {
        cluster.nodes[node].forget_disk(lost).await.unwrap();
    }
    cluster.nodes[&leader].add_learner(GROUP, lost, PeerAddress::default()).await.unwrap();
    cluster.applied(lost, meanwhile).await;
    cluster.nodes[&leader].change_membership(GROUP, everybody).await.unwrap();
    let last = cluster.propose(Vec::new()).await.position.index;
    cluster.check_equal(last).await;
    cluster.end().await;
}

/// Waits until every node knows the disks of all others.
async fn acquainted(cluster: &Cluster) {
    let deadline = Instant::now() + PATIENCE;
    for node in cluster.nodes.values() {
        while node.disks().await.1.len() < cluster.nodes.len() - 1 {
            assert!(Instant::now() < deadline, "the nodes never met");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_left_its_group_can_be_removed_and_come_back() {
    let mut cluster = Cluster::start(LogBounds::default()).await;
    let large = Bytes::from(vec![7; 200_000]);
    let first = cluster.propose(vec![large.clone(), Bytes::from_static(b"small")]).await.position.index;
    cluster.check_equal(first).await;
    let leader = cluster.leader().await;
    let refused = cluster.nodes[&leader].remove_group(GROUP).await.unwrap_err().to_string();
    assert!(refused.contains("leads"), "{refused}");

    let everybody: BTreeSet<NodeId> = (1..=3).map(NodeId).collect();
    let leaving = *everybody.iter().find(|node| **node != leader).unwrap();
    let others: BTreeSet<NodeId> = everybody.iter().copied().filter(|node| *node != leaving).collect();
    cluster.nodes[&leader].change_membership(GROUP, others).await.unwrap();
    cluster.nodes[&leaving].remove_group(GROUP).await.unwrap();
    assert!(cluster.nodes[&leaving].group(GROUP).is_none());
    let engine = Arc::clone(&cluster.nodes[&leaving].shared.disk.engine);
    let (from, to) = keys::of_group(GROUP);
    for family in [Cf::Raft, Cf::Body, Cf::State] {
        let left = |_: &[u8], _: &[u8]| panic!("a row is left in {family:?}");
        engine.scan(family, &from, &to, Direction::Forward, &mut { left }).unwrap();
    }
    assert!(engine.files().list(GROUP).unwrap().is_empty());
    drop(engine);

    // It stays away over a restart, and what the cluster began with is not made anew.
    cluster.nodes.remove(&leaving).unwrap().shutdown().await;
    cluster.open(leaving).await;
    assert!(cluster.nodes[&leaving].group(GROUP).is_none());
    cluster.nodes[&leaving].create_group(GROUP, BTreeMap::new()).await.unwrap();
    let leader = cluster.leader().await;
    cluster.nodes[&leader].add_learner(GROUP, leaving, PeerAddress::default()).await.unwrap();
    cluster.nodes[&leader].change_membership(GROUP, everybody).await.unwrap();
    let last = cluster.propose(vec![large]).await.position.index;
    cluster.check_equal(last).await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_created_at_the_very_first_start_only() {
    let dir = tempfile::tempdir().unwrap();
    let book = AddressBook::new();
    let begin = |node: Node| async move {
        let voters = BTreeMap::from([(NodeId(1), PeerAddress::default())]);
        node.bootstrap([GROUP, GroupId(8)].into_iter(), voters).await.unwrap();
        node
    };
    let node = begin(open_when_free(dir.path(), NodeId(1), &book, LogBounds::default()).await).await;
    assert_eq!(node.groups().len(), 2);
    // As after it moved elsewhere.
    crate::reclaim::remove_all(&node.shared.disk, GroupId(8)).await.unwrap();
    node.shutdown().await;
    drop(node);
    let node = begin(open_when_free(dir.path(), NodeId(1), &book, LogBounds::default()).await).await;
    assert!(node.group(GROUP).is_some() && node.group(GroupId(8)).is_none());
    node.shutdown().await;
}
