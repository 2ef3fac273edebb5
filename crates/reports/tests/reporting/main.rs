//! The reporter over a real store, with the time of the test: whom reports go to, when, and how often.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says so when it fails"
)]

mod day;
#[path = "../../../dns-auth/tests/network/dns_server.rs"]
#[allow(dead_code, reason = "some of it is for the tests of its own crate")]
mod dns_server;
mod posting;
#[path = "../../../dns-auth/tests/network/tls_server.rs"]
#[allow(dead_code, reason = "some of it is for the tests of its own crate")]
mod tls_server;
mod world;
