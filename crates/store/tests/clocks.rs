//! Three store nodes, one of which has a clock that is a year ahead: it stamps nothing, leads nothing, and mail goes on without it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // A test fails by panicking.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use yubin_proto::{Caller, ClientSettings, NodeStatus, Scope, StoreClient};
use yubin_state::command::DirectoryCommand;
use yubin_state::record::NodeRecord;
use yubin_state::{Command, Reply};
use yubin_store::{Member, Store, StoreSettings};
use yubin_types::Timestamp;

const YEAR_MS: u64 = 365 * 24 * 3_600 * 1_000;
const IDS: [u64; 3] = [1, 2, 3];

struct Cluster {
    stores: Vec<Store>,
    /// What each node's clock is ahead of the machine's, milliseconds.
    ahead: Vec<Arc<AtomicU64>>,
    client: Arc<StoreClient>,
}

impl Cluster {
    async fn start(folder: &Path) -> Cluster {
        let addresses = free_addresses();
        let member = |(id, address): (u64, &SocketAddr)| Member {
            id,
            peer_address: address.to_string(),
            store_address: String::new(),
        };
        let members: Vec<Member> = IDS.into_iter().zip(&addresses).map(member).collect();
        let ahead: Vec<Arc<AtomicU64>> = IDS.iter().map(|_| Arc::default()).collect();
        let mut stores = Vec::new();
        for ((id, address), ahead) in IDS.into_iter().zip(addresses).zip(&ahead) {
            let (machine, ahead) = (StoreSettings::system_clock(), Arc::clone(ahead));
            let settings = StoreSettings {
                data_dir: folder.join(id.to_string()),
                node: id,
                cluster: Some(7),
                listen: Some(address),
                members: members.clone(),
                data_groups: 2,
                memory_bytes: 64 << 20,
                space_reserve_bytes: 0,
                mail_log_bytes: 1 << 20,
                peer_tls: None,
                raft_threads: 1,
                clock: Arc::new(move || Timestamp(machine().0 + ahead.load(Ordering::Relaxed))),
            };
            stores.push(Store::open(settings).await.unwrap());
        }
        let nodes: BTreeMap<_, _> = IDS.into_iter().zip(&stores).map(|(id, store)| (id, store.node())).collect();
        let client = StoreClient::new(nodes, ClientSettings::default());
        for store in &stores {
            store.watch_clocks(Arc::clone(&client));
        }
        client.ready().await;
        Cluster { stores, ahead, client }
    }

    async fn statuses(&self) -> BTreeMap<u64, NodeStatus> {
        self.client.statuses().await.into_iter().map(|(id, status)| (id, status.unwrap())).collect()
    }

    /// Looks until `wanted` is true of where the nodes stand.
    async fn until(&self, what: &str, wanted: impl Fn(&BTreeMap<u64, NodeStatus>) -> bool) {
        let looking = async {
            while !wanted(&self.statuses().await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), looking).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    async fn write(&self, name: &str) {
        let record = NodeRecord {
            id: 9,
            name: name.to_owned(),
            peer_address: String::new(),
            store_address: String::new(),
            zone: String::new(),
        };
        let put = Command::Directory(DirectoryCommand::PutNode(record));
        let reply = self.client.propose_once(Scope::DIRECTORY, &put, &Caller::internal("test")).await.unwrap();
        assert!(!matches!(reply, Reply::Refused(_)), "{reply:?}");
    }
}

fn free_addresses() -> Vec<SocketAddr> {
    let held: Vec<TcpListener> = IDS.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

fn leads(status: &NodeStatus) -> usize {
    status.groups.iter().filter(|group| group.leader == Some(status.node)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_clock_is_off_leads_nothing_until_it_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    cluster.until("each group has a leader", |nodes| nodes.values().map(leads).sum::<usize>() == 3).await;
    let (wrong, _) = cluster.statuses().await.into_iter().find(|(_, status)| leads(status) > 0).unwrap();
    let ahead = &cluster.ahead[usize::try_from(wrong).unwrap() - 1];

    ahead.store(YEAR_MS, Ordering::Relaxed);
    cluster
        .until("another node leads", |nodes| {
            leads(&nodes[&wrong]) == 0 && nodes.values().map(leads).sum::<usize>() == 3
        })
        .await;
    assert!(cluster.statuses().await[&wrong].clock_ahead_ms.unsigned_abs() > YEAR_MS - 60_000);
    cluster.write("meanwhile").await;

    ahead.store(0, Ordering::Relaxed);
    cluster.until("it is believed again", |nodes| nodes[&wrong].clock_ahead_ms == 0).await;
    for store in &cluster.stores {
        store.shutdown().await;
    }
}
