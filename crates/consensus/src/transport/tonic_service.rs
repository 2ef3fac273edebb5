//! Wires over HTTP/2: the listening side, a gRPC service with one method.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::{Body as HttpBody, Service, StdError, http};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::limits::{DECODE_BYTES_MAX, HTTP2_FRAME_BYTES_MAX, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, WIRE_FRAMES_MAX};
use super::peer::{Frame, OPEN_PATH, SERVICE_NAME};
use super::peers::Peers;
use super::server::serve;
use super::tls::Tls;
use super::tonic_wire::status_error;
use super::wire::Wire;

/// Serves peers that connect to `listener` until `stop` is done.
///
/// # Errors
/// When the TLS files make no sense or the listener fails.
pub(crate) async fn listen(
    peers: Arc<Peers>,
    listener: TcpListener,
    tls: Option<&Tls>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_frame_size(u32::try_from(HTTP2_FRAME_BYTES_MAX).ok())
        .initial_stream_window_size(u32::try_from(DECODE_BYTES_MAX).ok())
        .initial_connection_window_size(u32::try_from(2 * DECODE_BYTES_MAX).ok());
    if let Some(tls) = tls {
        server = server.tls_config(tls.server()).map_err(io::Error::other)?;
    }
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let service = PeerService { peers };
    server.add_service(service).serve_with_incoming_shutdown(incoming, stop).await.map_err(io::Error::other)
}

/// The service, as tonic's router wants it.
#[derive(Clone)]
struct PeerService {
    peers: Arc<Peers>,
}

impl NamedService for PeerService {
    const NAME: &'static str = SERVICE_NAME;
}

impl<B> Service<http::Request<B>> for PeerService
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let open = Open { peers: Arc::clone(&self.peers) };
        Box::pin(async move {
            if request.uri().path() != OPEN_PATH {
                return Ok(Status::unimplemented("unknown method").into_http());
            }
            let mut grpc = Grpc::new(ProstCodec::<Frame, Frame>::default())
                .apply_max_message_size_config(Some(DECODE_BYTES_MAX), None);
            Ok(grpc.streaming(open, request).await)
        })
    }
}

/// The method: starts to serve the stream and answers with its other half.
struct Open {
    peers: Arc<Peers>,
}

impl StreamingService<Frame> for Open {
    type Response = Frame;
    type ResponseStream = BoxStream<'static, Result<Frame, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Frame>>) -> Self::Future {
        let (outgoing, frames) = mpsc::channel::<Frame>(WIRE_FRAMES_MAX);
        let incoming = request.into_inner().map(|frame| frame.map_err(|status| status_error(&status)));
        let wire = Wire { outgoing, incoming: incoming.boxed() };
        self.peers.runtime().spawn(serve(Arc::clone(&self.peers), wire));
        let answers = ReceiverStream::new(frames).map(Ok).boxed();
        Box::pin(async move { Ok(Response::new(answers)) })
    }
}
