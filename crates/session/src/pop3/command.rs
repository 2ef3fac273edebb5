//! Parses POP3 command lines (RFC 1939 §3, RFC 2449, RFC 2595, RFC 5034).
//!
//! Keywords in any case. A password may hold spaces, so PASS takes the rest of the line as it is; elsewhere arguments are separated by
//! spaces and trailing white space is ignored.

use bytes::Bytes;

use crate::sasl::Mechanism;

/// A command that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    User(Bytes),
    Pass(Bytes),
    Authenticate { mechanism: Mechanism, initial: Option<Bytes> },
    Capabilities,
    StartTls,
    Status,
    List(Option<u32>),
    UniqueIds(Option<u32>),
    Retrieve(u32),
    Top { number: u32, lines: u32 },
    Delete(u32),
    Reset,
    Noop,
    Quit,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    Unknown,
    Arguments,
    Mechanism,
    /// HTTP on a mail port.
    Http,
}

/// Parses a line without its CRLF.
pub(crate) fn parse(line: &Bytes) -> Result<Command, Mistake> {
    let space = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let keyword = line.slice(..space);
    let rest = line.slice((space + 1).min(line.len())..);
    let words: Vec<&[u8]> = rest.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
    match (keyword.to_ascii_uppercase().as_slice(), words.as_slice()) {
        (b"USER", [name]) => Ok(Command::User(rest.slice_ref(name))),
        (b"PASS", [_, ..]) => Ok(Command::Pass(rest)),
        (b"AUTH", [name, initial @ ..]) if initial.len() <= 1 => {
            let mechanism = Mechanism::parse(name).ok_or(Mistake::Mechanism)?;
            Ok(Command::Authenticate { mechanism, initial: initial.first().map(|word| rest.slice_ref(word)) })
        }
        (b"CAPA", []) => Ok(Command::Capabilities),
        (b"STLS", []) => Ok(Command::StartTls),
        (b"STAT", []) => Ok(Command::Status),
        (b"LIST", []) => Ok(Command::List(None)),
        (b"LIST", [number]) => Ok(Command::List(Some(parse_number(number)?))),
        (b"UIDL", []) => Ok(Command::UniqueIds(None)),
        (b"UIDL", [number]) => Ok(Command::UniqueIds(Some(parse_number(number)?))),
        (b"RETR", [number]) => Ok(Command::Retrieve(parse_number(number)?)),
        (b"TOP", [number, lines]) => Ok(Command::Top { number: parse_number(number)?, lines: parse_number(lines)? }),
        (b"DELE", [number]) => Ok(Command::Delete(parse_number(number)?)),
        (b"RSET", []) => Ok(Command::Reset),
        (b"NOOP", []) => Ok(Command::Noop),
        (b"QUIT", []) => Ok(Command::Quit),
        (
            b"USER" | b"PASS" | b"AUTH" | b"CAPA" | b"STLS" | b"STAT" | b"LIST" | b"UIDL" | b"RETR" | b"TOP" | b"DELE"
            | b"RSET" | b"NOOP" | b"QUIT",
            _,
        ) => Err(Mistake::Arguments),
        (b"GET" | b"POST" | b"PUT" | b"HEAD" | b"CONNECT" | b"OPTIONS" | b"DELETE" | b"PATCH" | b"PRI", _) => {
            Err(Mistake::Http)
        }
        _ => Err(Mistake::Unknown),
    }
}

/// A decimal number; one that doesn't fit is as large as it gets, and names no message.
fn parse_number(text: &[u8]) -> Result<u32, Mistake> {
    if !text.iter().all(u8::is_ascii_digit) {
        return Err(Mistake::Arguments);
    }
    let digit = |total: u32, byte: &u8| total.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
    Ok(text.iter().fold(0, digit))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Command, Mistake, parse};

    fn line(text: &str) -> Result<Command, Mistake> {
        parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn commands_take_their_arguments() {
        assert_eq!(line("pass  two words "), Ok(Command::Pass(Bytes::from_static(b" two words "))));
        assert_eq!(line("TOP 1  10 "), Ok(Command::Top { number: 1, lines: 10 }));
        assert_eq!(line("LIST"), Ok(Command::List(None)));
        assert_eq!(line("RETR 99999999999"), Ok(Command::Retrieve(u32::MAX)));
        for wrong in ["USER", "USER a b", "PASS", "RETR", "RETR x", "RETR -1", "TOP 1", "STAT 1", "QUIT now", "AUTH"] {
            assert_eq!(line(wrong), Err(Mistake::Arguments), "{wrong}");
        }
        for unknown in ["", " ", "APOP a b", "XTND", "RETR1"] {
            assert_eq!(line(unknown), Err(Mistake::Unknown), "{unknown}");
        }
        assert_eq!(line("AUTH CRAM-MD5"), Err(Mistake::Mechanism));
    }
}
