//! Undoing a Content-Transfer-Encoding (RFC 2045 §6.7, §6.8), chunk by chunk.
//!
//! Tolerant: what is not base64 inside base64 is passed over, padding may come early (bodies glued together), a `=`
//! that begins nothing in quoted-printable stands for itself. State between chunks is a few bytes; white space at the
//! end of a quoted-printable line, which RFC 2045 has deleted, is held back up to a bound.

use crate::mime::TransferEncoding;

/// White space held back in case a line end follows (RFC 2045 §6.7: lines have at most 76 characters).
const HELD_BYTES_MAX: usize = 1_024;

/// A decoding in progress.
#[derive(Debug, Clone)]
pub struct TransferDecoder {
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Identity,
    Base64 { bits: u32, bit_count: u32 },
    QuotedPrintable { held: Vec<u8> },
}

impl TransferDecoder {
    /// A decoder at the start of a body; an unknown encoding is left as it is.
    pub fn new(encoding: TransferEncoding) -> Self {
        let state = match encoding {
            TransferEncoding::Identity | TransferEncoding::Unknown => State::Identity,
            TransferEncoding::Base64 => State::Base64 { bits: 0, bit_count: 0 },
            TransferEncoding::QuotedPrintable => State::QuotedPrintable { held: Vec::new() },
        };
        TransferDecoder { state }
    }

    /// Decodes the next bytes of the body and appends the content to `out`.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        match &mut self.state {
            State::Identity => out.extend_from_slice(chunk),
            State::Base64 { bits, bit_count } => base64(chunk, bits, bit_count, out),
            State::QuotedPrintable { held } => chunk.iter().for_each(|&byte| quoted_printable(byte, held, out)),
        }
    }

    /// Ends the body: what was held back is content.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.state {
            State::Identity => {}
            State::Base64 { bits, bit_count } => end_quantum(*bits, bit_count, out),
            State::QuotedPrintable { held } => {
                // A `=` at the very end is a soft line break without its line; white space there is deleted.
                let blanks = held.strip_prefix(b"=").unwrap_or(held);
                if !blanks.iter().all(u8::is_ascii_whitespace) {
                    out.append(held);
                }
                held.clear();
            }
        }
    }
}

/// What a byte is in base64: a value below 64, or one of these two.
const PADDING: u8 = 64;
const NOTHING: u8 = 65;

/// The meaning of each byte.
#[allow(clippy::indexing_slicing)] // In a constant: checked by the compiler.
static BASE64: [u8; 256] = {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NOTHING; 256];
    let mut value = 0;
    while value < PADDING {
        table[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    table[b'=' as usize] = PADDING;
    table
};

fn base64(chunk: &[u8], bits: &mut u32, bit_count: &mut u32, out: &mut Vec<u8>) {
    out.reserve(chunk.len() / 4 * 3 + 3);
    for &byte in chunk {
        match BASE64.get(usize::from(byte)).copied().unwrap_or(NOTHING) {
            PADDING => end_quantum(*bits, bit_count, out),
            NOTHING => {}
            value => {
                *bits = (*bits << 6) | u32::from(value);
                *bit_count += 6;
                if *bit_count == 24 {
                    let [_, quantum @ ..] = bits.to_be_bytes();
                    out.extend_from_slice(&quantum);
                    *bit_count = 0;
                }
            }
        }
    }
}

/// A quantum ends early, before padding or at the end: 12 bits are one byte, 18 are two.
fn end_quantum(bits: u32, bit_count: &mut u32, out: &mut Vec<u8>) {
    let [_, first, second, _] = (bits << (24 - *bit_count)).to_be_bytes();
    match bit_count {
        12 => out.push(first),
        18 => out.extend_from_slice(&[first, second]),
        _ => {}
    }
    *bit_count = 0;
}

/// `held` is a beginning that may yet turn out to be `=XX`, a soft line break, or white space before a line end.
fn quoted_printable(byte: u8, held: &mut Vec<u8>, out: &mut Vec<u8>) {
    match (held.as_slice(), byte) {
        ([b'=', ..], b'\n') => held.clear(),
        ([b'='], b' ' | b'\t' | b'\r') => held.push(byte),
        ([b'='], _) if byte.is_ascii_hexdigit() => held.push(byte),
        ([b'=', high], _) if high.is_ascii_hexdigit() && byte.is_ascii_hexdigit() => {
            out.push(hex(*high) << 4 | hex(byte));
            held.clear();
        }
        ([b'=', b' ' | b'\t' | b'\r', ..], b' ' | b'\t' | b'\r') if held.len() < HELD_BYTES_MAX => held.push(byte),
        ([b'=', ..], _) => {
            out.append(held);
            quoted_printable_plain(byte, held, out);
        }
        _ => quoted_printable_plain(byte, held, out),
    }
}

/// A byte outside `=...`; `held` is white space or empty.
fn quoted_printable_plain(byte: u8, held: &mut Vec<u8>, out: &mut Vec<u8>) {
    match byte {
        b' ' | b'\t' | b'\r' => {
            if held.len() >= HELD_BYTES_MAX {
                out.append(held);
            }
            held.push(byte);
        }
        b'\n' => {
            if held.last() == Some(&b'\r') {
                out.push(b'\r');
            }
            held.clear();
            out.push(b'\n');
        }
        _ => {
            out.append(held);
            if byte == b'=' { held.push(byte) } else { out.push(byte) }
        }
    }
}

/// The value of a hexadecimal digit; lower case is tolerated.
pub(crate) fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(encoding: TransferEncoding, body: &[u8], size: usize) -> Vec<u8> {
        let mut decoder = TransferDecoder::new(encoding);
        let mut out = Vec::new();
        body.chunks(size).for_each(|chunk| decoder.feed(chunk, &mut out));
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn base64_as_it_comes() {
        let table: &[(&[u8], &[u8])] = &[
            (b"", b""),
            (b"aGVsbG8=", b"hello"),
            (b"aGVs\r\nbG8=\r\n", b"hello"),
            (b"aGVsbG8", b"hello"),
            (b"aG!Vs*bG8=", b"hello"),
            (b"aGVsbG8=aGVsbG8=", b"hellohello"),
            (b"YQ==YQ==", b"aa"),
            (b"=", b""),
            (b"YWI", b"ab"),
            (b"YWJjZ", b"abc"),
            (b"/+//", b"\xff\xef\xff"),
        ];
        for (body, want) in table {
            for size in 1..=body.len().max(1) {
                assert_eq!(&decode(TransferEncoding::Base64, body, size), want);
            }
        }
    }

    #[test]
    fn quoted_printable_as_it_comes() {
        let table: &[(&[u8], &[u8])] = &[
            (b"", b""),
            (b"a=3Db=e5", b"a=b\xe5"),
            (b"soft=\r\nbreak= \t\r\nhere=\n!", b"softbreakhere!"),
            (b"trail \t\r\nkept  x\r\n", b"trail\r\nkept  x\r\n"),
            (b"bad =XY =3 =\xff", b"bad =XY =3 =\xff"),
            (b"==3D", b"=="),
            (b"=3=3D", b"=3="),
            (b"end=", b"end"),
            (b"end=3", b"end=3"),
            (b"lone\rcr", b"lone\rcr"),
            (b"lf \n", b"lf\n"),
        ];
        for (body, want) in table {
            for size in 1..=body.len().max(1) {
                let got = decode(TransferEncoding::QuotedPrintable, body, size);
                assert_eq!(&got, want, "{:?} by {size}", String::from_utf8_lossy(body));
            }
        }
        let spaces = vec![b' '; 10_000];
        let mut body = spaces.clone();
        body.push(b'x');
        assert_eq!(decode(TransferEncoding::QuotedPrintable, &body, 7).len(), 10_001);
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(body in prop::collection::vec(prop::sample::select(b"=\r\n AaF3zZ+/\xe5".to_vec()), 0..60)) {
            for encoding in [TransferEncoding::Base64, TransferEncoding::QuotedPrintable, TransferEncoding::Unknown] {
                let whole = decode(encoding, &body, 100);
                prop_assert!(whole.len() <= body.len());
                for size in 1..=body.len() {
                    prop_assert_eq!(&decode(encoding, &body, size), &whole);
                }
            }
        }
    }
}
