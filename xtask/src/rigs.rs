//! The rigs: programs of the package `yubin-tests` that start whole systems.
//!
//! They need an async runtime and the load generator, which xtask does not carry; so they are built here, together
//! with the mail system they drive, and this process becomes the rig: Ctrl-C reaches it directly, and it ends the
//! processes that it started.

use crate::packages::{self, Need};
use crate::shell;
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A program that starts whole systems.
#[derive(Clone, Copy)]
pub(crate) enum Rig {
    /// Three store nodes and two front ends, until Ctrl-C.
    Cluster,
    /// Rounds of SIGKILL under load.
    Crash,
    /// Rates, latencies and memory beside Postfix and Dovecot.
    BenchDelivery,
    /// Rates, latencies and memory of outgoing mail beside Postfix.
    BenchOutbound,
    /// Rates, latencies and memory of verified mail beside Postfix and its filters.
    BenchMx,
}

impl Rig {
    /// The name of the binary in `yubin-tests`.
    fn binary(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Crash => "crash",
            Self::BenchDelivery => "bench-delivery",
            Self::BenchOutbound => "bench-outbound",
            Self::BenchMx => "bench-mx",
        }
    }
}

/// Builds the mail system and the rigs, and becomes the rig.
///
/// # Errors
/// When a package cannot be installed, the build fails, or the rig cannot be started.
pub(crate) fn start(rig: Rig, arguments: &[String]) -> Result<()> {
    packages::require(&[Need::Build])?;
    shell::build()?;
    let binary = shell::built(rig.binary())?;
    let error = Command::new(&binary).args(arguments).env("YUBIN_BIN", shell::built("yubin")?).exec();
    Err(error).with_context(|| format!("cannot start {}", binary.display()))
}
