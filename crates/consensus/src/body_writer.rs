//! Taking in a body that becomes a file: written and hashed as it arrives, durable here, then
//! offered to the other voters before anyone proposes it.
//!
//! The push is a help, not a promise: a replica that lacks a body fetches it before it appends the
//! entry that names it (I1). So finishing waits only until a quorum has the body, and not long.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::timeout;

use crate::body::{FileBody, StagedBody};
use crate::engine::FileSink;
use crate::group::Group;
use crate::ids::NodeId;
use crate::limits::{BODY_FILE_BYTES_MAX, BODY_PUSH_WAIT_MAX};
use crate::runtime::random_u128;
use crate::transport::on_disk;

/// Bytes that are gathered before they go to the disk.
const BUFFER_BYTES: usize = 256 << 10;

/// A body file that is growing.
pub struct BodyWriter {
    group: Group,
    id: u128,
    sink: Option<Box<dyn FileSink>>,
    buffer: Vec<Bytes>,
    buffered: usize,
    len: u64,
    hasher: blake3::Hasher,
}

impl BodyWriter {
    pub(crate) async fn start(group: Group) -> io::Result<Self> {
        let (id, name) = (fresh_id(), group.id());
        let sink = on_disk(&group.replica().disk.engine, move |disk| disk.files().create(name, id)).await?;
        Ok(Self { group, id, sink: Some(sink), buffer: Vec::new(), buffered: 0, len: 0, hasher: blake3::Hasher::new() })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// The disk failed, or the body exceeds [`BODY_FILE_BYTES_MAX`].
    pub async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.len += bytes.len() as u64;
        if self.len > BODY_FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.buffered += bytes.len();
        self.buffer.push(bytes);
        if self.buffered >= BUFFER_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Makes the body durable here and offers it to the other voters.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn finish(mut self) -> io::Result<StagedBody> {
        self.flush().await?;
        let sink = self.sink.take().ok_or(io::ErrorKind::BrokenPipe)?;
        on_disk(&self.group.replica().disk.engine, move |_| sink.finish()).await?;
        let file = FileBody { id: self.id, len: self.len, hash: *self.hasher.finalize().as_bytes() };
        push_to_voters(&self.group, file).await;
        Ok(StagedBody { file })
    }

    async fn flush(&mut self) -> io::Result<()> {
        let chunks = std::mem::take(&mut self.buffer);
        self.buffered = 0;
        let mut sink = self.sink.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut hasher = std::mem::take(&mut self.hasher);
        let (sink, hasher) = on_disk(&self.group.replica().disk.engine, move |_| {
            for chunk in &chunks {
                hasher.update(chunk);
                sink.write(chunk)?;
            }
            Ok((sink, hasher))
        })
        .await?;
        self.sink = Some(sink);
        self.hasher = hasher;
        Ok(())
    }
}

/// Pushes a body to the other voters and returns when a quorum has it or the wait is over; the
/// rest goes on by itself.
async fn push_to_voters(group: &Group, file: FileBody) {
    let voters: BTreeSet<NodeId> = group.replica().applied.lock().membership.voter_ids().collect();
    let others: Vec<NodeId> = voters.iter().copied().filter(|voter| *voter != group.core.node).collect();
    let mut wanted = voters.len() / 2;
    let mut pushes = FuturesUnordered::new();
    for to in others {
        let (peers, id) = (group.core.peers.clone(), group.id());
        pushes.push(group.core.peers.runtime().spawn(async move { peers.bodies().push(&peers, id, file, to).await }));
    }
    let enough = async {
        while wanted > 0 {
            match pushes.next().await {
                Some(Ok(Ok(()))) => wanted -= 1,
                Some(Ok(Err(error))) => tracing::debug!(%error, "a body was not pushed; the peer will fetch it"),
                Some(Err(error)) => tracing::error!(%error, "a push panicked"),
                None => return,
            }
        }
    };
    if timeout(BODY_PUSH_WAIT_MAX, enough).await.is_err() {
        tracing::debug!(?file, "a body reached no quorum in time; peers will fetch it");
    }
}

/// Never twice, on any node.
fn fresh_id() -> u128 {
    random_u128()
}
