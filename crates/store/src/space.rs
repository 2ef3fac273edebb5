//! Room on the disk: mail is refused while too little is left, so that what makes room still works.
//!
//! A disk that is quite full ends the process at the next write to the log, and then nothing is served, not even deleting. So the
//! leader looks at the free space before it proposes what brings a body, and refuses below the reserve; commands without one
//! (flags, moves, expunges, everything administrative) go on, and as soon as there is room again, mail is taken again. A look is
//! one system call. What is under way at the same time is not counted: the reserve must hold it, and the merging of tables.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use yubin_proto::{Body, StoreError};

/// Watches the file system of a folder.
#[derive(Debug)]
pub(crate) struct Space {
    folder: PathBuf,
    reserve_bytes: u64,
    short: AtomicBool,
}

impl Space {
    pub(crate) fn new(folder: PathBuf, reserve_bytes: u64) -> Self {
        Space { folder, reserve_bytes, short: AtomicBool::new(false) }
    }

    /// Was there too little room when it was looked at last?
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// Is there room for these bodies above the reserve? Without bodies there always is.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`].
    pub(crate) fn admit(&self, bodies: &[Body]) -> Result<(), StoreError> {
        if bodies.is_empty() {
            return Ok(());
        }
        let bytes: u64 = bodies.iter().map(Body::length).sum();
        let free_bytes = match rustix::fs::statvfs(&self.folder) {
            Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
            Err(error) => {
                tracing::warn!(%error, "the free space can't be told");
                return Ok(());
            }
        };
        let short = free_bytes < self.reserve_bytes.saturating_add(bytes);
        if short != self.short.swap(short, Ordering::Relaxed) {
            if short {
                tracing::error!(
                    free_bytes,
                    reserve_bytes = self.reserve_bytes,
                    "the disk is nearly full: mail is refused"
                );
            } else {
                tracing::info!(free_bytes, "there is room on the disk again: mail is taken");
            }
        }
        if short { Err(StoreError::Overloaded) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use yubin_proto::{Body, StoreError};

    use super::Space;

    #[test]
    fn bodies_are_refused_below_the_reserve_and_commands_without_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let body = Body::Inline(Bytes::from_static(b"Subject: a\r\n\r\n"));
        let ample = Space::new(folder.path().to_owned(), 0);
        assert!(ample.admit(std::slice::from_ref(&body)).is_ok());
        let full = Space::new(folder.path().to_owned(), u64::MAX);
        assert!(matches!(full.admit(&[body]), Err(StoreError::Overloaded)));
        assert!(full.admit(&[]).is_ok());
    }
}
