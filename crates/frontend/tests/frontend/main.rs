//! The front end as its clients see it: real sockets, real sessions, the real state machine; no replication.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod attacks;
mod authors;
#[path = "../../../dns-auth/tests/network/dns_server.rs"]
#[allow(dead_code, reason = "some of it is for the tests of its own crate")]
mod dns_server;
mod greylist;
mod imap;
mod logins;
mod milter;
mod pop3;
mod scanner;
mod scanning;
mod scram;
mod sending;
mod shutdown;
mod signing;
mod smtp;
mod spam;
mod submission;
mod tls;
mod tokens;
mod verification;
mod world;
