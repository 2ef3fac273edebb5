//! The network between store nodes.
//!
//! Per peer and channel (control, log, bulk) one HTTP/2 connection; on the first two, one stream that
//! carries the messages of every group, gathered into frames. Appends are pipelined, bounded by bytes,
//! and have deadlines of their own, so that a lost answer never stops replication. Bodies and
//! snapshots have a stream each on the third. A reader who follows an entry walks
//! `network → append_stream → link → outbox → wire` on the leader and
//! `tonic_service → server → append_server → replica` on the follower.
//!
//! Whoever connects is checked: cluster, node, protocol version (`server`) and disk (`acquaintance`). Everything runs on the
//! runtime that is handed in, apart from protocol and disk work. Nothing here decides anything about
//! Raft, and nothing relies on a frame arriving.

mod acquaintance;
mod address;
mod append_server;
mod append_stream;
mod bodies;
mod bulk;
mod codec;
mod disk;
mod endpoint;
mod error;
mod limits;
mod link;
mod network;
mod outbox;
pub(crate) mod peer;
mod peers;
mod replica;
mod server;
mod snapshot_recv;
mod snapshot_send;
mod tls;
mod tonic_service;
mod tonic_wire;
mod wire;

pub(crate) use acquaintance::Acquaintances;
pub use address::AddressBook;
pub(crate) use bodies::HeldBody;
pub(crate) use disk::on_disk;
pub(crate) use error::CallError;
pub(crate) use link::Identity;
#[cfg(test)]
pub(crate) use link::greeted;
pub(crate) use network::GroupNetwork;
pub(crate) use peers::Peers;
pub(crate) use replica::RaftEndpoint;
#[cfg(test)]
pub(crate) use server::serve;
pub(crate) use tls::Tls;
pub use tls::TlsFiles;
pub(crate) use tonic_service::listen;
pub(crate) use tonic_wire::TonicDial;
pub(crate) use wire::{Channel, Dial};
#[cfg(test)]
pub(crate) use wire::{Wire, WireError};
