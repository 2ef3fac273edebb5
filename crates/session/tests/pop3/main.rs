//! POP3 sessions, driven through their public contract.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test binary"
)]

#[path = "../harness/mod.rs"]
mod harness;
mod rim;
#[path = "../harness/scram.rs"]
mod scram;
mod streams;
mod transcripts;
