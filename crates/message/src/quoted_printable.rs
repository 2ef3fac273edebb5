//! Quoted-printable (RFC 2045 §6.7): text that is mostly ASCII stays readable, lines stay below 77 characters.
//!
//! Takes text with CRLF line ends. `From ` at the start of a line is encoded too, because mailbox files change it.

use memchr::memmem;

/// Longest line, with the `=` of a soft line break.
const LINE_BYTES_MAX: usize = 76;

/// Encodes text whose lines end with CRLF; the last one may have no end, and gets none.
pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut rest = text;
    while !rest.is_empty() {
        let (line, end, next) = match memmem::find(rest, b"\r\n") {
            Some(at) => (rest.get(..at), &b"\r\n"[..], rest.get(at + 2..)),
            None => (Some(rest), &b""[..], None),
        };
        encode_line(line.unwrap_or_default(), &mut out);
        out.extend_from_slice(end);
        rest = next.unwrap_or_default();
    }
    out
}

fn encode_line(line: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    for (index, &byte) in line.iter().enumerate() {
        let last = index + 1 == line.len();
        let plain = match byte {
            b' ' => !last,
            b'=' => false,
            b'F' if index == 0 => !line.starts_with(b"From "),
            byte => byte.is_ascii_graphic(),
        };
        let width = if plain { 1 } else { 3 };
        if column + width > LINE_BYTES_MAX - usize::from(!last) {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if plain {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
        }
        column += width;
    }
}

#[cfg(test)]
mod tests {
    use super::encode;
    use crate::mime::TransferEncoding;
    use crate::transfer::TransferDecoder;

    #[test]
    fn text_comes_back_and_lines_are_short() {
        let long = "x".repeat(75) + "=" + &"宛先".repeat(50) + &"y".repeat(77);
        for text in ["", "a\r\n", "a=b \r\n\r\nFrom here\r\n.\r\n日本語\r\n", &format!("{long}\r\n{long} \r\n")] {
            let encoded = encode(text.as_bytes());
            assert!(encoded.is_ascii());
            for line in encoded.split(|byte| *byte == b'\n') {
                assert!(line.len() <= 77 && !line.starts_with(b"From ") && !line.ends_with(b" \r"), "{line:?}");
            }
            let mut decoded = Vec::new();
            let mut decoder = TransferDecoder::new(TransferEncoding::QuotedPrintable);
            decoder.feed(&encoded, &mut decoded);
            decoder.finish(&mut decoded);
            assert_eq!(String::from_utf8(decoded).unwrap(), text);
        }
    }
}
