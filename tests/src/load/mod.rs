//! A load generator: many connections that send mail as a busy mail server does, and remember every acknowledgement.
//!
//! Each connection stays open and sends message after message: MAIL, RCPT and DATA in one write (RFC 2920), the content
//! in the next, then the answer is awaited. One thread does it all, so that the system under test keeps the machine.
//! Refusals and broken connections are counted, never hidden; after a break a connection is opened anew.
//!
//! A message is a function of its number (`message`), so what is found in a mailbox later can be compared byte by byte.

mod connection;
mod message;
mod report;

pub use connection::{Login, Protocol};
pub use message::{Content, Number};
pub use report::{Acknowledged, Outcome};

use anyhow::Result;
use connection::{Answer, Connection, TurnedAway};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a broken connection waits before it is opened anew.
const REOPEN_AFTER: Duration = Duration::from_millis(50);
/// How long one waits that was turned away: a busy sender's patience, real ones have more.
const COME_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long nobody may be there until messages that could not even be begun count as sent in vain.
const PATIENCE: Duration = Duration::from_secs(60);

/// When the load ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After so many messages were acknowledged or refused.
    Count(u64),
    /// After this time; messages under way are finished.
    Elapsed(Duration),
}

/// What to send, where to, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to connect to; connections are spread over them in turn.
    pub targets: Vec<SocketAddr>,
    /// SMTP, or LMTP (RFC 2033).
    pub protocol: Protocol,
    /// Who submits; `None`: another server sends.
    pub login: Option<Login>,
    /// Connections kept open.
    pub connections: usize,
    /// Networks that they come from in turn, each a /24 of 127.0.0.0/8 and one host in it; 0: wherever the system lets them.
    pub networks: u32,
    /// Size of each message in bytes, its header included.
    pub size_bytes: usize,
    /// Messages that are sent in turn in place of made ones, if there are any.
    pub letters: Vec<Vec<u8>>,
    /// Addresses that receive in turn, one per message.
    pub recipients: Vec<String>,
    /// When to stop.
    pub until: Until,
    /// Told apart from other runs by the number in each message.
    pub run: u32,
}

/// Sends as planned and returns what happened.
///
/// # Errors
/// When the runtime can't be made; what goes wrong with connections is part of the outcome.
pub fn run(plan: &Plan) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    Ok(local.block_on(&runtime, send_all(plan)))
}

/// What the connections of one run share.
struct Shared {
    plan: Plan,
    content: Content,
    started: Instant,
    /// Messages begun so far.
    begun: Cell<u64>,
}

impl Shared {
    /// Whether one more message may begin; counts it.
    fn begin(&self) -> bool {
        let go = match self.plan.until {
            Until::Count(count) => self.begun.get() < count,
            Until::Elapsed(limit) => self.started.elapsed() < limit,
        };
        if go {
            self.begun.set(self.begun.get().saturating_add(1));
        }
        go
    }

    /// A message was not begun after all.
    fn put_back(&self) {
        self.begun.set(self.begun.get().saturating_sub(1));
    }
}

async fn send_all(plan: &Plan) -> Outcome {
    let content =
        if plan.letters.is_empty() { Content::new(plan.size_bytes) } else { Content::of(plan.letters.clone()) };
    let shared = Rc::new(Shared { plan: plan.clone(), content, started: Instant::now(), begun: Cell::new(0) });
    let tasks: Vec<_> = (0..plan.connections)
        .map(|index| tokio::task::spawn_local(keep_sending(Rc::clone(&shared), u32::try_from(index).unwrap_or(0))))
        .collect();
    let mut outcome = Outcome::default();
    for task in tasks {
        match task.await {
            Ok(part) => outcome.add(part),
            Err(error) => outcome.note(&format!("a connection's task failed: {error}")),
        }
    }
    outcome.elapsed = shared.started.elapsed();
    outcome
}

/// One connection's life: sends until the plan is fulfilled, opening anew after a break.
async fn keep_sending(shared: Rc<Shared>, index: u32) -> Outcome {
    let plan = &shared.plan;
    let mut outcome = Outcome::default();
    let mut open: Option<Connection> = None;
    let mut sequence = 0_u32;
    let mut alone_since: Option<Instant> = None;
    while shared.begin() {
        let number = Number { run: plan.run, connection: index, sequence };
        let turn = (index as usize).wrapping_add(sequence as usize * plan.connections);
        let Some(recipient) = plan.recipients.get(turn % plan.recipients.len().max(1)) else { break };
        sequence = sequence.wrapping_add(1);
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => match reopen(plan, (index, sequence), &mut outcome).await {
                Some(connection) => connection,
                None => {
                    if alone_since.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
                        shared.put_back();
                    }
                    continue;
                }
            },
        };
        alone_since = None;
        let begun = Instant::now();
        match connection.send(&shared.content, number, recipient).await {
            Ok(Answer::Accepted) => {
                outcome.acknowledge(number, recipient, begun.elapsed(), shared.started.elapsed());
                open = Some(connection);
            }
            Ok(Answer::Refused(reply)) => {
                outcome.refuse(&reply);
                open = Some(connection);
            }
            Err(error) => {
                outcome.broke(&error);
                tokio::time::sleep(REOPEN_AFTER).await;
            }
        }
    }
    if let Some(connection) = open {
        connection.quit().await;
    }
    outcome
}

/// Connects; if that fails, says so and waits.
async fn reopen(plan: &Plan, turn: (u32, u32), outcome: &mut Outcome) -> Option<Connection> {
    let begun = Instant::now();
    let error = match connect(plan, turn).await {
        Ok(connection) => return Some(connection),
        Err(error) => error,
    };
    if error.is::<TurnedAway>() {
        outcome.turned_away(begun.elapsed());
        tokio::time::sleep(COME_AGAIN_AFTER).await;
    } else {
        outcome.broke(&error);
        tokio::time::sleep(REOPEN_AFTER).await;
    }
    None
}

/// A connection's number and how often it has been used say where to.
async fn connect(plan: &Plan, (index, sequence): (u32, u32)) -> Result<Connection> {
    let target = plan.targets.get((index as usize + sequence as usize) % plan.targets.len().max(1));
    let target = target.ok_or_else(|| anyhow::anyhow!("the plan names no target"))?;
    let source = index.checked_rem(plan.networks).map(host);
    Connection::open(source, *target, plan.protocol, plan.login.as_ref()).await
}

/// The host in one of the networks, which begin behind that of 127.0.0.1.
const fn host(network: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + ((network + 1) << 8))
}
