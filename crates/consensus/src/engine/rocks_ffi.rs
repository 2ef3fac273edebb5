//! The only `unsafe` of this crate: what the safe binding of RocksDB leaves out.
//!
//! - [`harden`]: no silent resume after a background error, verification of write-ahead logs, and
//!   a listener that ends the process on a background error. After a failed write the kernel may
//!   call lost pages clean, so going on would acknowledge what is not there.
//! - [`OwnedSnapshot`]: a snapshot that keeps its database alive, where the binding's borrows it.
#![allow(unsafe_code)] // The C interface is the only way to these settings; each use says why it is sound.

use std::ffi::{CStr, c_char, c_void};
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use librocksdb_sys as ffi;
use rocksdb::{AsRawPtr, DB, Options, SnapshotWithThreadMode};

/// Applies the settings that have no safe setter.
pub(super) fn harden(options: &mut Options) {
    // SAFETY: the pointer is used while `options` is borrowed; the listener's callbacks are
    // functions without state, and RocksDB takes ownership of the listener.
    unsafe {
        let raw = options.as_raw_ptr();
        ffi::rocksdb_options_set_max_bgerror_resume_count(raw, 0);
        ffi::rocksdb_options_set_track_and_verify_wals(raw, 1);
        let listener = ffi::rocksdb_eventlistener_create(
            ptr::null_mut(),
            Some(ignore_drop),
            Some(ignore_flush),
            Some(ignore_flush),
            Some(ignore_compaction),
            Some(ignore_compaction),
            Some(ignore_subcompaction),
            Some(ignore_subcompaction),
            Some(ignore_ingestion),
            Some(abort_on_background_error),
            Some(ignore_stall),
            Some(ignore_memtable),
        );
        ffi::rocksdb_options_add_eventlistener(raw, listener);
    }
}

unsafe extern "C" fn ignore_drop(_: *mut c_void) {}
unsafe extern "C" fn ignore_flush(_: *mut c_void, _: *mut ffi::rocksdb_t, _: *const ffi::rocksdb_flushjobinfo_t) {}
unsafe extern "C" fn ignore_compaction(
    _: *mut c_void,
    _: *mut ffi::rocksdb_t,
    _: *const ffi::rocksdb_compactionjobinfo_t,
) {
}
unsafe extern "C" fn ignore_subcompaction(_: *mut c_void, _: *const ffi::rocksdb_subcompactionjobinfo_t) {}
unsafe extern "C" fn ignore_ingestion(
    _: *mut c_void,
    _: *mut ffi::rocksdb_t,
    _: *const ffi::rocksdb_externalfileingestioninfo_t,
) {
}
unsafe extern "C" fn ignore_stall(_: *mut c_void, _: *const ffi::rocksdb_writestallinfo_t) {}
unsafe extern "C" fn ignore_memtable(_: *mut c_void, _: *const ffi::rocksdb_memtableinfo_t) {}

unsafe extern "C" fn abort_on_background_error(_: *mut c_void, reason: u32, status: *mut ffi::rocksdb_status_ptr_t) {
    let mut message: *mut c_char = ptr::null_mut();
    // SAFETY: RocksDB passes a valid status for the length of this call and a C string it
    // allocated, which is read before the process ends.
    let text = unsafe {
        ffi::rocksdb_status_ptr_get_error(status, &raw mut message);
        if message.is_null() { "unknown".into() } else { CStr::from_ptr(message).to_string_lossy() }
    };
    tracing::error!(reason, error = %text, "the database reported a background error: ending the process");
    std::process::abort();
}

/// A snapshot together with the database it belongs to.
pub(super) struct OwnedSnapshot {
    snapshot: ManuallyDrop<SnapshotWithThreadMode<'static, DB>>,
    db: Arc<DB>,
}

impl OwnedSnapshot {
    pub(super) fn new(db: &Arc<DB>) -> Self {
        let db = Arc::clone(db);
        // SAFETY: the reference points into the Arc's allocation, which does not move and which
        // `self.db` keeps alive; `drop` releases the snapshot before the Arc.
        let borrowed: &'static DB = unsafe { &*Arc::as_ptr(&db) };
        Self { snapshot: ManuallyDrop::new(borrowed.snapshot()), db }
    }

    pub(super) fn db(&self) -> &Arc<DB> {
        &self.db
    }

    pub(super) fn get(&self) -> &SnapshotWithThreadMode<'_, DB> {
        &self.snapshot
    }
}

impl Drop for OwnedSnapshot {
    fn drop(&mut self) {
        // SAFETY: dropped once, here, while `self.db` is still alive.
        unsafe { ManuallyDrop::drop(&mut self.snapshot) }
    }
}
