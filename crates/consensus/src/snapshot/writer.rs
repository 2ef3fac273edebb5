//! The receiver's side of a snapshot.
//!
//! A replica loads one snapshot at a time: beginning another one ends the first, whose writer
//! fails from then on.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::Staged;
use super::reader::is_transferred;
use crate::body::BodyRef;
use crate::codec::CodecError;
use crate::engine::{Batch, Cf};
use crate::keys::{self, StateKeys};
use crate::replica::Replica;

/// Loads a snapshot under a generation of its own.
pub(crate) struct SnapshotWriter {
    replica: Arc<Replica>,
    keys: StateKeys,
}

impl SnapshotWriter {
    /// Takes a fresh generation and clears what an earlier attempt left in it.
    pub(crate) fn begin(replica: &Arc<Replica>) -> io::Result<Self> {
        let keys = replica.begin_incoming()?;
        Ok(Self { replica: Arc::clone(replica), keys })
    }

    /// Writes rows. The caller bounds their size by sending frame by frame.
    pub(crate) async fn rows(&mut self, rows: &[(Bytes, Bytes)]) -> io::Result<()> {
        let mut batch = Batch::new();
        for (relative, value) in rows {
            if !is_transferred(relative) {
                return Err(CodecError::Invalid("snapshot row").into());
            }
            batch.put_shared(Cf::State, &self.keys.relative(relative), value.clone());
        }
        self.write(batch).await
    }

    /// Notes bodies that the state may refer to and tells which of them are not here.
    pub(crate) async fn bodies(&mut self, bodies: &[BodyRef]) -> io::Result<Vec<BodyRef>> {
        let mut batch = Batch::new();
        let mut missing = Vec::new();
        let engine = self.replica.engine();
        let group = self.keys.group;
        for body in bodies {
            let here = match body {
                BodyRef::Log { index, term, ordinal, len } => {
                    batch.put(Cf::State, &self.keys.received(*index, *term, *ordinal), &[]);
                    let bytes = engine.get(Cf::Body, &keys::body(group, *index, *term, *ordinal))?;
                    bytes.is_some_and(|bytes| bytes.len() == *len as usize)
                }
                BodyRef::File { id, len, .. } => engine.files().len(group, *id)? == Some(*len),
            };
            if !here {
                missing.push(*body);
            }
        }
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
        batch.put_shared(Cf::Body, &keys::body(self.keys.group, *index, *term, *ordinal), bytes);
        self.write(batch).await
    }

    /// All frames arrived.
    pub(crate) fn finish(self) -> io::Result<Staged> {
        self.check()?;
        Ok(Staged { generation: self.keys.generation })
    }

    async fn write(&self, batch: Batch) -> io::Result<()> {
        self.check()?;
        self.replica.write(batch).await
    }

    fn check(&self) -> io::Result<()> {
        if self.replica.is_incoming(self.keys.generation) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::Interrupted, "another snapshot is being received"))
        }
    }
}
