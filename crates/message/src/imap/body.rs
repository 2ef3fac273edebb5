//! Writes BODY and BODYSTRUCTURE.
//!
//! Parts come in the order of the message; a stack of at most the tree's depth holds the ones still open. A message/global is shown as any
//! other leaf: to IMAP4rev1 message/rfc822 alone has an ENVELOPE and a body there (RFC 3501 §9, body-type-msg).

use bytes::{BufMut, Bytes};

use super::envelope::write_envelope;
use super::string::{Utf8, write_nstring, write_string};
use crate::envelope::Envelope;
use crate::mime::Param;
use crate::tree::{Part, PartKind, PartTree};

/// Which form is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// BODY: without extension data.
    Body,
    /// BODYSTRUCTURE: with MD5, disposition, language and location.
    BodyStructure,
}

/// Writes the parenthesised body structure of a message.
///
/// ```
/// use yubin_message::{imap, scan};
/// let mut out = Vec::new();
/// imap::write_body(&mut out, &scan(b"Subject: hi\r\n\r\nhello\r\n"), imap::BodyForm::Body, imap::Utf8::No);
/// assert_eq!(out, br#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 7 1)"#);
/// ```
pub fn write_body(out: &mut impl BufMut, tree: &PartTree, form: BodyForm, utf8: Utf8) {
    let mut writer = Writer { out, form, utf8 };
    let mut open: Vec<(usize, &Part)> = Vec::new();
    let mut hidden_until = 0;
    for (index, part) in tree.parts().iter().enumerate() {
        if index < hidden_until {
            continue;
        }
        while let Some((_, done)) = open.pop_if(|(end, _)| *end <= index) {
            writer.close(done);
        }
        let inner = tree.get(index + 1).and_then(|it| it.envelope.as_deref());
        writer.open(part, inner);
        let end = usize::try_from(part.subtree_end).unwrap_or(usize::MAX);
        open.push((end, part));
        if part.kind == PartKind::Message && !shows_message(part) {
            hidden_until = end;
        }
    }
    while let Some((_, done)) = open.pop() {
        writer.close(done);
    }
}

/// Is its ENVELOPE shown, and what is in it?
fn shows_message(part: &Part) -> bool {
    part.kind == PartKind::Message && part.media_type().1.eq_ignore_ascii_case(b"rfc822")
}

struct Writer<'a, B> {
    out: &'a mut B,
    form: BodyForm,
    utf8: Utf8,
}

impl<B: BufMut> Writer<'_, B> {
    /// What stands before the children; `inner` is the ENVELOPE of the message in a message/rfc822 part.
    fn open(&mut self, part: &Part, inner: Option<&Envelope>) {
        self.out.put_u8(b'(');
        if part.kind == PartKind::Multipart {
            return;
        }
        let (kind, subtype) = part.media_type();
        self.string(kind);
        self.space();
        self.string(subtype);
        self.space();
        match &part.mime.content_type {
            Some(content_type) => self.params(&content_type.params),
            None => self.out.put_slice(b"(\"charset\" \"us-ascii\")"),
        }
        self.space();
        self.nstring(part.mime.id.as_ref());
        self.space();
        self.nstring(part.mime.description.as_ref());
        self.space();
        self.string(part.mime.encoding.as_deref().unwrap_or(b"7bit"));
        self.number(part.body_bytes());
        if shows_message(part) {
            self.space();
            write_envelope(self.out, inner.unwrap_or(&Envelope::EMPTY), self.utf8);
            self.space();
        }
    }

    /// What stands behind the children.
    fn close(&mut self, part: &Part) {
        if part.kind == PartKind::Multipart {
            self.space();
            self.string(part.media_type().1);
        } else if shows_message(part) || part.is_text() {
            self.number(part.lines);
        }
        if self.form == BodyForm::BodyStructure {
            self.extension(part);
        }
        self.out.put_u8(b')');
    }

    fn extension(&mut self, part: &Part) {
        self.space();
        match (&part.kind, &part.mime.content_type) {
            (PartKind::Multipart, content_type) => self.params(content_type.as_ref().map_or(&[], |it| &it.params)),
            _ => self.nstring(part.mime.md5.as_ref()),
        }
        self.space();
        match &part.mime.disposition {
            Some(disposition) => {
                self.out.put_u8(b'(');
                self.string(&disposition.kind);
                self.space();
                self.params(&disposition.params);
                self.out.put_u8(b')');
            }
            None => self.nil(),
        }
        self.space();
        match part.mime.language.as_slice() {
            [] => self.nil(),
            [one] => self.string(one),
            several => self.list(several.iter()),
        }
        self.space();
        self.nstring(part.mime.location.as_ref());
    }

    fn params(&mut self, params: &[Param]) {
        if params.is_empty() {
            return self.nil();
        }
        self.list(params.iter().flat_map(|param| [&param.name, &param.value]));
    }

    fn list<'a>(&mut self, strings: impl Iterator<Item = &'a Bytes>) {
        let mut before = b'(';
        for text in strings {
            self.out.put_u8(before);
            before = b' ';
            self.string(text);
        }
        self.out.put_u8(b')');
    }

    fn string(&mut self, text: &[u8]) {
        write_string(self.out, text, self.utf8);
    }

    fn nstring(&mut self, text: Option<&Bytes>) {
        write_nstring(self.out, text.map(|it| &it[..]), self.utf8);
    }

    fn number(&mut self, number: u64) {
        self.out.put_slice(format!(" {number}").as_bytes());
    }

    fn nil(&mut self) {
        self.out.put_slice(b"NIL");
    }

    fn space(&mut self) {
        self.out.put_u8(b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    fn show(message: &str, form: BodyForm) -> String {
        let mut out = Vec::new();
        write_body(&mut out, &scan(message.replace('\n', "\r\n").as_bytes()), form, Utf8::No);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn single_parts() {
        let plain = "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\na\nb\n";
        assert_eq!(show(plain, BodyForm::Body), r#"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7bit" 6 2)"#);
        assert_eq!(
            show(plain, BodyForm::BodyStructure),
            r#"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7bit" 6 2 NIL NIL NIL NIL)"#
        );
        let image = "Content-Type: image/gif\nContent-Transfer-Encoding: BASE64\nContent-ID: <1@x>\nContent-Description: a \"b\"\nContent-MD5: Q2hl\n\
            Content-Disposition: attachment; filename=\"a b.gif\"\nContent-Language: en, ja\nContent-Location: http://x/\n\nAAAA\n";
        let want = r#"("image" "gif" NIL "<1@x>" "a \"b\"" "BASE64" 6 "Q2hl" ("attachment" ("filename" "a b.gif")) ("en" "ja") "http://x/")"#;
        assert_eq!(show(image, BodyForm::BodyStructure), want);
        let inline = "Content-Disposition: inline\nContent-Language: de\n\n";
        assert_eq!(
            show(inline, BodyForm::BodyStructure),
            r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL ("inline" NIL) "de" NIL)"#
        );
    }

    #[test]
    fn parts_in_parts() {
        let message = "Content-Type: multipart/mixed; boundary=a\nContent-Language: en\n\n--a\n\nx\n\
            --a\nContent-Type: message/rfc822\nContent-Description: d\n\nSubject: s\nContent-Type: multipart/alternative; boundary=b\n\n\
            --b\nContent-Type: text/html\n\n<p>\n--b--\n--a\nContent-Type: image/png\n\n--a--\n";
        let text = r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0"#;
        let envelope = r#"(NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL)"#;
        let html = r#"("text" "html" NIL NIL NIL "7bit" 3 0"#;
        let png = r#"("image" "png" NIL NIL NIL "7bit" 0"#;
        let want = format!(
            r#"({text})("message" "rfc822" NIL NIL "d" "7bit" 105 {envelope} ({html}) "alternative") 7){png}) "mixed")"#
        );
        assert_eq!(show(message, BodyForm::Body), want);
        let ext = "NIL NIL NIL NIL";
        let want = format!(
            r#"({text} {ext})("message" "rfc822" NIL NIL "d" "7bit" 105 {envelope} ({html} {ext}) "alternative" ("boundary" "b") NIL NIL NIL) 7 {ext}){png} {ext}) "mixed" ("boundary" "a") NIL "en" NIL)"#
        );
        assert_eq!(show(message, BodyForm::BodyStructure), want);
    }

    #[test]
    fn a_message_of_another_kind_is_a_leaf() {
        let message = "Content-Type: multipart/digest; boundary=a\n\n--a\nContent-Type: message/global\n\nSubject: s\n\nhi\n\
            --a\nContent-Type: text/plain\n\n--a--\n";
        let want = r#"(("message" "global" NIL NIL NIL "7bit" 16)("text" "plain" NIL NIL NIL "7bit" 0 0) "digest")"#;
        assert_eq!(show(message, BodyForm::Body), want);
    }

    #[test]
    fn a_message_that_is_a_message() {
        let want = r#"("message" "rfc822" NIL NIL NIL "7bit" 18 (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 4 1) 3)"#;
        assert_eq!(show("Content-Type: message/rfc822\n\nSubject: s\n\nhi\n", BodyForm::Body), want);
    }
}
