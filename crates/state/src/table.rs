//! Typed rows on top of [`View`] and [`Txn`]: a [`Key`] says what its row is.
//!
//! A row that can't be decoded is a damaged disk or a bug. Going on would let replicas drift apart, so reading one panics: the host
//! marks the group faulted on that replica and reports it, and the others go on.

use std::ops::ControlFlow;

use serde::{Serialize, de::DeserializeOwned};

use crate::codec::{Decode as _, Encode as _};
use crate::keys::{Key, Span};
use crate::kv::{Txn, View};
use crate::stop::{Outcome, Stop};

/// Reading typed rows.
pub(crate) trait Read: View {
    /// The row, if there is one.
    fn row<R: DeserializeOwned>(&self, key: &Key<R>) -> Outcome<Option<R>, Self::Error> {
        let bytes = self.get(key.bytes()).map_err(Stop::Disk)?;
        Ok(bytes.map(|bytes| decoded(key.bytes(), &bytes)))
    }

    /// Visits rows in key order until `visit` breaks.
    fn each<R: DeserializeOwned>(
        &self,
        span: &Span<R>,
        mut visit: impl FnMut(&[u8], R) -> ControlFlow<()>,
    ) -> Outcome<(), Self::Error> {
        self.scan(&span.from, &span.to, &mut |key, value| visit(key, decoded(key, value))).map_err(Stop::Disk)
    }

    /// Visits keys in order until `visit` breaks; rows are not decoded.
    fn each_key<R>(&self, span: &Span<R>, mut visit: impl FnMut(&[u8]) -> ControlFlow<()>) -> Outcome<(), Self::Error> {
        self.scan(&span.from, &span.to, &mut |key, _| visit(key)).map_err(Stop::Disk)
    }

    /// The first rows of a span, at most `limit`.
    fn first_rows<R: DeserializeOwned>(&self, span: &Span<R>, limit: usize) -> Outcome<Vec<(Vec<u8>, R)>, Self::Error> {
        let mut rows = Vec::new();
        if limit > 0 {
            self.each(span, |key, row| {
                rows.push((key.to_vec(), row));
                go_on_while(rows.len() < limit)
            })?;
        }
        Ok(rows)
    }

    /// The first keys of a span, at most `limit`.
    fn first_keys<R>(&self, span: &Span<R>, limit: usize) -> Outcome<Vec<Vec<u8>>, Self::Error> {
        let mut keys = Vec::new();
        if limit > 0 {
            self.each_key(span, |key| {
                keys.push(key.to_vec());
                go_on_while(keys.len() < limit)
            })?;
        }
        Ok(keys)
    }

    /// The first key of a span.
    fn first_key<R>(&self, span: &Span<R>) -> Outcome<Option<Vec<u8>>, Self::Error> {
        Ok(self.first_keys(span, 1)?.pop())
    }
}

impl<V: View> Read for V {}

/// Writing typed rows.
pub(crate) trait Write: Txn + Sized {
    /// Sets a row.
    fn set<R: Serialize>(&mut self, key: &Key<R>, row: &R) {
        self.put(key.bytes(), &row.encode());
    }

    /// Removes a row.
    fn unset<R>(&mut self, key: &Key<R>) {
        self.delete(key.bytes());
    }

    /// Removes rows of a span, at most `budget`; what is left of the budget comes back, 0 if there may be more.
    fn erase<R>(&mut self, span: &Span<R>, budget: usize) -> Outcome<usize, Self::Error> {
        let keys = self.first_keys(span, budget)?;
        keys.iter().for_each(|key| self.delete(key));
        Ok(budget - keys.len())
    }
}

impl<T: Txn> Write for T {}

/// Goes on as long as the condition holds.
#[expect(clippy::fn_params_excessive_bools, reason = "it turns a condition into control flow")]
pub(crate) fn go_on_while(condition: bool) -> ControlFlow<()> {
    if condition { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

#[expect(clippy::panic, reason = "a damaged row must stop this replica, see the module's page")]
fn decoded<R: DeserializeOwned>(key: &[u8], value: &[u8]) -> R {
    match R::decode(value) {
        Ok(row) => row,
        Err(error) => panic!("row {key:02x?} can't be read: {error}"),
    }
}
