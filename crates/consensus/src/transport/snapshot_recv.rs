//! Receiving a snapshot: rows go under a generation of their own, bodies under their final names, and
//! openraft installs the whole once all of it is here and its hash is right.
//!
//! A node receives one snapshot at a time, so that installing does not crowd out everything else.

use super::bodies::{Transfer, failed};
use super::codec;
use super::error::CallError;
use super::peer::{Body, Row, SnapshotAnswer, SnapshotBegin, SnapshotBodies, SnapshotMissing, SnapshotReady};
use super::peers::Peers;
use super::snapshot_send::hash_rows;
use crate::body::{BodyRef, FileBody};
use crate::codec::{CodecError, Reader, stored_membership};
use crate::ids::{GroupId, NodeId};
use crate::raft_types::SnapshotMeta;
use crate::snapshot::SnapshotWriter;

/// Receives and installs the snapshot that `begin` announces.
pub(crate) async fn serve(
    peers: &Peers,
    transfer: &mut Transfer,
    group: GroupId,
    begin: SnapshotBegin,
    from: NodeId,
) -> Result<(), CallError> {
    let replica = peers.endpoint(group)?;
    let _slot = peers.snapshot_in_slot()?;
    let vote = codec::vote(begin.vote)?;
    let mut membership = Reader::new(&begin.membership);
    let meta = SnapshotMeta {
        last_log_id: begin.last_log_id.map(codec::log_id),
        last_membership: stored_membership(&mut membership)?,
    };
    tracing::info!(group = group.0, peer.node = from.0, last = ?meta.last_log_id, "receiving a snapshot");
    let writer = replica.begin_snapshot().await?;
    transfer.send(Body::SnapshotReady(SnapshotReady {})).await?;
    let mut receiving = Receiving { peers, transfer, group, writer, hasher: blake3::Hasher::new(), frames: 0 };
    receiving.run().await?;
    let staged = receiving.writer.finish().map_err(failed)?;
    let vote = replica.install_snapshot(vote, meta, staged).await?;
    transfer.send(Body::SnapshotAnswer(SnapshotAnswer { vote: Some(codec::put_vote(&vote)) })).await
}

struct Receiving<'a> {
    peers: &'a Peers,
    transfer: &'a mut Transfer,
    group: GroupId,
    writer: SnapshotWriter,
    hasher: blake3::Hasher,
    frames: u64,
}

impl Receiving<'_> {
    async fn run(&mut self) -> Result<(), CallError> {
        loop {
            match self.transfer.receive().await? {
                Body::SnapshotRows(rows) => {
                    self.expect(rows.seq)?;
                    self.rows(rows.rows).await?;
                }
                Body::SnapshotBodies(bodies) => {
                    self.expect(bodies.seq)?;
                    self.bodies(bodies).await?;
                }
                Body::SnapshotEnd(end) => {
                    self.expect(end.frames)?;
                    if self.hasher.finalize().as_bytes() != end.hash.as_ref() {
                        return Err(CodecError::Checksum.into());
                    }
                    return Ok(());
                }
                _ => return Err(CodecError::Invalid("part of a snapshot").into()),
            }
        }
    }

    fn expect(&mut self, seq: u64) -> Result<(), CallError> {
        if seq != self.frames {
            return Err(CodecError::Invalid("order of a snapshot").into());
        }
        self.frames += 1;
        Ok(())
    }

    async fn rows(&mut self, rows: Vec<Row>) -> Result<(), CallError> {
        hash_rows(&mut self.hasher, &rows);
        let rows: Vec<_> = rows.into_iter().map(|row| (row.key, row.value)).collect();
        Ok(self.writer.rows(&rows).await.map_err(failed)?)
    }

    async fn bodies(&mut self, offered: SnapshotBodies) -> Result<(), CallError> {
        let offered: Result<Vec<_>, _> =
            offered.bodies.iter().map(|name| BodyRef::decode(&mut name.as_ref())).collect();
        let missing = self.writer.bodies(&offered?).await.map_err(failed)?;
        let names = missing.iter().map(|body| body.to_bytes().into()).collect();
        self.transfer.send(Body::SnapshotMissing(SnapshotMissing { bodies: names })).await?;
        for body in missing {
            let Body::SnapshotBody(received) = self.transfer.receive().await? else {
                return Err(CodecError::Invalid("body of a snapshot").into());
            };
            if BodyRef::decode(&mut received.body.as_ref())? != body {
                return Err(CodecError::Invalid("order of bodies").into());
            }
            match body {
                BodyRef::File { id, len, hash } => {
                    let file = FileBody { id, len, hash };
                    let bodies = self.peers.bodies();
                    let _claim = bodies.wait_for_claim(self.group, file).await;
                    bodies.receive_file(self.transfer, self.group, file).await?;
                }
                BodyRef::Log { .. } => self.writer.inline_body(&body, received.data).await.map_err(failed)?,
            }
        }
        Ok(())
    }
}
