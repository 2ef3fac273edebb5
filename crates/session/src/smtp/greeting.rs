//! What an SMTP session says of itself and of its client: the greeting, the extensions, and the origin of a message.
//!
//! EHLO and LHLO offer exactly what works, here and now; to be named in a `Received` field the client needs no more than its greeting
//! (RFC 5321 §4.4), or what a trusted peer said of it (XCLIENT).

use std::fmt::Write as _;

use yubin_message::DateTime;
use yubin_types::{Timestamp, limits};

use super::contract::{AddressEncoding, Listener, Mail, Origin, Xclient};
use super::session::{Envelope, Hello, Phase, SmtpSession};
use super::xclient;
use crate::security::Security;

impl SmtpSession {
    /// The greeting; nothing is known of the client.
    pub(super) fn greet(&mut self) {
        let kind = match self.config.listener {
            Listener::Mx => "ESMTP",
            Listener::Submission => "ESMTP submission",
            Listener::Lmtp => "LMTP",
        };
        let _ = write!(self.output, "220 {} {kind} ready\r\n", self.config.hostname);
        self.phase = Phase::Command(Envelope::None);
    }

    /// The lines of EHLO: exactly what works, here and now.
    pub(super) fn write_extensions(&mut self, now: Timestamp) {
        let _ = write!(self.output, "250-{}\r\n250-PIPELINING\r\n", self.config.hostname);
        let _ = write!(self.output, "250-SIZE {}\r\n", self.config.message_bytes_max);
        if self.client.security == Security::Upgradable {
            self.say("250-STARTTLS");
        }
        if self.client.security.is_encrypted() {
            self.say("250-REQUIRETLS");
        }
        if self.config.listener == Listener::Submission {
            if self.client.user.is_none() && self.client.security.admits_login(self.config.plaintext_login) {
                let _ = write!(self.output, "250-AUTH {}\r\n", self.offer().names());
            }
            self.say("250-DSN");
            let seconds = limits::FUTURE_RELEASE_SECONDS_MAX;
            let until = DateTime::from(now.plus_seconds(seconds)).to_rfc3339();
            let _ = write!(self.output, "250-FUTURERELEASE {seconds} {until}\r\n");
            let _ = write!(self.output, "250-MT-PRIORITY\r\n250-DELIVERBY {}\r\n", limits::DELIVER_BY_SECONDS_MIN);
        }
        if self.config.xclient == Xclient::Offered && self.client.user.is_none() {
            self.say(xclient::OFFER);
        }
        self.write_limits();
        self.say("250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 CHUNKING");
    }

    /// RFC 9422: other servers come in a transaction of its own for each domain.
    fn write_limits(&mut self) {
        let (mail, recipients) = (limits::SMTP_TRANSACTIONS_MAX, limits::SMTP_RECIPIENTS_MAX);
        let domains = match self.config.listener {
            Listener::Mx => " RCPTDOMAINMAX=1",
            Listener::Submission | Listener::Lmtp => "",
        };
        let _ = write!(self.output, "250-LIMITS MAILMAX={mail} RCPTMAX={recipients}{domains}\r\n");
    }

    /// The name in the reply to HELO.
    pub(super) fn write_hostname(&mut self) {
        let _ = write!(self.output, "250 {}\r\n", self.config.hostname);
    }

    /// Where the message comes from.
    pub(super) fn origin(&self, mail: &Mail) -> Origin {
        let (greeted, mut extended) = match &self.client.hello {
            Hello::Not => ("", false),
            Hello::Helo(name) => (name.as_str(), false),
            Hello::Ehlo(name) => (name.as_str(), true),
        };
        let mut helo = greeted.to_owned();
        if let Some(claimed) = &self.claimed {
            helo = claimed.helo.clone().unwrap_or(helo);
            extended = claimed.protocol.map_or(extended, |protocol| protocol == xclient::Protocol::Esmtp);
        }
        let tls = match &self.client.security {
            Security::Encrypted(facts) => Some(facts.clone()),
            Security::Clear | Security::Upgradable => None,
        };
        let secured = (mail.encoding, tls.is_some(), self.client.user.is_some());
        let protocol = match self.config.listener {
            Listener::Lmtp => lmtp_protocol(secured),
            Listener::Mx | Listener::Submission if !extended && secured == (AddressEncoding::Ascii, false, false) => {
                "SMTP"
            }
            Listener::Mx | Listener::Submission => esmtp_protocol(secured),
        };
        Origin { helo, protocol, tls, user: self.client.user.clone() }
    }
}

/// RFC 3848, RFC 6531 §4.3: with UTF-8, with TLS, with a login.
const fn esmtp_protocol(secured: (AddressEncoding, bool, bool)) -> &'static str {
    use AddressEncoding::{Ascii, Utf8};
    match secured {
        (Ascii, false, false) => "ESMTP",
        (Ascii, true, false) => "ESMTPS",
        (Ascii, false, true) => "ESMTPA",
        (Ascii, true, true) => "ESMTPSA",
        (Utf8, false, false) => "UTF8SMTP",
        (Utf8, true, false) => "UTF8SMTPS",
        (Utf8, false, true) => "UTF8SMTPA",
        (Utf8, true, true) => "UTF8SMTPSA",
    }
}

/// The same for LMTP, which has no logins here.
const fn lmtp_protocol(secured: (AddressEncoding, bool, bool)) -> &'static str {
    use AddressEncoding::{Ascii, Utf8};
    match secured {
        (Ascii, false, _) => "LMTP",
        (Ascii, true, _) => "LMTPS",
        (Utf8, false, _) => "UTF8LMTP",
        (Utf8, true, _) => "UTF8LMTPS",
    }
}
