//! Delivery status notifications: what a sender is told of a message that failed, waits, or arrived (RFC 3464, RFC 6522).
//!
//! From a plain struct of facts to the bytes of a message: a text for people in English and Japanese, the fields for programs, and the
//! returned message or its header. What peers wrote (replies, names, addresses) stays inside the one line it is put on.
//!
//! The text's wording is a [`Profile`]: this system's own, qmail's (NEWC-10 to NEWC-14) or Postfix's (SONET-18, SONET-23). Both languages
//! stand in one part: of a multipart/alternative, clients show one.
//!
//! Left to the caller: whether to notify at all (NOTIFY, RFC 3461 §4.1; never twice), and the envelope: sent with the null reverse-path to
//! [`Notification::to`]. That there is an address to send to is this module's type: mail from the null sender has none, so it gets no notice.
//!
//! Limits: the returned message is bounded by [`limits::NOTICE_ORIGINAL_BYTES_MAX`], its header by [`limits::NOTICE_HEADER_BYTES_MAX`];
//! a longer message comes back as its header, and so does every message of which nothing failed. Beyond ASCII, RFC 6533: see [`Transport`].

mod human;
mod machine;
mod original;
mod xtext;

use memchr::memmem;
use yubin_types::{Address, DsnEnvelope, EnhancedStatus, Handling, RecipientAddress, TlsDemand};

#[cfg(doc)]
use yubin_types::limits;

use crate::date::DateTime;
use crate::header_writer::HeaderWriter;
use crate::quoted_printable;

/// What a notification says.
#[derive(Clone, Debug)]
pub struct Notification<'a> {
    /// Whom it goes to: the sender of the message it speaks of.
    pub to: &'a Address,
    /// This host's name: Reporting-MTA, and the domain of `From` and `Message-ID`.
    pub reporting_mta: &'a str,
    /// Unique for this notification; letters, digits, `-`. Makes its Message-ID and boundary.
    pub id: &'a str,
    /// By what the message is found in the queue and the log.
    pub queue_id: &'a str,
    /// When it is written.
    pub date: DateTime,
    /// When the message was accepted.
    pub arrival: DateTime,
    /// What MAIL asked for: ENVID is repeated, RET decides what comes back of a message that failed (RFC 3461 §4.3); without it, all.
    pub dsn: &'a DsnEnvelope,
    /// What the message demanded of TLS, and its notice demands now (RFC 8689 §5): with REQUIRETLS only its header comes back; what was
    /// waived is waived here too.
    pub tls: TlsDemand,
    /// When it was to be sent: its release and its deadline are repeated (RFC 4865 §5, RFC 2852 §5).
    pub handling: &'a Handling,
    /// The message it speaks of.
    pub original: Original<'a>,
    /// Recipients that it reports on, at least one.
    pub recipients: &'a [Recipient<'a>],
    /// The wording.
    pub profile: Profile,
}

/// The message that a notification speaks of, as far as the caller read it.
#[derive(Clone, Copy, Debug)]
pub enum Original<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// Its beginning, which ends anywhere: it is larger than could be returned.
    Beginning(&'a [u8]),
}

/// The wording of the text for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// This system's own.
    #[default]
    Plain,
    /// As qmail says it: `failure notice`, `Hi. This is the qmail-send program at ...` (NEWC-10 to NEWC-14).
    Qmail,
    /// As Postfix says it: `host ... said: ... (in reply to ... command)` (SONET-18, SONET-23).
    Postfix,
}

/// What became of one recipient.
#[derive(Clone, Debug)]
pub struct Recipient<'a> {
    /// Whom the message was to reach.
    pub address: &'a RecipientAddress,
    /// ORCPT as it came in RCPT: `type;xtext` (RFC 3461 §4.2, RFC 6533 §3).
    pub orcpt: Option<&'a [u8]>,
    /// The outcome.
    pub action: Action,
    /// Its code. A message given up after temporary failures keeps the code of the last (class 4).
    pub status: EnhancedStatus,
    /// Where the outcome comes from.
    pub cause: Cause<'a>,
    /// When the last attempt was made.
    pub last_attempt: Option<DateTime>,
    /// What it means and what to do.
    pub advice: Option<Advice<'a>>,
}

/// The outcome for one recipient (RFC 3464 §2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Given up.
    Failed,
    /// Not delivered yet.
    Delayed {
        /// When it is given up.
        will_retry_until: DateTime,
    },
    /// In the recipient's mailbox.
    Delivered,
    /// Handed to a server that sends no notifications; nothing more will be heard.
    Relayed,
    /// Handed to several others, as a list does.
    Expanded,
}

/// Where an outcome comes from.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    /// A server's reply.
    Reply {
        /// The server: its name, or `name[address]`.
        host: &'a str,
        /// Three digits.
        code: u16,
        /// The enhanced code it gave.
        enhanced: Option<EnhancedStatus>,
        /// The text without codes; its lines are joined by spaces.
        text: &'a str,
        /// What it answered, if that is known.
        stage: Option<Stage>,
    },
    /// Found here, without a reply: no such host, no connection, a policy.
    Local {
        /// What happened, a sentence in English.
        text: &'a str,
        /// The server that was tried last.
        host: Option<&'a str>,
    },
}

/// The step of an SMTP session that a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Connecting.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Recipient,
    /// DATA or BDAT.
    Data,
    /// The end of the message.
    EndOfData,
}

/// What an outcome means and what to do, for the sender.
#[derive(Clone, Copy, Debug)]
pub struct Advice<'a> {
    /// In English.
    pub english: &'a str,
    /// In Japanese.
    pub japanese: &'a str,
}

/// A notification as a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Header and body, lines ended by CRLF.
    pub bytes: Vec<u8>,
    /// What its way must offer.
    pub transport: Transport,
}

/// What a message asks of the servers on its way. Each includes the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// Nothing: it is ASCII.
    SevenBit,
    /// 8BITMIME: the returned message is not ASCII.
    EightBit,
    /// SMTPUTF8: the address it goes to is not ASCII. Only then are addresses written as RFC 6533's message/global-delivery-status has
    /// them; else they are encoded in ASCII, which every reader of notifications takes.
    Utf8,
}

impl Notification<'_> {
    /// Writes the notification.
    #[must_use]
    pub fn write(&self) -> Notice {
        let script = if self.to.local.as_str().is_ascii() { machine::Script::Ascii } else { machine::Script::Utf8 };
        let text = quoted_printable::encode(human::text(self).as_bytes());
        let status = machine::fields(self, script);
        let original = original::part(self);
        let eight_bit = !status.is_ascii() || !original.bytes.is_ascii();
        let transport = match script {
            machine::Script::Utf8 => Transport::Utf8,
            machine::Script::Ascii if eight_bit => Transport::EightBit,
            machine::Script::Ascii => Transport::SevenBit,
        };
        let boundary = self.boundary(&[&status, &original.bytes]);
        let mut bytes = self.header(&boundary, script, original.message_id.as_deref());
        bytes.extend_from_slice(b"This is a MIME-encapsulated message.\r\n");
        let mut part = |media_type: &str, language: Option<&str>, encoding: &str, body: &[u8]| {
            let language = language.map(|it| format!("Content-Language: {it}\r\n")).unwrap_or_default();
            let header = format!(
                "\r\n--{boundary}\r\nContent-Type: {media_type}\r\n{language}Content-Transfer-Encoding: {encoding}\r\n\r\n"
            );
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(body);
        };
        let encoding = |body: &[u8]| if body.is_ascii() { "7bit" } else { "8bit" };
        part("text/plain; charset=utf-8", Some("en, ja"), "quoted-printable", &text);
        part(&format!("message/{}", script.report_type()), None, encoding(&status), &status);
        part(original.media_type, None, encoding(&original.bytes), &original.bytes);
        bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Notice { bytes, transport }
    }

    fn header(&self, boundary: &str, script: machine::Script, about: Option<&str>) -> Vec<u8> {
        let host = machine::ascii(self.reporting_mta);
        let mut header = HeaderWriter::new();
        header.field("Date", &self.date.to_rfc5322());
        let from = match self.profile {
            Profile::Qmail => format!("MAILER-DAEMON@{host}"),
            Profile::Plain | Profile::Postfix => format!("Mail Delivery System <MAILER-DAEMON@{host}>"),
        };
        header.field("From", &from);
        header.field("To", &format!("<{}>", self.to));
        header.field("Subject", human::subject(self));
        header.field("Message-ID", &format!("<{}@{host}>", word(self.id)));
        if let Some(about) = about {
            header.field("In-Reply-To", about);
            header.field("References", about);
        }
        // RFC 3834 §5: no vacation program answers this.
        header.field("Auto-Submitted", "auto-replied");
        if self.tls == TlsDemand::Waived {
            header.field("TLS-Required", "No");
        }
        header.field("MIME-Version", "1.0");
        let report = script.report_type();
        header.field("Content-Type", &format!("multipart/report; report-type={report}; boundary=\"{boundary}\""));
        let mut bytes = header.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// A boundary that no part holds. `=_` can't stand in quoted-printable text.
    fn boundary(&self, parts: &[&[u8]]) -> String {
        let base: String = word(self.id).chars().take(50).collect();
        let mut boundary = format!("=_{base}");
        let mut count = 0_u32;
        while parts.iter().any(|part| memmem::find(part, boundary.as_bytes()).is_some()) {
            count += 1;
            boundary = format!("=_{base}_{count}");
        }
        boundary
    }
}

/// What can stand in a Message-ID and a boundary.
fn word(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

#[cfg(test)]
mod tests;
