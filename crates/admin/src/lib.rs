//! The gRPC admin API: domains, their DNS records and DKIM keys, accounts, what they send, where their mail goes on to and how they answer by themselves, aliases, plans, usage, the outbound queue, nodes and groups.
//!
//! A thin edge: it checks the bearer token, turns requests into commands and queries, and answers when they have happened on every
//! front end. Nothing is decided here that the state machine decides (names, quotas, uniqueness). Every change is idempotent under its
//! request id, also where it takes several commands (a domain, a plan): each step derives its own id from the caller's, so a retry goes
//! on where the first try stopped.
//!
//! - [`serve`]: the service with health and reflection; [`auth`]: tokens.
//! - `domains`, `dns`, `dns_check`, `accounts`, `sending`, `forward`, `auto_reply`, `countries`, `aliases`, `plans`, `usage`, `queue`, `cluster`, `membership`, `tokens`: the calls; `convert`: wire and words; `status`:
//!   refusals as status.

mod accounts;
mod aliases;
pub mod auth;
mod auto_reply;
mod cluster;
mod convert;
mod countries;
mod directory;
mod dns;
mod dns_check;
mod domains;
mod expunged;
mod filtering;
mod forward;
mod mail_log;
mod membership;
mod plans;
mod queue;
mod reports;
mod request;
mod send_as;
mod sending;
mod serve;
mod service;
mod status;
mod tokens;
mod usage;
mod whose;

pub use dns::DnsSettings;
pub use serve::{ServeError, serve};
pub use service::AdminService;
