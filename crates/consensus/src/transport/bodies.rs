//! Body files between nodes: pushed ahead of the entry that names them, fetched where they lack.
//!
//! A body is immutable and named by its id, length and hash. It is written to a file that nobody
//! sees, hashed on the way, and given its name only when all of it is durable; so a body is either
//! whole or absent, and a transfer that failed is simply made again.
//!
//! One transfer per body at a time: whoever comes second waits for the first or is told to come
//! back. A fetch belongs to the node, not to the append that wanted it, and goes on when that append
//! has been refused; so a body larger than any append's deadline arrives all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, Shared};
use futures::stream::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::codec;
use super::disk::on_disk;
use super::error::{CallError, Refusal, RefusalCode};
use super::limits::{
    BODY_DEADLINE_BASE, BODY_WAIT_MAX, CHUNK_BYTES, DIAL_DEADLINE, PUSH_MEMORY_BYTES_MAX, REDIAL_PAUSE_MIN,
    TRANSFER_SILENCE_MAX, deadline,
};
use super::link::greeted;
use super::peer::{Body, BodyFetch, BodyPush, Chunk, Frame, Message};
use super::peers::Peers;
use super::wire::{Channel, Wire};
use crate::body::FileBody;
use crate::codec::CodecError;
use crate::engine::{Engine, FileSink};
use crate::ids::{GroupId, NodeId};

type Name = (GroupId, u128);
type Fetch = Shared<BoxFuture<'static, Result<(), CallError>>>;

/// The body files of this node, as transfers see them.
pub(crate) struct Bodies {
    disk: Arc<dyn Engine>,
    fetches: Mutex<BTreeMap<Name, Fetch>>,
    /// Files that some transfer is writing.
    claimed: Arc<Mutex<BTreeSet<Name>>>,
    /// Bytes that bodies which are pushed may take.
    memory: Arc<Semaphore>,
}

/// A file that is received, and the hash of what there is of it.
type Growing = (Box<dyn FileSink>, blake3::Hasher);

/// A body that is in memory until it was pushed.
#[derive(Default)]
pub(crate) struct HeldBody(Vec<(Bytes, OwnedSemaphorePermit)>);

impl HeldBody {
    /// Adds bytes, none of them for nothing.
    pub(crate) fn push(&mut self, bytes: Bytes, room: OwnedSemaphorePermit) {
        self.0.push((bytes, room));
    }

    async fn send(&self, transfer: &mut Transfer) -> Result<(), CallError> {
        let chunks = self.0.iter().flat_map(|(bytes, _)| {
            let starts = (0..bytes.len()).step_by(CHUNK_BYTES);
            starts.map(|start| bytes.slice(start..bytes.len().min(start + CHUNK_BYTES)))
        });
        for (seq, data) in (0..).zip(chunks) {
            transfer.send(Body::Chunk(Chunk { seq, data })).await?;
        }
        Ok(())
    }
}

impl Bodies {
    pub(crate) fn new(disk: Arc<dyn Engine>) -> Self {
        Self {
            disk,
            fetches: Mutex::default(),
            claimed: Arc::default(),
            memory: Arc::new(Semaphore::new(PUSH_MEMORY_BYTES_MAX)),
        }
    }

    /// Whether the body is durable here. If it is, it stays for most of [`ORPHAN_AGE_MIN`] although nothing may name it yet.
    ///
    /// [`ORPHAN_AGE_MIN`]: crate::limits::ORPHAN_AGE_MIN
    pub(crate) async fn keep(&self, group: GroupId, file: FileBody) -> io::Result<bool> {
        on_disk(&self.disk, move |disk| Ok(disk.files().touch(group, file.id)? == Some(file.len))).await
    }

    /// Returns once all of `files` are durable here (invariant I1), fetching what lacks from `from`.
    ///
    /// # Errors
    /// `BodyMissing` when that takes longer than an append may wait. The fetch goes on.
    pub(crate) async fn ensure(
        &self,
        peers: &Arc<Peers>,
        group: GroupId,
        files: Vec<FileBody>,
        from: NodeId,
    ) -> Result<(), Refusal> {
        let fetched = async {
            for file in files {
                if !self.keep(group, file).await.map_err(failed)? {
                    let missing = |error: CallError| Refusal::new(RefusalCode::BodyMissing, error);
                    self.fetch(peers, group, file, from).await.map_err(missing)?;
                }
            }
            Ok(())
        };
        timeout(BODY_WAIT_MAX, fetched)
            .await
            .unwrap_or_else(|_| Err(Refusal::new(RefusalCode::BodyMissing, "a body is still on its way")))
    }

    /// Starts to fetch a body from `from`, or joins the fetch that is under way.
    pub(crate) fn fetch(&self, peers: &Arc<Peers>, group: GroupId, file: FileBody, from: NodeId) -> Fetch {
        let name = (group, file.id);
        let mut fetches = self.fetches.lock();
        if let Some(fetch) = fetches.get(&name)
            && fetch.peek().is_none()
        {
            return fetch.clone();
        }
        let task = {
            let peers = Arc::clone(peers);
            async move {
                let limit = deadline(BODY_DEADLINE_BASE, file.len);
                let result = match timeout(limit, fetch_once(&peers, group, file, from)).await {
                    Ok(result) => result,
                    Err(_) => Err(CallError::Silent(limit)),
                };
                if let Err(error) = &result {
                    tracing::info!(group = group.0, peer.node = from.0, %error, "a body could not be fetched");
                }
                peers.bodies().fetches.lock().remove(&name);
                result
            }
        };
        let task = peers.runtime().spawn(task);
        let fetch = task
            .map(|joined| joined.unwrap_or_else(|error| Err(CallError::Unreachable(error.to_string()))))
            .boxed()
            .shared();
        fetches.insert(name, fetch.clone());
        fetch
    }

    /// Sends a body to `to` and returns once it is durable there: from memory, or where it isn't there from its file, which is
    /// durable here.
    pub(crate) async fn push(
        &self,
        peers: &Peers,
        group: GroupId,
        (file, content): (FileBody, Option<Arc<HeldBody>>),
        to: NodeId,
    ) -> Result<(), CallError> {
        let limit = deadline(BODY_DEADLINE_BASE, file.len);
        let pushed = async {
            let mut transfer = Transfer::open(peers, group, to).await?;
            transfer.send(Body::BodyPush(BodyPush { file: Some(codec::put_file(&file)) })).await?;
            match transfer.receive().await? {
                Body::BodyStored(_) => return Ok(()),
                Body::BodyHead(_) => {}
                _ => return Err(CodecError::Invalid("answer to a push").into()),
            }
            match content {
                Some(content) => content.send(&mut transfer).await?,
                None => self.send_file(&mut transfer, group, file).await?,
            }
            match transfer.receive().await? {
                Body::BodyStored(_) => Ok(()),
                _ => Err(CodecError::Invalid("answer to a push").into()),
            }
        };
        timeout(limit, pushed).await.unwrap_or(Err(CallError::Silent(limit)))
    }

    /// Sends the bytes of a file in chunks.
    pub(crate) async fn send_file(
        &self,
        transfer: &mut Transfer,
        group: GroupId,
        file: FileBody,
    ) -> Result<(), CallError> {
        let step = CHUNK_BYTES as u64;
        for (seq, start) in (0..file.len).step_by(CHUNK_BYTES).enumerate() {
            let range = start..file.len.min(start + step);
            let data = on_disk(&self.disk, move |disk| disk.files().read(group, file.id, range)).await;
            let data = data.map_err(|error| CallError::Refused(failed(error)))?;
            transfer.send(Body::Chunk(Chunk { seq: seq as u64, data })).await?;
        }
        Ok(())
    }

    /// Receives the chunks of a file and returns once it is durable.
    pub(crate) async fn receive_file(
        &self,
        transfer: &mut Transfer,
        group: GroupId,
        file: FileBody,
    ) -> Result<(), CallError> {
        let mut sink = on_disk(&self.disk, move |disk| disk.files().create(group, file.id)).await.map_err(failed)?;
        let mut hasher = blake3::Hasher::new();
        let (mut len, mut seq) = (0, 0);
        while len < file.len {
            let Body::Chunk(chunk) = transfer.receive().await? else {
                return Err(CodecError::Invalid("chunk").into());
            };
            len += chunk.data.len() as u64;
            if chunk.seq != seq || chunk.data.is_empty() || len > file.len {
                return Err(CodecError::Invalid("order of chunks").into());
            }
            seq += 1;
            (sink, hasher) = self.append((sink, hasher), chunk.data).await.map_err(failed)?;
        }
        if *hasher.finalize().as_bytes() != file.hash {
            return Err(CodecError::Checksum.into());
        }
        Ok(on_disk(&self.disk, move |_| sink.finish()).await.map_err(failed)?)
    }

    async fn append(&self, (mut sink, mut hasher): Growing, data: Bytes) -> io::Result<Growing> {
        on_disk(&self.disk, move |_| {
            hasher.update(&data);
            sink.write(&data)?;
            Ok((sink, hasher))
        })
        .await
    }

    /// Room in memory for so many bytes of a body that is to be pushed; `None` if others have it all.
    pub(crate) fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.memory).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }

    /// Takes the right to write a file, until the claim is dropped.
    pub(crate) fn claim(&self, group: GroupId, file: FileBody) -> Option<Claim> {
        let name = (group, file.id);
        let mut claimed = self.claimed.lock();
        claimed.insert(name).then(|| Claim { name, claimed: Arc::clone(&self.claimed) })
    }

    /// Waits for the right to write a file.
    pub(crate) async fn wait_for_claim(&self, group: GroupId, file: FileBody) -> Claim {
        loop {
            match self.claim(group, file) {
                Some(claim) => return claim,
                None => sleep(REDIAL_PAUSE_MIN).await,
            }
        }
    }

    /// The disk that the files are on.
    pub(crate) fn disk(&self) -> &Arc<dyn Engine> {
        &self.disk
    }
}

/// The right to write one file.
pub(crate) struct Claim {
    name: Name,
    claimed: Arc<Mutex<BTreeSet<Name>>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claimed.lock().remove(&self.name);
    }
}

async fn fetch_once(peers: &Peers, group: GroupId, file: FileBody, from: NodeId) -> Result<(), CallError> {
    let bodies = peers.bodies();
    // Somebody may be pushing it to us right now.
    let _claim = bodies.wait_for_claim(group, file).await;
    if bodies.keep(group, file).await.map_err(failed)? {
        return Ok(());
    }
    let mut transfer = Transfer::open(peers, group, from).await?;
    transfer.send(Body::BodyFetch(BodyFetch { file: Some(codec::put_file(&file)) })).await?;
    match transfer.receive().await? {
        Body::BodyHead(_) => {}
        _ => return Err(CodecError::Invalid("answer to a fetch").into()),
    }
    bodies.receive_file(&mut transfer, group, file).await
}

/// This node's disk failed.
pub(crate) fn failed(error: io::Error) -> Refusal {
    Refusal::new(RefusalCode::Failed, error)
}

/// One stream on the bulk channel, for one group.
pub(crate) struct Transfer {
    group: GroupId,
    wire: Wire,
}

impl Transfer {
    /// Opens a stream to `to` and exchanges identities.
    pub(crate) async fn open(peers: &Peers, group: GroupId, to: NodeId) -> Result<Self, CallError> {
        let greeted = greeted(peers.dial(), peers.identity(), to, Channel::Bulk);
        let (wire, disk) = timeout(DIAL_DEADLINE, greeted).await.map_err(|_| CallError::Silent(DIAL_DEADLINE))??;
        peers.acquaintances().meet(to, disk).await?;
        Ok(Self { group, wire })
    }

    /// Takes over a stream that a peer opened and whose first message named `group`.
    pub(crate) fn accepted(group: GroupId, wire: Wire) -> Self {
        Self { group, wire }
    }

    /// Sends one message; waits while the far side is not reading.
    pub(crate) async fn send(&mut self, body: Body) -> Result<(), CallError> {
        let message = Message { group: self.group.0, call: 0, body: Some(body) };
        let sent = self.wire.outgoing.send(Frame { messages: vec![message] });
        match timeout(TRANSFER_SILENCE_MAX, sent).await {
            Ok(sent) => sent.map_err(|_| CallError::Lost),
            Err(_) => Err(CallError::Silent(TRANSFER_SILENCE_MAX)),
        }
    }

    /// The next message; a refusal is an error, and so is a long silence.
    pub(crate) async fn receive(&mut self) -> Result<Body, CallError> {
        self.receive_within(TRANSFER_SILENCE_MAX).await
    }

    /// As [`receive`](Self::receive), with another patience.
    pub(crate) async fn receive_within(&mut self, patience: Duration) -> Result<Body, CallError> {
        let frame = timeout(patience, self.wire.incoming.next()).await.map_err(|_| CallError::Silent(patience))?;
        let frame = frame.ok_or(CallError::Lost)?.map_err(|_| CallError::Lost)?;
        match frame.messages.into_iter().next().and_then(|message| message.body) {
            Some(Body::Refusal(refusal)) => Err(Refusal::decode(refusal).into()),
            Some(body) => Ok(body),
            None => Err(CodecError::Invalid("message of a transfer").into()),
        }
    }
}
