//! What a peer can do wrong, and the reply that the RFC names for it: the session's half of the replies. Refusals of well-formed
//! requests come from `policy` by way of the rim.

use crate::sasl::SaslError;

use super::content::Fault;

/// A breach of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// No such command.
    UnknownCommand,
    /// A command of the RFCs that is not offered (here, or at all).
    NotImplemented,
    /// HTTP on a mail port.
    Http,
    /// A line with a bare CR, a bare LF or NUL.
    LineEnd,
    /// A line beyond its bound.
    LongLine,
    /// Octets in the same group after a command that must end one (RFC 2920 §3.1, RFC 3207 §4.2).
    Unsynchronized,
    /// Wrong or missing arguments.
    Arguments,
    /// BDAT whose size can't be read: where the next command starts is unknown.
    ChunkSize,
    /// A malformed reverse-path.
    SenderSyntax,
    /// A malformed forward-path.
    RecipientSyntax,
    /// A domain in brackets as sender.
    SenderLiteral,
    /// A domain in brackets as recipient.
    RecipientLiteral,
    /// UTF-8 in an address without SMTPUTF8.
    Utf8Address,
    /// An ESMTP parameter that is not offered.
    UnknownParameter,
    /// A SIZE beyond the listener's limit.
    DeclaredSize,
    /// HOLDFOR or HOLDUNTIL beyond what FUTURERELEASE names.
    LongHold,
    /// BY that is to return the message within less than DELIVERBY names.
    ShortDeadline,
    /// BODY=BINARYMIME.
    BinaryMime,
    /// MAIL or AUTH before EHLO.
    NeedEhlo,
    /// RCPT, DATA or BDAT before MAIL.
    NeedMail,
    /// DATA or BDAT before RCPT.
    NeedRecipient,
    /// DATA or BDAT, but no recipient was accepted.
    NoValidRecipients,
    /// MAIL, AUTH or STARTTLS inside a transaction; DATA after BDAT.
    InTransaction,
    /// Too many recipients.
    TooManyRecipients,
    /// Submission without STARTTLS.
    NeedTls,
    /// Submission without AUTH.
    NeedAuthentication,
    /// AUTH without TLS.
    EncryptionRequired,
    /// AUTH twice.
    AlreadyAuthenticated,
    /// STARTTLS twice.
    AlreadyEncrypted,
    /// AUTH with a mechanism that is not offered.
    UnknownMechanism,
    /// A SASL exchange that went wrong.
    Sasl(SaslError),
}

/// Can the session go on?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Yes, but not for ever: it is counted.
    Count,
    /// Yes: the peer could not know. Only what no peer has use for is counted.
    Forgive,
    /// No: it is unknown, or too well known, what the next octets are.
    Close,
}

impl Violation {
    /// The reply, without CRLF.
    pub(crate) const fn reply(self) -> &'static str {
        match self {
            Violation::UnknownCommand => "500 5.5.1 Command unrecognized",
            Violation::NotImplemented => "502 5.5.1 Command not implemented",
            Violation::Http => "554 5.5.1 This is a mail server",
            Violation::LineEnd => "500 5.5.2 Lines must end with CRLF and hold no other CR, LF or NUL",
            Violation::LongLine => "500 5.5.6 Line too long",
            Violation::Unsynchronized => "554 5.5.0 Wait for the reply before sending more",
            Violation::Arguments => "501 5.5.4 Syntax error in arguments",
            Violation::ChunkSize => "501 5.5.4 Invalid chunk size; closing connection",
            Violation::SenderSyntax => "501 5.1.7 Bad sender address syntax",
            Violation::RecipientSyntax => "501 5.1.3 Bad recipient address syntax",
            Violation::SenderLiteral => "553 5.1.7 A sender needs a domain name, not an address literal",
            Violation::RecipientLiteral => "550 5.1.2 Address literals are not hosted here",
            Violation::Utf8Address => "553 5.6.7 Address needs SMTPUTF8",
            Violation::UnknownParameter => "555 5.5.4 Unsupported parameter",
            Violation::DeclaredSize => "552 5.3.4 Message size exceeds fixed limit",
            Violation::LongHold => "501 5.5.4 Messages are held back no longer than FUTURERELEASE says",
            Violation::ShortDeadline => "555 5.5.4 Less time than DELIVERBY says",
            Violation::BinaryMime => "555 5.5.4 BINARYMIME is not offered; encode the parts and send BODY=8BITMIME",
            Violation::NeedEhlo => "503 5.5.1 Send EHLO first",
            Violation::NeedMail => "503 5.5.1 Send MAIL first",
            Violation::NeedRecipient => "503 5.5.1 Send RCPT first",
            Violation::NoValidRecipients => "554 5.5.1 No valid recipients",
            Violation::InTransaction => "503 5.5.1 Not inside a mail transaction",
            Violation::TooManyRecipients => "452 4.5.3 Too many recipients; send the rest in another transaction",
            Violation::NeedTls => "530 5.7.0 Must issue a STARTTLS command first",
            Violation::NeedAuthentication => "530 5.7.0 Authentication required",
            Violation::EncryptionRequired => "538 5.7.11 Encryption required for authentication; issue STARTTLS first",
            Violation::AlreadyAuthenticated => "503 5.5.1 Already authenticated",
            Violation::AlreadyEncrypted => "503 5.5.1 TLS is active already",
            Violation::UnknownMechanism => "504 5.5.4 Unrecognized authentication mechanism",
            Violation::Sasl(SaslError::Cancelled) => "501 5.7.0 Authentication cancelled",
            Violation::Sasl(SaslError::Base64) => "501 5.5.2 Invalid base64",
            Violation::Sasl(SaslError::Malformed) => "501 5.5.2 Malformed authentication response",
            Violation::Sasl(SaslError::TooLong) => "500 5.5.6 Authentication response too long",
            Violation::Sasl(SaslError::Authorization) => "535 5.7.8 Acting for another user is not allowed",
            Violation::Sasl(SaslError::NotOffered) => Violation::UnknownMechanism.reply(),
            Violation::Sasl(SaslError::BindingType) => {
                "535 5.7.8 Unsupported channel binding; use SCRAM-SHA-256-PLUS with tls-exporter"
            }
            Violation::Sasl(SaslError::Downgrade) => {
                "535 5.7.8 Refused: SCRAM-SHA-256-PLUS is offered here, and the client was not told so"
            }
            Violation::Sasl(SaslError::Binding) => "535 5.7.8 Channel binding does not match this connection",
        }
    }

    /// What becomes of the connection.
    pub(crate) const fn then(self) -> Then {
        match self {
            Violation::Http | Violation::Unsynchronized | Violation::ChunkSize => Then::Close,
            Violation::TooManyRecipients | Violation::NoValidRecipients | Violation::DeclaredSize => Then::Forgive,
            _ => Then::Count,
        }
    }
}

impl Fault {
    /// The reply at the end of the data, without CRLF.
    pub(crate) const fn reply(self) -> &'static str {
        match self {
            Fault::BareLineEnd => "554 5.6.0 Message refused: it holds a bare CR or LF; lines must end with CRLF",
            Fault::Nul => "554 5.6.0 Message refused: it holds a NUL octet",
            Fault::LongLine => "554 5.6.0 Message refused: it holds a line beyond any reasonable length",
            // The text is what users of one hosting service know (SPPD-21).
            Fault::TooBig => "552 5.3.4 Error: message file too big",
            Fault::TooManyHops => "554 5.4.6 Too many hops: mail is looping",
        }
    }
}
