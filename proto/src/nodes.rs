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
pub async fn follow(client: Arc<StoreClient>, own: Option<u64>, mut known: BTreeMap<u64, String>) {
    let news = client.subscribe(GroupNumber::DIRECTORY, &[Topic::Directory.number()]);
    loop {
        match client.query(Scope::DIRECTORY, Query::Nodes).await {
            Ok(Answer::Nodes(listed)) => {
                // Nothing is listed before the cluster's first leader has written it down.
                if !listed.is_empty() {
                    let listed = listed.into_iter().filter(|node| Some(node.id) != own).collect();
                    take_over(&client, &mut known, listed);
                }
                tokio::time::sleep(LOOK_PAUSE).await;
                news.changed().await;
                continue;
            }
            Ok(other) => tracing::error!(answer = ?other, "unexpected answer to a question for the nodes"),
            Err(error) => tracing::debug!(%error, "the nodes can't be asked for"),
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

fn take_over(client: &StoreClient, known: &mut BTreeMap<u64, String>, listed: Vec<NodeRecord>) {
    known.retain(|id, _| {
        let stays = listed.iter().any(|node| node.id == *id);
        if !stays {
            client.remove_node(*id);
            tracing::info!(node = id, "a store node left");
        }
        stays
    });
    for node in listed {
        // A node alone has no address.
        if node.store_address.is_empty() || known.get(&node.id) == Some(&node.store_address) {
            continue;
        }
        match RemoteNode::new(&format!("http://{}", node.store_address)) {
            Ok(remote) => {
                client.put_node(node.id, Arc::new(remote));
                tracing::info!(node = node.id, address = node.store_address, "a store node came");
                known.insert(node.id, node.store_address);
            }
            Err(error) => tracing::error!(node = node.id, %error, "a node's address is none"),
        }
    }
}
