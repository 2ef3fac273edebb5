//! The SMTP session: its phases, and how answers and silence move it on.
//!
//! A phase owns what belongs to it: a transaction exists only inside [`Phase`], so that RSET, a refusal or a lost connection drops all
//! of it at once. Replies are held back until the session waits for the peer, so that a pipelined group is answered in one write.
//! Commands are in [`super::commands`], message data in [`super::receive`].
//!
//! Bounds: one command line or one piece of a message of input, `OUTPUT_BYTES_MAX` of replies; errors, refused recipients, idle
//! commands and transactions are counted (`limits`). A peer that is silent, or slower than it may be, gets `421 4.4.2`.

use std::fmt::Write as _;

use bytes::BytesMut;
use yubin_types::{SmtpReply, Timestamp, TraceId, limits};

use super::command::Chunk;
use super::contract::{Answer, Ask, Config, Listener, Mail, Origin, Recipient, Verdict};
use super::receive::{Message, Reason};
use super::violation::{Then, Violation};
use crate::line::Input;
use crate::sasl::Exchange;
use crate::security::Security;
use crate::step::{Session, Step, TlsFacts};

/// Replies that are held back before they are written although the session could go on, bytes.
const OUTPUT_BYTES_MAX: usize = 16 * 1024;

/// An SMTP server session.
#[derive(Debug)]
pub struct SmtpSession {
    pub(super) config: Config,
    pub(super) client: Client,
    pub(super) phase: Phase,
    pub(super) input: Input,
    pub(super) tally: Tally,
    output: BytesMut,
    peer: Peer,
    running: Running,
    /// Since when the session has waited for the current command.
    waiting_since: Option<Timestamp>,
}

/// What is known of the client; forgotten when TLS starts (RFC 3207 §4.2).
#[derive(Debug)]
pub(super) struct Client {
    pub(super) security: Security,
    pub(super) hello: Hello,
    pub(super) user: Option<String>,
}

/// How the client greeted.
#[derive(Debug)]
pub(super) enum Hello {
    Not,
    Helo(String),
    Ehlo(String),
}

/// What the session is in the middle of.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing was sent.
    Start,
    /// Commands are welcome.
    Command(Envelope),
    /// The client owes a line of a SASL exchange.
    Sasl(Exchange),
    /// Asked: Authenticate.
    Authenticating,
    /// Asked: Mail.
    Opening(Mail),
    /// Asked: Recipients.
    Inviting(Transaction, Vec<Result<Recipient, Violation>>),
    /// Asked: Begin.
    Beginning(Transfer),
    /// Message data comes in.
    Receiving(Message),
    /// Asked: Chunk or Abort, and message data comes in afterwards.
    Handing(Message),
    /// Asked: Finish.
    Finishing,
    /// Asked: Abort.
    Aborting,
    /// STARTTLS was answered.
    Handshake,
    /// All is said.
    Closed,
}

/// What the commands so far have built.
#[derive(Debug)]
pub(super) enum Envelope {
    /// No transaction.
    None,
    /// MAIL was accepted.
    Open(Transaction),
    /// Chunks were taken, and more may come.
    Chunked(Message),
}

/// MAIL, and what came of RCPT.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) mail: Mail,
    /// Accepted recipients.
    pub(super) recipients: usize,
    /// Recipients that the rim was asked about.
    pub(super) admitted: usize,
    /// RCPT commands, whatever came of them.
    pub(super) tried: usize,
}

/// How the message comes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Transfer {
    Data,
    Chunk(Chunk),
}

/// What a session counts against its limits.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) errors: u32,
    pub(super) refused_recipients: u32,
    pub(super) idle_commands: u32,
    pub(super) login_failures: u32,
    pub(super) transactions: u32,
}

#[derive(Debug)]
enum Peer {
    Present,
    Gone,
    Silent,
}

#[derive(Debug, PartialEq, Eq)]
enum Running {
    Normally,
    Draining,
}

impl Client {
    fn new(security: Security) -> Client {
        Client { security, hello: Hello::Not, user: None }
    }
}

impl SmtpSession {
    /// A session on a fresh connection; with implicit TLS, after the handshake.
    #[must_use]
    pub fn new(config: Config) -> SmtpSession {
        SmtpSession {
            client: Client::new(config.security.clone()),
            config,
            phase: Phase::Start,
            input: Input::default(),
            tally: Tally::default(),
            output: BytesMut::new(),
            peer: Peer::Present,
            running: Running::Normally,
            waiting_since: None,
        }
    }

    /// A reply line of our own.
    pub(super) fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// A breach of the protocol: tells it, counts it. Call it last: it may close the session.
    pub(super) fn violated(&mut self, violation: Violation) {
        self.say(violation.reply());
        match violation.then() {
            Then::Count => self.count_error(),
            Then::Forgive => {}
            Then::Close => self.phase = Phase::Closed,
        }
    }

    pub(super) fn count_error(&mut self) {
        self.tally.errors += 1;
        if self.tally.errors > limits::SMTP_ERRORS_MAX {
            self.close("421 4.7.0 Too many errors; closing connection");
        }
    }

    /// Says goodbye.
    pub(super) fn close(&mut self, line: &str) {
        self.say(line);
        self.phase = Phase::Closed;
    }

    /// The rim said no. Call it last: a 421 closes the session.
    pub(super) fn refused(&mut self, reply: &SmtpReply) {
        let _ = write!(self.output, "{reply}\r\n");
        if reply.code == 421 {
            self.phase = Phase::Closed;
        }
    }

    /// A command or an answer arrived: waiting starts anew.
    pub(super) fn heard(&mut self) {
        self.waiting_since = None;
    }

    /// Where the message comes from.
    pub(super) fn origin(&self, mail: &Mail) -> Origin {
        use super::contract::AddressEncoding::{Ascii, Utf8};
        let (helo, extended) = match &self.client.hello {
            Hello::Not => (String::new(), false),
            Hello::Helo(name) => (name.clone(), false),
            Hello::Ehlo(name) => (name.clone(), true),
        };
        let tls = match &self.client.security {
            Security::Encrypted(facts) => Some(facts.clone()),
            Security::Clear | Security::Upgradable => None,
        };
        let protocol = match (mail.encoding, tls.is_some(), self.client.user.is_some()) {
            (Ascii, false, false) if !extended => "SMTP",
            (Ascii, false, false) => "ESMTP",
            (Ascii, true, false) => "ESMTPS",
            (Ascii, false, true) => "ESMTPA",
            (Ascii, true, true) => "ESMTPSA",
            (Utf8, false, false) => "UTF8SMTP",
            (Utf8, true, false) => "UTF8SMTPS",
            (Utf8, false, true) => "UTF8SMTPA",
            (Utf8, true, true) => "UTF8SMTPSA",
        };
        Origin { helo, protocol, tls, user: self.client.user.clone() }
    }

    /// Waits for the peer, if there is anything to wait for. `silence` is how long in all.
    pub(super) fn wait(&mut self, now: Timestamp, deadline: Option<Timestamp>) -> Option<Step<Ask>> {
        let since = *self.waiting_since.get_or_insert(now);
        let deadline = deadline.unwrap_or_else(|| since.plus_seconds(limits::SMTP_IDLE_SECONDS_MAX));
        let left_ms = deadline.millis_since(now);
        match self.peer {
            Peer::Gone => self.phase = Phase::Closed,
            Peer::Silent => self.close("421 4.4.2 Timeout; closing connection"),
            Peer::Present if left_ms == 0 => self.close("421 4.4.2 Timeout; closing connection"),
            Peer::Present if self.running == Running::Draining && self.between_transactions() => {
                self.close("421 4.3.2 Service is restarting; try again");
            }
            Peer::Present => {
                let seconds_max = left_ms.div_ceil(1_000).min(limits::SMTP_IDLE_SECONDS_MAX);
                return Some(Step::Read { seconds_max });
            }
        }
        None
    }

    fn between_transactions(&self) -> bool {
        matches!(self.phase, Phase::Command(Envelope::None) | Phase::Sasl(_))
    }

    /// Goes on by itself as far as it can.
    fn advance(&mut self, now: Timestamp) -> Option<Step<Ask>> {
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Start => {
                self.greet();
                None
            }
            Phase::Command(envelope) => self.read_command(envelope, now),
            Phase::Sasl(exchange) => self.read_sasl(exchange, now),
            Phase::Receiving(message) => self.receive_message(message, now),
            Phase::Handshake => {
                self.phase = Phase::Handshake;
                Some(Step::StartTls)
            }
            Phase::Closed => Some(Step::Close),
            // A question is open: the driver owes the answer.
            Phase::Authenticating
            | Phase::Opening(_)
            | Phase::Inviting(..)
            | Phase::Beginning(_)
            | Phase::Handing(_)
            | Phase::Finishing
            | Phase::Aborting => {
                self.close("421 4.3.0 Internal error; closing connection");
                None
            }
        }
    }

    fn greet(&mut self) {
        let kind = match self.config.listener {
            Listener::Mx => "ESMTP",
            Listener::Submission => "ESMTP submission",
        };
        let _ = write!(self.output, "220 {} {kind} ready\r\n", self.config.hostname);
        self.phase = Phase::Command(Envelope::None);
    }

    /// The lines of EHLO: exactly what works, here and now.
    pub(super) fn write_extensions(&mut self) {
        let _ = write!(self.output, "250-{}\r\n250-PIPELINING\r\n", self.config.hostname);
        let _ = write!(self.output, "250-SIZE {}\r\n", self.config.message_bytes_max);
        if self.client.security == Security::Upgradable {
            self.say("250-STARTTLS");
        }
        if self.config.listener == Listener::Submission
            && self.client.user.is_none()
            && self.client.security.admits_login(self.config.plaintext_login)
        {
            self.say("250-AUTH PLAIN LOGIN");
        }
        self.say("250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 CHUNKING");
    }

    /// The name in the reply to HELO.
    pub(super) fn write_hostname(&mut self) {
        let _ = write!(self.output, "250 {}\r\n", self.config.hostname);
    }

    fn authenticated(&mut self, answer: Answer) {
        self.phase = Phase::Command(Envelope::None);
        match answer {
            Answer::Authenticated { user } => {
                self.client.user = Some(user);
                self.tally.login_failures = 0;
                self.say("235 2.7.0 Authentication successful");
            }
            Answer::Refused(reply) => {
                self.tally.login_failures += u32::from(reply.is_permanent());
                self.refused(&reply);
                if self.tally.login_failures >= limits::LOGIN_FAILURES_MAX {
                    self.close("421 4.7.0 Too many failed logins; closing connection");
                }
            }
            _ => self.unexpected(),
        }
    }

    fn opened(&mut self, mail: Mail, answer: Answer) {
        match answer {
            Answer::Accepted => {
                self.tally.transactions += 1;
                self.say("250 2.1.0 Sender OK");
                self.phase = Phase::Command(Envelope::Open(Transaction { mail, recipients: 0, admitted: 0, tried: 0 }));
            }
            Answer::Refused(reply) => self.back_to_commands(&reply),
            _ => self.unexpected(),
        }
    }

    fn invited(&mut self, mut transaction: Transaction, pending: Vec<Result<Recipient, Violation>>, answer: Answer) {
        let verdicts = match answer {
            Answer::Recipients(verdicts) => verdicts,
            Answer::Refused(reply) => {
                let asked = pending.iter().filter(|recipient| recipient.is_ok()).count();
                vec![Verdict::Refused(reply); asked]
            }
            _ => return self.unexpected(),
        };
        let mut verdicts = verdicts.into_iter();
        let mut outcomes = Vec::with_capacity(pending.len());
        for recipient in pending {
            outcomes.push(match recipient {
                Err(violation) => Err(violation),
                // A verdict that is missing is the rim's failure, never the peer's.
                Ok(_) => Ok(verdicts.next().unwrap_or_else(|| {
                    Verdict::Refused(SmtpReply::new(451, (4, 3, 0), "Temporary failure; try again later"))
                })),
            });
        }
        transaction.recipients += outcomes.iter().filter(|outcome| matches!(outcome, Ok(Verdict::Accepted))).count();
        self.phase = Phase::Command(Envelope::Open(transaction));
        for outcome in outcomes {
            if matches!(self.phase, Phase::Closed) {
                return;
            }
            match outcome {
                Err(violation) => self.violated(violation),
                Ok(Verdict::Accepted) => self.say("250 2.1.5 Recipient OK"),
                Ok(Verdict::Refused(reply)) => self.recipient_refused(&reply),
            }
        }
    }

    fn recipient_refused(&mut self, reply: &SmtpReply) {
        self.tally.refused_recipients += u32::from(reply.is_permanent());
        self.refused(reply);
        if self.tally.refused_recipients > limits::SMTP_REFUSED_RECIPIENTS_MAX {
            self.close("421 4.7.0 Too many refused recipients; closing connection");
        }
    }

    fn begun(&mut self, transfer: Transfer, answer: Answer) {
        let bytes_max = self.config.message_bytes_max;
        match (transfer, answer) {
            (Transfer::Data, Answer::Accepted) => {
                self.say("354 End data with <CR><LF>.<CR><LF>");
                self.phase = Phase::Receiving(Message::data(bytes_max));
            }
            (Transfer::Data, Answer::Refused(reply)) => self.back_to_commands(&reply),
            (Transfer::Chunk(chunk), Answer::Accepted) => {
                self.phase = Phase::Receiving(Message::chunked(chunk, bytes_max));
            }
            // The octets of the chunk are on their way all the same.
            (Transfer::Chunk(chunk), Answer::Refused(reply)) => {
                self.phase = Phase::Receiving(Message::unwanted(chunk, Reason::Rim(reply), bytes_max));
            }
            _ => self.unexpected(),
        }
    }

    fn finished(&mut self, answer: Answer) {
        match answer {
            Answer::Stored { id } => self.stored(id),
            Answer::Refused(reply) => self.back_to_commands(&reply),
            _ => self.unexpected(),
        }
    }

    fn stored(&mut self, id: TraceId) {
        self.tally.errors = 0;
        self.tally.idle_commands = 0;
        let _ = write!(self.output, "250 2.0.0 Message stored as {id}\r\n");
        self.phase = Phase::Command(Envelope::None);
    }

    /// A refusal that ends the transaction.
    fn back_to_commands(&mut self, reply: &SmtpReply) {
        self.phase = Phase::Command(Envelope::None);
        self.refused(reply);
    }

    /// An answer that doesn't fit its question: the rim has failed.
    fn unexpected(&mut self) {
        self.close("421 4.3.0 Internal error; closing connection");
    }
}

impl Session for SmtpSession {
    type Ask = Ask;
    type Answer = Answer;

    fn next(&mut self, now: Timestamp) -> Step<Ask> {
        loop {
            if self.output.len() >= OUTPUT_BYTES_MAX {
                return Step::Write(self.output.split().freeze());
            }
            match self.advance(now) {
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
        self.heard();
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Authenticating => self.authenticated(answer),
            Phase::Opening(mail) => self.opened(mail, answer),
            Phase::Inviting(transaction, pending) => self.invited(transaction, pending, answer),
            Phase::Beginning(transfer) => self.begun(transfer, answer),
            Phase::Handing(message) => self.handed(message, answer),
            Phase::Finishing => self.finished(answer),
            Phase::Aborting => self.phase = Phase::Command(Envelope::None),
            // Nothing was asked; SMTP has no events.
            phase => self.phase = phase,
        }
    }

    fn tls_started(&mut self, facts: TlsFacts) {
        self.input.clear();
        self.client = Client::new(Security::Encrypted(facts));
        self.phase = Phase::Command(Envelope::None);
        self.heard();
    }

    fn end_of_input(&mut self) {
        self.peer = Peer::Gone;
    }

    fn timed_out(&mut self) {
        self.peer = Peer::Silent;
    }

    fn drain(&mut self) {
        self.running = Running::Draining;
    }
}
