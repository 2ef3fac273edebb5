//! Whole SMTP sessions at random, against a reference model: commands in and out of order, pipelined and cut anywhere, DATA and BDAT,
//! look-alikes of the end of data, STARTTLS and logins in the middle, octets that are no commands, a rim that fails.
//!
//! After every segment the replies must be those that the model allows, what the session waits for must agree, and what was handed over
//! must be the model's messages, octet for octet, with their senders and recipients. A session follows from its seed alone:
//! `YUBIN_FUZZ_SEEDS` says how many are run, `YUBIN_FUZZ_SEED` which one, after a failure has named it.

mod model;
mod script;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};

use yubin_session::sasl::TokenLogin;
use yubin_session::smtp::{Config, ForwardPath, Listener, SmtpSession};
use yubin_session::{Security, Session as _};
use yubin_types::ReversePath;

use crate::harness::{Connection, Waits, tls_facts};
use crate::rim::{Fail, SmtpRim, config};
use model::{Codes, Envelope, Failing, Model, Phase, Service, Stored, Tls};
use script::Random;

/// Sessions in an ordinary run.
const SEEDS: u64 = 1_500;
/// Of a session that failed, the last lines are shown.
const TRACE_LINES_MAX: usize = 60;
/// Groups of commands in one session.
const GROUPS_MAX: usize = 60;

/// What happened in some sessions: a script that reaches nothing finds nothing.
#[derive(Debug, Default)]
struct Coverage {
    stored: usize,
    logins: usize,
    handshakes: usize,
    closed: usize,
    chunked: usize,
}

/// A session and its model, side by side.
struct Pair {
    connection: Connection<SmtpSession, SmtpRim>,
    model: Model,
    /// What was sent and said.
    trace: Vec<String>,
}

impl Pair {
    fn new(random: &mut Random) -> Pair {
        let (service, listener) = random.pick(&[
            (Service::Mx, Listener::Mx),
            (Service::Submission, Listener::Submission),
            (Service::Submission, Listener::Submission),
            (Service::Lmtp, Listener::Lmtp),
        ]);
        let (tls, security) = match random.below(5) {
            0 => (Tls::Absent, Security::Clear),
            1 => (Tls::Active, Security::Encrypted(tls_facts())),
            _ => (Tls::Offered, Security::Upgradable),
        };
        let bytes_max = if random.once_in(8) { 200_000 } else { 3_000 };
        let config =
            Config { tokens: TokenLogin::Allow, message_bytes_max: bytes_max as u64, ..config(listener, security) };
        let mut connection = Connection::new(SmtpSession::new(config), SmtpRim::default());
        let (greeting, _) = connection.run();
        assert!(greeting.starts_with(b"220 "));
        Pair { connection, model: Model::new(service, tls, bytes_max), trace: vec![format!("{service:?} {tls:?}")] }
    }

    fn segment(&mut self, piece: &[u8]) {
        self.trace.push(format!("C: {}", piece.escape_ascii()));
        let expected = self.model.receive(piece);
        self.connection.session.receive(piece);
        self.compare(&expected);
        if self.model.phase == Phase::Handshake {
            self.trace.push("T:".to_owned());
            let expected = self.model.tls_started();
            self.connection.session.tls_started(tls_facts());
            self.compare(&expected);
        }
    }

    fn compare(&mut self, expected: &[Codes]) {
        let (said, waits) = self.connection.run();
        self.trace.push(format!("S: {}", said.escape_ascii()));
        let codes = codes(&said);
        let fits =
            codes.len() == expected.len() && codes.iter().zip(expected).all(|(code, codes)| codes.contains(code));
        assert!(fits, "replies {codes:?}, and {expected:?} were expected");
        let expected = match self.model.phase {
            Phase::Handshake => Waits::Handshake,
            Phase::Closed => Waits::Closed,
            Phase::Command(_) | Phase::Sasl(_) | Phase::Data(..) | Phase::Chunk(_) => Waits::Client,
        };
        assert_eq!(waits, expected);
        let stored = &self.connection.rim.stored;
        assert_eq!(stored.len(), self.model.stored.len(), "messages");
        if let (Some(is), Some(should_be)) = (stored.last(), self.model.stored.last()) {
            assert_eq!(&told(is), should_be);
        }
    }

    /// The rim begins to fail somewhere, or does not.
    fn fail(&mut self, failing: Failing) {
        self.model.failing = failing;
        self.connection.rim.fail = match failing {
            Failing::Nowhere => Fail::Nowhere,
            Failing::Mail => Fail::Mail,
            Failing::Begin => Fail::Begin,
            Failing::Finish => Fail::Finish,
        };
    }

    /// Now and then something happens that the client did not do.
    fn disturb(&mut self, random: &mut Random) {
        match random.below(300) {
            0 => {
                self.trace.push("D:".to_owned());
                self.connection.session.drain();
                let expected = self.model.drain();
                self.compare(&expected);
            }
            1 => {
                self.trace.push("Z:".to_owned());
                self.connection.session.timed_out();
                let expected = self.model.silence();
                self.compare(&expected);
            }
            2..30 => self.fail(random.pick(&[Failing::Mail, Failing::Begin, Failing::Finish])),
            _ => self.fail(Failing::Nowhere),
        }
    }

    fn run(&mut self, random: &mut Random, coverage: &mut Coverage) {
        for _ in 0..GROUPS_MAX {
            self.disturb(random);
            let octets = random.group(&self.model);
            for piece in random.cut(&octets) {
                if self.model.phase == Phase::Closed {
                    break;
                }
                let (before, user) = (self.model.tls, self.model.user);
                self.segment(piece);
                coverage.handshakes += usize::from(before != self.model.tls);
                coverage.logins += usize::from(user.is_none() && self.model.user.is_some());
                coverage.chunked += usize::from(matches!(self.model.phase, Phase::Command(Envelope::Chunked { .. })));
                if before != self.model.tls {
                    // What follows was written before TLS, and can't arrive behind it.
                    break;
                }
            }
            if self.model.phase == Phase::Closed {
                coverage.closed += 1;
                break;
            }
        }
        coverage.stored += self.model.stored.len();
    }
}

fn told(stored: &crate::rim::Stored) -> Stored {
    let name = |path: &ForwardPath| match path {
        ForwardPath::Address(address) => address.to_string(),
        ForwardPath::Postmaster => "postmaster".to_owned(),
    };
    let sender = match &stored.mail.sender {
        ReversePath::Null => String::new(),
        ReversePath::Address(address) => address.to_string(),
    };
    let recipients = stored.recipients.iter().map(|recipient| name(&recipient.path)).collect();
    Stored { sender, recipients, text: stored.text.clone() }
}

/// The codes of final reply lines.
fn codes(said: &[u8]) -> Vec<u16> {
    let text = std::str::from_utf8(said).unwrap();
    let last = |line: &&str| line.as_bytes().get(3) == Some(&b' ');
    text.split_terminator("\r\n").filter(last).map(|line| line[..3].parse().unwrap()).collect()
}

fn check(seed: u64, coverage: &mut Coverage) {
    let mut random = Random(seed);
    let mut pair = Pair::new(&mut random);
    let outcome = catch_unwind(AssertUnwindSafe(|| pair.run(&mut random, coverage)));
    if outcome.is_err() {
        let before = pair.trace.len().saturating_sub(TRACE_LINES_MAX);
        let trace = pair.trace[before..].join("\n");
        panic!("{trace}\nseed {seed}: YUBIN_FUZZ_SEED={seed} runs it alone");
    }
}

// A test has no other input.
#[allow(clippy::disallowed_methods)]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

/// Attack list, item 4.
#[test]
fn sessions_do_what_the_reference_does() {
    let mut coverage = Coverage::default();
    if let Some(seed) = number("YUBIN_FUZZ_SEED") {
        return check(seed, &mut coverage);
    }
    let seeds = number("YUBIN_FUZZ_SEEDS").unwrap_or(SEEDS);
    (0..seeds).for_each(|seed| check(seed, &mut coverage));
    let reached = [coverage.stored, coverage.logins, coverage.handshakes, coverage.closed, coverage.chunked];
    assert!(seeds < SEEDS || reached.iter().all(|count| *count > 300), "{coverage:?}");
}
