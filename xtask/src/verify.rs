//! `verify`, which changes no file that git knows, and `fix`, which may. Both install what the build needs.
//!
//! `verify` is what a change must pass before it is shared, and the first half of what continuous integration runs:
//! formatting, style, layers, generated code, lints, and licences where cargo-deny is installed. Every check runs, even
//! after one failed, so that one run tells everything; the quick ones come first.

use crate::packages::{self, Need};
use crate::{generate, layers, shell, tidy};
use anyhow::{Result, bail};
use std::time::Instant;

/// Arguments of cargo that lint everything.
const LINT: [&str; 4] = ["clippy", "--locked", "--workspace", "--all-targets"];

/// A check: its name, and what it does.
type Check = (&'static str, fn() -> Result<()>);

/// Checks everything and changes no file that git knows.
///
/// # Errors
/// When a system package cannot be installed or a check fails.
pub(crate) fn verify() -> Result<()> {
    packages::require(&[Need::Build])?;
    let checks: [Check; 6] = [
        ("format", || shell::run(shell::cargo(&["fmt", "--all", "--check"])?)),
        ("tidy", tidy::tidy),
        ("layers", layers::layers),
        ("generated code", generate::drift),
        ("licences and bans", licences),
        ("lints", lints),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        shell::step(name);
        let start = Instant::now();
        if let Err(error) = check() {
            eprintln!("{name}: {error:#}");
            failed.push(name);
        }
        eprintln!("{name}: {} s", start.elapsed().as_secs());
    }
    if !failed.is_empty() {
        bail!("verify failed: {}", failed.join(", "));
    }
    eprintln!("\nverify: everything in order");
    Ok(())
}

/// Formats, applies what the lints suggest, and generates code anew.
///
/// # Errors
/// When a tool fails.
pub(crate) fn fix() -> Result<()> {
    packages::require(&[Need::Build])?;
    shell::step("generated code");
    generate::write()?;
    shell::step("lints");
    let mut clippy = shell::cargo(&LINT)?;
    clippy.args(["--fix", "--allow-dirty", "--allow-staged"]);
    shell::run(clippy)?;
    shell::step("format");
    shell::run(shell::cargo(&["fmt", "--all"])?)
}

fn lints() -> Result<()> {
    let mut clippy = shell::cargo(&LINT)?;
    clippy.args(["--", "--deny", "warnings"]);
    shell::run(clippy)
}

/// Licences and banned crates by cargo-deny; the banned ones are checked by `layers` too, so its absence is no hole.
fn licences() -> Result<()> {
    if !shell::on_path("cargo-deny") {
        eprintln!("cargo-deny is not installed: deny.toml was not checked");
        return Ok(());
    }
    shell::run(shell::cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"])?)
}
