//! What SORT compares of a message (RFC 5256 §2.1, §2.2, §3): texts as users hold them to be equal, and the base of a subject.
//!
//! Text is folded as a search folds it: case, width and runs of white space make no difference. Keys are cut to
//! [`limits::SORT_TEXT_BYTES_MAX`], and subjects are looked at so far only, so that the work is linear in messages.

use yubin_types::limits;

use crate::address::Address;
use crate::encoded_word::decode_header;
use crate::envelope::Envelope;
use crate::search::folded;

/// The base subject: without "Re:", "Fwd:", "[list]" before it and "(fwd)" behind it.
///
/// ```
/// let tree = yubin_message::scan(b"Subject: Re: [list] Fwd: Dinner (fwd)\r\n\r\n");
/// assert_eq!(yubin_message::sort::subject(tree.envelope()), "dinner");
/// ```
pub fn subject(envelope: &Envelope) -> String {
    let text = envelope.subject.as_deref().map(|subject| cut(&folded(&decode_header(subject))).to_owned());
    base(text.as_deref().unwrap_or_default().trim()).to_owned()
}

/// The local part of the first address, without its domain; empty where there is none.
pub fn first_mailbox(list: &[Address]) -> String {
    let first = list.iter().find_map(|address| match address {
        Address::Mailbox(mailbox) => Some(&mailbox.local),
        // RFC 5256 §3 speaks of the first structure of the ENVELOPE, which may open a group.
        Address::GroupStart(name) => Some(name),
        Address::GroupEnd => None,
    });
    first.map(|local| cut(&folded(&String::from_utf8_lossy(local))).to_owned()).unwrap_or_default()
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(limits::SORT_TEXT_BYTES_MAX)).unwrap_or_default()
}

/// RFC 5256 §2.1 steps 2 to 6, of text that is in lower case and has single spaces.
fn base(mut text: &str) -> &str {
    loop {
        text = without_trailers(text);
        loop {
            text = text.trim_start();
            if let Some(rest) = after_leader(text) {
                text = rest;
            } else if let Some(rest) = after_blob(text).filter(|rest| !rest.is_empty()) {
                text = rest;
            } else {
                break;
            }
        }
        match text.strip_prefix("[fwd:").and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => text = inner,
            None => return text,
        }
    }
}

/// subj-trailer: `(fwd)` and white space.
fn without_trailers(mut text: &str) -> &str {
    loop {
        text = text.trim_end();
        match text.strip_suffix("(fwd)") {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

/// subj-leader: blobs, `re`, `fw` or `fwd`, perhaps a blob, and a colon.
fn after_leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(after) = after_blob(rest) {
        rest = after;
    }
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| rest.strip_prefix(word))?.trim_start();
    after_blob(rest).unwrap_or(rest).strip_prefix(':')
}

/// subj-blob: `[...]` and the white space behind it.
fn after_blob(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    inner.get(end..)?.strip_prefix(']').map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    #[test]
    fn subjects_of_one_conversation_have_one_base() {
        let of = |text: &str| subject(scan(format!("Subject: {text}\r\n\r\n").as_bytes()).envelope());
        for text in [
            "Dinner tonight",
            "Re: dinner  tonight",
            "RE: Re: Fwd: Dinner\r\n tonight (fwd) (FWD) ",
            "[list] Re: [list] Dinner tonight",
            "re[2]: Dinner tonight",
            "Re [x] : Dinner tonight",
            "[Fwd: Re: Dinner tonight]",
            "Fw: [fwd: [a][b] dinner tonight ] (fwd)",
            "=?utf-8?q?Re=3A_Dinner?= tonight",
            "Re\u{ff1a}Dinner tonight",
        ] {
            assert_eq!(of(text), "dinner tonight", "{text}");
        }
        for (text, base) in [("[only a blob]", "[only a blob]"), ("Re:", ""), ("", ""), ("Reply: x", "reply: x")] {
            assert_eq!(of(text), base, "{text}");
        }
        assert_eq!(of("\u{ff76}\u{ff9e} Re: x"), "\u{30ac} re: x");
        assert!(of(&"[a]".repeat(50_000)).len() <= limits::SORT_TEXT_BYTES_MAX);
    }

    #[test]
    fn addresses_sort_by_what_stands_before_their_domain() {
        let tree = scan(b"From: Zoe <Ann@z.test>, b@a.test\r\nTo: Friends: c@d.test;\r\n\r\n");
        assert_eq!(first_mailbox(&tree.envelope().from), "ann");
        assert_eq!(first_mailbox(&tree.envelope().to), "friends");
        assert_eq!(first_mailbox(&tree.envelope().cc), "");
    }
}
