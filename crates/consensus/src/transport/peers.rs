//! The node among its peers: everything that links, servers and transfers share.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::acquaintance::Acquaintances;
use super::address::AddressBook;
use super::bodies::Bodies;
use super::endpoint::EndpointRef;
use super::error::{Refusal, RefusalCode};
use super::limits::BODY_TRANSFERS_MAX;
use super::link::{Identity, Link};
use super::wire::{Channel, Dial};
use crate::engine::Engine;
use crate::ids::{GroupId, NodeId};

/// This node's links to its peers and the groups that it serves to them.
pub(crate) struct Peers {
    identity: Identity,
    acquaintances: Arc<Acquaintances>,
    addresses: AddressBook,
    dial: Arc<dyn Dial>,
    runtime: Handle,
    bodies: Bodies,
    links: Mutex<BTreeMap<(NodeId, Channel), Arc<Link>>>,
    groups: RwLock<BTreeMap<GroupId, EndpointRef>>,
    body_slots: Arc<Semaphore>,
    snapshot_out: Arc<Semaphore>,
    snapshot_in: Arc<Semaphore>,
}

impl Peers {
    /// A node that serves no group yet. Tasks run on `runtime`.
    pub(crate) fn new(
        identity: Identity,
        acquaintances: Acquaintances,
        addresses: AddressBook,
        dial: Arc<dyn Dial>,
        disk: Arc<dyn Engine>,
        runtime: Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            identity,
            acquaintances: Arc::new(acquaintances),
            addresses,
            dial,
            runtime,
            bodies: Bodies::new(disk),
            links: Mutex::default(),
            groups: RwLock::default(),
            body_slots: Arc::new(Semaphore::new(BODY_TRANSFERS_MAX)),
            snapshot_out: Arc::new(Semaphore::new(1)),
            snapshot_in: Arc::new(Semaphore::new(1)),
        })
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn acquaintances(&self) -> &Acquaintances {
        &self.acquaintances
    }

    pub(crate) fn addresses(&self) -> &AddressBook {
        &self.addresses
    }

    pub(crate) fn dial(&self) -> &dyn Dial {
        &*self.dial
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// The shared link to `to`.
    pub(crate) fn link(&self, to: NodeId, channel: Channel) -> Arc<Link> {
        let mut links = self.links.lock();
        let link = links.entry((to, channel)).or_insert_with(|| {
            let known = Arc::clone(&self.acquaintances);
            Link::new(to, channel, self.identity, known, Arc::clone(&self.dial), self.runtime.clone())
        });
        Arc::clone(link)
    }

    /// Serves `group` to peers from now on.
    pub(crate) fn add_group(&self, group: GroupId, endpoint: EndpointRef) {
        self.groups.write().insert(group, endpoint);
    }

    /// Serves `group` no more.
    pub(crate) fn remove_group(&self, group: GroupId) {
        self.groups.write().remove(&group);
    }

    /// The replica of a group on this node.
    pub(crate) fn endpoint(&self, group: GroupId) -> Result<EndpointRef, Refusal> {
        let found = self.groups.read().get(&group).cloned();
        found.ok_or_else(|| Refusal::new(RefusalCode::UnknownGroup, format!("no replica of group {group} here")))
    }

    /// Takes one of the places for incoming body transfers.
    pub(crate) fn body_slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        slot(&self.body_slots, "body transfers")
    }

    /// Takes the place of the one outgoing snapshot.
    pub(crate) fn snapshot_out_slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        slot(&self.snapshot_out, "an outgoing snapshot")
    }

    /// Takes the place of the one incoming snapshot.
    pub(crate) fn snapshot_in_slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        slot(&self.snapshot_in, "an incoming snapshot")
    }
}

fn slot(slots: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(slots)
        .try_acquire_owned()
        .map_err(|_| Refusal::new(RefusalCode::Busy, format!("this node is busy with {what}")))
}
