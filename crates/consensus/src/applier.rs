//! Applying committed entries: the state machine's changes, the applied index and the membership
//! in one batch, through the same pipeline as the log, answered when readable.
//!
//! A batch is not synced on its own: after a crash the state is an older prefix and the log, which
//! precedes it, applies the rest again. A panic of the state machine faults the group on this
//! replica: nothing of the run is written, Raft stops here, and no restart tries again by itself.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::stream::{Stream, StreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};

use crate::body::BodyRef;
use crate::engine::Reads;
use crate::fault::Fault;
use crate::ids::Position;
use crate::raft_types::{Command, LogEntry, LogId, Payload, SnapshotMeta, StoredMembership, TypeConfig};
use crate::replica::{AppliedState, Replica};
use crate::snapshot::{GroupSnapshot, Outgoing, SnapshotData, install};
use crate::state_machine::{Applied, StateMachine};
use crate::txn::{Changes, Txn};

/// Bytes of changes that are written at a time.
const RUN_BYTES_MAX: usize = 1 << 20;
/// Entries that are applied at a time.
const RUN_ENTRIES_MAX: usize = 512;

/// Applies one replica's log.
#[derive(Clone)]
pub(crate) struct Applier {
    replica: Arc<Replica>,
    machine: Arc<dyn StateMachine>,
}

/// Entries that become one batch.
struct Run {
    changes: Changes,
    applied: AppliedState,
    outcomes: Vec<Outcome>,
}

struct Outcome {
    index: u64,
    applied: Applied,
    responder: Option<ApplyResponder<TypeConfig>>,
}

impl Applier {
    pub(crate) fn new(replica: Arc<Replica>, machine: Arc<dyn StateMachine>) -> Self {
        Self { replica, machine }
    }

    fn start_run(&self) -> Run {
        Run {
            changes: Changes::new(self.replica.state_keys()),
            applied: self.replica.applied.lock().clone(),
            outcomes: Vec::new(),
        }
    }

    fn apply_entry(&self, run: &mut Run, entry: &LogEntry) -> io::Result<Applied> {
        run.applied.last = Some(entry.log_id);
        match &entry.payload {
            Payload::Blank => Ok(Applied::default()),
            Payload::Membership(membership) => {
                run.applied.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                Ok(Applied::default())
            }
            Payload::Normal(command) => self.apply_command(&mut run.changes, &entry.log_id, command),
        }
    }

    fn apply_command(&self, changes: &mut Changes, id: &LogId, command: &Command) -> io::Result<Applied> {
        let position = Position { group: self.replica.group, index: id.index, term: id.leader_id.term };
        let bodies: Vec<BodyRef> =
            (0u16..).zip(command.bodies()).map(|(ordinal, body)| body.reference(id, ordinal)).collect();
        for body in &bodies {
            changes.register_file(body);
        }
        let engine: &dyn Reads = self.replica.engine();
        let mut txn = Txn::new(changes, engine, position);
        let outcome =
            catch_unwind(AssertUnwindSafe(|| self.machine.apply(&mut txn, position, command.bytes(), &bodies)));
        outcome.unwrap_or_else(|panic| {
            let fault = Fault::from_panic(position, &*panic);
            tracing::error!(group.id = %position.group, log.index = position.index, error = %fault.message,
                "the state machine panicked: this replica of the group stops");
            let error = io::Error::other(fault.message.clone());
            self.replica.fault.set(fault);
            Err(error)
        })
    }

    /// Writes a run, waits until it is readable, and tells everybody.
    async fn commit(&self, run: Run) -> io::Result<()> {
        let Run { changes, applied, outcomes } = run;
        self.replica.write(changes.into_batch(&applied.encode())).await?;
        *self.replica.applied.lock() = applied;
        for Outcome { index, applied, responder } in outcomes {
            if !applied.topics.is_empty() {
                self.machine.visible(self.replica.group, index, &applied.topics);
            }
            if let Some(responder) = responder {
                responder.send(applied.reply);
            }
        }
        Ok(())
    }
}

impl RaftStateMachine<TypeConfig> for Applier {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let applied = self.replica.applied.lock();
        Ok((applied.last, applied.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        loop {
            let mut run = self.start_run();
            while run.outcomes.len() < RUN_ENTRIES_MAX && run.changes.weight() < RUN_BYTES_MAX {
                let Some(item) = entries.next().await else { break };
                let (entry, responder) = item?;
                let applied = self.apply_entry(&mut run, &entry)?;
                run.outcomes.push(Outcome { index: entry.log_id.index, applied, responder });
            }
            if run.outcomes.is_empty() {
                return Ok(());
            }
            self.commit(run).await?;
        }
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Self> {
        Some(self.clone())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> Result<(), io::Error> {
        install::install(&self.replica, meta, snapshot).await?;
        if let Some(last) = meta.last_log_id {
            self.machine.replaced(self.replica.group, last.index);
        }
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<GroupSnapshot>, io::Error> {
        if self.replica.applied_id().is_none() {
            return Ok(None);
        }
        Outgoing::take(&self.replica).map(Some)
    }
}

/// A snapshot is the state as it stands: nothing is copied until it is sent.
impl RaftSnapshotBuilder<TypeConfig> for Applier {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<GroupSnapshot, io::Error> {
        Outgoing::take(&self.replica)
    }
}
