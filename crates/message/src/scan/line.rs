//! A line as it is read: told apart from its line end, which is CRLF or a bare LF.

/// A line without its line end, and perhaps without its tail.
pub(super) struct Line<'a> {
    pub(super) content: &'a [u8],
    /// Bytes of the line end: 0, 1 or 2.
    pub(super) eol: u64,
}

/// A line that came with its line end.
pub(super) fn strip_eol(line: &[u8]) -> Line<'_> {
    match line.strip_suffix(b"\r\n") {
        Some(content) => Line { content, eol: 2 },
        None => Line { content: line.strip_suffix(b"\n").unwrap_or(line), eol: 1 },
    }
}
