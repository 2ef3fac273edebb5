//! Mail on its way out: each system takes it from the load generator and hands it to the same kind of sink.
//!
//! Postfix takes it as from its own network; ours takes it as a user's submission, over TLS and with AUTH, as it takes
//! no other; a login before the load saves each connection the slow check of the password, as with any client that
//! comes again. Neither signs: ours has its domain's DKIM keys removed. The sink keeps nothing and counts. A measurement sends for some seconds and waits until the sink has
//! everything that was acknowledged; the rate is messages divided by all of that time.

use super::{ACCOUNTS, Subject};
use crate::crash::Target as _;
use crate::imap::Imap;
use crate::load::{self, Login, Plan, Protocol, Until};
use crate::peer::{NextHop, Postfix, Sink};
use crate::process;
use crate::system::{System, Transport, smart_host};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// The senders' domain.
const DOMAIN: &str = "bench.example";
/// The domain of the recipients, which is nobody's.
const ELSEWHERE: &str = "elsewhere.example";
/// Messages that wait for one sender's domain: a domain may have a million in the queue.
const WAITING_PER_DOMAIN_MAX: u64 = 500_000;
/// The sender's password.
const PASSWORD: &str = "correct horse battery";

/// A system with a sink behind it.
#[derive(Debug)]
pub struct Relay<T> {
    name: &'static str,
    // Its end comes before the sink's.
    system: T,
    sink: Sink,
    submission: SocketAddr,
    login: Option<Login>,
    ids: Vec<u32>,
}

/// Postfix, relaying to a sink of its own.
///
/// # Errors
/// When one of them does not start.
pub fn postfix(folder: &Path) -> Result<Relay<Postfix>> {
    let sink = Sink::start()?;
    let system = Postfix::start(folder, NextHop::Smtp(sink.address()), None)?;
    let (submission, ids) = (system.smtp(), vec![system.id()]);
    Ok(Relay { name: "Postfix", system, sink, submission, login: None, ids })
}

/// One process of ours, with a sink of its own as smart host.
///
/// # Errors
/// When one of them does not start, or the sender can't be made.
pub fn yubin(folder: &Path) -> Result<Relay<System>> {
    let sink = Sink::start()?;
    // Nobody listens there.
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, process::free_port("127.0.0.1")?));
    let queue = smart_host(sink.address(), &[ELSEWHERE]) + &smart_host(nowhere, &[]);
    let system = System::configured(Transport::Direct, folder, &queue)?;
    let login = sender(&system, DOMAIN)?;
    let (submission, ids) = (system.port("submissions")?, vec![system.running.id()]);
    Ok(Relay { name: "yubin", system, sink, submission, login: Some(login), ids })
}

/// Makes a domain that may send as much as it can, unsigned, with one user, and has that user log in once.
fn sender(system: &System, domain: &str) -> Result<Login> {
    system.admin().populate(domain, 1, PASSWORD)?;
    leave_unsigned(system, domain)?;
    system.admin().lift_sending_limits(domain)?;
    let login = Login { user: format!("u0@{domain}"), password: PASSWORD.to_owned() };
    Imap::login(system.port("imaps")?, &login.user, PASSWORD)?;
    Ok(login)
}

/// Messages that can't be delivered: their destinations are dead.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    /// How many, from the sender that is measured and, where that is too many for one, from others.
    pub messages: u64,
    /// To how many destinations, in turn.
    pub destinations: usize,
}

/// Ours as above, with a backlog in its queue.
///
/// # Errors
/// As [`yubin`], or when the messages can't be submitted.
pub fn yubin_with_backlog(folder: &Path, backlog: Backlog) -> Result<Relay<System>> {
    let relay = Relay { name: "yubin, backlog", ..yubin(folder)? };
    let (mut left, mut run) = (backlog.messages, 0);
    while left > 0 {
        let messages = left.min(WAITING_PER_DOMAIN_MAX);
        let login = if run == 0 { relay.login() } else { Some(sender(&relay.system, &format!("bench{run}.example"))?) };
        let plan = Plan {
            targets: relay.targets(),
            protocol: relay.protocol(),
            login,
            connections: 50,
            networks: 0,
            size_bytes: 1_024,
            letters: Vec::new(),
            recipients: (0..backlog.destinations).map(|index| format!("someone@dead{index}.example")).collect(),
            until: Until::Count(messages),
            run,
        };
        let outcome = load::run(&plan)?;
        // A connection that has sent thousands is ended, and nobody knows of the message under way.
        let queued = outcome.acknowledged.len() as u64;
        ensure!(queued > messages / 2, "of {messages} messages not many are queued: {}", outcome.json());
        (left, run) = (left - queued, run + 1);
    }
    Ok(relay)
}

/// Removes the domain's DKIM keys.
fn leave_unsigned(system: &System, domain: &str) -> Result<()> {
    let shown: Value =
        serde_json::from_str(&system.admin().ctl(&["domain", "dns", domain, "--expected", "--json"], "")?)?;
    let records = shown.get("records").and_then(Value::as_array).context("no records")?;
    for selector in records.iter().filter_map(|record| record.get("selector")?.as_str()) {
        system.admin().ctl(&["domain", "dkim", "remove", domain, selector], "")?;
    }
    Ok(())
}

impl<T> Subject for Relay<T> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn targets(&self) -> Vec<SocketAddr> {
        vec![self.submission]
    }
    fn protocol(&self) -> Protocol {
        Protocol::Smtp
    }
    fn domain(&self) -> &str {
        ELSEWHERE
    }
    fn accounts(&self) -> usize {
        ACCOUNTS
    }
    fn ids(&self) -> Vec<u32> {
        self.ids.clone()
    }
    fn login(&self) -> Option<Login> {
        self.login.clone()
    }
    fn arrived(&self) -> Result<usize> {
        Ok(self.sink.taken())
    }
}
