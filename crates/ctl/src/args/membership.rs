//! The command line of `yubin ctl node` and `yubin ctl group`.

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum NodeVerb {
    /// List all.
    List,
    /// Write down a new store node, which runs and waits, or the new addresses of one; it holds nothing until groups are moved to it.
    Add(NodeArgs),
    /// Forget a node that holds no replica. Its id is never used again.
    Remove {
        /// Its id.
        id: u64,
    },
    /// Take a node in again that lost its disk: start it with its old id on an empty disk, then call this.
    Readmit {
        /// Its id.
        id: u64,
    },
    /// Move everything that a node holds to another one, which holds none of it yet.
    Replace {
        /// The node to be emptied; it may be dead.
        old: u64,
        /// The node that takes its place.
        new: u64,
    },
}

#[derive(Args)]
pub(crate) struct NodeArgs {
    /// Its id, as in its configuration; never one that was removed.
    pub(crate) id: u64,
    /// Where other store nodes reach it.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) peer: String,
    /// Where front ends reach its store service.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) store: String,
    /// Where it stands, for people: a failure domain's name.
    #[arg(long, default_value = "")]
    pub(crate) zone: String,
}

#[derive(Subcommand)]
pub(crate) enum GroupVerb {
    /// List all.
    List,
    /// Move a group's replica from one node to another; with one of them only, remove or add a replica.
    Move(MoveArgs),
}

#[derive(Args)]
pub(crate) struct MoveArgs {
    /// The group.
    pub(crate) group: u32,
    /// The voter that leaves.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "NODE", required_unless_present = "to")]
    pub(crate) from: u64,
    /// The node that joins.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "NODE")]
    pub(crate) to: u64,
}
