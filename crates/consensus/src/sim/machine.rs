//! The state machine of simulated groups: it remembers every operation, how often it was applied, and
//! a rolling digest over everything.
//!
//! An operation is a number and, for a removal, the number of the operation whose bodies it drops.

use std::io;

use bytes::Bytes;

use crate::body::BodyRef;
use crate::engine::Direction;
use crate::ids::{GroupId, Position};
use crate::state_machine::{Applied, StateMachine};
use crate::txn::Txn;
use crate::view::View;

const DIGEST: &[u8] = b"d";
const OPERATION: u8 = b'o';

/// What a command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// Keeps the bodies that come with it.
    Store(u64),
    /// Drops the bodies of an earlier operation.
    Drop(u64, u64),
}

impl Operation {
    pub(crate) fn id(self) -> u64 {
        match self {
            Self::Store(id) | Self::Drop(id, _) => id,
        }
    }

    pub(crate) fn encode(self) -> Bytes {
        let (id, victim) = match self {
            Self::Store(id) => (id, 0),
            Self::Drop(id, victim) => (id, victim),
        };
        [id.to_be_bytes(), victim.to_be_bytes()].concat().into()
    }

    fn decode(bytes: &[u8]) -> Self {
        let id = u64::from_be_bytes(bytes[..8].try_into().unwrap());
        match u64::from_be_bytes(bytes[8..].try_into().unwrap()) {
            0 => Self::Store(id),
            victim => Self::Drop(id, victim),
        }
    }
}

/// What the state keeps of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: u64,
    /// How often it was applied; more than once is a bug.
    pub(crate) times: u32,
    pub(crate) index: u64,
    /// Empty once dropped.
    pub(crate) bodies: Vec<BodyRef>,
}

impl Record {
    fn encode(&self) -> Vec<u8> {
        let mut out = self.times.to_be_bytes().to_vec();
        out.extend_from_slice(&self.index.to_be_bytes());
        for body in &self.bodies {
            body.encode(&mut out);
        }
        out
    }

    fn decode(id: u64, value: &[u8]) -> Self {
        let times = u32::from_be_bytes(value[..4].try_into().unwrap());
        let index = u64::from_be_bytes(value[4..12].try_into().unwrap());
        let (mut rest, mut bodies) = (&value[12..], Vec::new());
        while !rest.is_empty() {
            bodies.push(BodyRef::decode(&mut rest).unwrap());
        }
        Self { id, times, index, bodies }
    }
}

fn key(id: u64) -> Vec<u8> {
    let mut key = vec![OPERATION];
    key.extend_from_slice(&id.to_be_bytes());
    key
}

/// All operations in a picture of the state, by number.
pub(crate) fn records(view: &View) -> Vec<Record> {
    let rows = view.rows(&key(0), Some(&[OPERATION + 1]), Direction::Forward, usize::MAX).unwrap();
    rows.iter().map(|(key, value)| Record::decode(u64::from_be_bytes(key[1..].try_into().unwrap()), value)).collect()
}

/// The rolling digest of a picture of the state.
pub(crate) fn digest(view: &View) -> Option<Bytes> {
    view.get(DIGEST).unwrap()
}

/// See the module.
pub(crate) struct Machine;

impl StateMachine for Machine {
    fn apply(&self, txn: &mut Txn<'_>, position: Position, command: &[u8], bodies: &[BodyRef]) -> io::Result<Applied> {
        let operation = Operation::decode(command);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&txn.get(DIGEST)?.unwrap_or_default());
        hasher.update(&position.index.to_be_bytes());
        hasher.update(&position.term.to_be_bytes());
        hasher.update(command);
        for body in bodies {
            hasher.update(&body.to_bytes());
        }
        txn.put(DIGEST, hasher.finalize().as_bytes().to_vec());

        if let Operation::Drop(_, victim) = operation
            && let Some(value) = txn.get(&key(victim))?
        {
            let mut record = Record::decode(victim, &value);
            for body in std::mem::take(&mut record.bodies) {
                txn.drop_body(&body);
            }
            txn.put(&key(victim), record.encode());
        }
        let id = operation.id();
        let times = txn.get(&key(id))?.map_or(0, |value| Record::decode(id, &value).times);
        let record = Record { id, times: times + 1, index: position.index, bodies: bodies.to_vec() };
        txn.put(&key(id), record.encode());
        Ok(Applied::reply(position.index.to_be_bytes().to_vec()))
    }

    fn visible(&self, _: GroupId, _: u64, _: &[u64]) {}

    fn replaced(&self, _: GroupId, _: u64) {}
}
