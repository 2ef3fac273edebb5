//! The crate against servers of the test: a DNS server with signed zones, HTTPS and TLS servers, all on 127.0.0.1.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says so when it fails"
)]

mod attacks;
mod dane;
mod dkim;
mod dns_server;
mod https;
mod mta_sts;
mod openspf;
mod others;
mod published;
mod reports;
mod resolver;
mod sealing;
mod spf;
mod tls_server;
mod verify;
