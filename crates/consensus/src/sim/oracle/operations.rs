//! What a client was told is true: an applied operation is there exactly once, at the index it was
//! told; a refused one is nowhere; one without an answer is there once or not at all; nothing is
//! there that nobody sent; and what was sent after an answer comes later in the log.

use super::disk;
use crate::ids::{GroupId, NodeId};
use crate::sim::history::Outcome;
use crate::sim::machine::{Operation, records};
use crate::sim::world::World;

/// Checks one replica.
pub(super) fn check_replica(world: &World, group: GroupId, node: NodeId) {
    let sent = world.history.entries();
    let mut found = std::collections::BTreeMap::new();
    for record in records(&disk::view(&world.hosts[&node].disk, group)) {
        let id = record.id;
        let Some(entry) = sent.get(&id) else { panic!("phantom: node {node} group {group} has operation {id}") };
        assert_eq!(entry.group, group, "operation {id} is in the wrong group on node {node}");
        assert_eq!(record.times, 1, "node {node} group {group} applied operation {id} {} times", record.times);
        assert_ne!(entry.outcome, Outcome::Refused, "operation {id} was refused and is on node {node} group {group}");
        found.insert(id, record);
    }
    for (id, entry) in sent.iter().filter(|(_, entry)| entry.group == group) {
        let Outcome::Applied(index) = entry.outcome else { continue };
        let Some(record) = found.get(id) else { panic!("lost: node {node} group {group} lacks operation {id}") };
        assert_eq!(record.index, index, "operation {id} stands elsewhere on node {node} group {group}");
        if let Operation::Drop(_, victim) = entry.operation
            && let Some(victim) = found.get(&victim)
            && victim.index < index
        {
            assert!(victim.bodies.is_empty(), "operation {id} did not drop the bodies of {}", victim.id);
        }
    }
}

/// Checks that the log's order respects real time.
pub(super) fn check_order(world: &World, group: GroupId) {
    let mut events = Vec::new();
    for (id, entry) in world.history.entries() {
        if let (Outcome::Applied(index), Some(answered)) = (entry.outcome, entry.answered)
            && entry.group == group
        {
            events.push((entry.sent, id, None));
            events.push((answered, id, Some(index)));
        }
    }
    events.sort_unstable();
    let (mut highest, mut floors) = (0, std::collections::BTreeMap::new());
    for (_, id, answered) in events {
        match answered {
            None => {
                floors.insert(id, highest);
            }
            Some(index) => {
                assert!(index > floors[&id], "operation {id} was sent after one that comes later in group {group}");
                highest = highest.max(index);
            }
        }
    }
}
