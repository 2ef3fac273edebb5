//! A store node in another process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use tonic::transport::{Channel, Endpoint};
use yubin_state::{Answer, Query, Reply};
use yubin_types::report::ReportFact;
use yubin_types::{AccountId, GroupNumber, Refusal};

use super::calls::{CALL_BYTES_MAX, Calls};
use super::convert::{decode, encode, read_request};
use super::errors::from_status;
use crate::contract::{
    Body, LockAction, MessagePiece, NodeStatus, Proposal, Scope, SearchOutcome, SearchRequest, StoreError, StoreNode,
    WatchStream,
};
use crate::r#gen::store as wire;
use crate::r#gen::store::call::Call;
use crate::mail_log::{LogEntry, MailEvent, MailLogSearch};
use crate::membership::{MembershipProgress, MembershipStep};
use crate::report_facts::FactsQuery;

/// The gRPC side of [`StoreNode`]. Connects on first use and again after a failure.
#[derive(Clone, Debug)]
pub struct RemoteNode {
    client: wire::store_client::StoreClient<Channel>,
    calls: Calls,
}

impl RemoteNode {
    /// A node at `http://host:port`.
    ///
    /// # Errors
    /// The address is not a URI.
    pub fn new(address: &str) -> Result<Self, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(address.to_owned())?
            .connect_timeout(Duration::from_secs(2))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(3))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(4 * 1024 * 1024)
            .initial_connection_window_size(16 * 1024 * 1024);
        let client = wire::store_client::StoreClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(super::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(super::MESSAGE_BYTES_MAX);
        Ok(RemoteNode { calls: Calls::new(client.clone()), client })
    }
}

#[async_trait]
impl StoreNode for RemoteNode {
    async fn propose(&self, proposal: Proposal) -> Result<Reply, StoreError> {
        let (mut request, bodies) = split(proposal);
        if let Some(inline) = small(&request, &bodies) {
            request.bodies = inline;
            return decode(&self.calls.call(Call::Propose(request)).await?);
        }
        request.body_lengths = bodies.iter().map(Body::length).collect();
        let reply = self.client.clone().propose_stream(stream(request, bodies)).await;
        decode(&reply.map_err(|status| from_status(&status))?.into_inner().reply)
    }

    async fn query(&self, scope: Scope, query: Query) -> Result<Answer, StoreError> {
        let request = wire::QueryRequest { scope: Some(scope.into()), query: encode(&query) };
        decode(&self.calls.call(Call::Query(request)).await.map_err(not_done)?)
    }

    async fn search(&self, scope: Scope, request: SearchRequest) -> Result<SearchOutcome, StoreError> {
        let request = wire::SearchRequest { scope: Some(scope.into()), search: encode(&request) };
        let reply = self.client.clone().search(request).await.map_err(|status| read_error(&status))?;
        decode(&reply.into_inner().outcome)
    }

    async fn read_message(&self, scope: Scope, piece: MessagePiece) -> Result<Result<Bytes, Refusal>, StoreError> {
        let request = read_request(scope, piece);
        let reply = self.client.clone().read_message(request).await.map_err(|status| read_error(&status))?;
        match reply.into_inner().outcome {
            Some(wire::read_message_reply::Outcome::Octets(octets)) => Ok(Ok(octets)),
            Some(wire::read_message_reply::Outcome::Refusal(refusal)) => Ok(Err(decode(&refusal)?)),
            None => Err(StoreError::Malformed("no outcome".to_owned())),
        }
    }

    async fn watch(&self, group: GroupNumber) -> Result<WatchStream, StoreError> {
        let request = wire::WatchRequest { group: group.0 };
        let news = self.client.clone().watch(request).await.map_err(|status| read_error(&status))?.into_inner();
        Ok(Box::pin(
            news.take_while(|event| std::future::ready(event.is_ok()))
                .filter_map(|event| async { event.ok().map(Into::into) }),
        ))
    }

    async fn lock(
        &self,
        scope: Scope,
        account: AccountId,
        token: [u8; 16],
        action: LockAction,
    ) -> Result<bool, StoreError> {
        let request = wire::LockRequest {
            scope: Some(scope.into()),
            account: account.0,
            token: Bytes::copy_from_slice(&token),
            action: wire::LockAction::from(action).into(),
        };
        let reply = self.client.clone().lock(request).await.map_err(|status| read_error(&status))?;
        Ok(reply.into_inner().granted)
    }

    async fn membership(&self, step: MembershipStep) -> Result<MembershipProgress, StoreError> {
        let request = wire::MembershipRequest { step: encode(&step) };
        let reply = self.client.clone().membership(request).await.map_err(|status| from_status(&status))?;
        decode(&reply.into_inner().progress)
    }

    async fn log_mail(&self, entries: Arc<[LogEntry]>) -> Result<(), StoreError> {
        let request = wire::LogMailRequest { entries: encode(&&*entries) };
        self.client.clone().log_mail(request).await.map(drop).map_err(|status| from_status(&status))
    }

    async fn search_mail_log(&self, search: &MailLogSearch) -> Result<Vec<MailEvent>, StoreError> {
        let request = wire::SearchMailLogRequest { search: encode(search) };
        let reply = self.client.clone().search_mail_log(request).await.map_err(|status| read_error(&status))?;
        decode(&reply.into_inner().events)
    }

    async fn report_facts(&self, query: &FactsQuery) -> Result<Vec<ReportFact>, StoreError> {
        let request = wire::ReportFactsRequest { query: encode(query) };
        let reply = self.client.clone().report_facts(request).await.map_err(|status| read_error(&status))?;
        decode(&reply.into_inner().facts)
    }

    async fn status(&self) -> Result<NodeStatus, StoreError> {
        let reply = self.client.clone().status(wire::StatusRequest {}).await.map_err(|status| read_error(&status))?;
        reply.into_inner().try_into()
    }
}

/// A read that failed was not done, whatever the connection went through.
fn read_error(status: &tonic::Status) -> StoreError {
    not_done(from_status(status))
}

fn not_done(error: StoreError) -> StoreError {
    match error {
        StoreError::Unknown(why) => StoreError::Unavailable(why),
        error => error,
    }
}

/// The request, and its bodies apart.
fn split(proposal: Proposal) -> (wire::ProposeRequest, Vec<Body>) {
    let request = wire::ProposeRequest {
        group: proposal.group.0,
        envelope: encode(&proposal.envelope),
        command: proposal.command,
        bodies: Vec::new(),
        body_lengths: Vec::new(),
    };
    (request, proposal.bodies)
}

/// The bodies of a command that is small enough for the stream of calls.
fn small(request: &wire::ProposeRequest, bodies: &[Body]) -> Option<Vec<Bytes>> {
    let total = bodies.iter().map(Body::length).sum::<u64>() + (request.envelope.len() + request.command.len()) as u64;
    let inline = |body: &Body| if let Body::Inline(bytes) = body { Some(bytes.clone()) } else { None };
    // Bodies come in parts only where there are some.
    if bodies.is_empty() || total <= CALL_BYTES_MAX { bodies.iter().map(inline).collect() } else { None }
}

/// The request, then the bodies in pieces. A body that can't be read ends the stream early, which the server refuses.
fn stream(
    request: wire::ProposeRequest,
    bodies: Vec<Body>,
) -> impl futures::Stream<Item = wire::ProposePart> + Send + 'static {
    use wire::propose_part::Part;
    let part = |part| wire::ProposePart { part: Some(part) };
    let pieces = futures::stream::iter(bodies).flat_map(|body| match body {
        Body::Inline(bytes) => futures::stream::once(std::future::ready(Ok(bytes))).boxed(),
        Body::Large(large) => large.open(),
    });
    let whole = pieces.take_while(|piece| std::future::ready(piece.is_ok())).filter_map(|piece| async { piece.ok() });
    futures::stream::once(std::future::ready(part(Part::Request(request))))
        .chain(whole.map(move |bytes| part(Part::Body(bytes))))
}
