//! Our own encodings of everything Raft writes to disk or to a peer.
//!
//! Integers are big-endian, lengths are explicit, every top-level value starts with a format byte
//! and ends with a CRC-32C where it is stored on its own. The Raft library's own layouts are never
//! used: they change between its releases. `docs/formats.md` has the tables.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::body::FileBody;
use crate::ids::{NodeId, PeerAddress};
use crate::raft_types::{Command, EntryBody, LogEntry, LogId, Membership, Payload, StoredMembership, Vote};

/// Why stored or received bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end before the value does.
    #[error("the bytes end early")]
    Truncated,
    /// A kind this version does not know.
    #[error("unknown tag {0}")]
    UnknownTag(u8),
    /// The checksum does not match the bytes.
    #[error("checksum mismatch")]
    Checksum,
    /// A field holds what it must not.
    #[error("invalid {0}")]
    Invalid(&'static str),
}

impl From<CodecError> for std::io::Error {
    fn from(error: CodecError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// Writes big-endian fields.
pub(crate) trait Writer {
    fn put_raw(&mut self, bytes: &[u8]);

    fn put_u8(&mut self, value: u8) {
        self.put_raw(&[value]);
    }
    fn put_u16(&mut self, value: u16) {
        self.put_raw(&value.to_be_bytes());
    }
    fn put_u32(&mut self, value: u32) {
        self.put_raw(&value.to_be_bytes());
    }
    fn put_u64(&mut self, value: u64) {
        self.put_raw(&value.to_be_bytes());
    }
    fn put_u128(&mut self, value: u128) {
        self.put_raw(&value.to_be_bytes());
    }
    /// A length of 32 bits, then the bytes. Callers keep fields far below 4 GiB.
    fn put_field(&mut self, bytes: &[u8]) {
        self.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.put_raw(bytes);
    }
}

impl Writer for Vec<u8> {
    fn put_raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Reads what [`Writer`] wrote.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or(CodecError::Truncated)?;
        self.bytes = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        self.take(N)?.try_into().map_err(|_| CodecError::Truncated)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(u8::from_be_bytes(self.array()?))
    }
    pub(crate) fn u16(&mut self) -> Result<u16, CodecError> {
        Ok(u16::from_be_bytes(self.array()?))
    }
    pub(crate) fn u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_be_bytes(self.array()?))
    }
    pub(crate) fn u64(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_be_bytes(self.array()?))
    }
    pub(crate) fn u128(&mut self) -> Result<u128, CodecError> {
        Ok(u128::from_be_bytes(self.array()?))
    }
    pub(crate) fn field(&mut self) -> Result<&'a [u8], CodecError> {
        let len = self.u32()? as usize;
        self.take(len)
    }
    pub(crate) fn end(&self) -> Result<(), CodecError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(CodecError::Invalid("trailing bytes")) }
    }
}

/// Appends the CRC-32C of what `out` holds from `start` on.
fn seal(out: &mut Vec<u8>, start: usize, seed: u32) {
    let crc = crc32c::crc32c_append(seed, out.get(start..).unwrap_or_default());
    out.put_u32(crc);
}

/// Splits the checksum off a sealed value and checks it.
fn unseal(bytes: &[u8], seed: u32) -> Result<&[u8], CodecError> {
    let split = bytes.len().checked_sub(4).ok_or(CodecError::Truncated)?;
    let (value, crc) = bytes.split_at(split);
    if crc32c::crc32c_append(seed, value).to_be_bytes() == crc { Ok(value) } else { Err(CodecError::Checksum) }
}

/// Term and index: 16 bytes.
pub(crate) fn put_log_id(out: &mut Vec<u8>, id: &LogId) {
    out.put_u64(id.leader_id.term);
    out.put_u64(id.index);
}

pub(crate) fn log_id(reader: &mut Reader<'_>) -> Result<LogId, CodecError> {
    let term = reader.u64()?;
    Ok(LogId::new_term_index(term, reader.u64()?))
}

pub(crate) fn put_log_id_option(out: &mut Vec<u8>, id: Option<&LogId>) {
    match id {
        None => out.put_u8(0),
        Some(id) => {
            out.put_u8(1);
            put_log_id(out, id);
        }
    }
}

pub(crate) fn log_id_option(reader: &mut Reader<'_>) -> Result<Option<LogId>, CodecError> {
    match reader.u8()? {
        0 => Ok(None),
        1 => log_id(reader).map(Some),
        tag => Err(CodecError::UnknownTag(tag)),
    }
}

/// Format 1: the stored purge marker.
pub(crate) fn encode_log_id(id: &LogId) -> Vec<u8> {
    let mut out = vec![1];
    put_log_id(&mut out, id);
    seal(&mut out, 0, 0);
    out
}

pub(crate) fn decode_log_id(bytes: &[u8]) -> Result<LogId, CodecError> {
    let mut reader = Reader::new(unseal(bytes, 0)?);
    match reader.u8()? {
        1 => log_id(&mut reader),
        tag => Err(CodecError::UnknownTag(tag)),
    }
}

/// Term, candidate, committed: 17 bytes.
pub(crate) fn put_vote(out: &mut Vec<u8>, vote: &Vote) {
    out.put_u64(vote.leader_id.term);
    out.put_u64(vote.leader_id.voted_for.0);
    out.put_u8(u8::from(vote.committed));
}

pub(crate) fn vote(reader: &mut Reader<'_>) -> Result<Vote, CodecError> {
    let term = reader.u64()?;
    let node = NodeId(reader.u64()?);
    match reader.u8()? {
        0 => Ok(Vote::new(term, node)),
        1 => Ok(Vote::new_committed(term, node)),
        _ => Err(CodecError::Invalid("vote")),
    }
}

/// Format 1: the stored vote.
pub(crate) fn encode_vote(value: &Vote) -> Vec<u8> {
    let mut out = vec![1];
    put_vote(&mut out, value);
    seal(&mut out, 0, 0);
    out
}

pub(crate) fn decode_vote(bytes: &[u8]) -> Result<Vote, CodecError> {
    let mut reader = Reader::new(unseal(bytes, 0)?);
    match reader.u8()? {
        1 => vote(&mut reader),
        tag => Err(CodecError::UnknownTag(tag)),
    }
}

/// The joint voter sets, then every node with its address.
pub(crate) fn put_membership(out: &mut Vec<u8>, membership: &Membership) {
    let configs = membership.get_joint_config();
    out.put_u16(u16::try_from(configs.len()).unwrap_or(u16::MAX));
    for config in configs {
        out.put_u16(u16::try_from(config.len()).unwrap_or(u16::MAX));
        for node in config {
            out.put_u64(node.0);
        }
    }
    let nodes: Vec<_> = membership.nodes().collect();
    out.put_u16(u16::try_from(nodes.len()).unwrap_or(u16::MAX));
    for (node, address) in nodes {
        out.put_u64(node.0);
        out.put_field(address.0.as_bytes());
    }
}

pub(crate) fn membership(reader: &mut Reader<'_>) -> Result<Membership, CodecError> {
    let mut configs = Vec::new();
    for _ in 0..reader.u16()? {
        let mut config = BTreeSet::new();
        for _ in 0..reader.u16()? {
            config.insert(NodeId(reader.u64()?));
        }
        configs.push(config);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..reader.u16()? {
        let node = NodeId(reader.u64()?);
        let address = std::str::from_utf8(reader.field()?).map_err(|_| CodecError::Invalid("address"))?;
        nodes.insert(node, PeerAddress(address.to_owned()));
    }
    if configs.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, nodes).map_err(|_| CodecError::Invalid("membership"))
}

pub(crate) fn put_stored_membership(out: &mut Vec<u8>, stored: &StoredMembership) {
    put_log_id_option(out, stored.log_id().as_ref());
    put_membership(out, stored.membership());
}

pub(crate) fn stored_membership(reader: &mut Reader<'_>) -> Result<StoredMembership, CodecError> {
    let at = log_id_option(reader)?;
    Ok(StoredMembership::new(at, membership(reader)?))
}

const KIND_BLANK: u8 = 0;
const KIND_COMMAND: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;
const BODY_IN_LOG: u8 = 1;
const BODY_FILE: u8 = 2;

/// Format 1: a thin entry, the body lengths in place of inline bodies. The checksum also covers
/// the index, which is stored in the key.
pub(crate) fn encode_thin_entry(out: &mut Vec<u8>, entry: &LogEntry) {
    let start = out.len();
    out.put_u8(1);
    out.put_u64(entry.log_id.leader_id.term);
    match &entry.payload {
        Payload::Blank => out.put_u8(KIND_BLANK),
        Payload::Normal(command) => {
            out.put_u8(KIND_COMMAND);
            out.put_field(command.bytes());
            put_bodies(out, command.bodies());
        }
        Payload::Membership(membership) => {
            out.put_u8(KIND_MEMBERSHIP);
            put_membership(out, membership);
        }
    }
    seal(out, start, index_seed(entry.log_id.index));
}

fn put_bodies(out: &mut Vec<u8>, bodies: &[EntryBody]) {
    out.put_u16(u16::try_from(bodies.len()).unwrap_or(u16::MAX));
    for body in bodies {
        match body {
            EntryBody::Inline(_) | EntryBody::Stored { .. } => {
                out.put_u8(BODY_IN_LOG);
                out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
            }
            EntryBody::File(file) => {
                out.put_u8(BODY_FILE);
                put_file(out, file);
            }
        }
    }
}

pub(crate) fn put_file(out: &mut Vec<u8>, file: &FileBody) {
    out.put_u128(file.id);
    out.put_u64(file.len);
    out.put_raw(&file.hash);
}

pub(crate) fn file(reader: &mut Reader<'_>) -> Result<FileBody, CodecError> {
    Ok(FileBody { id: reader.u128()?, len: reader.u64()?, hash: reader.array()? })
}

/// Reads a stored thin entry; the command shares `bytes`' memory.
pub(crate) fn decode_thin_entry(index: u64, bytes: &Bytes) -> Result<LogEntry, CodecError> {
    let value = unseal(bytes, index_seed(index))?;
    let mut reader = Reader::new(value);
    match reader.u8()? {
        1 => {}
        tag => return Err(CodecError::UnknownTag(tag)),
    }
    let term = reader.u64()?;
    let payload = match reader.u8()? {
        KIND_BLANK => Payload::Blank,
        KIND_COMMAND => {
            let command = bytes.slice_ref(reader.field()?);
            Payload::Normal(Command::new(command, bodies(&mut reader)?))
        }
        KIND_MEMBERSHIP => Payload::Membership(membership(&mut reader)?),
        tag => return Err(CodecError::UnknownTag(tag)),
    };
    reader.end()?;
    Ok(LogEntry { log_id: LogId::new_term_index(term, index), payload })
}

fn bodies(reader: &mut Reader<'_>) -> Result<Vec<EntryBody>, CodecError> {
    let count = reader.u16()?;
    (0..count)
        .map(|_| match reader.u8()? {
            BODY_IN_LOG => Ok(EntryBody::Stored { len: reader.u32()? }),
            BODY_FILE => Ok(EntryBody::File(file(reader)?)),
            tag => Err(CodecError::UnknownTag(tag)),
        })
        .collect()
}

fn index_seed(index: u64) -> u32 {
    crc32c::crc32c(&index.to_be_bytes())
}
