//! Bounds of what accounts send ([`crate::sending`]), and in whose names ([`crate::send_as`]).

/// Hours of which it is kept how much an account and its domain sent: a day.
pub const SENDING_HOURS: u64 = 24;
/// Recipients refused for good below which their share says nothing about an account.
pub const SENDING_BOUNCES_MIN: u64 = 20;
/// Messages that a recipient elsewhere refuses as unknown (5.1.1), each within [`DEAD_RECIPIENT_SECONDS`] of the one before and none taken in
/// between, until it is refused at submission.
pub const DEAD_RECIPIENT_REFUSALS: u32 = 3;
/// How long after its last refusal it is refused, seconds; then it is forgotten.
pub const DEAD_RECIPIENT_SECONDS: u64 = 3 * 86_400;
/// Recipients of which a domain knows refusals; beyond, the one that refused longest ago is forgotten. Each takes 20 bytes of one row.
pub const DEAD_RECIPIENTS_MAX: usize = 500;
/// Recipients that an account is known to have written to; the oldest quarter is forgotten beyond. Each takes 4 bytes of one row.
pub const KNOWN_RECIPIENTS_MAX: usize = 2_000;
/// Suspensions of an account's sending, and their ends, that can be looked up: the last ones.
pub const SENDING_HISTORY_MAX: usize = 20;
/// Suspensions of which owners are told by one look of a group's leader.
pub const SENDING_NOTICES_MAX: usize = 100;
/// Addresses and domains in whose names an account may send beside its own, each about 100 bytes of one row.
pub const SEND_AS_MAX: usize = 100;
