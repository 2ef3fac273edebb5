//! Rules for manifests: every crate keeps the workspace's lints, and every dependency comes from crates.io.
//!
//! A crate that forgets `[lints] workspace = true` would silently be allowed everything that the workspace denies. A
//! lock file that names another registry or a git repository builds on one machine and not on the next.

use super::File;

/// Where every locked package comes from, if it is not of this workspace.
const REGISTRY: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

/// What is wrong with a manifest or a lock file.
pub(super) fn faults(file: &File<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    if file.is("Cargo.lock") {
        let sources = file.text.lines().enumerate().filter(|(_, line)| line.starts_with("source = "));
        let other = sources.filter(|(_, line)| *line != REGISTRY);
        faults.extend(other.map(|(line, text)| file.fault(line, &format!("not from crates.io: {text}"))));
    } else if file.text.contains("[package]") && !file.text.contains("[lints]\nworkspace = true\n") {
        faults.push(file.fault(0, "lacks [lints] workspace = true"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(path: &str, text: &str) -> Vec<String> {
        faults(&File { path, text })
    }

    #[test]
    fn a_crate_keeps_the_lints_of_the_workspace() {
        assert_eq!(
            faults_of("a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ["a/Cargo.toml:1: lacks [lints] workspace = true"]
        );
        assert!(faults_of("a/Cargo.toml", "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n").is_empty());
        assert!(faults_of("Cargo.toml", "[workspace]\n").is_empty());
    }

    #[test]
    fn a_locked_package_comes_from_the_public_registry() {
        assert!(faults_of("Cargo.lock", &format!("{REGISTRY}\n")).is_empty());
        assert_eq!(faults_of("Cargo.lock", "source = \"git+https://example.org/a\"\n").len(), 1);
    }
}
