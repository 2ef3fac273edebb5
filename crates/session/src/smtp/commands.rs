//! What each SMTP command does, and when it may come (RFC 5321 §4.1.4).
//!
//! Commands that must end a pipelined group (EHLO, HELO, DATA, STARTTLS: RFC 2920 §3.1, RFC 3207 §4.2) close the connection when more
//! octets are at hand: whoever sent them did not wait for the reply, and took message text for commands or clear text for TLS.
//! Consecutive RCPT commands that are at hand become one question.

use bytes::Bytes;
use yubin_types::{DsnEnvelope, Timestamp, TlsDemand, limits};

use super::command::{self, Chunk, Command};
use super::contract::{AddressEncoding, Ask, Listener, Mail, Recipient};
use super::receive::{Message, Reason};
use super::session::{Afterwards, Envelope, Hello, Phase, Replies, SmtpSession, Transaction, Transfer};
use super::violation::Violation;
use super::wishes::Wishes;
use crate::line::Line;
use crate::sasl::{Exchange, Mechanism, Progress, SaslError};
use crate::security::Security;
use crate::step::Step;

impl SmtpSession {
    /// Takes the next command, or waits for one.
    pub(super) fn read_command(&mut self, envelope: Envelope, now: Timestamp) -> Option<Step<Ask>> {
        if self.tally.unreported > 0 {
            return Some(self.report(Afterwards::Command(envelope)));
        }
        let line_bytes_max = if self.input.starts_with(b"AUTH ") {
            limits::SMTP_AUTH_LINE_BYTES_MAX
        } else {
            limits::SMTP_COMMAND_BYTES_MAX
        };
        let line = self.input.line(line_bytes_max);
        if line == Line::Partial {
            self.phase = Phase::Command(envelope);
            return self.wait(now, None);
        }
        self.heard();
        let parsed = match line {
            Line::Complete(line) => command::parse(&line),
            Line::TooLong => Err(Violation::LongLine),
            Line::Malformed | Line::Partial => Err(Violation::LineEnd),
        };
        match parsed {
            Ok(command) => self.obey(command, envelope, now).map(Step::Ask),
            Err(violation) => {
                self.phase = Phase::Command(envelope);
                self.violated(violation);
                None
            }
        }
    }

    fn obey(&mut self, command: Command, envelope: Envelope, now: Timestamp) -> Option<Ask> {
        match command {
            // RFC 2033 §4.1: each protocol has its own greeting.
            Command::Ehlo(_) | Command::Helo(_) if self.config.listener == Listener::Lmtp => {
                self.misplaced(envelope, Violation::UnknownCommand)
            }
            Command::Lhlo(_) if self.config.listener != Listener::Lmtp => {
                self.misplaced(envelope, Violation::UnknownCommand)
            }
            Command::Ehlo(name) | Command::Lhlo(name) => self.hello(Hello::Ehlo(name), envelope, now),
            Command::Helo(name) => self.hello(Hello::Helo(name), envelope, now),
            Command::Xclient(arguments) => self.xclient(&arguments, envelope),
            Command::Mail(mail, wishes) => self.mail(mail, wishes, envelope, now),
            Command::Recipient(recipient, encoding) => self.recipients(recipient, encoding, envelope),
            Command::Data => self.data(envelope),
            Command::Chunk(chunk) => self.chunk(chunk, envelope),
            Command::Authenticate { mechanism, initial } => self.authenticate(mechanism, initial, envelope),
            Command::StartTls => self.start_tls(envelope),
            Command::Reset => {
                let ask = self.abort(envelope);
                self.idle("250 2.0.0 Reset");
                ask
            }
            Command::Noop => self.idle_in(envelope, "250 2.0.0 OK"),
            Command::Verify => self.idle_in(envelope, "252 2.0.0 Cannot verify, but will accept and attempt delivery"),
            Command::Help => self.idle_in(
                envelope,
                "214 2.0.0 EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP STARTTLS AUTH QUIT; see RFC 5321",
            ),
            Command::Quit => {
                self.close("221 2.0.0 Goodbye");
                None
            }
        }
    }

    /// A command that changes nothing but must not be repeated for ever. Call it last: it may close the session.
    fn idle(&mut self, line: &str) {
        self.say(line);
        self.count_idle();
    }

    fn count_idle(&mut self) {
        self.tally.idle_commands += 1;
        if self.tally.idle_commands > limits::SMTP_IDLE_COMMANDS_MAX {
            self.count_error();
        }
    }

    fn idle_in(&mut self, envelope: Envelope, line: &str) -> Option<Ask> {
        self.phase = Phase::Command(envelope);
        self.idle(line);
        None
    }

    /// A command out of place: nothing changes.
    pub(super) fn misplaced(&mut self, envelope: Envelope, violation: Violation) -> Option<Ask> {
        self.phase = Phase::Command(envelope);
        self.violated(violation);
        None
    }

    /// Ends the transaction, if there is one, and tells the rim.
    fn abort(&mut self, envelope: Envelope) -> Option<Ask> {
        match envelope {
            Envelope::None => {
                self.phase = Phase::Command(Envelope::None);
                None
            }
            Envelope::Open(_) | Envelope::Chunked(_) => {
                self.phase = Phase::Aborting;
                Some(Ask::Abort)
            }
        }
    }

    fn hello(&mut self, hello: Hello, envelope: Envelope, now: Timestamp) -> Option<Ask> {
        if !self.input.is_empty() {
            return self.misplaced(envelope, Violation::Unsynchronized);
        }
        match &hello {
            Hello::Ehlo(_) => self.write_extensions(now),
            Hello::Helo(_) | Hello::Not => self.write_hostname(),
        }
        self.client.hello = hello;
        let ask = self.abort(envelope);
        self.count_idle();
        ask
    }

    fn start_tls(&mut self, envelope: Envelope) -> Option<Ask> {
        match (&self.client.security, &envelope) {
            (Security::Encrypted(_), _) => self.misplaced(envelope, Violation::AlreadyEncrypted),
            (Security::Clear, _) => self.misplaced(envelope, Violation::NotImplemented),
            (Security::Upgradable, Envelope::None) if self.input.is_empty() => {
                self.say("220 2.0.0 Ready to start TLS");
                self.phase = Phase::Handshake;
                None
            }
            (Security::Upgradable, Envelope::None) => self.misplaced(envelope, Violation::Unsynchronized),
            (Security::Upgradable, _) => self.misplaced(envelope, Violation::InTransaction),
        }
    }

    fn authenticate(
        &mut self,
        mechanism: Option<Mechanism>,
        initial: Option<Bytes>,
        envelope: Envelope,
    ) -> Option<Ask> {
        let violation = if self.config.listener != Listener::Submission {
            Violation::NotImplemented
        } else if matches!(self.client.hello, Hello::Not) {
            Violation::NeedEhlo
        } else if self.client.user.is_some() {
            Violation::AlreadyAuthenticated
        } else if !matches!(envelope, Envelope::None) {
            Violation::InTransaction
        } else if !self.client.security.admits_login(self.config.plaintext_login) {
            Violation::EncryptionRequired
        } else if let Some(mechanism) = mechanism {
            let progress = Exchange::start(mechanism, initial.as_deref(), self.offer());
            return self.sasl(progress);
        } else {
            Violation::UnknownMechanism
        };
        self.misplaced(envelope, violation)
    }

    /// Takes the next line of a SASL exchange, or waits for it.
    pub(super) fn read_sasl(&mut self, exchange: Exchange, now: Timestamp) -> Option<Step<Ask>> {
        let progress = match self.input.line(limits::SMTP_AUTH_LINE_BYTES_MAX) {
            Line::Partial => {
                self.phase = Phase::Sasl(exchange);
                return self.wait(now, None);
            }
            Line::Complete(line) => exchange.respond(&line),
            Line::TooLong => Err(SaslError::TooLong),
            Line::Malformed => Err(SaslError::Base64),
        };
        self.heard();
        self.sasl(progress).map(Step::Ask)
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
            Ok(Progress::Done(claim)) => {
                self.phase = Phase::Authenticating;
                Some(Ask::Authenticate(claim))
            }
            Err(error) => self.misplaced(Envelope::None, Violation::Sasl(error)),
        }
    }

    /// Sends the challenge; the client owes a line.
    pub(super) fn challenge(&mut self, exchange: Exchange) {
        self.say(&format!("334 {}", exchange.challenge()));
        self.phase = Phase::Sasl(exchange);
    }

    fn mail(&mut self, mut mail: Mail, wishes: Wishes, envelope: Envelope, now: Timestamp) -> Option<Ask> {
        if self.tally.transactions >= limits::SMTP_TRANSACTIONS_MAX {
            self.close("421 4.7.0 Enough for one connection; please connect again");
            return None;
        }
        let submission = self.config.listener == Listener::Submission;
        let violation = if matches!(self.client.hello, Hello::Not) {
            Violation::NeedEhlo
        } else if submission && self.client.user.is_none() {
            if self.client.security == Security::Upgradable {
                Violation::NeedTls
            } else {
                Violation::NeedAuthentication
            }
        } else if !matches!(envelope, Envelope::None) {
            Violation::InTransaction
        } else if !self.offers(&mail, wishes) {
            Violation::UnknownParameter
        } else if mail.size.is_some_and(|bytes| bytes > self.config.message_bytes_max) {
            Violation::DeclaredSize
        } else {
            match wishes.handling(now, self.config.priority_max) {
                Ok(handling) => {
                    mail.handling = handling;
                    self.phase = Phase::Opening(mail.clone(), wishes);
                    return Some(Ask::Mail(mail));
                }
                Err(violation) => violation,
            }
        };
        self.misplaced(envelope, violation)
    }

    /// Is everything offered that MAIL asks for?
    fn offers(&self, mail: &Mail, wishes: Wishes) -> bool {
        let users = self.config.listener == Listener::Submission;
        let of_users = mail.dsn != DsnEnvelope::default() || wishes != Wishes::default();
        (users || !of_users) && (mail.tls == TlsDemand::None || self.client.security.is_encrypted())
    }

    /// This RCPT and those that follow it at hand.
    fn recipients(&mut self, recipient: Recipient, encoding: AddressEncoding, envelope: Envelope) -> Option<Ask> {
        let mut transaction = match envelope {
            Envelope::Open(transaction) => transaction,
            Envelope::None => return self.misplaced(envelope, Violation::NeedMail),
            Envelope::Chunked(_) => return self.misplaced(envelope, Violation::InTransaction),
        };
        let listener = self.config.listener;
        let mut pending = vec![admit(listener, &mut transaction, recipient, encoding)];
        while pending.len() < limits::SMTP_RECIPIENTS_PER_QUESTION_MAX && self.input.starts_with(b"RCPT ") {
            let parsed = match self.input.line(limits::SMTP_COMMAND_BYTES_MAX) {
                Line::Partial => break,
                Line::Complete(line) => command::parse(&line),
                Line::TooLong => Err(Violation::LongLine),
                Line::Malformed => Err(Violation::LineEnd),
            };
            pending.push(match parsed {
                Ok(Command::Recipient(recipient, encoding)) => admit(listener, &mut transaction, recipient, encoding),
                Ok(_) => Err(Violation::UnknownCommand),
                Err(violation) => Err(violation),
            });
        }
        let asked: Vec<Recipient> = pending.iter().filter_map(|recipient| recipient.as_ref().ok()).cloned().collect();
        if asked.is_empty() {
            self.phase = Phase::Command(Envelope::Open(transaction));
            for violation in pending.into_iter().filter_map(Result::err) {
                if !matches!(self.phase, Phase::Closed) {
                    self.violated(violation);
                }
            }
            return None;
        }
        self.phase = Phase::Inviting(transaction, pending);
        Some(Ask::Recipients(asked))
    }

    fn data(&mut self, envelope: Envelope) -> Option<Ask> {
        if !self.input.is_empty() {
            return self.misplaced(envelope, Violation::Unsynchronized);
        }
        match envelope {
            Envelope::Open(transaction) if transaction.recipients > 0 => self.begin(transaction, Transfer::Data),
            Envelope::Open(Transaction { tried: 0, .. }) => self.misplaced(envelope, Violation::NeedRecipient),
            Envelope::Open(_) => self.misplaced(envelope, self.no_valid_recipients()),
            Envelope::None => self.misplaced(envelope, Violation::NeedMail),
            Envelope::Chunked(_) => self.misplaced(envelope, Violation::InTransaction),
        }
    }

    /// RFC 2033 §4.2 wants 503 where RFC 5321 §3.3 leaves the choice.
    const fn no_valid_recipients(&self) -> Violation {
        match self.config.listener {
            Listener::Lmtp => Violation::NeedRecipient,
            Listener::Mx | Listener::Submission => Violation::NoValidRecipients,
        }
    }

    fn begin(&mut self, transaction: Transaction, transfer: Transfer) -> Option<Ask> {
        let origin = self.origin(&transaction.mail);
        let replies = match self.config.listener {
            Listener::Lmtp => Replies(transaction.recipients),
            Listener::Mx | Listener::Submission => Replies(1),
        };
        self.phase = Phase::Beginning(transfer, replies);
        Some(Ask::Begin(origin))
    }

    /// BDAT. Its octets follow whatever the reply will be (RFC 3030 §2).
    fn chunk(&mut self, chunk: Chunk, envelope: Envelope) -> Option<Ask> {
        let bytes_max = self.config.message_bytes_max;
        let (violation, ask) = match envelope {
            Envelope::Chunked(message) => {
                self.phase = Phase::Receiving(message.with(chunk));
                return None;
            }
            Envelope::Open(transaction) if transaction.recipients > 0 => {
                return self.begin(transaction, Transfer::Chunk(chunk));
            }
            Envelope::Open(Transaction { tried: 0, .. }) => (Violation::NeedRecipient, Some(Ask::Abort)),
            Envelope::Open(_) => (self.no_valid_recipients(), Some(Ask::Abort)),
            Envelope::None => (Violation::NeedMail, None),
        };
        let message = Message::unwanted(chunk, Reason::Violation(violation), bytes_max, Replies(1));
        self.phase = if ask.is_some() { Phase::Handing(message) } else { Phase::Receiving(message) };
        ask
    }
}

/// May this recipient be asked about?
fn admit(
    listener: Listener,
    transaction: &mut Transaction,
    recipient: Recipient,
    encoding: AddressEncoding,
) -> Result<Recipient, Violation> {
    transaction.tried += 1;
    if encoding == AddressEncoding::Utf8 && transaction.mail.encoding == AddressEncoding::Ascii {
        return Err(Violation::Utf8Address);
    }
    if listener != Listener::Submission && (recipient.notify.is_given() || recipient.orcpt.is_some()) {
        return Err(Violation::UnknownParameter);
    }
    if transaction.admitted >= limits::SMTP_RECIPIENTS_MAX {
        return Err(Violation::TooManyRecipients);
    }
    transaction.admitted += 1;
    Ok(recipient)
}
