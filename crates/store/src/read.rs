//! Linearizable reads: queries, and pieces of messages.
//!
//! Two answers need not be linearizable, and the leader gives them from what it has applied. That a recipient is welcome: the delivery
//! decides it again, and RCPT costs no round of messages. The octets of a queued message: they never change, and whoever asks for them
//! leased it from here. A refusal is always confirmed: it would be final.

use std::io;

use bytes::{Bytes, BytesMut};
use yubin_consensus::{Group, ReadError};
use yubin_proto::{MessagePiece, MessageSource, Scope, StoreError};
use yubin_state::query::RowDetail;
use yubin_state::queue::{QueueAnswer, QueueQuery};
use yubin_state::record::ColdRow;
use yubin_state::{Answer, Query};
use yubin_types::{Refusal, UidSet, limits};

use crate::body;
use crate::bridge::{StateView, body_ref};
use crate::kept_bodies::KeptBodies;

/// A state that holds everything acknowledged before the call.
pub(crate) async fn fresh_view(group: &Group) -> Result<StateView, StoreError> {
    group.read_index().await.map(StateView).map_err(|error| match error {
        ReadError::NotLeader { leader } => StoreError::NotLeader { leader: leader.map(|node| node.0) },
        ReadError::NoQuorum | ReadError::Faulted(_) | ReadError::Stopped => StoreError::Unavailable(error.to_string()),
    })
}

/// Answers a query.
pub(crate) async fn query(group: &Group, scope: Scope, query: Query) -> Result<Answer, StoreError> {
    if let Some(welcome) = welcome(group, scope, &query) {
        return Ok(welcome);
    }
    let view = fresh_view(group).await?;
    if reads_much(&query) {
        let answered = tokio::task::spawn_blocking(move || answer(&view, scope, &query)).await;
        return answered.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())));
    }
    answer(&view, scope, &query)
}

/// That a recipient is welcome, if the leader's state says so.
fn welcome(group: &Group, scope: Scope, query: &Query) -> Option<Answer> {
    let Query::Recipient { .. } = query else { return None };
    let view = StateView(group.leader_view()?);
    answer(&view, scope, query).ok().filter(|answer| matches!(answer, Answer::Recipient(_)))
}

/// Does the answer take long enough to hold up a thread that serves others?
fn reads_much(query: &Query) -> bool {
    let bounded_by_rows = |query: &QueueQuery| {
        matches!(query, QueueQuery::List { .. } | QueueQuery::Summary { .. } | QueueQuery::Events { .. })
    };
    matches!(query, Query::VerifyUsage) || matches!(query, Query::Queue(query) if bounded_by_rows(query))
}

/// Answers a query from a view.
pub(crate) fn answer(view: &StateView, scope: Scope, query: &Query) -> Result<Answer, StoreError> {
    yubin_state::answer(view, scope.domain, scope.epoch, query).map_err(|error| disk_error(&error))
}

/// Reads a piece of a message.
pub(crate) async fn read_message(
    bodies: Bodies<'_>,
    scope: Scope,
    piece: MessagePiece,
) -> Result<Result<Bytes, Refusal>, StoreError> {
    if piece.length as usize > limits::INLINE_BODY_BYTES_MAX {
        return Err(StoreError::Malformed("a piece has at most 1 MiB".to_owned()));
    }
    let query = match piece.source {
        MessageSource::Mailbox { login, mailbox, uid } => Query::Rows {
            login,
            mailbox,
            uids: UidSet::range(uid.0, uid.0),
            changed_since: None,
            detail: RowDetail::HotAndCold,
        },
        MessageSource::Queued(id) => {
            let query = Query::Queue(QueueQuery::Body(id));
            let known = bodies.group.leader_view().map(|view| answer(&StateView(view), scope, &query)).transpose()?;
            if let Some(Answer::Queue(QueueAnswer::Body(cold))) = known {
                return octets(bodies, &cold, piece.offset, u64::from(piece.length)).await.map(Ok);
            }
            query
        }
    };
    let view = fresh_view(bodies.group).await?;
    match answer(&view, scope, &query)? {
        Answer::Refused(refusal) => Ok(Err(refusal)),
        Answer::Queue(QueueAnswer::Body(cold)) => {
            octets(bodies, &cold, piece.offset, u64::from(piece.length)).await.map(Ok)
        }
        Answer::Rows { rows, .. } => match rows.into_iter().next().and_then(|row| row.cold) {
            Some(cold) => octets(bodies, &cold, piece.offset, u64::from(piece.length)).await.map(Ok),
            None => Ok(Err(Refusal::NotFound { what: "message".to_owned() })),
        },
        other => Err(StoreError::Malformed(format!("unexpected answer: {other:?}"))),
    }
}

/// Octets of prefix and body as one sequence.
async fn octets(bodies: Bodies<'_>, cold: &ColdRow, offset: u64, length: u64) -> Result<Bytes, StoreError> {
    let prefix_bytes = cold.prefix.len() as u64;
    let whole = prefix_bytes + cold.body_bytes;
    let (start, end) = (offset.min(whole), offset.saturating_add(length).min(whole));
    let from_prefix = slice(&cold.prefix, start, end.min(prefix_bytes));
    if end <= prefix_bytes {
        return Ok(from_prefix);
    }
    let in_body = start.max(prefix_bytes) - prefix_bytes..end - prefix_bytes;
    let from_body = bodies.octets(cold, in_body).await.map_err(|error| disk_error(&error))?;
    if from_prefix.is_empty() {
        return Ok(from_body);
    }
    let mut both = BytesMut::with_capacity(from_prefix.len() + from_body.len());
    both.extend_from_slice(&from_prefix);
    both.extend_from_slice(&from_body);
    Ok(both.freeze())
}

/// The bodies of a group.
#[derive(Clone, Copy)]
pub(crate) struct Bodies<'a> {
    pub(crate) group: &'a Group,
    pub(crate) kept: &'a KeptBodies,
}

impl Bodies<'_> {
    /// Octets of a body.
    pub(crate) async fn octets(self, cold: &ColdRow, octets: std::ops::Range<u64>) -> io::Result<Bytes> {
        let body = body_ref(&cold.body)?;
        if octets.start == 0 {
            let with_header = self.kept.read(self.group, &body, 0..octets.end + body::HEADER_BYTES).await?;
            let header = with_header.get(..4).unwrap_or_default();
            body::check_header(header)?;
            return Ok(with_header.slice(header.len()..));
        }
        self.kept.read(self.group, &body, body::stored_range(octets)).await
    }
}

fn slice(bytes: &Bytes, start: u64, end: u64) -> Bytes {
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start < end && end <= bytes.len() => bytes.slice(start..end),
        _ => Bytes::new(),
    }
}

/// The disk failed: this replica can't answer, another may.
pub(crate) fn disk_error(error: &io::Error) -> StoreError {
    tracing::error!(%error, "reading the state failed");
    StoreError::Unavailable("the disk of this replica failed".to_owned())
}
