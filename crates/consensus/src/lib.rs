//! Many Raft groups on one RocksDB; knows nothing of mail.
//!
//! A [`Node`] opens a data directory and runs this process's replica of every group. A [`Group`]
//! takes commands (opaque bytes plus bodies), replicates them, and applies them through the
//! [`StateMachine`] that the layer above supplies: a pure function of the group's ordered keys.
//! Reads go through a [`View`], a consistent picture of one group, linearizable when it comes from
//! [`Group::read_index`].
//!
//! Every write of the process, log, votes and state, goes through one queue in one order, is
//! written without waiting and made durable by one thread (`pipeline`); what survives a crash is a
//! prefix of that order. An error of the write-ahead log ends the process. The disk is behind the
//! [`engine::Engine`] trait, RocksDB in production and a simulated disk in tests.
//!
//! What is deliberately absent: leases for reads, automatic snapshots, splitting of groups, and
//! any type of the Raft library in this crate's interface.

mod applier;
pub mod body;
pub(crate) mod codec;
pub mod engine;
mod entry_cache;
mod fault;
mod handoff;
pub mod ids;
mod keys;
pub mod limits;
mod log_reader;
mod log_store;
mod pins;
mod pipeline;
pub(crate) mod raft_types;
mod replica;
mod snapshot;
mod state_machine;
mod txn;
mod view;

pub use body::{Body, BodyRef, StagedBody};
pub use codec::CodecError;
pub use engine::Direction;
pub use fault::Fault;
pub use ids::{GroupId, NodeId, PeerAddress, Position};
pub use state_machine::{Applied, StateMachine};
pub use txn::Txn;
pub use view::View;
