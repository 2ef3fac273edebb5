//! Debian's mail servers, which the tests deliver to: unpacked into the user's cache, not installed.
//!
//! Their packages exclude each other, and installing one would take the place of the machine's own mail server. So each is fetched with
//! apt-get and unpacked with dpkg-deb; only the libraries that it depends on are installed, as they harm nobody. Unpacked once, nothing
//! is asked for again. Where there is no apt-get there are no such servers, and the tests that need them say so.

use crate::{packages, shell};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The packages.
const SERVERS: [&str; 3] = ["exim4-daemon-light", "opensmtpd", "postfix"];

/// Unpacks what is missing.
///
/// # Errors
/// When a package can't be fetched or unpacked, or a library can't be installed.
pub(crate) fn require() -> Result<()> {
    if !shell::on_path("apt-get") {
        return Ok(());
    }
    let folder = folder()?;
    let missing: Vec<&str> = SERVERS.into_iter().filter(|name| !folder.join(name).is_dir()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    shell::step(&format!("unpacking into {}: {}", folder.display(), missing.join(" ")));
    packages::update()?;
    packages::install(&libraries(&missing)?)?;
    missing.into_iter().try_for_each(|name| unpack(&folder, name))
}

/// Where they are, each below its name; `yubin-tests` looks there.
fn folder() -> Result<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).context("no HOME")?;
    Ok(cache.join("yubin/servers"))
}

/// The libraries among the packages that these depend on.
fn libraries(names: &[&str]) -> Result<Vec<String>> {
    let mut depends = Command::new("apt-cache");
    depends.args(["depends", "--important"]).args(names);
    let listed = shell::read(depends)?;
    let mut found: Vec<String> = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .filter(|name| name.starts_with("lib"))
        .map(str::to_owned)
        .collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Whoever is interrupted leaves nothing that looks whole.
fn unpack(folder: &std::path::Path, name: &str) -> Result<()> {
    let half = folder.join(format!("{name}.half"));
    if half.exists() {
        fs::remove_dir_all(&half)?;
    }
    fs::create_dir_all(&half)?;
    let mut download = Command::new("apt-get");
    shell::run({
        download.current_dir(&half).args(["download", "-q", name]);
        download
    })?;
    let mut entries = fs::read_dir(&half)?.flatten().map(|entry| entry.path());
    let package = entries.find(|path| path.extension().is_some_and(|kind| kind == "deb")).context("no package came")?;
    let mut extract = Command::new("dpkg-deb");
    extract.arg("-x").arg(&package).arg(&half);
    shell::run(extract)?;
    fs::remove_file(&package)?;
    fs::rename(&half, folder.join(name)).context("moving it to its place")
}
