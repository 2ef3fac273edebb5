//! Taking in a body that becomes a file: written and hashed as it arrives, made durable here and
//! pushed to the other voters at the same time, before anyone proposes it. What is pushed is still
//! in memory, as long as there is room; what isn't is read from the file when that is durable.
//!
//! The push is a help, not a promise: a replica that lacks a body fetches it before it appends the
//! entry that names it (I1). So finishing waits only until a quorum has the body, and not long.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::timeout;

use crate::body::{FileBody, StagedBody};
use crate::engine::FileSink;
use crate::group::Group;
use crate::ids::NodeId;
use crate::limits::{BODY_FILE_BYTES_MAX, BODY_PUSH_WAIT_MAX};
use crate::runtime::random_u128;
use crate::transport::{HeldBody, on_disk};

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
    /// All of it so far, for those that it is pushed to; `None` if there is nobody, or no room.
    held: Option<HeldBody>,
}

impl BodyWriter {
    pub(crate) async fn start(group: Group) -> io::Result<Self> {
        let (id, name) = (fresh_id(), group.id());
        let sink = on_disk(&group.replica().disk.engine, move |disk| disk.files().create(name, id)).await?;
        let held = (!other_voters(&group).is_empty()).then(HeldBody::default);
        Ok(Self {
            group,
            id,
            sink: Some(sink),
            buffer: Vec::new(),
            buffered: 0,
            len: 0,
            hasher: blake3::Hasher::new(),
            held,
        })
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
        self.hold(&bytes);
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
        let file = FileBody { id: self.id, len: self.len, hash: *self.hasher.finalize().as_bytes() };
        let engine = Arc::clone(&self.group.replica().disk.engine);
        let stored = on_disk(&engine, move |_| sink.finish());
        match self.held.take() {
            Some(held) => {
                let (stored, ()) = tokio::join!(stored, push_to_voters(&self.group, file, Some(held)));
                stored?;
            }
            None => {
                stored.await?;
                push_to_voters(&self.group, file, None).await;
            }
        }
        Ok(StagedBody { file })
    }

    /// Keeps what has room.
    fn hold(&mut self, bytes: &Bytes) {
        let Some(held) = &mut self.held else { return };
        match self.group.core.peers.bodies().room(bytes.len()) {
            Some(room) => held.push(bytes.clone(), room),
            None => self.held = None,
        }
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
async fn push_to_voters(group: &Group, file: FileBody, held: Option<HeldBody>) {
    let others = other_voters(group);
    let mut wanted = others.len().div_ceil(2);
    let held = held.map(Arc::new);
    let mut pushes = FuturesUnordered::new();
    for to in others {
        let (peers, id, body) = (group.core.peers.clone(), group.id(), (file, held.clone()));
        pushes.push(group.core.peers.runtime().spawn(async move { peers.bodies().push(&peers, id, body, to).await }));
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

fn other_voters(group: &Group) -> BTreeSet<NodeId> {
    let voters = group.replica().applied.lock().membership.voter_ids().collect::<BTreeSet<NodeId>>();
    voters.into_iter().filter(|voter| *voter != group.core.node).collect()
}

/// Never twice, on any node.
fn fresh_id() -> u128 {
    random_u128()
}
