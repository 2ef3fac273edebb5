//! Committed generated code: `proto/src/gen` from `proto/proto/*.proto`.
//!
//! The generator itself is the example `gen` of the package `yubin-proto` (protox and tonic-prost-build: no protoc), so
//! that xtask needs neither. It writes to the folder it is given; `drift` gives it a temporary one and compares, so
//! that checking never touches the working tree.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the generated code is committed, from the root.
const COMMITTED: &str = "proto/src/gen";

/// Generates the code and writes it where it is committed.
///
/// # Errors
/// When the generator fails.
pub(crate) fn write() -> Result<()> {
    generate(&shell::root()?.join(COMMITTED))
}

/// Generates the code elsewhere and compares it with what is committed.
///
/// # Errors
/// When the generator fails or a file differs.
pub(crate) fn drift() -> Result<()> {
    let scratch = Scratch::make()?;
    generate(&scratch.0)?;
    let (fresh, committed) = (files(&scratch.0)?, files(&shell::root()?.join(COMMITTED))?);
    let names = fresh.keys().chain(committed.keys()).collect::<std::collections::BTreeSet<_>>();
    let drifted: Vec<&str> =
        names.into_iter().filter(|name| fresh.get(*name) != committed.get(*name)).map(String::as_str).collect();
    if !drifted.is_empty() {
        bail!("generated code differs from the .proto files ({}): run `cargo xtask gen`", drifted.join(", "));
    }
    eprintln!("gen: {} generated files are those of the .proto files", committed.len());
    Ok(())
}

fn generate(folder: &Path) -> Result<()> {
    let mut command =
        shell::cargo(&["run", "--quiet", "--locked", "--package", "yubin-proto", "--example", "gen", "--"])?;
    command.arg(folder);
    shell::run(command)
}

/// Name and content of each file of a folder (generated code has no folders below).
fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.insert(entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path())?);
        }
    }
    Ok(files)
}

/// A temporary folder that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("yubin-gen-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left behind in the system's temporary folder at worst.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
