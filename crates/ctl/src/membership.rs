//! `yubin ctl node` and `yubin ctl group`: the calls they make. Whatever takes long is asked for again until it is done, and may be
//! interrupted and called again.

use std::io::Write as _;
use std::time::Duration;

use anyhow::ensure;
use yubin_proto::r#gen::admin as api;

use super::args::{GroupVerb, MoveArgs, NodeArgs, NodeVerb};
use super::call::request_id;
use super::connection::Connection;
use super::show::{Form, Shown as _};

/// Between two questions whether something is done.
const PROGRESS_PAUSE: Duration = Duration::from_millis(500);

/// Carries out a command on nodes.
pub(crate) async fn node(mut api: Connection, verb: NodeVerb, form: Form) -> anyhow::Result<String> {
    match verb {
        NodeVerb::List => {}
        NodeVerb::Add(NodeArgs { id, peer, store, zone }) => {
            let request =
                api::PutNodeRequest { id, peer_address: peer, store_address: store, zone, request_id: request_id() };
            return Ok(vec![api.put_node(request).await?.into_inner()].shown(form));
        }
        NodeVerb::Remove { id } => {
            api.remove_node(api::RemoveNodeRequest { id, request_id: request_id() }).await?;
        }
        NodeVerb::Readmit { id } => {
            while still_to_do(api.readmit_node(api::ReadmitNodeRequest { id }).await?.into_inner()).await {}
        }
        NodeVerb::Replace { old, new } => {
            let groups = api.list_groups(api::ListGroupsRequest {}).await?.into_inner().groups;
            for group in groups.iter().filter(|group| group.voters.contains(&old)) {
                move_replica(&mut api, api::MoveReplicaRequest { group: group.group, from: old, to: new }).await?;
            }
        }
    }
    Ok(api.list_nodes(api::ListNodesRequest {}).await?.into_inner().nodes.shown(form))
}

/// Carries out a command on groups.
pub(crate) async fn group(mut api: Connection, verb: GroupVerb, form: Form) -> anyhow::Result<String> {
    if let GroupVerb::Move(MoveArgs { group, from, to }) = verb {
        ensure!(from != to, "--from and --to name the same node");
        move_replica(&mut api, api::MoveReplicaRequest { group, from, to }).await?;
    }
    Ok(api.list_groups(api::ListGroupsRequest {}).await?.into_inner().groups.shown(form))
}

async fn move_replica(api: &mut Connection, request: api::MoveReplicaRequest) -> anyhow::Result<()> {
    say(&format!("moving group {}", request.group));
    while still_to_do(api.move_replica(request).await?.into_inner()).await {}
    Ok(())
}

/// Tells how far it is, and waits before it is asked for again.
async fn still_to_do(progress: api::MembershipProgress) -> bool {
    if !progress.done {
        say(&format!("{} groups to go; the present one lacks {} entries", progress.groups_left, progress.behind));
        tokio::time::sleep(PROGRESS_PAUSE).await;
    }
    !progress.done
}

/// On standard error: standard output is the result's.
fn say(line: &str) {
    // Nobody may be reading.
    drop(writeln!(std::io::stderr(), "{line}"));
}
