//! A state in memory: for tests, the simulator and measurements.
//!
//! Writes take effect at once; whoever wants to take one back clones the state first. It can't fail, and says so in its type, so that
//! `let Ok(applied) = apply(..)` compiles.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::kv::{BodyRef, Txn, View};

/// A whole group's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All rows.
    pub rows: BTreeMap<Vec<u8>, Bytes>,
    /// Bodies whose last reference went, in the order they did.
    pub dropped: Vec<BodyRef>,
}

impl View for Memory {
    type Error = Infallible;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Infallible> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Infallible> {
        if from < to {
            let range = (std::ops::Bound::Included(from), std::ops::Bound::Excluded(to));
            for (key, value) in self.rows.range::<[u8], _>(range) {
                if visit(key, value).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Txn for Memory {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.rows.insert(key.to_vec(), Bytes::copy_from_slice(value));
    }

    fn delete(&mut self, key: &[u8]) {
        self.rows.remove(key);
    }

    fn drop_body(&mut self, body: &BodyRef) {
        self.dropped.push(body.clone());
    }
}
