//! Starting other programs: where the working tree is, how cargo is called, how a failure is told.
//!
//! Every program runs in the root of the working tree with its output passed through; a failure names the command
//! that failed. Nothing here goes through a shell, so no argument is ever quoted or split.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the working tree: the folder above this package.
///
/// # Errors
/// When xtask was not started by cargo and the current folder is not inside the working tree.
pub(crate) fn root() -> Result<PathBuf> {
    if let Some(package) = std::env::var_os("CARGO_MANIFEST_DIR")
        && let Some(parent) = Path::new(&package).parent()
    {
        return Ok(parent.to_path_buf());
    }
    let here = std::env::current_dir().context("the current folder cannot be read")?;
    let found = here.ancestors().find(|folder| folder.join("xtask").join("Cargo.toml").is_file());
    found.map(Path::to_path_buf).context("not inside the working tree: start it as `cargo xtask`")
}

/// A cargo command in the root of the working tree.
///
/// # Errors
/// When the root is not found.
pub(crate) fn cargo(arguments: &[&str]) -> Result<Command> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root()?).args(arguments);
    // These describe xtask itself: build scripts that watch them would run again whenever cargo is called in another way.
    let of_xtask = |name: &str| ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"].iter().any(|of| name.starts_with(of));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_xtask)) {
        command.env_remove(name);
    }
    Ok(command)
}

/// Runs a command to its end with its output passed through.
///
/// # Errors
/// When it cannot be started or ends with anything but success.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let line = line_of(&command);
    let status = command.status().with_context(|| format!("cannot start: {line}"))?;
    if !status.success() {
        bail!("failed ({status}): {line}");
    }
    Ok(())
}

/// Runs a command to its end and returns what it wrote to its standard output.
///
/// # Errors
/// When it cannot be started, ends with anything but success, or writes what is not UTF-8.
pub(crate) fn read(mut command: Command) -> Result<String> {
    let line = line_of(&command);
    let output = command.output().with_context(|| format!("cannot start: {line}"))?;
    if !output.status.success() {
        bail!("failed ({}): {line}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).with_context(|| format!("not UTF-8: the output of {line}"))
}

/// What `cargo metadata` says about the workspace.
///
/// # Errors
/// When cargo fails or its answer is not JSON.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let text = read(cargo(&["metadata", "--format-version", "1", "--locked"])?)?;
    serde_json::from_str(&text).context("cargo metadata did not answer with JSON")
}

/// The path of a binary that `cargo build` of the workspace's one profile makes.
///
/// # Errors
/// When cargo does not tell its target directory.
pub(crate) fn built(name: &str) -> Result<PathBuf> {
    let metadata = metadata()?;
    let target = metadata.get("target_directory").and_then(|value| value.as_str());
    Ok(Path::new(target.context("cargo metadata names no target directory")?).join("debug").join(name))
}

/// Whether a program of this name is on PATH.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(sbin).any(|folder| folder.join(program).is_file())
}

/// Builds every binary of the workspace.
///
/// Always the same selection, whatever is to be started: what else is selected decides which features shared
/// dependencies get, and RocksDB is compiled anew when those of its build script change. `--examples` is there because
/// it makes cargo count the dependencies of tests as well, as testing and linting do.
///
/// # Errors
/// When the build fails.
pub(crate) fn build() -> Result<()> {
    step("building (the first build compiles RocksDB: allow about 20 minutes on two cores)");
    run(cargo(&["build", "--locked", "--workspace", "--bins", "--examples"])?)
}

/// Opens a step of a longer task with a line that stands out.
pub(crate) fn step(title: &str) {
    eprintln!("\n== {title}");
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
