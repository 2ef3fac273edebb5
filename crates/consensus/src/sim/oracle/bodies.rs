//! I1 and I2: whatever entry or state names a body, the body is there, whole, on the same disk, at
//! every moment and after every crash. At the end, bodies are what was submitted.

use super::disk;
use crate::body::BodyRef;
use crate::engine::{Cf, Engine, Reads, SimEngine};
use crate::ids::{GroupId, NodeId};
use crate::keys;
use crate::raft_types::Payload;
use crate::sim::machine::{Record, records};
use crate::sim::world::World;

/// Checks what the log and the state on a disk name.
pub(super) fn check_disk(disk: &SimEngine, node: NodeId, group: GroupId) {
    for entry in disk::entries(disk, group) {
        let Payload::Normal(command) = &entry.payload else { continue };
        for (ordinal, body) in (0..).zip(command.bodies()) {
            let body = body.reference(&entry.log_id, ordinal);
            let there = bytes(disk, group, &body).is_some();
            assert!(there, "I1: node {node} group {group} has entry {} without {body:?}", entry.log_id);
        }
    }
    for record in records(&disk::view(disk, group)) {
        for body in &record.bodies {
            let there = bytes(disk, group, body).is_some();
            assert!(there, "I2: node {node} group {group} lost {body:?} of operation {}", record.id);
        }
    }
}

/// Checks every body of a replica against what was submitted.
pub(super) fn check_replica(world: &World, group: GroupId, node: NodeId) {
    let disk = &*world.hosts[&node].disk;
    let submitted = world.history.entries();
    for Record { id, bodies, .. } in records(&disk::view(disk, group)) {
        for (body, hash) in bodies.iter().zip(&submitted[&id].bodies) {
            let bytes = bytes(disk, group, body).unwrap();
            let same = blake3::hash(&bytes).as_bytes() == hash;
            assert!(same, "node {node} group {group} has other bytes in {body:?} of operation {id}");
        }
    }
}

/// The body's bytes, if all of them are there.
fn bytes(disk: &SimEngine, group: GroupId, body: &BodyRef) -> Option<bytes::Bytes> {
    let found = match *body {
        BodyRef::Log { index, term, ordinal, .. } => {
            disk.get(Cf::Body, &keys::body(group, index, term, ordinal)).unwrap()
        }
        BodyRef::File { id, len, .. } => match disk.files().len(group, id).unwrap() {
            Some(found) if found == len => Some(disk.files().read(group, id, 0..len).unwrap()),
            _ => None,
        },
    };
    found.filter(|bytes| bytes.len() as u64 == body.len())
}
