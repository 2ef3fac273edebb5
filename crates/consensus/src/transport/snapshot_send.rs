//! Sending a snapshot: frame by frame, bodies only as the receiver lacks them.
//!
//! openraft starts from the beginning after a failure. Bodies are immutable, so what an earlier
//! attempt brought over is not sent again: each attempt ends nearer to the end. The rate is bounded,
//! and a node sends one snapshot at a time; the next waits its turn by backing off.

use std::future::Future;
use std::time::Duration;

use openraft::errors::{ReplicationClosed, StreamingError};
use openraft::network::{NetSnapshot, RPCOption, RPCTypes};
use openraft::raft::SnapshotResponse;
use tokio::time::{Instant, sleep_until};

use super::bodies::{Transfer, failed};
use super::codec;
use super::disk::on_disk;
use super::error::{CallError, Refusal, RefusalCode};
use super::limits::{INSTALL_DEADLINE, SNAPSHOT_BYTES_PER_SEC_MAX};
use super::network::PeerClient;
use super::peer::{Body, Row, SnapshotBegin, SnapshotBodies, SnapshotBody, SnapshotEnd, SnapshotRows};
use crate::body::{BodyRef, FileBody};
use crate::codec::{CodecError, put_stored_membership};
use crate::raft_types::{SnapshotMeta, TypeConfig, Vote};
use crate::snapshot::{Frame, GroupSnapshot, SnapshotData, SnapshotReader};

impl NetSnapshot<TypeConfig> for PeerClient {
    type SnapshotData = SnapshotData;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: GroupSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let (from, to) = (self.from(), self.to);
        let mut cancel = std::pin::pin!(cancel);
        tokio::select! {
            biased;
            closed = &mut cancel => Err(closed.into()),
            sent = send(self, vote, snapshot) => sent.map_err(|error| {
                tracing::info!(group = self.group.0, peer.node = to.0, %error, "a snapshot was not sent");
                StreamingError::from(error.into_rpc(RPCTypes::InstallSnapshot, from, to))
            }),
        }
    }
}

async fn send(
    client: &PeerClient,
    vote: Vote,
    snapshot: GroupSnapshot,
) -> Result<SnapshotResponse<TypeConfig>, CallError> {
    let _slot = client.peers.snapshot_out_slot()?;
    let SnapshotData::Outgoing(source) = snapshot.snapshot else {
        return Err(Refusal::new(RefusalCode::Failed, "a received snapshot is not for sending").into());
    };
    let mut transfer = Transfer::open(&client.peers, client.group, client.to).await?;
    transfer.send(Body::SnapshotBegin(begin(&vote, &snapshot.meta))).await?;
    match transfer.receive().await? {
        Body::SnapshotReady(_) => {}
        _ => return Err(CodecError::Invalid("answer to a snapshot").into()),
    }
    let disk = client.peers.bodies().disk();
    let reader = on_disk(disk, move |_| SnapshotReader::new(source)).await.map_err(failed)?;
    let mut sending =
        Sending { client, transfer, reader: Some(reader), hasher: blake3::Hasher::new(), frames: 0, pace: Pace::new() };
    while let Some(frame) = sending.next_frame().await? {
        match frame {
            Frame::Rows(rows) => sending.rows(rows).await?,
            Frame::Bodies(bodies) => sending.bodies(bodies).await?,
        }
    }
    sending.end().await
}

fn begin(vote: &Vote, meta: &SnapshotMeta) -> SnapshotBegin {
    let mut membership = Vec::new();
    put_stored_membership(&mut membership, &meta.last_membership);
    SnapshotBegin {
        vote: Some(codec::put_vote(vote)),
        last_log_id: codec::put_log_ids(meta.last_log_id.as_ref()),
        membership: membership.into(),
    }
}

struct Sending<'a> {
    client: &'a PeerClient,
    transfer: Transfer,
    /// `None` only while the disk has it.
    reader: Option<SnapshotReader>,
    hasher: blake3::Hasher,
    frames: u64,
    pace: Pace,
}

impl Sending<'_> {
    /// Lets `read` use the reader where disk work is done.
    async fn read<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&mut SnapshotReader) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, CallError> {
        let mut reader = self.reader.take().ok_or(CallError::Lost)?;
        let disk = self.client.peers.bodies().disk();
        let work = move |_: &dyn crate::engine::Engine| {
            let result = read(&mut reader);
            Ok((reader, result))
        };
        let (reader, result) = on_disk(disk, work).await.map_err(failed)?;
        self.reader = Some(reader);
        Ok(result.map_err(failed)?)
    }

    async fn next_frame(&mut self) -> Result<Option<Frame>, CallError> {
        self.read(SnapshotReader::next_frame).await
    }

    async fn rows(&mut self, rows: Vec<(bytes::Bytes, bytes::Bytes)>) -> Result<(), CallError> {
        let rows: Vec<Row> = rows.into_iter().map(|(key, value)| Row { key, value }).collect();
        let bytes: usize = rows.iter().map(|row| row.key.len() + row.value.len()).sum();
        hash_rows(&mut self.hasher, &rows);
        let seq = self.next_seq();
        self.pace.wait(bytes as u64).await;
        self.transfer.send(Body::SnapshotRows(SnapshotRows { seq, rows })).await
    }

    async fn bodies(&mut self, bodies: Vec<BodyRef>) -> Result<(), CallError> {
        let seq = self.next_seq();
        let names = bodies.iter().map(|body| body.to_bytes().into()).collect();
        self.transfer.send(Body::SnapshotBodies(SnapshotBodies { seq, bodies: names })).await?;
        let Body::SnapshotMissing(missing) = self.transfer.receive().await? else {
            return Err(CodecError::Invalid("answer to names of bodies").into());
        };
        for name in missing.bodies {
            let body = BodyRef::decode(&mut name.as_ref())?;
            if !bodies.contains(&body) {
                return Err(CodecError::Invalid("body that was not offered").into());
            }
            self.body(body).await?;
        }
        Ok(())
    }

    async fn body(&mut self, body: BodyRef) -> Result<(), CallError> {
        self.pace.wait(body.len()).await;
        let name = body.to_bytes().into();
        match body {
            BodyRef::File { id, len, hash } => {
                self.transfer.send(Body::SnapshotBody(SnapshotBody { body: name, data: bytes::Bytes::new() })).await?;
                let file = FileBody { id, len, hash };
                self.client.peers.bodies().send_file(&mut self.transfer, self.client.group, file).await
            }
            BodyRef::Log { .. } => {
                let data = self.read(move |reader| reader.read_body(&body, 0..body.len())).await?;
                self.transfer.send(Body::SnapshotBody(SnapshotBody { body: name, data })).await
            }
        }
    }

    async fn end(mut self) -> Result<SnapshotResponse<TypeConfig>, CallError> {
        let hash = bytes::Bytes::copy_from_slice(self.hasher.finalize().as_bytes());
        self.transfer.send(Body::SnapshotEnd(SnapshotEnd { frames: self.frames, hash })).await?;
        match self.transfer.receive_within(INSTALL_DEADLINE).await? {
            Body::SnapshotAnswer(answer) => Ok(SnapshotResponse::new(codec::vote(answer.vote)?)),
            _ => Err(CodecError::Invalid("answer to a snapshot").into()),
        }
    }

    fn next_seq(&mut self) -> u64 {
        let seq = self.frames;
        self.frames += 1;
        seq
    }
}

/// The hash both sides take of the rows.
pub(crate) fn hash_rows(hasher: &mut blake3::Hasher, rows: &[Row]) {
    for row in rows {
        for field in [&row.key, &row.value] {
            hasher.update(&(field.len() as u64).to_be_bytes());
            hasher.update(field);
        }
    }
}

/// Keeps the rate below its bound.
struct Pace {
    free_at: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { free_at: Instant::now() }
    }

    /// Waits until earlier bytes have had their time, then accounts for `bytes`.
    async fn wait(&mut self, bytes: u64) {
        sleep_until(self.free_at).await;
        let time = Duration::from_micros(bytes.saturating_mul(1_000_000) / SNAPSHOT_BYTES_PER_SEC_MAX);
        self.free_at = Instant::now() + time;
    }
}
