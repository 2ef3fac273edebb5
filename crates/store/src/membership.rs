//! Steps in a change of who holds a group, on this node (see [`yubin_proto::membership`]).

use std::time::Duration;

use tokio::time::{Instant, sleep};
use yubin_consensus::{AdminError, Group, GroupId, GroupMetrics, Node, NodeId, PeerAddress};
use yubin_proto::StoreError;
use yubin_proto::membership::{Joining, MembershipProgress, VoterChange};

/// A new replica that lacks no more than this is level: what is left comes with what is proposed meanwhile.
const LEVEL_ENTRIES: u64 = 100;
/// How long one call waits for it to become level.
const LEVEL_WAIT: Duration = Duration::from_secs(3);
/// How often it is looked at.
const LEVEL_LOOK: Duration = Duration::from_millis(20);

/// Changes who votes; only on the leader. A leader that is to leave hands over first, and answers that another one leads.
pub(crate) async fn change_voters(node: &Node, change: VoterChange) -> Result<MembershipProgress, StoreError> {
    let id = GroupId(change.group.0);
    let group = node.group(id).ok_or(StoreError::NotLeader { leader: None })?;
    let now = group.metrics();
    if !now.leadership.is_leader() {
        return Err(StoreError::NotLeader { leader: now.leadership.leader.map(|leader| leader.0) });
    }
    let leaving = change.leave.map(NodeId);
    if leaving == Some(node.id()) && now.voters.contains(&node.id()) {
        return Err(StoreError::NotLeader { leader: Some(hand_over(node, id, &now, |_| true).await?.0) });
    }
    if let Some(Joining { node: joining, peer_address }) = change.join
        && !now.voters.contains(&NodeId(joining))
    {
        if !now.learners.contains(&NodeId(joining)) {
            let added = node.add_learner(id, NodeId(joining), PeerAddress(peer_address)).await;
            added.map_err(failed)?;
        }
        if let Some(behind) = lag(&group, NodeId(joining)).await {
            return Ok(MembershipProgress::CatchingUp { behind });
        }
        let mut voters = now.voters.clone();
        voters.insert(NodeId(joining));
        voters.retain(|voter| Some(*voter) != leaving);
        node.change_membership(id, voters).await.map_err(failed)?;
        return Ok(MembershipProgress::Done);
    }
    if let Some(leaving) = leaving {
        leave(node, id, &now, leaving).await?;
    }
    Ok(MembershipProgress::Done)
}

async fn leave(node: &Node, id: GroupId, now: &GroupMetrics, leaving: NodeId) -> Result<(), StoreError> {
    if now.learners.contains(&leaving) {
        return node.remove_learner(id, leaving).await.map_err(failed);
    }
    if !now.voters.contains(&leaving) {
        return Ok(());
    }
    let mut voters = now.voters.clone();
    voters.remove(&leaving);
    if voters.is_empty() {
        return Err(StoreError::Unavailable(format!("group {id} has no other voter")));
    }
    node.change_membership(id, voters).await.map_err(failed)
}

/// Lets the voter that has most of the log take over, of those that are fit to lead.
pub(crate) async fn hand_over(
    node: &Node,
    id: GroupId,
    now: &GroupMetrics,
    is_fit: impl Fn(NodeId) -> bool,
) -> Result<NodeId, StoreError> {
    let others = now.voters.iter().filter(|voter| **voter != node.id() && is_fit(**voter));
    let heir = others.max_by_key(|voter| now.matched.get(voter).copied().flatten());
    let heir = *heir.ok_or_else(|| StoreError::Unavailable(format!("group {id} has no other voter")))?;
    node.transfer_leader(id, heir).await.map_err(failed)?;
    Ok(heir)
}

/// How many entries a new replica lacks, if it does not become level while this waits.
async fn lag(group: &Group, joining: NodeId) -> Option<u64> {
    let deadline = Instant::now() + LEVEL_WAIT;
    loop {
        let now = group.metrics();
        let last = now.last_log_index.map_or(0, |last| last + 1);
        let has = now.matched.get(&joining).copied().flatten().map_or(0, |index| index + 1);
        let behind = last.saturating_sub(has);
        // One that has nothing yet may be about to get a snapshot.
        if has > 0 && behind <= LEVEL_ENTRIES {
            return None;
        }
        if Instant::now() >= deadline {
            return Some(behind);
        }
        sleep(LEVEL_LOOK).await;
    }
}

/// What a step that did not succeed means to its caller.
pub(crate) fn failed(error: AdminError) -> StoreError {
    match error {
        AdminError::NotLeader { leader } => StoreError::NotLeader { leader: leader.map(|leader| leader.0) },
        AdminError::NoSuchGroup(_) => StoreError::NotLeader { leader: None },
        AdminError::Unknown(why) => StoreError::Unknown(why.to_owned()),
        AdminError::Refused(_) | AdminError::Stopped | AdminError::Disk(_) => {
            StoreError::Unavailable(error.to_string())
        }
    }
}
