//! The replicated state machine of a group: `apply(txn, position, entry) -> reply`, and what can be asked of its state.
//!
//! A pure function: no I/O, no clock, no randomness; time comes stamped in the entry, identity is minted by the proposer or counted
//! here. Refusals are replies; `Err` means only that the disk failed, and then nothing of the entry is kept. Quota, message size and
//! Trash expiry are decided here and nowhere else, so they are exact under any concurrency.
//!
//! - [`command`]: what can be proposed; [`reply`]: what comes back.
//! - [`query`]: what can be asked of a [`kv::View`]; pure functions too.
//! - [`kv`]: the two traits that the state machine needs of its storage.
//! - [`record`]: what rows hold.

pub mod codec;
pub mod command;
pub mod kv;
pub mod query;
pub mod record;
pub mod reply;

pub use codec::{Decode, DecodeError, Encode};
pub use command::{Actor, Command, DedupeClass, Entry, Envelope};
pub use kv::{BodyRef, Position, Txn, View};
pub use query::{Answer, Query};
pub use reply::Reply;
