//! What each POP3 command does in the AUTHORIZATION and TRANSACTION states.
//!
//! Passwords travel only over TLS unless the listener allows otherwise, and are not on offer where they would be refused (RFC 2595 §4).
//! STLS must be the last command at hand: whoever sends more did not wait for the handshake, and the connection is closed.

use std::fmt::Write as _;

use bytes::Bytes;
use yubin_types::{ResponseText, Timestamp, limits};

use super::command::{self, Command, Mistake};
use super::contract::Ask;
use super::maildrop::Maildrop;
use super::send::{Listing, Scan};
use super::session::{Phase, Pop3Session};
use super::stuffing::Extent;
use crate::line::Line;
use crate::sasl::{self, Claim, Credentials, Exchange, Offer, Progress, SaslError};
use crate::security::Security;
use crate::step::Step;

const NO_SUCH_MESSAGE: &str = "-ERR No such message";
const UNKNOWN_MECHANISM: &str = "-ERR Unrecognized authentication mechanism";
const NEED_TLS: &str = "-ERR [SYS/PERM] TLS is required before login: use STLS or the POP3S port";

impl Pop3Session {
    /// The next command, a mistake that was answered, or a step to wait with.
    fn read_line(&mut self, now: Timestamp, phase: Phase) -> Result<(Command, Phase), Option<Step<Ask>>> {
        let line_bytes_max = if self.input.starts_with(b"AUTH ") {
            limits::POP3_AUTH_LINE_BYTES_MAX
        } else {
            // A password may be long; PASS and its CRLF go on top.
            limits::POP3_COMMAND_BYTES_MAX.max(limits::PASSWORD_BYTES_MAX + 7)
        };
        let line = match self.input.line(line_bytes_max) {
            Line::Partial => {
                self.phase = phase;
                return Err(self.wait(now));
            }
            line => line,
        };
        self.heard();
        let complaint = match line {
            Line::Complete(line) => match command::parse(&line) {
                Ok(command) => return Ok((command, phase)),
                Err(Mistake::Http) => {
                    self.close("-ERR This is a mail server");
                    return Err(None);
                }
                Err(Mistake::Unknown) => "-ERR Unknown command",
                Err(Mistake::Arguments) => "-ERR Syntax error in arguments",
                Err(Mistake::Mechanism) => UNKNOWN_MECHANISM,
            },
            Line::TooLong => "-ERR Line too long",
            Line::Malformed | Line::Partial => "-ERR Lines must end with CRLF and hold no other CR or NUL",
        };
        self.phase = phase;
        self.mistaken(complaint);
        Err(None)
    }

    /// Takes the next command of the AUTHORIZATION state, or waits for one.
    pub(super) fn read_authorization(&mut self, user: Option<Bytes>, now: Timestamp) -> Option<Step<Ask>> {
        let (command, phase) = match self.read_line(now, Phase::Authorization(user)) {
            Ok(read) => read,
            Err(step) => return step,
        };
        let Phase::Authorization(user) = phase else { return None };
        let admitted = self.security.admits_login(self.config.plaintext_login);
        self.phase = Phase::Authorization(None);
        match (command, user) {
            (Command::Capabilities, user) => {
                self.phase = Phase::Authorization(user);
                self.write_capabilities();
            }
            (Command::Quit, _) => self.close("+OK Goodbye"),
            (Command::StartTls, _) => self.start_tls(),
            (Command::User(_) | Command::Pass(_) | Command::Authenticate { .. }, _) if !admitted => {
                self.mistaken(NEED_TLS);
            }
            (Command::User(name), _) => {
                self.say("+OK Send PASS");
                self.phase = Phase::Authorization(Some(name));
            }
            (Command::Pass(password), Some(user)) => {
                return self.log_in(Credentials::new(&user, &password).map(Claim::Password)).map(Step::Ask);
            }
            (Command::Pass(_), None) => self.mistaken("-ERR Send USER first"),
            (Command::Authenticate { mechanism, initial }, _) => {
                let progress = Exchange::start(mechanism, initial.as_deref(), self.offer());
                return self.sasl(progress).map(Step::Ask);
            }
            _ => self.mistaken("-ERR Log in first"),
        }
        None
    }

    /// Takes the next line of a SASL exchange, or waits for it.
    pub(super) fn read_sasl(&mut self, exchange: Exchange, now: Timestamp) -> Option<Step<Ask>> {
        let progress = match self.input.line(limits::POP3_AUTH_LINE_BYTES_MAX) {
            Line::Partial => {
                self.phase = Phase::Sasl(exchange);
                return self.wait(now);
            }
            Line::Complete(line) => exchange.respond(&line),
            Line::TooLong => Err(SaslError::TooLong),
            Line::Malformed => Err(SaslError::Base64),
        };
        self.heard();
        self.sasl(progress).map(Step::Ask)
    }

    /// The rim's word in the middle of a SASL exchange.
    pub(super) fn consulted(&mut self, exchange: Exchange, reply: sasl::Reply) -> Option<Ask> {
        let Some(progress) = exchange.answer(reply) else {
            self.unexpected();
            return None;
        };
        self.sasl(Ok(progress))
    }

    /// The mechanisms on this connection.
    const fn offer(&self) -> Offer<'_> {
        Offer { security: &self.security, tokens: self.config.tokens }
    }

    /// Sends the challenge; the client owes a line.
    fn challenge(&mut self, exchange: Exchange) {
        let _ = write!(self.output, "+ {}\r\n", exchange.challenge());
        self.phase = Phase::Sasl(exchange);
    }

    fn sasl(&mut self, progress: Result<Progress, SaslError>) -> Option<Ask> {
        match progress {
            Ok(Progress::Continue(exchange)) => {
                self.challenge(exchange);
                None
            }
            Ok(Progress::Ask(question, exchange)) => {
                self.phase = Phase::Consulting(exchange);
                Some(Ask::Sasl(question))
            }
            Ok(Progress::Done(claim)) => self.log_in(Ok(claim)),
            Err(error @ (SaslError::TooLong | SaslError::Authorization)) => self.log_in(Err(error)),
            Err(error @ (SaslError::BindingType | SaslError::Downgrade | SaslError::Binding)) => {
                self.login_failed(&ResponseText::new(Some("AUTH"), &error.to_string()));
                None
            }
            Err(SaslError::NotOffered) => {
                self.phase = Phase::Authorization(None);
                self.mistaken(UNKNOWN_MECHANISM);
                None
            }
            Err(error) => {
                self.phase = Phase::Authorization(None);
                self.mistaken(&format!("-ERR {error}"));
                None
            }
        }
    }

    /// Credentials that can't be right fail as wrong ones do (RFC 3206 AUTH).
    fn log_in(&mut self, claim: Result<Claim, SaslError>) -> Option<Ask> {
        match claim {
            Ok(claim) => {
                self.phase = Phase::LoggingIn;
                Some(Ask::Login(claim))
            }
            Err(_) => {
                self.login_failed(&ResponseText::new(Some("AUTH"), "Authentication failed"));
                None
            }
        }
    }

    fn start_tls(&mut self) {
        match self.security {
            Security::Upgradable if self.input.is_empty() => {
                self.say("+OK Begin TLS");
                self.phase = Phase::Handshake;
            }
            Security::Upgradable => self.close("-ERR Wait for the reply before sending more"),
            Security::Encrypted(_) => self.mistaken("-ERR TLS is active already"),
            Security::Clear => self.mistaken("-ERR TLS is not available"),
        }
    }

    fn write_capabilities(&mut self) {
        self.say("+OK Capability list follows");
        self.say("TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING");
        if self.security.admits_login(self.config.plaintext_login) {
            let _ = write!(self.output, "USER\r\nSASL {}\r\n", self.offer().names());
        }
        if self.security == Security::Upgradable && matches!(self.phase, Phase::Authorization(_)) {
            self.say("STLS");
        }
        self.say("IMPLEMENTATION yubin\r\n.");
    }

    /// Takes the next command of the TRANSACTION state, or waits for one.
    pub(super) fn read_transaction(&mut self, maildrop: Maildrop, now: Timestamp) -> Option<Step<Ask>> {
        let (command, phase) = match self.read_line(now, Phase::Transaction(maildrop)) {
            Ok(read) => read,
            Err(step) => return step,
        };
        let Phase::Transaction(maildrop) = phase else { return None };
        self.obey(command, maildrop).map(Step::Ask)
    }

    fn obey(&mut self, command: Command, mut maildrop: Maildrop) -> Option<Ask> {
        let mut mistake = None;
        match command {
            Command::Status => {
                let (count, bytes) = (maildrop.count(), maildrop.bytes());
                let _ = write!(self.output, "+OK {count} {bytes}\r\n");
            }
            Command::List(None) => return self.scan(maildrop, Listing::Sizes),
            Command::UniqueIds(None) => return self.scan(maildrop, Listing::UniqueIds),
            Command::List(Some(number)) => mistake = self.write_one(&maildrop, Listing::Sizes, number),
            Command::UniqueIds(Some(number)) => mistake = self.write_one(&maildrop, Listing::UniqueIds, number),
            Command::Retrieve(number) => match maildrop.get(number) {
                Some(message) => {
                    self.send(maildrop, message, Extent::Whole);
                    return None;
                }
                None => mistake = Some(NO_SUCH_MESSAGE),
            },
            Command::Top { number, lines } => match maildrop.get(number) {
                Some(message) => {
                    self.send(maildrop, message, Extent::Header { body_lines: lines });
                    return None;
                }
                None => mistake = Some(NO_SUCH_MESSAGE),
            },
            Command::Delete(number) => match maildrop.delete(number) {
                Some(()) => self.say("+OK Message marked for deletion"),
                None => mistake = Some(NO_SUCH_MESSAGE),
            },
            Command::Reset => {
                maildrop.reset();
                self.say("+OK Nothing is marked for deletion");
            }
            Command::Noop => self.say("+OK"),
            Command::Capabilities => self.write_capabilities(),
            Command::Quit => return self.update(maildrop, 0),
            Command::User(_) | Command::Pass(_) | Command::Authenticate { .. } | Command::StartTls => {
                mistake = Some("-ERR Logged in already");
            }
        }
        self.phase = Phase::Transaction(maildrop);
        if let Some(line) = mistake {
            self.mistaken(line);
        }
        None
    }

    fn scan(&mut self, maildrop: Maildrop, listing: Listing) -> Option<Ask> {
        let (count, bytes) = (maildrop.count(), maildrop.bytes());
        let _ = write!(self.output, "+OK {count} messages ({bytes} octets)\r\n");
        self.phase = Phase::Scanning(maildrop, Scan::new(listing));
        None
    }

    fn write_one(&mut self, maildrop: &Maildrop, listing: Listing, number: u32) -> Option<&'static str> {
        let Some(message) = maildrop.get(number) else { return Some(NO_SUCH_MESSAGE) };
        self.output.extend_from_slice(b"+OK ");
        self.write_row(listing, number, &message);
        None
    }
}
