//! A disk that runs full under load: a small file system in memory, in a mount namespace of its own.
//!
//! It takes root and the programs `unshare`, `nsenter` and `mount` of util-linux; nothing outside the namespace sees the file
//! system, and it is gone when the `Disk` is. Mail fills it up to the reserve: the system refuses with 452, reads and deletes, and
//! does not end. Or a stranger's file takes the last block, where no reserve is kept: the system refuses or ends, as it must when
//! its log can't be written. Either way every acknowledged message is there, at the latest after there is room and a restart.

use crate::check::Findings;
use crate::crash::{self, DOMAIN, PASSWORD};
use crate::load::{self, Outcome, Plan, Protocol, Until};
use crate::process::Running;
use crate::system::{self, Program, System, Transport};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Room of the file system, MiB.
const DISK_MIB: u64 = 256;
/// What mail leaves alone (`store.reserve_mib`), MiB: more than the buffers that will still be written out.
const RESERVE_MIB: u64 = 96;
/// Bytes of each message: large enough to fill the disk soon, small enough to lie in the log.
const SIZE_BYTES: usize = 64 * 1024;
/// Messages of that size that the disk can't hold.
const TOO_MANY: u64 = (DISK_MIB << 20) / SIZE_BYTES as u64;
/// How long the load goes on while a stranger fills the disk.
const STRANGE_FOR: Duration = Duration::from_secs(3);

/// What takes the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filler {
    /// Mail, up to the reserve.
    Mail,
    /// Something else on the same disk, to the last block; no reserve is kept.
    Stranger,
}

/// Why a round can't be run here, if it can't.
#[must_use]
pub fn impossible() -> Option<String> {
    let probe = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/tmp"]).output();
    match probe {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

/// A small file system that only processes started through it see.
#[derive(Debug)]
struct Disk {
    /// Holds the namespace.
    holder: Running,
    folder: PathBuf,
}

impl Disk {
    /// Mounts one over `folder`.
    fn mount(folder: &Path) -> Result<Self> {
        let script = format!("mount -t tmpfs -o size={DISK_MIB}m none \"$0\" && echo mounted && exec sleep infinity");
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]).arg(folder).stdout(Stdio::piped());
        let mut holder = Running::start("disk", &mut command)?;
        let mut output = holder.take_output().context("no standard output")?;
        output.read_exact(&mut [0; 8]).context("the file system was not mounted")?;
        Ok(Self { holder, folder: folder.to_owned() })
    }

    /// What starts a program so that it sees the file system.
    fn entrance(&self) -> Vec<String> {
        ["nsenter", "-m", "-t", &self.holder.id().to_string(), "--"].map(str::to_owned).to_vec()
    }

    /// A path on the file system as this process reaches it.
    fn path(&self, name: &str) -> PathBuf {
        let inside = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(inside).join(name)
    }

    /// Takes the last block, and keeps taking what is given back, until the end of the load.
    fn fill(&self, load: &std::thread::JoinHandle<Result<Outcome>>) -> Result<()> {
        let mut file = File::create(self.path("ballast"))?;
        let block = vec![0x5a; 1 << 16];
        while !load.is_finished() {
            match file.write(&block) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Gives the room back.
    fn release(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.path("ballast"))?)
    }
}

/// What a round came to.
#[derive(Debug)]
pub struct Round {
    /// The load.
    pub outcome: Outcome,
    /// How the process ended on the full disk, if it did.
    pub ended: Option<String>,
    /// The comparison.
    pub findings: Findings,
}

/// Fills the disk of one process with every role while mail comes in, gives room back, and compares.
///
/// # Errors
/// When the system does not start (again), or a mailbox can't be read; faults of the system are in the findings.
pub fn round(folder: &Path, filler: Filler, seed: u64) -> Result<Round> {
    let reserve_mib = if filler == Filler::Mail { RESERVE_MIB } else { 0 };
    let config = system::single_config(Transport::Direct, &format!("memory_mib = 32\nreserve_mib = {reserve_mib}\n"))?;
    let program = Program::new("yubin", folder, &config)?;
    let disk = Disk::mount(&program.data())?;
    let mut system = System::run(program.entered_by(disk.entrance()))?;
    system.admin.token = disk.path("admin-token");
    system.admin.populate(DOMAIN, crash::ACCOUNTS, PASSWORD)?;

    let plan = Plan {
        targets: vec![system.port("smtp")?],
        protocol: Protocol::Smtp,
        login: None,
        connections: 8,
        networks: 0,
        size_bytes: SIZE_BYTES,
        letters: Vec::new(),
        recipients: crash::accounts(),
        until: if filler == Filler::Mail { Until::Count(TOO_MANY) } else { Until::Elapsed(STRANGE_FOR) },
        run: u32::try_from(seed & 0xffff_ffff).unwrap_or(0),
    };
    let load = std::thread::spawn(move || load::run(&plan));
    if filler == Filler::Stranger {
        std::thread::sleep(STRANGE_FOR / 4);
        disk.fill(&load)?;
    }
    let outcome = load.join().map_err(|_| anyhow::anyhow!("the load generator failed"))??;
    let ended = system.running.ended().map(|status| status.to_string());
    if filler == Filler::Stranger {
        disk.release()?;
    }
    if ended.is_some() {
        system.start_again().context("it does not start again although there is room")?;
    }
    let mut findings = crash::compare(&system, &outcome, SIZE_BYTES)?;
    findings.faults.extend(wrong_answers(filler, &outcome, ended.as_deref()));
    Ok(Round { outcome, ended, findings })
}

/// Faults in what was answered: a full disk is temporary, and mail alone must not fill it.
fn wrong_answers(filler: Filler, outcome: &Outcome, ended: Option<&str>) -> Vec<String> {
    let mut faults = Vec::new();
    let good = ["451 4.3", "452 4.3", "421 4"];
    for reply in outcome.refused.keys().filter(|reply| !good.iter().any(|good| reply.starts_with(good))) {
        faults.push(format!("refused with {reply}"));
    }
    if filler == Filler::Mail {
        faults.extend(ended.map(|status| format!("mail alone made the process end: {status}")));
        if !outcome.refused.keys().any(|reply| reply.starts_with("452 4.3.1")) {
            faults.push(format!("nothing was refused for want of room; refused {:?}", outcome.refused));
        }
    }
    if outcome.acknowledged.is_empty() {
        faults.push("nothing was acknowledged".to_owned());
    }
    faults
}
