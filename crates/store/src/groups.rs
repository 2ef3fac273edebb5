//! The very first start of a cluster: groups are made alike on every first node, then written down in the directory by its leader.
//!
//! Every node of the first hour starts its replica of the directory and of all data groups with the same voters; Raft makes one group
//! of each. Whoever leads the directory then records nodes, the plan that domains get when none is named, and groups last: with them
//! the record is complete, and from then on nodes and voters change by the administration alone. Recording is idempotent, so it simply
//! runs whenever leadership arrives here. A node that is not among the first waits until it is added.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use yubin_consensus::{AdminError, GroupId, Node, NodeId, PeerAddress};
use yubin_proto::{Proposal, Scope, StoreError, StoreNode as _};
use yubin_state::command::DirectoryCommand;
use yubin_state::record::{NodeRecord, Plan};
use yubin_state::{Actor, Answer, Command, DedupeClass, Encode as _, Envelope, Query, Reply};
use yubin_types::{DomainId, Epoch, GroupNumber, Limit, Quota, RequestId, SendingLimits, Timestamp, TraceId, limits};

use crate::service::Shared;
use crate::settings::StoreSettings;

/// The plan of a domain for which none is named.
pub(crate) const DEFAULT_PLAN: &str = "standard";

/// Pause before recording is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Makes this node's replica of every group that the cluster begins with, if it begins with this node and has not begun yet.
pub(crate) async fn bootstrap(node: &Node, settings: &StoreSettings) -> Result<(), AdminError> {
    if !settings.members.iter().any(|member| member.id == settings.node) {
        if node.groups().is_empty() {
            tracing::info!(node = settings.node, "not among the first nodes: waits for `yubin ctl node add`");
        }
        return Ok(());
    }
    let voters: BTreeMap<NodeId, PeerAddress> =
        settings.members.iter().map(|member| (NodeId(member.id), PeerAddress(member.peer_address.clone()))).collect();
    node.bootstrap((0..=settings.data_groups).map(GroupId), voters).await
}

/// Records nodes, groups and the default plan in the directory whenever this node leads it.
pub(crate) async fn keep_recorded(shared: Arc<Shared>, settings: StoreSettings) {
    let Some(directory) = shared.node().group(GroupId(0)) else { return };
    let mut leadership = directory.leadership();
    loop {
        let leads = leadership.borrow_and_update().is_leader();
        if leads && record(&shared, &settings).await.is_err() {
            tokio::time::sleep(RETRY_PAUSE).await;
            continue;
        }
        if leadership.changed().await.is_err() {
            return;
        }
    }
}

/// Writes down what the directory doesn't hold yet.
async fn record(shared: &Shared, settings: &StoreSettings) -> Result<(), StoreError> {
    let nodes = match shared.query(Scope::DIRECTORY, Query::Nodes).await? {
        Answer::Nodes(nodes) => nodes,
        other => return Err(StoreError::Malformed(format!("unexpected answer: {other:?}"))),
    };
    let groups = match shared.query(Scope::DIRECTORY, Query::Groups).await? {
        Answer::Groups(groups) => groups,
        other => return Err(StoreError::Malformed(format!("unexpected answer: {other:?}"))),
    };
    for member in &settings.members {
        let known = nodes.iter().find(|node| node.id == member.id);
        // A node that was removed stays away; one that is there may have moved.
        let record = known.cloned().or_else(|| groups.is_empty().then(|| unnamed(member.id)));
        if let Some(mut record) = record {
            record.peer_address.clone_from(&member.peer_address);
            record.store_address.clone_from(&member.store_address);
            if known != Some(&record) {
                put(shared, DirectoryCommand::PutNode(record)).await?;
            }
        }
    }
    let plans = match shared.query(Scope::DIRECTORY, Query::Plans).await? {
        Answer::Plans(plans) => plans,
        other => return Err(StoreError::Malformed(format!("unexpected answer: {other:?}"))),
    };
    if plans.is_empty() {
        put(shared, DirectoryCommand::PutPlan(default_plan())).await?;
    }
    let voters: Vec<u64> = settings.members.iter().map(|member| member.id).collect();
    // Groups come last, those that hold domains before the directory's own: a cluster with groups is ready.
    for number in (1..=settings.data_groups).chain([0]).map(GroupNumber) {
        let made = shared.node().group(GroupId(number.0)).is_some();
        if made && !groups.iter().any(|known| known.group == number) {
            put(shared, DirectoryCommand::PutGroup { group: number, voters: voters.clone() }).await?;
        }
    }
    Ok(())
}

/// A node before anybody said more of it than that it is there.
fn unnamed(id: u64) -> NodeRecord {
    NodeRecord {
        id,
        name: format!("node-{id}"),
        peer_address: String::new(),
        store_address: String::new(),
        zone: String::new(),
    }
}

/// What a domain gets when nobody chose: no shared quota, 100 MB messages, Trash emptied after seven days, sending as people send.
fn default_plan() -> Plan {
    Plan {
        name: DEFAULT_PLAN.to_owned(),
        domain_quota: Quota::default(),
        account_quota: Quota::default(),
        message_bytes_max: limits::MESSAGE_BYTES_DEFAULT,
        accounts_max: Limit::Unlimited,
        trash_expiry_seconds: Some(limits::TRASH_EXPIRY_SECONDS_DEFAULT),
        vault_seconds: limits::VAULT_SECONDS_DEFAULT,
        sending: Box::new(SendingLimits::standard()),
        retry: None,
        reverse_dns: None,
    }
}

async fn put(shared: &Shared, command: DirectoryCommand) -> Result<(), StoreError> {
    match shared.propose(own_proposal(GroupNumber::DIRECTORY, "bootstrap", &Command::Directory(command))).await? {
        Reply::Refused(refusal) => Err(StoreError::Malformed(refusal.to_string())),
        _ => Ok(()),
    }
}

/// A proposal of the store itself, for a whole group.
pub(crate) fn own_proposal(group: GroupNumber, principal: &str, command: &Command) -> Proposal {
    let envelope = Envelope {
        domain: DomainId(0),
        epoch: Epoch(0),
        request: RequestId(rand::random()),
        dedupe: DedupeClass::None,
        stamp: Timestamp(0),
        actor: Actor { principal: principal.to_owned(), peer: None },
        trace: TraceId(rand::random()),
    };
    Proposal { group, envelope, command: bytes::Bytes::from(command.encode()).slice(1..), bodies: Vec::new() }
}
