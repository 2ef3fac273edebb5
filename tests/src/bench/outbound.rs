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
/// A domain whose server is down.
const DEAD: &str = "dead.example";
/// The sender's password.
const PASSWORD: &str = "correct horse battery";

/// A system with a sink behind it.
#[derive(Debug)]
pub struct Relay<T> {
    name: &'static str,
    // Held for its end, which comes before the sink's.
    _system: T,
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
    Ok(Relay { name: "Postfix", _system: system, sink, submission, login: None, ids })
}

/// One process of ours, with a sink of its own as smart host.
///
/// # Errors
/// When one of them does not start, or the sender can't be made.
pub fn yubin(folder: &Path) -> Result<Relay<System>> {
    let sink = Sink::start()?;
    // Nobody listens there.
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, process::free_port("127.0.0.1")?));
    let queue = smart_host(nowhere, &[DEAD]) + &smart_host(sink.address(), &[]);
    let system = System::configured(Transport::Direct, folder, &queue)?;
    system.admin().populate(DOMAIN, 1, PASSWORD)?;
    leave_unsigned(&system)?;
    system.admin().lift_sending_limits(DOMAIN)?;
    Imap::login(system.port("imaps")?, &format!("u0@{DOMAIN}"), PASSWORD)?;
    let (submission, ids) = (system.port("submissions")?, vec![system.running.id()]);
    let login = Login { user: format!("u0@{DOMAIN}"), password: PASSWORD.to_owned() };
    Ok(Relay { name: "yubin", _system: system, sink, submission, login: Some(login), ids })
}

/// Ours as above, with messages in its queue that can't be delivered: their destination is dead.
///
/// # Errors
/// As [`yubin`], or when the messages can't be submitted.
pub fn yubin_with_backlog(folder: &Path, messages: u64) -> Result<Relay<System>> {
    let relay = Relay { name: "yubin, backlog", ..yubin(folder)? };
    let plan = Plan {
        targets: relay.targets(),
        protocol: relay.protocol(),
        login: relay.login(),
        connections: 50,
        size_bytes: 1_024,
        letters: Vec::new(),
        recipients: (0..ACCOUNTS).map(|index| format!("u{index}@{DEAD}")).collect(),
        until: Until::Count(messages),
        run: 0,
    };
    let outcome = load::run(&plan)?;
    ensure!(
        outcome.acknowledged.len() as u64 == messages,
        "of {messages} messages not all are queued: {}",
        outcome.json()
    );
    Ok(relay)
}

/// Removes the domain's DKIM keys.
fn leave_unsigned(system: &System) -> Result<()> {
    let shown: Value = serde_json::from_str(&system.admin().ctl(&["domain", "dns", DOMAIN, "--json"], "")?)?;
    let records = shown.get("records").and_then(Value::as_array).context("no records")?;
    for selector in records.iter().filter_map(|record| record.get("selector")?.as_str()) {
        system.admin().ctl(&["domain", "dkim", "remove", DOMAIN, selector], "")?;
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
