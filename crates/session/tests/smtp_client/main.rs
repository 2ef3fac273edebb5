//! SMTP clients, driven through their public contract.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test binary"
)]

mod against_server;
mod chunks;
mod dialogues;
mod hostile;
mod losses;
mod opening;
mod script;
