//! What the tests of whole systems and the rigs share: starting systems, loading them, asking them what they hold.
//!
//! Nothing here links the mail system: every test and rig drives the built binary from outside, over its ports, as its
//! users do. `load` sends mail fast and remembers what was acknowledged; `peer` starts Debian's Postfix and Dovecot in
//! folders of their own; `process` and `memory` look after processes by their ids; `bench` compares systems.
//!
//! Everything listens on 127.0.0.0/8, on free ports, below one temporary folder that is removed at the end.

pub mod bench;
pub mod load;
pub mod memory;
pub mod peer;
pub mod process;
