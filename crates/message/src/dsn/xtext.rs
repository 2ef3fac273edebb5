//! The two encodings of what DSN parameters carry: xtext (RFC 3461 §4) and utf-8-addr-xtext (RFC 6533 §3).
//!
//! Decoding is tolerant: what is no escape stands for itself, octets that are no UTF-8 become U+FFFD. Callers make one line of the result.

use crate::transfer::hex;

/// Decodes `+HH`.
pub(super) fn decode(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after.split_at_checked(2)) {
            (b'+', Some((digits, after))) if digits.iter().all(u8::is_ascii_hexdigit) => {
                let value = digits.iter().fold(0, |value, digit| value * 16 + hex(*digit));
                out.push(value);
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Decodes `\x{HEX}`.
pub(super) fn decode_utf8(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some((before, after)) = rest.split_once("\\x{") {
        out.push_str(before);
        let point = after.split_once('}').and_then(|(digits, after)| {
            let value = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() <= 6)?;
            Some((char::from_u32(value)?, after))
        });
        match point {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push_str("\\x{");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Encodes as utf-8-addr-xtext: ASCII, without what RFC 6533's QCHAR leaves out.
pub(super) fn encode_utf8(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        match c {
            '!'..='~' if !matches!(c, '+' | '=' | '\\') => out.push(c),
            c => out.push_str(&format!("\\x{{{:02X}}}", u32::from(c))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_utf8, encode_utf8};

    #[test]
    fn xtext_is_decoded_and_the_rest_left() {
        assert_eq!(decode(b"a+2Bb+3Dc@d"), "a+b=c@d");
        assert_eq!(decode(b"+E5+AE+9B+ff+"), "宛\u{FFFD}+");
        assert_eq!(decode(b"+zz+2"), "+zz+2");
    }

    #[test]
    fn utf8_addresses_come_back() {
        for address in ["用户@example.jp", "a+b=c\\d@example.jp", "plain@example.jp", "\u{1F4EE} x@example.jp"] {
            let encoded = encode_utf8(address);
            assert!(encoded.bytes().all(|b| b.is_ascii_graphic() && b != b'+' && b != b'='), "{encoded}");
            assert_eq!(decode_utf8(encoded.as_bytes()), address);
        }
        assert_eq!(encode_utf8("用+"), "\\x{7528}\\x{2B}");
        assert_eq!(decode_utf8(b"\\x{D800}\\x{41\\x{}"), "\\x{D800}\\x{41\\x{}");
    }
}
