//! Mail addresses (RFC 5321 §4.1.2, RFC 6531 §3.3) and domain names (RFC 5890).
//!
//! Accepting is wide: dots in any place (`a..b@docomo.ne.jp`, legacy Japanese carriers), quoted strings, UTF-8. What the peer
//! wrote is kept as it is; looking up goes by [`LocalPart::key`] and by the domain's lower-case ASCII form, one function for
//! login, RCPT and provisioning, so that two spellings never become two accounts. The narrower rule for *creating* an address is
//! [`LocalPart::creatable`] (SONET-33, SONET-34). Address literals are syntax here ([`DomainName`] never holds one).

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::limits;
use crate::text::text_conversions;

/// What is wrong with the text of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `@`, or nothing before or after it.
    #[error("an address has the form local@domain")]
    Incomplete,
    /// A character that needs quoting, or one that can't stand in an address at all.
    #[error("invalid character in the local part")]
    LocalPart,
    /// Not a host name, or not convertible to one.
    #[error("invalid domain name")]
    Domain,
    /// Longer than RFC 5321 §4.5.3.1 allows.
    #[error("too long")]
    TooLong,
    /// The local part can't be created; see [`LocalPart::creatable`].
    #[error(
        "a new address has 1 to 32 of a-z 0-9 . - _, starts and ends with a letter or digit, and has no two of . and - in a row"
    )]
    NotCreatable,
}

/// A domain name in lower-case ASCII (A-labels), without the final dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainName(Box<str>);

impl DomainName {
    /// Parses a name in ASCII or UTF-8; UTF-8 is converted by UTS #46, non-transitional.
    ///
    /// # Errors
    /// [`AddressError::Domain`], [`AddressError::TooLong`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        // Only what is not ASCII needs conversion, which is stricter: case must not decide whether an underscore may stand in a name.
        let ascii = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii_strict(text).map_err(|_| AddressError::Domain)?
        };
        if ascii.len() > limits::DOMAIN_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        let labels_valid = ascii.split('.').all(|label| {
            (1..=limits::DOMAIN_LABEL_BYTES_MAX).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        });
        if labels_valid { Ok(DomainName(ascii.into_boxed_str())) } else { Err(AddressError::Domain) }
    }

    /// The name in lower-case ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The part before the `@`, unquoted, as the peer wrote it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalPart(Box<str>);

impl LocalPart {
    /// Parses the wire form: a dot-string (dots anywhere) or a quoted string.
    ///
    /// # Errors
    /// [`AddressError::LocalPart`], [`AddressError::Incomplete`], [`AddressError::TooLong`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let unquoted = match text.strip_prefix('"') {
            Some(rest) => unquote(rest)?,
            None if text.chars().all(|c| is_atext(c) || c == '.') => text.to_owned(),
            None => return Err(AddressError::LocalPart),
        };
        if unquoted.is_empty() {
            return Err(AddressError::Incomplete);
        }
        if unquoted.len() > limits::LOCAL_PART_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        Ok(LocalPart(unquoted.into_boxed_str()))
    }

    /// The text as written, unquoted.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What lookups compare: NFC, lower case.
    #[must_use]
    pub fn key(&self) -> String {
        if self.0.is_ascii() {
            self.0.to_ascii_lowercase()
        } else {
            self.0.nfc().collect::<String>().to_lowercase().nfc().collect()
        }
    }

    /// May an account or alias of this name be created? (SONET-33, SONET-34)
    ///
    /// # Errors
    /// [`AddressError::NotCreatable`].
    pub fn creatable(&self) -> Result<(), AddressError> {
        let bytes = self.0.as_bytes();
        let symbol = |b: &u8| matches!(b, b'.' | b'-' | b'_');
        let doubled = |pair: &[u8]| matches!(pair, [b'.' | b'-', b'.' | b'-']);
        let valid = bytes.len() <= limits::CREATED_LOCAL_PART_BYTES_MAX
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || symbol(b))
            && !bytes.first().is_some_and(symbol)
            && !bytes.last().is_some_and(symbol)
            && !bytes.windows(2).any(doubled);
        if valid { Ok(()) } else { Err(AddressError::NotCreatable) }
    }
}

fn unquote(rest: &str) -> Result<String, AddressError> {
    let inner = rest.strip_suffix('"').ok_or(AddressError::LocalPart)?;
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => chars.next().ok_or(AddressError::LocalPart)?,
            '"' => return Err(AddressError::LocalPart),
            c => c,
        };
        if c.is_control() {
            return Err(AddressError::LocalPart);
        }
        text.push(c);
    }
    Ok(text)
}

/// RFC 5322 §3.2.3 atext, with RFC 6531's UTF-8.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

/// `local@domain`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// Before the `@`.
    pub local: LocalPart,
    /// After the `@`.
    pub domain: DomainName,
}

impl Address {
    /// Parses `local@domain` without angle brackets; the last `@` outside a quoted string divides.
    ///
    /// # Errors
    /// As [`LocalPart::parse`] and [`DomainName::parse`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::Incomplete)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::Incomplete);
        }
        Ok(Address { local: LocalPart::parse(local)?, domain: DomainName::parse(domain)? })
    }
}

/// The envelope sender: an address, or the null reverse-path of notifications (RFC 5321 §4.5.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReversePath {
    /// `<>`.
    Null,
    /// `<local@domain>`.
    Address(Address),
}

impl ReversePath {
    /// The address, unless it is the null path.
    #[must_use]
    pub const fn address(&self) -> Option<&Address> {
        match self {
            ReversePath::Null => None,
            ReversePath::Address(address) => Some(address),
        }
    }

    /// The address without angle brackets; empty for the null path.
    #[must_use]
    pub fn bare(&self) -> String {
        self.address().map(Address::to_string).unwrap_or_default()
    }
}

impl std::fmt::Display for ReversePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReversePath::Null => f.write_str("<>"),
            ReversePath::Address(address) => write!(f, "<{address}>"),
        }
    }
}

impl std::fmt::Display for LocalPart {
    /// The wire form, quoted where a dot-string can't hold it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.chars().all(|c| is_atext(c) || c == '.') {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

impl std::fmt::Display for DomainName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

text_conversions!(DomainName);
text_conversions!(LocalPart);
text_conversions!(Address);

impl From<DomainName> for String {
    fn from(name: DomainName) -> String {
        name.0.into()
    }
}

impl TryFrom<String> for DomainName {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<LocalPart> for String {
    /// The unquoted text: what [`TryFrom`] takes back.
    fn from(local: LocalPart) -> String {
        local.0.into()
    }
}

impl TryFrom<String> for LocalPart {
    type Error = AddressError;
    /// Takes unquoted text, as it was stored.
    fn try_from(text: String) -> Result<Self, AddressError> {
        let valid =
            !text.is_empty() && text.len() <= limits::LOCAL_PART_BYTES_MAX && !text.chars().any(char::is_control);
        if valid { Ok(LocalPart(text.into_boxed_str())) } else { Err(AddressError::LocalPart) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError, DomainName, LocalPart};

    #[test]
    fn addresses_of_real_life_are_accepted_as_written() {
        for text in [
            "a@b.example",
            "a..b@docomo.ne.jp",
            "a.@ezweb.ne.jp",
            ".a@docomo.ne.jp",
            "\"a b\"@c.example",
            "用户@例え.jp",
            "a+b@c.example",
        ] {
            assert!(Address::parse(text).is_ok(), "{text}");
        }
        assert_eq!(Address::parse("\"a b\"@C.Example").unwrap().to_string(), "\"a b\"@c.example");
        assert_eq!(Address::parse("\"a\\\"b@c\"@d.example").unwrap().local.as_str(), "a\"b@c");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, error) in [
            ("a", AddressError::Incomplete),
            ("@b", AddressError::Incomplete),
            ("a@", AddressError::Incomplete),
            ("a b@c", AddressError::LocalPart),
            ("\"a\"b\"@c", AddressError::LocalPart),
            ("\"\"@c", AddressError::Incomplete),
            ("a\r\n@c", AddressError::LocalPart),
            ("a@b c", AddressError::Domain),
            ("a@-b", AddressError::Domain),
            ("a@b..c", AddressError::Domain),
            ("a@[127.0.0.1]", AddressError::Domain),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
        assert_eq!(Address::parse(&format!("{}@b", "a".repeat(65))), Err(AddressError::TooLong));
    }

    #[test]
    fn domains_have_one_spelling() {
        assert_eq!(DomainName::parse("EXAMPLE.jp.").unwrap().as_str(), "example.jp");
        assert_eq!(DomainName::parse("My_Host.Example.jp").unwrap().as_str(), "my_host.example.jp");
        assert_eq!(DomainName::parse("例え.jp").unwrap().as_str(), "xn--r8jz45g.jp");
    }

    #[test]
    fn lookups_ignore_case_and_composition() {
        let key = |text| LocalPart::parse(text).unwrap().key();
        assert_eq!(key("Info"), key("info"));
        assert_eq!(key("が"), key("か\u{3099}"));
        assert_ne!(key("ı"), key("i"));
    }

    /// Characters that look alike, fold, compose, or are not seen.
    const CONFUSABLE: &[char] = &[
        'a',
        'A',
        '\u{430}',
        '\u{ff41}',
        'i',
        'I',
        '\u{131}',
        '\u{130}',
        'k',
        'K',
        '\u{212a}',
        's',
        '\u{17f}',
        '\u{df}',
        '\u{1e9e}',
        '\u{e5}',
        '\u{212b}',
        '\u{30a}',
        '\u{301}',
        '\u{200b}',
        '\u{200d}',
        '\u{ad}',
        '\u{2060}',
        '\u{feff}',
        '\u{3c3}',
        '\u{3c2}',
        '\u{3a3}',
        '\u{fb01}',
        '\u{1d4b6}',
        '\u{ff0e}',
        '\u{3002}',
        '.',
        '-',
        '_',
        '+',
        '0',
        'o',
        '\u{3bf}',
        '\u{43e}',
        '\u{304b}',
        '\u{3099}',
        '\u{304c}',
        '\u{1100}',
        '\u{1161}',
        '\u{ac00}',
    ];

    /// A few of them, as the seed wants it.
    fn confusing(state: &mut u64) -> String {
        let mut next = || {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            usize::try_from(*state >> 33).unwrap()
        };
        (0..=next() % 4).map(|_| CONFUSABLE[next() % CONFUSABLE.len()]).collect()
    }

    /// Attack list, item 17: two names that can be created never lead to one mailbox, and every spelling that leads to a mailbox has one key,
    /// whichever way it came: as it was sent, as it was shown, as it was stored.
    #[test]
    fn no_two_accounts_share_a_key_and_no_spelling_has_two() {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        let mut created = std::collections::BTreeMap::new();
        for _ in 0..100_000 {
            let text = confusing(&mut state);
            let Ok(local) = LocalPart::parse(&text) else { continue };
            let key = local.key();
            assert_eq!(LocalPart::parse(&local.to_string()).map(|shown| shown.key()), Ok(key.clone()), "{text:?}");
            assert_eq!(LocalPart::try_from(String::from(local.clone())).map(|kept| kept.key()), Ok(key.clone()));
            assert_eq!(LocalPart::try_from(key.clone()).map(|again| again.key()), Ok(key.clone()), "{text:?}");
            if local.creatable().is_ok() {
                let other = created.entry(key).or_insert_with(|| text.clone());
                assert_eq!(*other, text, "one mailbox for two names");
            }
            let Ok(domain) = DomainName::parse(&format!("{text}.example")) else { continue };
            assert!(domain.as_str().is_ascii(), "{domain:?}");
            assert_eq!(DomainName::parse(domain.as_str()).as_ref(), Ok(&domain), "{text:?}");
            assert_eq!(DomainName::parse(&domain.as_str().to_ascii_uppercase()).as_ref(), Ok(&domain), "{text:?}");
        }
        assert!(created.len() > 20, "{}", created.len());
    }

    /// SONET-33, SONET-34: the seven examples of the rule, and two that it allows.
    #[test]
    fn new_addresses_follow_the_hosting_rule() {
        for refused in
            ["test..123", "test--123", "test-.123", ".test", "-test", "test-123.", "test123-", "Test", &"a".repeat(33)]
        {
            assert_eq!(LocalPart::parse(refused).unwrap().creatable(), Err(AddressError::NotCreatable), "{refused}");
        }
        for allowed in ["a", "te__st.x-1"] {
            assert!(LocalPart::parse(allowed).unwrap().creatable().is_ok(), "{allowed}");
        }
    }
}
