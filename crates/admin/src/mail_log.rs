//! The mail log for operators: what happened to mail on its way in and out.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::mail_log::{AttemptFacts, MailLogSearch, Term};
use yubin_proto::{MailEvent, MailEventKind, StoreClient};
use yubin_types::{QueueId, Timestamp};

use crate::convert::page_size;
use crate::queue::convert::way_to;

pub(crate) async fn search(
    client: &StoreClient,
    request: api::SearchMailLogRequest,
) -> Result<api::SearchMailLogResponse, Status> {
    let search = MailLogSearch {
        term: term(&request)?,
        from: Timestamp(request.from_time_ms.unwrap_or(0)),
        to: Timestamp(request.to_time_ms.unwrap_or(u64::MAX)),
        limit: usize::try_from(page_size(request.page_size)).unwrap_or(usize::MAX),
    };
    let found = client.search_mail_log(&search).await;
    Ok(api::SearchMailLogResponse {
        events: found.events.into_iter().map(event_to).collect(),
        silent_nodes: found.silent_nodes,
    })
}

fn term(request: &api::SearchMailLogRequest) -> Result<Term, Status> {
    let api::SearchMailLogRequest { address, message_id, id, peer, .. } = request;
    match [address, message_id, id, peer].map(String::as_str) {
        [address, "", "", ""] if !address.is_empty() => Ok(Term::Address(address.to_owned())),
        ["", message_id, "", ""] if !message_id.is_empty() => Ok(Term::MessageId(message_id.to_owned())),
        ["", "", id, ""] if !id.is_empty() => match id.parse::<QueueId>() {
            Ok(id) => Ok(Term::Id(id.0)),
            Err(_) => Err(Status::invalid_argument("id: 32 hex digits expected")),
        },
        ["", "", "", peer] if !peer.is_empty() => {
            peer.parse().map(Term::Peer).map_err(|_| Status::invalid_argument("peer: an IP address expected"))
        }
        _ => Err(Status::invalid_argument("one of address, message_id, id and peer is expected")),
    }
}

fn event_to(event: MailEvent) -> api::MailEvent {
    let kind = match event.kind {
        MailEventKind::Reception => api::MailEventKind::Reception,
        MailEventKind::Delivery => api::MailEventKind::Delivery,
        MailEventKind::Rejection => api::MailEventKind::Rejection,
        MailEventKind::Discard => api::MailEventKind::Discard,
        MailEventKind::TransientFailure => api::MailEventKind::TransientFailure,
        MailEventKind::LoginRefusal => api::MailEventKind::LoginRefusal,
        MailEventKind::ConnectionRefusal => api::MailEventKind::ConnectionRefusal,
    };
    api::MailEvent {
        time_ms: event.at.millis(),
        kind: kind.into(),
        host: event.host,
        peer: event.peer,
        sender: event.sender,
        recipient: event.recipient,
        message_id: event.message_id.unwrap_or_default(),
        id: event.id.map(|id| id.to_string()).unwrap_or_default(),
        bytes: event.bytes,
        text: event.text,
        trace: event.trace.to_string(),
        login: event.login,
        count: event.count,
        attempt: event.attempt.map(|facts| attempt_to(*facts)),
    }
}

fn attempt_to(facts: AttemptFacts) -> api::Attempt {
    let AttemptFacts { tenant, number, delay_ms, reason, way } = facts;
    api::Attempt { domain: tenant, number, delay_ms, reason, way: way.as_ref().map(way_to) }
}
