//! From a charset to UTF-8, chunk by chunk, for searching and display; stored mail is never converted.
//!
//! Decoding is that of the WHATWG Encoding Standard, which knows ISO-2022-JP with half-width kana and the vendor
//! characters of CP50221, Shift_JIS as Windows-31J, and EUC-JP. Japanese labels it lacks are aliases here. Where the
//! charset is missing, unknown, or US-ASCII with bytes that are not, it is guessed among ISO-2022-JP, UTF-8,
//! Shift_JIS and EUC-JP, and is windows-1252 if nothing fits. Never fails: what can't be decoded is U+FFFD.

use encoding_rs::{Decoder, EUC_JP, Encoding, ISO_2022_JP, SHIFT_JIS, UTF_8, WINDOWS_1252};

/// Bytes that are looked at to guess a charset.
const GUESS_BYTES: usize = 4_096;

/// A decoding in progress.
pub struct CharsetDecoder {
    state: State,
}

enum State {
    Known(Decoder, Escapes),
    /// ASCII has passed; from the first other byte on, what came.
    Guessing(Vec<u8>),
}

impl std::fmt::Debug for CharsetDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match &self.state {
            State::Known(decoder, _) => decoder.encoding().name(),
            State::Guessing(_) => "unknown",
        };
        f.debug_tuple("CharsetDecoder").field(&name).finish()
    }
}

impl CharsetDecoder {
    /// A decoder for what a charset parameter says, if there is one.
    pub fn new(label: Option<&[u8]>) -> Self {
        let known = label.and_then(encoding_for).map(State::known);
        CharsetDecoder { state: known.unwrap_or_else(|| State::Guessing(Vec::new())) }
    }

    /// Decodes the next bytes and appends the text to `out`.
    pub fn feed(&mut self, chunk: &[u8], out: &mut String) {
        match &mut self.state {
            State::Known(decoder, escapes) => escapes.decode(decoder, chunk, Last::No, out),
            State::Guessing(held) => {
                let plain = if held.is_empty() { ascii_length(chunk) } else { 0 };
                let (ascii, rest) = chunk.split_at_checked(plain).unwrap_or((b"", chunk));
                out.extend(ascii.iter().map(|&byte| char::from(byte)));
                held.extend_from_slice(rest);
                if held.len() >= GUESS_BYTES {
                    self.settle(out);
                }
            }
        }
    }

    /// Ends the text.
    pub fn finish(&mut self, out: &mut String) {
        self.settle(out);
        if let State::Known(decoder, escapes) = &mut self.state {
            escapes.decode(decoder, b"", Last::Yes, out);
        }
        self.state = State::Guessing(Vec::new());
    }

    /// Decides what the charset is.
    fn settle(&mut self, out: &mut String) {
        if let State::Guessing(held) = &mut self.state {
            let held = std::mem::take(held);
            self.state = State::known(guess(&held));
            self.feed(&held, out);
        }
    }
}

impl State {
    fn known(encoding: &'static Encoding) -> Self {
        State::Known(encoding.new_decoder_without_bom_handling(), Escapes::default())
    }
}

/// Decodes all of `bytes`.
pub fn decode_text(label: Option<&[u8]>, bytes: &[u8]) -> String {
    let mut decoder = CharsetDecoder::new(label);
    let mut out = String::new();
    decoder.feed(bytes, &mut out);
    decoder.finish(&mut out);
    out
}

/// The encoding a charset label means; `None` if it is unknown or says nothing.
pub fn encoding_for(label: &[u8]) -> Option<&'static Encoding> {
    let label = label.trim_ascii().to_ascii_lowercase();
    // RFC 2231 §5: a language may follow the charset of an encoded word.
    let label = label.split(|&byte| byte == b'*').next().unwrap_or_default();
    match label {
        b"us-ascii" | b"ascii" | b"ansi_x3.4-1968" | b"unknown-8bit" | b"x-unknown" | b"unknown" | b"default" => None,
        b"cp932" | b"windows-932" | b"ms932" | b"cp943" | b"cp943c" | b"x-ms-cp932" | b"sjis-win" => Some(SHIFT_JIS),
        b"cp50220" | b"cp50221" | b"cp50222" | b"iso-2022-jp-ms" | b"iso-2022-jp-1" | b"iso-2022-jp-2"
        | b"iso-2022-jp-3" | b"iso-2022-jp-2004" | b"jis" => Some(ISO_2022_JP),
        b"eucjp" | b"eucjp-ms" | b"eucjp-win" | b"cp51932" | b"euc-jisx0213" | b"euc-jis-2004" | b"ujis" => {
            Some(EUC_JP)
        }
        b"utf8mb4" | b"utf-8-mac" | b"cp65001" => Some(UTF_8),
        _ => Encoding::for_label_no_replacement(label)
            .or_else(|| Encoding::for_label_no_replacement(&[b"windows-", label.strip_prefix(b"cp")?].concat())),
    }
}

/// Leaves out an ISO-2022-JP escape sequence that another one follows at once: encoded words and lines glued together
/// have such pairs, and a decoder that obeys the standard answers them with U+FFFD.
#[derive(Default)]
struct Escapes {
    /// An escape sequence, or the beginning of one.
    held: Vec<u8>,
}

impl Escapes {
    fn decode(&mut self, decoder: &mut Decoder, chunk: &[u8], last: Last, out: &mut String) {
        if decoder.encoding() != ISO_2022_JP {
            return decode(decoder, chunk, last, out);
        }
        let mut kept = Vec::with_capacity(chunk.len() + self.held.len());
        for &byte in chunk {
            match (byte, self.held.len()) {
                (0x1b, 3) => self.held.clear(),
                (0x1b, _) | (_, 3) => kept.append(&mut self.held),
                _ => {}
            }
            if byte == 0x1b || !self.held.is_empty() { self.held.push(byte) } else { kept.push(byte) }
        }
        if matches!(last, Last::Yes) {
            kept.append(&mut self.held);
        }
        decode(decoder, &kept, last, out);
    }
}

/// Whether the text ends with these bytes.
enum Last {
    Yes,
    No,
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], last: Last, out: &mut String) {
    let last = matches!(last, Last::Yes);
    loop {
        let room = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len());
        out.reserve(room.max(16));
        let (result, read, _) = decoder.decode_to_string(bytes, out, last);
        bytes = bytes.get(read..).unwrap_or_default();
        if result == encoding_rs::CoderResult::InputEmpty {
            return;
        }
    }
}

/// The leading bytes that are ASCII in every charset that is guessed: 7-bit and no escape.
fn ascii_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte >= 0x80 || byte == 0x1b).unwrap_or(bytes.len())
}

/// What `bytes`, which may end in the middle of a character, are most likely encoded in.
fn guess(bytes: &[u8]) -> &'static Encoding {
    if bytes.windows(2).any(|pair| matches!(pair, b"\x1b$" | b"\x1b(")) && bytes.is_ascii() {
        return ISO_2022_JP;
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => return UTF_8,
        Err(error) if error.error_len().is_none() => return UTF_8,
        Err(_) => {}
    }
    let unlikely = |encoding: &'static Encoding| {
        let mut text = String::new();
        decode(&mut encoding.new_decoder_without_bom_handling(), bytes, Last::No, &mut text);
        let broken = text.contains('\u{fffd}');
        // EUC-JP read as Shift_JIS is a run of half-width kana.
        (!broken).then(|| text.chars().filter(|c| matches!(c, '\u{ff61}'..='\u{ff9f}' | '\u{80}'..='\u{9f}')).count())
    };
    match (unlikely(SHIFT_JIS), unlikely(EUC_JP)) {
        (Some(shift_jis), Some(euc_jp)) if euc_jp < shift_jis => EUC_JP,
        (Some(_), _) => SHIFT_JIS,
        (None, Some(_)) => EUC_JP,
        (None, None) => WINDOWS_1252,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(label: Option<&str>, bytes: &[u8], size: usize) -> String {
        let mut decoder = CharsetDecoder::new(label.map(str::as_bytes));
        let mut out = String::new();
        bytes.chunks(size).for_each(|chunk| decoder.feed(chunk, &mut out));
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn charsets_of_japan() {
        let table: &[(Option<&str>, &[u8], &str)] = &[
            (Some("ISO-2022-JP"), b"\x1b$B;3ED\x1b(B!", "山田!"),
            (Some("iso-2022-jp-ms"), b"\x1b$B-!-j\x1b(B", "①㈱"),
            (Some("CP50221"), b"\x1b(I6@\x1b(B", "ｶﾀ"),
            (Some("Shift_JIS"), b"\x8eR\x93c\x87@\xb6", "山田①ｶ"),
            (Some("cp932"), b"\x8eR", "山"),
            (Some("EUC-JP"), b"\xbb\xb3\xc5\xc4", "山田"),
            (Some(" \"utf-8"), b"x", "x"),
            (Some("UTF-8"), "山田".as_bytes(), "山田"),
            (Some("utf-8*ja"), "山".as_bytes(), "山"),
            (Some("iso-8859-1"), b"caf\xe9", "café"),
            (Some("cp1252"), b"\x80", "€"),
            (Some("koi8-r"), b"\xc1", "а"),
            (Some("iso-2022-jp"), b"\x1b$B;3", "山"),
            (Some("iso-2022-jp"), b"\x1b$B;3\x1b(B\x1b$BED\x1b(B", "山田"),
            (Some("utf-8"), b"\xe5\xb1", "\u{fffd}"),
        ];
        for (label, bytes, want) in table {
            for size in 1..=bytes.len() {
                assert_eq!(&by(*label, bytes, size), want, "{label:?} by {size}");
            }
        }
    }

    #[test]
    fn charsets_are_guessed() {
        let long = "あいうえお漢字かな交じり文。\r\n".repeat(500);
        let texts = ["plain", "山田太郎です", "abc 日本語 x", "カタカナとひらがな", &long];
        for label in [None, Some("us-ascii"), Some("x-unknown"), Some("no-such-charset")] {
            for text in texts {
                for encoding in [UTF_8, SHIFT_JIS, EUC_JP, ISO_2022_JP] {
                    let (bytes, _, _) = encoding.encode(text);
                    for size in [1, 7, 100_000] {
                        assert_eq!(by(label, &bytes, size), text, "{label:?} {} by {size}", encoding.name());
                    }
                }
            }
            assert_eq!(by(label, b"caf\xe9 cr\xe8me", 3), "café crème");
            assert_eq!(by(label, b"", 1), "");
        }
    }
}
