//! The SMTP session: its phases, and how answers and silence move it on.
//!
//! A phase owns what belongs to it: a transaction exists only inside [`Phase`], so that RSET, a refusal or a lost connection drops all
//! of it at once. Replies are held back until the session waits for the peer, so that a pipelined group is answered in one write.
//! Commands are in [`super::commands`], greetings in [`super::greeting`], answers in [`super::answers`], message data in [`super::receive`].
//!
//! Bounds: one command line or one piece of a message of input, `OUTPUT_BYTES_MAX` of replies; errors, refused recipients, idle
//! commands and transactions are counted (`limits`). A peer that is silent, or slower than it may be, gets `421 4.4.2` ([`patience`]).

mod patience;

use std::fmt::Write as _;

use bytes::BytesMut;
use yubin_types::{SmtpReply, Timestamp, limits};

use self::patience::Patience;
use super::blame::Blame;
use super::command::Chunk;
use super::contract::{Answer, Ask, Config, Mail, Recipient};
use super::receive::Message;
use super::violation::{Then, Violation};
use super::wishes::Wishes;
use super::xclient::Claimed;
use crate::line::Input;
use crate::sasl::{Claim, Exchange, Offer};
use crate::security::Security;
use crate::step::{Session, Step, TlsFacts};

/// Replies that are held back before they are written although the session could go on, bytes.
const OUTPUT_BYTES_MAX: usize = 16 * 1024;

/// An SMTP server session.
#[derive(Debug)]
pub struct SmtpSession {
    pub(super) config: Config,
    pub(super) client: Client,
    /// What a trusted peer said of its client.
    pub(super) claimed: Option<Claimed>,
    pub(super) phase: Phase,
    pub(super) input: Input,
    pub(super) tally: Tally,
    pub(super) blame: Blame,
    pub(super) output: BytesMut,
    peer: Peer,
    running: Running,
    patience: Patience,
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
    /// Asked: Sasl.
    Consulting(Exchange),
    /// The client has said all; Authenticate is asked next.
    Claimed(Claim),
    /// Asked: Authenticate.
    Authenticating,
    /// Asked: Mail.
    Opening(Mail, Wishes),
    /// Asked: Recipients.
    Inviting(Transaction, Vec<Result<Recipient, Violation>>),
    /// Asked: Client.
    Claiming(Claimed),
    /// Asked: Begin.
    Beginning(Transfer, Replies),
    /// Message data comes in.
    Receiving(Message),
    /// Asked: Chunk or Abort, and message data comes in afterwards.
    Handing(Message),
    /// Asked: Finish.
    Finishing(Replies),
    /// Asked: Abort.
    Aborting,
    /// Asked: Failed.
    Reporting(Afterwards),
    /// STARTTLS was answered.
    Handshake,
    /// All is said.
    Closed,
}

/// What comes after a question about failures.
#[derive(Debug)]
pub(super) enum Afterwards {
    /// The next command.
    Command(Envelope),
    /// The end.
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

/// How many replies the end of a message gets: one, or in LMTP one for each recipient (RFC 2033 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replies(pub(super) usize);

/// What a session counts against its limits.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) errors: u32,
    /// Failures that the rim has not been told of.
    pub(super) unreported: u32,
    pub(super) refused_recipients: u32,
    pub(super) idle_commands: u32,
    /// Commands that failed by no fault of the peer.
    pub(super) forgiven: u32,
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
    pub(super) fn new(security: Security) -> Client {
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
            claimed: None,
            phase: Phase::Start,
            input: Input::default(),
            tally: Tally::default(),
            blame: Blame::default(),
            output: BytesMut::new(),
            peer: Peer::Present,
            running: Running::Normally,
            patience: Patience::default(),
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
        self.blame.violated(violation);
        match violation.then() {
            Then::Count => self.count_error(),
            Then::Forgive => self.count_forgiven(),
            Then::Close => {
                self.tally.unreported += 1;
                self.phase = Phase::Closed;
            }
        }
    }

    pub(super) fn count_error(&mut self) {
        self.tally.errors += 1;
        self.tally.unreported += 1;
        if self.tally.errors > limits::SMTP_ERRORS_MAX {
            self.dismiss("421 4.7.0 Too many errors; closing connection");
        }
    }

    fn count_forgiven(&mut self) {
        self.tally.forgiven += 1;
        if self.tally.forgiven > limits::SMTP_FORGIVEN_COMMANDS_MAX {
            self.count_error();
        }
    }

    /// Says goodbye.
    pub(super) fn close(&mut self, line: &str) {
        self.say(line);
        self.phase = Phase::Closed;
    }

    /// Says goodbye to a peer that did something wrong.
    pub(super) fn dismiss(&mut self, line: &'static str) {
        self.blame.end(line);
        self.close(line);
    }

    /// The rim said no. Call it last: a 421 closes the session.
    pub(super) fn refused(&mut self, reply: &SmtpReply) {
        let _ = write!(self.output, "{reply}\r\n");
        if reply.code == 421 {
            self.blame.settle();
            self.phase = Phase::Closed;
        }
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
            Phase::Claimed(claim) => {
                self.phase = Phase::Authenticating;
                Some(Step::Ask(Ask::Authenticate(claim)))
            }
            Phase::Receiving(message) => self.receive_message(message, now),
            Phase::Handshake => {
                self.phase = Phase::Handshake;
                Some(Step::StartTls)
            }
            Phase::Closed if self.tally.unreported > 0 => Some(self.report(Afterwards::Closed)),
            Phase::Closed => Some(Step::Close),
            // A question is open: the driver owes the answer.
            Phase::Consulting(_)
            | Phase::Authenticating
            | Phase::Opening(..)
            | Phase::Inviting(..)
            | Phase::Claiming(_)
            | Phase::Beginning(..)
            | Phase::Handing(_)
            | Phase::Finishing(_)
            | Phase::Reporting(_)
            | Phase::Aborting => {
                self.close("421 4.3.0 Internal error; closing connection");
                None
            }
        }
    }

    /// Tells the rim what the peer did wrong.
    pub(super) fn report(&mut self, afterwards: Afterwards) -> Step<Ask> {
        self.phase = Phase::Reporting(afterwards);
        Step::Ask(Ask::Failed(std::mem::take(&mut self.tally.unreported)))
    }

    /// The mechanisms on this connection.
    pub(super) const fn offer(&self) -> Offer<'_> {
        Offer { security: &self.client.security, tokens: self.config.tokens }
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
            Phase::Consulting(exchange) => self.consulted(exchange, answer),
            Phase::Authenticating => self.authenticated(answer),
            Phase::Opening(mail, wishes) => self.opened(mail, wishes, answer),
            Phase::Inviting(transaction, pending) => self.invited(transaction, pending, answer),
            Phase::Claiming(claimed) => self.client_named(claimed, &answer),
            Phase::Beginning(transfer, replies) => self.begun(transfer, replies, answer),
            Phase::Handing(message) => self.handed(message, answer),
            Phase::Finishing(replies) => self.finished(replies, answer),
            Phase::Aborting => self.phase = Phase::Command(Envelope::None),
            Phase::Reporting(afterwards) => self.reported(afterwards, &answer),
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

    fn scarce_seconds_max(&self, now: Timestamp) -> Option<u64> {
        self.scarce_seconds(now)
    }

    fn drain(&mut self) {
        self.running = Running::Draining;
    }

    fn fault(&self) -> Option<String> {
        self.blame.text()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yubin_types::{Priority, Timestamp, TraceId};

    use super::{Envelope, Phase, SmtpSession};
    use crate::sasl::{Question, Reply, ScramParameters, TokenLogin};
    use crate::security::{PlaintextLogin, Security};
    use crate::smtp::{Answer, Ask, Config, Listener, Verdict, Xclient};
    use crate::step::{Session as _, Step};

    /// One read of the driver.
    const READ_BYTES: usize = 8 * 1024;

    fn session() -> SmtpSession {
        SmtpSession::new(Config {
            listener: Listener::Submission,
            hostname: "mx.example.jp".into(),
            security: Security::Clear,
            plaintext_login: PlaintextLogin::Allow,
            tokens: TokenLogin::Allow,
            xclient: Xclient::Off,
            priority_max: Priority::MAX,
            message_bytes_max: 1_000_000,
        })
    }

    fn yes(ask: Ask) -> Answer {
        match ask {
            Ask::Sasl(Question::Scram { .. }) => {
                Answer::Sasl(Reply::Scram(ScramParameters { salt: vec![0; 16], iterations: 4_096, nonce: "n".into() }))
            }
            Ask::Sasl(Question::Token(_)) => Answer::Sasl(Reply::Granted),
            Ask::Sasl(Question::Proof(_)) => Answer::Sasl(Reply::Proven { signature: [0; 32] }),
            Ask::Authenticate(_) => Answer::Authenticated { user: "t".into() },
            Ask::Recipients(recipients) => Answer::Recipients(vec![Verdict::Accepted; recipients.len()]),
            Ask::Finish { .. } => Answer::Stored { id: TraceId([0; 16]) },
            Ask::Mail(_) | Ask::Begin(_) | Ask::Chunk(_) | Ask::Abort => Answer::Accepted,
            Ask::Failed(_) | Ask::Client(_) => Answer::Accepted,
        }
    }

    /// Runs until it waits; what it holds then, bytes; `None` when it closes.
    fn settle(session: &mut SmtpSession) -> Option<usize> {
        loop {
            match session.next(Timestamp(0)) {
                Step::Write(bytes) => assert!(bytes.len() < 2 * super::OUTPUT_BYTES_MAX),
                Step::Ask(ask) => session.answer(yes(ask)),
                Step::Read { .. } => break,
                Step::StartTls => panic!("not offered"),
                Step::Close => return None,
            }
        }
        let message = match &session.phase {
            Phase::Receiving(message) | Phase::Command(Envelope::Chunked(message)) => message.held_bytes(),
            _ => 0,
        };
        Some(session.input.held_bytes() + session.output.capacity() + message)
    }

    fn words() -> impl Strategy<Value = Vec<u8>> {
        let command = prop::sample::select(vec![
            "EHLO x\r\n",
            "AUTH LOGIN\r\n",
            "AUTH PLAIN AHQAdA==\r\n",
            "AUTH SCRAM-SHA-256 biwsbj10LHI9YQ==\r\n",
            "AUTH OAUTHBEARER biwsAWF1dGg9QmVhcmVyIHQBAQ==\r\n",
            "dA==\r\n",
            "MAIL FROM:<a@b.example>\r\n",
            "RCPT TO:<a@b.example>\r\n",
            "DATA\r\n",
            "BDAT 5\r\n",
            "BDAT 40000 LAST\r\n",
            "RSET\r\n",
            ".\r\n",
            "\r\n.\r\n",
            "\r\n",
            "\n",
        ]);
        prop_oneof![
            6 => command.prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..200),
            1 => (any::<u8>(), 1..READ_BYTES).prop_map(|(byte, count)| vec![byte; count]),
            1 => (1..READ_BYTES / 30).prop_map(|count| b"RCPT TO:<a@b.example>\r\n".repeat(count)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

        /// Whatever comes in, a session holds no more than a line, or some pieces of a message.
        #[test]
        fn no_octets_bring_a_session_down_or_let_it_grow(words in prop::collection::vec(words(), 0..80)) {
            let mut session = session();
            settle(&mut session);
            'words: for word in words {
                for read in word.chunks(READ_BYTES) {
                    session.receive(read);
                    let Some(held) = settle(&mut session) else { break 'words };
                    prop_assert!(held <= 512 * 1024, "{held} bytes");
                    if !matches!(session.phase, Phase::Receiving(_) | Phase::Command(Envelope::Chunked(_))) {
                        prop_assert!(held <= 64 * 1024, "{held} bytes outside a message");
                    }
                }
            }
        }
    }

    #[test]
    fn an_idle_session_holds_no_buffers() {
        let mut session = session();
        settle(&mut session);
        for text in ["EHLO x\r\n", "AUTH PLAIN AHQAdA==\r\n", "MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n", "RSET\r\n"] {
            session.receive(text.as_bytes());
            assert_eq!(settle(&mut session), Some(0), "{text:?}");
        }
    }
}
