//! The two commands of the README: `run` and `test`.
//!
//! Both first see to the system packages. `run` replaces itself with the built binary, so that Ctrl-C and signals reach
//! the mail system directly. `test` builds every binary first, because the tests of whole systems start them, and
//! uses nextest where it is installed (a time limit for every test), else cargo's own runner.

use crate::packages::{self, Need};
use crate::{servers, shell};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Builds the mail system and becomes it: `yubin run --demo`, or `yubin run` with the arguments given.
///
/// # Errors
/// When a package cannot be installed, the build fails, or the binary cannot be started.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    packages::require(&[Need::Build])?;
    shell::build()?;
    let binary = shell::built("yubin")?;
    let mut command = Command::new(&binary);
    command.arg("run");
    if arguments.is_empty() {
        command.arg("--demo");
    } else {
        command.args(arguments);
    }
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", binary.display()))
}

/// Runs the tests of the whole workspace.
///
/// # Errors
/// When a package cannot be installed, the build fails, or a test fails.
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    setup()?;
    shell::build()?;
    shell::step("running the tests");
    let mut command = if has_nextest() {
        let profile = if std::env::var_os("CI").is_some() { "ci" } else { "default" };
        shell::cargo(&["nextest", "run", "--locked", "--workspace", "--profile", profile])?
    } else {
        shell::cargo(&["test", "--locked", "--workspace"])?
    };
    command.args(arguments).env("YUBIN_BIN", shell::built("yubin")?);
    shell::run(command)
}

/// Sees to what building and testing need of the system.
///
/// # Errors
/// When a package cannot be installed, or a mail server not unpacked.
pub(crate) fn setup() -> Result<()> {
    packages::require(&[Need::Build, Need::Clients])?;
    servers::require()
}

fn has_nextest() -> bool {
    shell::cargo(&["nextest", "--version"]).and_then(shell::read).is_ok()
}
