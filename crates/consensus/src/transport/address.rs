//! Where the nodes are: node id to `host:port`, changed while the node runs.
//!
//! Membership decides which nodes exist; this book only says how to reach them. It is kept apart from
//! Raft's membership so that a node can move to another address without a change of membership.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::ids::NodeId;

/// A shared book of addresses. Clones see each other's changes.
#[derive(Clone, Default)]
pub struct AddressBook {
    entries: Arc<RwLock<BTreeMap<NodeId, String>>>,
}

impl AddressBook {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that `node` listens at `address` (`host:port`). Connections made from now on use it; a
    /// connection that works stays, wherever it leads, since its identity was checked.
    pub fn set(&self, node: NodeId, address: impl Into<String>) {
        self.entries.write().insert(node, address.into());
    }

    /// Says where `node` listens according to the replicated membership, unless the book already
    /// knows better.
    pub(crate) fn learn(&self, node: NodeId, address: &str) {
        if !address.is_empty() {
            self.entries.write().entry(node).or_insert_with(|| address.to_owned());
        }
    }

    /// Forgets `node`.
    pub fn remove(&self, node: NodeId) {
        self.entries.write().remove(&node);
    }

    /// Where `node` listens, if known.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<String> {
        self.entries.read().get(&node).cloned()
    }

    /// All nodes and their addresses, in order of id.
    #[must_use]
    pub fn all(&self) -> Vec<(NodeId, String)> {
        self.entries.read().iter().map(|(node, address)| (*node, address.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_says_stands_above_the_membership() {
        let book = AddressBook::new();
        book.learn(NodeId(1), "");
        assert_eq!(book.get(NodeId(1)), None);
        book.learn(NodeId(1), "a:1");
        book.set(NodeId(1), "b:2");
        book.learn(NodeId(1), "a:1");
        assert_eq!(book.all(), [(NodeId(1), "b:2".to_owned())]);
        book.remove(NodeId(1));
        assert_eq!(book.get(NodeId(1)), None);
    }
}
