//! A simulated cluster: real nodes on simulated disks, a simulated network and simulated time.
//!
//! Each node is the production [`Node`](crate::Node), with its log store, write path, applier,
//! snapshots and transport, on a single-threaded runtime of its own whose clock stands still until
//! the world moves it. A crash drops the runtime with everything in it and cuts the disk's power. One
//! thread runs it all, node after node, in steps of [`world::STEP`]; every choice comes from the
//! seed, so a seed repeats its run, frame for frame (`fuzz::a_seed_repeats_its_run`).
//!
//! What is not simulated: HTTP/2 (`tests/cluster.rs` runs it), the kernel, RocksDB, and threads.
//!
//! `fuzz` makes trouble and asks the oracle. `SEED=7` runs one seed, `SEEDS=100000` many.

mod fuzz;
mod history;
pub(crate) mod machine;
mod nemesis;
mod network;
mod oracle;
mod world;
