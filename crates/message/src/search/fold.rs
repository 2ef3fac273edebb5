//! Folding text so that what users hold to be equal compares equal byte by byte.
//!
//! Compatibility normalisation (NFKC) makes half-width kana, full-width letters and composed marks equal to their
//! plain forms; then letters become lower case and runs of white space one space. Hiragana and katakana stay apart.
//! A few characters that charset tables map to different code points (the wave dash and its kin) are made one.
//! Works over chunks: what may yet join with the next character is held back, up to a bound.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_normalization::{IsNormalized, is_nfc_quick};

/// Marks that may pile up on one character before it is folded without them.
const HELD_BYTES_MAX: usize = 512;

/// A folding in progress.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folder {
    held: String,
    after_space: bool,
}

impl Folder {
    /// Folds the next piece of text and appends the result to `out`.
    pub(crate) fn feed(&mut self, text: &str, out: &mut Vec<u8>) {
        self.held.push_str(text);
        let last = self.held.char_indices().rev().find(|&(_, c)| starts_anew(c)).map_or(0, |(at, _)| at);
        let end = if self.held.len() - last > HELD_BYTES_MAX { self.held.len() } else { last };
        fold(self.held.get(..end).unwrap_or_default(), &mut self.after_space, out);
        self.held.drain(..end);
    }

    /// Ends the text.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        fold(&std::mem::take(&mut self.held), &mut self.after_space, out);
        self.after_space = false;
    }
}

/// Folds text that begins anew. Runs of plain characters are only copied; what lies between two runs, the character
/// before it included because a mark may join it, is normalised.
fn fold(text: &str, after_space: &mut bool, out: &mut Vec<u8>) {
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, others) = split_where(rest, |c| !is_plain(c));
        let joined = if others.is_empty() { None } else { plain.char_indices().next_back() };
        let (plain, from_joined) =
            rest.split_at_checked(joined.map_or(plain.len(), |(at, _)| at)).unwrap_or((rest, ""));
        copy(plain, after_space, out);
        let (_, others_only) = split_where(from_joined, |c| !is_plain(c));
        let (_, after) = split_where(others_only, is_plain);
        let (mixed, after) = from_joined.split_at_checked(from_joined.len() - after.len()).unwrap_or((from_joined, ""));
        mixed.chars().map(unify).nfkc().flat_map(char::to_lowercase).for_each(|c| put(c, after_space, out));
        rest = after;
    }
}

/// `text` before and from the first character that `ends` it.
fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    let at = text.char_indices().find(|&(_, c)| ends(c)).map_or(text.len(), |(at, _)| at);
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Characters that are their own folding but for ASCII case: ASCII, kana, ideographs, and Japanese punctuation.
/// All of them start anew.
fn is_plain(c: char) -> bool {
    c.is_ascii()
        || matches!(c, '\u{3001}' | '\u{3002}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}' | '\u{4e00}'..='\u{9fff}')
}

fn copy(plain: &str, after_space: &mut bool, out: &mut Vec<u8>) {
    out.reserve(plain.len());
    for &byte in plain.as_bytes() {
        if matches!(byte, b' ' | b'\t'..=b'\r') {
            if !*after_space {
                out.push(b' ');
            }
            *after_space = true;
        } else {
            out.push(byte.to_ascii_lowercase());
            *after_space = false;
        }
    }
}

fn put(c: char, after_space: &mut bool, out: &mut Vec<u8>) {
    let is_space = c.is_whitespace();
    if !is_space {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    } else if !*after_space {
        out.push(b' ');
    }
    *after_space = is_space;
}

/// Whether a character can't join with those before it in normalisation.
fn starts_anew(c: char) -> bool {
    if c.is_ascii() {
        return true;
    }
    let mut first = None;
    decompose_compatible(c, |part| first = first.or(Some(part)));
    first.is_some_and(|part| {
        canonical_combining_class(part) == 0 && is_nfc_quick(std::iter::once(part)) == IsNormalized::Yes
    })
}

/// JIS characters for which tables disagree, and the sigma at the end of a word.
fn unify(c: char) -> char {
    match c {
        '\u{301c}' => '\u{ff5e}',
        '\u{2016}' => '\u{2225}',
        '\u{2212}' => '\u{ff0d}',
        '\u{2014}' => '\u{2015}',
        '\u{3c2}' => '\u{3c3}',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str, size: usize) -> String {
        let mut folder = Folder::default();
        let mut out = Vec::new();
        let chars: Vec<char> = text.chars().collect();
        chars.chunks(size).for_each(|chunk| folder.feed(&chunk.iter().collect::<String>(), &mut out));
        folder.finish(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn equal_text_folds_equal() {
        let table = [
            ("Hello  World\r\n", "hello world "),
            ("ＡＢＣ１２３", "abc123"),
            ("ｶﾞｷﾞｸﾞ ﾊﾟ", "ガギグ パ"),
            ("か\u{3099}", "が"),
            ("e\u{301}É", "éé"),
            ("①㈱", "1(株)"),
            ("〜－", "~-"),
            ("ΣΑΣ ς", "σασ σ"),
            ("全角　空白", "全角 空白"),
            ("ひらがなカタカナ", "ひらがなカタカナ"),
            ("", ""),
        ];
        for (text, want) in table {
            for size in 1..=text.chars().count().max(1) {
                assert_eq!(folded(text, size), want, "{text} by {size}");
            }
        }
        assert_ne!(folded("かな", 9), folded("カナ", 9));
    }

    #[test]
    fn marks_without_end_are_not_held() {
        let mut folder = Folder::default();
        let mut out = Vec::new();
        for _ in 0..5_000 {
            folder.feed("\u{301}", &mut out);
            assert!(folder.held.len() <= HELD_BYTES_MAX + 2);
        }
    }

    #[test]
    fn plain_characters_are_what_they_claim() {
        for c in (0..0x11_0000).filter_map(char::from_u32).filter(|&c| is_plain(c)) {
            assert!(starts_anew(c), "{c:?}");
            let folded: String = std::iter::once(c).nfkc().flat_map(char::to_lowercase).collect();
            assert_eq!(folded, c.to_ascii_lowercase().to_string());
        }
    }

    proptest! {
        #[test]
        fn runs_fold_as_the_whole_does(text in "[a-cＡ-Ｃｶﾞﾟか゛゙e\\u{301}\\u{327}山 \r]{0,30}") {
            let whole: String = text.chars().map(unify).nfkc().flat_map(char::to_lowercase).collect();
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(squeezed(&folded(&text, 100)), squeezed(&whole));
        }

        #[test]
        fn chunks_make_no_difference(text in "[a-zＡ-Ｚｦ-ﾟあ-ん゙゚é́\\u{300}\\u{327}가-각\\u{1100}-\\u{1112}\\u{1161}-\\u{1175}\\u{11a8}-\\u{11c2} \\r\\n]{0,40}") {
            let whole = folded(&text, 1_000);
            for size in 1..=5 {
                prop_assert_eq!(folded(&text, size), whole.clone());
            }
        }
    }
}
