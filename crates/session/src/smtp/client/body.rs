//! A message on its way out: dots doubled where DATA needs it, and every line ended with CRLF (RFC 5321 §4.5.2, §2.3.8).
//!
//! A bare CR or LF becomes CRLF, for DATA and for BDAT alike: a receiver that took one for a line's end could be made to see the end of
//! the message, and commands behind it, where there is text. Works over any segmentation, in one pass, with one copy.

use bytes::BytesMut;
use memchr::memchr2;

/// How the end of the message is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// DATA: by a line with a single dot.
    Dots,
    /// BDAT: by count.
    Counted,
}

/// The state of a message that streams out.
#[derive(Debug)]
pub(super) struct BodyWriter {
    framing: Framing,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    InLine,
    /// After a CR, which is not written yet.
    Cr,
}

impl BodyWriter {
    pub(super) fn new(framing: Framing) -> BodyWriter {
        BodyWriter { framing, place: Place::LineStart }
    }

    /// Appends a piece of the message to `out`.
    pub(super) fn write(&mut self, text: &[u8], out: &mut BytesMut) {
        let mut rest = text;
        while let Some(&first) = rest.first() {
            match self.place {
                Place::Cr => {
                    out.extend_from_slice(b"\r\n");
                    self.place = Place::LineStart;
                    if first == b'\n' {
                        rest = rest.get(1..).unwrap_or_default();
                    }
                }
                Place::LineStart => {
                    if first == b'.' && self.framing == Framing::Dots {
                        out.extend_from_slice(b".");
                    }
                    self.place = Place::InLine;
                }
                Place::InLine => {
                    let end = memchr2(b'\r', b'\n', rest);
                    out.extend_from_slice(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
                    match end.and_then(|end| rest.get(end)) {
                        Some(b'\r') => self.place = Place::Cr,
                        Some(_) => {
                            out.extend_from_slice(b"\r\n");
                            self.place = Place::LineStart;
                        }
                        None => {}
                    }
                    rest = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
                }
            }
        }
    }

    /// Completes the last line, and says the end if it is said by a dot.
    pub(super) fn finish(&mut self, out: &mut BytesMut) {
        if self.place != Place::LineStart {
            out.extend_from_slice(b"\r\n");
            self.place = Place::LineStart;
        }
        if self.framing == Framing::Dots {
            out.extend_from_slice(b".\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::{BodyWriter, Framing};

    fn written(text: &[u8], framing: Framing, segment: usize) -> Vec<u8> {
        let (mut writer, mut out) = (BodyWriter::new(framing), BytesMut::new());
        text.chunks(segment).for_each(|piece| writer.write(piece, &mut out));
        writer.finish(&mut out);
        out.to_vec()
    }

    #[test]
    fn dots_are_doubled_at_line_starts_only() {
        for (text, expected) in [
            ("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"),
            (".a.\r\n..b\r\n", "..a.\r\n...b\r\n.\r\n"),
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            ("\r\n\r\n", "\r\n\r\n.\r\n"),
        ] {
            assert_eq!(written(text.as_bytes(), Framing::Dots, 100), expected.as_bytes(), "{text:?}");
        }
        assert_eq!(written(b".a\r\n.", Framing::Counted, 100), b".a\r\n.\r\n");
    }

    #[test]
    fn look_alikes_of_the_end_become_text() {
        for text in ["a\n.\nb", "a\r.\rb", "a\n.\r\nb", "a\r\n.\nb", "a\r.\r\nb", "a\r\n.\rb"] {
            for segment in 1..8 {
                let out = written(text.as_bytes(), Framing::Dots, segment);
                assert_eq!(out, b"a\r\n..\r\nb\r\n.\r\n", "{text:?} in pieces of {segment}");
            }
        }
        assert_eq!(written(b"a\r\r\n\n", Framing::Counted, 1), b"a\r\n\r\n\r\n");
    }

    proptest! {
        #[test]
        fn the_end_comes_once_and_text_survives(text in prop::collection::vec(prop::sample::select(b"ab.\r\n".to_vec()), 0..60), cut in 1usize..9) {
            let out = written(&text, Framing::Dots, cut);
            let end = memchr::memmem::find(&[b"\r\n".as_slice(), &out].concat(), b"\r\n.\r\n");
            prop_assert_eq!(end, Some(out.len() - 3));
            prop_assert_eq!(&out, &written(&text, Framing::Dots, 1_000));
            // No CR or LF stands alone.
            let rest = String::from_utf8(out).unwrap().replace("\r\n", "");
            prop_assert!(!rest.contains(['\r', '\n']));
        }
    }
}
