//! Wires over HTTP/2: the dialling side.
//!
//! Each (peer, channel) has a connection of its own; streams of one channel share it. Keepalive
//! pings find a peer that vanished without a word. TCP_NODELAY is set: frames are already as large
//! as they will get.

use std::collections::BTreeMap;

use futures::stream::StreamExt;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel as Http2, Endpoint};
use tonic_prost::ProstCodec;

use super::address::AddressBook;
use super::limits::{DECODE_BYTES_MAX, DIAL_DEADLINE, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, WIRE_FRAMES_MAX};
use super::peer::{Frame, OPEN_PATH};
use super::tls::Tls;
use super::wire::{Channel, Dial, Wire, WireError};
use crate::ids::NodeId;

/// Dials the addresses of an address book.
pub(crate) struct TonicDial {
    addresses: AddressBook,
    tls: Option<Tls>,
    connections: Mutex<BTreeMap<(NodeId, Channel), (String, Http2)>>,
}

impl TonicDial {
    pub(crate) fn new(addresses: AddressBook, tls: Option<Tls>) -> Self {
        Self { addresses, tls, connections: Mutex::default() }
    }

    /// The connection to the node's present address; made when it is first used, and again after
    /// it broke.
    fn connection(&self, to: NodeId, channel: Channel) -> Result<Http2, WireError> {
        let address = self.addresses.get(to).ok_or_else(|| WireError(format!("node {to} has no address")))?;
        let mut connections = self.connections.lock();
        if let Some((known, connection)) = connections.get(&(to, channel))
            && *known == address
        {
            return Ok(connection.clone());
        }
        let connection = self.endpoint(&address).map_err(|error| wire_error(&error))?.connect_lazy();
        connections.insert((to, channel), (address, connection.clone()));
        Ok(connection)
    }

    fn endpoint(&self, address: &str) -> Result<Endpoint, tonic::transport::Error> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))?
            .connect_timeout(DIAL_DEADLINE)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(u32::try_from(DECODE_BYTES_MAX).ok())
            .initial_connection_window_size(u32::try_from(2 * DECODE_BYTES_MAX).ok());
        match &self.tls {
            Some(tls) => endpoint.tls_config(tls.client()),
            None => Ok(endpoint),
        }
    }
}

#[async_trait::async_trait]
impl Dial for TonicDial {
    async fn dial(&self, to: NodeId, channel: Channel) -> Result<Wire, WireError> {
        let connection = self.connection(to, channel)?;
        let mut grpc = tonic::client::Grpc::new(connection).max_decoding_message_size(DECODE_BYTES_MAX);
        grpc.ready().await.map_err(|error| wire_error(&error))?;
        let (outgoing, frames) = mpsc::channel::<Frame>(WIRE_FRAMES_MAX);
        let request = tonic::Request::new(ReceiverStream::new(frames));
        let codec = ProstCodec::<Frame, Frame>::default();
        let response = grpc
            .streaming(request, PathAndQuery::from_static(OPEN_PATH), codec)
            .await
            .map_err(|status| status_error(&status))?;
        let incoming = response.into_inner().map(|frame| frame.map_err(|status| status_error(&status)));
        Ok(Wire { outgoing, incoming: incoming.boxed() })
    }
}

/// The whole chain of causes: the outermost says only "transport error".
fn wire_error(error: &dyn std::error::Error) -> WireError {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    WireError(text)
}

pub(crate) fn status_error(status: &tonic::Status) -> WireError {
    WireError(format!("{:?}: {}", status.code(), status.message()))
}
