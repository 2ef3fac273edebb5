//! Every bound of this crate, with its reason.

use std::time::Duration;

/// Bodies of this size and above are files: nothing larger enters RocksDB, where one value would
/// hold up the write-ahead log for every group.
pub const BODY_INLINE_BYTES_MAX: usize = 1 << 20;

/// Largest body file: no length that a peer names makes a replica write more. The layer above sets its own, smaller bound.
pub const BODY_FILE_BYTES_MAX: u64 = 1 << 30;

/// Bodies of one command.
pub const BODIES_PER_COMMAND_MAX: usize = 64;

/// The caller's part of a command, without bodies.
pub const COMMAND_BYTES_MAX: usize = 1 << 20;

/// Command and inline bodies of one entry together; larger bodies are staged.
pub const ENTRY_BYTES_MAX: usize = (COMMAND_BYTES_MAX + BODY_INLINE_BYTES_MAX) - (64 << 10);

/// A proposal waits this long for its bytes, then the group is overloaded.
pub const PROPOSAL_WAIT_MAX: Duration = Duration::from_secs(5);

/// A proposal without answer has an unknown outcome after this time.
pub const PROPOSAL_TIMEOUT: Duration = Duration::from_secs(15);

/// A finished body waits this long for a quorum to have it; after that peers fetch it.
pub const BODY_PUSH_WAIT_MAX: Duration = Duration::from_secs(20);

/// Bytes of proposals of one group that are not answered yet.
pub const GROUP_PROPOSAL_BYTES_MAX: usize = 32 << 20;

/// Bytes of proposals of all groups of a node that are not answered yet.
pub const NODE_PROPOSAL_BYTES_MAX: usize = 128 << 20;

/// The least memory a node runs with.
pub const MEMORY_BYTES_MIN: usize = 32 << 20;

/// One replication message; below the transport's message limit with room for framing.
pub const APPEND_BYTES_MAX: usize = 2 << 20;

/// One call of `read_body` for a file.
pub const BODY_READ_BYTES_MAX: u64 = 1 << 20;

/// Rows and bodies of one snapshot frame.
pub const SNAPSHOT_FRAME_BYTES: usize = 256 << 10;

/// Inline bodies that one snapshot frame names, together: either side reads them between two messages, in far less time than
/// the other one waits in silence, on a slow disk too.
pub const SNAPSHOT_FRAME_BODY_BYTES: usize = 16 << 20;

/// What the writer merges into one write: bounds latency behind a large batch.
pub const WRITE_BATCH_BYTES_MAX: usize = 8 << 20;

/// Key bytes relative to a group's state: fits RocksDB comfortably and any index of ours.
pub const KEY_BYTES_MAX: usize = 4 << 10;

/// Heartbeats a leader sends to each follower.
pub const HEARTBEAT: Duration = Duration::from_millis(100);

/// Shortest and longest election timeout; a follower campaigns after the longest plus a random
/// one in between.
pub const ELECTION_MIN: Duration = Duration::from_millis(400);
/// See [`ELECTION_MIN`].
pub const ELECTION_MAX: Duration = Duration::from_millis(600);

/// How often a node looks for peers that it has not met yet.
pub const ACQUAINT_INTERVAL: Duration = Duration::from_millis(500);

/// How often each group's log is looked at.
pub const JANITOR_INTERVAL: Duration = Duration::from_secs(10);

/// A log longer than this is purged up to [`LOG_ENTRIES_KEPT`] below what is applied.
pub const LOG_ENTRIES_MAX: u64 = 50_000;

/// A log whose thin entries weigh more than this is purged too.
pub const LOG_BYTES_MAX: u64 = 64 << 20;

/// Entries that stay behind a purge, so that a follower that lags a little catches up from the
/// log and the library never meets a purge close to what it applies.
pub const LOG_ENTRIES_KEPT: u64 = 10_000;

/// A log this long is purged even if a follower needs it: it will get a snapshot.
pub const LOG_ENTRIES_HARD_MAX: u64 = 2_000_000;

/// The same for thin entries by weight: what a follower is spared is a snapshot, of rows that weigh about as much.
pub const LOG_BYTES_HARD_MAX: u64 = 1 << 30;

/// A log is cut this long after something was dropped, to free its space: time for a follower that is being restarted.
pub const DROP_AGE: Duration = Duration::from_secs(300);

/// Entries that stay behind such a cut, apart from all that are younger than [`DROP_AGE`].
pub const DROP_ENTRIES_KEPT: u64 = 1_000;

/// What was dropped this long ago is freed even if fewer entries stay: a group of 200 entries a day would keep deleted mail for
/// days.
pub const DROP_AGE_MAX: Duration = Duration::from_secs(3600);

/// Bytes of dropped bodies that the leader keeps for a follower that is down; above that, it will get a snapshot.
pub const DROP_BYTES_HARD_MAX: u64 = 2 << 30;

/// Dropped bodies are kept no longer than that for a follower that is down.
pub const DROP_AGE_HARD_MAX: Duration = Duration::from_secs(24 * 3600);

/// Bodies that are removed in one batch.
pub const RECLAIM_BATCH: usize = 1000;

/// How often it is looked at whether space of removed bodies should be given back.
pub const COMPACTION_INTERVAL: Duration = Duration::from_secs(600);

/// So much must have been removed before tables are merged for it, and the hundredth part of all bodies;
pub const COMPACTION_BYTES_MIN: u64 = 64 << 20;

/// or this time must have passed since the last time.
pub const COMPACTION_INTERVAL_MAX: Duration = Duration::from_secs(24 * 3600);

/// Live bodies are moved a part of the files at a time: so much more space the store needs meanwhile.
pub const COMPACTION_PORTIONS: u64 = 32;

/// Percent of blob files that may be dead; more would be cheaper to move and dearer to store.
pub const BODY_DEAD_PERCENT_MAX: u64 = 30;

/// The same while less than a tenth of the disk is free.
pub const BODY_DEAD_PERCENT_MAX_SHORT: u64 = 10;

/// A body file that nothing names is removed at this age: any proposal or snapshot that relied on it has ended, or names it by
/// now.
pub const ORPHAN_AGE_MIN: Duration = Duration::from_secs(3600);

/// A body file that is relied on counts as young again from this age on. Most are named by an entry moments after they were made,
/// and cost no write for that.
pub const BODY_TOUCH_AGE: Duration = Duration::from_secs(600);

/// How often each group's files are compared with what names them. That lists files and reads the register; the log only where
/// an old file is not in the register.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(3600);

/// Pauses before attempts to rebuild a group whose Raft panicked double from the first to the last.
pub const REBUILD_PAUSE_MIN: Duration = Duration::from_secs(1);
/// See [`REBUILD_PAUSE_MIN`].
pub const REBUILD_PAUSE_MAX: Duration = Duration::from_secs(60);

/// Shutdown waits this long for another voter to take leadership.
pub const TRANSFER_TIMEOUT: Duration = Duration::from_secs(2);

const _: () = assert!(COMMAND_BYTES_MAX + BODY_INLINE_BYTES_MAX <= APPEND_BYTES_MAX);
const _: () = assert!(HEARTBEAT.as_millis() * 3 < ELECTION_MIN.as_millis());
const _: () = assert!(ELECTION_MIN.as_millis() < ELECTION_MAX.as_millis());
const _: () = assert!(LOG_ENTRIES_KEPT * 2 < LOG_ENTRIES_MAX);
const _: () = assert!(LOG_BYTES_MAX < LOG_BYTES_HARD_MAX);
const _: () = assert!(DROP_AGE.as_secs() < DROP_AGE_MAX.as_secs());
const _: () = assert!(DROP_AGE_MAX.as_secs() < DROP_AGE_HARD_MAX.as_secs());
const _: () = assert!(APPEND_BYTES_MAX < WRITE_BATCH_BYTES_MAX);
// A staged body waits for a quorum, then its proposal for room and for its entry.
const _: () = assert!(
    (BODY_PUSH_WAIT_MAX.as_secs() + PROPOSAL_WAIT_MAX.as_secs() + PROPOSAL_TIMEOUT.as_secs()) * 10
        < ORPHAN_AGE_MIN.as_secs() - BODY_TOUCH_AGE.as_secs()
);
