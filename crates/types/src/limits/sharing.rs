//! Bounds of what queue workers share: receivers' limits, source addresses, and how much new addresses send.

/// How long a worker is believed to be there after its last report, seconds: then what it had is free.
pub const QUEUE_SHARE_SECONDS: u64 = 20;
/// How long after it asked for it a worker begins deliveries by what its last report was answered, seconds.
pub const QUEUE_SHARE_BEGIN_SECONDS: u64 = 14;
/// When it cuts off what it has begun, seconds after the same; what is left of [`QUEUE_SHARE_SECONDS`] is for clocks of the group's leaders, which are
/// at most 2 s apart, and for closing connections.
pub const QUEUE_SHARE_CUT_SECONDS: u64 = 17;
/// How often a worker reports at least, seconds: three reports may be lost.
pub const QUEUE_SHARE_REPORT_SECONDS: u64 = 4;
/// Workers of a cluster.
pub const QUEUE_WORKERS_MAX: usize = 64;
/// Receivers that several workers send to at a time. All of them are an answer of at most some hundred KiB; others wait for their owner.
pub const QUEUE_SHARED_RECEIVERS_MAX: usize = 1_000;
/// Destinations of one receiver of which workers tell each other that they pause.
pub const QUEUE_SHARED_PAUSES_MAX: usize = 20;
/// Source addresses of one worker.
pub const QUEUE_SOURCES_PER_WORKER_MAX: usize = 1_000;
/// Source addresses set aside at destinations, each at each.
pub const QUEUE_SOURCES_ASIDE_MAX: usize = 2_000;
/// Receivers and source addresses of which one command counts what is sent.
pub const QUEUE_WARM_UP_ITEMS_MAX: usize = 500;

const _: () = {
    assert!(3 * QUEUE_SHARE_REPORT_SECONDS < QUEUE_SHARE_BEGIN_SECONDS);
    assert!(QUEUE_SHARE_BEGIN_SECONDS < QUEUE_SHARE_CUT_SECONDS);
    assert!(QUEUE_SHARE_CUT_SECONDS + 2 < QUEUE_SHARE_SECONDS);
};
