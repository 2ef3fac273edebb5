//! Modified UTF-7 of mailbox names (RFC 9051 appendix A.1, RFC 3501 §5.1.3).
//!
//! Each name has exactly one encoding: [`decode`] refuses every other (8-bit, base64 of printable ASCII, padding, superfluous bits,
//! unpaired surrogates, shifts side by side), so that two spellings never name two mailboxes, nor one mailbox in two ways.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;

/// RFC 9051 A.1: `,` instead of `/`, no padding, no superfluous bits.
const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// From the wire; `None` if it is not the encoding of any text.
pub(super) fn decode(wire: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'&' => {
                let end = memchr::memchr(b'-', rest)?;
                let (shifted, after) = rest.split_at_checked(end)?;
                rest = after.get(1..)?;
                if shifted.is_empty() {
                    text.push('&');
                } else {
                    // `&..-&..-` has a shorter encoding; `&..-&-` has none.
                    decode_shifted(shifted, &mut text)?;
                    let doubled = rest.starts_with(b"&") && !rest.starts_with(b"&-");
                    if doubled {
                        return None;
                    }
                }
            }
            0x20..=0x7e => text.push(char::from(byte)),
            _ => return None,
        }
    }
    Some(text)
}

fn decode_shifted(shifted: &[u8], text: &mut String) -> Option<()> {
    let octets = BASE64.decode(shifted).ok()?;
    let (pairs, []) = octets.as_chunks::<2>() else { return None };
    for unit in char::decode_utf16(pairs.iter().map(|&pair| u16::from_be_bytes(pair))) {
        // What can stand for itself must.
        text.push(unit.ok().filter(|c| !matches!(c, ' '..='~'))?);
    }
    Some(())
}

/// To the wire.
pub(super) fn encode(text: &str) -> String {
    let mut wire = String::with_capacity(text.len());
    let mut shifted = Vec::new();
    for c in text.chars() {
        if !matches!(c, ' '..='~') {
            shifted.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
            continue;
        }
        flush(&mut shifted, &mut wire);
        wire.push(c);
        if c == '&' {
            wire.push('-');
        }
    }
    flush(&mut shifted, &mut wire);
    wire
}

fn flush(shifted: &mut Vec<u8>, wire: &mut String) {
    if !shifted.is_empty() {
        wire.push('&');
        BASE64.encode_string(&shifted, wire);
        wire.push('-');
        shifted.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode, encode};

    #[test]
    fn the_examples_of_the_rfc() {
        for (text, wire) in [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("a&b", "a&-b"),
            ("&", "&-"),
            ("ゴミ箱", "&MLQw33ux-"),
            ("😀", "&2D3eAA-"),
            ("é&é", "&AOk-&-&AOk-"),
        ] {
            assert_eq!(encode(text), wire);
            assert_eq!(decode(wire.as_bytes()).as_deref(), Some(text), "{wire}");
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for wire in [
            "&",
            "&abc",
            "&AGE-",
            "&U,BTFw==-",
            "&U,BTF-",
            "&U,BTFx-x\u{7f}",
            "é",
            "&AOk-&AOk-",
            "&2D0-",
            "a\0",
            "&//-",
        ] {
            assert_eq!(decode(wire.as_bytes()), None, "{wire}");
        }
    }

    proptest! {
        #[test]
        fn names_and_encodings_are_one_to_one(text in "\\PC{0,40}", wire in prop::collection::vec(any::<u8>(), 0..40), ascii in "[&A-Za-z0-9+,-]{0,24}") {
            prop_assert_eq!(decode(encode(&text).as_bytes()), Some(text));
            for wire in [&wire[..], ascii.as_bytes()] {
                if let Some(text) = decode(wire) {
                    let encoded = encode(&text);
                    prop_assert_eq!(encoded.as_bytes(), wire);
                }
            }
        }
    }
}
