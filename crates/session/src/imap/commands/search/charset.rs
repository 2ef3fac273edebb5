//! SEARCH's CHARSET: search text becomes UTF-8 here, so that the store knows one charset.

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};

use crate::imap::command::{Completion, Reject};
use crate::imap::parser::Parsed;

/// How search text is written. UTF-8 where none is named, which takes US-ASCII in.
#[derive(Clone, Copy, Debug)]
pub(in crate::imap::commands) struct Charset(&'static Encoding);

impl Default for Charset {
    fn default() -> Self {
        Charset(UTF_8)
    }
}

impl Charset {
    /// The charset of this name, such as `ISO-2022-JP` or `Shift_JIS`.
    pub(in crate::imap::commands) fn find(name: &[u8]) -> Parsed<Charset> {
        let known = match name {
            // Encoding takes this name for Windows-1252.
            name if name.eq_ignore_ascii_case(b"US-ASCII") => Some(UTF_8),
            name => Encoding::for_label(name),
        };
        let usable = known.filter(|&encoding| ![REPLACEMENT, UTF_16BE, UTF_16LE].contains(&encoding));
        usable.map(Charset).ok_or_else(|| {
            let code = "BADCHARSET (US-ASCII UTF-8 ISO-2022-JP SHIFT_JIS EUC-JP ISO-8859-1)".to_owned();
            Reject::Refused(Completion::no(None, "Charset not supported").with_code(code))
        })
    }

    /// The text in UTF-8.
    pub(super) fn decode(self, text: &[u8]) -> Parsed<String> {
        let decoded = self.0.decode_without_bom_handling_and_without_replacement(text);
        decoded.map(|text| text.into_owned()).ok_or(Reject::Bad("Text is not in its charset"))
    }
}

#[cfg(test)]
mod tests {
    use super::Charset;

    #[test]
    fn japanese_is_read_in_each_of_its_charsets() {
        for (name, octets) in [
            ("utf-8", "日本".as_bytes()),
            ("ISO-2022-JP", b"\x1b$BF|K\\\x1b(B" as &[u8]),
            ("Shift_JIS", b"\x93\xfa\x96\x7b"),
            ("EUC-JP", b"\xc6\xfc\xcb\xdc"),
        ] {
            assert_eq!(Charset::find(name.as_bytes()).unwrap().decode(octets).unwrap(), "日本", "{name}");
        }
        assert!(Charset::find(b"UTF-16").is_err());
        assert!(Charset::find(b"x-unknown").is_err());
        assert!(Charset::default().decode(b"\xff").is_err());
    }
}
