//! The contract between the roles: what a front end, the admin API and the queue may ask of the store.
//!
//! One trait, [`StoreNode`], is what a store node offers; it has two implementations: `store`'s own, called directly in one process,
//! and [`grpc::RemoteNode`], which speaks to another process. [`StoreClient`] stands on top: it knows where domains live, finds each
//! group's leader, retries what is safe to retry, and is all that a role sees. Commands and queries travel in the encoding of the
//! replicated log (`yubin-state`), so nothing is converted between the front end and the disk.
//!
//! - [`contract`]: the trait, its requests and its errors.
//! - [`membership`]: steps by which replicas come and go; [`nodes`]: the nodes as the directory lists them.
//! - [`client`]: routing, retries; `clocks`: the nodes' clocks; [`placement`]: the cache of places; [`queue`]: calls of the outbound queue; [`courier`]:
//!   queueing where the worker is at hand; [`dialogue`]: deliveries that are watched; [`watch`]: wake-ups for sessions.
//! - [`mail_log`]: what happened to mail, beside the replicated log; [`report_facts`]: what other domains want to hear of it, [`report_periods`]: when.
//! - [`grpc`]: both ends of the wire; [`gen`](mod@gen): generated code, never edited.

mod ask;
pub mod client;
mod clocks;
pub mod contract;
pub mod courier;
pub mod dialogue;
pub mod events;
pub mod r#gen;
pub mod grpc;
pub mod mail_log;
pub mod membership;
pub mod nodes;
pub mod placement;
pub mod queue;
pub mod report_facts;
pub mod report_periods;
pub mod shares;
pub mod watch;

pub use client::{Caller, ClientSettings, StoreClient};
pub use contract::{
    Body, BodyStream, GroupStatus, LargeBody, LockAction, MessagePiece, MessageSource, NodeStatus, Proposal, Scope,
    SearchOutcome, SearchRequest, StoreError, StoreNode, WatchEvent, WatchStream,
};
pub use courier::{Commission, Content, Courier};
pub use dialogue::{DialogueKind, DialogueLine, Dialogues};
pub use mail_log::{LogEntry, MailEvent, MailEventKind, MailLogFound, MailLogSearch};
pub use placement::Hosted;
pub use watch::Subscription;
