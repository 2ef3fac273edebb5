//! IMAP strings: quoted where that is possible and short, literals elsewhere (RFC 9051 §4.3).

use bytes::BufMut;

/// Longer strings are literals: old clients read quoted strings into small buffers.
const QUOTED_BYTES_MAX: usize = 1_024;

/// Whether the client takes UTF-8 in quoted strings: IMAP4rev2 or UTF8=ACCEPT (RFC 9755) is enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Utf8 {
    /// 8-bit strings are literals.
    No,
    /// Valid UTF-8 is quoted.
    Accepted,
}

/// Writes a `string`.
pub fn write_string(out: &mut impl BufMut, text: &[u8], utf8: Utf8) {
    if is_quotable(text, utf8) {
        out.put_u8(b'"');
        let mut written = 0;
        for at in memchr::memchr2_iter(b'"', b'\\', text) {
            out.put_slice(text.get(written..at).unwrap_or_default());
            out.put_u8(b'\\');
            written = at;
        }
        out.put_slice(text.get(written..).unwrap_or_default());
        out.put_u8(b'"');
    } else {
        // A literal can't carry NUL (RFC 9051 §4.3); the scanner keeps none.
        let nul_count = memchr::memchr_iter(0, text).count();
        out.put_slice(format!("{{{}}}\r\n", text.len() - nul_count).as_bytes());
        for run in text.split(|&byte| byte == 0) {
            out.put_slice(run);
        }
    }
}

/// Writes an `nstring`.
pub fn write_nstring(out: &mut impl BufMut, text: Option<&[u8]>, utf8: Utf8) {
    match text {
        Some(text) => write_string(out, text, utf8),
        None => out.put_slice(b"NIL"),
    }
}

fn is_quotable(text: &[u8], utf8: Utf8) -> bool {
    let plain = |byte: u8| byte < 0x80 && !matches!(byte, b'\r' | b'\n' | 0);
    match utf8 {
        _ if text.len() > QUOTED_BYTES_MAX => false,
        Utf8::No => text.iter().copied().all(plain),
        Utf8::Accepted => text.iter().all(|&byte| byte >= 0x80 || plain(byte)) && std::str::from_utf8(text).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_take_the_form_that_carries_them() {
        let table: &[(&[u8], Utf8, &[u8])] = &[
            (b"", Utf8::No, b"\"\""),
            (b"a b", Utf8::No, b"\"a b\""),
            (b"a\"\\", Utf8::No, b"\"a\\\"\\\\\""),
            (b"a\r\nb", Utf8::No, b"{4}\r\na\r\nb"),
            (b"a\0b", Utf8::No, b"{2}\r\nab"),
            (b"\xe5\xb1\xb1", Utf8::No, b"{3}\r\n\xe5\xb1\xb1"),
            (b"\xe5\xb1\xb1", Utf8::Accepted, b"\"\xe5\xb1\xb1\""),
            (b"\xe5\xb1", Utf8::Accepted, b"{2}\r\n\xe5\xb1"),
        ];
        for (text, utf8, want) in table {
            let mut out = Vec::new();
            write_string(&mut out, text, *utf8);
            assert_eq!(&out, want);
        }
        let mut out = Vec::new();
        write_string(&mut out, &[b'x'; 1_025], Utf8::No);
        assert!(out.starts_with(b"{1025}\r\nx"));
        out.clear();
        write_nstring(&mut out, None, Utf8::No);
        assert_eq!(out, b"NIL");
    }
}
