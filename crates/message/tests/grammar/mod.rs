//! A reader of ENVELOPE and BODY by the formal syntax of RFC 9051 §9, as strict as the strictest client.

use yubin_message::imap::{BodyForm, Utf8};

type Checked = Result<(), String>;

pub(crate) fn check_envelope(bytes: &[u8], utf8: Utf8) -> Checked {
    let mut reader = Reader { bytes, at: 0, utf8 };
    reader.envelope()?;
    reader.end()
}

pub(crate) fn check_body(bytes: &[u8], form: BodyForm, utf8: Utf8) -> Checked {
    let mut reader = Reader { bytes, at: 0, utf8 };
    reader.body(form)?;
    reader.end()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    utf8: Utf8,
}

impl Reader<'_> {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn fail<T>(&self, wanted: &str) -> Result<T, String> {
        Err(format!("{wanted} expected at {} of {}", self.at, String::from_utf8_lossy(self.bytes)))
    }

    fn has(&mut self, token: &[u8]) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn want(&mut self, token: &[u8]) -> Checked {
        if self.has(token) { Ok(()) } else { self.fail(&String::from_utf8_lossy(token)) }
    }

    fn end(&self) -> Checked {
        if self.rest().is_empty() { Ok(()) } else { self.fail("the end") }
    }

    fn number(&mut self) -> Result<usize, String> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = String::from_utf8_lossy(&self.rest()[..digits]).into_owned();
        self.at += digits;
        text.parse().or_else(|_| self.fail("a number"))
    }

    fn string(&mut self) -> Result<Vec<u8>, String> {
        if self.has(b"{") {
            let length = self.number()?;
            self.want(b"}\r\n")?;
            let Some(text) = self.rest().get(..length).map(<[u8]>::to_vec) else { return self.fail("a literal") };
            self.at += length;
            return if text.contains(&0) { self.fail("no NUL") } else { Ok(text) };
        }
        self.want(b"\"")?;
        let mut text = Vec::new();
        loop {
            let Some(&byte) = self.rest().first() else { return self.fail("a closing quote") };
            self.at += 1;
            match byte {
                b'"' if self.utf8 == Utf8::Accepted && std::str::from_utf8(&text).is_err() => {
                    return self.fail("UTF-8");
                }
                b'"' => return Ok(text),
                b'\\' if self.has(b"\"") => text.push(b'"'),
                b'\\' if self.has(b"\\") => text.push(b'\\'),
                0x80.. if self.utf8 == Utf8::Accepted => text.push(byte),
                0 | b'\r' | b'\n' | b'\\' | 0x80.. => return self.fail("a quoted character"),
                _ => text.push(byte),
            }
        }
    }

    fn nstring(&mut self) -> Checked {
        if self.has(b"NIL") { Ok(()) } else { self.string().map(drop) }
    }

    fn envelope(&mut self) -> Checked {
        self.want(b"(")?;
        self.nstring()?;
        self.want(b" ")?;
        self.nstring()?;
        for _ in 0..6 {
            self.want(b" ")?;
            self.addresses()?;
        }
        self.want(b" ")?;
        self.nstring()?;
        self.want(b" ")?;
        self.nstring()?;
        self.want(b")")
    }

    fn addresses(&mut self) -> Checked {
        if self.has(b"NIL") {
            return Ok(());
        }
        self.want(b"(")?;
        loop {
            for opening in [b"(", b" ", b" ", b" "] {
                self.want(opening)?;
                self.nstring()?;
            }
            self.want(b")")?;
            if self.has(b")") {
                return Ok(());
            }
        }
    }

    fn body(&mut self, form: BodyForm) -> Checked {
        self.want(b"(")?;
        if self.rest().starts_with(b"(") {
            while self.rest().starts_with(b"(") {
                self.body(form)?;
            }
            self.want(b" ")?;
            self.string()?;
            if form == BodyForm::BodyStructure {
                self.want(b" ")?;
                self.params()?;
                self.extension()?;
            }
            return self.want(b")");
        }
        let kind = self.string()?.to_ascii_lowercase();
        self.want(b" ")?;
        let subtype = self.string()?.to_ascii_lowercase();
        self.want(b" ")?;
        self.params()?;
        for _ in 0..2 {
            self.want(b" ")?;
            self.nstring()?;
        }
        self.want(b" ")?;
        self.string()?;
        self.want(b" ")?;
        self.number()?;
        let is_message = kind == b"message" && (subtype == b"rfc822" || subtype == b"global");
        if is_message {
            self.want(b" ")?;
            self.envelope()?;
            self.want(b" ")?;
            self.body(form)?;
        }
        if is_message || kind == b"text" {
            self.want(b" ")?;
            self.number()?;
        }
        if form == BodyForm::BodyStructure {
            self.want(b" ")?;
            self.nstring()?;
            self.extension()?;
        }
        self.want(b")")
    }

    fn params(&mut self) -> Checked {
        if self.has(b"NIL") {
            return Ok(());
        }
        let count = self.strings()?;
        if count % 2 == 0 { Ok(()) } else { self.fail("pairs") }
    }

    fn strings(&mut self) -> Result<usize, String> {
        self.want(b"(")?;
        let mut count = 0;
        loop {
            self.string()?;
            count += 1;
            if self.has(b")") {
                return Ok(count);
            }
            self.want(b" ")?;
        }
    }

    /// Disposition, language, location.
    fn extension(&mut self) -> Checked {
        self.want(b" ")?;
        if !self.has(b"NIL") {
            self.want(b"(")?;
            self.string()?;
            self.want(b" ")?;
            self.params()?;
            self.want(b")")?;
        }
        self.want(b" ")?;
        if self.rest().starts_with(b"(") {
            self.strings().map(drop)?
        } else {
            self.nstring()?
        }
        self.want(b" ")?;
        self.nstring()
    }
}
