//! Both ends of the wire: [`RemoteNode`] calls a store node in another process, [`serve`] lets others call one of ours.
//!
//! Small commands and queries share one stream of calls for each pair of processes; the rest are calls of gRPC like others. There,
//! failures travel as gRPC status codes with one detail header, so that a caller tells "not done" from "not known":
//!
//! | [`StoreError`](crate::StoreError) | code |
//! |---|---|
//! | `NotLeader` | `FAILED_PRECONDITION`, header `yubin-leader` |
//! | `Unavailable` | `UNAVAILABLE`, header `yubin-outcome: none` |
//! | `Overloaded` | `RESOURCE_EXHAUSTED` |
//! | `Unknown` | `ABORTED`; also any `UNAVAILABLE` without our header, since the request may have arrived |
//! | `Malformed` | `INVALID_ARGUMENT` |

mod answers;
mod calls;
mod client;
mod convert;
mod errors;
mod gather;
mod server;

pub use client::RemoteNode;
pub use server::serve;

/// Largest message either side takes, bytes: a frame of rows with their prefixes, or an inline body with its command.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest query, or answer to a call, on the stream of calls, bytes: a message holds it beside what it was gathered with.
pub(crate) const CALL_VALUE_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 2 * gather::BYTES_FULL;
/// What a caller may send in one DATA frame of HTTP/2, bytes (RFC 9113, section 4.2; the default of 16 KiB cuts each large message into many).
pub(crate) const HTTP2_FRAME_BYTES_MAX: u32 = 256 * 1024;
