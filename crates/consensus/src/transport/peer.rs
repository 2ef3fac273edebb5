//! The messages of `proto/peer.proto` as prost types, derived by hand so that no compiler for
//! protocol buffers is needed. Field names and tags equal the .proto file's; a test compares them.
//!
//! These types carry bytes and numbers only. What they mean to Raft is said in `codec.rs`.

// The meaning of each field stands in the .proto file.
#![allow(missing_docs, unreachable_pub)]

use bytes::Bytes;

/// The path of the only method, as HTTP/2 sees it.
pub const OPEN_PATH: &str = "/yubin.peer.v1.Peer/Open";

/// The service's name, as a server announces it.
pub const SERVICE_NAME: &str = "yubin.peer.v1.Peer";

/// What travels in one HTTP/2 message: as many messages as were waiting, of any groups.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Frame {
    #[prost(message, repeated, tag = "1")]
    pub messages: Vec<Message>,
}

/// One message of one call of one group.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    #[prost(uint32, tag = "1")]
    pub group: u32,
    #[prost(uint64, tag = "2")]
    pub call: u64,
    #[prost(
        oneof = "Body",
        tags = "3, 4, 5, 6, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 30, 31, 32, 33, 34, 35, 36, 37"
    )]
    pub body: Option<Body>,
}

/// What a message says.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Body {
    #[prost(message, tag = "3")]
    Hello(Hello),
    #[prost(message, tag = "4")]
    Welcome(Welcome),
    #[prost(message, tag = "5")]
    Refusal(Refusal),
    #[prost(message, tag = "6")]
    Close(Close),

    #[prost(message, tag = "10")]
    Vote(VoteRequest),
    #[prost(message, tag = "11")]
    PreVote(VoteRequest),
    #[prost(message, tag = "12")]
    VoteAnswer(VoteAnswer),
    #[prost(message, tag = "13")]
    Append(Append),
    #[prost(message, tag = "14")]
    AppendAnswer(AppendAnswer),
    #[prost(message, tag = "15")]
    TransferLeader(TransferLeader),
    #[prost(message, tag = "16")]
    TransferAnswer(TransferAnswer),

    #[prost(message, tag = "20")]
    BodyPush(BodyPush),
    #[prost(message, tag = "21")]
    BodyFetch(BodyFetch),
    #[prost(message, tag = "22")]
    BodyHead(BodyHead),
    #[prost(message, tag = "23")]
    Chunk(Chunk),
    #[prost(message, tag = "24")]
    BodyStored(BodyStored),

    #[prost(message, tag = "30")]
    SnapshotBegin(SnapshotBegin),
    #[prost(message, tag = "31")]
    SnapshotReady(SnapshotReady),
    #[prost(message, tag = "32")]
    SnapshotRows(SnapshotRows),
    #[prost(message, tag = "33")]
    SnapshotBodies(SnapshotBodies),
    #[prost(message, tag = "34")]
    SnapshotMissing(SnapshotMissing),
    #[prost(message, tag = "35")]
    SnapshotBody(SnapshotBody),
    #[prost(message, tag = "36")]
    SnapshotEnd(SnapshotEnd),
    #[prost(message, tag = "37")]
    SnapshotAnswer(SnapshotAnswer),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Hello {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub cluster: Bytes,
    #[prost(uint64, tag = "3")]
    pub from: u64,
    #[prost(uint64, tag = "4")]
    pub to: u64,
    #[prost(uint32, tag = "5")]
    pub channel: u32,
    #[prost(bytes = "bytes", tag = "6")]
    pub disk: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Welcome {
    #[prost(bytes = "bytes", tag = "1")]
    pub disk: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Refusal {
    #[prost(uint32, tag = "1")]
    pub code: u32,
    #[prost(string, tag = "2")]
    pub text: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Close {}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct LogId {
    #[prost(uint64, tag = "1")]
    pub term: u64,
    #[prost(uint64, tag = "2")]
    pub index: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Vote {
    #[prost(uint64, tag = "1")]
    pub term: u64,
    #[prost(uint64, tag = "2")]
    pub node: u64,
    #[prost(bool, tag = "3")]
    pub committed: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct VoteRequest {
    #[prost(message, optional, tag = "1")]
    pub vote: Option<Vote>,
    #[prost(message, optional, tag = "2")]
    pub last_log_id: Option<LogId>,
    #[prost(bool, tag = "3")]
    pub leadership_transfer: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct VoteAnswer {
    #[prost(message, optional, tag = "1")]
    pub vote: Option<Vote>,
    #[prost(bool, tag = "2")]
    pub granted: bool,
    #[prost(message, optional, tag = "3")]
    pub last_log_id: Option<LogId>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Append {
    #[prost(message, optional, tag = "1")]
    pub vote: Option<Vote>,
    #[prost(message, optional, tag = "2")]
    pub prev_log_id: Option<LogId>,
    #[prost(message, optional, tag = "3")]
    pub leader_commit: Option<LogId>,
    #[prost(message, repeated, tag = "4")]
    pub entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    #[prost(message, optional, tag = "1")]
    pub id: Option<LogId>,
    #[prost(bytes = "bytes", tag = "2")]
    pub thin: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub bodies: Vec<Bytes>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct AppendAnswer {
    #[prost(oneof = "AppendOutcome", tags = "1, 2, 3")]
    pub outcome: Option<AppendOutcome>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum AppendOutcome {
    #[prost(message, tag = "1")]
    Matched(Matched),
    #[prost(message, tag = "2")]
    Conflict(LogId),
    #[prost(message, tag = "3")]
    HigherVote(Vote),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Matched {
    #[prost(message, optional, tag = "1")]
    pub log_id: Option<LogId>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct TransferLeader {
    #[prost(message, optional, tag = "1")]
    pub from_leader: Option<Vote>,
    #[prost(uint64, tag = "2")]
    pub to: u64,
    #[prost(message, optional, tag = "3")]
    pub last_log_id: Option<LogId>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct TransferAnswer {
    #[prost(oneof = "TransferOutcome", tags = "1, 2, 3")]
    pub outcome: Option<TransferOutcome>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum TransferOutcome {
    #[prost(message, tag = "1")]
    Accepted(Accepted),
    #[prost(message, tag = "2")]
    VoteChanged(VoteChanged),
    #[prost(message, tag = "3")]
    LogNotFlushed(LogNotFlushed),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Accepted {}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct VoteChanged {
    #[prost(message, optional, tag = "1")]
    pub expected: Option<Vote>,
    #[prost(message, optional, tag = "2")]
    pub actual: Option<Vote>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct LogNotFlushed {
    #[prost(message, optional, tag = "1")]
    pub expected: Option<LogId>,
    #[prost(message, optional, tag = "2")]
    pub actual: Option<LogId>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BodyFile {
    #[prost(bytes = "bytes", tag = "1")]
    pub id: Bytes,
    #[prost(uint64, tag = "2")]
    pub len: u64,
    #[prost(bytes = "bytes", tag = "3")]
    pub hash: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BodyPush {
    #[prost(message, optional, tag = "1")]
    pub file: Option<BodyFile>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BodyFetch {
    #[prost(message, optional, tag = "1")]
    pub file: Option<BodyFile>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BodyHead {
    #[prost(message, optional, tag = "1")]
    pub file: Option<BodyFile>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Chunk {
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub data: Bytes,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct BodyStored {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotBegin {
    #[prost(message, optional, tag = "1")]
    pub vote: Option<Vote>,
    #[prost(message, optional, tag = "2")]
    pub last_log_id: Option<LogId>,
    #[prost(bytes = "bytes", tag = "3")]
    pub membership: Bytes,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct SnapshotReady {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Row {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotRows {
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    #[prost(message, repeated, tag = "2")]
    pub rows: Vec<Row>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotBodies {
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub bodies: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotMissing {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub bodies: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotBody {
    #[prost(bytes = "bytes", tag = "1")]
    pub body: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub data: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotEnd {
    #[prost(uint64, tag = "1")]
    pub frames: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub hash: Bytes,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct SnapshotAnswer {
    #[prost(message, optional, tag = "1")]
    pub vote: Option<Vote>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    const PROTO: &str = include_str!("../../proto/peer.proto");
    const RUST: &str = include_str!("peer.rs");

    /// (message, field, tag), with the fields of a oneof counted to their message.
    fn fields_of_proto() -> BTreeSet<(String, String, u32)> {
        let mut found = BTreeSet::new();
        let mut message = String::new();
        for line in PROTO.lines() {
            let line = line.split("//").next().unwrap().trim();
            if let Some(rest) = line.strip_prefix("message ") {
                message = rest.trim_end_matches(['{', '}', ' ']).to_owned();
            } else if let Some((left, tag)) = line.strip_suffix(';').and_then(|line| line.split_once(" = "))
                && !message.is_empty()
            {
                let name = left.rsplit(' ').next().unwrap();
                found.insert((message.clone(), name.to_owned(), tag.parse().unwrap()));
            }
        }
        found
    }

    fn snake(name: &str) -> String {
        let mut out = String::new();
        for (at, letter) in name.char_indices() {
            if letter.is_uppercase() && at > 0 {
                out.push('_');
            }
            out.extend(letter.to_lowercase());
        }
        out
    }

    /// The same from this file. The oneof types are named after what holds them.
    fn fields_of_rust() -> BTreeSet<(String, String, u32)> {
        let owner = |name: &str| {
            match name {
                "Body" => "Message",
                "AppendOutcome" => "AppendAnswer",
                "TransferOutcome" => "TransferAnswer",
                name => name,
            }
            .to_owned()
        };
        let (mut found, mut message, mut tag) = (BTreeSet::new(), String::new(), None);
        for line in RUST.split("#[cfg(test)]").next().unwrap().lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum ")) {
                message = owner(name.trim_end_matches(['{', '}', ' ']));
            } else if let Some((_, rest)) = line.split_once(", tag = \"") {
                tag = rest.split('"').next().unwrap().parse::<u32>().ok();
            } else if let Some(tag) = tag.take() {
                let name = line.trim_start_matches("pub ").split([':', '(']).next().unwrap();
                found.insert((message.clone(), snake(name), tag));
            }
        }
        found
    }

    #[test]
    fn names_and_tags_equal_the_proto_files() {
        let proto = fields_of_proto();
        assert!(proto.len() > 60);
        assert_eq!(fields_of_rust(), proto);
    }
}
