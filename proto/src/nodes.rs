//! The nodes of a client, kept as the directory lists them: what the configuration names is only where a process begins to ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use yubin_state::record::NodeRecord;
use yubin_state::{Answer, Query, Topic};
use yubin_types::GroupNumber;

use crate::client::StoreClient;
use crate::contract::Scope;
use crate::grpc::RemoteNode;

/// The directory changes with every domain, its nodes hardly ever.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Follows the directory for as long as it runs. `known` are the addresses of the nodes that the client has already, without the store
/// in this process, which is reached otherwise.
pub async fn follow(client: Arc<StoreClient>, own: Option<u64>, known: BTreeMap<u64, String>) {
    let mut follower = Follower { client: Arc::clone(&client), own, known };
    let news = client.subscribe(GroupNumber::DIRECTORY, &[Topic::Directory.number()]);
    // Before the groups are written down, the nodes may not all be: who is missing from the list then has not left.
    while tokio::time::timeout(LOOK_PAUSE, client.ready()).await.is_err() {
        follower.ask_around().await;
    }
    loop {
        match client.query(Scope::DIRECTORY, Query::Nodes).await {
            Ok(Answer::Nodes(listed)) => {
                follower.take_over(listed);
                tokio::time::sleep(LOOK_PAUSE).await;
                news.changed().await;
                continue;
            }
            Ok(other) => tracing::error!(answer = ?other, "unexpected answer to a question for the nodes"),
            Err(error) => {
                tracing::debug!(%error, "the nodes can't be asked for");
                follower.ask_around().await;
            }
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

struct Follower {
    client: Arc<StoreClient>,
    own: Option<u64>,
    known: BTreeMap<u64, String>,
}

impl Follower {
    /// The directory says who there is.
    fn take_over(&mut self, listed: Vec<NodeRecord>) {
        let left: Vec<u64> =
            self.known.keys().filter(|id| !listed.iter().any(|node| node.id == **id)).copied().collect();
        for id in left {
            self.known.remove(&id);
            self.client.remove_node(id);
            tracing::info!(node = id, "a store node left");
        }
        for node in listed {
            self.meet(node.id, &node.store_address);
        }
    }

    /// The directory's leader may be a node that is not known yet: those that are known say whom they have heard of.
    async fn ask_around(&mut self) {
        for (_, status) in self.client.statuses().await {
            for (id, address) in status.map(|status| status.nodes).unwrap_or_default() {
                if !self.known.contains_key(&id) {
                    self.meet(id, &address);
                }
            }
        }
    }

    fn meet(&mut self, id: u64, address: &str) {
        // A node alone has no address.
        if address.is_empty() || self.own == Some(id) || self.known.get(&id).is_some_and(|known| known == address) {
            return;
        }
        match RemoteNode::new(&format!("http://{address}")) {
            Ok(remote) => {
                self.client.put_node(id, Arc::new(remote));
                tracing::info!(node = id, address, "a store node came");
                self.known.insert(id, address.to_owned());
            }
            Err(error) => tracing::error!(node = id, %error, "a node's address is none"),
        }
    }
}
