//! System packages: what building and testing need, and how a bare Debian machine gets it.
//!
//! RocksDB and jemalloc want a C++ compiler and make; the bindings generator loads libclang at run time and needs
//! clang's own headers beside it. The tests of whole systems drive real mail clients, scanners and verifiers. On Debian and its kin what is
//! missing is installed with apt-get (through sudo when not root); anywhere else the list of what to install is printed.
//! Nothing is removed or upgraded, and a machine that has everything is not touched: no apt call is made.

use crate::shell;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a task needs of the system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A C++ compiler, make, libclang with its headers.
    Build,
    /// The mail clients and scanners that the tests drive.
    Clients,
}

/// The programs that the tests start, each with the Debian package that brings it.
const CLIENTS: [(&str, &str); 11] = [
    ("swaks", "swaks"),
    ("curl", "curl"),
    ("mbsync", "isync"),
    ("fetchmail", "fetchmail"),
    ("mutt", "mutt"),
    ("python3", "python3"),
    ("openssl", "openssl"),
    ("rspamd", "rspamd"),
    ("clamd", "clamav-daemon"),
    ("opendkim", "opendkim"),
    ("dkimverify", "python3-dkim"),
];

/// Installs what is missing, or says what to install.
///
/// # Errors
/// When something is missing and this machine has no apt-get, or apt-get fails.
pub(crate) fn require(needs: &[Need]) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    if !shell::on_path("apt-get") {
        bail!(
            "missing on this machine: {}. There is no apt-get here; install the equivalents of these Debian packages \
             with the system's own package manager, then start again.",
            missing.join(", ")
        );
    }
    shell::step(&format!("installing with apt-get: {}", missing.join(" ")));
    update()?;
    install(&missing.iter().map(|name| resolve(name)).collect::<Result<Vec<_>>>()?.concat())
}

/// Reads anew which packages there are.
///
/// # Errors
/// When apt-get fails.
pub(crate) fn update() -> Result<()> {
    shell::run(apt(&["update", "-qq"]))
}

/// Installs packages; those that are there stay as they are.
///
/// # Errors
/// When apt-get fails.
pub(crate) fn install(names: &[String]) -> Result<()> {
    let mut arguments = vec!["install", "-y", "--no-install-recommends", "--no-upgrade"];
    arguments.extend(names.iter().map(String::as_str));
    shell::run(apt(&arguments))
}

/// swaks speaks TLS only with a Perl module that its package merely recommends.
fn swaks_speaks_tls() -> bool {
    let loaded = Command::new("perl").args(["-MNet::SSLeay", "-e", "1"]).output();
    loaded.is_ok_and(|output| output.status.success())
}

/// mbsync speaks SCRAM only with a plug-in that its package does not ask for.
fn mbsync_speaks_scram() -> bool {
    library_folders().into_iter().any(|folder| folder.join("sasl2").join("libscram.so").is_file())
}

/// Names of Debian packages that are missing; `libclang` stands for a pair whose version apt decides.
fn missing(needs: &[Need]) -> Vec<&'static str> {
    let mut names = Vec::new();
    if needs.contains(&Need::Build) {
        if !shell::on_path("c++") {
            names.push("g++");
        }
        if !shell::on_path("make") {
            names.push("make");
        }
        if !has_libclang() || !has_clang_headers() {
            names.push("libclang");
        }
    }
    if needs.contains(&Need::Clients) {
        let absent = CLIENTS.iter().filter(|(program, _)| !shell::on_path(program));
        names.extend(absent.map(|(_, package)| *package));
        if !swaks_speaks_tls() {
            names.push("libnet-ssleay-perl");
        }
        if !mbsync_speaks_scram() {
            names.push("libsasl2-modules");
        }
    }
    names
}

/// The packages behind a name of [`missing`]: itself, except that libclang is a library and its headers, both of the
/// oldest version from 14 on that this release of the distribution has.
fn resolve(name: &str) -> Result<Vec<String>> {
    if name != "libclang" {
        return Ok(vec![name.to_owned()]);
    }
    let mut search = Command::new("apt-cache");
    search.args(["search", "--names-only", "^libclang1-[0-9]+$"]);
    let listed = shell::read(search)?;
    let versions = listed.lines().filter_map(|line| line.strip_prefix("libclang1-")?.split(' ').next()?.parse().ok());
    match versions.filter(|version: &u32| *version >= 14).min() {
        Some(version) => Ok(vec![format!("libclang1-{version}"), format!("libclang-common-{version}-dev")]),
        None => bail!("apt knows no libclang1-NN of version 14 or newer; install libclang, then start again"),
    }
}

/// Whether the bindings generator will find a libclang (it looks where clang-sys looks).
fn has_libclang() -> bool {
    let named = std::env::var_os("LIBCLANG_PATH").map(PathBuf::from);
    named.into_iter().chain(library_folders()).any(|folder| {
        names_in(&folder).iter().any(|name| {
            let library =
                name.strip_prefix("libclang").is_some_and(|rest| rest.starts_with(".so") || rest.starts_with('-'));
            library && name.contains(".so") && !name.starts_with("libclang-cpp")
        })
    })
}

/// Whether clang's own headers (stddef.h and its kin) are installed.
fn has_clang_headers() -> bool {
    let roots = library_folders().into_iter().map(|folder| folder.join("clang"));
    roots
        .flat_map(|root| names_in(&root).into_iter().map(move |version| root.join(version)))
        .any(|version| version.join("include").join("stddef.h").is_file())
}

/// The folders where libclang may lie: the usual library folders, and those of each LLVM release.
fn library_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ["/usr/lib64", "/usr/lib", "/usr/local/lib"].map(PathBuf::from).to_vec();
    for name in names_in(Path::new("/usr/lib")) {
        let folder = Path::new("/usr/lib").join(&name);
        if name.starts_with("llvm") {
            folders.push(folder.join("lib"));
        } else if name.ends_with("-linux-gnu") {
            folders.push(folder);
        }
    }
    folders
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// An apt-get command that asks nothing.
fn apt(arguments: &[&str]) -> Command {
    let user = Command::new("id").arg("-u").output().map(|output| output.stdout).unwrap_or_default();
    let mut command = if user.starts_with(b"0\n") {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
    command
}
