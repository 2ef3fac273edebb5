//! A connection to the admin API that sends its token with every call.

use std::time::Duration;

use anyhow::Context as _;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use yubin_proto::r#gen::admin::admin_client::AdminClient;

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// The API with the token.
pub type Connection = AdminClient<InterceptedService<Channel, Bearer>>;

/// Adds the token.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A connection to `http://host:port`, made on the first call.
pub fn connect(server: &str, token: &str) -> anyhow::Result<Connection> {
    let mut header: MetadataValue<Ascii> = format!("Bearer {token}").parse().context("the token")?;
    header.set_sensitive(true);
    let endpoint = Endpoint::from_shared(server.to_owned())
        .with_context(|| format!("{server}: expected http://host:port"))?
        .connect_timeout(Duration::from_secs(5))
        .timeout(CALL_TIMEOUT);
    Ok(AdminClient::with_interceptor(endpoint.connect_lazy(), Bearer(header)))
}
