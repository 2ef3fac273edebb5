//! Mailbox names and special uses (RFC 9051 §5.1, RFC 6154).
//!
//! A name is UTF-8 in NFC with `/` between levels; INBOX is the same in any case. Modified UTF-7 is syntax of the wire (`session`).

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::limits;

/// The hierarchy delimiter.
pub const DELIMITER: char = '/';

/// A mailbox's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MailboxName(Box<str>);

/// As names are kept and compared: in Unicode's form NFC, whichever one a client types in.
#[must_use]
pub fn composed(text: &str) -> String {
    text.nfc().collect()
}

impl MailboxName {
    /// The mailbox every account has.
    #[must_use]
    pub fn inbox() -> Self {
        MailboxName("INBOX".into())
    }

    /// Parses UTF-8. `INBOX` in any case, alone or as first level, becomes `INBOX`. One trailing delimiter is dropped.
    ///
    /// `None` for an empty name or level, a control character, `%` or `*`, or more than
    /// [`limits::MAILBOX_NAME_BYTES_MAX`] octets or [`limits::MAILBOX_DEPTH_MAX`] levels.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = composed(text.strip_suffix(DELIMITER).unwrap_or(text));
        let level_valid =
            |level: &str| !level.is_empty() && !level.chars().any(|c| c.is_control() || matches!(c, '%' | '*'));
        let valid = name.len() <= limits::MAILBOX_NAME_BYTES_MAX
            && name.split(DELIMITER).count() <= limits::MAILBOX_DEPTH_MAX
            && name.split(DELIMITER).all(level_valid);
        let folded = match name.split_once(DELIMITER) {
            Some((first, rest)) if first.eq_ignore_ascii_case("INBOX") => format!("INBOX/{rest}"),
            None if name.eq_ignore_ascii_case("INBOX") => "INBOX".to_owned(),
            _ => name,
        };
        valid.then(|| MailboxName(folded.into_boxed_str()))
    }

    /// The name in UTF-8.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is it INBOX itself?
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "INBOX"
    }

    /// The name one level up.
    #[must_use]
    pub fn parent(&self) -> Option<MailboxName> {
        self.0.rsplit_once(DELIMITER).map(|(parent, _)| MailboxName(parent.into()))
    }

    /// Is it below `ancestor`?
    #[must_use]
    pub fn is_below(&self, ancestor: &MailboxName) -> bool {
        self.0.strip_prefix(&*ancestor.0).is_some_and(|rest| rest.starts_with(DELIMITER))
    }

    /// The name with `from` at its start replaced by `to`, for renaming a tree.
    #[must_use]
    pub fn rebased(&self, from: &MailboxName, to: &MailboxName) -> Option<MailboxName> {
        let rest = self.0.strip_prefix(&*from.0)?;
        (rest.is_empty() || rest.starts_with(DELIMITER))
            .then(|| MailboxName::parse(&format!("{}{rest}", to.0)))
            .flatten()
    }
}

impl std::fmt::Display for MailboxName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a mailbox is for (RFC 6154 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SpecialUse {
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    /// Every use, which is also every mailbox that a new account has besides INBOX.
    pub const ALL: [SpecialUse; 5] =
        [SpecialUse::Archive, SpecialUse::Drafts, SpecialUse::Junk, SpecialUse::Sent, SpecialUse::Trash];

    /// The mailbox name at creation.
    #[must_use]
    pub const fn default_name(self) -> &'static str {
        match self {
            SpecialUse::Archive => "Archive",
            SpecialUse::Drafts => "Drafts",
            SpecialUse::Junk => "Junk",
            SpecialUse::Sent => "Sent",
            SpecialUse::Trash => "Trash",
        }
    }

    /// The attribute in LIST.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            SpecialUse::Archive => "\\Archive",
            SpecialUse::Drafts => "\\Drafts",
            SpecialUse::Junk => "\\Junk",
            SpecialUse::Sent => "\\Sent",
            SpecialUse::Trash => "\\Trash",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MailboxName;

    #[test]
    fn names_have_one_form() {
        let name = |text: &str| MailboxName::parse(text).map(|n| n.as_str().to_owned());
        assert_eq!(name("inbox").as_deref(), Some("INBOX"));
        assert_eq!(name("Inbox/a/").as_deref(), Some("INBOX/a"));
        assert_eq!(name("inboxes").as_deref(), Some("inboxes"));
        assert_eq!(name("か\u{3099}"), name("が"));
        for refused in ["", "/", "a//b", "/a", "a\0b", "a%", "*", "a\r\nb"] {
            assert_eq!(name(refused), None, "{refused:?}");
        }
        assert_eq!(name(&"a/".repeat(65)), None);
        assert_eq!(name(&"a".repeat(1001)), None);
    }

    #[test]
    fn trees_are_told_from_prefixes() {
        let name = |text| MailboxName::parse(text).unwrap();
        assert!(name("a/b").is_below(&name("a")));
        assert!(!name("ab").is_below(&name("a")));
        assert_eq!(name("a/b/c").rebased(&name("a/b"), &name("x")), Some(name("x/c")));
        assert_eq!(name("a/bc").rebased(&name("a/b"), &name("x")), None);
    }
}
