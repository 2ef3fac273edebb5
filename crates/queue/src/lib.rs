//! The outbound queue's workers: they lease what is due, deliver it, and record what came of it.
//!
//! Workers hold nothing that matters: every delivery is a row in its sender's domain group, a lease fences it, and its outcome is recorded
//! once. Any number of workers may run; one that dies leaves leases that run out.
//!
//! - [`worker`]: start and shutdown; [`config`]: what it is told; `dispatch`, `desk`, `leases`, `assignment`, `groups`, `keep`, `delivery`: leases and what is
//!   done with them; `scout`, `board`
//!   with `due`, `lane`, `path`, `line`, `flow` and `tally`, [`pace`], `suspensions`: what begins when;
//!   [`profile`], `shipped`, `site`: what receivers take.
//! - [`pools`], `sources`, [`warm_up`], `ledger`, `ways`, `blocks`, `presence`: from which of our addresses mail leaves.
//! - `sharing`, `rights`, `board/shares`, `peak`: what it may use of limits that several workers have together.
//! - `attempt`: one try at one delivery; `fate`: what came of it; `fitness`: who may take it; [`route`], [`scope`]: where to; `connect`, `connection`, `connections`: how;
//!   `hosted`: to domains of this cluster; `sender`: in whose name; `body`, `source`: the message's bytes; `signing`: what
//!   nobody signed; `dialogues`: who watches; [`tls_tally`]: how TLS went.
//! - `terms`: what a domain's plan says.
//! - `result`, `recorder`: what is recorded, and the notices that go with it. `metrics`: what is counted.
//!
//! What it doesn't do: the dialogue (`session`), what replies mean and when to try again (`policy`), the text of notices (`message`), DNS
//! (`dns-auth`, behind [`MailHosts`]), what is in the queue (`state`).

mod assignment;
mod attempt;
mod blocks;
mod board;
mod body;
pub mod config;
mod connect;
mod connection;
mod connections;
mod crowd;
mod delivery;
mod desk;
mod dialogues;
mod dispatch;
pub mod dns;
mod due;
mod fate;
mod fitness;
mod flow;
mod groups;
mod hosted;
mod keep;
mod lane;
mod leases;
mod ledger;
mod line;
mod metrics;
mod outcome;
pub mod pace;
mod path;
mod peak;
pub mod pools;
mod presence;
pub mod profile;
pub mod receiver;
mod recorder;
mod result;
mod rights;
pub mod route;
pub mod scope;
mod scout;
mod sender;
mod sharing;
mod shipped;
mod signing;
mod site;
mod source;
mod sources;
mod suspensions;
mod tally;
mod terms;
pub mod tls_tally;
mod told;
pub mod warm_up;
mod way;
mod ways;
pub mod worker;

pub use config::QueueConfig;
pub use dns::{Dns, Dnssec};
pub use pace::PaceLimits;
pub use pools::{MailKind, Pool, SourceAddress};
pub use profile::{Family, KnownBy, Profile};
pub use route::{
    CountedTls, HostTls, Hosts, LookupFailure, MailHosts, SmartHost, SmartHostName, SmartHostTls, TlsPolicy,
};
pub use scope::PermittedAddresses;
pub use tls_tally::TlsReports;
pub use warm_up::WarmUp;
pub use worker::{LAST_RECORDS_TIME_MAX, Queue, RunningQueue, StartError};
pub use yubin_policy::retry::RetrySchedule;
