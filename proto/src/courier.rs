//! Mail that is queued where it is also delivered: leased to this process's worker as it is queued, and handed over with its bytes.
//!
//! Queueing and leasing are one command then, nobody looks for what is due, and nothing is read again. The worker makes room before
//! ([`Courier::take_on`]); a worker that has none is not asked to hurry: the message is queued as any other. If the reply is lost, so is the
//! lease, and it runs out like that of a worker that died.

use std::fmt::Debug;

use bytes::Bytes;
use yubin_state::command::Login;
use yubin_state::queue::{Leased, Lessee, NewQueued, QueueCommand, QueueReply};
use yubin_state::{Command, DedupeClass, Reply};
use yubin_types::RequestId;

use crate::client::{Caller, StoreClient};
use crate::contract::{Body, Scope, StoreError};

/// A queue worker of this process, as whoever queues messages sees it.
pub trait Courier: Send + Sync + Debug {
    /// Makes room for all deliveries of a message that is about to be queued; `None`: they will wait like others.
    fn take_on(&self, scope: Scope, message: &NewQueued) -> Option<Box<dyn Commission>>;
}

/// Room that a worker has made. Dropped, it is given back.
pub trait Commission: Send {
    /// The worker's name.
    fn worker(&self) -> &str;
    /// How long its leases are.
    fn seconds(&self) -> u64;
    /// The deliveries are queued and leased: they begin when it is their turn.
    fn begin(self: Box<Self>, leased: Vec<Leased>, content: Content);
}

/// What a queued message's bytes are, as far as they are at hand.
#[derive(Clone, Debug)]
pub enum Content {
    /// All of them.
    Whole {
        /// What goes before the body.
        prefix: Bytes,
        /// The body.
        body: Bytes,
    },
    /// In the store.
    Stored,
}

impl StoreClient {
    /// Queues a message, leased to the worker that made room for it. The reply is that of [`QueueCommand::Enqueue`].
    ///
    /// # Errors
    /// As [`StoreClient::propose`].
    pub async fn enqueue_leased(
        &self,
        scope: Scope,
        login: Option<Login>,
        message: NewQueued,
        (body, caller): (Body, &Caller),
        commission: Box<dyn Commission>,
    ) -> Result<Reply, StoreError> {
        let worker = commission.worker().to_owned();
        let seconds = commission.seconds();
        let messages = vec![message.clone()];
        let command = QueueCommand::EnqueueLeased { login, messages, worker: worker.clone(), seconds };
        let request = RequestId(rand::random());
        let content = match &body {
            Body::Inline(body) => Content::Whole { prefix: message.prefix.clone(), body: body.clone() },
            Body::Large(_) => Content::Stored,
        };
        let proposed = (request, DedupeClass::Delivery);
        match self.propose(scope, &Command::Queue(command), proposed, caller, vec![body]).await? {
            Reply::Queue(QueueReply::Enqueued(granted)) => {
                let Scope { domain, epoch, .. } = scope;
                let lessee = Lessee { domain, epoch, worker, request, trace: caller.trace };
                commission.begin(message.leased(lessee, granted), content);
                Ok(Reply::Done)
            }
            reply => Ok(reply),
        }
    }
}
