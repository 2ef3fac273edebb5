//! Address lists (RFC 5322 §3.4) as ENVELOPE shows them.
//!
//! Reads groups, comments, quoted strings, source routes and the obsolete forms; and what is really sent: local parts
//! with leading, trailing or doubled dots (`a..b@docomo.ne.jp`), unquoted 8-bit names, missing domains, stray
//! punctuation. It never fails; what can't be understood is skipped up to the next comma, and [`AddressList::unreadable`] tells it.
//! An address before `<` is part of the name, as the readers that people use show it (`a@b <c@d>` is from `c@d`).
//! RFC 2047 words stay as they are. Linear, iterative, at most [`ENVELOPE_ADDRESSES_MAX`] addresses.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::lex::{Cursor, is_atom, is_space, marks_address, trim};
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

/// What an address field says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressList {
    /// In the order of the field.
    pub addresses: Vec<Address>,
    /// Elements of which something was passed over that another reader may take for an address.
    pub unreadable: usize,
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
    parse_address_list(field_body).addresses
}

/// The same, for who must know whether all of it was understood.
pub fn parse_address_list(field_body: &[u8]) -> AddressList {
    let list = AddressList::default();
    let mut parser = Parser { cursor: Cursor::new(field_body), list, in_group: false };
    while !parser.cursor.is_empty() && parser.list.addresses.len() < ENVELOPE_ADDRESSES_MAX {
        parser.element();
    }
    if parser.in_group {
        parser.list.addresses.push(Address::GroupEnd);
    }
    let Parser { cursor, mut list, .. } = parser;
    list.unreadable += usize::from(marks_address(cursor.rest())) + usize::from(cursor.swallowed_address());
    list
}

/// Every mailbox in the body of an address field that anybody might read there; none if readers may differ about one of them.
///
/// [`parse_addresses`] takes the one in angle brackets of two addresses that nothing separates, as in `a@b <c@d>`; other programs take the
/// other. Here both are found. What stands in comments and quoted strings is a name. Obsolete forms with white space or comments inside an address, source
/// routes and control characters, those of ISO-2022-JP among them, are not read.
pub(crate) fn every_mailbox(field_body: &[u8]) -> Option<Vec<Mailbox>> {
    if field_body.iter().any(|&byte| byte.is_ascii_control() && !is_space(byte)) {
        return None;
    }
    let mut parser = Parser { cursor: Cursor::new(field_body), list: AddressList::default(), in_group: false };
    let mut found = Vec::new();
    while !parser.cursor.is_empty() {
        let Words { spaced, local, .. } = parser.words();
        if parser.cursor.bump() != Some(b'@') {
            continue;
        }
        let domain = parser.domain();
        if local.is_empty() || spaced != local || domain.is_empty() || !parser.is_ended() {
            return None;
        }
        found.push(Mailbox { local: local.into(), domain, ..Mailbox::default() });
    }
    Some(found)
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    list: AddressList,
    in_group: bool,
}

/// Words with the white space between them, and the local part that they end in: which of both it is shows at `<` or `@`.
#[derive(Default)]
struct Words {
    spaced: Vec<u8>,
    local: Vec<u8>,
    /// Where the local part begins in `spaced`.
    local_at: usize,
    comment: Option<Vec<u8>>,
}

impl Words {
    /// What stands before the local part.
    fn before_local(&self) -> Option<Vec<u8>> {
        let before = trim(self.spaced.get(..self.local_at).unwrap_or_default());
        (!before.is_empty()).then(|| before.to_vec())
    }
}

/// What stands between a word and the one before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    Nothing,
    Space,
    Stray,
}

/// Is `word` more of the local part before it? White space may stand around a dot, and only there (RFC 5322 §4.4 obs-local-part).
fn continues(local: &[u8], between: Between, word: &[u8]) -> bool {
    match between {
        Between::Nothing => true,
        Between::Space => local.ends_with(b".") || word.starts_with(b"."),
        Between::Stray => false,
    }
}

fn name(text: Option<Vec<u8>>) -> Option<Bytes> {
    text.filter(|name| !name.is_empty()).map(Bytes::from)
}

impl Parser<'_> {
    /// Consumes at least one byte of the input.
    fn element(&mut self) {
        let words = self.words();
        match self.cursor.bump() {
            Some(b'<') => {
                let text = if words.spaced.is_empty() { words.comment } else { Some(words.spaced) };
                let mailbox = Mailbox { name: name(text), ..self.angle() };
                self.push(mailbox);
            }
            Some(b'@') => self.plain(words),
            Some(b':') if !self.in_group => {
                self.in_group = true;
                self.list.addresses.push(Address::GroupStart(words.spaced.into()));
            }
            Some(b';') if self.in_group => {
                self.bare(words);
                self.in_group = false;
                self.list.addresses.push(Address::GroupEnd);
            }
            _ => self.bare(words),
        }
    }

    fn push(&mut self, mailbox: Mailbox) {
        self.list.addresses.push(Address::Mailbox(mailbox));
    }

    /// An address without angles, from its `@` on: if an angle address follows, all before that was its name.
    fn plain(&mut self, before: Words) {
        let domain = self.domain();
        let mut text = [&before.spaced[..], b"@", &domain].concat();
        let (mut comment, mut passed_over) = (None, false);
        loop {
            let words = self.words();
            comment = words.comment.or(comment);
            if !words.spaced.is_empty() {
                text.push(b' ');
                text.extend_from_slice(&words.spaced);
            }
            match self.cursor.peek() {
                Some(b'<') => {
                    self.cursor.bump();
                    let angle = self.angle();
                    if !(angle.local.is_empty() && angle.domain.is_empty()) {
                        return self.push(Mailbox { name: name(Some(text)), ..angle });
                    }
                    break;
                }
                None => break,
                Some(b';') if self.in_group => break,
                Some(byte) => {
                    self.cursor.bump();
                    if matches!(byte, b',' | b';') {
                        break;
                    }
                    text.push(byte);
                    passed_over |= byte == b'@';
                }
            }
        }
        self.list.unreadable += usize::from(passed_over);
        let said = comment.or(before.comment.clone()).or_else(|| before.before_local());
        self.push(Mailbox { name: name(said), route: None, local: before.local.into(), domain });
    }

    /// Words with neither `<` nor `@`: a mailbox without a domain, or nothing at all.
    fn bare(&mut self, words: Words) {
        if !words.spaced.is_empty() {
            self.push(Mailbox { name: name(words.comment), local: words.spaced.into(), ..Mailbox::default() });
        }
    }

    /// Words, quoted strings and comments up to a byte that has meaning.
    fn words(&mut self) -> Words {
        let mut words = Words::default();
        let mut stray_before = false;
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
                    let between = match spaced {
                        _ if stray_before => Between::Stray,
                        true => Between::Space,
                        false => Between::Nothing,
                    };
                    if !continues(&words.local, between, &word) {
                        words.local.clear();
                        words.local_at = words.spaced.len();
                    }
                    words.spaced.extend_from_slice(&word);
                    words.local.extend_from_slice(&word);
                    stray_before = false;
                }
                // Punctuation without a meaning here is taken as part of the text around it.
                Some(stray @ (b')' | b'>' | b'[' | b']' | b'\\' | 0)) => {
                    self.cursor.bump();
                    if !words.spaced.is_empty() && stray != 0 {
                        words.spaced.push(stray);
                        stray_before = true;
                    }
                }
                _ => return words,
            }
        }
    }

    /// What stands behind `<`, up to where the next element begins.
    fn angle(&mut self) -> Mailbox {
        self.cursor.skip_cfws();
        let route = if self.cursor.peek() == Some(b'@') { self.route() } else { None };
        let mut local = Vec::new();
        loop {
            let before = self.cursor.rest().len();
            self.cursor.skip_cfws();
            let spaced = self.cursor.rest().len() != before;
            let quoted = self.cursor.eat(b'"');
            let word = if quoted { self.cursor.quoted_body() } else { self.cursor.atom() };
            if !quoted && word.is_empty() {
                break;
            }
            if !continues(&local, if spaced { Between::Space } else { Between::Nothing }, &word) {
                local.clear();
            }
            local.extend(word);
        }
        let domain = if self.cursor.eat(b'@') { self.domain() } else { Bytes::new() };
        self.skip_to_separator();
        Mailbox { name: None, route, local: local.into(), domain }
    }

    /// A source route with its colon (RFC 5322 §4.4).
    fn route(&mut self) -> Option<Bytes> {
        let text = self.cursor.take_while(|byte| !matches!(byte, b':' | b'>'));
        let text: Vec<u8> = text.iter().copied().filter(|&byte| byte > b' ').collect();
        let is_hop = |hop: &[u8]| hop.is_empty() || hop.strip_prefix(b"@").is_some_and(|host| !marks_address(host));
        let whole = self.cursor.eat(b':');
        self.list.unreadable += usize::from(!(whole && text.split(|&byte| byte == b',').all(is_hop)));
        whole.then(|| text.into())
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
            ahead.take_while(is_space);
            // RFC 5322 §4.4 obs-domain: white space may stand around a dot, and only there.
            if ahead.rest().len() == self.cursor.rest().len()
                || !(ahead.peek() == Some(b'.') || (domain.last() == Some(&b'.') && ahead.peek().is_some_and(is_atom)))
            {
                return domain.into();
            }
            self.cursor = ahead;
        }
    }

    /// Is an address over for everybody?
    fn is_ended(&mut self) -> bool {
        self.cursor.skip_cfws();
        matches!(self.cursor.peek(), None | Some(b',' | b';' | b'<' | b'>'))
    }

    /// Skips to behind the next comma, or to the `;` that ends the group. An address on the way is one that nobody reads.
    fn skip_to_separator(&mut self) {
        let mut passed_over = false;
        loop {
            self.cursor.skip_cfws();
            match self.cursor.peek() {
                None => break,
                Some(b';') if self.in_group => break,
                Some(b'"') => {
                    self.cursor.bump();
                    self.cursor.quoted_body();
                }
                Some(byte) => {
                    self.cursor.bump();
                    if matches!(byte, b',' | b';') {
                        break;
                    }
                    passed_over |= matches!(byte, b'<' | b'@');
                }
            }
        }
        self.list.unreadable += usize::from(passed_over);
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
            (b"x@evil.example <ceo@bank.jp>, c@d", &["x@evil.example|-|ceo|bank.jp", "-|-|c|d"]),
            (b"x@y.example of \"Y\" (why) <a@b>", &["x@y.example of Y|-|a|b"]),
            (b"g: x@y <a@b>; c@d", &["[g", "x@y|-|a|b", "]", "-|-|c|d"]),
            (b"a@b <>, c@d", &["-|-|a|b", "-|-|c|d"]),
            (b"a@b c@d", &["-|-|a|b"]),
            (b"John Smith john@x.jp", &["John Smith|-|john|x.jp"]),
            (b"John Smith john . q@x.jp (J)", &["J|-|john.q|x.jp"]),
            (b"<John Smith john@x.jp>", &["-|-|john|x.jp"]),
            (b"John> smith@x.jp, a]b@c", &["John>|-|smith|x.jp", "a]|-|b|c"]),
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
    fn who_must_know_learns_what_was_passed_over() {
        let table: &[(&[u8], usize)] = &[
            (b"a@b, x@y <c@d>, \"e@f\" <g@h> (i@j), <@k,@l:m@n>, o: p@q;, r, <>, John Smith john@x.jp", 0),
            (b"a <b@c> d <e@f>, g@h", 1),
            (b"a@b c@d", 1),
            (b"a@b: c@d", 1),
            (b"a@b: <c@d>", 0),
            (b"<a@b@c>", 1),
            (b"<<a@b>>", 1),
            (b"x <a@b> , <a@c> d@e", 1),
            (b"<@b>, <@a,c@d:e@f>", 2),
            (b"a@b (<c@d>", 1),
            (b"a@b \"<c@d>", 1),
            (b"a@b (c", 0),
        ];
        for (input, unreadable) in table {
            assert_eq!(parse_address_list(input).unreadable, *unreadable, "{}", String::from_utf8_lossy(input));
        }
        let hidden = [&b"g:;".repeat(ENVELOPE_ADDRESSES_MAX)[..], b"a@b"].concat();
        assert_eq!(parse_address_list(&hidden).unreadable, 1);
    }

    #[test]
    fn every_mailbox_is_found_that_somebody_might_read() {
        let read = |input: &str| {
            let found = every_mailbox(input.as_bytes())?;
            let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
            Some(found.iter().map(|it| format!("{}@{}", text(&it.local), text(&it.domain))).collect::<Vec<_>>())
        };
        for (input, want) in [
            ("a@b.example", &["a@b.example"][..]),
            ("Mary <a@b>, \"c@d\" <e@f> (g@h)", &["a@b", "e@f"]),
            ("a@b <a@b>", &["a@b", "a@b"]),
            ("a@b <c@d>", &["a@b", "c@d"]),
            ("<a@b> <c@d>", &["a@b", "c@d"]),
            ("x <a@b>; c@d", &["a@b", "c@d"]),
            ("Team: a@b, Jo <c@d>;", &["a@b", "c@d"]),
            ("\"a b\"@c", &["a b@c"]),
            ("=?utf-8?q?c=40d?= <a@b>", &["a@b"]),
            ("a@\r\n b", &["a@b"]),
            ("\u{5c71} <a@b>", &["a@b"]),
            ("root", &[]),
            ("\"c@d\" <>", &[]),
            ("Undisclosed:;", &[]),
        ] {
            assert_eq!(read(input), Some(want.iter().map(ToString::to_string).collect()), "{input}");
        }
        for input in [
            "a@b c@d",
            "a@b(x).c",
            "a@b@c",
            "x a@b",
            "a (x) b@c",
            "a . b@c",
            "<@a,@b:c@d>",
            "a\\@b",
            "@b",
            "a@",
            "a@b\0.c",
            "\x1b$B<c@d>\x1b(B <a@b>",
            "\"\x1b$B\" <c@d> \"\x1b(B\" <a@b>",
            "a@b:c@d;",
        ] {
            assert_eq!(read(input), None, "{input:?}");
        }
    }

    #[test]
    fn a_flood_of_addresses_is_cut() {
        let flood = b"a@b,".repeat(100_000);
        assert_eq!(parse_addresses(&flood).len(), ENVELOPE_ADDRESSES_MAX);
    }
}
