//! Linearizable reads, batched: one confirmation of leadership at a time, and everybody who asks
//! while it runs shares the next one, and its view.

use parking_lot::Mutex;
use tokio::sync::oneshot;

use openraft::ReadPolicy;

use crate::error::ReadError;
use crate::group::Group;
use crate::view::View;

type Answer = Result<View, ReadError>;

#[derive(Default)]
pub(crate) struct ReadBatch {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiters: Vec<oneshot::Sender<Answer>>,
    worker: Worker,
}

#[derive(Default, PartialEq, Eq)]
enum Worker {
    #[default]
    Idle,
    Running,
}

impl ReadBatch {
    /// Joins the next confirmation.
    pub(crate) async fn read(&self, group: &Group) -> Answer {
        let (answer, answered) = oneshot::channel();
        let start = {
            let mut state = self.state.lock();
            state.waiters.push(answer);
            std::mem::replace(&mut state.worker, Worker::Running) == Worker::Idle
        };
        if start {
            let group = group.clone();
            group.core.peers.runtime().clone().spawn(async move { group.core.reads.work(&group).await });
        }
        answered.await.unwrap_or(Err(ReadError::Stopped))
    }

    async fn work(&self, group: &Group) {
        loop {
            let waiters = {
                let mut state = self.state.lock();
                if state.waiters.is_empty() {
                    state.worker = Worker::Idle;
                    return;
                }
                std::mem::take(&mut state.waiters)
            };
            let answer = confirm(group).await;
            for waiter in waiters {
                // A reader that went away no longer cares.
                drop(waiter.send(answer.clone()));
            }
        }
    }
}

async fn confirm(group: &Group) -> Answer {
    let raft = group.raft().map_err(|stopped| stopped.to_read_error())?;
    raft.ensure_linearizable(ReadPolicy::ReadIndex).await.map_err(ReadError::from_raft)?;
    Ok(group.view())
}
