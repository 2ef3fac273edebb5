//! Bounds of mail on its way to other servers: how much waits, how long and how often it is tried, what is kept of it.

/// Deliveries (a message and one destination) that a domain may have in the queue; more is refused as temporary.
pub const QUEUED_PER_DOMAIN_MAX: u64 = 1_000_000;
/// What the queued messages of a domain may hold, bytes, each message counted once: half of what a group is meant to hold.
pub const QUEUED_BYTES_PER_DOMAIN_MAX: u64 = 50 * 1024 * 1024 * 1024;
/// How long delivery may be tried, seconds: RFC 5321 §4.5.4.1 asks for at least 4 to 5 days, 30 is what no sender waits for.
pub const QUEUE_LIFETIME_SECONDS_MAX: u64 = 30 * 86_400;
/// How long delivery is tried where a plan sets nothing, seconds.
pub const QUEUE_LIFETIME_SECONDS_DEFAULT: u64 = 5 * 86_400;
/// Waits after the first failed attempts to send a message where a plan sets none, seconds: 1, 5, 15, 30 minutes.
pub const RETRY_FIRST_WAITS_SECONDS_DEFAULT: [u64; 4] = [60, 300, 900, 1_800];
/// Waits that a plan may list; later ones grow from the last.
pub const RETRY_WAITS_MAX: usize = 16;
/// Shortest wait between two attempts, seconds.
pub const RETRY_WAIT_SECONDS_MIN: u64 = 10;
/// Longest wait between two attempts where a plan sets none, seconds: 4 hours.
pub const RETRY_WAIT_SECONDS_MAX_DEFAULT: u64 = 4 * 3_600;
/// When a sender hears that a message is late, seconds after it was queued.
pub const DELAY_NOTICE_SECONDS_DEFAULT: u64 = 4 * 3_600;
/// How long a server's reply to QUIT is waited for, seconds: it has no more to say.
pub const QUIT_SECONDS_MAX: u64 = 2;
/// What is read of a server that closed in the middle of a message, bytes: its reply stands at the beginning.
pub const LAST_WORD_BYTES_MAX: usize = 64 * 1024;
/// How long a worker may hold a delivery without renewing its lease, seconds.
pub const QUEUE_LEASE_SECONDS_MAX: u64 = 3_600;
/// Bytes of messages that a worker keeps because they were queued in its process and begin soon. Others it reads from the store.
pub const QUEUE_AT_HAND_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A due delivery of a suspended domain is looked at again after this, seconds.
pub const QUEUE_SUSPENDED_SECONDS: u64 = 15 * 60;
/// Deliveries that one queue command names.
pub const QUEUE_ITEMS_PER_COMMAND_MAX: usize = 1_000;
/// Recipients whose outcome one queue command may write; what goes beyond is left to the next command.
pub const QUEUE_RECIPIENTS_PER_COMMAND_MAX: usize = 5_000;
/// Size of the rows granted by one lease command, bytes; the last one may exceed it. Far below what a gRPC message holds.
pub const QUEUE_LEASE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Notices that one result may bring: for failed, delayed and delivered recipients (RFC 3461 §5).
pub const QUEUE_NOTICES_PER_RESULT_MAX: usize = 3;
/// Rows that one answer about the queue or its events reads before it says where to go on.
pub const QUEUE_ROWS_PER_ANSWER_MAX: usize = 10_000;
/// Times that the sums of a destination know its messages by: the oldest one is known to a quarter of its age.
pub const QUEUE_AGES_MAX: usize = 64;
/// Suspensions of destinations and tenants.
pub const QUEUE_SUSPENSIONS_MAX: usize = 10_000;
/// Tenants of whom a worker remembers from which pool their last mail to a destination left; when there are more, all are forgotten.
pub const QUEUE_TENANTS_REMEMBERED_MAX: usize = 10_000;
/// Text kept of a remote server's reply, bytes.
pub const REMOTE_REPLY_BYTES_MAX: usize = 512;
/// Longest Message-ID that mail on its way out can be found by, bytes; longer ones are cut (RFC 5322 sets no bound but the line's).
pub const MESSAGE_ID_BYTES_MAX: usize = 255;
/// Followers of final outcomes that a process serves at once: each asks every group twice a second.
pub const EVENT_FOLLOWERS_MAX: usize = 16;
/// Events that a follower reads of a group at once.
pub const EVENTS_FOLLOWED_AT_ONCE: u32 = 100;
/// How long final outcomes can be looked up, days.
pub const EVENT_DAYS: u64 = 30;
/// Events are forgotten at whole multiples of this, seconds, so that a group isn't woken for each.
pub const EVENT_STEP_SECONDS: u64 = 3_600;

const _: () = {
    assert!(DELAY_NOTICE_SECONDS_DEFAULT < QUEUE_LIFETIME_SECONDS_DEFAULT);
    assert!(RETRY_FIRST_WAITS_SECONDS_DEFAULT.len() <= RETRY_WAITS_MAX);
    assert!(QUEUE_LIFETIME_SECONDS_DEFAULT <= QUEUE_LIFETIME_SECONDS_MAX);
};
