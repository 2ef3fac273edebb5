//! IMAP sessions as a client sees them: transcripts against a small mail store in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod appending;
mod client;
mod fetching;
mod login;
mod mailboxes;
mod rim;
mod robustness;
#[path = "../harness/scram.rs"]
mod scram;
mod searching;
mod selecting;
mod storing;
