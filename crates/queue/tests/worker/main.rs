//! A worker with a real store in this process, against receivers that misbehave by script.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test binary"
)]

mod backlog;
mod delivering;
mod extensions;
mod failing;
mod lab;
mod many;
mod priorities;
mod sharing;
mod signing;
mod sink;
mod sources;
mod tls;
mod tls_reports;
