//! The MIME fields of a part: Content-Type, Content-Disposition and their kin (RFC 2045, 2183, 3282, 2557).
//!
//! Values stay as they were sent: RFC 2231 continuations and charset marks are parameters like any other here, because
//! BODYSTRUCTURE shows them so. Reading is tolerant: a media type that can't be read is no media type, which
//! RFC 2045 §5.2 makes text/plain. At most [`MIME_PARAMS_MAX`] parameters and [`MIME_LANGUAGES_MAX`] languages are kept.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::lex::{Cursor, is_space, is_token, trim, unfold};
use yubin_types::limits::{MIME_LANGUAGES_MAX, MIME_PARAMS_MAX};

/// A media type with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentType {
    /// Top-level type, as sent.
    pub kind: Bytes,
    /// Subtype, as sent.
    pub subtype: Bytes,
    /// Parameters in their order.
    pub params: Vec<Param>,
}

/// A Content-Disposition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disposition {
    /// `inline`, `attachment` or another, as sent.
    pub kind: Bytes,
    /// Parameters in their order.
    pub params: Vec<Param>,
}

/// One parameter; quoting removed, RFC 2231 marks kept in name and value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// Attribute, as sent.
    pub name: Bytes,
    /// Value.
    pub value: Bytes,
}

/// What the Content fields of a part say; a missing field is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mime {
    /// Content-Type; `None` means text/plain; charset=us-ascii (RFC 2045 §5.2).
    pub content_type: Option<ContentType>,
    /// Content-Transfer-Encoding, as sent.
    pub encoding: Option<Bytes>,
    /// Content-ID, with its angle brackets.
    pub id: Option<Bytes>,
    /// Content-Description, RFC 2047 words undecoded.
    pub description: Option<Bytes>,
    /// Content-MD5.
    pub md5: Option<Bytes>,
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// Content-Language tags.
    pub language: Vec<Bytes>,
    /// Content-Location.
    pub location: Option<Bytes>,
}

/// What a Content-Transfer-Encoding means (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEncoding {
    /// 7bit, 8bit, binary, or no field: the bytes are the content.
    Identity,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
    /// Anything else; RFC 2045 §6.4 has it treated as opaque.
    Unknown,
}

impl ContentType {
    /// A type without parameters.
    pub(crate) fn plain(kind: &'static str, subtype: &'static str) -> Self {
        ContentType {
            kind: Bytes::from_static(kind.as_bytes()),
            subtype: Bytes::from_static(subtype.as_bytes()),
            params: Vec::new(),
        }
    }

    /// Reads the body of a Content-Type field; `None` if it has no type.
    pub fn parse(field_body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(field_body);
        cursor.skip_cfws();
        let kind = cursor.take_while(is_token);
        cursor.skip_cfws();
        let slash = cursor.eat(b'/');
        cursor.skip_cfws();
        let subtype = cursor.take_while(|byte| is_token(byte) || byte == b'/');
        if kind.is_empty() {
            return None;
        }
        // Old mailers send `Content-Type: text`; nothing but text has an obvious subtype.
        let subtype = match (slash, subtype) {
            (true, [_, ..]) => Bytes::copy_from_slice(subtype),
            _ if kind.eq_ignore_ascii_case(b"text") => Bytes::from_static(b"plain"),
            _ => return None,
        };
        Some(ContentType { kind: Bytes::copy_from_slice(kind), subtype, params: params(&mut cursor) })
    }

    /// Whether this is `kind/subtype`, in any case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.is_kind(kind) && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// Whether the top-level type is `kind`, in any case.
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
    }

    /// The first parameter of that name.
    pub fn param(&self, name: &str) -> Option<&Bytes> {
        self.params.iter().find(|param| param.name.eq_ignore_ascii_case(name.as_bytes())).map(|param| &param.value)
    }
}

impl Disposition {
    /// Reads the body of a Content-Disposition field; `None` if it is empty.
    pub fn parse(field_body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(field_body);
        cursor.skip_cfws();
        let kind = cursor.take_while(is_token);
        (!kind.is_empty()).then(|| Disposition { kind: Bytes::copy_from_slice(kind), params: params(&mut cursor) })
    }
}

impl TransferEncoding {
    /// What the token of a Content-Transfer-Encoding field means.
    pub fn from_token(token: &[u8]) -> Self {
        let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
        match token {
            _ if is("7bit") || is("8bit") || is("binary") => TransferEncoding::Identity,
            _ if is("base64") => TransferEncoding::Base64,
            _ if is("quoted-printable") => TransferEncoding::QuotedPrintable,
            _ => TransferEncoding::Unknown,
        }
    }
}

impl Mime {
    /// No fields.
    pub const EMPTY: Mime = Mime {
        content_type: None,
        encoding: None,
        id: None,
        description: None,
        md5: None,
        disposition: None,
        language: Vec::new(),
        location: None,
    };

    /// What the transfer encoding means.
    pub fn transfer_encoding(&self) -> TransferEncoding {
        self.encoding.as_ref().map_or(TransferEncoding::Identity, |token| TransferEncoding::from_token(token))
    }

    /// Takes in the field `Content-{name}`, `name` in lower case; the first of several wins.
    /// Returns whether it was one that is kept, and was there before.
    pub(crate) fn take_field(&mut self, name: &[u8], body: &[u8]) -> Option<Seen> {
        match name {
            b"type" => first(&mut self.content_type, ContentType::parse(body)),
            b"transfer-encoding" => first(&mut self.encoding, encoding(body)),
            b"id" => first(&mut self.id, text(body)),
            b"description" => first(&mut self.description, text(body)),
            b"md5" => first(&mut self.md5, text(body)),
            b"disposition" => first(&mut self.disposition, Disposition::parse(body)),
            b"location" => first(&mut self.location, text(body).map(without_space)),
            b"language" => {
                if self.language.is_empty() {
                    self.language = languages(body);
                }
                Some(Seen::First)
            }
            _ => None,
        }
    }

    /// How many items beside plain strings are held.
    pub(crate) fn item_count(&self) -> usize {
        let params = self.content_type.as_ref().map_or(0, |it| it.params.len())
            + self.disposition.as_ref().map_or(0, |it| it.params.len());
        params + self.language.len()
    }
}

/// Whether a field came for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    First,
    Again,
}

fn first<T>(slot: &mut Option<T>, value: Option<T>) -> Option<Seen> {
    if slot.is_some() {
        return Some(Seen::Again);
    }
    *slot = value;
    Some(Seen::First)
}

/// The body of an unstructured field; `None` if empty.
fn text(body: &[u8]) -> Option<Bytes> {
    let text = unfold(body);
    (!text.is_empty()).then(|| text.into())
}

/// RFC 2557 §4.2: a folded URI is put together by leaving its white space out.
fn without_space(text: Bytes) -> Bytes {
    text.iter().copied().filter(|&byte| !is_space(byte)).collect()
}

fn encoding(body: &[u8]) -> Option<Bytes> {
    let mut cursor = Cursor::new(body);
    cursor.skip_cfws();
    let token = cursor.take_while(is_token);
    (!token.is_empty()).then(|| Bytes::copy_from_slice(token))
}

fn languages(body: &[u8]) -> Vec<Bytes> {
    let mut cursor = Cursor::new(body);
    let mut tags = Vec::new();
    while !cursor.is_empty() && tags.len() < MIME_LANGUAGES_MAX {
        cursor.skip_cfws();
        let tag = cursor.take_while(is_token);
        if tag.is_empty() {
            cursor.bump();
        } else {
            tags.push(Bytes::copy_from_slice(tag));
        }
    }
    tags
}

/// `*( ";" attribute "=" value )`, with whatever stands between.
fn params(cursor: &mut Cursor<'_>) -> Vec<Param> {
    let mut params = Vec::new();
    loop {
        skip_to_semicolon(cursor);
        if cursor.is_empty() || params.len() >= MIME_PARAMS_MAX {
            return params;
        }
        cursor.skip_cfws();
        let name = cursor.take_while(is_token);
        cursor.skip_cfws();
        if name.is_empty() || !cursor.eat(b'=') {
            continue;
        }
        let value = value(cursor);
        params.push(Param { name: Bytes::copy_from_slice(name), value });
    }
}

/// Consumes up to and including the next semicolon, or everything.
fn skip_to_semicolon(cursor: &mut Cursor<'_>) {
    loop {
        cursor.skip_cfws();
        match cursor.bump() {
            Some(b';') | None => return,
            Some(b'"') => drop(cursor.quoted_body()),
            Some(_) => {}
        }
    }
}

/// A quoted string or token. A value that should have been quoted (`name=a b.pdf`) runs to the semicolon.
fn value(cursor: &mut Cursor<'_>) -> Bytes {
    cursor.skip_cfws();
    if cursor.eat(b'"') {
        return cursor.quoted_body().into();
    }
    let start = cursor.rest();
    let token = cursor.take_while(|byte| !is_space(byte) && !matches!(byte, b';' | b'(' | b'"'));
    cursor.skip_cfws();
    if cursor.is_empty() || cursor.peek() == Some(b';') {
        return token.iter().copied().filter(|&byte| byte != 0).collect();
    }
    cursor.take_while(|byte| byte != b';');
    let length = start.len() - cursor.rest().len();
    unfold(trim(start.get(..length).unwrap_or_default())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(input: &[u8]) -> String {
        let Some(it) = ContentType::parse(input) else { return "none".to_owned() };
        let mut text = format!("{}/{}", String::from_utf8_lossy(&it.kind), String::from_utf8_lossy(&it.subtype));
        for param in &it.params {
            text += &format!(" {}=[{}]", String::from_utf8_lossy(&param.name), String::from_utf8_lossy(&param.value));
        }
        text
    }

    #[test]
    fn content_types_as_they_come() {
        let table: &[(&[u8], &str)] = &[
            (b" text/plain; charset=us-ascii", "text/plain charset=[us-ascii]"),
            (b"text/plain; charset=us-ascii (Plain text)", "text/plain charset=[us-ascii]"),
            (b"Multipart/Mixed;\r\n\tboundary=\"a;b \\\"c\\\"\"", "Multipart/Mixed boundary=[a;b \"c\"]"),
            (b"multipart/mixed; boundary=----=_Part_1.2", "multipart/mixed boundary=[----=_Part_1.2]"),
            (b"text", "text/plain"),
            (b"text; charset=x", "text/plain charset=[x]"),
            (b"image", "none"),
            (b"", "none"),
            (b"/plain", "none"),
            (b"(c)text(c)/(c)html(c);(c)charset(c)=(c)\"utf-8\"(c)", "text/html charset=[utf-8]"),
            (b"application/pdf; name=my file.pdf; x=1", "application/pdf name=[my file.pdf] x=[1]"),
            (b"application/x;;; =; a; b=; c=\"\";", "application/x b=[] c=[]"),
            (b"a/b; name*0*=utf-8''%E5; name*1=x", "a/b name*0*=[utf-8''%E5] name*1=[x]"),
            (b"a/b; name=\"unterminated", "a/b name=[unterminated]"),
            (b"a/b charset=x; y=z", "a/b y=[z]"),
            (b"text/html; charset=utf-8; charset=x", "text/html charset=[utf-8] charset=[x]"),
        ];
        for (input, want) in table {
            assert_eq!(&show(input), want, "{}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn a_flood_of_parameters_is_cut() {
        let mut flood = b"a/b".to_vec();
        for n in 0..100_000 {
            flood.extend(format!(";n*{n}=x").bytes());
        }
        assert_eq!(ContentType::parse(&flood).map(|it| it.params.len()), Some(MIME_PARAMS_MAX));
    }

    #[test]
    fn other_fields() {
        let mut mime = Mime::default();
        for (name, body) in [
            ("transfer-encoding", "(x) Base64 "),
            ("id", " <a@b>\r\n"),
            ("language", "en, ja (Japanese),,fr"),
            ("location", "http://a/\r\n b"),
            ("disposition", "attachment; filename=x"),
        ] {
            assert_eq!(mime.take_field(name.as_bytes(), body.as_bytes()), Some(Seen::First));
        }
        assert_eq!(mime.take_field(b"transfer-encoding", b"7bit"), Some(Seen::Again));
        assert_eq!(mime.take_field(b"other", b"7bit"), None);
        assert_eq!(mime.transfer_encoding(), TransferEncoding::Base64);
        assert_eq!(mime.id.as_deref(), Some(&b"<a@b>"[..]));
        assert_eq!(mime.language, [&b"en"[..], b"ja", b"fr"]);
        assert_eq!(mime.location.as_deref(), Some(&b"http://a/b"[..]));
        assert_eq!(mime.disposition.map(|it| it.kind), Some(Bytes::from_static(b"attachment")));
    }
}
