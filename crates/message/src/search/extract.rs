//! From the bytes of a piece of a message to its text, chunk by chunk: headers decoded field by field, bodies through
//! their transfer encoding, charset and, for HTML, markup.

use memchr::memchr;

use yubin_types::limits::HEADER_FIELD_BYTES_MAX;

use super::html::HtmlText;
use crate::charset::CharsetDecoder;
use crate::encoded_word::decode_header;
use crate::header::{HeaderField, HeaderFields};
use crate::mime::{ContentType, Disposition, TransferEncoding};
use crate::param_text::param_texts;
use crate::transfer::TransferDecoder;
use crate::tree::Part;

/// An extraction in progress.
#[derive(Debug)]
pub struct TextExtractor {
    state: State,
}

#[derive(Debug)]
enum State {
    Header(HeaderText),
    Body(Box<BodyText>),
}

impl TextExtractor {
    /// For the header of a message or part: of all fields the name and value, or of the named ones the value.
    pub fn header(only: Option<&str>) -> Self {
        TextExtractor { state: State::Header(HeaderText { only: only.map(str::to_owned), pending: Vec::new() }) }
    }

    /// For the body of a part.
    pub fn body(part: &Part) -> Self {
        let charset = part.mime.content_type.as_ref().and_then(|it| it.param("charset"));
        TextExtractor {
            state: State::Body(Box::new(BodyText {
                transfer: TransferDecoder::new(part.mime.transfer_encoding()),
                bytes: Vec::new(),
                charset: CharsetDecoder::new(charset.map(|it| &it[..])),
                text: String::new(),
                html: part.mime.content_type.as_ref().is_some_and(|it| it.is("text", "html")).then(HtmlText::default),
            })),
        }
    }

    /// Takes in the next bytes and appends their text to `out`.
    pub fn feed(&mut self, chunk: &[u8], out: &mut String) {
        match &mut self.state {
            State::Header(header) => header.feed(chunk, out),
            State::Body(body) => body.feed(chunk, out),
        }
    }

    /// Ends the piece.
    pub fn finish(&mut self, out: &mut String) {
        match &mut self.state {
            State::Header(header) => header.field(out),
            State::Body(body) => body.finish(out),
        }
    }
}

#[derive(Debug)]
struct HeaderText {
    only: Option<String>,
    /// The field being read, with its line ends, as far as it is kept.
    pending: Vec<u8>,
}

impl HeaderText {
    fn feed(&mut self, mut chunk: &[u8], out: &mut String) {
        while let Some(&first) = chunk.first() {
            if self.pending.ends_with(b"\n") && !matches!(first, b' ' | b'\t') {
                self.field(out);
            }
            let (line, rest) =
                chunk.split_at_checked(memchr(b'\n', chunk).map_or(chunk.len(), |at| at + 1)).unwrap_or((chunk, b""));
            let room = HEADER_FIELD_BYTES_MAX.saturating_sub(self.pending.len()).max(1).min(line.len());
            self.pending.extend_from_slice(line.get(..room).unwrap_or_default());
            if line.ends_with(b"\n") && !self.pending.ends_with(b"\n") {
                self.pending.push(b'\n');
            }
            chunk = rest;
        }
    }

    /// A field is complete.
    fn field(&mut self, out: &mut String) {
        for field in HeaderFields::new(&self.pending) {
            match &self.only {
                Some(name) if !field.is(name) => continue,
                Some(_) => {}
                None => {
                    out.push_str(&String::from_utf8_lossy(field.name));
                    out.push_str(": ");
                }
            }
            out.push_str(&decode_header(field.body));
            out.push('\n');
            if self.only.is_none() {
                file_names(&field, out);
            }
        }
        self.pending.clear();
    }
}

/// The parameters of a Content field whose text is not plain in the field itself (RFC 2231).
fn file_names(field: &HeaderField<'_>, out: &mut String) {
    let params = match field {
        _ if memchr(b'*', field.body).is_none() => return,
        _ if field.is("Content-Disposition") => Disposition::parse(field.body).map(|it| it.params),
        _ if field.is("Content-Type") => ContentType::parse(field.body).map(|it| it.params),
        _ => return,
    };
    for (_, text) in param_texts(&params.unwrap_or_default()) {
        out.push_str(&text);
        out.push('\n');
    }
}

#[derive(Debug)]
struct BodyText {
    transfer: TransferDecoder,
    bytes: Vec<u8>,
    charset: CharsetDecoder,
    text: String,
    html: Option<HtmlText>,
}

impl BodyText {
    fn feed(&mut self, chunk: &[u8], out: &mut String) {
        self.transfer.feed(chunk, &mut self.bytes);
        self.pass_on(out);
    }

    fn finish(&mut self, out: &mut String) {
        self.transfer.finish(&mut self.bytes);
        self.charset.feed(&self.bytes, &mut self.text);
        self.bytes.clear();
        self.charset.finish(&mut self.text);
        self.pass_on(out);
        if let Some(html) = &mut self.html {
            html.finish(out);
        }
    }

    fn pass_on(&mut self, out: &mut String) {
        self.charset.feed(&self.bytes, &mut self.text);
        self.bytes.clear();
        match &mut self.html {
            Some(html) => html.feed(&self.text, out),
            None => out.push_str(&self.text),
        }
        self.text.clear();
    }
}

/// Whether a part has text that searching reads.
pub(super) fn has_text(part: &Part) -> bool {
    let (kind, _) = part.media_type();
    let is_text = part.is_text() || kind.eq_ignore_ascii_case(b"message");
    is_text && part.mime.transfer_encoding() != TransferEncoding::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    fn body(message: &[u8], size: usize) -> String {
        let tree = scan(message);
        let start = usize::try_from(tree.root().body).expect("offset");
        run(TextExtractor::body(tree.root()), &message[start..], size)
    }

    fn run(mut extractor: TextExtractor, bytes: &[u8], size: usize) -> String {
        let mut out = String::new();
        bytes.chunks(size).for_each(|chunk| extractor.feed(chunk, &mut out));
        extractor.finish(&mut out);
        out
    }

    #[test]
    fn bodies() {
        let table: &[(&[u8], &str)] = &[
            (b"\r\nplain", "plain"),
            (b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B;3ED\x1b(B", "山田"),
            (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n5bGx\r\n55Sw\r\n", "山田"),
            (b"Content-Type: text/html; charset=shift_jis\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<b>=8E=\r\nR</b>=93c&amp;", "山田&"),
            (b"\r\n\x8eR\x93c", "山田"),
        ];
        for (message, want) in table {
            for size in 1..=message.len() {
                assert_eq!(&body(message, size), want, "{} by {size}", String::from_utf8_lossy(message));
            }
        }
    }

    #[test]
    fn headers() {
        let header = b"Subject: =?utf-8?b?5bGx?=\r\n =?utf-8?b?55Sw?=\r\nTo: a\nX: \x8eR\x93c\r\n\r\n";
        for size in 1..=header.len() {
            assert_eq!(run(TextExtractor::header(None), header, size), "Subject: 山田\nTo: a\nX: 山田\n");
            assert_eq!(run(TextExtractor::header(Some("SUBJECT")), header, size), "山田\n");
            assert_eq!(run(TextExtractor::header(Some("none")), header, size), "");
        }
    }

    #[test]
    fn a_field_without_end_is_not_held() {
        let mut extractor = TextExtractor::header(None);
        let mut out = String::new();
        extractor.feed(b"X: ", &mut out);
        for _ in 0..1_000 {
            extractor.feed(&[b'x'; 1_000], &mut out);
            extractor.feed(b"\r\n ", &mut out);
        }
        extractor.finish(&mut out);
        assert!(out.len() <= HEADER_FIELD_BYTES_MAX + 2_000, "{}", out.len());
    }
}
