//! The mail store service: the replicated state machine of `state` on the groups of `consensus`, offered as a
//! [`StoreNode`](yubin_proto::StoreNode).
//!
//! A node proposes, reads linearizably, searches beside the data, tells news, and keeps POP3 locks in its leader's memory. What is
//! decided (quota, sizes, expiry, names) is decided in `state`; what is durable and in which order is `consensus`'s. The rest of the
//! house reaches a store only through `proto`.
//!
//! - [`bridge`]: the state machine's storage traits on `consensus`'s types; [`machine`]: apply and its news.
//! - [`body`]: how a stored body begins; [`propose`], [`read`] and what it [keeps](kept_bodies), [`search`] and its [`sort`], [`locks`], [`news`]: the calls; [`space`]: room on the disk; [`clock`]: whether the
//!   node's clock may stamp entries.
//! - [`mail_log`]: what happened to mail, beside the replicated data.
//! - [`groups`]: the very first start; [`membership`]: who holds a group later on; [`sweeper`]: what a leader proposes when something is due.

mod backlog;
mod body;
mod bridge;
mod clock;
mod groups;
mod kept_bodies;
mod locks;
mod machine;
mod mail_log;
mod membership;
mod news;
mod notices;
mod propose;
mod read;
mod search;
mod service;
mod settings;
mod sort;
mod space;
mod sweeper;

pub use backlog::{Backlog, Waiting};
pub use mail_log::MailLogError;
pub use service::{OpenError, Store};
pub use settings::{Clock, Member, StoreSettings};
pub use yubin_consensus::{GroupMetrics, NodeMetrics, TlsFiles};
