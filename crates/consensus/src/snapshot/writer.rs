//! The receiver's side of a snapshot.
//!
//! A replica loads one snapshot at a time: beginning another one ends the first, whose writer
//! fails from then on.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use super::reader::is_transferred;
use super::{Loading, Staged};
use crate::body::BodyRef;
use crate::codec::CodecError;
use crate::engine::{Batch, Cf, Engine};
use crate::ids::GroupId;
use crate::keys::{self, BodyKey};
use crate::replica::Replica;
use crate::transport::on_disk;

/// Loads a snapshot under a generation of its own.
pub(crate) struct SnapshotWriter {
    loading: Loading,
}

impl SnapshotWriter {
    /// Takes a fresh generation and clears what an earlier attempt left in it.
    pub(crate) fn begin(replica: &Arc<Replica>) -> io::Result<Self> {
        let keys = replica.begin_incoming()?;
        Ok(Self { loading: Loading { replica: Arc::clone(replica), keys } })
    }

    /// Writes rows. The caller bounds their size by sending frame by frame.
    pub(crate) async fn rows(&mut self, rows: &[(Bytes, Bytes)]) -> io::Result<()> {
        let mut batch = Batch::new();
        for (relative, value) in rows {
            if !is_transferred(relative) {
                return Err(CodecError::Invalid("snapshot row").into());
            }
            batch.put_shared(Cf::State, &self.loading.keys.relative(relative), value.clone());
        }
        self.write(batch).await
    }

    /// Notes bodies that the state may refer to and tells which of them are not here.
    pub(crate) async fn bodies(&mut self, bodies: &[BodyRef]) -> io::Result<Vec<BodyRef>> {
        let keys = self.loading.keys;
        let offered = bodies.to_vec();
        let (batch, missing) = on_disk(&self.loading.replica.disk.engine, move |engine| {
            let mut batch = Batch::new();
            let mut missing = Vec::new();
            let stored = stored(engine, keys.group, &offered)?;
            for body in offered {
                let here = match &body {
                    BodyRef::Log { index, term, ordinal, .. } => {
                        batch.put(Cf::State, &keys.received(*index, *term, *ordinal), &[]);
                        stored.contains(&keys::body(keys.group, *index, *term, *ordinal))
                    }
                    // Its name in the register was written before, so a sweep that does not see it sees that it was touched.
                    BodyRef::File { id, len, .. } => engine.files().touch(keys.group, *id)? == Some(*len),
                };
                if !here {
                    missing.push(body);
                }
            }
            Ok((batch, missing))
        })
        .await?;
        self.write(batch).await?;
        Ok(missing)
    }

    /// Stores an inline body. Files go the way of any body file.
    pub(crate) async fn inline_body(&mut self, body: &BodyRef, bytes: Bytes) -> io::Result<()> {
        let BodyRef::Log { index, term, ordinal, len } = body else {
            return Err(CodecError::Invalid("inline body").into());
        };
        if bytes.len() != *len as usize {
            return Err(CodecError::Invalid("body length").into());
        }
        let mut batch = Batch::new();
        batch.put_shared(Cf::Body, &keys::body(self.loading.keys.group, *index, *term, *ordinal), bytes);
        self.write(batch).await
    }

    /// All frames arrived.
    pub(crate) fn finish(self) -> io::Result<Staged> {
        self.check()?;
        Ok(Staged { loading: self.loading })
    }

    async fn write(&self, batch: Batch) -> io::Result<()> {
        self.check()?;
        self.loading.replica.write(batch).await
    }

    fn check(&self) -> io::Result<()> {
        if self.loading.replica.is_loading(self.loading.keys.generation) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::Interrupted, "another snapshot is being received"))
        }
    }
}

/// Which of the inline bodies among `offered` are here. Index and term name an entry for ever, and a body is written whole: so one
/// that is here has the right bytes, and they need not be read.
fn stored(engine: &dyn Engine, group: GroupId, offered: &[BodyRef]) -> io::Result<BTreeSet<BodyKey>> {
    let wanted: BTreeSet<BodyKey> = offered
        .iter()
        .filter_map(|body| match body {
            BodyRef::Log { index, term, ordinal, .. } => Some(keys::body(group, *index, *term, *ordinal)),
            BodyRef::File { .. } => None,
        })
        .collect();
    let mut stored = BTreeSet::new();
    if let (Some(first), Some(last)) = (wanted.first(), wanted.last()) {
        let after = [last.as_slice(), &[0]].concat();
        engine.scan_keys(Cf::Body, first, &after, &mut |key| {
            stored.extend(BodyKey::try_from(key).ok().filter(|key| wanted.contains(key)));
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(stored)
}
