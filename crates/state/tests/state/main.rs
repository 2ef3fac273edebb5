//! What a user may rely on, rule by rule, and a model that tries everything at once. Every step of every test checks all invariants,
//! that a refusal changes nothing, and that each body is either held or dropped.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says so when it fails")]

mod accounts;
mod auto_replies;
mod costs;
mod countries;
mod dead_recipients;
mod delivery;
mod directory;
mod dkim;
mod domains;
mod expunged;
mod filtering;
mod flags;
mod forwards;
mod greylist;
mod handling;
mod lab;
mod mailboxes;
mod messages;
mod model;
mod queue;
mod queue_control;
mod queue_model;
mod queue_reads;
mod resync;
mod retries;
mod send_as;
mod sending;
mod sending_model;
mod shares;
mod trash;
