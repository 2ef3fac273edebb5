//! Snapshots of one group: taken without copying, sent as frames, installed by a flip.
//!
//! The sender reads one [`Outgoing`] picture through a [`SnapshotReader`]: first the rows of the
//! generation in key order, then the names of the bodies the state may refer to, then whichever of
//! those the receiver lacks. The receiver's [`SnapshotWriter`] loads the rows under a generation
//! of their own, bodies under their final names; installing is one batch that points to the new
//! generation. Until then nothing of it shows; a crash leaves a stray generation that the next
//! start removes. Bodies are immutable, so an attempt after a broken one sends only what is new.

pub(crate) mod install;
mod reader;
mod writer;

use std::io;
use std::sync::Arc;

use openraft::storage::Snapshot;

#[cfg(test)]
pub(crate) use reader::FrameBounds;
pub(crate) use reader::{Frame, SnapshotReader, registered_file};
pub(crate) use writer::SnapshotWriter;

use crate::keys::StateKeys;
use crate::pins::Pin;
use crate::raft_types::{CommittedLeaderId, SnapshotMeta};
use crate::replica::Replica;
use crate::view::View;
use crate::{NodeId, PeerAddress};

pub(crate) type GroupSnapshot = Snapshot<CommittedLeaderId, NodeId, PeerAddress, SnapshotData>;

/// What a snapshot is on either side.
pub(crate) enum SnapshotData {
    /// A picture of this replica's state.
    Outgoing(Outgoing),
    /// A complete generation that is loaded and not active yet.
    Staged(Staged),
}

/// A picture of a replica's state; while it lives, its bodies stay.
pub(crate) struct Outgoing {
    pub(crate) replica: Arc<Replica>,
    pub(crate) view: View,
    pub(crate) meta: SnapshotMeta,
    _pin: Pin,
}

/// A loaded generation of a replica; dropped without being installed, it is given up.
pub(crate) struct Staged {
    loading: Loading,
}

impl Staged {
    pub(crate) fn generation(&self) -> u16 {
        self.loading.keys.generation
    }
}

/// A generation that a snapshot is loaded under.
struct Loading {
    replica: Arc<Replica>,
    keys: StateKeys,
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.replica.give_up_loading(self.keys.generation);
    }
}

impl Outgoing {
    /// The state as it stands, with the meta that belongs to exactly that.
    pub(crate) fn take(replica: &Arc<Replica>) -> io::Result<GroupSnapshot> {
        let pin = replica.pins.pin(replica.applied_id().map_or(0, |id| id.index));
        let view = replica.view();
        let applied = view.applied_state()?;
        let meta = SnapshotMeta { last_log_id: applied.last, last_membership: applied.membership };
        let data = Self { replica: Arc::clone(replica), view, meta: meta.clone(), _pin: pin };
        Ok(Snapshot { meta, snapshot: SnapshotData::Outgoing(data) })
    }
}
