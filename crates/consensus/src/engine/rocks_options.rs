//! How RocksDB is set up: durability first, then one memory budget for everything.
//!
//! The write-ahead log recovers to a point in time, so a crash leaves a prefix; a witness file
//! (see `rocks`) tells a torn tail from lost synced records. Inline bodies live in blob files of
//! the column family `body`, whose garbage collection stays off: compaction would rewrite live
//! bodies for nothing (see `compaction`). Rows are compressed at the bottom level only; bodies are
//! the caller's to compress.

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, LogLevel, Options,
    WriteBufferManager, WriteOptions,
};

use super::direct_io::TableWrites;
use super::{Cf, rocks_ffi};

const MIB: usize = 1 << 20;

/// The node's memory for the store, and how it is shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryBudget {
    /// All of it, in bytes.
    pub(crate) total: usize,
}

impl MemoryBudget {
    /// Memtables of all column families: 3/8.
    pub(crate) fn write_buffers(self) -> usize {
        self.total / 8 * 3
    }
    /// One memtable of bodies: 1/8, two of them.
    pub(crate) fn body_buffer(self) -> usize {
        (self.total / 8).clamp(4 * MIB, 256 * MIB)
    }
    /// Log entries not yet applied or replicated: 3/16.
    pub(crate) fn entry_cache(self) -> usize {
        self.total / 16 * 3
    }
    /// Blocks of tables: 1/4.
    pub(crate) fn block_cache(self) -> usize {
        self.total / 4
    }
}

/// Options shared by the column families of one database.
pub(super) struct Setup {
    cache: Cache,
    buffers: WriteBufferManager,
    memory: MemoryBudget,
    table_writes: TableWrites,
}

impl Setup {
    pub(super) fn new(memory: MemoryBudget, table_writes: TableWrites) -> Self {
        Self {
            cache: Cache::new_lru_cache(memory.block_cache()),
            buffers: WriteBufferManager::new_write_buffer_manager(memory.write_buffers(), false),
            memory,
            table_writes,
        }
    }

    pub(super) fn database(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_track_and_verify_wals_in_manifest(true);
        options.set_paranoid_checks(true);
        options.set_max_total_wal_size(4 * self.memory.write_buffers() as u64);
        options.set_wal_bytes_per_sync(MIB as u64);
        options.set_bytes_per_sync(MIB as u64);
        options.set_use_direct_io_for_flush_and_compaction(self.table_writes == TableWrites::Direct);
        options.set_use_fsync(false);
        options.set_max_background_jobs(4);
        options.set_write_buffer_manager(&self.buffers);
        options.set_keep_log_file_num(4);
        options.set_max_log_file_size(16 * MIB);
        options.set_log_level(LogLevel::Warn);
        options.set_stats_dump_period_sec(0);
        options.set_avoid_unnecessary_blocking_io(true);
        rocks_ffi::harden(&mut options);
        options
    }

    pub(super) fn column_family(&self, cf: Cf) -> Options {
        let mut options = Options::default();
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_format_version(6);
        options.set_compression_type(DBCompressionType::None);
        match cf {
            Cf::Meta => options.set_write_buffer_size(MIB),
            Cf::Raft => options.set_write_buffer_size(self.memory.write_buffers() / 3),
            Cf::Body => {
                options.set_write_buffer_size(self.memory.body_buffer());
                options.set_max_write_buffer_number(3);
                options.set_target_file_size_base(8 << 20);
                options.set_enable_blob_files(true);
                options.set_min_blob_size(1 << 10);
                // A flush makes a file of its own, smaller than this but with much memory; so this bounds what one live body
                // keeps of the disk.
                options.set_blob_file_size(64 << 20);
                options.set_blob_compression_type(DBCompressionType::None);
                options.set_enable_blob_gc(false);
            }
            Cf::State => {
                options.set_write_buffer_size(self.memory.write_buffers() / 3);
                options.set_target_file_size_base(8 << 20);
                partition_index(&mut table);
                options.set_level_compaction_dynamic_level_bytes(true);
                options.set_bottommost_compression_type(DBCompressionType::Zstd);
                table.set_bloom_filter(10.0, false);
            }
        }
        options.set_block_based_table_factory(&table);
        options
    }

    /// Bytes that memtables hold now.
    pub(super) fn buffered_bytes(&self) -> u64 {
        self.buffers.get_usage() as u64
    }
}

/// Cuts a table's index and filter into blocks of their own. A whole index of a large table does not fit into a shard of the
/// cache, and then every read unpacks it anew.
fn partition_index(table: &mut BlockBasedOptions) {
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_metadata_block_size(4 << 10);
    table.set_pin_top_level_index_and_filter(true);
}

/// Writes never wait for the disk; the syncer does.
pub(super) fn unsynced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(false);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_budget_is_shared_out_as_decided() {
        let memory = MemoryBudget { total: 256 * MIB };
        assert_eq!(memory.write_buffers(), 96 * MIB);
        assert_eq!(memory.body_buffer(), 32 * MIB);
        assert_eq!(memory.entry_cache(), 48 * MIB);
        assert_eq!(memory.block_cache(), 64 * MIB);
    }
}
