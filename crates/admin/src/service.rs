//! The admin API over a store: what its calls share. The calls themselves stand in [`calls`].

mod calls;

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::{Semaphore, watch};
use tonic::{Request, Status};
use yubin_dns_auth::published::Inspector;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, Dialogues, StoreClient};
use yubin_types::{Secret, limits};

use crate::auth::authenticate;
use crate::dns::{Dns, DnsSettings};
use crate::queue::{self, follow};
use crate::request::caller;

/// The admin API over a store.
#[derive(Clone, Debug)]
pub struct AdminService {
    client: Arc<StoreClient>,
    dns: Arc<Dns>,
    dialogues: Option<Arc<dyn Dialogues>>,
    /// Places for those who follow events.
    followers: Arc<Semaphore>,
    /// Set when the service ends: what would go on for ever ends then.
    closing: Arc<watch::Sender<bool>>,
}

impl AdminService {
    /// Over this store. `inspector` looks up what domains have published; `cluster_secret` seals DKIM keys and is the same for the front ends that sign with them.
    #[must_use]
    pub fn new(client: Arc<StoreClient>, dns: DnsSettings, inspector: Inspector, cluster_secret: &Secret) -> Self {
        AdminService {
            client,
            dns: Arc::new(Dns::new(dns, inspector, cluster_secret)),
            dialogues: None,
            followers: Arc::new(Semaphore::new(limits::EVENT_FOLLOWERS_MAX)),
            closing: Arc::new(watch::Sender::new(false)),
        }
    }

    /// With the queue worker of this process, whose deliveries can be watched.
    #[must_use]
    pub fn with_dialogues(self, dialogues: Option<Arc<dyn Dialogues>>) -> Self {
        AdminService { dialogues, ..self }
    }

    /// Ends what would go on for ever.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// One delivery's dialogue.
    async fn dialogue(&self, request: &api::WatchQueuedRequest) -> Result<queue::watch::Lines, Status> {
        let lines = queue::watch::watch(&self.client, self.dialogues.as_deref(), &request.id).await?;
        Ok(self.until_closed(lines))
    }

    /// Final outcomes as they come, for one more follower.
    async fn events(&self, request: api::WatchEventsRequest) -> Result<follow::Followed, Status> {
        let place = Arc::clone(&self.followers).try_acquire_owned();
        let place = place.map_err(|_| Status::resource_exhausted("too many follow events already"))?;
        let events = follow::follow(&self.client, request, place).await?;
        Ok(self.until_closed(events))
    }

    /// Until the service ends.
    fn until_closed<T: Send + 'static>(&self, all: BoxStream<'static, T>) -> BoxStream<'static, T> {
        let mut closing = self.closing.subscribe();
        let closed = async move {
            // The sender is gone only with the service.
            let _ = closing.wait_for(|closing| *closing).await;
        };
        all.take_until(Box::pin(closed)).boxed()
    }

    /// The request and who sends it, if its token is good.
    async fn open<T>(&self, mut request: Request<T>) -> Result<(T, Caller), Status> {
        let principal = authenticate(&self.client, request.metadata()).await?;
        request.extensions_mut().insert(principal);
        let caller = caller(&request);
        Ok((request.into_inner(), caller))
    }
}
