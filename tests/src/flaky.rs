//! A mail server elsewhere that misbehaves by script: it puts off, refuses, and hangs up after the final dot of what it took.
//!
//! It remembers each attempt at each message of the load generator, when it came and what became of it, and nothing of the content. What becomes
//! of an attempt follows from the script's seed, the message's number and how often it came before, so that a run can be repeated.
//! A message that it hung up on was taken (RFC 1047): its sender must come again, and nobody is to blame for the second copy.

use crate::load::Number;
use crate::receiver::{content, path, serve_each};
use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What it says when it refuses, after the code.
pub const REFUSAL: &str = "5.7.1 Not wanted";

/// How it misbehaves.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Of 100 attempts, so many are put off.
    pub deferred_percent: u32,
    /// Of 100 attempts, so many are refused for good.
    pub refused_percent: u32,
    /// Of 100 attempts, after so many the connection ends without a word, although the message was taken.
    pub dropped_percent: u32,
    /// A message that was put off or dropped so often is spared both.
    pub patience: usize,
    /// Decides the rest.
    pub seed: u64,
}

impl Default for Script {
    /// 20 % put off, 5 % refused, 2 % dropped, without end.
    fn default() -> Self {
        Self { deferred_percent: 20, refused_percent: 5, dropped_percent: 2, patience: usize::MAX, seed: 1 }
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// 250.
    Taken,
    /// 451.
    Deferred,
    /// 550.
    Refused,
    /// Taken, and the connection ended before a word was said.
    Dropped,
}

/// An attempt that came to its final dot.
#[derive(Clone, Debug)]
pub struct Try {
    /// When, from the start of the server.
    pub at: Duration,
    /// Whose it was: the name in EHLO.
    pub from: Arc<str>,
    /// What became of it.
    pub fate: Fate,
}

/// A running server; it ends with the process.
#[derive(Debug)]
pub struct Flaky {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    script: Script,
    started: Instant,
    tries: Mutex<BTreeMap<Number, Vec<Try>>>,
}

impl Flaky {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(script: Script) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let shared = Arc::new(Shared { script, started: Instant::now(), tries: Mutex::default() });
        let server = Self { address: listener.local_addr()?, shared: Arc::clone(&shared) };
        serve_each(listener, shared, serve);
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The time on its clock, which its attempts are dated by.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// Every attempt so far, in the order in which they came.
    #[must_use]
    pub fn tries(&self) -> BTreeMap<Number, Vec<Try>> {
        self.shared.tries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    /// Notes an attempt and decides what becomes of it.
    fn decide(&self, number: Number, from: &Arc<str>) -> Fate {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let before = tries.entry(number).or_default();
        let fate = self.script.fate(number, before);
        before.push(Try { at: self.started.elapsed(), from: Arc::clone(from), fate });
        fate
    }
}

impl Script {
    fn fate(&self, number: Number, before: &[Try]) -> Fate {
        let Number { run, connection, sequence } = number;
        let parts = [u64::from(run), u64::from(connection), u64::from(sequence), before.len() as u64];
        let seed = parts.iter().fold(self.seed, |seed, part| StdRng::seed_from_u64(seed ^ part).random());
        let drawn = StdRng::seed_from_u64(seed).random_range(0..100);
        let again = before.iter().filter(|one| matches!(one.fate, Fate::Deferred | Fate::Dropped)).count();
        let bounds = [
            (self.refused_percent, Fate::Refused),
            (self.deferred_percent, Fate::Deferred),
            (self.dropped_percent, Fate::Dropped),
        ];
        let mut below = 0;
        for (percent, fate) in bounds {
            below += percent;
            if drawn < below {
                return if fate != Fate::Refused && again >= self.patience { Fate::Taken } else { fate };
            }
        }
        Fate::Taken
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    let mut say = |line: &str| output.write_all(format!("{line}\r\n").as_bytes());
    say("220 flaky.example ESMTP")?;
    let (mut from, mut recipients) = (Arc::<str>::from(""), 0_usize);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => {
                from = line.get(5..).unwrap_or_default().into();
                say("250-flaky.example\r\n250-PIPELINING\r\n250 8BITMIME")?;
            }
            "MAIL" | "RSET" => {
                recipients = 0;
                say("250 2.1.0 OK")?;
            }
            "RCPT" if path(line).is_empty() => say("501 5.1.3 Nobody")?,
            "RCPT" => {
                recipients += 1;
                say("250 2.1.5 OK")?;
            }
            "DATA" if recipients == 0 => say("554 5.5.1 No valid recipients")?,
            "DATA" => {
                say("354 Go on")?;
                let text = content(&mut input)?;
                let number = text.lines().find_map(|line| Number::parse(line.strip_prefix("Subject: Load ")?));
                match number.map(|number| shared.decide(number, &from)) {
                    None => say("554 5.6.0 Not of the load generator")?,
                    Some(Fate::Taken) => say("250 2.0.0 Taken")?,
                    Some(Fate::Deferred) => say("451 4.3.0 Come again")?,
                    Some(Fate::Refused) => say(&format!("550 {REFUSAL}"))?,
                    Some(Fate::Dropped) => return Ok(()),
                }
            }
            "QUIT" => return Ok(say("221 2.0.0 Goodbye")?),
            _ => say("502 5.5.1 Unknown")?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_kept_to_and_repeats_itself() {
        let script = Script { patience: 2, ..Script::default() };
        let number = |sequence| Number { run: 1, connection: 2, sequence };
        let first: Vec<Fate> = (0..10_000).map(|sequence| script.fate(number(sequence), &[])).collect();
        let count = |fate| first.iter().filter(|one| **one == fate).count();
        for (fate, expected) in [(Fate::Deferred, 2_000), (Fate::Refused, 500), (Fate::Dropped, 200)] {
            assert!(count(fate).abs_diff(expected) < expected / 4, "{fate:?}: {}", count(fate));
        }
        assert!((0..100).all(|sequence| script.fate(number(sequence), &[]) == first[sequence as usize]));
        let one = Try { at: Duration::ZERO, from: "".into(), fate: Fate::Deferred };
        let put_off = [one.clone(), one];
        let later = (0..1_000).map(|sequence| script.fate(number(sequence), &put_off));
        assert!(later.into_iter().all(|fate| matches!(fate, Fate::Taken | Fate::Refused)));
    }
}
