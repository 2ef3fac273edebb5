//! The readable text of HTML, chunk by chunk: tags, comments, scripts and styles left out, character references decoded.
//!
//! Not an HTML parser: it serves searching, where a little too much text does no harm. A tag that breaks a line or a
//! cell separates words. State between chunks is a tag's name or a reference, bounded; work is linear.

use memchr::{memchr, memchr2};

/// Longest character reference that is decoded, and longest tag name that matters.
const HELD_BYTES_MAX: usize = 32;

/// An extraction in progress.
#[derive(Debug, Default)]
pub(crate) struct HtmlText {
    state: State,
    /// The tag name or reference being read, or the end of a comment or script.
    held: String,
    /// Inside which element text is not for people.
    hidden: Option<&'static str>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind `<`, reading a name.
    TagName,
    /// Behind the name, up to `>`.
    Tag,
    /// In a quoted attribute value.
    Quoted(char),
    /// In `<!-- -->`, with the dashes just seen.
    Comment(u8),
    /// Behind `&`.
    Reference,
}

impl HtmlText {
    /// Takes in the next piece of HTML and appends its text to `out`.
    pub(crate) fn feed(&mut self, html: &str, out: &mut String) {
        let mut rest = html;
        while let Some(c) = rest.chars().next() {
            // What no step looks at is passed in one go.
            let skipped = match self.state {
                State::Text => memchr2(b'<', b'&', rest.as_bytes()),
                State::Quoted(quote) => rest.find(quote),
                State::Comment(0) => memchr(b'-', rest.as_bytes()),
                _ => Some(0),
            };
            let (passed, next) = rest.split_at_checked(skipped.unwrap_or(rest.len())).unwrap_or((rest, ""));
            if self.state == State::Text && self.hidden.is_none() {
                out.push_str(passed);
            }
            rest = next;
            if passed.is_empty() {
                self.step(c, out);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }

    /// Ends the document.
    pub(crate) fn finish(&mut self, out: &mut String) {
        if self.state == State::Reference {
            self.end_reference(out);
        }
        *self = HtmlText::default();
    }

    fn step(&mut self, c: char, out: &mut String) {
        match self.state {
            State::Text => self.text(c, out),
            State::Reference => self.reference(c, out),
            State::TagName => self.tag_name(c, out),
            State::Tag => match c {
                '>' => self.end_tag(out),
                '"' | '\'' if self.held.ends_with('=') => self.state = State::Quoted(c),
                '=' => self.held.push('='),
                _ if c.is_whitespace() => {}
                _ => self.held.truncate(self.held.trim_end_matches('=').len()),
            },
            State::Quoted(quote) if c == quote => {
                self.held.truncate(self.held.trim_end_matches('=').len());
                self.state = State::Tag;
            }
            State::Quoted(_) => {}
            State::Comment(dashes) => {
                self.state = match c {
                    '-' => State::Comment((dashes + 1).min(2)),
                    '>' if dashes == 2 => State::Text,
                    _ => State::Comment(0),
                }
            }
        }
    }

    fn text(&mut self, c: char, out: &mut String) {
        match c {
            '<' => self.enter(State::TagName),
            '&' if self.hidden.is_none() => self.enter(State::Reference),
            _ if self.hidden.is_none() => out.push(c),
            _ => {}
        }
    }

    fn enter(&mut self, state: State) {
        self.held.clear();
        self.state = state;
    }

    fn tag_name(&mut self, c: char, out: &mut String) {
        let begins = self.held.is_empty() && !(c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        if begins {
            // `<` that begins no tag is text.
            self.state = State::Text;
            if self.hidden.is_none() {
                out.push('<');
            }
            self.text(c, out);
        } else if c == '>' {
            self.end_tag(out);
        } else if c.is_whitespace() || (c == '/' && !self.held.is_empty()) || self.held.len() >= HELD_BYTES_MAX {
            self.state = State::Tag;
        } else {
            self.held.push(c.to_ascii_lowercase());
            if self.held == "!--" {
                self.state = State::Comment(0);
            }
        }
    }

    fn end_tag(&mut self, out: &mut String) {
        self.state = State::Text;
        let name = self.held.trim_end_matches('=');
        match self.hidden {
            Some(hidden) if name.strip_prefix('/') == Some(hidden) => self.hidden = None,
            Some(_) => return,
            None => self.hidden = ["script", "style", "title"].into_iter().find(|it| *it == name && name != "title"),
        }
        let is_inline = matches!(
            name.trim_start_matches('/'),
            "a" | "abbr"
                | "b"
                | "big"
                | "code"
                | "em"
                | "font"
                | "i"
                | "ins"
                | "del"
                | "mark"
                | "q"
                | "rb"
                | "ruby"
                | "s"
                | "small"
                | "span"
                | "strike"
                | "strong"
                | "sub"
                | "sup"
                | "tt"
                | "u"
                | "wbr"
        );
        if !is_inline {
            out.push('\n');
        }
    }

    fn reference(&mut self, c: char, out: &mut String) {
        if (c.is_ascii_alphanumeric() || (c == '#' && self.held.is_empty())) && self.held.len() < HELD_BYTES_MAX {
            return self.held.push(c);
        }
        self.end_reference(out);
        if c != ';' {
            self.text(c, out);
        }
    }

    fn end_reference(&mut self, out: &mut String) {
        self.state = State::Text;
        match character(&self.held) {
            Some(c) => out.push(c),
            None => {
                out.push('&');
                out.push_str(&self.held);
            }
        }
        self.held.clear();
    }
}

/// The character a reference names: numeric ones, and the names that mail programs write.
fn character(reference: &str) -> Option<char> {
    if let Some(number) = reference.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| *c != '\0');
    }
    let names = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", ' '),
        ("copy", '©'),
        ("reg", '®'),
        ("yen", '¥'),
        ("euro", '€'),
        ("middot", '·'),
        ("hellip", '…'),
        ("ndash", '–'),
        ("mdash", '—'),
        ("lsquo", '‘'),
        ("rsquo", '’'),
        ("ldquo", '“'),
        ("rdquo", '”'),
        ("laquo", '«'),
        ("raquo", '»'),
        ("times", '×'),
        ("auml", 'ä'),
        ("ouml", 'ö'),
        ("uuml", 'ü'),
        ("Auml", 'Ä'),
        ("Ouml", 'Ö'),
        ("Uuml", 'Ü'),
        ("szlig", 'ß'),
        ("eacute", 'é'),
        ("egrave", 'è'),
        ("agrave", 'à'),
        ("ccedil", 'ç'),
    ];
    names.iter().find(|(name, _)| *name == reference).map(|(_, c)| *c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(html: &str, size: usize) -> String {
        let mut reader = HtmlText::default();
        let mut out = String::new();
        let chars: Vec<char> = html.chars().collect();
        chars.chunks(size).for_each(|chunk| reader.feed(&chunk.iter().collect::<String>(), &mut out));
        reader.finish(&mut out);
        out
    }

    #[test]
    fn text_for_people() {
        let table = [
            ("a<b>b</b>c", "abc"),
            ("<p>one</p><p>two<br/>three", "\none\n\ntwo\nthree"),
            ("<a href=\"x>y\" title='<'>link</a>", "link"),
            ("<a title=it's>x</a>y", "xy"),
            ("a<script>if (a < b) { '</div>' }</script>z", "a\n\nz"),
            ("<STYLE type=x>p { }</STYLE>z", "\n\nz"),
            ("a<!-- <b> -- > --->b", "ab"),
            ("1 < 2 &lt; 3 &amp;&#x5c71;&#30000;&nbsp;x", "1 < 2 < 3 &山田 x"),
            ("AT&T &unknown; &#0; &", "AT&T &unknown &#0 &"),
            ("<", ""),
            ("<!doctype html><html>x", "\n\nx"),
        ];
        for (html, want) in table {
            for size in 1..=html.chars().count() {
                assert_eq!(text(html, size), want, "{html} by {size}");
            }
        }
    }

    #[test]
    fn floods_hold_little() {
        for piece in ["<a", "&x", "<!--", "<a b=\"", "&#", "<script>"] {
            let mut reader = HtmlText::default();
            let mut out = String::new();
            for _ in 0..10_000 {
                reader.feed(piece, &mut out);
                assert!(reader.held.len() <= HELD_BYTES_MAX + 4);
            }
        }
    }
}
