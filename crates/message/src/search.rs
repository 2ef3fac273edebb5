//! Searching the text of a message: SEARCH's HEADER, BODY and TEXT keys (RFC 9051 §6.4.4).
//!
//! [`pieces`] names the ranges of a message that a search reads; each is read in chunks, turned to text by a
//! [`TextExtractor`] and looked at by a [`Matcher`]. [`find`] does all of it for one text. Text is compared folded:
//! case, width and white space do not matter, hiragana and katakana differ. Attachments are searched by their
//! headers, so by their file names, and not by their content.

mod extract;
mod fold;
mod html;
mod matcher;

use std::ops::Range;

pub use extract::TextExtractor;
pub use matcher::Matcher;

use crate::tree::{PartKind, PartTree};

/// A whole text, folded.
pub(crate) fn folded(text: &str) -> String {
    let (mut folder, mut out) = (fold::Folder::default(), Vec::with_capacity(text.len()));
    folder.feed(text, &mut out);
    folder.finish(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// How much of a message [`find`] asks for at once.
const READ_BYTES: u64 = 64 * 1024;

/// Where a search looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// The fields of that name in the header of the message.
    Header(&'a str),
    /// The body: all text parts, and the headers of parts and of messages inside.
    Body,
    /// Header and body.
    Text,
}

/// A stretch of a message and how its text is had.
#[derive(Debug)]
pub struct Piece {
    /// The bytes of the message.
    pub range: Range<u64>,
    /// Turns them to text.
    pub extractor: TextExtractor,
}

/// What a search in that scope reads, in the order of the message.
pub fn pieces<'a>(tree: &'a PartTree, scope: Scope<'a>) -> impl Iterator<Item = Piece> + 'a {
    let parts =
        if matches!(scope, Scope::Header(_)) { tree.parts().get(..1).unwrap_or_default() } else { tree.parts() };
    parts.iter().enumerate().flat_map(move |(index, part)| {
        let header = match scope {
            Scope::Header(name) => Some(TextExtractor::header(Some(name))),
            Scope::Body if index == 0 => None,
            Scope::Body | Scope::Text => Some(TextExtractor::header(None)),
        };
        let reads_body = !matches!(scope, Scope::Header(_)) && part.kind == PartKind::Leaf && extract::has_text(part);
        let body = reads_body.then(|| Piece { range: part.body..part.end, extractor: TextExtractor::body(part) });
        let header = header.map(|extractor| Piece { range: part.header..part.body, extractor });
        header.into_iter().chain(body)
    })
}

/// Whether the message holds the text in that scope. `read` gives the bytes of a range of the message, at most
/// 64 KiB at a time. The empty text is in every body, and in a header that has the field.
///
/// # Errors
/// What `read` returns.
///
/// ```
/// use yubin_message::{scan, search};
/// let message = b"Subject: =?utf-8?q?caf=C3=A9?=\r\n\r\nbody";
/// let read = |range: std::ops::Range<u64>| Ok::<_, ()>(message[range.start as usize..range.end as usize].to_vec());
/// assert_eq!(search::find(&scan(message), search::Scope::Header("subject"), "CAFÉ", read), Ok(true));
/// ```
pub fn find<B: AsRef<[u8]>, E>(
    tree: &PartTree,
    scope: Scope<'_>,
    needle: &str,
    mut read: impl FnMut(Range<u64>) -> Result<B, E>,
) -> Result<bool, E> {
    if needle.is_empty() && !matches!(scope, Scope::Header(_)) {
        return Ok(true);
    }
    let mut matcher = Matcher::new([needle]);
    let mut text = String::new();
    for mut piece in pieces(tree, scope) {
        let mut at = piece.range.start;
        while at < piece.range.end && !matcher.all_found() {
            let end = at.saturating_add(READ_BYTES).min(piece.range.end);
            piece.extractor.feed(read(at..end)?.as_ref(), &mut text);
            pass_on(&mut text, &mut matcher);
            at = end;
        }
        piece.extractor.finish(&mut text);
        pass_on(&mut text, &mut matcher);
        matcher.end_text();
        if matcher.all_found() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn pass_on(text: &mut String, matcher: &mut Matcher) {
    if !text.is_empty() {
        matcher.feed(text);
        text.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    const MESSAGE: &str = "Subject: =?iso-2022-jp?B?GyRCJDQwRjZiGyhC?=\r\nTo: team@example.jp\r\nX-Empty:\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        preamble\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n44GU55m65rOo44GC44KK44GM44Go44GG\r\n\
        --b\r\nContent-Type: image/png; name=\"=?utf-8?q?Sch=C3=B6n.png?=\"\r\nContent-Disposition: attachment; filename*=utf-8''%E5%9C%B0%E5%9B%B3.png\r\n\r\nSECRET\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner subject\r\n\r\nＩｎｎｅｒ ﾃｷｽﾄ\r\n--b--\r\n";

    fn found(scope: Scope<'_>, needle: &str) -> bool {
        let slice = |range: Range<u64>| {
            let range = usize::try_from(range.start).expect("offset")..usize::try_from(range.end).expect("offset");
            Ok::<_, std::convert::Infallible>(&MESSAGE.as_bytes()[range])
        };
        let Ok(found) = find(&scan(MESSAGE.as_bytes()), scope, needle, slice);
        found
    }

    #[test]
    fn each_scope_reads_its_own() {
        let table = [
            (Scope::Header("Subject"), "ご案金", true),
            (Scope::Header("subject"), "inner", false),
            (Scope::Header("To"), "TEAM@", true),
            (Scope::Header("To"), "ご案金", false),
            (Scope::Header("X-Empty"), "", true),
            (Scope::Header("X-None"), "", false),
            (Scope::Body, "ご発注", true),
            (Scope::Body, "schön.PNG", true),
            (Scope::Body, "地図.png", true),
            (Scope::Body, "inner テキスト", true),
            (Scope::Body, "inner subject", true),
            (Scope::Body, "team@example.jp", false),
            (Scope::Body, "SECRET", false),
            (Scope::Body, "preamble", false),
            (Scope::Body, "", true),
            (Scope::Text, "team@example.jp", true),
            (Scope::Text, "ご発注", true),
            (Scope::Text, "nowhere", false),
            (Scope::Text, "", true),
        ];
        for (scope, needle, want) in table {
            assert_eq!(found(scope, needle), want, "{scope:?} {needle}");
        }
    }

    #[test]
    fn a_failure_to_read_is_passed_on() {
        let failing = |_: Range<u64>| Err::<Vec<u8>, _>("disk");
        assert_eq!(find(&scan(MESSAGE.as_bytes()), Scope::Text, "x", failing), Err("disk"));
    }
}
