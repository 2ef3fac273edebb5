//! Mailbox patterns: `*` matches everything, `%` everything up to the delimiter (RFC 9051 §6.3.9).
//!
//! Matching keeps the last `*` and the last `%` to come back to, never more: at most pattern times name steps, whatever the pattern.

use yubin_types::limits;
use yubin_types::mailbox::{DELIMITER, composed};

use crate::imap::utf7;

/// Reference and pattern together, decoded.
#[derive(Debug)]
pub(super) struct Pattern {
    /// `None`: not modified UTF-7, which is no mailbox's name.
    text: Option<Vec<char>>,
}

impl Pattern {
    pub(super) fn new(reference: &[u8], pattern: &[u8]) -> Pattern {
        // A pattern that is empty asks for the delimiter, whatever the reference.
        let wire = if pattern.is_empty() { Vec::new() } else { [reference, pattern].concat() };
        let folded = utf7::decode(&wire).map(|text| fold_inbox(&composed(&text)));
        let mut text: Vec<char> = Vec::new();
        for c in folded.iter().flat_map(|text| text.chars()) {
            match (text.last(), c) {
                // Runs of wildcards mean what their strongest means.
                (Some('*'), '*' | '%') | (Some('%'), '%') => {}
                (Some('%'), '*') => {
                    text.pop();
                    text.push('*');
                }
                _ => text.push(c),
            }
        }
        // What spells out more than a name can hold matches none.
        let spelled = text.iter().filter(|c| !matches!(c, '*' | '%')).count();
        Pattern { text: folded.filter(|_| spelled <= limits::MAILBOX_NAME_BYTES_MAX).map(|_| text) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.as_ref().is_some_and(Vec::is_empty)
    }

    /// Does it end with `%`?
    pub(super) fn ends_at_level(&self) -> bool {
        self.text.as_ref().is_some_and(|text| text.last() == Some(&'%'))
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        self.text.as_ref().is_some_and(|pattern| matches(pattern, &name))
    }
}

/// INBOX is the same in any case, alone or above others.
fn fold_inbox(text: &str) -> String {
    match text.split_at_checked("INBOX".len()) {
        Some((first, rest))
            if first.eq_ignore_ascii_case("INBOX") && (rest.is_empty() || rest.starts_with([DELIMITER, '%', '*'])) =>
        {
            format!("INBOX{rest}")
        }
        _ => text.to_owned(),
    }
}

/// Where to come back to: the place in the pattern behind the wildcard, and how far it has reached in the name.
#[derive(Clone, Copy)]
struct Retry {
    pattern: usize,
    name: usize,
}

fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let (mut star, mut percent): (Option<Retry>, Option<Retry>) = (None, None);
    loop {
        match (pattern.get(p), name.get(n)) {
            (None, None) => return true,
            (Some('*'), _) => {
                p += 1;
                star = Some(Retry { pattern: p, name: n });
                percent = None;
                continue;
            }
            (Some('%'), _) => {
                p += 1;
                percent = Some(Retry { pattern: p, name: n });
                continue;
            }
            (Some(a), Some(b)) if a == b => {
                (p, n) = (p + 1, n + 1);
                continue;
            }
            _ => {}
        }
        // `%` takes one more character if it may, else `*` does.
        percent = percent.filter(|retry| name.get(retry.name).is_some_and(|&c| c != DELIMITER));
        let retry = match (&mut percent, &mut star) {
            (Some(retry), _) => retry,
            (None, Some(retry)) if retry.name < name.len() => retry,
            _ => return false,
        };
        retry.name += 1;
        (p, n) = (retry.pattern, retry.name);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Pattern;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(b"", pattern.as_bytes()).matches(name)
    }

    /// macOS decomposes names: か and its voicing mark apart.
    #[test]
    fn names_are_found_in_whichever_form_they_are_typed() {
        let typed = |text: &str| Pattern::new(b"", crate::imap::utf7::encode(text).as_bytes());
        assert!(typed("\u{304b}\u{3099}*").matches("\u{304c}\u{3042}"));
        assert!(typed("*/\u{304c}").matches("a/\u{304c}"));
        assert!(!typed("\u{304b}").matches("\u{304c}"));
    }

    #[test]
    fn wildcards() {
        for (pattern, name) in [
            ("*", "a/b/c"),
            ("%", "a"),
            ("a/%", "a/b"),
            ("%/%", "a/b"),
            ("*c", "a/b/c"),
            ("a*b*c", "a/x/b/y/c"),
            ("inbox", "INBOX"),
            ("Inbox/*", "INBOX/a"),
            ("%b%/*d", "abc/x/d"),
            ("&MLQw33ux-", "ゴミ箱"),
            ("*%", "a/b"),
            ("*/%c", "a/b/xc"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("%", "a/b"),
            ("a", "A"),
            ("a/%", "a/b/c"),
            ("", "a"),
            ("a%", "a/"),
            ("é", "é"),
            ("%x", "a/x"),
            ("inboxx", "INBOX"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert!(Pattern::new(b"a/", b"%").matches("a/b"));
    }

    #[test]
    fn many_wildcards_cost_no_more_than_pattern_times_name() {
        let name = "a".repeat(1000);
        for pattern in ["*%".repeat(50_000), "%a".repeat(500) + "b", "*a".repeat(500) + "b"] {
            matches(&pattern, &name);
        }
    }

    /// The rule written down: slow and plain.
    fn model(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', p)), n) => model(p, name) || n.is_some_and(|(_, n)| model(pattern, n)),
            (Some((b'%', p)), n) => model(p, name) || n.is_some_and(|(&c, n)| c != b'/' && model(pattern, n)),
            (Some((a, p)), Some((b, n))) => a == b && model(p, n),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_follows_the_rule(pattern in "[ab/%*]{0,8}", name in "[ab/]{0,8}") {
            prop_assert_eq!(matches(&pattern, &name), model(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
