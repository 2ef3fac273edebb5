//! The state machine's storage traits on `consensus`'s types. Bodies are opaque to the state machine: it keeps the bytes of their
//! references and hands them back.

use std::io;
use std::ops::ControlFlow;

use bytes::Bytes;
use smallvec::SmallVec;
use yubin_consensus as consensus;
use yubin_state::kv;

/// A view of a group's state.
pub(crate) struct StateView(pub(crate) consensus::View);

impl kv::View for StateView {
    type Error = io::Error;

    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.0.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> io::Result<()> {
        self.0.scan(from, Some(to), consensus::Direction::Forward, &mut |key, value| Ok(visit(key, value)))
    }
}

/// A command's transaction.
pub(crate) struct StateTxn<'a, 'b>(pub(crate) &'a mut consensus::Txn<'b>);

impl kv::View for StateTxn<'_, '_> {
    type Error = io::Error;

    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.0.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> io::Result<()> {
        self.0.scan(from, Some(to), consensus::Direction::Forward, &mut |key, value| Ok(visit(key, value)))
    }
}

impl kv::Txn for StateTxn<'_, '_> {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.put(key, Bytes::copy_from_slice(value));
    }

    fn delete(&mut self, key: &[u8]) {
        self.0.delete(key);
    }

    fn drop_body(&mut self, body: &kv::BodyRef) {
        match body_ref(body) {
            Ok(body) => self.0.drop_body(&body),
            Err(error) => tracing::error!(%error, "a row names a body that can't be read: its bytes stay on disk"),
        }
    }
}

/// The state machine's name of a body.
pub(crate) fn state_body_ref(body: &consensus::BodyRef) -> kv::BodyRef {
    kv::BodyRef(SmallVec::from_slice(&body.to_bytes()))
}

/// The body that the state machine names.
pub(crate) fn body_ref(body: &kv::BodyRef) -> io::Result<consensus::BodyRef> {
    let mut bytes: &[u8] = &body.0;
    consensus::BodyRef::decode(&mut bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}
