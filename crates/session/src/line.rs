//! Command lines out of a stream, for SMTP and POP3: CRLF ends a line, in POP3 LF alone too, nothing else does, and a line is bounded.
//!
//! In SMTP, where lines of a message and of commands could be confused, a bare LF is told apart and ends the faulty line, so that a
//! client that never sends CR is told so instead of left waiting. A line that outgrows its bound is dropped as it comes in: the reader
//! holds at most the bound and one read of the driver.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

/// What the stream holds next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line, without its CRLF; no other CR, LF or NUL in it.
    Complete(Bytes),
    /// A line that is no line: it ends in a bare LF where CRLF must be, or has a CR or NUL inside.
    Malformed,
    /// A line beyond the bound; it was skipped to its end.
    TooLong,
    /// Not complete yet.
    Partial,
}

/// Capacity that half a line may keep from what was there before it, bytes.
const SPARE_BYTES_MAX: usize = 16 * 1024;

/// Received octets that were not consumed yet.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: BytesMut,
    skipping: Skipping,
    ends: LineEnds,
}

/// What ends a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LineEnds {
    #[default]
    CrLf,
    CrLfOrLf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Skipping {
    #[default]
    No,
    /// Until the LF of a line that was too long.
    ToLineEnd,
}

impl Input {
    /// Input in which LF alone ends a line too.
    pub(crate) fn with_bare_line_feeds() -> Input {
        Input { ends: LineEnds::CrLfOrLf, ..Input::default() }
    }

    /// More from the peer.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Makes room for several reads at once, so that pieces of `bytes` mostly stay in one allocation.
    pub(crate) fn make_room(&mut self, bytes: usize) {
        if self.bytes.capacity() - self.bytes.len() < bytes / 4 {
            self.bytes.reserve(2 * bytes);
        }
    }

    /// Nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.skipping == Skipping::No
    }

    /// Does a command of this name come next? In any case of letters.
    pub(crate) fn starts_with(&self, name: &[u8]) -> bool {
        self.bytes.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    }

    /// Forgets everything, and gives the memory back.
    pub(crate) fn clear(&mut self) {
        *self = Input { ends: self.ends, ..Input::default() };
    }

    /// Memory in use.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The raw octets, for what is not lines.
    pub(crate) fn bytes_mut(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// The next line of at most `line_bytes_max` octets with its CRLF. Gives memory back when nothing is left.
    pub(crate) fn line(&mut self, line_bytes_max: usize) -> Line {
        let Some(end) = memchr(b'\n', &self.bytes) else {
            if self.skipping == Skipping::ToLineEnd || self.bytes.len() >= line_bytes_max {
                self.bytes = BytesMut::new();
                self.skipping = Skipping::ToLineEnd;
            } else if self.bytes.is_empty() {
                self.bytes = BytesMut::new();
            } else if self.bytes.capacity() > SPARE_BYTES_MAX {
                self.bytes = BytesMut::from(&*self.bytes);
            }
            return Line::Partial;
        };
        let line = self.bytes.split_to(end + 1);
        if std::mem::take(&mut self.skipping) == Skipping::ToLineEnd || line.len() > line_bytes_max {
            return Line::TooLong;
        }
        let bare = || line.strip_suffix(b"\n").filter(|_| self.ends == LineEnds::CrLfOrLf);
        match line.strip_suffix(b"\r\n").or_else(bare) {
            Some(text) if !text.iter().any(|byte| matches!(byte, b'\r' | 0)) => {
                let length = text.len();
                let mut line = line.freeze();
                line.truncate(length);
                Line::Complete(line)
            }
            _ => Line::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Input, Line};

    fn lines(pieces: &[&[u8]], max: usize) -> Vec<Line> {
        let mut input = Input::default();
        let mut lines = Vec::new();
        for piece in pieces {
            input.extend(piece);
            loop {
                match input.line(max) {
                    Line::Partial => break,
                    line => lines.push(line),
                }
            }
            assert!(input.bytes.len() < max, "memory is bounded by the longest line");
        }
        lines
    }

    fn complete(text: &'static str) -> Line {
        Line::Complete(text.as_bytes().into())
    }

    #[test]
    fn only_crlf_ends_a_good_line() {
        let cases: [(&[u8], Vec<Line>); 8] = [
            (b"a\r\nb\r\n", vec![complete("a"), complete("b")]),
            (b"\r\n", vec![complete("")]),
            (b"a\nb\r\n", vec![Line::Malformed, complete("b")]),
            (b"a\rb\r\n", vec![Line::Malformed]),
            (b"a\r\r\n", vec![Line::Malformed]),
            (b"a\0\r\n", vec![Line::Malformed]),
            (b"\n\n", vec![Line::Malformed, Line::Malformed]),
            (b"a\r", vec![]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(lines(&[bytes], 16), expected, "{:?}", bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn where_it_may_a_bare_line_feed_ends_a_line() {
        let mut input = Input::with_bare_line_feeds();
        input.clear();
        input.extend(b"a\nb\r\n\nc\r\r\nd\re\n");
        for line in [complete("a"), complete("b"), complete(""), Line::Malformed, Line::Malformed, Line::Partial] {
            assert_eq!(input.line(16), line);
        }
    }

    #[test]
    fn a_long_line_is_skipped_to_its_end() {
        assert_eq!(lines(&[b"12345678\r\nok\r\n"], 10), vec![complete("12345678"), complete("ok")]);
        assert_eq!(lines(&[b"123456789\r\nok\r\n"], 10), vec![Line::TooLong, complete("ok")]);
        assert_eq!(lines(&[b"1234567890123", b"4567", b"89\r\nok\r\n"], 10), vec![Line::TooLong, complete("ok")]);
    }

    proptest! {
        #[test]
        fn segments_make_no_difference(text in prop::collection::vec(prop::sample::select(b"a\r\n\0".to_vec()), 0..60), cut in 1usize..8) {
            let pieces: Vec<&[u8]> = text.chunks(cut).collect();
            prop_assert_eq!(lines(&pieces, 10), lines(&[&text], 10_000).into_iter().map(|line| match line {
                Line::Complete(text) if text.len() > 8 => Line::TooLong,
                line => line,
            }).collect::<Vec<_>>().into_iter().zip(lines(&pieces, 10)).map(|(whole, piece)| match (whole, &piece) {
                // A malformed line may be too long as well: either is told.
                (Line::Malformed, Line::TooLong) => Line::TooLong,
                (whole, _) => whole,
            }).collect::<Vec<_>>());
        }
    }
}
