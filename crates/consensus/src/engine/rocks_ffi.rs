//! The only `unsafe` of this crate: what the safe binding of RocksDB leaves out.
//!
//! - [`harden`]: no silent resume after a background error, verification of write-ahead logs, and
//!   a listener that ends the process on a background error. After a failed write the kernel may
//!   call lost pages clean, so going on would acknowledge what is not there.
//! - [`compact`]: a compaction that moves live values out of the oldest blob files, whatever the column family's options say.
//! - [`visit_keys`]: a scan that leaves values in their blob files.
//! - [`OwnedSnapshot`]: a snapshot that keeps its database alive, where the binding's borrows it.
#![allow(unsafe_code)] // The C interface is the only way to these settings; each use says why it is sound.

use std::ffi::{CStr, c_char, c_void};
use std::io;
use std::mem::ManuallyDrop;
use std::ptr;
use std::slice;
use std::sync::Arc;

use librocksdb_sys as ffi;
use rocksdb::{AsColumnFamilyRef, AsRawPtr, ColumnFamily, DB, Options, SnapshotWithThreadMode};

use super::KeyVisitor;

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

/// An iterator with its options, as C has them.
struct Keys {
    options: *mut ffi::rocksdb_readoptions_t,
    rows: *mut ffi::rocksdb_iterator_t,
}

impl Drop for Keys {
    fn drop(&mut self) {
        // SAFETY: both were made in `visit_keys`, the iterator from the options, and are destroyed once, here.
        unsafe {
            ffi::rocksdb_iter_destroy(self.rows);
            ffi::rocksdb_readoptions_destroy(self.options);
        }
    }
}

/// Visits the keys with `from <= key < to` in their order, until the visitor breaks.
pub(super) fn visit_keys(
    db: &DB,
    family: &ColumnFamily,
    from: &[u8],
    to: &[u8],
    visit: &mut KeyVisitor<'_>,
) -> io::Result<()> {
    // SAFETY: database, column family and bounds are borrowed for longer than the iterator lives, which ends with `keys`; a key is
    // valid until the iterator moves, and is only read before that.
    unsafe {
        let options = ffi::rocksdb_readoptions_create();
        ffi::rocksdb_readoptions_set_allow_unprepared_value(options, 1);
        ffi::rocksdb_readoptions_set_iterate_lower_bound(options, from.as_ptr().cast(), from.len());
        ffi::rocksdb_readoptions_set_iterate_upper_bound(options, to.as_ptr().cast(), to.len());
        let rows = ffi::rocksdb_create_iterator_cf(db.as_raw_ptr(), options, family.inner());
        let keys = Keys { options, rows };
        ffi::rocksdb_iter_seek_to_first(keys.rows);
        while ffi::rocksdb_iter_valid(keys.rows) != 0 {
            let mut len = 0;
            let key = ffi::rocksdb_iter_key(keys.rows, &raw mut len);
            if visit(slice::from_raw_parts(key.cast(), len))?.is_break() {
                return Ok(());
            }
            ffi::rocksdb_iter_next(keys.rows);
        }
        let mut error: *mut c_char = ptr::null_mut();
        ffi::rocksdb_iter_get_error(keys.rows, &raw mut error);
        if error.is_null() {
            return Ok(());
        }
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        ffi::rocksdb_free(error.cast());
        Err(io::Error::other(text))
    }
}

/// Which live values a compaction moves to new blob files.
#[derive(Debug, Clone, Copy)]
pub(super) enum Relocation {
    None,
    /// Those in the oldest `files` of all blob files.
    Oldest {
        files: u64,
        of: u64,
    },
}

const POLICY_FORCE: i32 = 0;
const POLICY_DISABLE: i32 = 1;
const BOTTOMMOST_FORCE_OPTIMIZED: u8 = 3;

/// Merges all tables of a column family; returns when that is done or the database is being closed.
pub(super) fn compact(db: &DB, family: &ColumnFamily, relocation: Relocation) {
    // SAFETY: the options are made, used and destroyed here; database and column family are borrowed for the length of the call,
    // which copies what it needs of the options; null stands for the ends of the key space.
    unsafe {
        let options = ffi::rocksdb_compactoptions_create();
        ffi::rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
        match relocation {
            Relocation::None => ffi::rocksdb_compactoptions_set_blob_garbage_collection_policy(options, POLICY_DISABLE),
            Relocation::Oldest { files, of } => {
                // Rounded up, so that the product with the number of files reaches `files`.
                let cutoff = (files as f64 + 0.5) / of.max(1) as f64;
                ffi::rocksdb_compactoptions_set_blob_garbage_collection_policy(options, POLICY_FORCE);
                ffi::rocksdb_compactoptions_set_blob_garbage_collection_age_cutoff(options, cutoff.min(1.0));
                ffi::rocksdb_compactoptions_set_bottommost_level_compaction(options, BOTTOMMOST_FORCE_OPTIMIZED);
            }
        }
        ffi::rocksdb_compact_range_cf_opt(db.as_raw_ptr(), family.inner(), options, ptr::null(), 0, ptr::null(), 0);
        ffi::rocksdb_compactoptions_destroy(options);
    }
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
