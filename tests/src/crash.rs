//! A round of the kill test: load, SIGKILL in the middle of it, start again, and compare everything.
//!
//! What was acknowledged must be there once and unchanged, whatever was killed; usage must be the sum of what is there;
//! then the mailboxes are emptied, which must be possible, and usage must be nothing. The time of the kill is
//! drawn from a seed, so that a round can be repeated as closely as real processes allow.

use crate::check::{Findings, Reader};
use crate::load::{self, Content, Outcome, Plan, Protocol, Until};
use crate::process;
use crate::system::Admin;
use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// The domain that receives.
pub const DOMAIN: &str = "crash.example";
/// The password of its accounts.
pub const PASSWORD: &str = "correct horse battery";
/// Its accounts: u0 to u7.
pub const ACCOUNTS: usize = 8;
/// Bytes of each message.
const SIZE_BYTES: usize = 4096;
/// How long a system that was killed may take until it serves every mailbox again.
const RECOVER_WITHIN: Duration = Duration::from_secs(60);

/// A system of processes that can be killed one by one.
pub trait Target {
    /// Where mail is sent to.
    fn smtp(&self) -> Vec<SocketAddr>;
    /// Where mailboxes are read: POP3 with TLS from the start.
    ///
    /// # Errors
    /// When no process serves it.
    fn pop3s(&self) -> Result<SocketAddr>;
    /// Its administration.
    fn admin(&self) -> Admin;
    /// How many processes can be killed.
    fn victims(&self) -> usize;
    /// Which of them leads the group that the load goes to; `None` if there is but one.
    fn leader(&self) -> Option<usize>;
    /// SIGKILL for one of them; returns its name.
    ///
    /// # Errors
    /// When the system refuses.
    fn kill(&mut self, victim: usize) -> Result<String>;
    /// Starts again what was killed.
    ///
    /// # Errors
    /// When it does not start.
    fn revive(&mut self, victim: usize) -> Result<()>;
}

/// What a round came to.
#[derive(Debug)]
pub struct Round {
    /// The killed process.
    pub victim: String,
    /// The load.
    pub outcome: Outcome,
    /// The comparison.
    pub findings: Findings,
}

/// The addresses that receive.
#[must_use]
pub fn accounts() -> Vec<String> {
    (0..ACCOUNTS).map(|index| format!("u{index}@{DOMAIN}")).collect()
}

/// The place of the store node that leads the group with domains, counted from 0.
pub(crate) fn leader(admin: &Admin) -> Option<usize> {
    let listed: Value = serde_json::from_str(&admin.ctl(&["group", "list", "--json"], "").ok()?).ok()?;
    let groups = listed.get("groups")?.as_array()?;
    let group = groups.iter().find(|group| {
        group.get("group").and_then(Value::as_u64) != Some(0) && group.get("domains").and_then(Value::as_u64) > Some(0)
    })?;
    usize::try_from(group.get("leader")?.as_u64()?.checked_sub(1)?).ok()
}

/// Loads for `seconds`, kills one process in the middle, starts it again, and compares. Of several nodes the one that leads
/// is killed in rounds with an odd seed, another one in those between.
///
/// # Errors
/// When a process does not come back or a mailbox can't be read; faults of the system are in the findings.
pub fn round(target: &mut dyn Target, seed: u64, seconds: u64) -> Result<Round> {
    let mut random = StdRng::seed_from_u64(seed);
    let plan = Plan {
        targets: target.smtp(),
        protocol: Protocol::Smtp,
        login: None,
        connections: 16,
        networks: 0,
        size_bytes: SIZE_BYTES,
        letters: Vec::new(),
        recipients: accounts(),
        until: Until::Elapsed(Duration::from_secs(seconds)),
        run: u32::try_from(seed & 0xffff_ffff).unwrap_or(0),
    };
    let load = std::thread::spawn(move || load::run(&plan));
    let any = random.random_range(0..target.victims().max(1));
    std::thread::sleep(Duration::from_millis(random.random_range(seconds * 200..seconds * 600)));
    let leader = target.leader();
    let victim = match leader {
        Some(leader) if seed % 2 == 1 => leader,
        Some(leader) if any == leader => (any + 1) % target.victims(),
        _ => any,
    };
    let name = target.kill(victim)?;
    std::thread::sleep(Duration::from_millis(random.random_range(0..300)));
    target.revive(victim).with_context(|| format!("{name} does not start again"))?;
    let outcome = load.join().map_err(|_| anyhow::anyhow!("the load generator failed"))??;
    let findings = compare(target, &outcome, SIZE_BYTES)?;
    let victim = if leader == Some(victim) { format!("{name}, the leader") } else { name };
    Ok(Round { victim, outcome, findings })
}

/// Compares every mailbox with what was acknowledged, each of `size_bytes`, and usage with the sum; empties them.
///
/// # Errors
/// When a mailbox can't be read or emptied.
pub fn compare(target: &dyn Target, outcome: &Outcome, size_bytes: usize) -> Result<Findings> {
    let reader = Reader { pop3s: target.pop3s()?, password: PASSWORD.to_owned() };
    let accounts = accounts();
    let content = Content::new(size_bytes);
    let mut result = None;
    let mut last = None;
    // Mailboxes may answer "try again" for a moment after a kill; only what they hold then counts.
    process::wait_until(RECOVER_WITHIN, || match reader.compare(&content, &outcome.acknowledged, &accounts) {
        Ok(findings) => {
            result = Some(findings);
            true
        }
        Err(error) => {
            last = Some(format!("{error:#}"));
            false
        }
    })
    .with_context(|| last.unwrap_or_default())?;
    let mut findings = result.context("no comparison")?;
    check_usage(&target.admin(), &mut findings, "after the load")?;
    reader.empty(&accounts).context("emptying the mailboxes")?;
    let mut nothing = Findings::default();
    check_usage(&target.admin(), &mut nothing, "after emptying")?;
    findings.faults.extend(nothing.faults);
    Ok(findings)
}

fn check_usage(admin: &Admin, findings: &mut Findings, when: &str) -> Result<()> {
    let usage = admin.usage(DOMAIN)?;
    for (name, told, expected) in
        [("messages", usage.messages, findings.messages), ("bytes", usage.bytes, findings.bytes)]
    {
        if told != expected {
            findings.faults.push(format!("{when}: usage tells {told} {name}, the mailboxes hold {expected}"));
        }
    }
    Ok(())
}
