//! Message text on its way to a POP3 client (RFC 1939 §3): dot-stuffing, the cut of TOP, and the terminator.
//!
//! Streams over any segmentation. A piece that needs no change passes without being copied. Every LF leaves as CRLF: a stored message
//! with a bare LF (from IMAP APPEND; SMTP takes none) could otherwise hide a look-alike of the terminator from the stuffing.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

/// How much of a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// RETR.
    Whole,
    /// TOP, still in the header; so many lines of the body follow it.
    Header { body_lines: u32 },
    /// TOP, so many lines of the body are left.
    Body { lines_left: u32 },
}

/// Is anything left to send?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// As far as the text goes.
    Open,
    /// TOP has all its lines.
    Complete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    InLine,
    AfterCr,
}

/// The state of a message that streams out.
#[derive(Debug)]
pub(crate) struct Stuffing {
    extent: Extent,
    place: Place,
    /// Octets of the current line, without its LF.
    line_bytes: usize,
}

impl Stuffing {
    /// A message begins.
    pub(crate) fn new(extent: Extent) -> Stuffing {
        Stuffing { extent, place: Place::LineStart, line_bytes: 0 }
    }

    /// The next piece as it goes out.
    pub(crate) fn stuff(&mut self, piece: Bytes) -> (Bytes, Flow) {
        let mut changed = BytesMut::new();
        let mut copied = 0;
        let mut at = 0;
        let mut flow = Flow::Open;
        while let Some(rest) = piece.get(at..).filter(|rest| !rest.is_empty()) {
            if self.place == Place::LineStart && rest.first() == Some(&b'.') {
                insert(&mut changed, &piece, &mut copied, at, b".");
            }
            let Some(length) = memchr(b'\n', rest) else {
                self.line_bytes += rest.len();
                self.place = if rest.last() == Some(&b'\r') { Place::AfterCr } else { Place::InLine };
                at = piece.len();
                break;
            };
            let before = rest.get(..length).and_then(<[u8]>::last);
            let after_cr = before.map_or(self.place == Place::AfterCr, |&byte| byte == b'\r');
            if !after_cr {
                insert(&mut changed, &piece, &mut copied, at + length, b"\r");
            }
            self.line_bytes += length;
            at += length + 1;
            flow = self.end_line(self.line_bytes - usize::from(after_cr));
            if flow == Flow::Complete {
                break;
            }
        }
        if changed.is_empty() {
            return (piece.slice(..at), flow);
        }
        changed.extend_from_slice(piece.get(copied..at).unwrap_or_default());
        (changed.freeze(), flow)
    }

    /// `text_bytes`: what the line holds besides its line end.
    fn end_line(&mut self, text_bytes: usize) -> Flow {
        self.place = Place::LineStart;
        self.line_bytes = 0;
        self.extent = match self.extent {
            Extent::Header { body_lines } if text_bytes == 0 => Extent::Body { lines_left: body_lines },
            Extent::Body { lines_left } => Extent::Body { lines_left: lines_left.saturating_sub(1) },
            extent => extent,
        };
        if self.extent == (Extent::Body { lines_left: 0 }) { Flow::Complete } else { Flow::Open }
    }

    /// What goes after the last piece, in the same write.
    pub(crate) fn terminator(&self) -> &'static [u8] {
        match self.place {
            Place::LineStart => b".\r\n",
            Place::InLine | Place::AfterCr => b"\r\n.\r\n",
        }
    }
}

/// Copies what was not copied yet, up to `at`, and adds an octet.
fn insert(changed: &mut BytesMut, piece: &[u8], copied: &mut usize, at: usize, octet: &[u8; 1]) {
    changed.reserve(piece.len() - *copied + piece.len() / 16);
    changed.extend_from_slice(piece.get(*copied..at).unwrap_or_default());
    changed.extend_from_slice(octet);
    *copied = at;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Extent, Flow, Stuffing};

    fn send(text: &[u8], extent: Extent, cut: usize) -> Vec<u8> {
        let mut stuffing = Stuffing::new(extent);
        let mut sent = Vec::new();
        for piece in text.chunks(cut) {
            let (bytes, flow) = stuffing.stuff(Bytes::copy_from_slice(piece));
            sent.extend_from_slice(&bytes);
            if flow == Flow::Complete {
                break;
            }
        }
        sent.extend_from_slice(stuffing.terminator());
        sent
    }

    /// What a client makes of it: lines end with CRLF, a dot alone ends, other leading dots go.
    fn receive(sent: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        let mut rest = sent;
        loop {
            let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a line") + 2;
            let (line, tail) = rest.split_at(end);
            rest = tail;
            if line == b".\r\n" {
                assert!(rest.is_empty(), "the terminator is the end");
                return text;
            }
            text.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
    }

    #[test]
    fn text_is_stuffed_and_terminated() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b"", b".\r\n"),
            (b".\r\n.a\r\n..\r\n", b"..\r\n..a\r\n...\r\n.\r\n"),
            (b"a.\r\n b.", b"a.\r\n b.\r\n.\r\n"),
            (b"a\n.\r\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"\n\n", b"\r\n\r\n.\r\n"),
            (b"a\r", b"a\r\r\n.\r\n"),
        ];
        for (text, expected) in cases {
            for cut in 1..=text.len().max(1) {
                let sent = send(text, Extent::Whole, cut);
                assert_eq!(sent.escape_ascii().to_string(), expected.escape_ascii().to_string(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn top_sends_the_header_and_some_lines() {
        let text = b"A: b\r\n c\r\n\r\n1\r\n.2\r\n3\r\n";
        for (lines, expected) in [
            (0, &b"A: b\r\n c\r\n\r\n.\r\n"[..]),
            (1, b"A: b\r\n c\r\n\r\n1\r\n.\r\n"),
            (2, b"A: b\r\n c\r\n\r\n1\r\n..2\r\n.\r\n"),
            (9, b"A: b\r\n c\r\n\r\n1\r\n..2\r\n3\r\n.\r\n"),
        ] {
            for cut in 1..=text.len() {
                let sent = send(text, Extent::Header { body_lines: lines }, cut);
                assert_eq!(
                    sent.escape_ascii().to_string(),
                    expected.escape_ascii().to_string(),
                    "{lines} cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn a_piece_without_dots_is_not_copied() {
        let piece = Bytes::from_static(b"a.\r\nb\r\n");
        let (sent, _) = Stuffing::new(Extent::Whole).stuff(piece.clone());
        assert_eq!(sent.as_ptr(), piece.as_ptr());
    }

    proptest! {
        #[test]
        fn a_client_gets_the_text_back(lines in prop::collection::vec("[.a]{0,4}\r?", 0..20), cut in 1usize..9) {
            let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            prop_assert_eq!(receive(&send(text.as_bytes(), Extent::Whole, cut)), text.as_bytes());
        }

        #[test]
        fn no_text_holds_a_terminator(text in prop::collection::vec(prop::sample::select(b".a\r\n".to_vec()), 0..60), cut in 1usize..9, lines in 0u32..4) {
            receive(&send(&text, Extent::Whole, cut));
            receive(&send(&text, Extent::Header { body_lines: lines }, cut));
        }
    }
}
