//! What an SMTP session is told when it starts, what it asks of the rim, and what the rim answers.
//!
//! Order of the questions of one transaction: `Mail`, `Recipients` (one or more), `Begin`, `Chunk` (none or more), `Finish`.
//! `Abort` may come in place of any of them after `Mail` was accepted. The transaction is over, and the rim has dropped what it kept,
//! after `Abort`, after an answer to `Finish`, and after a refused `Begin` or `Chunk`; and when the session closes, without a question.
//!
//! Every question gets exactly one answer: [`Answer::Refused`] with the reply to send, or the one named with the question.

use std::net::IpAddr;

use bytes::Bytes;
use yubin_types::{Address, DsnEnvelope, Handling, NotifySet, Priority, ReversePath, SmtpReply, TlsDemand, TraceId};

use crate::sasl::{self, Claim, TokenLogin};
use crate::security::{PlaintextLogin, Security};
use crate::step::TlsFacts;

/// Which mail a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// From other servers, for hosted domains (port 25). No AUTH.
    Mx,
    /// From the users of hosted domains (RFC 6409, RFC 8314; ports 587 and 465). AUTH before MAIL.
    Submission,
    /// From own machines, for hosted domains: LMTP (RFC 2033), with a reply for each recipient. No AUTH.
    Lmtp,
}

/// May the peer say whose client it speaks for?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Xclient {
    /// It is trusted.
    Offered,
    /// There is no such command.
    Off,
}

/// What a session needs to know of its listener.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which mail it takes.
    pub listener: Listener,
    /// Our name in the greeting; a host name.
    pub hostname: String,
    /// What protects the connection at its start.
    pub security: Security,
    /// May AUTH be used without TLS?
    pub plaintext_login: PlaintextLogin,
    /// May a token stand in place of a password?
    pub tokens: TokenLogin,
    /// XCLIENT.
    pub xclient: Xclient,
    /// Highest priority that a user may ask for (RFC 6710); more is lowered.
    pub priority_max: Priority,
    /// Largest message that this listener takes, bytes; the SIZE of EHLO (RFC 1870).
    pub message_bytes_max: u64,
}

/// What a session asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// In the middle of a SASL exchange. → [`Answer::Sasl`].
    Sasl(sasl::Question),
    /// Verify a login. → [`Answer::Authenticated`].
    Authenticate(Claim),
    /// May a transaction of this sender begin? → [`Answer::Accepted`].
    Mail(Mail),
    /// May the transaction have these recipients? At most `SMTP_RECIPIENTS_PER_QUESTION_MAX`. → [`Answer::Recipients`].
    Recipients(Vec<Recipient>),
    /// The message comes next. → [`Answer::Accepted`].
    Begin(Origin),
    /// A piece of the message. → [`Answer::Accepted`].
    Chunk(Bytes),
    /// The message is complete with this last piece: make it durable. → [`Answer::Stored`], of LMTP [`Answer::Outcomes`] too.
    Finish {
        /// The rest of the message; may be empty.
        last: Bytes,
        /// What streaming found.
        facts: MessageFacts,
    },
    /// Drop the transaction. → [`Answer::Accepted`].
    Abort,
    /// The peer, which is trusted, speaks for this client from now on. Outside transactions. → [`Answer::Accepted`].
    Client(ClientClaim),
    /// So many commands failed, or recipients were refused for good, since this was asked last. Comes between any two commands, with
    /// their replies still held back, and once more before the session closes. → [`Answer::Accepted`], at once or later.
    Failed(u32),
}

/// What a trusted peer says of its client; what it doesn't say stays as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientClaim {
    /// Its address.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: Option<u16>,
}

/// MAIL with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The envelope sender.
    pub sender: ReversePath,
    /// Declared size, bytes (RFC 1870).
    pub size: Option<u64>,
    /// Declared transport of the body (RFC 6152).
    pub body: BodyType,
    /// Declared use of UTF-8 in addresses and headers (RFC 6531).
    pub encoding: AddressEncoding,
    /// RET and ENVID (RFC 3461 §4.3, §4.4).
    pub dsn: DsnEnvelope,
    /// REQUIRETLS (RFC 8689 §2); never waived, which is the header's to say.
    pub tls: TlsDemand,
    /// When and how urgently it is to be sent.
    pub handling: Handling,
}

/// RFC 6152 BODY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyType {
    /// `7BIT`, and the default.
    #[default]
    SevenBit,
    /// `8BITMIME`.
    EightBitMime,
}

/// RFC 6531 SMTPUTF8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressEncoding {
    /// Not declared.
    #[default]
    Ascii,
    /// `SMTPUTF8`.
    Utf8,
}

/// RCPT with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub path: ForwardPath,
    /// NOTIFY (RFC 3461 §4.1).
    pub notify: NotifySet,
    /// ORCPT as it came: address type, `;`, xtext (RFC 3461 §4.2).
    pub orcpt: Option<Bytes>,
}

/// Whom RCPT names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardPath {
    /// A full address.
    Address(Address),
    /// `<postmaster>` without a domain (RFC 5321 §4.5.1).
    Postmaster,
}

/// Where a message comes from, for the Received field (RFC 5321 §4.4). The peer's address is the rim's own knowledge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name in EHLO or HELO: only letters, digits and `.-_:[]`, others replaced by `?`.
    pub helo: String,
    /// The `with` clause, such as `ESMTPSA` (RFC 3848, RFC 6531 §4.3).
    pub protocol: &'static str,
    /// TLS, if the connection has it.
    pub tls: Option<TlsFacts>,
    /// Who logged in, as the rim named them.
    pub user: Option<String>,
}

/// What streaming found in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageFacts {
    /// Its size, bytes, without dot-stuffing.
    pub bytes: u64,
    /// `Received` fields in its header.
    pub hops: usize,
}

/// What the rim answers.
#[derive(Debug)]
pub enum Answer {
    /// Go on.
    Accepted,
    /// To a question of a SASL exchange.
    Sasl(sasl::Reply),
    /// The login is good; the user's name as it goes into traces.
    Authenticated {
        /// Canonical address.
        user: String,
    },
    /// For each recipient asked about, in order.
    Recipients(Vec<Verdict>),
    /// The message is durable.
    Stored {
        /// Names it in the reply and in our logs.
        id: TraceId,
    },
    /// The message is durable for some recipients.
    Outcomes {
        /// Names it in the replies and in our logs.
        id: TraceId,
        /// For each recipient that was accepted, in order, those named twice twice.
        verdicts: Vec<Verdict>,
    },
    /// No, and this is what the peer is told. A reply of code 421 also closes the connection.
    Refused(SmtpReply),
}

/// About one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Welcome.
    Accepted,
    /// No, and why.
    Refused(SmtpReply),
}
