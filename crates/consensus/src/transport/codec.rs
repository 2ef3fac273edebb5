//! Raft's requests and answers as peer messages, and back.
//!
//! Entries travel in the encoding they have in the log, checksum included, so that a bit flipped on
//! the way is found; inline bodies travel beside them, uncopied. Whatever a peer sends is checked
//! here: a missing field, a body of the wrong length or an entry out of order is an error of the
//! peer's, never a panic.

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::peer::{self, AppendOutcome, TransferOutcome};
use crate::body::FileBody;
use crate::codec::{CodecError, decode_thin_entry, encode_thin_entry};
use crate::ids::NodeId;
use crate::raft_types::{Command, EntryBody, LogEntry, LogId, Payload, TypeConfig, Vote};

/// Encodes a log id.
pub(crate) fn put_log_id(id: &LogId) -> peer::LogId {
    peer::LogId { term: id.leader_id.term, index: id.index }
}

/// Encodes a log id that may be absent.
pub(crate) fn put_log_ids(id: Option<&LogId>) -> Option<peer::LogId> {
    id.map(put_log_id)
}

/// Decodes a log id.
pub(crate) fn log_id(id: peer::LogId) -> LogId {
    LogId::new_term_index(id.term, id.index)
}

/// Encodes a vote.
pub(crate) fn put_vote(vote: &Vote) -> peer::Vote {
    peer::Vote { term: vote.leader_id.term, node: vote.leader_id.voted_for.0, committed: vote.committed }
}

/// Decodes a vote.
pub(crate) fn vote(vote: Option<peer::Vote>) -> Result<Vote, CodecError> {
    let vote = vote.ok_or(CodecError::Invalid("vote"))?;
    let node = NodeId(vote.node);
    Ok(if vote.committed { Vote::new_committed(vote.term, node) } else { Vote::new(vote.term, node) })
}

/// Encodes a request for a vote.
pub(crate) fn put_vote_request(request: &VoteRequest<TypeConfig>) -> peer::VoteRequest {
    peer::VoteRequest {
        vote: Some(put_vote(&request.vote)),
        last_log_id: put_log_ids(request.last_log_id.as_ref()),
        leadership_transfer: request.leadership_transfer,
    }
}

/// Decodes a request for a vote.
pub(crate) fn vote_request(request: peer::VoteRequest) -> Result<VoteRequest<TypeConfig>, CodecError> {
    let mut decoded = VoteRequest::new(vote(request.vote)?, request.last_log_id.map(log_id));
    decoded.leadership_transfer = request.leadership_transfer;
    Ok(decoded)
}

/// Encodes a voter's answer.
pub(crate) fn put_vote_answer(answer: &VoteResponse<TypeConfig>) -> peer::VoteAnswer {
    peer::VoteAnswer {
        vote: Some(put_vote(&answer.vote)),
        granted: answer.vote_granted,
        last_log_id: put_log_ids(answer.last_log_id.as_ref()),
    }
}

/// Decodes a voter's answer.
pub(crate) fn vote_answer(answer: peer::VoteAnswer) -> Result<VoteResponse<TypeConfig>, CodecError> {
    Ok(VoteResponse::new(vote(answer.vote)?, answer.last_log_id.map(log_id), answer.granted))
}

/// Encodes an append. Its entries must carry their inline bodies.
pub(crate) fn put_append(request: &AppendEntriesRequest<TypeConfig>) -> Result<peer::Append, CodecError> {
    Ok(peer::Append {
        vote: Some(put_vote(&request.vote)),
        prev_log_id: put_log_ids(request.prev_log_id.as_ref()),
        leader_commit: put_log_ids(request.leader_commit.as_ref()),
        entries: request.entries.iter().map(put_entry).collect::<Result<_, _>>()?,
    })
}

/// Decodes an append and checks that its entries follow each other.
pub(crate) fn append(request: peer::Append) -> Result<AppendEntriesRequest<TypeConfig>, CodecError> {
    let prev_log_id = request.prev_log_id.map(log_id);
    let mut next = prev_log_id.map_or(0, |id| id.index.saturating_add(1));
    let mut entries = Vec::with_capacity(request.entries.len());
    for received in request.entries {
        let decoded = entry(received)?;
        if decoded.log_id.index != next {
            return Err(CodecError::Invalid("order of entries"));
        }
        next = next.saturating_add(1);
        entries.push(decoded);
    }
    let leader_commit = request.leader_commit.map(log_id);
    Ok(AppendEntriesRequest { vote: vote(request.vote)?, prev_log_id, entries, leader_commit })
}

fn put_entry(entry: &LogEntry) -> Result<peer::Entry, CodecError> {
    let mut thin = Vec::new();
    encode_thin_entry(&mut thin, entry);
    let mut bodies = Vec::new();
    if let Payload::Normal(command) = &entry.payload {
        for body in command.bodies() {
            match body {
                EntryBody::Inline(bytes) => bodies.push(bytes.clone()),
                EntryBody::Stored { .. } => return Err(CodecError::Invalid("entry without its bodies")),
                EntryBody::File(_) => {}
            }
        }
    }
    Ok(peer::Entry { id: Some(put_log_id(&entry.log_id)), thin: thin.into(), bodies })
}

fn entry(received: peer::Entry) -> Result<LogEntry, CodecError> {
    let id = log_id(received.id.ok_or(CodecError::Invalid("log id"))?);
    let decoded = decode_thin_entry(id.index, &own(&received.thin))?;
    if decoded.log_id != id {
        return Err(CodecError::Invalid("log id"));
    }
    let mut received_bodies = received.bodies.into_iter();
    let decoded = match decoded.payload {
        Payload::Normal(command) => {
            let bodies = command.bodies().iter().map(|body| match body {
                EntryBody::Stored { len } => match received_bodies.next() {
                    Some(bytes) if bytes.len() as u64 == u64::from(*len) => Ok(EntryBody::Inline(own(&bytes))),
                    _ => Err(CodecError::Invalid("body of an entry")),
                },
                other => Ok(other.clone()),
            });
            let bodies = bodies.collect::<Result<Vec<_>, _>>()?;
            LogEntry { log_id: id, payload: Payload::Normal(Command::new(command.bytes().clone(), bodies)) }
        }
        payload => LogEntry { log_id: id, payload },
    };
    match received_bodies.next() {
        None => Ok(decoded),
        Some(_) => Err(CodecError::Invalid("surplus body")),
    }
}

/// A copy of its own: a slice of a network buffer would keep the whole frame in the entry cache.
fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// Encodes a follower's answer to an append.
pub(crate) fn put_append_answer(answer: &StreamAppendResult<TypeConfig>) -> peer::AppendAnswer {
    let outcome = match answer {
        Ok(matched) => AppendOutcome::Matched(peer::Matched { log_id: put_log_ids(matched.as_ref()) }),
        Err(StreamAppendError::Conflict(id)) => AppendOutcome::Conflict(put_log_id(id)),
        Err(StreamAppendError::HigherVote(vote)) => AppendOutcome::HigherVote(put_vote(vote)),
    };
    peer::AppendAnswer { outcome: Some(outcome) }
}

/// Decodes a follower's answer to an append.
pub(crate) fn append_answer(answer: peer::AppendAnswer) -> Result<StreamAppendResult<TypeConfig>, CodecError> {
    Ok(match answer.outcome.ok_or(CodecError::Invalid("append answer"))? {
        AppendOutcome::Matched(matched) => Ok(matched.log_id.map(log_id)),
        AppendOutcome::Conflict(id) => Err(StreamAppendError::Conflict(log_id(id))),
        AppendOutcome::HigherVote(higher) => Err(StreamAppendError::HigherVote(vote(Some(higher))?)),
    })
}

/// Encodes the hand-over of leadership.
pub(crate) fn put_transfer(request: &TransferLeaderRequest<TypeConfig>) -> peer::TransferLeader {
    peer::TransferLeader {
        from_leader: Some(put_vote(request.from_leader())),
        to: request.to_node_id().0,
        last_log_id: put_log_ids(request.last_log_id()),
    }
}

/// Decodes the hand-over of leadership.
pub(crate) fn transfer(request: peer::TransferLeader) -> Result<TransferLeaderRequest<TypeConfig>, CodecError> {
    let from = vote(request.from_leader)?;
    Ok(TransferLeaderRequest::new(from, NodeId(request.to), request.last_log_id.map(log_id)))
}

/// Encodes the answer of the node that was asked to lead.
pub(crate) fn put_transfer_answer(answer: &TransferLeaderResponse<TypeConfig>) -> peer::TransferAnswer {
    let outcome = match answer {
        Ok(()) => TransferOutcome::Accepted(peer::Accepted {}),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => TransferOutcome::VoteChanged(peer::VoteChanged {
            expected: Some(put_vote(expected)),
            actual: Some(put_vote(actual)),
        }),
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            TransferOutcome::LogNotFlushed(peer::LogNotFlushed {
                expected: put_log_ids(expected.as_ref()),
                actual: put_log_ids(actual.as_ref()),
            })
        }
    };
    peer::TransferAnswer { outcome: Some(outcome) }
}

/// Decodes the answer of the node that was asked to lead.
pub(crate) fn transfer_answer(answer: peer::TransferAnswer) -> Result<TransferLeaderResponse<TypeConfig>, CodecError> {
    Ok(match answer.outcome.ok_or(CodecError::Invalid("transfer answer"))? {
        TransferOutcome::Accepted(_) => Ok(()),
        TransferOutcome::VoteChanged(changed) => {
            Err(TransferLeaderError::VoteChanged { expected: vote(changed.expected)?, actual: vote(changed.actual)? })
        }
        TransferOutcome::LogNotFlushed(behind) => Err(TransferLeaderError::LogNotFlushed {
            expected: behind.expected.map(log_id),
            actual: behind.actual.map(log_id),
        }),
    })
}

/// Encodes the name of a body file.
pub(crate) fn put_file(file: &FileBody) -> peer::BodyFile {
    peer::BodyFile {
        id: Bytes::copy_from_slice(&file.id.to_be_bytes()),
        len: file.len,
        hash: Bytes::copy_from_slice(&file.hash),
    }
}

/// Decodes the name of a body file.
pub(crate) fn file(file: &peer::BodyFile) -> Result<FileBody, CodecError> {
    let id: [u8; 16] = file.id.as_ref().try_into().map_err(|_| CodecError::Invalid("body id"))?;
    let hash: [u8; 32] = file.hash.as_ref().try_into().map_err(|_| CodecError::Invalid("body hash"))?;
    Ok(FileBody { id: u128::from_be_bytes(id), len: file.len, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(bodies: Vec<EntryBody>) -> LogEntry {
        let payload = Payload::Normal(Command::new(Bytes::from_static(b"deliver"), bodies));
        LogEntry { log_id: LogId::new_term_index(3, 8), payload }
    }

    fn request(entries: Vec<LogEntry>) -> AppendEntriesRequest<TypeConfig> {
        AppendEntriesRequest {
            vote: Vote::new_committed(3, NodeId(2)),
            prev_log_id: Some(LogId::new_term_index(2, 7)),
            entries,
            leader_commit: None,
        }
    }

    #[test]
    fn an_append_arrives_with_its_bodies() {
        let file = FileBody { id: 5, len: 1 << 21, hash: [9; 32] };
        let bodies = vec![
            EntryBody::Inline(Bytes::from_static(b"first")),
            EntryBody::File(file),
            EntryBody::Inline(Bytes::from_static(b"")),
        ];
        let sent = put_append(&request(vec![command(bodies)])).unwrap();
        let received = append(sent).unwrap();
        assert_eq!(received.vote, Vote::new_committed(3, NodeId(2)));
        assert_eq!(received.prev_log_id, Some(LogId::new_term_index(2, 7)));
        let Payload::Normal(command) = &received.entries[0].payload else { panic!("a command") };
        assert_eq!(command.bytes().as_ref(), b"deliver");
        assert!(!command.is_thin());
        assert_eq!(command.files().collect::<Vec<_>>(), [file]);
        assert!(matches!(&command.bodies()[0], EntryBody::Inline(bytes) if bytes.as_ref() == b"first"));
    }

    #[test]
    fn damaged_appends_are_refused() {
        let good = || put_append(&request(vec![command(vec![EntryBody::Inline(Bytes::from_static(b"x"))])])).unwrap();
        assert!(append(good()).is_ok());

        let mut missing = good();
        missing.entries[0].bodies.clear();
        assert!(append(missing).is_err());

        let mut longer = good();
        longer.entries[0].bodies[0] = Bytes::from_static(b"xy");
        assert!(append(longer).is_err());

        let mut surplus = good();
        surplus.entries[0].bodies.push(Bytes::new());
        assert!(append(surplus).is_err());

        let mut flipped = good();
        let mut thin = flipped.entries[0].thin.to_vec();
        thin[3] ^= 1;
        flipped.entries[0].thin = thin.into();
        assert!(append(flipped).is_err());

        let mut gap = good();
        gap.prev_log_id = None;
        assert!(append(gap).is_err());

        let mut no_vote = good();
        no_vote.vote = None;
        assert!(append(no_vote).is_err());
    }

    #[test]
    fn a_thin_entry_is_never_sent() {
        assert!(put_append(&request(vec![command(vec![EntryBody::Stored { len: 4 }])])).is_err());
    }

    #[test]
    fn answers_survive() {
        let id = LogId::new_term_index(4, 9);
        for answer in [Ok(None), Ok(Some(id)), Err(StreamAppendError::Conflict(id))] {
            assert_eq!(append_answer(put_append_answer(&answer)), Ok(answer));
        }
        let higher = Err(StreamAppendError::HigherVote(Vote::new(7, NodeId(1))));
        assert_eq!(append_answer(put_append_answer(&higher)), Ok(higher));
        assert!(append_answer(peer::AppendAnswer { outcome: None }).is_err());

        let behind = Err(TransferLeaderError::LogNotFlushed { expected: Some(id), actual: None });
        assert_eq!(transfer_answer(put_transfer_answer(&behind)), Ok(behind));
    }
}
