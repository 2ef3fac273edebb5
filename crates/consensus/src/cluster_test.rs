//! Three real nodes on 127.0.0.1, with RocksDB in temporary directories: the whole of it but a
//! separate process each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;

use crate::body::{Body, BodyRef};
use crate::config::NodeConfig;
use crate::error::ProposeError;
use crate::group::{Committed, Group};
use crate::ids::{DiskId, GroupId, NodeId, PeerAddress};
use crate::janitor::LogBounds;
use crate::node::Node;
use crate::sim::machine::{Machine, Operation, digest, records};
use crate::transport::{AddressBook, Channel, Identity, Tls, TlsFiles, TonicDial, greeted};

mod membership;

const GROUP: GroupId = GroupId(7);
const CLUSTER: u128 = 42;
/// Far beyond what anything here takes on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_secs(60);

struct Cluster {
    nodes: BTreeMap<NodeId, Node>,
    dirs: BTreeMap<NodeId, TempDir>,
    book: AddressBook,
    bounds: LogBounds,
    last: u64,
}

impl Cluster {
    async fn start(bounds: LogBounds) -> Self {
        let dirs = (1..=3).map(|id| (NodeId(id), tempfile::tempdir().unwrap())).collect();
        let mut cluster = Self { dirs, nodes: BTreeMap::new(), book: AddressBook::new(), bounds, last: 0 };
        let voters: BTreeSet<NodeId> = (1..=3).map(NodeId).collect();
        for node in &voters {
            cluster.open(*node).await;
        }
        for node in cluster.nodes.values() {
            let voters = voters.iter().map(|voter| (*voter, PeerAddress::default())).collect();
            node.create_group(GROUP, voters).await.unwrap();
        }
        cluster
    }

    async fn open(&mut self, id: NodeId) {
        let node = open_when_free(self.dirs[&id].path(), id, &self.book, self.bounds).await;
        self.book.set(id, node.listening().unwrap().to_string());
        self.nodes.insert(id, node);
    }

    fn group(&self, id: NodeId) -> Group {
        self.nodes[&id].group(GROUP).unwrap()
    }

    /// Some node that leads.
    async fn leader(&self) -> NodeId {
        let elections = self.nodes.keys().map(|id| {
            let mut leadership = self.group(*id).leadership();
            Box::pin(async move {
                leadership.wait_for(|now| now.is_leader()).await.unwrap();
                *id
            })
        });
        let elected = futures::future::select_all(elections);
        tokio::time::timeout(PATIENCE, elected).await.expect("a leader").0
    }

    /// Proposes until somebody accepts it.
    async fn propose(&mut self, bodies: Vec<Bytes>) -> Committed {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "nobody accepts a proposal");
            self.last += 1;
            let group = self.group(self.leader().await);
            let mut parts = Vec::new();
            for body in &bodies {
                parts.push(if body.len() < 100_000 {
                    Body::Inline(body.clone())
                } else {
                    let mut writer = group.stage_body().await.unwrap();
                    writer.write(body.clone()).await.unwrap();
                    Body::Staged(writer.finish().await.unwrap())
                });
            }
            match group.propose(Operation::Store(self.last).encode(), parts).await {
                Ok(committed) => return committed,
                Err(ProposeError::NotLeader { .. } | ProposeError::Unknown(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits until a node has applied `index`.
    async fn applied(&self, id: NodeId, index: u64) {
        let raft = self.group(id).raft().ok().unwrap();
        raft.wait(Some(PATIENCE)).applied_index_at_least(Some(index), "catch up").await.unwrap();
    }

    /// Shuts all nodes down: a process that ends while RocksDB's threads run may abort.
    async fn end(self) {
        futures::future::join_all(self.nodes.values().map(Node::shutdown)).await;
    }

    /// Checks that all nodes have the same state, with all bodies.
    async fn check_equal(&self, index: u64) {
        let mut states = Vec::new();
        for id in self.nodes.keys() {
            self.applied(*id, index).await;
            let view = self.group(*id).view();
            states.push((digest(&view), records(&view)));
            for body in records(&view).iter().flat_map(|record| &record.bodies) {
                read_whole(&self.group(*id), body).await;
            }
        }
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

/// Opens a node; a predecessor that was dropped may still be letting go of the directory.
async fn open_when_free(dir: &Path, node: NodeId, book: &AddressBook, bounds: LogBounds) -> Node {
    open_with_tls(dir, node, book, bounds, None).await
}

async fn open_with_tls(dir: &Path, node: NodeId, book: &AddressBook, bounds: LogBounds, tls: Option<TlsFiles>) -> Node {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let config = NodeConfig {
            cluster: Some(CLUSTER),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            peers: book.clone(),
            tls: tls.clone(),
            ..NodeConfig::single(dir, node)
        };
        match Node::open_with(config, Arc::new(Machine), bounds).await {
            Ok(node) => return node,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn read_whole(group: &Group, body: &BodyRef) {
    let mut at = 0;
    while at < body.len() {
        let end = body.len().min(at + (1 << 20));
        at += group.read_body(body, at..end).await.unwrap().len() as u64;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_replicate_lose_their_leader_and_take_it_back() {
    let mut cluster = Cluster::start(LogBounds::default()).await;
    let mut last = 0;
    for number in 0..50u8 {
        let bodies = match number % 10 {
            3 => vec![Bytes::from(vec![number; 3_000])],
            7 => vec![Bytes::from(vec![number; 2 << 20]), Bytes::from_static(b"small")],
            _ => Vec::new(),
        };
        last = cluster.propose(bodies).await.position.index;
    }
    cluster.check_equal(last).await;

    let leader = cluster.leader().await;
    drop(cluster.nodes.remove(&leader));
    let killed = Instant::now();
    last = cluster.propose(Vec::new()).await.position.index;
    println!("failover took {} ms", killed.elapsed().as_millis());
    for _ in 0..20 {
        last = cluster.propose(vec![Bytes::from(vec![1; 300_000])]).await.position.index;
    }

    cluster.open(leader).await;
    let opened = Instant::now();
    cluster.check_equal(last).await;
    println!("catching up by log took {} ms", opened.elapsed().as_millis());
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_too_long_gets_a_snapshot() {
    let bounds = LogBounds {
        interval: Duration::from_millis(100),
        entries_max: 40,
        bytes_max: 1 << 30,
        entries_kept: 5,
        entries_hard_max: 60,
        ..LogBounds::default()
    };
    let mut cluster = Cluster::start(bounds).await;
    cluster.propose(vec![Bytes::from(vec![9; 200_000]), Bytes::from_static(b"early")]).await;
    let leader = cluster.leader().await;
    let away = *cluster.nodes.keys().find(|node| **node != leader).unwrap();
    let seen = cluster.group(away).replica().log.lock().end_index();
    drop(cluster.nodes.remove(&away));

    let deadline = Instant::now() + PATIENCE;
    let mut last = 0;
    while cluster.group(cluster.leader().await).replica().log.lock().first_index() <= seen + 10 {
        assert!(Instant::now() < deadline, "the log is not purged");
        last = cluster.propose(vec![Bytes::from(vec![3; 120_000]), Bytes::from(vec![4; 100])]).await.position.index;
    }
    cluster.open(away).await;
    let opened = Instant::now();
    cluster.check_equal(last).await;
    println!("catching up by snapshot took {} ms", opened.elapsed().as_millis());
    let first = cluster.group(away).replica().log.lock().first_index();
    assert!(first > seen, "it caught up by the log: {first}");
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_file_that_is_missing_is_fetched() {
    let mut cluster = Cluster::start(LogBounds::default()).await;
    let last = cluster.propose(vec![Bytes::from(vec![9; 300_000])]).await.position.index;
    cluster.check_equal(last).await;
    let leader = cluster.leader().await;
    for lacks in [*cluster.nodes.keys().find(|node| **node != leader).unwrap(), leader] {
        let engine = Arc::clone(&cluster.nodes[&lacks].shared.disk.engine);
        let file = engine.files().list(GROUP).unwrap()[0].id;
        engine.files().remove(GROUP, file).unwrap();
        let deadline = Instant::now() + PATIENCE;
        // Followers that have not met yet refuse each other; the next sweep asks again.
        while engine.files().len(GROUP, file).unwrap() != Some(300_000) {
            assert!(Instant::now() < deadline, "the file is not fetched");
            let (replica, peers) = (cluster.group(lacks).replica(), &cluster.nodes[&lacks].shared.peers);
            crate::reclaim::sweep(&replica, peers).await.unwrap();
        }
        assert!(cluster.group(lacks).metrics().missing_files > 0);
    }
    cluster.check_equal(last).await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_moves_on_request() {
    let mut cluster = Cluster::start(LogBounds::default()).await;
    let last = cluster.propose(Vec::new()).await.position.index;
    let leader = cluster.leader().await;
    let heir = *cluster.nodes.keys().find(|node| **node != leader).unwrap();
    cluster.applied(heir, last).await;
    let asked = Instant::now();
    cluster.nodes[&leader].transfer_leader(GROUP, heir).await.unwrap();
    let mut leadership = cluster.group(heir).leadership();
    tokio::time::timeout(PATIENCE, leadership.wait_for(|now| now.is_leader())).await.unwrap().unwrap();
    println!("a transfer took {} ms", asked.elapsed().as_millis());
    let last = cluster.propose(Vec::new()).await.position.index;
    cluster.check_equal(last).await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let book = AddressBook::new();
    let node = open_when_free(dir.path(), NodeId(1), &book, LogBounds::default()).await;
    book.set(NodeId(1), node.listening().unwrap().to_string());
    book.set(NodeId(2), node.listening().unwrap().to_string());
    let dial = TonicDial::new(book, None);
    let me = Identity { cluster: CLUSTER, node: NodeId(3), disk: DiskId(3) };
    let meet = |identity: Identity, to| {
        let dial = &dial;
        async move { greeted(dial, &identity, NodeId(to), Channel::Control).await.map(drop) }
    };
    meet(me, 1).await.unwrap();
    let elsewhere = Identity { disk: DiskId(4), ..me };
    assert!(meet(elsewhere, 1).await.unwrap_err().to_string().contains("yubin ctl node readmit 3"));
    node.forget_disk(NodeId(3)).await.unwrap();
    meet(elsewhere, 1).await.unwrap();
    assert!(meet(me, 1).await.is_err(), "two disks under one id");
    let other = Identity { cluster: CLUSTER + 1, ..me };
    assert!(meet(other, 1).await.unwrap_err().to_string().contains("another cluster"));
    assert!(meet(me, 2).await.unwrap_err().to_string().contains("this is node 1"));
    assert!(meet(me, 9).await.unwrap_err().to_string().contains("no address"));
    node.shutdown().await;
}

/// An authority and one certificate that it signed for the nodes.
fn certificates(dir: &Path, name: &str) -> TlsFiles {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let write = |file: &str, text: String| {
        let path = dir.join(file);
        std::fs::write(&path, text).unwrap();
        path
    };
    TlsFiles {
        certificate: write("certificate.pem", certificate.pem()),
        key: write("key.pem", key.serialize_pem()),
        authority: write("authority.pem", authority_pem),
        name: name.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_certificates_only_nodes_of_the_same_authority_are_served() {
    let (our_dir, their_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ours, theirs) = (certificates(our_dir.path(), "peer.test"), certificates(their_dir.path(), "peer.test"));
    let dir = tempfile::tempdir().unwrap();
    let book = AddressBook::new();
    let node = open_with_tls(dir.path(), NodeId(1), &book, LogBounds::default(), Some(ours.clone())).await;
    book.set(NodeId(1), node.listening().unwrap().to_string());
    let meet = |tls: Option<&TlsFiles>| {
        let dial = TonicDial::new(book.clone(), tls.map(|files| Tls::load(files).unwrap()));
        let me = Identity { cluster: CLUSTER, node: NodeId(3), disk: DiskId(3) };
        async move { greeted(&dial, &me, NodeId(1), Channel::Control).await.map(drop) }
    };
    meet(Some(&ours)).await.unwrap();
    assert!(meet(Some(&theirs)).await.is_err(), "a stranger's certificate was accepted");
    assert!(meet(None).await.is_err(), "plain text was accepted");
    node.shutdown().await;
}
