//! Bounds of what senders may wish of the time at which their mail is sent ([`crate::handling`]), and of notices ([`crate::dsn`]).

/// How long a sender may have a message held back (RFC 4865), seconds: what is queued counts against the queue's bounds meanwhile.
pub const FUTURE_RELEASE_SECONDS_MAX: u64 = 30 * 86_400;
/// Shortest time in which mail may have to be delivered or else come back (RFC 2852 `min-by-time`), seconds: one attempt's worth.
pub const DELIVER_BY_SECONDS_MIN: u64 = 10;
/// Longest time that BY can name, seconds: nine digits (RFC 2852 §3).
pub const DELIVER_BY_SECONDS_MAX: u64 = 999_999_999;
/// Longest ENVID, octets of its xtext (RFC 3461 §4.4).
pub const ENVID_BYTES_MAX: usize = 100;
/// Longest ORCPT, octets with its address type (RFC 3461 §4.2).
pub const ORCPT_BYTES_MAX: usize = 500;
