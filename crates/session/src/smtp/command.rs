//! Parses SMTP command lines (RFC 5321 §4.1.1 and the extensions that EHLO offers).
//!
//! Verbs and keywords in any case; trailing white space is ignored; a space after `FROM:` and `TO:` is forgiven, missing angle brackets
//! are not. Addresses are in [`super::path`]. Nothing here depends on the session's state.

use bytes::Bytes;
use yubin_types::{DsnEnvelope, DsnReturn, Handling, NotifySet, Priority, TlsDemand, is_xtext, limits};

use super::contract::{AddressEncoding, BodyType, Mail, Recipient};
use super::path::{self, Path};
use super::violation::Violation;
use super::wishes::{By, Hold, Wishes};
use crate::sasl::Mechanism;

/// A command that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Ehlo(String),
    Helo(String),
    Lhlo(String),
    /// Its arguments, which are read only if it is offered.
    Xclient(Bytes),
    Mail(Mail, Wishes),
    /// Who, and what its address is written in; MAIL has declared SMTPUTF8 or not.
    Recipient(Recipient, AddressEncoding),
    Data,
    Chunk(Chunk),
    Reset,
    Noop,
    Verify,
    Help,
    Quit,
    StartTls,
    Authenticate {
        /// `None`: not offered.
        mechanism: Option<Mechanism>,
        initial: Option<Bytes>,
    },
}

/// BDAT (RFC 3030 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Octets that follow the command.
    pub(crate) bytes: u64,
    pub(crate) last: Last,
}

/// BDAT's LAST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    Yes,
    No,
}

/// Longest name in EHLO that is kept, octets.
const HELO_BYTES_MAX: usize = 255;

/// Parses a line without its CRLF.
pub(crate) fn parse(line: &Bytes) -> Result<Command, Violation> {
    let text = line.trim_ascii_end();
    let (verb, arguments) = match text.iter().position(|&byte| byte == b' ') {
        Some(space) => text.split_at(space),
        None => (text, &[][..]),
    };
    let arguments = arguments.trim_ascii_start();
    let mut upper = [0; 8];
    let verb = upper.get_mut(..verb.len()).map(|upper| {
        upper.copy_from_slice(verb);
        upper.make_ascii_uppercase();
        &*upper
    });
    match verb.unwrap_or_default() {
        b"EHLO" => helo(arguments).map(Command::Ehlo),
        b"HELO" => helo(arguments).map(Command::Helo),
        b"LHLO" => helo(arguments).map(Command::Lhlo),
        b"XCLIENT" => Ok(Command::Xclient(Bytes::copy_from_slice(arguments))),
        b"MAIL" => mail(arguments).map(|(mail, wishes)| Command::Mail(mail, wishes)),
        b"RCPT" => recipient(arguments),
        b"DATA" => bare(arguments, Command::Data),
        b"BDAT" => chunk(arguments).map(Command::Chunk),
        b"RSET" => bare(arguments, Command::Reset),
        b"NOOP" => Ok(Command::Noop),
        b"HELP" => Ok(Command::Help),
        b"VRFY" if arguments.is_empty() => Err(Violation::Arguments),
        b"VRFY" => Ok(Command::Verify),
        b"QUIT" => bare(arguments, Command::Quit),
        b"STARTTLS" => bare(arguments, Command::StartTls),
        b"AUTH" => authenticate(line, arguments),
        b"EXPN" | b"ETRN" | b"ATRN" | b"TURN" | b"SEND" | b"SOML" | b"SAML" | b"BURL" => Err(Violation::NotImplemented),
        b"GET" | b"POST" | b"PUT" | b"HEAD" | b"CONNECT" | b"OPTIONS" | b"DELETE" | b"PATCH" | b"PRI" => {
            Err(Violation::Http)
        }
        _ => Err(Violation::UnknownCommand),
    }
}

fn bare(arguments: &[u8], command: Command) -> Result<Command, Violation> {
    if arguments.is_empty() { Ok(command) } else { Err(Violation::Arguments) }
}

/// A name is taken as it comes, several words (`EHLO my pc`) too, since nothing depends on it (RFC 5321 §4.1.4), but made harmless for
/// headers and logs.
fn helo(arguments: &[u8]) -> Result<String, Violation> {
    if arguments.is_empty() {
        return Err(Violation::Arguments);
    }
    Ok(harmless_name(arguments))
}

/// Only letters, digits and `.-_:[]`, others replaced by `?`.
pub(super) fn harmless_name(name: &[u8]) -> String {
    let harmless = |&byte: &u8| match byte {
        b'.' | b'-' | b'_' | b':' | b'[' | b']' => char::from(byte),
        _ if byte.is_ascii_alphanumeric() => char::from(byte),
        _ => '?',
    };
    name.iter().take(HELO_BYTES_MAX).map(harmless).collect()
}

/// MAIL; its handling follows from the wishes and the time.
fn mail(arguments: &[u8]) -> Result<(Mail, Wishes), Violation> {
    let rest = path::after_keyword(arguments, b"FROM:").ok_or(Violation::Arguments)?;
    let (path, parameters) = path::split(rest).ok_or(Violation::SenderSyntax)?;
    let (mut size, mut body, mut encoding) = (None, None, None);
    let (mut dsn, mut tls, mut wishes) = (DsnEnvelope::default(), None, Wishes::default());
    for (keyword, value) in parameters_of(parameters) {
        match (keyword.to_ascii_uppercase().as_slice(), value) {
            (b"SIZE", Some(value)) => set(&mut size, number(value).ok_or(Violation::Arguments)?)?,
            (b"BODY", Some(value)) if value.eq_ignore_ascii_case(b"7BIT") => set(&mut body, BodyType::SevenBit)?,
            (b"BODY", Some(value)) if value.eq_ignore_ascii_case(b"8BITMIME") => {
                set(&mut body, BodyType::EightBitMime)?
            }
            (b"BODY", Some(value)) if value.eq_ignore_ascii_case(b"BINARYMIME") => return Err(Violation::BinaryMime),
            (b"SMTPUTF8", None) => set(&mut encoding, AddressEncoding::Utf8)?,
            (b"RET", Some(value)) => set(&mut dsn.ret, dsn_return(value)?)?,
            (b"ENVID", Some(value)) => set(&mut dsn.envid, xtext(value, limits::ENVID_BYTES_MAX)?)?,
            (b"REQUIRETLS", None) => set(&mut tls, TlsDemand::Required)?,
            (b"HOLDFOR", Some(value)) => set_read(&mut wishes.hold, Hold::parse_for(value))?,
            (b"HOLDUNTIL", Some(value)) => set_read(&mut wishes.hold, Hold::parse_until(value))?,
            (b"MT-PRIORITY", Some(value)) => set_read(&mut wishes.priority, Priority::parse(value))?,
            (b"BY", Some(value)) => set_read(&mut wishes.by, By::parse(value))?,
            // RFC 4954 §5: understood, and not believed.
            (b"AUTH", Some(_)) => {}
            (
                b"SIZE" | b"BODY" | b"AUTH" | b"RET" | b"ENVID" | b"HOLDFOR" | b"HOLDUNTIL" | b"MT-PRIORITY" | b"BY",
                None,
            )
            | (b"SMTPUTF8" | b"REQUIRETLS", Some(_)) => return Err(Violation::Arguments),
            _ => return Err(Violation::UnknownParameter),
        }
    }
    let encoding = encoding.unwrap_or_default();
    let sender = path::reverse(path, encoding)?;
    let (body, tls) = (body.unwrap_or_default(), tls.unwrap_or_default());
    Ok((Mail { sender, size, body, encoding, dsn, tls, handling: Handling::default() }, wishes))
}

fn recipient(arguments: &[u8]) -> Result<Command, Violation> {
    let rest = path::after_keyword(arguments, b"TO:").ok_or(Violation::Arguments)?;
    let (path, parameters) = path::split(rest).ok_or(Violation::RecipientSyntax)?;
    let (mut notify, mut orcpt) = (None, None);
    for (keyword, value) in parameters_of(parameters) {
        match (keyword.to_ascii_uppercase().as_slice(), value) {
            (b"NOTIFY", Some(value)) => {
                let value = std::str::from_utf8(value).ok().and_then(NotifySet::parse);
                set(&mut notify, value.ok_or(Violation::Arguments)?)?;
            }
            (b"ORCPT", Some(value)) => set(&mut orcpt, original_recipient(value)?)?,
            (b"NOTIFY" | b"ORCPT", None) => return Err(Violation::Arguments),
            _ => return Err(Violation::UnknownParameter),
        }
    }
    let Path { path, encoding } = path::forward(path)?;
    Ok(Command::Recipient(Recipient { path, notify: notify.unwrap_or_default(), orcpt }, encoding))
}

fn dsn_return(value: &[u8]) -> Result<DsnReturn, Violation> {
    match value.to_ascii_uppercase().as_slice() {
        b"FULL" => Ok(DsnReturn::Full),
        b"HDRS" => Ok(DsnReturn::Headers),
        _ => Err(Violation::Arguments),
    }
}

fn xtext(value: &[u8], bytes_max: usize) -> Result<Bytes, Violation> {
    let good = !value.is_empty() && value.len() <= bytes_max && is_xtext(value);
    if good { Ok(Bytes::copy_from_slice(value)) } else { Err(Violation::Arguments) }
}

/// `type;xtext`; UTF-8 address types (RFC 6533 §3) are written in xtext too.
fn original_recipient(value: &[u8]) -> Result<Bytes, Violation> {
    let at = value.iter().position(|&byte| byte == b';').ok_or(Violation::Arguments)?;
    let named = value.get(..at).is_some_and(|kind| !kind.is_empty() && kind.iter().all(u8::is_ascii_graphic));
    if named { xtext(value, limits::ORCPT_BYTES_MAX) } else { Err(Violation::Arguments) }
}

/// `KEYWORD` and `KEYWORD=value`, separated by spaces (RFC 5321 §4.1.2 esmtp-param).
pub(super) fn parameters_of(text: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    text.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()).map(|word| {
        match word.iter().position(|&byte| byte == b'=') {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        }
    })
}

/// A parameter may be given once.
fn set<T>(place: &mut Option<T>, value: T) -> Result<(), Violation> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Violation::Arguments),
    }
}

/// The same for a value that may make no sense.
fn set_read<T>(place: &mut Option<T>, value: Option<T>) -> Result<(), Violation> {
    set(place, value.ok_or(Violation::Arguments)?)
}

/// A decimal number; one that doesn't fit is as large as it gets.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |total: u64, byte: &u8| total.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
    Some(text.iter().fold(0, digit))
}

fn chunk(arguments: &[u8]) -> Result<Chunk, Violation> {
    let mut words = arguments.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let bytes = words.next().and_then(number).ok_or(Violation::ChunkSize)?;
    let last = match words.next() {
        None => Last::No,
        Some(word) if word.eq_ignore_ascii_case(b"LAST") && words.next().is_none() => Last::Yes,
        Some(_) => return Err(Violation::ChunkSize),
    };
    Ok(Chunk { bytes, last })
}

fn authenticate(line: &Bytes, arguments: &[u8]) -> Result<Command, Violation> {
    let mut words = arguments.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let name = words.next().ok_or(Violation::Arguments)?;
    let mechanism = Mechanism::parse(name);
    let initial = words.next().map(|word| line.slice_ref(word));
    if words.next().is_some() {
        return Err(Violation::Arguments);
    }
    Ok(Command::Authenticate { mechanism, initial })
}
