//! The POP3 session: its phases (RFC 1939 §§4-6), and how answers and silence move it on.
//!
//! The maildrop exists only inside the phases of the TRANSACTION and UPDATE states. Deletions happen at QUIT and nowhere else: silence,
//! a lost connection, a shutdown or an event end the session without them. Replies are held back until the session waits, so that
//! pipelined commands (RFC 2449 §6.6) are answered in one write.
//!
//! Bounds: one command line of input, `OUTPUT_BYTES_MAX` of replies and one piece of a message on their way out; wrong commands and
//! failed logins are counted. Before the login, silence and all of the time are bounded.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use yubin_types::{ResponseText, Timestamp, limits};

use super::contract::{Answer, Ask, Config};
use super::maildrop::Maildrop;
use super::send::{Scan, Sending};
use crate::line::Input;
use crate::sasl::Exchange;
use crate::security::Security;
use crate::step::{Session, Step, TlsFacts};

/// Replies that are held back before they are written although the session could go on, bytes.
pub(super) const OUTPUT_BYTES_MAX: usize = 16 * 1024;

/// A POP3 server session.
#[derive(Debug)]
pub struct Pop3Session {
    pub(super) config: Config,
    pub(super) security: Security,
    pub(super) phase: Phase,
    pub(super) input: Input,
    pub(super) output: BytesMut,
    /// A piece of a message that goes out as it is, after `output`.
    pub(super) piece: Option<Bytes>,
    /// What an answer leads to asking.
    asked: Option<Ask>,
    errors: u32,
    login_failures: u32,
    fate: Fate,
    /// Since when the session has waited for the current command.
    waiting_since: Option<Timestamp>,
    /// Since when the session has waited at all.
    opened: Option<Timestamp>,
}

/// What the session is in the middle of.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing was sent.
    Start,
    /// AUTHORIZATION; the name in USER, if it came.
    Authorization(Option<Bytes>),
    /// The client owes a line of a SASL exchange.
    Sasl(Exchange),
    /// Asked: Sasl.
    Consulting(Exchange),
    /// Asked: Login.
    LoggingIn,
    /// Asked: Listing.
    Loading(Maildrop),
    /// TRANSACTION.
    Transaction(Maildrop),
    /// A listing goes out.
    Scanning(Maildrop, Scan),
    /// Asked: Body.
    Fetching(Maildrop, Sending),
    /// A message goes out, and its next piece is to be asked for.
    Sending(Maildrop, Sending),
    /// Asked: Commit, for so many after so many are gone.
    Committing { maildrop: Maildrop, asked: u64, gone: u64 },
    /// Asked: Release; then goodbye.
    Leaving,
    /// STLS was answered.
    Handshake,
    /// All is said.
    Closed,
}

/// What is known to end the session when it next waits.
#[derive(Debug)]
enum Fate {
    Open,
    PeerGone,
    PeerSilent,
    Draining,
    /// The rim ended it.
    Ended(ResponseText),
}

impl Pop3Session {
    /// A session on a fresh connection; with implicit TLS, after the handshake.
    #[must_use]
    pub fn new(config: Config) -> Pop3Session {
        Pop3Session {
            security: config.security.clone(),
            config,
            phase: Phase::Start,
            input: Input::with_bare_line_feeds(),
            output: BytesMut::new(),
            piece: None,
            asked: None,
            errors: 0,
            login_failures: 0,
            fate: Fate::Open,
            waiting_since: None,
            opened: None,
        }
    }

    /// A line of our own.
    pub(super) fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// `-ERR` with what the rim said.
    pub(super) fn refuse(&mut self, text: &ResponseText) {
        let _ = write!(self.output, "-ERR {text}\r\n");
    }

    /// Says goodbye.
    pub(super) fn close(&mut self, line: &str) {
        self.say(line);
        self.phase = Phase::Closed;
    }

    /// A command that can't be obeyed: tells it, counts it. Call it last: it may close the session.
    pub(super) fn mistaken(&mut self, line: &str) {
        self.say(line);
        self.errors += 1;
        if self.errors > limits::POP3_ERRORS_MAX {
            self.close("-ERR Too many errors; closing connection");
        }
    }

    /// A command arrived, or an answer: waiting starts anew.
    pub(super) fn heard(&mut self) {
        self.waiting_since = None;
    }

    /// A login that failed. Call it last: it may close the session.
    pub(super) fn login_failed(&mut self, text: &ResponseText) {
        self.phase = Phase::Authorization(None);
        self.refuse(text);
        if text.code == Some("AUTH") {
            self.login_failures += 1;
        }
        if self.login_failures >= limits::LOGIN_FAILURES_MAX {
            self.phase = Phase::Closed;
        }
    }

    /// Waits for the peer, if there is anything to wait for.
    pub(super) fn wait(&mut self, now: Timestamp) -> Option<Step<Ask>> {
        let since = *self.waiting_since.get_or_insert(now);
        let opened = *self.opened.get_or_insert(now);
        let last_moment = if self.is_logged_in() {
            since.plus_seconds(limits::POP3_IDLE_SECONDS_MAX)
        } else {
            let of_command = since.plus_seconds(limits::PREAUTH_IDLE_SECONDS_MAX);
            of_command.min(opened.plus_seconds(limits::PREAUTH_SECONDS_MAX))
        };
        let left_ms = last_moment.millis_since(now);
        match std::mem::replace(&mut self.fate, Fate::Open) {
            Fate::Open if left_ms > 0 => return Some(Step::Read { seconds_max: left_ms.div_ceil(1_000) }),
            // RFC 1939 §3: no deletion and no response.
            Fate::Open | Fate::PeerGone | Fate::PeerSilent => self.phase = Phase::Closed,
            Fate::Draining => self.close("-ERR [SYS/TEMP] Service is restarting; try again"),
            Fate::Ended(text) => {
                self.refuse(&text);
                self.phase = Phase::Closed;
            }
        }
        None
    }

    const fn is_logged_in(&self) -> bool {
        matches!(self.phase, Phase::Transaction(_))
    }

    /// Goes on by itself as far as it can.
    fn advance(&mut self, now: Timestamp) -> Option<Step<Ask>> {
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Start => {
                let _ = write!(self.output, "+OK {} POP3 ready\r\n", self.config.hostname);
                self.phase = Phase::Authorization(None);
                None
            }
            Phase::Authorization(user) => self.read_authorization(user, now),
            Phase::Sasl(exchange) => self.read_sasl(exchange, now),
            Phase::Transaction(maildrop) => self.read_transaction(maildrop, now),
            Phase::Scanning(maildrop, scan) => {
                self.write_rows(maildrop, scan);
                None
            }
            Phase::Sending(maildrop, sending) => {
                let ask = sending.next_piece();
                self.phase = Phase::Fetching(maildrop, sending);
                Some(Step::Ask(ask))
            }
            Phase::Handshake => {
                self.phase = Phase::Handshake;
                Some(Step::StartTls)
            }
            Phase::Closed => Some(Step::Close),
            // A question is open: the driver owes the answer.
            Phase::Consulting(_)
            | Phase::LoggingIn
            | Phase::Loading(_)
            | Phase::Fetching(..)
            | Phase::Committing { .. }
            | Phase::Leaving => {
                self.close("-ERR [SYS/TEMP] Internal error; closing connection");
                None
            }
        }
    }

    fn listed(&mut self, mut maildrop: Maildrop, answer: Answer) -> Option<Ask> {
        match answer {
            Answer::Listing { entries, next } => {
                maildrop.extend(&entries);
                if let Some(from) = next {
                    self.phase = Phase::Loading(maildrop);
                    return Some(Ask::Listing { from });
                }
                self.login_failures = 0;
                let (count, bytes) = (maildrop.count(), maildrop.bytes());
                let _ = write!(self.output, "+OK Maildrop has {count} messages ({bytes} octets)\r\n");
                self.phase = Phase::Transaction(maildrop);
            }
            Answer::Refused(text) | Answer::Ended(text) => {
                self.refuse(&text);
                self.phase = Phase::Closed;
            }
            Answer::Sasl(_) | Answer::Body(_) | Answer::Committed | Answer::Released => self.unexpected(),
        }
        None
    }

    /// UPDATE: deletes the next batch, or gives the lock back and says goodbye.
    pub(super) fn update(&mut self, mut maildrop: Maildrop, gone: u64) -> Option<Ask> {
        let uids = maildrop.take_deleted(limits::MESSAGES_PER_COMMAND_MAX);
        if uids.is_empty() {
            self.phase = Phase::Leaving;
            return Some(Ask::Release);
        }
        self.phase = Phase::Committing { maildrop, asked: uids.len(), gone };
        Some(Ask::Commit { uids })
    }

    fn committed(&mut self, maildrop: Maildrop, asked: u64, gone: u64, answer: Answer) -> Option<Ask> {
        match answer {
            Answer::Committed => return self.update(maildrop, gone + asked),
            Answer::Refused(text) | Answer::Ended(text) => {
                let what = if gone == 0 {
                    "no message was deleted".to_owned()
                } else {
                    format!("only the first {gone} of the deleted messages are gone")
                };
                self.refuse(&ResponseText::new(text.code, &format!("{}; {what}", text.text())));
                self.phase = Phase::Closed;
            }
            Answer::Sasl(_) | Answer::Listing { .. } | Answer::Body(_) | Answer::Released => self.unexpected(),
        }
        None
    }

    /// An answer that doesn't fit its question: the rim has failed.
    pub(super) fn unexpected(&mut self) {
        self.close("-ERR [SYS/TEMP] Internal error; closing connection");
    }
}

impl Session for Pop3Session {
    type Ask = Ask;
    type Answer = Answer;

    fn next(&mut self, now: Timestamp) -> Step<Ask> {
        loop {
            if self.output.len() >= OUTPUT_BYTES_MAX || (self.piece.is_some() && !self.output.is_empty()) {
                return Step::Write(self.output.split().freeze());
            }
            if let Some(piece) = self.piece.take() {
                return Step::Write(piece);
            }
            let step = match self.asked.take() {
                Some(ask) => Some(Step::Ask(ask)),
                None => self.advance(now),
            };
            match step {
                None => {}
                Some(Step::Ask(ask)) => return Step::Ask(ask),
                // All other steps wait: what was said goes first, then the step comes again.
                Some(step) if self.output.is_empty() => return step,
                Some(_) => return Step::Write(std::mem::take(&mut self.output).freeze()),
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if !matches!(self.phase, Phase::Closed | Phase::Handshake) {
            self.input.extend(bytes);
        }
    }

    fn answer(&mut self, answer: Answer) {
        match (std::mem::replace(&mut self.phase, Phase::Closed), answer) {
            (Phase::Consulting(exchange), Answer::Sasl(reply)) => self.asked = self.consulted(exchange, reply),
            (Phase::Consulting(_) | Phase::LoggingIn, Answer::Refused(text)) => self.login_failed(&text),
            (Phase::LoggingIn, answer) => self.asked = self.listed(Maildrop::default(), answer),
            (Phase::Loading(maildrop), answer) => self.asked = self.listed(maildrop, answer),
            (Phase::Fetching(maildrop, sending), answer) => self.fetched(maildrop, sending, answer),
            (Phase::Committing { maildrop, asked, gone }, answer) => {
                self.asked = self.committed(maildrop, asked, gone, answer);
            }
            // All that was to be deleted is gone; how the lock fares changes nothing.
            (Phase::Leaving, _) => self.close("+OK Goodbye"),
            (phase, Answer::Ended(text)) => {
                self.phase = phase;
                self.fate = Fate::Ended(text);
            }
            // Nothing was asked.
            (phase, _) => self.phase = phase,
        }
        self.heard();
    }

    fn tls_started(&mut self, facts: TlsFacts) {
        self.input.clear();
        self.security = Security::Encrypted(facts);
        self.phase = Phase::Authorization(None);
        self.heard();
    }

    fn end_of_input(&mut self) {
        self.fate = Fate::PeerGone;
    }

    fn timed_out(&mut self) {
        self.fate = Fate::PeerSilent;
    }

    fn scarce_seconds_max(&self, now: Timestamp) -> Option<u64> {
        let silent = now.millis_since(self.waiting_since.unwrap_or(now)) / 1_000;
        (!self.is_logged_in()).then(|| limits::SCARCE_IDLE_SECONDS_MAX.saturating_sub(silent))
    }

    fn drain(&mut self) {
        if matches!(self.fate, Fate::Open) {
            self.fate = Fate::Draining;
        }
    }
}
