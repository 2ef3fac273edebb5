//! Message flags: the five system flags that persist (RFC 9051 §2.3.2) and keywords.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::limits;

/// The system flags as bits; `\Recent` is gone from IMAP4rev2 and is a matter of the session in IMAP4rev1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SystemFlags(u8);

/// One flag as a client names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Flag {
    /// `\Seen`
    Seen,
    /// `\Answered`
    Answered,
    /// `\Flagged`
    Flagged,
    /// `\Deleted`
    Deleted,
    /// `\Draft`
    Draft,
    /// Anything without a backslash.
    Keyword(Keyword),
}

impl SystemFlags {
    fn bit(flag: &Flag) -> u8 {
        match flag {
            Flag::Seen => 1,
            Flag::Answered => 2,
            Flag::Flagged => 4,
            Flag::Deleted => 8,
            Flag::Draft => 16,
            Flag::Keyword(_) => 0,
        }
    }

    /// The raw bits, for rows.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From raw bits; unknown ones are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        SystemFlags(bits & 0x1f)
    }
}

/// A keyword: an IMAP atom; compared without regard to ASCII case, kept as first written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keyword(Box<str>);

impl Keyword {
    /// Parses an atom of at most [`limits::KEYWORD_BYTES_MAX`] octets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let atom = |b: u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b);
        let valid = (1..=limits::KEYWORD_BYTES_MAX).contains(&text.len()) && text.bytes().all(atom);
        valid.then(|| Keyword(text.into()))
    }

    /// As first written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let lower = |k: &Self| k.0.to_ascii_lowercase();
        lower(self).cmp(&lower(other))
    }
}

impl std::hash::Hash for Keyword {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}

/// All flags of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FlagSet {
    /// The system flags.
    pub system: SystemFlags,
    /// Keywords, sorted.
    pub keywords: SmallVec<[Keyword; 1]>,
}

impl FlagSet {
    /// Is the flag set?
    #[must_use]
    pub fn contains(&self, flag: &Flag) -> bool {
        match flag {
            Flag::Keyword(keyword) => self.keywords.binary_search(keyword).is_ok(),
            system => self.system.0 & SystemFlags::bit(system) != 0,
        }
    }

    /// Sets a flag.
    pub fn insert(&mut self, flag: Flag) {
        match flag {
            Flag::Keyword(keyword) => {
                if let Err(at) = self.keywords.binary_search(&keyword) {
                    self.keywords.insert(at, keyword);
                }
            }
            system => self.system.0 |= SystemFlags::bit(&system),
        }
    }

    /// Clears a flag.
    pub fn remove(&mut self, flag: &Flag) {
        match flag {
            Flag::Keyword(keyword) => {
                if let Ok(at) = self.keywords.binary_search(keyword) {
                    self.keywords.remove(at);
                }
            }
            system => self.system.0 &= !SystemFlags::bit(system),
        }
    }

    /// All set flags, system flags first.
    pub fn iter(&self) -> impl Iterator<Item = Flag> + '_ {
        [Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Seen, Flag::Draft]
            .into_iter()
            .filter(|flag| self.contains(flag))
            .chain(self.keywords.iter().cloned().map(Flag::Keyword))
    }

    /// Nothing set?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.system.0 == 0 && self.keywords.is_empty()
    }
}

impl FromIterator<Flag> for FlagSet {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        let mut set = FlagSet::default();
        flags.into_iter().for_each(|flag| set.insert(flag));
        set
    }
}

impl std::fmt::Display for Flag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Flag::Seen => "\\Seen",
            Flag::Answered => "\\Answered",
            Flag::Flagged => "\\Flagged",
            Flag::Deleted => "\\Deleted",
            Flag::Draft => "\\Draft",
            Flag::Keyword(keyword) => keyword.as_str(),
        })
    }
}

impl Flag {
    /// Parses `\Seen` and its kin (any case) or a keyword; `\Recent` and unknown backslash flags are `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some(name) = text.strip_prefix('\\') else {
            return Keyword::parse(text).map(Flag::Keyword);
        };
        [Flag::Seen, Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Draft]
            .into_iter()
            .find(|flag| flag.to_string().get(1..).is_some_and(|known| known.eq_ignore_ascii_case(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Flag, FlagSet, Keyword};

    #[test]
    fn flags_parse_print_and_stay_a_set() {
        let set: FlagSet =
            ["\\seen", "$Forwarded", "$forwarded", "\\Deleted", "a"].iter().filter_map(|t| Flag::parse(t)).collect();
        let printed: Vec<_> = set.iter().map(|f| f.to_string()).collect();
        assert_eq!(printed, ["\\Deleted", "\\Seen", "$Forwarded", "a"]);
        let mut set = set;
        set.remove(&Flag::parse("$FORWARDED").unwrap());
        assert!(!set.contains(&Flag::parse("$Forwarded").unwrap()));
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        for text in ["\\Recent", "\\*", "a b", "a\"", "", "é", "a]"] {
            assert_eq!(Flag::parse(text), None, "{text}");
        }
        assert!(Keyword::parse(&"k".repeat(129)).is_none());
    }
}
