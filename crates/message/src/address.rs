//! Address lists (RFC 5322 §3.4) as ENVELOPE shows them.
//!
//! Reads groups, comments, quoted strings, source routes and the obsolete forms; and what is really sent: local parts
//! with leading, trailing or doubled dots (`a..b@docomo.ne.jp`), unquoted 8-bit names, missing domains, stray
//! punctuation. It never fails; what can't be understood is skipped up to the next comma.
//! RFC 2047 words stay as they are. Linear, iterative, at most [`ENVELOPE_ADDRESSES_MAX`] addresses.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::lex::{Cursor, is_atom};
use yubin_types::limits::ENVELOPE_ADDRESSES_MAX;

/// One element of an address list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// A mailbox.
    Mailbox(Mailbox),
    /// The start of a group, with its name.
    GroupStart(Bytes),
    /// The end of the group.
    GroupEnd,
}

/// A mailbox: `name <route local@domain>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Display name, RFC 2047 words undecoded, quoting removed.
    pub name: Option<Bytes>,
    /// Source route of the obsolete form, as in `@a,@b`.
    pub route: Option<Bytes>,
    /// Local part, quoting removed; may be empty if the field was broken.
    pub local: Bytes,
    /// Domain or domain literal; empty if it was missing.
    pub domain: Bytes,
}

/// Reads the body of an address field.
///
/// ```
/// use yubin_message::{Address, parse_addresses};
/// let list = parse_addresses(b"\"Hanako, Y.\" <a..b@docomo.ne.jp>");
/// let Some(Address::Mailbox(mailbox)) = list.first() else { return };
/// assert_eq!(&mailbox.local[..], b"a..b");
/// ```
pub fn parse_addresses(field_body: &[u8]) -> Vec<Address> {
    let mut parser = Parser { cursor: Cursor::new(field_body), list: Vec::new(), in_group: false };
    while !parser.cursor.is_empty() && parser.list.len() < ENVELOPE_ADDRESSES_MAX {
        parser.element();
    }
    if parser.in_group {
        parser.list.push(Address::GroupEnd);
    }
    parser.list
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    list: Vec<Address>,
    in_group: bool,
}

/// Words with and without the white space between them: a phrase and a local part look alike until `<` or `@`.
#[derive(Default)]
struct Words {
    spaced: Vec<u8>,
    joined: Vec<u8>,
    comment: Option<Vec<u8>>,
}

impl Parser<'_> {
    /// Consumes at least one byte of the input.
    fn element(&mut self) {
        let words = self.words();
        match self.cursor.bump() {
            Some(b'<') => {
                let mut mailbox = self.angle();
                let name = if words.spaced.is_empty() { words.comment } else { Some(words.spaced) };
                mailbox.name = name.filter(|name| !name.is_empty()).map(Bytes::from);
                self.skip_to_separator();
                self.list.push(Address::Mailbox(mailbox));
            }
            Some(b'@') => {
                let domain = self.domain();
                let comment = self.skip_to_separator().or(words.comment);
                let name = comment.filter(|name| !name.is_empty()).map(Bytes::from);
                self.list.push(Address::Mailbox(Mailbox { name, route: None, local: words.joined.into(), domain }));
            }
            Some(b':') if !self.in_group => {
                self.in_group = true;
                self.list.push(Address::GroupStart(words.spaced.into()));
            }
            Some(b';') if self.in_group => {
                self.bare(words);
                self.in_group = false;
                self.list.push(Address::GroupEnd);
            }
            _ => self.bare(words),
        }
    }

    /// Words with neither `<` nor `@`: a mailbox without a domain, or nothing at all.
    fn bare(&mut self, words: Words) {
        if !words.spaced.is_empty() {
            let name = words.comment.filter(|name| !name.is_empty()).map(Bytes::from);
            self.list.push(Address::Mailbox(Mailbox { name, local: words.spaced.into(), ..Mailbox::default() }));
        }
    }

    /// Words, quoted strings and comments up to a byte that has meaning.
    fn words(&mut self) -> Words {
        let mut words = Words::default();
        loop {
            let before = self.cursor.rest().len();
            while let Some(comment) = self.cursor.skip_cfws_keeping_comment() {
                words.comment = Some(comment);
            }
            let spaced = self.cursor.rest().len() != before;
            let quoted = self.cursor.eat(b'"');
            let word = if quoted { self.cursor.quoted_body() } else { self.cursor.atom() };
            match self.cursor.peek() {
                _ if quoted || !word.is_empty() => {
                    if spaced && !words.spaced.is_empty() {
                        words.spaced.push(b' ');
                    }
                    words.spaced.extend_from_slice(&word);
                    words.joined.extend_from_slice(&word);
                }
                // Punctuation without a meaning here is taken as part of the text around it.
                Some(stray @ (b')' | b'>' | b'[' | b']' | b'\\' | 0)) => {
                    self.cursor.bump();
                    if !words.spaced.is_empty() && stray != 0 {
                        words.spaced.push(stray);
                    }
                }
                _ => return words,
            }
        }
    }

    /// What stands between `<` and `>`.
    fn angle(&mut self) -> Mailbox {
        self.cursor.skip_cfws();
        let route = if self.cursor.peek() == Some(b'@') { self.route() } else { None };
        let mut local = Vec::new();
        loop {
            self.cursor.skip_cfws();
            if self.cursor.eat(b'"') {
                local.extend(self.cursor.quoted_body());
                continue;
            }
            let word = self.cursor.atom();
            if word.is_empty() {
                break;
            }
            local.extend(word);
        }
        let domain = if self.cursor.eat(b'@') { self.domain() } else { Bytes::new() };
        Mailbox { name: None, route, local: local.into(), domain }
    }

    /// A source route with its colon (RFC 5322 §4.4).
    fn route(&mut self) -> Option<Bytes> {
        let text = self.cursor.take_while(|byte| !matches!(byte, b':' | b'>'));
        let text: Vec<u8> = text.iter().copied().filter(|&byte| byte > b' ').collect();
        self.cursor.eat(b':').then(|| text.into())
    }

    /// A domain or domain literal, white space around its dots removed.
    fn domain(&mut self) -> Bytes {
        let mut domain = Vec::new();
        self.cursor.skip_cfws();
        if self.cursor.eat(b'[') {
            domain.push(b'[');
            domain.extend(self.cursor.take_while(|byte| byte != b']' && byte > b' '));
            self.cursor.eat(b']');
            domain.push(b']');
            return domain.into();
        }
        loop {
            domain.extend_from_slice(self.cursor.take_while(is_atom));
            let mut ahead = self.cursor.clone();
            ahead.take_while(crate::lex::is_space);
            // RFC 5322 §4.4 obs-domain: white space may stand around a dot, and only there.
            if ahead.rest().len() == self.cursor.rest().len()
                || !(ahead.peek() == Some(b'.') || (domain.last() == Some(&b'.') && ahead.peek().is_some_and(is_atom)))
            {
                return domain.into();
            }
            self.cursor = ahead;
        }
    }

    /// Skips to behind the next comma, or to the `;` that ends the group. Returns the last comment on the way.
    fn skip_to_separator(&mut self) -> Option<Vec<u8>> {
        let mut last = None;
        loop {
            while let Some(comment) = self.cursor.skip_cfws_keeping_comment() {
                last = Some(comment);
            }
            match self.cursor.peek() {
                None => return last,
                Some(b';') if self.in_group => return last,
                Some(b'"') => {
                    self.cursor.bump();
                    self.cursor.quoted_body();
                }
                Some(byte) => {
                    self.cursor.bump();
                    if matches!(byte, b',' | b';') {
                        return last;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name|route|local|domain`, groups as `[name` and `]`.
    fn show(input: &[u8]) -> Vec<String> {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let maybe = |bytes: &Option<Bytes>| bytes.as_ref().map_or_else(|| "-".to_owned(), text);
        let one = |address: &Address| match address {
            Address::Mailbox(m) => {
                format!("{}|{}|{}|{}", maybe(&m.name), maybe(&m.route), text(&m.local), text(&m.domain))
            }
            Address::GroupStart(name) => format!("[{}", text(name)),
            Address::GroupEnd => "]".to_owned(),
        };
        parse_addresses(input).iter().map(one).collect()
    }

    #[test]
    fn reads_what_people_send() {
        let table: &[(&[u8], &[&str])] = &[
            (b"a@b.example", &["-|-|a|b.example"]),
            (b" <a@b>", &["-|-|a|b"]),
            (b"Mary Smith <mary@x.test>, jdoe@one.test", &["Mary Smith|-|mary|x.test", "-|-|jdoe|one.test"]),
            (b"\"Joe Q. Public\" <john.q@public.example>", &["Joe Q. Public|-|john.q|public.example"]),
            (b"\"Giant; \\\"Big\\\" Box\" <s@big.example>", &["Giant; \"Big\" Box|-|s|big.example"]),
            (
                b"A Group:Ed Jones <c@a.test>,joe@where.test;",
                &["[A Group", "Ed Jones|-|c|a.test", "-|-|joe|where.test", "]"],
            ),
            (b"Undisclosed recipients:;", &["[Undisclosed recipients", "]"]),
            (b"x:;, a@b", &["[x", "]", "-|-|a|b"]),
            (b"open: a@b", &["[open", "-|-|a|b", "]"]),
            (b"a@b (Name (nested) x)", &["Name (nested) x|-|a|b"]),
            (b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", &["Pete|-|pete|silly.test"]),
            (b"<@a.test,@b.test:c@d.test>", &["-|@a.test,@b.test|c|d.test"]),
            (
                b"a..b@docomo.ne.jp, .a@ezweb.ne.jp, a.@ezweb.ne.jp",
                &["-|-|a..b|docomo.ne.jp", "-|-|.a|ezweb.ne.jp", "-|-|a.|ezweb.ne.jp"],
            ),
            (b"\"a b\"@c.test", &["-|-|a b|c.test"]),
            (b"john . doe @ example . com", &["-|-|john.doe|example.com"]),
            (b"u@[127.0.0.1]", &["-|-|u|[127.0.0.1]"]),
            (b"=?ISO-2022-JP?B?GyRC?= =?x?q?y?= <a@b>", &["=?ISO-2022-JP?B?GyRC?= =?x?q?y?=|-|a|b"]),
            (b"\xe5\xb1\xb1 <a@b>", &["\u{5c71}|-|a|b"]),
            // Japanese sent raw, its bytes full of punctuation.
            (b"\x1b$B;3<\"\x1b(B <a@b>, c@d", &["\x1b$B;3<\"\x1b(B|-|a|b", "-|-|c|d"]),
            (b"\"\x1b$B!\"\\!\x1b(B\" <a@b> (\x1b$B!)\x1b(B)", &["\x1b$B!\"\\!\x1b(B|-|a|b"]),
            (b"\x1b$B;x <a@b>", &["-|-|\x1b$B|", "x|-|a|b"]),
            (b"root", &["-|-|root|"]),
            (b"a@b\r\n ,\r\n\tc@d", &["-|-|a|b", "-|-|c|d"]),
            (b", ,a@b,,", &["-|-|a|b"]),
            (b"<>", &["-|-||"]),
            (b"a <b@c> d <e@f>, g@h", &["a|-|b|c", "-|-|g|h"]),
            (b"<a@b", &["-|-|a|b"]),
            (b"John [x] <a@b>", &["John[x]|-|a|b"]),
            (b"", &[]),
            (b"()", &[]),
            (b"@", &["-|-||"]),
        ];
        for (input, want) in table {
            assert_eq!(&show(input), want, "{}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn a_flood_of_addresses_is_cut() {
        let flood = b"a@b,".repeat(100_000);
        assert_eq!(parse_addresses(&flood).len(), ENVELOPE_ADDRESSES_MAX);
    }
}
