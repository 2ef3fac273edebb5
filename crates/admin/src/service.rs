//! The admin API over a store: what its calls share. The calls themselves stand in [`calls`].

mod calls;

use std::sync::Arc;

use tonic::{Request, Status};
use yubin_dns_auth::published::Inspector;
use yubin_proto::{Caller, Dialogues, StoreClient};
use yubin_types::Secret;

use crate::auth::authenticate;
use crate::dns::{Dns, DnsSettings};
use crate::request::caller;

/// The admin API over a store.
#[derive(Clone, Debug)]
pub struct AdminService {
    client: Arc<StoreClient>,
    dns: Arc<Dns>,
    dialogues: Option<Arc<dyn Dialogues>>,
}

impl AdminService {
    /// Over this store. `inspector` looks up what domains have published; `cluster_secret` seals DKIM keys and is the same for the front ends that sign with them.
    #[must_use]
    pub fn new(client: Arc<StoreClient>, dns: DnsSettings, inspector: Inspector, cluster_secret: &Secret) -> Self {
        AdminService { client, dns: Arc::new(Dns::new(dns, inspector, cluster_secret)), dialogues: None }
    }

    /// With the queue worker of this process, whose deliveries can be watched.
    #[must_use]
    pub fn with_dialogues(self, dialogues: Option<Arc<dyn Dialogues>>) -> Self {
        AdminService { dialogues, ..self }
    }

    /// The request and who sends it, if its token is good.
    async fn open<T>(&self, mut request: Request<T>) -> Result<(T, Caller), Status> {
        let principal = authenticate(&self.client, request.metadata()).await?;
        request.extensions_mut().insert(principal);
        let caller = caller(&request);
        Ok((request.into_inner(), caller))
    }
}
