//! A cursor over one command: the tokens of RFC 9051 §9 and RFC 3501 §9.
//!
//! The command is in one piece, its literals where they were sent. Tolerant where clients are known to be careless (several spaces,
//! spaces at the end, 8-bit text in quoted strings), strict otherwise. Nothing recurses; every token costs its own length.

use std::borrow::Cow;

use yubin_types::{Flag, FlagSet, MailboxName, UidSet, UtcOffset, limits};

use super::command::{Completion, Numbering, Reject};
use super::framer::announced_literal;
use super::sequence_set::SequenceSet;
use super::state::Selected;
use super::utf7;

/// What a parse function gives.
pub(super) type Parsed<T> = Result<T, Reject>;

/// The rest of a command.
#[derive(Clone, Debug)]
pub(super) struct Parser<'a> {
    rest: &'a [u8],
    utc_offset: UtcOffset,
}

/// Why a string could not be read.
enum StringError {
    /// The command ends with the announcement of this literal.
    LiteralToCome,
    /// It is none.
    Malformed,
}

impl<'a> Parser<'a> {
    pub(super) fn new(command: &'a [u8]) -> Self {
        Parser { rest: command, utc_offset: UtcOffset::UTC }
    }

    /// Days in the command are those of clocks so far ahead of UTC.
    pub(super) fn in_zone(self, utc_offset: UtcOffset) -> Self {
        Parser { utc_offset, ..self }
    }

    pub(super) const fn utc_offset(&self) -> UtcOffset {
        self.utc_offset
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes the octet if it comes next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.skip(1);
        }
        found
    }

    pub(super) fn expect(&mut self, byte: u8, else_say: &'static str) -> Parsed<()> {
        if self.eat(byte) { Ok(()) } else { Err(Reject::Bad(else_say)) }
    }

    /// One space; more are forgiven.
    pub(super) fn space(&mut self) -> Parsed<()> {
        self.expect(b' ', "Missing argument")?;
        self.skip_spaces();
        Ok(())
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.eat(b' ') {}
    }

    /// Nothing but spaces left?
    pub(super) fn at_end(&self) -> bool {
        self.rest.iter().all(|&byte| byte == b' ')
    }

    pub(super) fn end(&self) -> Parsed<()> {
        if self.at_end() { Ok(()) } else { Err(Reject::Bad("Too many arguments")) }
    }

    /// The longest run of such octets; may be empty.
    pub(super) fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|&byte| !keep(byte)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        run
    }

    /// `tag`.
    pub(super) fn tag(&mut self) -> Option<&'a str> {
        let tag = self.take_while(|byte| is_astring_byte(byte) && byte != b'+');
        std::str::from_utf8(tag).ok().filter(|tag| !tag.is_empty())
    }

    /// `atom`.
    pub(super) fn atom(&mut self) -> Parsed<&'a str> {
        let atom = self.take_while(is_atom_byte);
        std::str::from_utf8(atom).ok().filter(|atom| !atom.is_empty()).ok_or(Reject::Bad("Missing or invalid atom"))
    }

    /// A name of letters, digits, `.`, `-`, `_` and `=`: what commands, items and search keys are called. Never empty.
    pub(super) fn word(&mut self) -> Parsed<&'a str> {
        let word = self.take_while(|byte| byte.is_ascii_alphanumeric() || b".-_=".contains(&byte));
        std::str::from_utf8(word).ok().filter(|word| !word.is_empty()).ok_or(Reject::Bad("Missing argument"))
    }

    /// Takes the word if it comes next, in any case, and does not go on.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let mut ahead = self.clone();
        let found = ahead.word().is_ok_and(|next| next.eq_ignore_ascii_case(word));
        if found {
            *self = ahead;
        }
        found
    }

    /// `number`.
    pub(super) fn number(&mut self) -> Parsed<u32> {
        u32::try_from(self.number64()?).map_err(|_| Reject::Bad("Number too large"))
    }

    /// `number64`.
    pub(super) fn number64(&mut self) -> Parsed<u64> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        let text = std::str::from_utf8(digits).unwrap_or_default();
        text.parse().map_err(|_| Reject::Bad(if digits.is_empty() { "Missing number" } else { "Number too large" }))
    }

    /// `string`: quoted or literal.
    pub(super) fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.try_string().map_err(|_| Reject::Bad("Missing or invalid string"))
    }

    /// `astring`.
    pub(super) fn astring(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => match self.take_while(is_astring_byte) {
                b"" => Err(Reject::Bad("Missing or invalid argument")),
                atom => Ok(Cow::Borrowed(atom)),
            },
        }
    }

    /// `nstring`.
    pub(super) fn nstring(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        if self.eat_word("NIL") { Ok(None) } else { self.string().map(Some) }
    }

    /// Does the command end where a string's literal was announced?
    pub(super) fn literal_to_come(&self) -> bool {
        matches!(self.clone().try_string(), Err(StringError::LiteralToCome))
    }

    fn try_string(&mut self) -> Result<Cow<'a, [u8]>, StringError> {
        match self.peek() {
            Some(b'"') => {
                self.skip(1);
                self.quoted_rest()
            }
            Some(b'{') => self.literal(),
            _ => Err(StringError::Malformed),
        }
    }

    /// A quoted string behind its opening quote.
    fn quoted_rest(&mut self) -> Result<Cow<'a, [u8]>, StringError> {
        let plain = self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n' | 0));
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.skip(1);
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.skip(1);
                    // RFC 9051: only these two are quoted; others are taken as they are, as careless clients mean it.
                    let quoted = self.peek().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0));
                    text.push(quoted.ok_or(StringError::Malformed)?);
                    self.skip(1);
                }
                None | Some(b'\r' | b'\n' | 0) => return Err(StringError::Malformed),
                Some(_) => {
                    text.extend_from_slice(self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n' | 0)));
                }
            }
        }
    }

    fn literal(&mut self) -> Result<Cow<'a, [u8]>, StringError> {
        let line_end = memchr::memchr(b'\n', self.rest).ok_or(StringError::Malformed)?;
        let (line, rest) = self.rest.split_at_checked(line_end + 1).ok_or(StringError::Malformed)?;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        // The announcement starts here, not somewhere further on this line.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let literal = announced_literal(line).filter(|_| memchr::memrchr(b'{', line) == Some(0));
        let length = usize::try_from(literal.ok_or(StringError::Malformed)?.bytes).unwrap_or(usize::MAX);
        if rest.is_empty() && length > 0 {
            return Err(StringError::LiteralToCome);
        }
        let (octets, rest) = rest.split_at_checked(length).ok_or(StringError::Malformed)?;
        self.rest = rest;
        if memchr::memchr(0, octets).is_some() { Err(StringError::Malformed) } else { Ok(Cow::Borrowed(octets)) }
    }

    /// A string as UTF-8.
    pub(super) fn astring_utf8(&mut self) -> Parsed<String> {
        let text = self.astring()?;
        std::str::from_utf8(&text).map(str::to_owned).map_err(|_| Reject::Bad("Invalid UTF-8"))
    }

    /// `mailbox`, in modified UTF-7.
    pub(super) fn mailbox(&mut self) -> Parsed<MailboxName> {
        let text = self.astring()?;
        let name = utf7::decode(&text).as_deref().and_then(MailboxName::parse);
        name.ok_or_else(|| Reject::Refused(Completion::no(Some("CANNOT"), "Invalid mailbox name")))
    }

    /// `list-mailbox`: a pattern, still in modified UTF-7, which leaves `%` and `*` as they are.
    pub(super) fn list_mailbox(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => match self.take_while(|byte| is_astring_byte(byte) || matches!(byte, b'%' | b'*')) {
                b"" => Err(Reject::Bad("Missing or invalid mailbox pattern")),
                pattern => Ok(Cow::Borrowed(pattern)),
            },
        }
    }

    /// `sequence-set`.
    pub(super) fn sequence_set(&mut self) -> Parsed<SequenceSet> {
        let text = self.take_while(|byte| byte.is_ascii_digit() || b"*:,".contains(&byte));
        SequenceSet::parse(text).ok_or(Reject::Bad("Invalid message set"))
    }

    /// `sequence-set`, as messages that the client knows.
    pub(super) fn messages(&mut self, numbering: Numbering, selected: &Selected) -> Parsed<UidSet> {
        let set = self.sequence_set()?;
        selected.named(&set, numbering).ok_or(Reject::Bad("Message number out of range"))
    }

    /// `flag-list`.
    pub(super) fn flag_list(&mut self) -> Parsed<FlagSet> {
        self.expect(b'(', "Missing flag list")?;
        self.skip_spaces();
        let mut flags = FlagSet::default();
        while !self.eat(b')') {
            self.flag(&mut flags)?;
            self.skip_spaces();
        }
        Ok(flags)
    }

    /// One `flag`. `\Recent` can't be set by clients and is passed over, as clients copy it from what they were shown.
    pub(super) fn flag(&mut self, flags: &mut FlagSet) -> Parsed<()> {
        let backslash = self.rest.starts_with(b"\\");
        let name = self.take_while(|byte| is_atom_byte(byte) || byte == b'\\' || byte == b']');
        let text = std::str::from_utf8(name).unwrap_or_default();
        if text.eq_ignore_ascii_case("\\Recent") {
            return Ok(());
        }
        let unknown = if backslash { "Unknown system flag" } else { "Missing or invalid flag" };
        flags.insert(Flag::parse(text).ok_or(Reject::Bad(unknown))?);
        if flags.keywords.len() > limits::KEYWORDS_PER_MESSAGE_MAX {
            return Err(Reject::Refused(Completion::no(Some("LIMIT"), "Too many keywords")));
        }
        Ok(())
    }

    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }
}

/// RFC 9051 ATOM-CHAR.
pub(super) fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte)
}

/// RFC 9051 ASTRING-CHAR.
fn is_astring_byte(byte: u8) -> bool {
    is_atom_byte(byte) || byte == b']'
}

#[cfg(test)]
mod tests {
    use super::Parser;

    #[test]
    fn strings_in_all_forms() {
        for (wire, text) in [
            ("abc", "abc"),
            ("a]b", "a]b"),
            ("\"a b\"", "a b"),
            ("\"a\\\"b\\\\c\"", "a\"b\\c"),
            ("\"\"", ""),
            ("{3}\r\na b", "a b"),
            ("{3+}\na\"b", "a\"b"),
            ("{0}\r\n", ""),
            ("\"é\"", "é"),
        ] {
            let mut parser = Parser::new(wire.as_bytes());
            assert_eq!(parser.astring_utf8().unwrap(), text, "{wire}");
            assert!(parser.at_end(), "{wire}");
        }
        for wire in
            ["", "\"a", "\"a\\", "\"a\r\nb\"", "(", "{3}\r\nab", "{3}", "{x}\r\n", "a{3}\r\nabc {1}\r\n", "\"\0\""]
        {
            let mut parser = Parser::new(wire.as_bytes());
            assert!(parser.astring().is_err() || !parser.at_end(), "{wire:?}");
        }
        assert!(Parser::new(b"{3}\r\n").literal_to_come());
        assert!(!Parser::new(b"{3}\r\nabc").literal_to_come());
    }

    #[test]
    fn numbers_do_not_wrap() {
        assert_eq!(Parser::new(b"4294967295").number().unwrap(), u32::MAX);
        assert!(Parser::new(b"4294967296").number().is_err());
        assert!(Parser::new(b"18446744073709551616").number64().is_err());
        assert!(Parser::new(b"x").number().is_err());
    }

    #[test]
    fn flags_are_read_and_recent_is_passed_over() {
        let flags = Parser::new(b"(\\Seen $Junk \\recent)").flag_list().unwrap();
        assert_eq!(flags.iter().map(|flag| flag.to_string()).collect::<Vec<_>>(), ["\\Seen", "$Junk"]);
        for wire in ["(\\Foo)", "(a\"b)", "(a", "()x"] {
            let mut parser = Parser::new(wire.as_bytes());
            assert!(parser.flag_list().is_err() || !parser.at_end(), "{wire}");
        }
    }
}
