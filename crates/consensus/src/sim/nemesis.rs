//! Trouble, as the seed wants it.
//!
//! Each seed draws which kinds of trouble it makes, so that some runs see one kind often and others
//! see all at once. Whatever is broken mends itself after a while; [`Nemesis::stop`] mends the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};

use super::network::Weather;
use super::oracle::Oracle;
use super::world::{DISK, World};
use crate::engine::{SimFaults, SyncState};
use crate::ids::{GroupId, NodeId, PeerAddress};

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// Some nodes and the others can't reach each other.
    Partition,
    /// One node's frames don't reach another one.
    OneWay,
    /// Frames are late, lost, and streams break.
    Weather,
    /// A machine loses its power for a moment.
    Crash,
    /// A machine is away for so long that it needs a snapshot.
    Outage,
    /// A disk is slow.
    Stall,
    /// A sync fails: the node stops writing and has to be restarted.
    SyncError,
    /// A leader hands over.
    Transfer,
    /// Other voters.
    Membership,
}

const ALL: [Trouble; 9] = [
    Trouble::Partition,
    Trouble::OneWay,
    Trouble::Weather,
    Trouble::Crash,
    Trouble::Outage,
    Trouble::Stall,
    Trouble::SyncError,
    Trouble::Transfer,
    Trouble::Membership,
];

#[derive(Clone, Copy, Debug)]
enum Repair {
    Walls,
    Weather,
    Disk(NodeId),
    Start(NodeId),
}

/// The maker of trouble.
pub(crate) struct Nemesis {
    kinds: Vec<Trouble>,
    groups: Vec<GroupId>,
    repairs: Vec<(u64, Repair)>,
    /// How often each kind was made.
    pub(crate) made: BTreeMap<Trouble, u32>,
}

impl Nemesis {
    pub(crate) fn new(world: &mut World, groups: Vec<GroupId>) -> Self {
        let mut kinds: Vec<Trouble> = ALL.to_vec();
        kinds.shuffle(&mut world.rng);
        kinds.truncate(world.rng.random_range(1..=ALL.len()));
        Self { kinds, groups, repairs: Vec::new(), made: BTreeMap::new() }
    }

    /// Makes trouble, or not, and mends what is due.
    pub(crate) fn step(&mut self, world: &mut World, oracle: &mut Oracle) {
        self.crash_failed_nodes(world, oracle);
        let now = world.steps;
        let (due, later) = std::mem::take(&mut self.repairs).into_iter().partition(|(at, _)| *at <= now);
        self.repairs = later;
        let due: Vec<(u64, Repair)> = due;
        for (_, repair) in due {
            if !mend(world, repair) {
                self.repairs.push((now + 20, repair));
            }
        }
        if world.rng.random_range(0..100) == 0
            && let Some(kind) = self.kinds.choose(&mut world.rng).copied()
        {
            self.make(world, oracle, kind);
        }
    }

    /// Mends everything.
    pub(crate) fn stop(&mut self, world: &mut World, oracle: &mut Oracle) {
        self.crash_failed_nodes(world, oracle);
        self.repairs.clear();
        mend(world, Repair::Walls);
        mend(world, Repair::Weather);
        let nodes: Vec<NodeId> = world.hosts.keys().copied().collect();
        for node in nodes {
            mend(world, Repair::Disk(node));
            assert!(mend(world, Repair::Start(node)), "node {node} does not start");
        }
    }

    fn make(&mut self, world: &mut World, oracle: &mut Oracle, kind: Trouble) {
        let nodes: Vec<NodeId> = world.hosts.keys().copied().collect();
        let node = *nodes.choose(&mut world.rng).unwrap();
        let group = *self.groups.choose(&mut world.rng).unwrap();
        let (least, most) = match kind {
            Trouble::Outage => (400, 800),
            Trouble::Crash | Trouble::SyncError => (1, 200),
            _ => (40, 400),
        };
        let until = world.steps + world.rng.random_range(least..most);
        match kind {
            Trouble::Partition => {
                let mut order = nodes.clone();
                order.shuffle(&mut world.rng);
                let (some, others) = order.split_at(world.rng.random_range(1..nodes.len()));
                for (one, other) in some.iter().flat_map(|one| others.iter().map(move |other| (*one, *other))) {
                    world.network.build_wall(one, other);
                    world.network.build_wall(other, one);
                }
                self.repairs.push((until, Repair::Walls));
            }
            Trouble::OneWay => {
                let other = *nodes.choose(&mut world.rng).unwrap();
                if node == other {
                    return;
                }
                world.network.build_wall(node, other);
                self.repairs.push((until, Repair::Walls));
            }
            Trouble::Weather => {
                let slowest = world.rng.random_range(2..20);
                let (loss, resets) = (world.rng.random_range(0..300), world.rng.random_range(0..100));
                world.network.set_weather(Weather { delay: (1, slowest), loss, resets });
                self.repairs.push((until, Repair::Weather));
            }
            Trouble::Crash | Trouble::Outage => {
                if world.hosts[&node].running.is_none() {
                    return;
                }
                world.crash(node);
                oracle.crashed(world, node);
                self.repairs.push((until, Repair::Start(node)));
            }
            Trouble::Stall => {
                let pause = |world: &mut World, most| Duration::from_millis(world.rng.random_range(0..most));
                let faults = SimFaults {
                    write_pause: pause(world, 100),
                    sync_pause: pause(world, 500),
                    read_pause: pause(world, 300),
                    ..DISK
                };
                world.hosts[&node].disk.set_faults(faults);
                self.repairs.push((until, Repair::Disk(node)));
            }
            Trouble::SyncError => {
                world.hosts[&node].disk.set_faults(SimFaults { sync: SyncState::Failing, ..DISK });
                self.repairs.push((until, Repair::Disk(node)));
            }
            Trouble::Transfer => {
                let Some(leader) = world.leader(group) else { return };
                let to = *nodes.choose(&mut world.rng).unwrap();
                let running = world.hosts[&leader].running.as_ref().unwrap();
                // A node that can't take over refuses, which is an outcome too.
                drop(running.runtime.block_on(running.node.transfer_leader(group, to)));
            }
            Trouble::Membership => return self.change_members(world, group),
        }
        *self.made.entry(kind).or_default() += 1;
    }

    /// Moves the group to three random machines.
    fn change_members(&mut self, world: &mut World, group: GroupId) {
        let Some(leader) = world.leader(group) else { return };
        let mut up: Vec<NodeId> = world.up().map(|(node, _)| node).collect();
        up.shuffle(&mut world.rng);
        let voters: BTreeSet<NodeId> = up.into_iter().take(3).collect();
        if voters.len() < 3 {
            return;
        }
        for node in &voters {
            if world.group(*node, group).is_none() && !world.create_group(*node, group, &BTreeSet::new()) {
                return;
            }
        }
        move_group(world, group, leader, voters);
        *self.made.entry(Trouble::Membership).or_default() += 1;
    }

    /// A node whose disk failed has stopped writing; its operator restarts it.
    fn crash_failed_nodes(&mut self, world: &mut World, oracle: &mut Oracle) {
        let failed: Vec<NodeId> = world
            .hosts
            .iter()
            .filter(|(_, host)| host.running.is_some() && host.disk.is_off())
            .map(|(node, _)| *node)
            .collect();
        for node in failed {
            world.crash(node);
            oracle.crashed(world, node);
            let until = world.steps + world.rng.random_range(1..100);
            self.repairs.push((until, Repair::Start(node)));
        }
    }
}

/// Lets the leader make `voters` the voters of its group.
pub(crate) fn move_group(world: &World, group: GroupId, leader: NodeId, voters: BTreeSet<NodeId>) {
    let running = world.hosts[&leader].running.as_ref().unwrap();
    let shared = std::sync::Arc::clone(&running.node.shared);
    running.runtime.spawn(async move {
        let Some(replica) = shared.groups.read().get(&group).cloned() else { return };
        let Ok(raft) = replica.raft() else { return };
        let known: BTreeSet<NodeId> =
            raft.metrics().borrow_watched().membership_config.nodes().map(|(node, _)| *node).collect();
        for node in voters.difference(&known) {
            if raft.add_learner(*node, PeerAddress::default(), false).await.is_err() {
                return;
            }
        }
        // Another change may be under way: then this one does not happen.
        drop(raft.change_membership(voters, false).await);
    });
}

/// False if it has to be tried again.
fn mend(world: &mut World, repair: Repair) -> bool {
    match repair {
        Repair::Walls => world.network.heal(),
        Repair::Weather => world.network.set_weather(Weather::FINE),
        Repair::Disk(node) => world.hosts[&node].disk.set_faults(DISK),
        Repair::Start(node) => {
            if world.hosts[&node].running.is_none() && !world.start(node) {
                // What it wrote before it gave up may be lost again.
                world.crash(node);
                return false;
            }
        }
    }
    true
}
