//! What the tests of whole systems and the rigs share: starting systems, loading them, asking them what they hold.
//!
//! Nothing here links the mail system: every test and rig drives the built binary from outside, over its ports, as its
//! users do. `system` and `cluster` start it; `load` sends mail fast and remembers what was acknowledged; `check` compares
//! mailboxes with that, `crash` kills in between, `full_disk` lets the disk run full; `peer` starts Debian's Postfix and
//! Dovecot in folders of their own, and `bench` compares systems; `receiver` is a mail server elsewhere, `elsewhere` are Debian's, `flaky` is one that misbehaves, and
//! `queue_crash` kills while mail goes there; `dns` is a name server, `mmdb` writes databases of countries, `scanners` starts Debian's rspamd and clamd, `client` says one octet after the other; `process` and
//! `memory` look after processes by their ids.
//!
//! Everything listens on 127.0.0.0/8, on free ports, below one temporary folder that is removed at the end.

pub mod bench;
pub mod check;
pub mod client;
pub mod cluster;
pub mod crash;
pub mod dns;
pub mod elsewhere;
pub mod flaky;
pub mod full_disk;
pub mod imap;
pub mod load;
pub mod memory;
pub mod mmdb;
pub mod outside;
pub mod peer;
pub mod pop3;
pub mod process;
pub mod queue_crash;
pub mod receiver;
pub mod scanners;
pub mod smtp;
pub mod system;
pub mod tls;
