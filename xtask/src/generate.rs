//! Committed generated code: what the `.proto` files become in Rust.
//!
//! The generator is the package `yubin-proto-gen` (protox and tonic-prost-build: no protoc), which depends on nothing that it
//! generates, so that it runs while the generated code is missing or broken. Whether what is committed is what it would
//! write now is the test `drift` beside the `.proto` files: it writes to a temporary folder and compares, so checking
//! never touches the working tree.

use crate::shell;
use anyhow::{Context, Result};

/// Generates the code where it is committed.
///
/// # Errors
/// When the generator fails.
pub(crate) fn write() -> Result<()> {
    shell::run(shell::cargo(&["run", "--quiet", "--locked", "--package", "yubin-proto-gen"])?)
}

/// Generates the code elsewhere and compares it with what is committed.
///
/// # Errors
/// When the generator fails or a file differs.
pub(crate) fn drift() -> Result<()> {
    let test = shell::cargo(&["test", "--quiet", "--locked", "--workspace", "--test", "drift"])?;
    shell::run(test).context("generated code differs from the .proto files: run `cargo xtask gen`")
}
