//! The server: the admin service, health and reflection on one port.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use yubin_proto::r#gen::DESCRIPTORS;
use yubin_proto::r#gen::admin::admin_server::AdminServer;

use crate::service::AdminService;

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// What ends the service too early.
pub type ServeError = Box<dyn std::error::Error + Send + Sync>;

/// Serves until `stop` is over; calls under way are finished.
///
/// # Errors
/// The transport failed.
pub fn serve(
    listener: TcpListener,
    service: AdminService,
    stop: BoxFuture<'static, ()>,
) -> BoxFuture<'static, Result<(), ServeError>> {
    // Compiled here, and not wherever it is awaited.
    serve_until(listener, service, stop).boxed()
}

async fn serve_until(
    listener: TcpListener,
    service: AdminService,
    stop: BoxFuture<'static, ()>,
) -> Result<(), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<AdminServer<AdminService>>().await;
    let reflection =
        tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS).build_v1()?;
    let closing = service.clone();
    let stop = async move {
        stop.await;
        closing.close();
    };
    Server::builder()
        .timeout(CALL_TIMEOUT)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .add_service(health_service)
        .add_service(reflection)
        .add_service(AdminServer::new(service))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), stop)
        .await?;
    Ok(())
}
