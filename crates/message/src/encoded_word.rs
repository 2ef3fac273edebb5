//! RFC 2047 encoded words to text, and text to encoded words.
//!
//! Words that follow each other with nothing but white space between are joined, and if they share charset and
//! encoding their bytes are joined before decoding: mailers split ISO-2022-JP and UTF-8 between the bytes of a
//! character. Tolerant: words inside quoted strings or glued to other text are decoded too. Raw 8-bit text between
//! words has its charset guessed. Linear: a word is looked for only up to the next question mark.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::{memchr, memmem};

use crate::charset::decode_text;
use crate::lex::{is_space, unfold};
use crate::mime::TransferEncoding;
use crate::transfer::{TransferDecoder, hex};

/// The text of a header field body: unfolded, its encoded words decoded.
///
/// ```
/// let text = yubin_message::decode_header(b"Re: =?ISO-2022-JP?B?GyRCOzMbKEI=?=\r\n =?ISO-2022-JP?B?GyRCRUQbKEI=?=");
/// assert_eq!(text, "Re: 山田");
/// ```
pub fn decode_header(field_body: &[u8]) -> String {
    let line = unfold(field_body);
    let mut text = String::with_capacity(line.len());
    let mut joined = Joined::default();
    let mut rest = line.as_slice();
    while let Some((plain, word, after)) = next_word(rest) {
        let between_words = joined.is_open() && plain.iter().all(|&byte| is_space(byte));
        if !between_words {
            joined.flush(&mut text);
            text.push_str(&decode_text(None, plain));
        }
        joined.add(&word, &mut text);
        rest = after;
    }
    joined.flush(&mut text);
    text.push_str(&decode_text(None, rest));
    text
}

/// Bytes of text in one encoded word: with its charset it stays within 75 characters (RFC 2047 §2), and within a folded line.
const WORD_TEXT_BYTES_MAX: usize = 39;

/// A text as the body of an unstructured field: as it is if it is plain ASCII, else as UTF-8 words that end between characters. Line ends
/// and other control characters become spaces.
pub(crate) fn encode_words(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.is_ascii() && !text.contains("=?") {
        return text;
    }
    let mut words = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_TEXT_BYTES_MAX));
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    words.join(" ")
}

/// An encoded word, undecoded.
struct Word<'a> {
    charset: &'a [u8],
    encoding: TransferEncoding,
    text: &'a [u8],
}

/// Bytes of words that belong together.
#[derive(Default)]
struct Joined {
    charset: Option<Vec<u8>>,
    bytes: Vec<u8>,
}

impl Joined {
    fn is_open(&self) -> bool {
        self.charset.is_some()
    }

    fn add(&mut self, word: &Word<'_>, text: &mut String) {
        if self.charset.as_ref().is_none_or(|charset| !charset.eq_ignore_ascii_case(word.charset)) {
            self.flush(text);
            self.charset = Some(word.charset.to_vec());
        }
        if word.encoding == TransferEncoding::Base64 {
            TransferDecoder::new(word.encoding).feed(word.text, &mut self.bytes);
        } else {
            decode_q(word.text, &mut self.bytes);
        }
    }

    fn flush(&mut self, text: &mut String) {
        if let Some(charset) = self.charset.take() {
            text.push_str(&decode_text(Some(&charset), &self.bytes));
            self.bytes.clear();
        }
    }
}

/// The text before the next encoded word, the word, and what follows it.
fn next_word(line: &[u8]) -> Option<(&[u8], Word<'_>, &[u8])> {
    for start in memmem::find_iter(line, b"=?") {
        let (plain, from) = line.split_at_checked(start)?;
        if let Some((word, after)) = from.get(2..).and_then(parse_word) {
            return Some((plain, word, after));
        }
    }
    None
}

/// `charset?encoding?text?=`
fn parse_word(from: &[u8]) -> Option<(Word<'_>, &[u8])> {
    let (charset, from) = from.split_at_checked(memchr(b'?', from)?)?;
    let [_, encoding, b'?', from @ ..] = from else { return None };
    let (text, from) = from.split_at_checked(memchr(b'?', from)?)?;
    let after = from.strip_prefix(b"?=")?;
    let encoding = match encoding {
        b'b' | b'B' => TransferEncoding::Base64,
        b'q' | b'Q' => TransferEncoding::QuotedPrintable,
        _ => return None,
    };
    let is_name = !charset.is_empty() && charset.iter().all(|&byte| byte.is_ascii_graphic());
    is_name.then_some((Word { charset, encoding, text }, after))
}

/// The Q encoding (RFC 2047 §4.2).
fn decode_q(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'_', _) => out.push(b' '),
            (b'=', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_they_come() {
        let table: &[(&[u8], &str)] = &[
            (b"plain text", "plain text"),
            (b"=?utf-8?q?caf=C3=A9_x?=", "café x"),
            (b"=?UTF-8?B?5bGx?= =?UTF-8?B?55Sw?=", "山田"),
            // A character split between two words; between the words a fold.
            (b"=?utf-8?b?5bE=?=\r\n =?utf-8?b?seeUsA==?=", "山田"),
            // ISO-2022-JP in chunks, the second without its own escape.
            (b"=?iso-2022-jp?b?GyRCOzM=?= =?iso-2022-jp?b?RUQbKEI=?=", "山田"),
            (b"=?iso-2022-jp?Q?=1B$B;3=1B(B?= and =?us-ascii?q?more?=", "山 and more"),
            (b"=?iso-8859-1?q?a?= =?utf-8?q?b?= c", "ab c"),
            (b"\"=?utf-8?q?x?=\" <a@b>", "\"x\" <a@b>"),
            (b"Re:=?utf-8?q?x?=y", "Re:xy"),
            (b"=?utf-8?q?x?y?=", "=?utf-8?q?x?y?="),
            (b"=?utf-8?x?a?= =?utf-8?q?b", "=?utf-8?x?a?= =?utf-8?q?b"),
            (b"=??q?a?=", "=??q?a?="),
            (b"=?utf-8*en?q?=x=4?=", "=x=4"),
            (b"\x8eR\x93c \x8e\x96", "山田 事"),
            (b"\xe5\xb1\xb1 =?utf-8?q?b?=", "山 b"),
            (b"", ""),
        ];
        for (body, want) in table {
            assert_eq!(&decode_header(body), want, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn floods_are_linear_enough_to_finish() {
        for piece in [&b"=?utf-8?q?x?= "[..], b"=?utf-8?q?x ", b"=?", b"=?a", b"?=", b"=?a?b?="] {
            let flood = piece.repeat(20_000);
            assert!(decode_header(&flood).len() <= flood.len());
        }
    }
}
