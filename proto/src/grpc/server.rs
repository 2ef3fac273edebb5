//! Lets other processes call a store node of ours.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use yubin_types::{AccountId, GroupNumber, limits};

use super::answers::{answer_all, propose_with};
use super::convert::{decode, encode, lock_action, piece, scope};
use super::errors::to_status;
use crate::contract::{Body, BodyStream, LargeBody, StoreError, StoreNode};
use crate::r#gen::store as wire;
use crate::r#gen::store::store_server::{Store, StoreServer};
use crate::mail_log::LogEntry;

/// Pieces of a streamed body on their way to the node.
const PIECES_QUEUED_MAX: usize = 8;

/// The gRPC service over a node.
struct StoreService {
    node: Arc<dyn StoreNode>,
    stop: Stop,
}

/// Over when the service is to end.
pub(super) type Stop = Shared<BoxFuture<'static, ()>>;

/// Offers the node on a listener until `stop` is over; calls under way are finished, and watches end.
///
/// # Errors
/// The transport failed.
pub fn serve(
    listener: TcpListener,
    node: Arc<dyn StoreNode>,
    stop: BoxFuture<'static, ()>,
) -> BoxFuture<'static, Result<(), tonic::transport::Error>> {
    let stop = stop.shared();
    let service = StoreServer::new(StoreService { node, stop: stop.clone() })
        .max_decoding_message_size(super::MESSAGE_BYTES_MAX)
        .max_encoding_message_size(super::MESSAGE_BYTES_MAX);
    // The builder's own option means only sockets that it opens itself.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .max_frame_size(super::HTTP2_FRAME_BYTES_MAX)
        .initial_stream_window_size(4 * 1024 * 1024)
        .initial_connection_window_size(16 * 1024 * 1024)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop)
        .boxed()
}

#[tonic::async_trait]
impl Store for StoreService {
    type CallsStream = Pin<Box<dyn Stream<Item = Result<wire::AnswerBatch, Status>> + Send>>;

    async fn calls(&self, request: Request<Streaming<wire::CallBatch>>) -> Result<Response<Self::CallsStream>, Status> {
        let answers = answer_all(Arc::clone(&self.node), request.into_inner(), self.stop.clone());
        Ok(Response::new(Box::pin(answers.map(Ok))))
    }

    async fn propose_stream(
        &self,
        request: Request<Streaming<wire::ProposePart>>,
    ) -> Result<Response<wire::ProposeReply>, Status> {
        use wire::propose_part::Part;
        let mut parts = request.into_inner();
        let first = parts.message().await?.and_then(|part| part.part);
        let Some(Part::Request(request)) = first else {
            return Err(Status::invalid_argument("the request comes first"));
        };
        let mut reader = PartReader { parts, left: Bytes::new() };
        let mut bodies = Vec::new();
        let (last, small) = request.body_lengths.split_last().ok_or_else(|| Status::invalid_argument("no bodies"))?;
        for &length in small {
            // Only the last body may be large: nothing is held in memory for the sake of order.
            bodies.push(Body::Inline(reader.whole(length).await?));
        }
        if *last < limits::INLINE_BODY_BYTES_MAX as u64 {
            bodies.push(Body::Inline(reader.whole(*last).await?));
        } else {
            bodies.push(reader.streamed(*last));
        }
        let reply = propose_with(&*self.node, request, bodies).await.map_err(to_status)?;
        Ok(Response::new(wire::ProposeReply { reply }))
    }

    async fn search(&self, request: Request<wire::SearchRequest>) -> Result<Response<wire::SearchReply>, Status> {
        let request = request.into_inner();
        let scope = scope(request.scope).map_err(to_status)?;
        let search = decode(&request.search).map_err(to_status)?;
        let outcome = self.node.search(scope, search).await.map_err(to_status)?;
        Ok(Response::new(wire::SearchReply { outcome: encode(&outcome) }))
    }

    async fn read_message(
        &self,
        request: Request<wire::ReadMessageRequest>,
    ) -> Result<Response<wire::ReadMessageReply>, Status> {
        use wire::read_message_reply::Outcome;
        let request = request.into_inner();
        let scope = scope(request.scope).map_err(to_status)?;
        let piece = piece(&request).map_err(to_status)?;
        let outcome = match self.node.read_message(scope, piece).await.map_err(to_status)? {
            Ok(octets) => Outcome::Octets(octets),
            Err(refusal) => Outcome::Refusal(encode(&refusal)),
        };
        Ok(Response::new(wire::ReadMessageReply { outcome: Some(outcome) }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<wire::WatchEvent, Status>> + Send>>;

    async fn watch(&self, request: Request<wire::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let news = self.node.watch(GroupNumber(request.into_inner().group)).await.map_err(to_status)?;
        Ok(Response::new(Box::pin(news.map(|event| Ok(event.into())).take_until(self.stop.clone()))))
    }

    async fn lock(&self, request: Request<wire::LockRequest>) -> Result<Response<wire::LockReply>, Status> {
        let request = request.into_inner();
        let action = lock_action(request.action()).map_err(to_status)?;
        let scope = scope(request.scope).map_err(to_status)?;
        let token =
            <[u8; 16]>::try_from(&*request.token).map_err(|_| Status::invalid_argument("a token has 16 bytes"))?;
        let granted = self.node.lock(scope, AccountId(request.account), token, action).await.map_err(to_status)?;
        Ok(Response::new(wire::LockReply { granted }))
    }

    async fn membership(
        &self,
        request: Request<wire::MembershipRequest>,
    ) -> Result<Response<wire::MembershipReply>, Status> {
        let step = decode(&request.into_inner().step).map_err(to_status)?;
        let progress = self.node.membership(step).await.map_err(to_status)?;
        Ok(Response::new(wire::MembershipReply { progress: encode(&progress) }))
    }

    async fn log_mail(&self, request: Request<wire::LogMailRequest>) -> Result<Response<wire::LogMailReply>, Status> {
        let entries: Vec<LogEntry> = decode(&request.into_inner().entries).map_err(to_status)?;
        self.node.log_mail(entries.into()).await.map_err(to_status)?;
        Ok(Response::new(wire::LogMailReply {}))
    }

    async fn search_mail_log(
        &self,
        request: Request<wire::SearchMailLogRequest>,
    ) -> Result<Response<wire::SearchMailLogReply>, Status> {
        let search = decode(&request.into_inner().search).map_err(to_status)?;
        let events = self.node.search_mail_log(&search).await.map_err(to_status)?;
        Ok(Response::new(wire::SearchMailLogReply { events: encode(&events) }))
    }

    async fn report_facts(
        &self,
        request: Request<wire::ReportFactsRequest>,
    ) -> Result<Response<wire::ReportFactsReply>, Status> {
        let query = decode(&request.into_inner().query).map_err(to_status)?;
        let facts = self.node.report_facts(&query).await.map_err(to_status)?;
        Ok(Response::new(wire::ReportFactsReply { facts: encode(&facts) }))
    }

    async fn status(&self, _: Request<wire::StatusRequest>) -> Result<Response<wire::StatusReply>, Status> {
        Ok(Response::new(self.node.status().await.map_err(to_status)?.into()))
    }
}

/// Cuts the stream of pieces into bodies of declared lengths.
struct PartReader {
    parts: Streaming<wire::ProposePart>,
    left: Bytes,
}

impl PartReader {
    /// The next piece, at most `most` bytes of it.
    async fn piece(&mut self, most: u64) -> Result<Bytes, Status> {
        use wire::propose_part::Part;
        while self.left.is_empty() {
            match self.parts.message().await?.and_then(|part| part.part) {
                Some(Part::Body(bytes)) => self.left = bytes,
                Some(Part::Request(_)) => return Err(Status::invalid_argument("a second request")),
                None => return Err(to_status(StoreError::Malformed("the body ended early".to_owned()))),
            }
        }
        let length = usize::try_from(most).map_or(self.left.len(), |most| most.min(self.left.len()));
        Ok(self.left.split_to(length))
    }

    async fn whole(&mut self, length: u64) -> Result<Bytes, Status> {
        if length >= limits::INLINE_BODY_BYTES_MAX as u64 {
            return Err(Status::invalid_argument("only the last body may be large"));
        }
        let mut whole = Vec::new();
        while (whole.len() as u64) < length {
            whole.extend_from_slice(&self.piece(length - whole.len() as u64).await?);
        }
        Ok(whole.into())
    }

    /// A body that is passed on while it arrives. It can be read once: a retry is the caller's, with a new stream.
    fn streamed(mut self, length: u64) -> Body {
        let (sender, receiver) = mpsc::channel(PIECES_QUEUED_MAX);
        tokio::spawn(async move {
            let mut left = length;
            while left > 0 {
                let piece = self.piece(left).await.map_err(|status| std::io::Error::other(status.to_string()));
                left -= piece.as_ref().map_or(left, |bytes| bytes.len() as u64);
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        Body::Large(Arc::new(Arriving { length, pieces: parking_lot::Mutex::new(Some(receiver)) }))
    }
}

struct Arriving {
    length: u64,
    pieces: parking_lot::Mutex<Option<mpsc::Receiver<std::io::Result<Bytes>>>>,
}

impl LargeBody for Arriving {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(&self) -> BodyStream {
        match self.pieces.lock().take() {
            Some(receiver) => Box::pin(tokio_stream::wrappers::ReceiverStream::new(receiver)),
            None => Box::pin(futures::stream::once(async { Err(std::io::Error::other("already read")) })),
        }
    }
}
