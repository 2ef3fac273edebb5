//! SMTP sessions, driven through their public contract.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test binary"
)]

mod attacks;
mod chunks;
mod edge;
mod end_of_data;
mod extensions;
mod fuzz;
#[path = "../harness/mod.rs"]
mod harness;
mod malformed;
mod patience;
mod rim;
#[path = "../harness/scram.rs"]
mod scram;
mod transcripts;
