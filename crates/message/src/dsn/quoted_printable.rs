//! Quoted-printable (RFC 2045 §6.7): text that is mostly ASCII stays readable, lines stay below 77 characters.
//!
//! Takes text with CRLF line ends. `From ` at the start of a line is encoded too, because mailbox files change it.

/// Longest line, with the `=` of a soft line break.
const LINE_BYTES_MAX: usize = 76;

/// Encodes text whose lines end with CRLF.
pub(super) fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    for line in text.split_terminator("\r\n") {
        let mut column = 0;
        let count = line.len();
        for (index, byte) in line.bytes().enumerate() {
            let last = index + 1 == count;
            let plain = match byte {
                b' ' => !last,
                b'=' => false,
                b'F' if index == 0 => !line.starts_with("From "),
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
        out.extend_from_slice(b"\r\n");
    }
    out
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
            let encoded = encode(text);
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
