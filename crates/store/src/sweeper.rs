//! What the leader of a group proposes when something is due: Trash expiry, the vault, forgotten outcomes of requests and of queued
//! mail, strangers of the greylist, notices to owners.
//!
//! The sweeper only wakes; what is due is decided in apply from the entry's stamp, so a wrong or early wake-up costs an empty command
//! and a late one nothing but time. One task per group; it rests while another node leads.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use yubin_consensus::Group;
use yubin_proto::{Scope, StoreError, StoreNode as _};
use yubin_state::command::MaintenanceCommand;
use yubin_state::reply::More;
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{GroupNumber, Timestamp};

use crate::bridge::StateView;
use crate::groups::own_proposal;
use crate::notices;
use crate::read::answer;
use crate::service::Shared;

/// How often a leader looks whether something is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Sweeps one group for as long as the node runs.
pub(crate) async fn sweep(shared: Arc<Shared>, group: Group) {
    let number = GroupNumber(group.id().0);
    let mut leadership = group.leadership();
    loop {
        let now = *leadership.borrow_and_update();
        if !now.is_leader() {
            if leadership.changed().await.is_err() {
                return;
            }
            continue;
        }
        shared.locks().began(group.id(), now.term, Instant::now());
        if is_due(&group, number, shared.now())
            && let Err(error) = sweep_once(&shared, number).await
        {
            tracing::debug!(%error, group.id = number.0, "sweeping will be tried again");
        }
        tokio::select! {
            biased;
            changed = leadership.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
    }
}

/// A look at the local state: it may lag, which only delays.
fn is_due(group: &Group, number: GroupNumber, now: Timestamp) -> bool {
    let scope = Scope { group: number, ..Scope::DIRECTORY };
    let due = answer(&StateView(group.view()), scope, &Query::NextDue);
    matches!(due, Ok(Answer::NextDue(Some(due))) if due <= now)
}

async fn sweep_once(shared: &Shared, group: GroupNumber) -> Result<(), StoreError> {
    for command in [
        MaintenanceCommand::ExpireTrash,
        MaintenanceCommand::PurgeVault,
        MaintenanceCommand::ForgetRequests,
        MaintenanceCommand::ForgetEvents,
        MaintenanceCommand::ForgetStrangers,
    ] {
        let command = Command::Maintenance(command);
        while let Reply::Progress { more: More::Yes, .. } =
            shared.propose(own_proposal(group, "sweeper", &command)).await?
        {}
    }
    notices::tell(shared, group).await
}
