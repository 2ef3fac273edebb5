//! The outbound queue under SIGKILL: submissions to a server that misbehaves by script, while workers, store nodes and leaders are killed.
//!
//! On one process with every role, or on three nodes that store, two front ends that take submissions and two workers that deliver them
//! ([`field`]): all of them are killed in turn and come back on the same data, until everything has left the queue. Then what was
//! acknowledged, what the cluster says became of it (`ctl trace`), what the server saw, and the notices in the sender's mailbox
//! ([`notices`]) are compared ([`compare`]).

mod compare;
mod field;
mod figures;
mod notices;

pub use compare::compare;
pub use figures::Figures;
pub use notices::{Notice, Notices};

use crate::flaky::{Flaky, Script};
use crate::imap::Imap;
use crate::load::{self, Login, Outcome, Plan, Protocol, Until};
use crate::process;
use crate::system::{Admin, smart_host};
use anyhow::{Context, Result, ensure};
use field::Field;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// The sender's domain.
const DOMAIN: &str = "crash.example";
/// The sender, whose mailbox gets the notices.
const SENDER: &str = "u0@crash.example";
/// The sender's password.
const PASSWORD: &str = "correct horse battery";
/// Domains of the recipients, so that every worker has some of its own.
const DESTINATIONS: usize = 8;
/// Seconds until a message that was put off is tried again, at least.
const RETRY_SECONDS: u64 = 10;
/// Seconds that a lease lasts: so long a killed worker holds up what it had.
const LEASE_SECONDS: u64 = 5;
/// How often the queue is asked whether it is empty; it has better things to do.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    /// Where.
    pub ground: Ground,
    /// Submissions.
    pub messages: u64,
    /// Kills; fewer if the queue is empty before.
    pub kills: u32,
    /// Milliseconds between two kills, at most.
    pub calm_ms_max: u64,
    /// How the receiving server misbehaves.
    pub script: Script,
    /// How long everything may take.
    pub within: Duration,
}

/// Where a storm rages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// One process with every role.
    Single,
    /// Three store nodes, two front ends, two workers.
    Cluster,
}

/// Whom a kill hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The one process there is.
    Process,
    /// A process that delivers.
    Worker,
    /// A process that takes submissions.
    FrontEnd,
    /// A store node, whichever.
    Node,
    /// The store node that leads the sender's group.
    Leader,
}

/// A kill.
#[derive(Clone, Debug)]
pub struct Kill {
    /// When, on the receiving server's clock.
    pub at: Duration,
    /// Whom.
    pub victim: Victim,
    /// The name of its host, as servers hear it.
    pub host: String,
}

/// Lets the storm rage over a system below `folder`, and compares.
///
/// # Errors
/// When a process does not come back, or the queue does not empty in time; faults of the system are in the figures.
pub fn rage(folder: &Path, storm: &Storm) -> Result<Figures> {
    let started = Instant::now();
    let server = Flaky::start(storm.script)?;
    let queue = format!(
        "retry_seconds = [{RETRY_SECONDS}]\nretry_seconds_max = {RETRY_SECONDS}\nlease_seconds = {LEASE_SECONDS}\n{}",
        smart_host(server.address(), &[])
    );
    let mut field = Field::start(storm.ground, folder, &queue)?;
    let admin = field.admin();
    admin.populate(DOMAIN, 1, PASSWORD)?;
    admin.lift_sending_limits(DOMAIN)?;
    // A login that everybody knows from then on costs no slow check of the password.
    Imap::login(field.port("imaps")?, SENDER, PASSWORD)?;
    let plan = Plan {
        targets: field.ports("submissions")?,
        protocol: Protocol::Smtp,
        login: Some(Login { user: SENDER.to_owned(), password: PASSWORD.to_owned() }),
        connections: 16,
        networks: 0,
        size_bytes: 1_024,
        letters: Vec::new(),
        recipients: (0..DESTINATIONS).map(|index| format!("someone@d{index}.example")).collect(),
        until: Until::Count(storm.messages),
        run: 1,
    };
    let load = std::thread::spawn(move || load::run(&plan));
    let kills = kill_until_empty(&mut field, &server, &load, (storm, started))?;
    let outcome: Outcome = load.join().map_err(|_| anyhow::anyhow!("the load generator failed"))??;
    let left = storm.within.saturating_sub(started.elapsed());
    process::wait_until(left, || is_empty(&admin))
        .with_context(|| format!("the queue does not empty: {:?} wait", waiting(&admin)))?;
    let elapsed = started.elapsed();
    let trace: Value = serde_json::from_str(&admin.ctl(&["trace", SENDER, "--json"], "")?)?;
    let notices = notices::read(field.port("pop3s")?, SENDER, PASSWORD)?;
    let seen = compare::Seen { outcome, trace, notices, tries: server.tries(), kills };
    Ok(Figures { elapsed, ..compare(&seen, Duration::from_secs(RETRY_SECONDS)) })
}

/// One kill after the other, each survived before the next, until there were enough or everything has left.
fn kill_until_empty(
    field: &mut Field,
    server: &Flaky,
    load: &std::thread::JoinHandle<Result<Outcome>>,
    (storm, started): (&Storm, Instant),
) -> Result<Vec<Kill>> {
    let mut random = StdRng::seed_from_u64(storm.script.seed);
    let mut kills = Vec::new();
    for turn in 0..storm.kills {
        std::thread::sleep(Duration::from_millis(random.random_range(storm.calm_ms_max / 4..=storm.calm_ms_max)));
        ensure!(
            started.elapsed() < storm.within,
            "not within {} s, after {} kills",
            storm.within.as_secs(),
            kills.len()
        );
        if load.is_finished() && waiting(&field.admin()).is_ok_and(|count| count == 0) {
            break;
        }
        kills.push(field.strike(turn, &mut random, server)?);
    }
    Ok(kills)
}

/// Asks, and lets some time pass if not.
fn is_empty(admin: &Admin) -> bool {
    let empty = waiting(admin).is_ok_and(|count| count == 0);
    if !empty {
        std::thread::sleep(ASK_EVERY);
    }
    empty
}

/// Deliveries in the queue.
fn waiting(admin: &Admin) -> Result<u64> {
    let summary: Value = serde_json::from_str(&admin.ctl(&["queue", "summary", "--json"], "")?)?;
    summary.get("deliveries").and_then(Value::as_u64).context("no sum")
}
