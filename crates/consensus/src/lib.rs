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
//! What starts or stops a node returns a boxed future: an `async fn` is compiled where it is awaited, and the Raft library is to be
//! compiled here, once and optimized.
//!
//! What is deliberately absent: leases for reads, automatic snapshots, splitting of groups, and
//! any type of the Raft library in this crate's interface.

mod applier;
pub mod body;
mod body_writer;
#[cfg(test)]
mod cluster_test;
pub(crate) mod codec;
mod config;
pub mod engine;
mod entry_cache;
mod error;
mod fault;
mod generations;
mod group;
mod handoff;
pub mod ids;
mod janitor;
mod keys;
pub mod limits;
mod log_reader;
mod log_store;
mod metrics;
mod node;
#[cfg(test)]
mod node_test;
mod open;
mod pins;
mod pipeline;
pub(crate) mod raft_types;
mod read_batch;
mod reclaim;
mod replica;
mod runtime;
#[cfg(test)]
mod sim;
mod snapshot;
mod state_machine;
#[cfg(test)]
mod suite_test;
mod supervisor;
mod transport;
mod txn;
mod view;

pub use body::{Body, BodyRef, StagedBody};
pub use body_writer::BodyWriter;
pub use codec::CodecError;
pub use config::{MEMORY_BYTES_DEFAULT, NodeConfig};
pub use engine::Direction;
pub use error::{AdminError, OpenError, ProposeError, ReadError};
pub use fault::Fault;
pub use group::{Committed, Group, Leadership, Role};
pub use ids::{DiskId, GroupId, NodeId, PeerAddress, Position};
pub use metrics::{GroupMetrics, NodeMetrics};
pub use node::Node;
pub use state_machine::{Applied, StateMachine};
pub use transport::{AddressBook, TlsFiles};
pub use txn::Txn;
pub use view::View;
