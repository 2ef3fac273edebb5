//! What an SMTP client is told when it starts, what it asks of whoever runs it, what it is answered, and what it reports.
//!
//! Order: [`Ask::Next`] when the server is greeted, protected and logged in as configured; the answer is a transaction or
//! [`Answer::Quit`]. During a transaction [`Ask::Body`], once per piece; at its end [`Ask::Outcome`], which is answered like `Next`. If
//! no transaction can be had any more, the next step is `Close`. [`Ask::Failed`] comes in place of the first `Next`.
//!
//! Whether a recipient was delivered to is in [`RecipientOutcome`], one for each, in their order. A connection that is lost before the
//! end of the message was sent leaves it undelivered; one that is lost after that leaves it [`Verdict::Unknown`] (RFC 1047): whoever
//! runs the client decides.

use bytes::Bytes;
use yubin_types::{Deadline, Priority, RecipientAddress, ReversePath, TlsDemand};

use super::extensions::Extensions;
use super::reply::Reply;
use super::transcript::TranscriptKeeping;
use crate::sasl::Credentials;
use crate::security::PlaintextLogin;
use crate::smtp::contract::{AddressEncoding, BodyType};
use crate::step::TlsFacts;

/// What a client is told at its start.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// What EHLO says: our host name, or an address literal.
    pub hello: String,
    /// What to do about TLS.
    pub tls: StartTls,
    /// Log in with these (a smart host).
    pub login: Option<Credentials>,
    /// May a password be sent without TLS?
    pub plaintext_login: PlaintextLogin,
    /// How long to wait for what.
    pub time_limits: TimeLimits,
    /// Keep the dialogue for somebody who watches?
    pub transcript: TranscriptKeeping,
}

/// What to do about TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartTls {
    /// Stay in clear.
    Never,
    /// Upgrade where it is offered (RFC 7435).
    WhenOffered,
    /// Upgrade, or fail.
    Required,
    /// The connection has TLS from its first octet (RFC 8314).
    Implicit(TlsFacts),
}

/// How long the server may take, seconds; the defaults are those of RFC 5321 §4.5.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// The greeting.
    pub greeting_seconds: u64,
    /// EHLO, HELO, STARTTLS, AUTH, RSET.
    pub hello_seconds: u64,
    /// MAIL.
    pub mail_seconds: u64,
    /// RCPT.
    pub rcpt_seconds: u64,
    /// DATA, until 354; BDAT but the last.
    pub data_seconds: u64,
    /// The end of the message, until the final reply.
    pub end_of_data_seconds: u64,
}

impl Default for TimeLimits {
    fn default() -> Self {
        TimeLimits {
            greeting_seconds: 300,
            hello_seconds: 300,
            mail_seconds: 300,
            rcpt_seconds: 300,
            data_seconds: 120,
            end_of_data_seconds: 600,
        }
    }
}

/// What a client asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// What is there to send? → [`Answer::Transaction`], [`Answer::Quit`].
    Next(Extensions),
    /// A piece of the message. → [`Answer::Piece`], [`Answer::End`], [`Answer::Broken`].
    Body,
    /// What came of the transaction. → as `Next` if the connection is [`ConnectionState::Usable`], else [`Answer::Quit`].
    Outcome(Outcome),
    /// The connection came to nothing. → [`Answer::Quit`].
    Failed(Failure),
}

/// What it is answered.
#[derive(Debug)]
pub enum Answer {
    /// Send this.
    Transaction(Box<OutgoingMail>),
    /// Say goodbye.
    Quit,
    /// A piece of the message.
    Piece(Bytes),
    /// The last piece; may be empty.
    End(Bytes),
    /// The rest of the message can't be had: nothing of it may be taken for a message.
    Broken,
}

/// A transaction: everything but the message itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingMail {
    /// The envelope sender.
    pub sender: ReversePath,
    /// At least one.
    pub recipients: Vec<OutgoingRecipient>,
    /// The message's size, bytes.
    pub bytes: u64,
    /// Does its body have octets beyond ASCII?
    pub body: BodyType,
    /// Does its header have them (RFC 6532)? Addresses are looked at by the client itself.
    pub encoding: AddressEncoding,
    /// RET (RFC 3461 §4.3), `FULL` or `HDRS`.
    pub ret: Option<&'static str>,
    /// ENVID as xtext (RFC 3461 §4.4).
    pub envid: Option<String>,
    /// Does the sender demand TLS all the way (RFC 8689)? That the server is who it should be is for the caller to know.
    pub tls_demand: TlsDemand,
    /// MT-PRIORITY (RFC 6710).
    pub priority: Priority,
    /// BY (RFC 2852), passed on with the time that is left.
    pub deadline: Option<Deadline>,
}

/// A recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingRecipient {
    /// Where to.
    pub address: RecipientAddress,
    /// NOTIFY (RFC 3461 §4.1), such as `SUCCESS,FAILURE`.
    pub notify: Option<String>,
    /// ORCPT as it goes on the wire, `rfc822;` and xtext (RFC 3461 §4.2).
    pub orcpt: Option<String>,
}

/// What came of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// For each recipient, in their order.
    pub recipients: Vec<RecipientOutcome>,
    /// Can the connection be used again?
    pub connection: ConnectionState,
    /// Did the server take over the sender's wishes about notices?
    pub dsn: Handover,
    /// And the deadline, if there is one (RFC 2852 §4.1.4)?
    pub deadline: Handover,
}

/// What came of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientOutcome {
    /// In one word.
    pub verdict: Verdict,
    /// At which command.
    pub stage: Stage,
    /// The reply, or our conclusion.
    pub reply: Reply,
}

/// What came of a recipient, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server took the message over.
    Delivered,
    /// Not now.
    Deferred,
    /// Never.
    Refused,
    /// The message was sent to its end, and the reply to it never came: delivered or not.
    Unknown,
}

/// How a connection stands after a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Ready for the next transaction.
    Usable,
    /// Lost, closed by 421, or out of step.
    Over,
}

/// What a server does not take over, the one before it answers for (RFC 3461 §5.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// It was handed over: NOTIFY, RET, ENVID and ORCPT, or BY.
    Handed,
    /// The server does not offer DSN, or DELIVERBY.
    NotOffered,
}

/// Where in the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The greeting.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// RSET.
    Reset,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, and BDAT but the last.
    Data,
    /// The message itself, until its end was sent.
    Body,
    /// The reply to the whole message.
    EndOfData,
}

impl Stage {
    /// The command, as people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Greeting => "greeting",
            Stage::Hello => "EHLO",
            Stage::StartTls => "STARTTLS",
            Stage::Auth => "AUTH",
            Stage::Reset => "RSET",
            Stage::Mail => "MAIL FROM",
            Stage::Rcpt => "RCPT TO",
            Stage::Data => "DATA",
            Stage::Body => "message body",
            Stage::EndOfData => "end of DATA",
        }
    }
}

/// Why a connection came to nothing before its first transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// At which command.
    pub stage: Stage,
    /// What kind.
    pub kind: FailureKind,
    /// The reply, or our conclusion.
    pub reply: Reply,
}

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The server said no.
    Refused,
    /// TLS is required, and not offered or refused.
    NoTls,
    /// A login is configured, and no mechanism fits, or TLS is missing for it.
    NoLogin,
    /// The server went away.
    Lost,
    /// The server took too long.
    Silent,
    /// The server does not speak SMTP.
    Garbled,
}
