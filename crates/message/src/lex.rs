//! Lexical elements of RFC 5322 §3.2 and RFC 2045 §5.1: white space, comments, quoted strings, atoms.
//!
//! A cursor over the bytes of one field body. Every method consumes what it returns and never goes back, so that a
//! parser built of them is linear in the field. Comments nest by a counter, not by recursion. Input may be folded or
//! not: CR and LF are white space here. Nothing is refused: unterminated comments and strings end with the field.

/// Begins the escape sequences of ISO-2022-JP.
const ESCAPE: u8 = 0x1b;

/// A place in the bytes of one header field body.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    /// A comment or quoted string never ended, and what may have been an address went with it.
    swallowed_address: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes, swallowed_address: false }
    }

    /// What has not been consumed.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Did a comment or a quoted string that never ended take octets that mark an address?
    pub(crate) fn swallowed_address(&self) -> bool {
        self.swallowed_address
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn bump(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Consumes `byte` if it comes next, and says whether it did.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.bump();
        }
        found
    }

    pub(crate) fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !keep(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, b""));
        self.rest = rest;
        taken
    }

    /// An atom; what a shift into Japanese holds (`ESC $ B ... ESC ( B`, sent raw by old mailers) belongs to it,
    /// although its bytes look like punctuation.
    pub(crate) fn atom(&mut self) -> Vec<u8> {
        let mut atom = Vec::new();
        loop {
            atom.extend_from_slice(self.take_while(|byte| is_atom(byte) && byte != ESCAPE));
            match self.shifted() {
                Some(shifted) => atom.extend_from_slice(shifted),
                None if self.eat(ESCAPE) => atom.push(ESCAPE),
                None => return atom,
            }
        }
    }

    /// ISO-2022-JP from the escape into a double-byte set to behind the escape out of it, if that is what comes next.
    fn shifted(&mut self) -> Option<&'a [u8]> {
        let inside = self.rest.strip_prefix(b"\x1b$")?;
        let end = memchr::memchr(ESCAPE, inside)?;
        if !matches!(inside.get(end..end + 3)?, [_, b'(', _]) {
            return None;
        }
        let (shifted, rest) = self.rest.split_at_checked(end + 5)?;
        self.rest = rest;
        Some(shifted)
    }

    /// Skips white space and comments (CFWS).
    pub(crate) fn skip_cfws(&mut self) {
        while self.skip_cfws_keeping_comment().is_some() {}
    }

    /// Skips white space and at most one comment, whose text it returns.
    pub(crate) fn skip_cfws_keeping_comment(&mut self) -> Option<Vec<u8>> {
        self.take_while(is_space);
        if !self.eat(b'(') {
            return None;
        }
        let comment = self.comment_body();
        self.take_while(is_space);
        Some(comment)
    }

    /// The text of a comment whose opening parenthesis has been consumed; inner comments keep their parentheses.
    fn comment_body(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut depth = 0_usize;
        loop {
            text.extend_from_slice(self.shifted().unwrap_or_default());
            let Some(byte) = self.bump() else {
                self.swallowed_address |= marks_address(&text);
                break;
            };
            match byte {
                b'\\' => text.extend(self.bump()),
                b'(' => {
                    depth += 1;
                    text.push(byte);
                }
                b')' if depth == 0 => break,
                b')' => {
                    depth -= 1;
                    text.push(byte);
                }
                b'\r' | b'\n' | 0 => {}
                _ => text.push(byte),
            }
        }
        text
    }

    /// The content of a quoted string whose opening quote has been consumed, without its backslashes and line ends.
    pub(crate) fn quoted_body(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.shifted().unwrap_or_default());
            let Some(byte) = self.bump() else {
                self.swallowed_address |= marks_address(&text);
                break;
            };
            match byte {
                b'"' => break,
                b'\\' => text.extend(self.bump()),
                b'\r' | b'\n' | 0 => {}
                _ => text.push(byte),
            }
        }
        text
    }
}

/// Does it hold an octet that only addresses need?
pub(crate) fn marks_address(text: &[u8]) -> bool {
    memchr::memchr2(b'<', b'@', text).is_some()
}

/// Space, tab, and the line ends of folding.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The characters of an atom, and of what is commonly sent in its place: 8-bit text, dots.
pub(crate) fn is_atom(byte: u8) -> bool {
    !is_space(byte)
        && byte != 0
        && !matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b':' | b';' | b'@' | b'\\' | b',' | b'"')
}

/// The characters of a MIME token (RFC 2045 §5.1), and 8-bit ones.
pub(crate) fn is_token(byte: u8) -> bool {
    byte > b' '
        && byte != 0x7f
        && !matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'='
        )
}

/// `bytes` without leading and trailing white space.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|&byte| !is_space(byte)).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// `bytes` unfolded (RFC 5322 §2.2.3), trimmed, and without NUL, which no IMAP string can carry.
pub(crate) fn unfold(bytes: &[u8]) -> Vec<u8> {
    trim(bytes).iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_nest_without_recursion() {
        let mut deep = vec![b'('; 100_000];
        deep.extend_from_slice(b"x");
        deep.extend(vec![b')'; 100_000]);
        deep.extend_from_slice(b" rest");
        let mut cursor = Cursor::new(&deep);
        cursor.skip_cfws();
        assert_eq!(cursor.rest(), b"rest");
    }

    #[test]
    fn a_comment_or_string_that_never_ends_takes_the_rest() {
        for (input, text) in [(&b"(abc\\"[..], &b"abc"[..]), (b"(a(b)", b"a(b)"), (b"(", b"")] {
            let mut cursor = Cursor::new(input);
            assert_eq!(cursor.skip_cfws_keeping_comment().as_deref(), Some(text));
            assert!(cursor.is_empty());
        }
        let mut cursor = Cursor::new(b"a\\\"b\\");
        assert_eq!(cursor.quoted_body(), b"a\"b");
        assert!(cursor.is_empty());
    }

    #[test]
    fn unfolding_removes_line_ends_and_keeps_white_space() {
        assert_eq!(unfold(b" a\r\n\tb\0c \r\n"), b"a\tbc");
        assert_eq!(unfold(b" \r\n"), b"");
    }
}
