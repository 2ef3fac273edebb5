//! The write path: one writer, one syncer, one order for everything the process writes.
//!
//! The writer takes all queued batches, writes them unsynced in one go and wakes whoever waits to
//! read them. The syncer then makes everything written so far durable and fires the callbacks of
//! what that covered, in order: while one sync runs, the next batch is written (group commit over
//! all groups). Batches that nobody waits to be durable cause no sync. So what a crash leaves is
//! a prefix of the submission order: an entry before the state that applied it, state before the
//! purge that relies on it.
//!
//! The first error ends writing for good ([`Engine::fail`]); callbacks after it never fire.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use openraft::storage::IOFlushed;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::engine::{Batch, Engine, Execution, IoStep};
use crate::handoff::Handoff;
use crate::limits::WRITE_BATCH_BYTES_MAX;
use crate::raft_types::TypeConfig;

/// What to do when a batch can be read.
pub(crate) enum OnWritten {
    Nothing,
    Signal(oneshot::Sender<()>),
}

/// What to do when a batch is durable.
pub(crate) enum OnSynced {
    Nothing,
    Raft(IOFlushed<TypeConfig>),
    Signal(oneshot::Sender<()>),
    Call(Box<dyn FnOnce() + Send>),
}

impl OnSynced {
    fn fire(self) {
        match self {
            Self::Nothing => {}
            Self::Raft(callback) => callback.io_completed(Ok(())),
            Self::Signal(signal) => {
                // An error means that the waiter went away; it no longer cares.
                let _ = signal.send(());
            }
            Self::Call(call) => call(),
        }
    }
}

struct Submission {
    batch: Batch,
    written: OnWritten,
    synced: OnSynced,
}

/// The write path of one node.
pub(crate) struct Pipeline {
    engine: Arc<dyn Engine>,
    queue: Handoff<Submission>,
    unsynced: Handoff<OnSynced>,
    written: AtomicU64,
    threads: Mutex<Vec<Worker>>,
}

enum Worker {
    Thread(thread::JoinHandle<()>),
    Task(tokio::task::JoinHandle<()>),
}

impl Pipeline {
    /// Starts the writer and the syncer of an engine.
    pub(crate) fn start(engine: Arc<dyn Engine>) -> io::Result<Arc<Self>> {
        let pipeline = Arc::new(Self {
            engine,
            queue: Handoff::new(),
            unsynced: Handoff::new(),
            written: AtomicU64::new(0),
            threads: Mutex::new(Vec::new()),
        });
        let writer = Arc::clone(&pipeline);
        let syncer = Arc::clone(&pipeline);
        let workers = vec![
            pipeline.spawn("log-writer", async move { writer.write_loop().await })?,
            pipeline.spawn("log-syncer", async move { syncer.sync_loop().await })?,
        ];
        *pipeline.threads.lock() = workers;
        Ok(pipeline)
    }

    fn spawn(&self, name: &str, work: impl Future<Output = ()> + Send + 'static) -> io::Result<Worker> {
        Ok(match self.engine.execution() {
            Execution::Threads => Worker::Thread(
                thread::Builder::new().name(name.into()).spawn(move || futures::executor::block_on(work))?,
            ),
            Execution::Tasks => Worker::Task(tokio::spawn(work)),
        })
    }

    /// Queues a batch and gives its number in the order of writing.
    pub(crate) fn submit(&self, batch: Batch, written: OnWritten, synced: OnSynced) -> u64 {
        self.queue.push(Submission { batch, written, synced })
    }

    /// Queues a batch and waits until reads see it.
    pub(crate) async fn write(&self, batch: Batch) -> io::Result<()> {
        let (signal, written) = oneshot::channel();
        self.submit(batch, OnWritten::Signal(signal), OnSynced::Nothing);
        written.await.map_err(|_| stopped())
    }

    /// Queues a batch and waits until it is durable.
    pub(crate) async fn write_synced(&self, batch: Batch) -> io::Result<()> {
        let (signal, synced) = oneshot::channel();
        self.submit(batch, OnWritten::Nothing, OnSynced::Signal(signal));
        synced.await.map_err(|_| stopped())
    }

    /// The number of the last batch that reads see.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Lets the writer and the syncer end after what is queued, without waiting for them.
    pub(crate) fn end(&self) {
        self.queue.close();
    }

    /// Writes and syncs what is queued, then ends. Later submissions are dropped.
    pub(crate) async fn close(&self) {
        self.end();
        let workers = std::mem::take(&mut *self.threads.lock());
        for worker in workers {
            let ended = match worker {
                Worker::Thread(thread) => tokio::task::spawn_blocking(move || thread.join().is_ok()).await,
                Worker::Task(task) => task.await.map(|()| true),
            };
            if !matches!(ended, Ok(true)) {
                tracing::error!("a worker of the write path panicked");
            }
        }
    }

    async fn write_loop(&self) {
        let (mut taken, mut batches, mut done) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(last) = self.queue.take_all(&mut taken).await {
            let mut number = last - taken.len() as u64;
            let mut weight = 0;
            for Submission { batch, written, synced } in taken.drain(..) {
                weight += batch.weight();
                batches.push(batch);
                done.push((written, synced));
                if weight >= WRITE_BATCH_BYTES_MAX {
                    number += batches.len() as u64;
                    if !self.write_out(number, &mut batches, &mut done).await {
                        return;
                    }
                    weight = 0;
                }
            }
            if !self.write_out(last, &mut batches, &mut done).await {
                return;
            }
        }
        self.unsynced.push(OnSynced::Nothing);
        self.unsynced.close();
    }

    /// Writes the batches up to number `last`; false if that failed.
    async fn write_out(&self, last: u64, batches: &mut Vec<Batch>, done: &mut Vec<(OnWritten, OnSynced)>) -> bool {
        if let Some(pause) = self.engine.pause(IoStep::Write) {
            tokio::time::sleep(pause).await;
        }
        if batches.iter().any(|batch| !batch.is_empty())
            && let Err(error) = self.engine.write(batches)
        {
            self.fail(&error);
            return false;
        }
        batches.clear();
        self.written.store(last, Ordering::Release);
        let mut waiting = Vec::new();
        for (written, synced) in done.drain(..) {
            if let OnWritten::Signal(signal) = written {
                // An error means that the waiter went away; it no longer cares.
                let _ = signal.send(());
            }
            if !matches!(synced, OnSynced::Nothing) {
                waiting.push(synced);
            }
        }
        self.unsynced.extend(&mut waiting);
        true
    }

    async fn sync_loop(&self) {
        let mut waiting = Vec::new();
        while self.unsynced.take_all(&mut waiting).await.is_some() {
            if let Some(pause) = self.engine.pause(IoStep::Sync) {
                tokio::time::sleep(pause).await;
            }
            if let Err(error) = self.engine.sync() {
                self.fail(&error);
                return;
            }
            for synced in waiting.drain(..) {
                synced.fire();
            }
        }
    }

    /// Nothing is written or acknowledged any more; waiters see their channels close.
    fn fail(&self, error: &io::Error) {
        self.engine.fail(error);
        self.queue.abandon();
        self.unsynced.abandon();
    }
}

/// The error of a write that was queued when writing ended.
pub(crate) fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the write path has stopped")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Cf, Reads, SimEngine, SimFaults, SyncState};

    fn put(key: u8) -> Batch {
        let mut batch = Batch::new();
        batch.put(Cf::State, &[key], b"v");
        batch
    }

    #[tokio::test]
    async fn only_synced_writes_are_acknowledged_and_those_survive() {
        let engine = SimEngine::new(1);
        let pipeline = Pipeline::start(engine.clone()).unwrap();
        pipeline.write(put(0)).await.unwrap();
        assert_eq!(engine.unsynced_batches(), 1);
        pipeline.write_synced(put(1)).await.unwrap();
        assert_eq!(engine.unsynced_batches(), 0);
        let after = engine.crash();
        assert!(after.get(Cf::State, &[0]).unwrap().is_some());
        assert!(after.get(Cf::State, &[1]).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_failed_sync_acknowledges_nothing_more() {
        let engine = SimEngine::new(1);
        let pipeline = Pipeline::start(engine.clone()).unwrap();
        engine.set_faults(SimFaults { sync: SyncState::Failing, ..SimFaults::default() });
        assert!(pipeline.write_synced(put(0)).await.is_err());
        engine.set_faults(SimFaults::default());
        assert!(engine.is_off());
        assert!(pipeline.write_synced(put(1)).await.is_err());
        assert!(pipeline.write(put(2)).await.is_err());
    }

    #[tokio::test]
    async fn close_writes_and_syncs_what_is_queued() {
        let engine = SimEngine::new(1);
        let pipeline = Pipeline::start(engine.clone()).unwrap();
        let number = pipeline.submit(put(3), OnWritten::Nothing, OnSynced::Nothing);
        pipeline.close().await;
        assert_eq!(pipeline.written(), number);
        assert_eq!(engine.unsynced_batches(), 0);
    }
}
