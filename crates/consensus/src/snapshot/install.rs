//! Making a received snapshot the state, and removing what it replaced.

use std::io;
use std::sync::Arc;

use super::{Frame, Outgoing, SnapshotData, SnapshotReader, SnapshotWriter, Staged};
use crate::body::BodyRef;
use crate::engine::{Batch, Cf};
use crate::keys::{self, StateKeys};
use crate::limits::SNAPSHOT_FRAME_BYTES;
use crate::raft_types::SnapshotMeta;
use crate::replica::{AppliedState, Replica};

/// Flips the replica to the snapshot; durable on return.
pub(crate) async fn install(replica: &Arc<Replica>, meta: &SnapshotMeta, data: SnapshotData) -> io::Result<()> {
    let staged = match data {
        SnapshotData::Staged(staged) => staged,
        SnapshotData::Outgoing(source) => load(replica, source).await?,
    };
    let generation = staged.generation();
    if !replica.begin_installing(generation) {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "a newer snapshot is being received"));
    }
    let applied = AppliedState { last: meta.last_log_id, membership: meta.last_membership.clone() };
    let keys = StateKeys { group: replica.group, generation };
    let mut batch = Batch::new();
    batch.put(Cf::State, &keys::generation_pointer(replica.group), &generation.to_be_bytes());
    batch.put(Cf::State, &keys.applied(), &applied.encode());
    let last_index = meta.last_log_id.map_or(0, |id| id.index);
    batch.put(Cf::State, &keys.sweep(), &last_index.to_be_bytes());
    replica.write_synced(batch).await?;
    replica.activate(generation, applied);
    replica.reclaim.notify_one();
    Ok(())
}

/// Loads a picture of a replica on this machine, the way a received one is loaded.
async fn load(replica: &Arc<Replica>, source: Outgoing) -> io::Result<Staged> {
    let mut writer = SnapshotWriter::begin(replica)?;
    let mut reader = SnapshotReader::new(source)?;
    while let Some(frame) = reader.next_frame()? {
        match frame {
            Frame::Rows(rows) => writer.rows(&rows).await?,
            Frame::Bodies(bodies) => {
                for body in writer.bodies(&bodies).await? {
                    copy_body(replica, &mut writer, &reader, &body).await?;
                }
            }
        }
    }
    writer.finish()
}

async fn copy_body(
    replica: &Replica,
    writer: &mut SnapshotWriter,
    reader: &SnapshotReader,
    body: &BodyRef,
) -> io::Result<()> {
    match body {
        BodyRef::Log { .. } => writer.inline_body(body, reader.read_body(body, 0..body.len())?).await,
        BodyRef::File { id, len, .. } => {
            let mut sink = replica.engine().files().create(replica.group, *id)?;
            let mut at = 0;
            while at < *len {
                let end = (at + SNAPSHOT_FRAME_BYTES as u64).min(*len);
                sink.write(&reader.read_body(body, at..end)?)?;
                at = end;
            }
            sink.finish()
        }
    }
}
