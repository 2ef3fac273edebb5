//! The replicated state machine of a group: `apply(txn, position, entry) -> reply`, and what can be asked of its state.
//!
//! A pure function: no I/O, no clock, no randomness; time comes stamped in the entry, identity is minted by the proposer or counted
//! here. Refusals are replies; `Err` means only that the disk failed, and then nothing of the entry is kept. Quota, message size and
//! Trash expiry are decided here and nowhere else, so they are exact under any concurrency.
//!
//! - [`command`]: what can be proposed; [`reply`]: what comes back; [`apply()`]: from one to the other; [`topic`]: who should look.
//! - [`query`]: what can be asked of a [`kv::View`]; [`answer()`]: a pure function too.
//! - [`queue`]: mail on its way out, with its own commands, queries and records.
//! - [`forward`]: where accounts' mail goes on to; [`auto_reply`]: what they answer by themselves.
//! - [`greylist`]: strangers who are asked to come again.
//! - [`sending`]: how much accounts and domains send, and whose sending is suspended.
//! - [`kv`]: the two traits that the state machine needs of its storage; [`memory`]: both in a map.
//! - [`record`]: what rows hold and others see; [`rows`]: what only this crate sees; [`keys`]: where they are.
//! - [`invariants`]: what must always hold, checked over a whole state.
//!
//! One file per verb or family behind that. The rows of messages change in `opened` alone, those of the queue in `queue/tray`.

pub mod auto_reply;
pub mod codec;
pub mod command;
pub mod expunged;
mod filtering;
pub mod forward;
pub mod greylist;
pub mod invariants;
pub mod keys;
pub mod kv;
pub mod memory;
pub mod query;
pub mod queue;
pub mod record;
pub mod reply;
pub mod rows;
pub mod sending;
pub mod topic;

mod accounts;
mod aliases;
mod answer;
mod append;
mod apply;
mod copy_move;
mod dedupe;
mod deliver;
mod directory;
mod dkim;
mod domain;
mod expiry;
mod expunge;
mod flags;
mod live;
mod mailboxes;
mod notices;
mod opened;
mod rename;
mod resolve;
mod stop;
mod table;
mod tokens;
mod vault;
mod work;

pub use answer::answer;
pub use apply::{Applied, apply};
pub use codec::{Decode, DecodeError, Encode};
pub use command::{Actor, Command, DedupeClass, Entry, Envelope};
pub use kv::{BodyRef, Position, Txn, View};
pub use query::{Answer, Query};
pub use reply::Reply;
pub use topic::Topic;
