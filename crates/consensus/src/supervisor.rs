//! Watching one group's Raft: publishing who leads, and deciding what a stop means.
//!
//! A failed disk ends the process: what is on it is unknown until a restart reads it. A panic of
//! the state machine faults the group here. Any other panic is the library's; the group is rebuilt
//! from disk, where its log and vote are safe, after a pause, and again after longer ones if that fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use openraft::RaftMetrics;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::Fatal;
use openraft::metrics::RaftServerMetrics;
use openraft::type_config::alias::WatchReceiverOf;
use tokio::time::sleep;

use crate::group::{Group, GroupState, Leadership, Role};
use crate::limits::{REBUILD_PAUSE_MAX, REBUILD_PAUSE_MIN};
use crate::node::NodeShared;
use crate::raft_types::TypeConfig;

/// Runs until the group stops for good.
pub(crate) async fn supervise(node: Arc<NodeShared>, group: Group) {
    loop {
        let stopped = follow(&group).await;
        group.core.leadership.send_if_modified(|now| {
            let quiet = Leadership { leader: None, role: Role::Follower, term: now.term };
            std::mem::replace(now, quiet) != quiet
        });
        let replica = group.replica();
        if let Some(fault) = replica.fault.get() {
            node.peers.remove_group(group.id());
            *group.core.state.write() = GroupState::Faulted { fault, replica };
            return;
        }
        match stopped {
            Fatal::Stopped => {
                *group.core.state.write() = GroupState::Stopped { replica };
                return;
            }
            Fatal::StorageError(_) if node.ending.load(Ordering::Acquire) => {
                *group.core.state.write() = GroupState::Stopped { replica };
                return;
            }
            Fatal::StorageError(error) => {
                node.disk.engine.fail(&std::io::Error::other(error.to_string()));
                *group.core.state.write() = GroupState::Stopped { replica };
                return;
            }
            Fatal::Panicked => {
                tracing::error!(group.id = %group.id(), "the group's Raft panicked: rebuilding it from disk");
                if !rebuild(&node, &group).await {
                    *group.core.state.write() = GroupState::Stopped { replica };
                    return;
                }
            }
        }
    }
}

/// Rebuilds a group, with growing pauses between attempts; false if it is no longer wanted.
async fn rebuild(node: &Arc<NodeShared>, group: &Group) -> bool {
    let mut pause = REBUILD_PAUSE_MIN;
    loop {
        sleep(pause).await;
        if node.ending.load(Ordering::Acquire) || node.groups.read().get(&group.id()).is_none() {
            return false;
        }
        let Err(error) = node.rebuild(group).await else { return true };
        pause = (pause * 2).min(REBUILD_PAUSE_MAX);
        tracing::error!(group.id = %group.id(), %error, pause_ms = pause.as_millis(),
            "the group could not be rebuilt; it will be tried again");
    }
}

/// Publishes leadership until Raft stops, and says why it did.
async fn follow(group: &Group) -> Fatal<TypeConfig> {
    let Ok(raft) = group.raft() else { return Fatal::Stopped };
    let mut metrics = raft.server_metrics();
    let running = raft.metrics();
    drop(raft);
    loop {
        publish(group, &metrics.borrow_watched());
        // They end with the task that feeds them. Those of all it does would wake this one at every entry.
        if metrics.changed().await.is_err() {
            return last_word(&running);
        }
    }
}

/// The metrics ended: with a reason, or because the task that fed them panicked.
fn last_word(running: &WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>) -> Fatal<TypeConfig> {
    match &running.borrow_watched().running_state {
        Err(fatal) => fatal.clone(),
        Ok(()) => Fatal::Panicked,
    }
}

fn publish(group: &Group, metrics: &RaftServerMetrics<TypeConfig>) {
    let leads = metrics.state.is_leader() && metrics.current_leader == Some(group.core.node);
    let leadership = Leadership {
        leader: metrics.current_leader,
        term: metrics.vote.leader_id.term,
        role: if leads { Role::Leader } else { Role::Follower },
    };
    group.core.leadership.send_if_modified(|now| std::mem::replace(now, leadership) != leadership);
}
