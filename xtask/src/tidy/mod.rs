//! The house style, as far as a program can check it without compiling: `cargo xtask tidy`.
//!
//! Each file of the working tree that git knows (or would add) is read once and handed to the rules: sizes and manual
//! pages of Rust files, words that must not be committed, white space, links between Markdown files, manifests. A
//! fault is one line, `file:line: what is wrong`. What clippy checks (lengths of functions, unwraps) is not repeated.
//! Generated code, any file below a folder `gen`, is exempt from all but the words.

mod links;
mod manifest;
mod rust;
mod words;

use crate::shell;
use anyhow::{Result, bail};
use std::path::Path;

/// A file of the working tree.
pub(crate) struct File<'a> {
    /// Its path from the root, with `/`.
    pub(crate) path: &'a str,
    /// What it holds.
    pub(crate) text: &'a str,
}

impl File<'_> {
    /// Whether its name ends so.
    pub(crate) fn is(&self, ending: &str) -> bool {
        self.path.ends_with(ending)
    }

    /// Whether people do not read it: it is written by `cargo xtask gen`.
    pub(crate) fn is_generated(&self) -> bool {
        self.path.split('/').any(|part| part == "gen")
    }

    /// A fault at a line, counted from 0.
    pub(crate) fn fault(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line.saturating_add(1))
    }
}

/// Checks every file and prints each fault.
///
/// # Errors
/// When git fails or a fault was found.
pub(crate) fn tidy() -> Result<()> {
    let root = shell::root()?;
    let paths = paths(&root)?;
    let mut faults = Vec::new();
    let mut count = 0_usize;
    for path in paths.iter().filter(|path| root.join(path).is_file()) {
        let bytes = std::fs::read(root.join(path))?;
        // A file that is not text (a picture, a certificate in DER) has no style.
        if let Ok(text) = std::str::from_utf8(&bytes) {
            count = count.saturating_add(1);
            check(&root, &File { path, text }, &mut faults);
        }
    }
    faults.sort();
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    if !faults.is_empty() {
        bail!("{} faults of style; the rules are in STYLE.md and xtask/src/tidy", faults.len());
    }
    eprintln!("tidy: {count} files in order");
    Ok(())
}

/// What git holds or would add, each path once.
fn paths(root: &Path) -> Result<Vec<String>> {
    let mut git = std::process::Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut paths: Vec<String> = shell::read(git)?.split_terminator('\0').map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn check(root: &Path, file: &File<'_>, faults: &mut Vec<String>) {
    faults.extend(words::faults(file));
    if file.is_generated() {
        return;
    }
    if file.is(".rs") {
        faults.extend(rust::faults(file));
    }
    if file.is(".md") {
        faults.extend(links::faults(root, file));
    }
    if file.is("Cargo.toml") || file.is("Cargo.lock") {
        faults.extend(manifest::faults(file));
    }
}
