//! What a remote server's refusal means: a class, whom it concerns, whether to slow down, and what to tell sender and operator.
//!
//! A table, read from the special to the general: words and codes of the large receivers and of Japanese carriers first, then enhanced codes
//! (RFC 3463, RFC 7372, RFC 7504, the IANA registry), then words that many servers use, then the plain code. Blocklists are recognised by
//! name (WEBL-10), Gmail's and Microsoft's codes by number (WEBL-11). What has no reply (no such host, no connection) is a [`Class`] too.
//!
//! Whether an attempt is repeated is the code's to say (4xx or 5xx), not the class's: words are read to explain and to slow down. Words
//! are compared in lower case; a reply longer than its bound in the queue was cut before.

mod advice;
mod blocklists;
mod rules;

use yubin_types::EnhancedStatus;

pub use advice::Advice;
pub use blocklists::{Blocklist, Holds};

/// A server's negative reply.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The server's name, as its MX record has it.
    pub host: &'a str,
    /// Three digits, 400 to 599.
    pub code: u16,
    /// Its enhanced code.
    pub enhanced: Option<EnhancedStatus>,
    /// The text, lines joined.
    pub text: &'a str,
}

/// A reply understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it means.
    pub class: Class,
    /// The blocklist that it names.
    pub blocklist: Option<&'static Blocklist>,
}

/// Why mail is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// There is no such mailbox.
    NoSuchMailbox,
    /// A Japanese carrier says that there is no such mailbox, which it also says where the owner's filter refuses mail.
    CarrierRefusal,
    /// The mailbox exists and takes no mail.
    MailboxDisabled,
    /// The mailbox is full.
    MailboxFull,
    /// The recipient's own rules, or those of its list or company, refuse the mail.
    RecipientFilter,
    /// The domain does not exist, or takes no mail (null MX, RFC 7505).
    NoSuchHost,
    /// The envelope sender is refused.
    SenderRefused,
    /// A public blocklist holds our address or a domain in the message.
    Blocklisted,
    /// The receiver's own list or score holds our address.
    Reputation,
    /// Too much at once for the receiver.
    RateLimited,
    /// First contact is put off on purpose.
    Greylisted,
    /// SPF, DKIM or DMARC do not vouch for the sender's domain.
    Unauthenticated,
    /// The PTR record of our address is missing or does not match.
    ReverseDns,
    /// The content is held for spam or harmful.
    ContentRefused,
    /// The message is too large.
    TooLarge,
    /// Too many recipients in one transaction.
    TooManyRecipients,
    /// The receiver demands a login of us, or holds us for a stranger that relays.
    RelayDenied,
    /// TLS is demanded by the receiver.
    TlsRequired,
    /// TLS is demanded by policy (MTA-STS, DANE, REQUIRETLS), and could not be had as it must be.
    TlsPolicy,
    /// The server lacks what the message needs: SMTPUTF8, 8BITMIME.
    Unsupported,
    /// The server is overloaded, closing, or out of space.
    ServerBusy,
    /// No server could be reached, or the connection broke.
    NoConnection,
    /// DNS gave no answer.
    DnsFailure,
    /// The message goes round.
    Loop,
    /// The server did not understand a command.
    Protocol,
    /// Anything else, for now.
    Temporary,
    /// Anything else, for good.
    Permanent,
}

/// What a refusal speaks of: another of the same kind would fare as this one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This recipient.
    Recipient,
    /// This message, at this destination.
    Message,
    /// The sender's address or domain.
    Sender,
    /// Our address, at this destination.
    Source,
    /// Everything for this destination.
    Destination,
}

/// What to do about the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// Nothing.
    None,
    /// Fewer connections and messages to it for a while.
    Slow,
    /// No more from this source address for a while: others may do.
    SetSourceAside,
}

/// Understands a reply.
#[must_use]
pub fn classify(reply: &Reply<'_>) -> Verdict {
    let text = reply.text.to_lowercase();
    let host = reply.host.split(['[', ' ']).next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let class = rules::class(reply, &host, &text);
    match blocklists::named_in(&text) {
        None => Verdict { class, blocklist: None },
        Some(_) if class.scope() == Scope::Recipient || class == Class::TooLarge => Verdict { class, blocklist: None },
        // It speaks of the content, or of our rate, and says by which list it knows.
        blocklist if matches!(class, Class::ContentRefused | Class::RateLimited | Class::ReverseDns) => {
            Verdict { class, blocklist }
        }
        blocklist => Verdict { class: Class::Blocklisted, blocklist },
    }
}

impl Verdict {
    /// What to do about the destination.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        match self.blocklist {
            Some(list) if list.holds == Holds::Domains && self.class.backoff() == Backoff::SetSourceAside => {
                Backoff::None
            }
            _ => self.class.backoff(),
        }
    }
}

impl Class {
    /// What the refusal speaks of.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Class::NoSuchMailbox
            | Class::CarrierRefusal
            | Class::MailboxDisabled
            | Class::MailboxFull
            | Class::RecipientFilter
            | Class::Greylisted
            | Class::TooManyRecipients => Scope::Recipient,
            Class::ContentRefused
            | Class::TooLarge
            | Class::Unsupported
            | Class::Loop
            | Class::Protocol
            | Class::Temporary
            | Class::Permanent => Scope::Message,
            Class::SenderRefused | Class::Unauthenticated => Scope::Sender,
            Class::Blocklisted | Class::Reputation | Class::RateLimited | Class::ReverseDns => Scope::Source,
            Class::NoSuchHost
            | Class::RelayDenied
            | Class::TlsRequired
            | Class::TlsPolicy
            | Class::ServerBusy
            | Class::NoConnection
            | Class::DnsFailure => Scope::Destination,
        }
    }

    /// What to do about the destination.
    #[must_use]
    pub const fn backoff(self) -> Backoff {
        match self {
            Class::Blocklisted | Class::Reputation | Class::ReverseDns => Backoff::SetSourceAside,
            Class::RateLimited
            | Class::ServerBusy
            | Class::NoConnection
            | Class::DnsFailure
            | Class::TlsRequired
            | Class::TlsPolicy => Backoff::Slow,
            _ => Backoff::None,
        }
    }

    /// What to tell the sender and the operator.
    #[must_use]
    pub const fn advice(self) -> &'static Advice {
        advice::of(self)
    }

    /// A stable word for logs and programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::NoSuchMailbox => "no-such-mailbox",
            Class::CarrierRefusal => "carrier-refusal",
            Class::MailboxDisabled => "mailbox-disabled",
            Class::MailboxFull => "mailbox-full",
            Class::RecipientFilter => "recipient-filter",
            Class::NoSuchHost => "no-such-host",
            Class::SenderRefused => "sender-refused",
            Class::Blocklisted => "blocklisted",
            Class::Reputation => "reputation",
            Class::RateLimited => "rate-limited",
            Class::Greylisted => "greylisted",
            Class::Unauthenticated => "unauthenticated",
            Class::ReverseDns => "reverse-dns",
            Class::ContentRefused => "content-refused",
            Class::TooLarge => "too-large",
            Class::TooManyRecipients => "too-many-recipients",
            Class::RelayDenied => "relay-denied",
            Class::TlsRequired => "tls-required",
            Class::TlsPolicy => "tls-policy",
            Class::Unsupported => "unsupported",
            Class::ServerBusy => "server-busy",
            Class::NoConnection => "no-connection",
            Class::DnsFailure => "dns-failure",
            Class::Loop => "loop",
            Class::Protocol => "protocol",
            Class::Temporary => "temporary",
            Class::Permanent => "permanent",
        }
    }

    /// The code of a failure that no server's reply gave one for. `class` is 4 or 5.
    #[must_use]
    pub const fn status(self, class: u8) -> EnhancedStatus {
        let (subject, detail) = match self {
            Class::NoSuchMailbox | Class::CarrierRefusal => (1, 1),
            Class::NoSuchHost => (1, 2),
            Class::SenderRefused => (1, 8),
            Class::MailboxDisabled => (2, 1),
            Class::MailboxFull => (2, 2),
            Class::ServerBusy => (3, 2),
            Class::TooLarge => (3, 4),
            Class::NoConnection => (4, 1),
            Class::DnsFailure => (4, 3),
            Class::Loop => (4, 6),
            Class::Protocol => (5, 0),
            Class::TooManyRecipients => (5, 3),
            Class::Unsupported => (6, 3),
            Class::RecipientFilter
            | Class::Blocklisted
            | Class::Reputation
            | Class::ContentRefused
            | Class::RelayDenied
            | Class::Greylisted => (7, 1),
            Class::TlsRequired | Class::TlsPolicy => (7, 10),
            Class::ReverseDns => (7, 25),
            Class::Unauthenticated => (7, 26),
            Class::RateLimited => (7, 28),
            Class::Temporary | Class::Permanent => (0, 0),
        };
        EnhancedStatus::new(class, subject, detail)
    }
}

#[cfg(test)]
mod tests;
